import Glibc

/// Why a scene cannot go on.
enum Trouble: Error, CustomStringConvertible {
    /// What should have come true did not, in the time it had.
    case overdue(String)
    /// The product did what it must not do.
    case broken(String)
    /// This machine does not let it be tried.
    case impossible(String)

    var description: String {
        switch self {
        case .overdue(let what), .broken(let what), .impossible(let what): what
        }
    }
}

/// CLOCK_MONOTONIC, nanoseconds; clock_gettime(2).
func monotonic() -> UInt64 {
    var time = timespec()
    _ = unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

func nanoseconds(_ seconds: Double) -> UInt64 { UInt64(max(seconds, 0) * 1e9) }

/// What errno means; strerror(3).
func reason(_ number: Int32) -> String { unsafe String(cString: strerror(number)) }

/// SplitMix64: every draw of a scene comes from here, so that a seed repeats them.
struct Draw {
    private var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
    mutating func int(_ range: ClosedRange<Int>) -> Int {
        range.lowerBound + Int(next() % UInt64(range.upperBound - range.lowerBound + 1))
    }
    mutating func pick<T>(_ list: [T]) -> T { list[int(0...list.count - 1)] }
    /// True once in `n` times.
    mutating func once(in n: Int) -> Bool { int(1...n) == 1 }
    /// 1 … `limit`, each power of two as likely as the next: small numbers often, large ones sometimes.
    mutating func spread(_ limit: Int) -> Int {
        let share = Double(next() >> 11) / Double(1 << 53)
        return min(limit, Int(exp2(share * log2(Double(limit) + 1))))
    }
    /// `count` of `list`, in drawn order.
    mutating func some<T>(_ count: Int, of list: [T]) -> [T] {
        var rest = list
        var taken: [T] = []
        while taken.count < count, !rest.isEmpty { taken.append(rest.remove(at: int(0...rest.count - 1))) }
        return taken
    }
}
