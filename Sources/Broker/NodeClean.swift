internal import Wire

/// When the next slice of cleaning may begin: within a share of bytes and a share of the disk's time.
struct CleaningPace: Sendable {
    var isBusy = false
    var nextAt: UInt64 = 0
    var asked: UInt64 = 0
    /// The view in which the slice under way was begun.
    var view = ViewNumber(0)
    var bytes = 0
    var report = CleanReport()
    /// There was nothing to do; a segment that ends at `closed` may give something to do as soon as it is delivered.
    var isResting = false
    var closed: EntryNumber?

    /// For each nanosecond that a slice took, so many go by before the next: at most a quarter of the disk's time is cleaning's, and half
    /// of it where the log grows faster than it is cleaned.
    private var pause: UInt64 { report.isBehind ? 1 : 3 }
    /// Of the rate that is set, where the log grows faster than it is cleaned: else the disk would fill.
    private static let hurry = 8

    private func rate(_ settings: NodeSettings) -> UInt64 { UInt64(settings.cleanRate) * UInt64(report.isBehind ? Self.hurry : 1) }

    /// Begins a slice: of as many bytes as the time since the last one has earned.
    mutating func begin(_ settings: NodeSettings, in view: ViewNumber, now: UInt64) {
        let waited = min(now - min(now, asked), 1_000_000_000)
        let earned = Int(clamping: rate(settings) * (waited / 1000) / 1_000_000)
        bytes = min(settings.cleanBytes, max(earned, settings.cleanBytes / 8))
        (isBusy, isResting) = (true, false)
        (asked, self.view) = (now, view)
    }

    /// The slice is done: when the next one may begin.
    mutating func end(_ report: CleanReport, isDone: Bool, _ settings: NodeSettings, now: UInt64) {
        self.report = report
        (isBusy, isResting) = (false, isDone)
        guard !isDone else { return nextAt = now + settings.cleanRest }
        let passed = now - min(now, asked)
        let span = UInt64(bytes) * 1_000_000_000 / rate(settings)
        nextAt = now + max((report.took ?? passed) * pause, span - min(span, passed))
    }
}

/// The durable log loses what topics.yaml no longer keeps, in the background, while a view runs: of what is delivered, nothing is ever taken
/// back. Each node cleans its own log.
extension Node {
    func clean(into out: inout [Directive]) {
        guard settings.cleanRate > 0, !cleaning.isBusy, repair == nil, !holders.isPlacing, let live, live.groups[GroupID.durable.index].carried == nil
        else { return }
        let delivered = live.groups[GroupID.durable.index].deliveredEnd.number
        let isDue = lastSeen >= cleaning.nextAt || cleaning.isResting && delivered >= cleaning.closed ?? EntryNumber(.max)
        guard isDue else { return }
        if delivered >= cleaning.closed ?? .zero { cleaning.closed = nil }
        cleaning.begin(settings, in: live.view.number, now: lastSeen)
        out.append(.disk(.clean(.durable, below: delivered, bytes: cleaning.bytes, drop: droppable)))
    }

    func cleaningDue() -> UInt64 {
        guard settings.cleanRate > 0, !cleaning.isBusy, repair == nil, !holders.isPlacing, let live else { return .max }
        return live.groups[GroupID.durable.index].carried == nil ? cleaning.nextAt : .max
    }

    func cleaned(_ report: CleanReport, isDone: Bool, now: Instant) {
        if report.passes > cleaning.report.passes { counters.cleaningPasses = report.passes }
        cleaning.end(report, isDone: isDone, settings, now: now.monotonic)
    }
}
