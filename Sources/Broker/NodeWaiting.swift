internal import Membership
internal import Wire

/// What keeps this node from serving, in words: whom it waits for, and why.
extension Node {
    /// Nil while a view runs here.
    var waitingFor: String? {
        guard live == nil else { return nil }
        if isMending { return "its log is damaged and being repaired from other nodes" }
        if let learner { return "it is catching up with \(learner.view)" }
        guard let restart else { return "the next view is being installed" }
        if let lost = restart.lostWith, !settings.acceptsLoss { return newDisk(lost) }
        if let view = restart.begunWithout, !settings.acceptsLoss {
            return "\(view) has begun without it; waiting for one of " + view.members.map { "\($0) \(absence(of: $0, from: view))" }.joined(separator: ", ")
        }
        let view = restart.mine.view
        let here = restart.ableRanks()
        let away = view.members.enumerated().filter { !here.contains($0.offset) }.map { "\($0.element) \(absence(of: $0.element, from: view))" }
        guard view.contains(me) else {
            return "\(view) goes on without it, and none of its members is there: " + view.members.map { "\($0) \(absence(of: $0, from: view))" }.joined(separator: ", ")
        }
        guard view.isQuorum(here) else {
            return "\(here.count) of \(view) is here, which is no quorum (\(view.quorumSize)); waiting for " + away.joined(separator: ", ")
        }
        if let lacking = restart.lacksLog {
            return "\(lacking) may have been agreed on, and no disk that is here has its log any more: one that ran it has to come, or --accept-loss"
        }
        return away.isEmpty ? "the members of \(view) agree on the next one" : "a quorum of \(view) is here, and waits a little for " + away.joined(separator: ", ")
    }

    /// This node is a member of `lost`, and has nothing of it: whether the others can go on without it.
    private func newDisk(_ lost: View) -> String {
        let others = lost.members.indices.filter { lost.members[$0] != me }
        let here = RankSet(others.filter { peerViews[lost.members[$0]].map { $0.view == lost } ?? false })
        let what = "its disk has nothing of \(lost), of which it is a member: what was on the one before, if there was one, may be on no other that is here"
        if lost.isQuorum(here) { return "\(what); the others agree on the next view" }
        guard lost.isQuorum(RankSet(others)) else {
            return "\(what), and the others are no quorum of it: bring the old disk back, or start this node with --accept-loss"
        }
        let away = others.filter { !here.contains($0) }.map { "\(lost.members[$0]) \(absence(of: lost.members[$0], from: lost))" }
        return "\(what); waiting for \(away.joined(separator: ", "))"
    }

    private func absence(of node: NodeID, from view: View) -> String {
        guard linked.contains(node) else { return "(not linked)" }
        guard let known = peerViews[node] else { return "(has not said yet what it holds)" }
        if known.view.number < view.number {
            let isNew = known.view.number == ViewNumber(0) || restart?.mine.ends.contains { $0.view == view.number } ?? false
            return "(has only \(known.view)\(isNew ? ": what it had of \(view.number), if anything, is not on its disk" : ""))"
        }
        return known.isLive ? "(runs \(known.view))" : "(has \(known.view))"
    }

    /// Says it once it has lasted, and when it changes.
    func tellWaiting(into out: inout [Directive]) {
        guard let text = waitingFor, !isMending, learner == nil, restart != nil else {
            waitingSince = nil
            waitingSaid = ""
            return
        }
        let since = waitingSince ?? lastSeen
        waitingSince = since
        guard lastSeen - since >= Self.waitingPatience, text != waitingSaid else { return }
        waitingSaid = text
        out.append(.log("not serving: \(text)"))
        tellCluster(into: &out)
    }

    /// Nanoseconds after which the operator is told what a node waits for.
    static var waitingPatience: UInt64 { 1_000_000_000 }
}
