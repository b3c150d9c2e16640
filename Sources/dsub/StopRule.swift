internal import Tooling

/// When a subscription has seen enough; takes counts and the time.
struct StopRule: Equatable {
    /// Records to take; nil: no limit.
    var count: UInt64?
    /// End with what is there.
    var stopsAtEnd = false
    /// Seconds of the clock at which to give up; nil: never.
    var deadline: Double?
    private(set) var taken: UInt64 = 0

    init(count: UInt64?, stopsAtEnd: Bool, deadline: Double?) {
        self.count = count
        self.stopsAtEnd = stopsAtEnd
        self.deadline = deadline
    }
    /// Counts a record; whether more are wanted.
    mutating func take() -> Bool {
        taken += 1
        return !hasAll
    }
    var hasAll: Bool { count.map { taken >= $0 } ?? false }

    /// How the run ends now, or nil: it goes on.
    func verdict(atEnd: Bool, interrupted: Bool, now: Double) -> ExitStatus? {
        if hasAll || interrupted || (stopsAtEnd && atEnd) { return .done }
        if let deadline, now >= deadline { return .timeUp }
        return nil
    }
    /// How long a wait may last, at most `slice` seconds.
    func wait(now: Double, slice: Double) -> Double { max(0, min(slice, (deadline ?? .infinity) - now)) }
}
