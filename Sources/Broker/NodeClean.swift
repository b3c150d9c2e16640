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
    /// For each nanosecond that a slice took, so many go by before the next: at most a quarter of the disk's time is cleaning's.
    static let pause: UInt64 = 3
}

/// The durable log loses what topics.yaml no longer keeps, in the background, while a view runs: of what is delivered, nothing is ever taken
/// back. Each node cleans its own log.
extension Node {
    mutating func clean(into out: inout [Directive]) {
        guard settings.cleanRate > 0, !cleaning.isBusy, repair == nil, !holders.isPlacing, let live, live.groups[GroupID.durable.index].carried == nil
        else { return }
        let delivered = live.groups[GroupID.durable.index].deliveredEnd.number
        let isDue = lastSeen >= cleaning.nextAt || cleaning.isResting && delivered >= cleaning.closed ?? EntryNumber(.max)
        guard isDue else { return }
        if delivered >= cleaning.closed ?? .zero { cleaning.closed = nil }
        cleaning.isResting = false
        let waited = min(lastSeen - min(lastSeen, cleaning.asked), 1_000_000_000)
        let earned = Int(clamping: UInt64(settings.cleanRate) * (waited / 1000) / 1_000_000)
        cleaning.bytes = min(settings.cleanBytes, max(earned, settings.cleanBytes / 8))
        cleaning.isBusy = true
        cleaning.asked = lastSeen
        cleaning.view = live.view.number
        out.append(.disk(.clean(.durable, below: delivered, bytes: cleaning.bytes, drop: droppable)))
    }

    func cleaningDue() -> UInt64 {
        guard settings.cleanRate > 0, !cleaning.isBusy, repair == nil, !holders.isPlacing, let live else { return .max }
        return live.groups[GroupID.durable.index].carried == nil ? cleaning.nextAt : .max
    }

    mutating func cleaned(_ report: CleanReport, isDone: Bool, now: Instant) {
        if report.passes > cleaning.report.passes { counters.cleaningPasses = report.passes }
        cleaning.report = report
        cleaning.isBusy = false
        cleaning.isResting = isDone
        let passed = now.monotonic - min(now.monotonic, cleaning.asked)
        let span = UInt64(cleaning.bytes) * 1_000_000_000 / UInt64(settings.cleanRate)
        cleaning.nextAt = now.monotonic + (isDone ? settings.cleanRest : max((report.took ?? passed) * CleaningPace.pause, span - min(span, passed)))
    }
}
