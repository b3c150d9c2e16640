internal import Membership
internal import Wire

/// An operator's wish that waits until the node has gone.
struct ReleaseJob: Sendable {
    let session: SessionID
    let request: UInt32
    let node: NodeID
    /// When it was last passed on, monotonic nanoseconds.
    var passedOn: UInt64?

    static let again: UInt64 = 300_000_000
}

/// A view that goes on without this node, and which of its members have begun it.
struct Leaving: Sendable {
    let view: View
    var begun = RankSet()
}

/// Members that go on an operator's word, by a planned change (R6, R10).
///
///      a client asks any member ─▶ it tells the leader ─▶ wedge, cut over all members, next view without the leaver
///      the leaver:   live ──chosen──▶ leaving ──a quorum has begun that view──▶ left
///
/// Until then the leaver stays linked: should those that stay fail meanwhile, its acceptance and its log can bring the view back.
extension Node {
    func release(_ id: SessionID, _ request: ReleaseRequest, into out: inout [Directive]) {
        if notLive(id, request.request, into: &out) { return }
        releases.removeAll { $0.session == id }
        releases.append(ReleaseJob(session: id, request: request.request, node: request.node))
        stepReleases(into: &out)
    }

    /// Answers the wishes that have come true or cannot, and passes on the others, again and again: whoever was to see to it
    /// may have gone.
    func stepReleases(into out: inout [Directive]) {
        guard !isOver, !releases.isEmpty else { return }
        for job in releases {
            if notLive(job.session, job.request, into: &out) {
                releases.removeAll { $0.session == job.session }
            } else if let refusal = refusal(of: job) {
                send(job.session, .refused, refusal.encode(), into: &out)
                releases.removeAll { $0.session == job.session }
            } else if !view.contains(job.node), !linked.contains(job.node) {
                send(job.session, .released, ReleaseAnswer(request: job.request, node: job.node, view: view).encode(), into: &out)
                releases.removeAll { $0.session == job.session }
            } else if job.passedOn.map({ lastSeen - min($0, lastSeen) > ReleaseJob.again }) ?? true {
                if let index = releases.firstIndex(where: { $0.session == job.session }) { releases[index].passedOn = lastSeen }
                passOn(job.node, into: &out)
            }
        }
    }

    /// To the leader; to the node itself where no view holds it any more.
    private func passOn(_ node: NodeID, into out: inout [Directive]) {
        guard let live else { return }
        let leader = live.view.members[live.membership.leader]
        let receiver = live.view.contains(node) ? leader : node
        if receiver == me { leave(node, into: &out) } else { out.append(.peer(receiver, .leave, LeaveOrder(node: node).encode())) }
    }

    private func refusal(of job: ReleaseJob) -> Refusal? {
        guard settings.members.contains(where: { $0.node == job.node }) else {
            let known = settings.members.map { "\($0.node.raw)" }.joined(separator: ", ")
            return Refusal(.malformed, request: job.request, reason: "\(job.node) is not of this cluster; its nodes are \(known)")
        }
        guard let live, let rank = live.view.rank(of: job.node) else { return nil }
        var rest = RankSet.all(live.view.members.count)
        rest.remove(rank)
        guard !live.view.isQuorum(rest) else { return nil }
        let why =
            rest.isEmpty
            ? "\(job.node) is the last member of \(live.view): nobody could go on; stop it instead"
            : "\(job.node) cannot leave \(live.view): the rest would be no quorum of it; start another node first, or let another one leave"
        return Refusal(.notAllowed, request: job.request, reason: why)
    }

    /// Another member, or this one, was asked that `node` leave.
    func leave(_ node: NodeID, into out: inout [Directive]) {
        if live == nil {
            // A learner that has not been taken in holds nothing that others count on; one that has is a member soon.
            if node == me, learner != nil, learner?.welcome == nil { depart("it was asked to leave before it was taken in", into: &out) }
            return
        }
        guard let rank = live?.view.rank(of: node) else { return }
        var steps: [MembershipDirective] = []
        live!.membership.leave(rank, into: &steps)
        if !steps.isEmpty { out.append(.log("letting \(node) go")) }
        carryOut(steps, into: &out)
    }

    func startLeaving(for proposal: Proposal, into out: inout [Directive]) {
        out.append(.log("leaving: \(proposal.view) goes on without this node"))
        leaving = Leaving(view: proposal.view)
        isLeaving = true
    }

    /// A member of the view that goes on without this node has begun it.
    func noteBegun(_ summary: Summary, by node: NodeID, into out: inout [Directive]) {
        guard var leaving, summary.live, summary.view.number >= leaving.view.number else { return }
        if let rank = leaving.view.rank(of: node) { leaving.begun.insert(rank) }
        self.leaving = leaving
        guard leaving.view.isQuorum(leaving.begun) || summary.view.number > leaving.view.number else { return }
        depart("\(leaving.view) goes on without this node", into: &out)
    }

    func depart(_ why: String, into out: inout [Directive]) {
        guard !isOver else { return }
        for job in releases where job.node == me {
            let view = leaving?.view ?? self.view
            send(job.session, .released, ReleaseAnswer(request: job.request, node: me, view: view).encode(), into: &out)
        }
        isOver = true
        out.append(.left(why))
    }
}
