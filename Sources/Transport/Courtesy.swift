internal import CSystem

/// Whether the thread that waits lets whoever woke it go on first.
///
/// A node writes to several others. On few processors the first that is woken takes the processor from the writer, before its second write; a thread
/// that waits its turn (SCHED_BATCH) does not. It would also wait for somebody who computes on its processor, to the end of his slice of
/// milliseconds: a yield that takes long tells, and for a while the thread is as others are.
struct Courtesy {
    private enum Stage { case off, usual, waiting }
    private var stage: Stage
    private var nextTry: UInt64 = 0

    /// A yield that takes longer, nanoseconds, went to somebody who computes, not to one that has a turn of its own.
    static var limit: UInt64 { 1_000_000 }
    /// After so long, nanoseconds, it is tried again.
    private static var pause: UInt64 { 1_000_000_000 }

    var waitsItsTurn: Bool { stage == .waiting }

    init(isOn: Bool) { stage = isOn ? .usual : .off }

    /// The thread is about to wait.
    mutating func begin(now: UInt64) {
        guard stage == .usual, now >= nextTry else { return }
        stage = squall_wait_turn(1) == 0 ? .waiting : .off
    }
    /// Somebody computes here.
    mutating func end(now: UInt64) {
        guard stage == .waiting else { return }
        _ = squall_wait_turn(0)
        stage = .usual
        nextTry = now + Self.pause
    }
}
