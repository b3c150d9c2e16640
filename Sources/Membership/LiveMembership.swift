package import Wire

/// What a running member wants done for a change of view.
package enum MembershipDirective: Equatable, Sendable {
    /// Freeze the clock vectors and take nothing more in; then call `froze`.
    case freeze
    /// Send `row` to every other member.
    case push
    /// Save the acceptance and all that it needs with one sync; then call `saved`.
    case save(MemberRow.Acceptance)
    /// The next view is chosen and this member belongs to its sources: bring the log to its beginning and begin it.
    case install(Proposal)
    /// The next view is chosen without this member: come back as a learner.
    case expelled(Proposal)
    /// The next view is chosen without this member, which was asked to leave: stay until that view has begun, then end.
    case left(Proposal)
}

/// A member's part in agreeing on the next view (PROTOCOL.md R6–R8), for one view. A value without clock or I/O.
///
///      running ─ suspect, admit, leave, hear of them ─▶ wedging ─ froze ─▶ wedged ─ all agree, leader proposes ─▶
///      saving ─ saved ─▶ accepted ─ a quorum accepted ─▶ committed ─▶ install | expelled | left
package struct LiveMembership: Sendable {
    package let view: View
    package let me: Int
    package private(set) var row: MemberRow
    private var rows: [MemberRow]
    private var joiners: [NodeID] = []
    /// Members that were asked to leave: they hold, vote and are held to the cut like all others.
    private var leavers = RankSet()
    private var saving: MemberRow.Acceptance?
    private var freezing = false
    private var done = false

    package init(view: View, me: Int, origin: Proposal?) {
        self.view = view
        self.me = me
        row = MemberRow(view: view.number, origin: origin)
        rows = Array(repeating: row, count: view.members.count)
    }

    package var isWedged: Bool { freezing || row.wedged }
    package var suspected: RankSet { row.suspected }
    private var live: RankSet { RankSet.all(view.members.count).subtracting(row.suspected) }
    /// The lowest-ranked member that is not suspected.
    package var leader: Int { live.first ?? me }

    // MARK: events

    /// This node's own detector, or a rule, suspects members.
    package mutating func suspect(_ who: RankSet, into out: inout [MembershipDirective]) {
        var fresh = who.subtracting(row.suspected)
        fresh.remove(me)
        guard !fresh.isEmpty, !done else { return }
        row.suspected = row.suspected.union(fresh)
        wedge(into: &out)
        out.append(.push)
        step(into: &out)
    }

    /// A learner has caught up; the leader takes it into the next view by a planned change.
    package mutating func admit(_ node: NodeID, into out: inout [MembershipDirective]) {
        guard leader == me, !view.contains(node), !joiners.contains(node), !done else { return }
        guard view.members.count + joiners.count < Limits.members else { return }
        joiners.append(node)
        guard !isWedged else { return }
        wedge(into: &out)
    }

    /// The operator asks that a member leave; the leader leaves it out of the next view by a planned change.
    package mutating func leave(_ rank: Int, into out: inout [MembershipDirective]) {
        guard leader == me, !leavers.contains(rank), !done else { return }
        var without = leavers
        without.insert(rank)
        guard view.isQuorum(live.subtracting(without)) else { return }
        leavers = without
        guard !isWedged else { return }
        wedge(into: &out)
    }

    /// The caller has frozen; `clocks` are its vectors per group, final for this view.
    package mutating func froze(_ clocks: [[Timestamp]], into out: inout [MembershipDirective]) {
        precondition(freezing && !row.wedged)
        row.clocks = clocks
        row.wedged = true
        out.append(.push)
        step(into: &out)
    }

    /// A row of another member, of this view or of the one after it.
    package mutating func receive(_ other: MemberRow, from rank: Int, into out: inout [MembershipDirective]) {
        guard rank != me, !done else { return }
        if other.view == view.number.next {
            // It has installed what I have yet to: its row says what was chosen.
            if let origin = other.origin, row.committed == nil { commit(origin, into: &out) }
            return
        }
        guard other.view == view.number else { return }
        if planted(.suspicionTakenBack) { row.suspected.remove(rank) }
        if row.suspected.contains(rank) {
            // R6: not heard again, but what a quorum has chosen is a fact whoever tells it.
            if let committed = other.committed { commit(committed, into: &out) }
            return
        }
        // It began the view in another way: its groups in memory are others.
        if let theirs = other.origin, let mine = row.origin, theirs.isByRestart != mine.isByRestart { return suspect(RankSet([rank]), into: &out) }
        rows[rank] = other
        var fresh = other.suspected.subtracting(row.suspected)
        fresh.remove(me)
        if !fresh.isEmpty {
            row.suspected = row.suspected.union(fresh)
            wedge(into: &out)
            out.append(.push)
        } else if other.wedged && !isWedged {
            wedge(into: &out)
        }
        step(into: &out)
    }

    /// The acceptance asked for is on disk.
    package mutating func saved(_ acceptance: MemberRow.Acceptance, into out: inout [MembershipDirective]) {
        guard saving == acceptance, !done else { return }
        saving = nil
        // R8: suspecting a lower rank is the promise not to accept its ballot any more; what was not shown was not accepted.
        if !row.suspected.contains(Int(acceptance.ballot.rank)) || planted(.lowerBallot) {
            row.accepted = acceptance
            out.append(.push)
        }
        step(into: &out)
    }

    // MARK: decisions

    private mutating func wedge(into out: inout [MembershipDirective]) {
        guard !isWedged else { return }
        freezing = true
        out.append(.freeze)
    }

    private mutating func step(into out: inout [MembershipDirective]) {
        guard row.wedged, !done else { return }
        rows[me] = row
        if leader == me { propose(into: &out) } else { follow(into: &out) }
        if row.committed == nil, let accepted = row.accepted {
            var have = RankSet()
            for rank in 0..<rows.count where rows[rank].accepted == accepted { have.insert(rank) }
            if view.isQuorum(have) || planted(.chosenByOne) || planted(.minorityView) && have == live { commit(accepted.proposal, into: &out) }
        }
        guard !done else { return }
        for rank in 0..<rows.count where live.contains(rank) && rank != me {
            if let committed = rows[rank].committed {
                commit(committed, into: &out)
                return
            }
        }
    }

    /// R7, R8: when all that the leader does not suspect are wedged and agree on whom to suspect, it proposes; what may have
    /// been chosen before, it proposes again.
    private mutating func propose(into out: inout [MembershipDirective]) {
        guard saving == nil, row.accepted?.ballot.rank != UInt16(me), view.isQuorum(live) || planted(.minorityView) else { return }
        var earlier: MemberRow.Acceptance?
        for rank in 0..<rows.count where live.contains(rank) {
            let other = rows[rank]
            guard other.wedged, other.suspected == row.suspected else { return }
            if let accepted = other.accepted, earlier.map({ $0.ballot < accepted.ballot }) ?? true { earlier = accepted }
        }
        let ballot = Ballot(round: 0, rank: UInt16(me))
        accept(MemberRow.Acceptance(ballot, (planted(.forgetAccepted) ? nil : earlier?.proposal) ?? nextView()), into: &out)
    }

    private func nextView() -> Proposal {
        let survivors = (0..<view.members.count).filter { live.contains($0) }
        var cuts: [[Timestamp]] = []
        for group in 0..<row.clocks.count {
            cuts.append((0..<view.members.count).map { sender in
                if planted(.cutOwnRow) { return row.clocks[group][sender] }
                if planted(.cutHighest) { return survivors.map { rows[$0].clocks[group][sender] }.max() ?? .zero }
                return survivors.map { rows[$0].clocks[group][sender] }.min() ?? .zero
            })
        }
        let sources = survivors.map { view.members[$0] }
        // Until a joiner has the view on its disk it is none of those who can bring it back: the others are to be a quorum of it without any.
        return Proposal(view: View(view.number.next, staying + joiners.prefix(staying.count)), basis: .cut(cuts), sources: sources)
    }

    /// The survivors but for those who leave; all of them where the rest would be no quorum of this view, so that whoever
    /// begins the next one could have agreed on it alone.
    private var staying: [NodeID] {
        let rest = live.subtracting(leavers)
        let ranks = view.isQuorum(rest) ? rest : live
        return view.members.indices.filter { ranks.contains($0) }.map { view.members[$0] }
    }

    private mutating func follow(into out: inout [MembershipDirective]) {
        guard saving == nil, let offered = rows[leader].accepted, Int(offered.ballot.rank) == leader else { return }
        guard row.accepted != offered else { return }
        accept(offered, into: &out)
    }

    private mutating func accept(_ acceptance: MemberRow.Acceptance, into out: inout [MembershipDirective]) {
        saving = acceptance
        out.append(.save(acceptance))
    }

    private mutating func commit(_ proposal: Proposal, into out: inout [MembershipDirective]) {
        guard !done else { return }
        row.committed = proposal
        done = true
        out.append(.push)
        let mine = view.members[me]
        if !proposal.sources.contains(mine) {
            out.append(.expelled(proposal))
        } else {
            // A source that is not in the view was asked to leave: nobody suspected it.
            out.append(proposal.view.contains(mine) ? .install(proposal) : .left(proposal))
        }
    }
}
