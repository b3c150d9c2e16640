package import Wire

/// What cleaning has made of the durable log; bytes.
package struct CleanReport: Equatable, Sendable {
    /// What the rules keep, as of the last look at all of it, and the open segment.
    package var kept = 0
    /// Of all segments, and of the files kept for the next ones.
    package var disk = 0
    /// Taken away since this life began.
    package var cleaned = 0
    /// When the oldest record that is kept was ordered; nil: none is known.
    package var oldest: Timestamp?
    package var passes: UInt64 = 0
    /// The log grows faster than it is cleaned: since this pass began it has grown by as much as begins one, and by half of what the pass has worked.
    package var isBehind = false
    /// Nanoseconds that the slice took, where somebody looked; else what lies between question and answer counts.
    package var took: UInt64?

    package init() {}
}
