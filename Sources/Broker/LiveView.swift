internal import Membership
internal import Replication
package import Wire

/// A view that runs at this node: its members' rows, their data rings, its groups.
package final class LiveView {
    package let view: View
    package let me: Int
    let began: UInt64
    var membership: LiveMembership
    var rows: [StateRow]
    /// Members whose row of this view has been seen: they have installed it and take frames.
    var present: RankSet
    var ledgers: [RingLedger]
    /// How far this node's data ring has been posted to each member.
    var posted: [UInt64]
    /// Stretches of it that do not go to everyone, ascending, as far as they have not been posted to all.
    var withheld: [(from: UInt64, to: UInt64, ranks: RankSet)] = []
    /// Of each member's relayed frames: what has come of their bodies and is not read, and the stamp of the one that holds up its ring.
    var bodies: [RelayedBodies]
    var pendingBody: [Timestamp?]
    /// Blocks for a member whose row of this view has not been seen here: there may be no link to it yet.
    var heldBlocks: [(block: RelayBlock, owner: OwnedBytes, next: Int)] = []
    /// Own frames that go by relay and are not on their way yet.
    var relays: [(body: Range<UInt64>, ranks: RankSet, owner: OwnedBytes)] = []
    /// Unordered frames with records of topics that are not delivered here yet.
    var unnamed: [(frame: FrameRef, header: FrameHeader)] = []
    var routing: Routing
    var telling: Telling
    package var groups: [LiveGroup]
    var isFrozen = false
    var wedgedSince: UInt64?
    /// Why each member is suspected, by rank, as far as this node knows.
    var reasons: [Int: String] = [:]
    var isRowDirty = true
    /// Consumed positions as they stood in the last row that was pushed.
    var toldConsumed: [UInt64]
    /// Tickets of the frame that is open.
    var tickets: [Ticket] = []
    /// Batches that the cut took back, to be sent again before anything new, with who waits for them.
    var resend: [(group: GroupID, batch: OwnedBytes, ticket: Ticket?)] = []
    var isClosing = false
    /// Where this node's ring stood when somebody had not let go of all of it, how long that has lasted, and when it was looked at last; nanoseconds.
    var heldUp: (end: UInt64, lasted: UInt64, at: UInt64)?
    let origin: Proposal

    /// Whether this node began the view by a restart, with nothing in the groups that are in memory.
    var isByRestart: Bool { origin.isByRestart }

    init(_ proposal: Proposal, me: Int, groups: [LiveGroup], now: UInt64, mostGroups: Int) {
        view = proposal.view
        self.me = me
        began = now
        origin = proposal
        let count = proposal.view.members.count
        membership = LiveMembership(view: view, me: me, origin: proposal)
        rows = Array(repeating: StateRow(view: view.number, members: count, groups: groups.count), count: count)
        present = RankSet([me])
        ledgers = Array(repeating: RingLedger(), count: count)
        posted = Array(repeating: 0, count: count)
        bodies = Array(repeating: RelayedBodies(), count: count)
        pendingBody = Array(repeating: nil, count: count)
        routing = Routing(members: count, me: me, mostGroups: mostGroups)
        telling = Telling(members: count, me: me)
        toldConsumed = Array(repeating: 0, count: count)
        self.groups = groups
    }

    /// This member's row, as the others are to see it now; `tail`: of its data ring.
    func fillOwnRow(tail: UInt64) {
        let count = view.members.count
        rows[me].installed = true
        rows[me].byRestart = isByRestart
        rows[me].dataTail = tail
        for rank in 0..<count {
            let consumed = ledgers[rank].consumed
            rows[me].consumed[rank] = planted(.bodyLetGoEarly) && pendingBody[rank] != nil ? rows[rank].dataTail : consumed
            toldConsumed[rank] = consumed
        }
        for group in groups.indices {
            for rank in 0..<count { rows[me].clocks[group * count + rank] = groups[group].matrix.own(rank) }
            rows[me].durable[group] = groups[group].matrix.durableKey(of: me)
        }
    }

    /// A quorum has begun this view, each with its starting log on disk (R5).
    var isInstalledByQuorum: Bool { view.isQuorum(present) }

    /// All members have begun this view. Before that nobody sends a frame: a promise covers every member, and one that has not
    /// begun takes no frames.
    var isComplete: Bool { present == .all(view.members.count) }

    /// What every member has let go of this node's ring.
    var consumedByAll: UInt64 {
        var least = ledgers[me].consumed
        for rank in 0..<view.members.count where rank != me { least = min(least, rows[rank].consumed[me]) }
        return least
    }
    /// Who has let go of this node's ring up to `end`.
    func consumed(to end: UInt64) -> RankSet {
        RankSet(view.members.indices.filter { ($0 == me ? ledgers[me].consumed : rows[$0].consumed[me]) >= end })
    }
}
