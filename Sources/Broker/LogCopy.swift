package import Wire

/// Makes this node's durable log equal to another's: drops what they do not share, then fetches what is missing.
///
///      sampling ─ matching ─(truncating, recovering)─ fetching ─▶ at the target, or following the source's end
///         ▲────────────┘ until nothing lies between what is shared and what is not: a copy must not go that may be the other's last
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
    /// Where the samples lie that were sent last, ascending, and the latest place that the source shares, as far as is known.
    var sampled: [EntryNumber] = []
    var shared: EntryNumber = .zero
    /// When the last fetch was asked, monotonic nanoseconds.
    var asked: UInt64 = 0
    /// More would be asked for, had this node not copied as much as it may for now: the next tick asks.
    var isWaiting = false
    /// Entries that the source could show at its last answer.
    var shown: EntryNumber = .zero
    var shownOffset = Offset(0)
    var bytes: UInt64 = 0
    /// Bytes that may be asked for now; below zero while what came has yet to be earned.
    private var budget: Int64 = 0
    private var earned: UInt64 = 0

    init(source: NodeID, target: LogEnd?) {
        self.source = source
        self.target = target
    }

    static let chunk = 256 << 10

    /// Takes the source's word on the last samples; what lies between the latest that it shares and the first that it does not.
    mutating func matched(_ number: EntryNumber) -> ChainGap? {
        shared = max(shared, number)
        guard let differs = sampled.first(where: { $0 > shared }), differs.raw - shared.raw > 1 else { return nil }
        return ChainGap(above: shared, below: differs)
    }

    /// Whether another chunk may be asked for: `rate` bytes are earned in a second, at most a twentieth of that at once.
    mutating func mayFetch(_ rate: Int, now: UInt64) -> Bool {
        let span = min(now - min(now, earned), 100_000_000)
        earned = now
        budget = min(budget + Int64(UInt64(rate) * (span / 1000) / 1_000_000), Int64(rate / 20))
        return budget >= 0
    }
    mutating func spend(_ count: Int) {
        bytes += UInt64(count)
        budget -= Int64(count)
    }
}

/// Entries of which it is not known whether two logs share them.
package struct ChainGap: Equatable, Sendable {
    package let above: EntryNumber
    package let below: EntryNumber
}

/// A node that catches up with a view that runs without it (R10).
package struct Learner: Sendable {
    let source: NodeID
    let view: View
    var admitAsked: UInt64 = 0
    var welcome: Proposal?
    var isSaving = false
}

/// How far another node has come that copies from this one's log, as its requests tell.
struct CopyProgress: Sendable {
    var behind: UInt64 = 0
    var bytes: UInt64 = 0
    var seen: UInt64 = 0

    /// Who has not asked for so long copies no more, nanoseconds.
    static let stale: UInt64 = 5_000_000_000
}
