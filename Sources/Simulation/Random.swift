internal import Wire

/// Draws numbers from a seed and nothing else (SplitMix64; Steele, Lea and Flood, 2014). Each use has a stream of its own, so
/// that what one draws does not change what another gets.
struct SplitMix64: RandomNumberGenerator {
    enum Stream: UInt64 { case temper = 1, network, disk, faults, workload, clocks, store, interests, cleaning, duel, consumers, status, pages, news, newsroom, relay, parting, hang, unlimited, slips, newDisk, early, crooked }
    private var state: UInt64

    init(seed: UInt64, _ stream: Stream) { state = mix(seed &* 0x9E37_79B9_7F4A_7C15 ^ mix(stream.rawValue)) }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
    /// 0 ..< limit.
    mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(limit)) }
    /// True `percent` times in a hundred.
    mutating func chance(_ percent: Int) -> Bool { below(100) < percent }
    mutating func pick<T>(_ values: [T]) -> T { values[below(values.count)] }
    /// From `low` to about `high`, each doubling as likely as the next.
    mutating func scale(_ low: UInt64, _ high: UInt64) -> UInt64 {
        let doublings = max(1, 64 - (high / max(low, 1)).leadingZeroBitCount)
        let start = low << UInt64(below(doublings))
        return min(start + next() % max(start, 1), high)
    }
}

/// Nanoseconds.
enum Span {
    static let microsecond: UInt64 = 1_000
    static let millisecond: UInt64 = 1_000_000
    static let second: UInt64 = 1_000_000_000
}
