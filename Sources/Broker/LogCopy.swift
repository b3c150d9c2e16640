internal import Wire

/// Makes this node's durable log equal to another's: drops what they do not share, then fetches what is missing.
///
///      sampling ─ matching ─(truncating, recovering)─ fetching ─▶ at the target, or following the source's end
package struct LogCopy: Sendable {
    enum Phase: Equatable, Sendable {
        case sampling
        case matching
        case recovering
        case fetching
        /// Has all that the source showed last.
        case level
    }
    let source: NodeID
    var target: LogEnd?
    var phase = Phase.sampling
    /// When the last fetch was asked, monotonic nanoseconds.
    var asked: UInt64 = 0
    /// Entries that the source could show at its last answer.
    var shown: EntryNumber = .zero
    var bytes: UInt64 = 0

    static let chunk = 512 << 10
}

/// A node that catches up with a view that runs without it (R10).
package struct Learner: Sendable {
    let source: NodeID
    let view: View
    var admitAsked: UInt64 = 0
    var welcome: Proposal?
    var isSaving = false
}
