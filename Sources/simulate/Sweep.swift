import Glibc

/// Many seeds, dealt out to child processes; a child that traps, or finds no end, is replaced, and its seed counts as failed.
final class Sweep {
    private struct Hand {
        var child: Child
        var at: UInt64?
        var since = ContinuousClock.now
        let offset: UInt64
    }
    /// A world takes some hundredths of a second, and the longest a few.
    private static let patience = 120.0
    private let size: Size
    private let jobs: Int
    private var tally = Tally()
    private var worlds = 0
    private var trapped = 0
    private var violations: [(seed: UInt64, what: String)] = []
    private var digests: [UInt64: String] = [:]
    private var seconds = 0.0
    private(set) var repeated = 0
    /// Worlds that were to run and of which nothing was heard.
    private(set) var missing: UInt64 = 0
    var isRepeated: Bool { repeated == digests.count }

    init(_ size: Size, jobs: Int) {
        self.size = size
        self.jobs = jobs
    }

    var summary: String {
        let rate = seconds > 0 ? Double(worlds) / seconds : 0
        return "\(worlds) worlds, \(violations.count) with a violation; \(tally); \(Int(rate)) worlds a second"
    }

    /// Runs the seeds, and stops giving out more when the time is over; those that failed.
    func run(from first: UInt64, to last: UInt64, seconds limit: Double?) -> [UInt64] {
        let clock = ContinuousClock()
        let start = clock.now
        var hands: [Hand] = []
        for offset in 0..<UInt64(jobs) where first + offset <= last {
            if let child = begin(first + offset, last) { hands.append(Hand(child: child, offset: offset)) }
        }
        while !hands.isEmpty {
            if let limit, clock.now - start > .seconds(limit) { break }
            guard let place = Child.wait(hands.map(\.child), milliseconds: 200) ?? late(hands, clock.now) else { continue }
            let isLate = late(hands, clock.now) == place
            if !isLate, let lines = hands[place].child.lines() {
                hands[place].since = clock.now
                for line in lines { hear(line, &hands[place].at) }
            } else if let seed = hands[place].at {
                fail(seed, isLate ? "the world finds no end within \(Int(Self.patience)) s" : "the world trapped")
                if seed <= last - min(last, UInt64(jobs)), let child = begin(seed + UInt64(jobs), last) {
                    hands[place].child.stop()
                    hands[place] = Hand(child: child, offset: hands[place].offset)
                } else { hands.remove(at: place) }
            } else { hands.remove(at: place) }
        }
        let spent = clock.now - start
        seconds = Double(spent.components.seconds) + Double(spent.components.attoseconds) * 1e-18
        if limit == nil { missing = last - first + 1 - min(UInt64(worlds + trapped), last - first + 1) }
        return violations.map(\.seed)
    }

    /// The place of one whose world goes on for too long.
    private func late(_ hands: [Hand], _ now: ContinuousClock.Instant) -> Int? {
        hands.firstIndex { $0.at != nil && now - $0.since > .seconds(Self.patience) }
    }

    private func begin(_ seed: UInt64, _ last: UInt64) -> Child? {
        guard seed <= last else { return nil }
        return Child(["work", "--from", "\(seed)", "--to", "\(last)", "--stride", "\(jobs)"] + size.words)
    }

    private func hear(_ line: String, _ at: inout UInt64?) {
        switch Word(line) {
        case .begins(let seed): at = seed
        case .ended(let seed, let digest, let counts, let violation, _):
            at = nil
            worlds += 1
            tally += counts
            if seed % 100 == 0 { digests[seed] = digest }
            if let violation { fail(seed, violation, hasEnded: true) }
        case nil: break
        }
    }

    private func fail(_ seed: UInt64, _ what: String, hasEnded: Bool = false) {
        if !hasEnded { trapped += 1 }
        violations.append((seed, what))
        print("seed \(seed): VIOLATION: \(what)")
        fflush(nil)
    }

    /// Every hundredth seed once more, in a fresh process: the seeds whose digest was another one.
    func repeatEveryHundredth() -> [UInt64] {
        var odd: [UInt64] = []
        guard let first = digests.keys.min(), let last = digests.keys.max(),
            let child = Child(["work", "--from", "\(first)", "--to", "\(last)", "--stride", "100"] + size.words)
        else { return [] }
        while let lines = child.lines() {
            for line in lines {
                guard case .ended(let seed, let digest, _, _, _) = Word(line), let known = digests[seed] else { continue }
                repeated += 1
                if digest != known { odd.append(seed) }
            }
        }
        return odd
    }
}
