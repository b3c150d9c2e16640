internal import CSystem

/// Whether the thread that waits lets whoever woke it go on first.
///
/// A node writes to several others. On few processors the first that is woken takes the processor from the writer, before its second write; a thread
/// that waits its turn (SCHED_BATCH) does not. It would also wait for somebody who computes on its processor, to the end of his slice of
/// milliseconds. How long a yield takes tells which of the two it is: most are over at once, or when another has had a short turn.
///
///      usual ──16 short yields in a row──▶ waiting ──a long one, or a late wakeup──▶ usual
struct Courtesy {
    private enum Stage { case off, usual, waiting }
    private var stage: Stage
    private var short = 0
    private var sleeps = 0

    /// A yield that takes longer, nanoseconds, went to somebody who computes, not to one that has a turn of its own.
    private static var limit: UInt64 { 1_000_000 }
    private static var enough: Int { 16 }
    /// So many sleeps without a yield before them, and the next one has one: long turns are followed by none. Beside somebody who computes a yield
    /// costs a slice: with each long one it is twice as many, to the most.
    private static var unseenLeast: Int { 8 }
    private static var unseenMost: Int { 4096 }
    private var unseen = Courtesy.unseenLeast

    init(isOn: Bool) { stage = isOn ? .usual : .off }

    var waitsItsTurn: Bool { stage == .waiting }

    /// The thread is about to sleep. True: it is to yield once before, to be told how long that took.
    mutating func asks() -> Bool {
        guard stage != .off else { return false }
        sleeps += 1
        return sleeps > unseen
    }

    /// A yield took so long, nanoseconds.
    mutating func yielded(_ took: UInt64) {
        guard stage != .off else { return }
        sleeps = 0
        guard took <= Self.limit else {
            unseen = min(2 * unseen, Self.unseenMost)
            return slept(late: took)
        }
        unseen = Self.unseenLeast
        short += 1
        guard stage == .usual, short >= Self.enough else { return }
        stage = squall_wait_turn(1) == 0 ? .waiting : .off
    }

    /// The thread woke so long after it was to, nanoseconds.
    mutating func slept(late: UInt64) {
        guard stage != .off, late > Self.limit else { return }
        short = 0
        guard stage == .waiting else { return }
        stage = squall_wait_turn(0) == 0 ? .usual : .off
    }
}
