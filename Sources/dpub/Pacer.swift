internal import Tooling

/// When each record is due; takes the time, reads no clock.
struct Pacer: Equatable {
    enum Pace: Equatable {
        case unlimited
        /// Records a second.
        case rate(Double)
        /// The records' own times, this much faster.
        case speed(Double)
    }
    /// How far a rate may catch up after a stall, seconds; beyond that the lost time is let go.
    static let catchUp = 1.0
    /// How far a record's time may step back, nanoseconds, before the replay is taken to begin again there.
    static let jitter: Int64 = 10_000_000_000

    let pace: Pace
    private var due: Double?
    /// The record time and the clock that belong together.
    private var anchor: (time: Int64, clock: Double)?
    private var newest = Int64.min

    init(_ pace: Pace) { self.pace = pace }

    static func == (a: Pacer, b: Pacer) -> Bool { a.pace == b.pace && a.due == b.due && a.newest == b.newest }

    /// Seconds until the next record may go, 0: now; `time` is the record's own, nanoseconds; `now` in seconds of a clock that never falls.
    mutating func delay(now: Double, time: Int64) -> Double {
        switch pace {
        case .unlimited: return 0
        case .rate:
            guard let due else { return 0 }
            return max(0, due - now)
        case .speed(let factor):
            guard let start = anchor, !isBackFar(time) else {
                anchor = (time, now)
                newest = time
                return 0
            }
            newest = max(newest, time)
            return max(0, start.clock + (Double(time) - Double(start.time)) / 1e9 / factor - now)
        }
    }
    /// Whether `time` lies further before the newest than jitter does.
    private func isBackFar(_ time: Int64) -> Bool {
        guard time < newest else { return false }
        let (step, overflow) = newest.subtractingReportingOverflow(time)
        return overflow || step > Self.jitter
    }
    /// A record went.
    mutating func sent(now: Double) {
        guard case .rate(let perSecond) = pace else { return }
        due = max(due ?? now, now - Self.catchUp) + 1 / perSecond
    }

    /// `100`, `100/s`, `10k/s`, `0.5`.
    static func parseRate(_ text: String) -> Double? {
        Numbers.parsePositive(text.hasSuffix("/s") ? text.dropLast(2) : text[...])
    }
    /// `10x`, `10`, `0.5x`.
    static func parseSpeed(_ text: String) -> Double? {
        Numbers.parsePositive(text.hasSuffix("x") ? text.dropLast() : text[...])
    }
}
