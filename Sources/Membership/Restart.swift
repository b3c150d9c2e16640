package import Wire

/// What a node that has come back wants done.
package enum RestartDirective: Equatable, Sendable {
    /// Send a step to a node that has come back too.
    case send(NodeID, MessageKind, RestartStep)
    /// Tell every linked node what is on this one's disk.
    case broadcast
    /// Save the promise; then call `savedPromise`.
    case savePromise(Ballot)
    /// Bring the log to the cut of the acceptance that is on disk; then call `applied`.
    case apply
    /// Make the log end where `ends` say, copying from `sources`; then call `reached`.
    case reach([LogEnd], from: [NodeID])
    /// Save the acceptance; then call `savedAcceptance`.
    case saveAcceptance(MemberRow.Acceptance)
    /// Save the view as installed; then begin it (`live`) or call `installed`.
    case install(Proposal, live: Bool)
    /// A view runs without this node: catch up as a learner from `node`, a member of it.
    case learn(NodeID, View)
}

/// Total restart (PROTOCOL.md R9): the nodes that have come back agree, by ballots above all of the running view's, on the
/// view after the newest installed one and on the log that it begins with. A value without clock or I/O.
///
///      gathering ─ a quorum of the newest view is here, all of it or long enough ─▶ preparing ─ a quorum promised ─▶
///      (applying: an accepted cut is brought to its holder's log) ─▶ proposing ─ a quorum accepted ─▶ committed
///
/// Acceptors copy the log before they accept, so whoever accepted can bring the view back alone.
package struct Restart: Sendable {
    private enum Phase: Equatable, Sendable {
        case preparing(promised: Set<NodeID>)
        case applying(MemberRow.Acceptance, by: NodeID)
        case proposing(Proposal, adopted: Bool, accepted: Set<NodeID>)
    }
    private struct Leading: Sendable {
        let ballot: Ballot
        /// Ranks that were asked to promise.
        let asked: RankSet
        let began: UInt64
        var phase: Phase
    }
    private struct Following: Sendable {
        let leader: NodeID
        let step: RestartStep
        /// What the disk is doing for it.
        var doing: Doing
        enum Doing: Sendable { case applying, copying, saving }
    }

    private let me: NodeID
    private let wait: UInt64
    private let patience: UInt64
    package private(set) var mine: Summary
    private var peers: [NodeID: Summary] = [:]
    private var quorumSince: UInt64?
    /// Since when a newer view than this node's has been known of.
    private var newestSince: (view: ViewNumber, at: UInt64)?
    private var leading: Leading?
    private var promising: (ballot: Ballot, to: NodeID)?
    private var following: Following?
    /// Who was asked to bring its log to an accepted cut and had not when the ballot's time was over: others come first from then on.
    private var unhelpful: Set<NodeID> = []
    /// What may have been chosen is known of by its acceptors alone whose disks do not give its log.
    package private(set) var lacksLog: View?
    private var isBusy = false
    private var isInstalling = false
    /// A newer view that this node belongs to, whose log it is copying to install it.
    private var adopting: View?
    /// The newest view that this life has heard of.
    private var newestHeard: View?
    /// Whether this node takes part though its disk is not the one with which it began the newest view.
    private let acceptsLoss: Bool

    /// - wait: how long to wait for stragglers once a quorum is there; patience: how long a ballot may take. Nanoseconds.
    package init(
        me: NodeID, mine: Summary, wait: UInt64, patience: UInt64 = 5_000_000_000, acceptsLoss: Bool = false
    ) {
        self.acceptsLoss = acceptsLoss
        self.me = me
        self.mine = mine
        self.wait = wait
        self.patience = patience
    }

    // MARK: events

    package mutating func heard(_ summary: Summary, from node: NodeID) {
        // One that has come back speaks of as many groups as this node has; anything else is no word to act on.
        guard summary.live || summary.ends.count == mine.ends.count else { return }
        peers[node] = summary
        if summary.view.number > newestHeard?.number ?? ViewNumber(0) { newestHeard = summary.view }
        // What it was asked for in an older view is the business of those who count.
        if !counts { (leading, following, promising) = (nil, nil, nil) }
    }
    package mutating func lost(_ node: NodeID) {
        peers[node] = nil
        unhelpful.remove(node)
        if following?.leader == node { following = nil }
        if promising?.to == node { promising = nil }
    }

    package mutating func tick(now: UInt64, into out: inout [RestartDirective]) {
        guard !isBusy else { return }
        if joinRunning(into: &out) || catchUpWithNewest(now: now, into: &out) { return }
        if let leading, now - leading.began > patience {
            if case .applying(_, let holder) = leading.phase { unhelpful.insert(holder) }
            self.leading = nil
        }
        // Whoever was waited for may have gone.
        chooseWhenPromised(into: &out)
        commitWhenAccepted(into: &out)
        if case .applying(_, let holder) = leading?.phase, holder != me, peers[holder] == nil { leading = nil }
        guard !isBusy else { return }
        guard leading == nil, following == nil else { return }
        let able = ableRanks()
        guard counts, mine.view.isQuorum(able) || planted(.restartNoQuorum), able.first.map({ mine.view.members[$0] }) == me else {
            (quorumSince, lacksLog) = (nil, nil)
            return
        }
        let since = quorumSince ?? now
        quorumSince = since
        guard able == .all(mine.view.members.count) || now - since >= wait else { return }
        let rounds = [mine.promised.round] + peers.values.map { $0.promised.round }
        let rank = UInt16(mine.view.rank(of: me) ?? 0)
        let ballot = Ballot(round: (rounds.max() ?? 0) + 1, rank: rank)
        leading = Leading(ballot: ballot, asked: able, began: now, phase: .preparing(promised: []))
        for rank in 0..<mine.view.members.count where able.contains(rank) {
            send(.prepare, RestartStep(ballot: ballot, after: mine.view.number), to: mine.view.members[rank], into: &out)
        }
    }

    package mutating func receive(_ kind: MessageKind, _ step: RestartStep, from node: NodeID, into out: inout [RestartDirective]) {
        guard step.after == mine.view.number else {
            if step.after < mine.view.number { out.append(.broadcast) }
            return
        }
        // From the moment at which a newer view is being installed here, or copied to be, nothing is agreed on in the older one.
        guard !isInstalling, adopting == nil, counts else { return }
        switch kind {
        case .prepare:
            guard step.ballot > bound || planted(.restartOldBallot), !isBusy else { return }
            promising = (step.ballot, node)
            following = nil
            if planted(.restartPromiseUnsaved) { return savedPromise(step.ballot, into: &out) }
            out.append(.savePromise(step.ballot))
        case .promise: promised(step, by: node, into: &out)
        case .apply:
            guard step.ballot >= bound, case .cut? = mine.accepted?.proposal.basis, !isBusy, canApply else { return }
            following = Following(leader: node, step: step, doing: .applying)
            isBusy = true
            out.append(.apply)
        case .applied: appliedElsewhere(step, by: node, into: &out)
        case .propose:
            guard step.ballot >= bound || planted(.restartOldBallot), let proposal = step.proposal, case .ends(let ends) = proposal.basis else { return }
            // Only a copy can be given up for another: what is being applied or saved is what the next one builds on.
            guard !isBusy || following?.doing == .copying else { return }
            following = Following(leader: node, step: step, doing: .copying)
            isBusy = true
            if planted(.restartAcceptsUncopied) { return reached(ends: ends, into: &out) }
            out.append(.reach(ends, from: step.sources))
        case .accepted: acceptedElsewhere(step, by: node, into: &out)
        case .commit:
            guard let proposal = step.proposal, proposal.view.contains(me), mine.accepted?.proposal == proposal,
                step.live || !canApply ? isAtBeginning(of: proposal) : true
            else { return }
            install(proposal, live: step.live, into: &out)
        default: return
        }
    }

    package mutating func savedPromise(_ ballot: Ballot, into out: inout [RestartDirective]) {
        mine.promised = max(mine.promised, ballot)
        guard let promising, promising.ballot == ballot else { return }
        self.promising = nil
        if promising.to != me { out.append(.broadcast) }
        send(.promise, RestartStep(ballot: ballot, after: mine.view.number), to: promising.to, into: &out)
    }

    /// The log has been brought to the accepted cut.
    package mutating func applied(ends: [LogEnd], into out: inout [RestartDirective]) {
        isBusy = false
        mine.ends = ends
        out.append(.broadcast)
        guard let following else { return }
        self.following = nil
        send(.applied, RestartStep(ballot: following.step.ballot, after: mine.view.number), to: following.leader, into: &out)
    }

    /// The log ends where it was asked to; nil: it could not be copied.
    package mutating func reached(ends: [LogEnd]?, into out: inout [RestartDirective]) {
        isBusy = false
        if let view = adopting {
            adopting = nil
            guard let ends else { return }
            mine.ends = ends
            install(Proposal(view: view, basis: .ends(ends), sources: []), live: false, into: &out)
            return
        }
        guard let ends, var following, let proposal = following.step.proposal else {
            following = nil
            return
        }
        mine.ends = ends
        guard following.step.ballot >= bound || planted(.restartOldBallot) else {
            self.following = nil
            return
        }
        following.doing = .saving
        self.following = following
        isBusy = true
        out.append(.saveAcceptance(MemberRow.Acceptance(following.step.ballot, proposal)))
    }

    package mutating func savedAcceptance(_ acceptance: MemberRow.Acceptance, into out: inout [RestartDirective]) {
        isBusy = false
        mine.accepted = acceptance
        mine.isUnbacked = false
        mine.promised = max(mine.promised, acceptance.ballot)
        out.append(.broadcast)
        guard let following else { return }
        self.following = nil
        send(.accepted, RestartStep(ballot: acceptance.ballot, after: mine.view.number), to: following.leader, into: &out)
    }

    /// The view is installed on disk and not begun: the restart goes on from it.
    package mutating func installed(_ view: View, ends: [LogEnd], into out: inout [RestartDirective]) {
        isBusy = false
        isInstalling = false
        lacksLog = nil
        unhelpful = []
        mine = Summary(live: false, view: view, promised: Ballot(round: 0, rank: 0), accepted: nil, ends: ends)
        leading = nil
        following = nil
        quorumSince = nil
        out.append(.broadcast)
    }

    /// The log ends here now, whatever it was to be.
    package mutating func stands(at ends: [LogEnd]) { mine.ends = ends }

    /// The ballot by which it is known that `accepted` was not chosen: its leader, who has a quorum's promises, proposes another value. What was
    /// accepted as a cut is proposed again by the ends that it comes to: that is another one only where its view is.
    package func disproves(_ accepted: Proposal) -> Ballot? {
        guard let step = following?.step, let proposal = step.proposal else { return nil }
        let isOther = if case .cut = accepted.basis { proposal.view != accepted.view } else { proposal != accepted }
        return isOther ? step.ballot : nil
    }

    /// The log's end is given up for another's, and with it what the acceptance needs.
    package mutating func stands(with acceptance: MemberRow.Acceptance?) {
        mine.promised = [mine.promised, mine.accepted?.ballot, following?.step.ballot].compactMap { $0 }.max()!
        mine.accepted = acceptance
        mine.isUnbacked = acceptance != nil
    }

    // MARK: decisions

    /// Whether this node's disk gives the log of what it accepted. Where its log has lost its end, to damage that looks as if it had never been
    /// written, or for another's log, it speaks of what it accepted, and leaves it to others to bring a log there.
    private var canApply: Bool { !mine.isUnbacked }

    /// Nothing below this ballot is accepted any more: a promise binds from the moment at which it is made, though it is told only
    /// when it is on disk.
    private var bound: Ballot { max(mine.promised, promising?.ballot ?? mine.promised) }

    /// Members of the newest view that have come back and have it installed.
    package func ableRanks() -> RankSet {
        var able = RankSet()
        for (rank, node) in mine.view.members.enumerated() {
            if node == me || (peers[node].map { !$0.live && $0.view == mine.view } ?? false) { able.insert(rank) }
        }
        return able
    }

    /// The newest view, where this one has nothing of it on its disk, and that may not be the one it had. What it had acknowledged there others may
    /// not have: it counts for nobody until they go on without it. Either that disk has never had any view: a quorum of each view had it on their
    /// disks before it began, and who was not among them is not needed. Or frames were sent in that view, so that all of its members had begun it.
    package var lostWith: View? {
        guard let newest = newestHeard, newest.number > mine.view.number, newest.contains(me), mine.accepted?.proposal.view != newest,
            !planted(.newDiskCounts)
        else { return nil }
        if hasNone, !planted(.newDiskCountsQuiet) { return newest }
        return peers.values.contains { $0.view == newest && !$0.live && $0.ends.contains { $0.view == newest.number } } ? newest : nil
    }
    /// Its disk has never had a view.
    private var hasNone: Bool { mine.view.number == ViewNumber(0) }
    /// The cluster has begun, without this node, which has never had a view: there is nothing left to agree on in the one that all begin with.
    package var begunWithout: View? {
        guard let newest = newestHeard, hasNone, !newest.contains(me), !planted(.newDiskCounts) else { return nil }
        return newest
    }
    private var counts: Bool { acceptsLoss || lostWith == nil && begunWithout == nil }

    private mutating func joinRunning(into out: inout [RestartDirective]) -> Bool {
        let running = peers.filter { $0.value.live && $0.value.view.number >= mine.view.number }
        guard let (node, summary) = running.max(by: { ($0.value.view.number, $1.key) < ($1.value.view.number, $0.key) }) else {
            return false
        }
        // The view that this node itself has installed: what it holds counts there until a next view is chosen, and a member that
        // runs may hold less. Its members miss this node: they go on without it, or come back themselves.
        guard summary.view.number > mine.view.number else { return true }
        if let accepted = mine.accepted, accepted.proposal.view == summary.view, case .ends = accepted.proposal.basis,
            summary.view.contains(me), isAtBeginning(of: accepted.proposal)
        {
            install(accepted.proposal, live: true, into: &out)
        } else {
            isBusy = true
            out.append(.learn(node, summary.view))
        }
        return true
    }

    /// Whether the log ends where the view begins. Since this node accepted that, it may have copied more, of a later view.
    private func isAtBeginning(of proposal: Proposal) -> Bool {
        guard case .ends(let ends) = proposal.basis, let first = ends.first, let mine = mine.ends.first else { return true }
        return first.number == mine.number && first.chain == mine.chain || planted(.beginningOutgrown)
    }

    /// Somebody installed a newer view; where this node accepted that very view it can install it by itself.
    private mutating func catchUpWithNewest(now: UInt64, into out: inout [RestartDirective]) -> Bool {
        guard let newest = peers.values.map(\.view).max(by: { $0.number < $1.number }), newest.number > mine.view.number else {
            newestSince = nil
            return false
        }
        if newestSince?.view != newest.number { newestSince = (newest.number, now) }
        if let accepted = mine.accepted, accepted.proposal.view == newest, newest.contains(me), canApply {
            install(accepted.proposal, live: false, into: &out)
        } else if newest.contains(me), counts, now - (newestSince?.at ?? now) >= wait,
            let holder = peers.filter({ !$0.value.live && $0.value.view == newest }).keys.min()
        {
            // It belongs to that view and never began it, so no frame was sent there: the log of one that did is its beginning. Whoever has entries of it
            // has had time to say so.
            isBusy = true
            adopting = newest
            let ends = peers[holder]?.ends ?? []
            out.append(.reach(ends, from: Array(repeating: holder, count: ends.count)))
        }
        return true
    }

    private mutating func install(_ proposal: Proposal, live: Bool, into out: inout [RestartDirective]) {
        // Once: a member that runs already and the leader's word may both call for it.
        guard !isInstalling else { return }
        isInstalling = true
        isBusy = true
        leading = nil
        following = nil
        out.append(.install(proposal, live: live))
    }

    private mutating func promised(_ step: RestartStep, by node: NodeID, into out: inout [RestartDirective]) {
        guard var leading, leading.ballot == step.ballot, case .preparing(var promised) = leading.phase else { return }
        promised.insert(node)
        leading.phase = .preparing(promised: promised)
        self.leading = leading
        chooseWhenPromised(into: &out)
    }

    /// Goes on once all that were asked and are still here have promised. Only they count: what one has accepted is known from
    /// those alone that are here.
    private mutating func chooseWhenPromised(into out: inout [RestartDirective]) {
        guard let leading, case .preparing(let promised) = leading.phase else { return }
        let here = leading.asked.intersection(ableRanks())
        guard ranks(promised).isSuperset(of: here), mine.view.isQuorum(here) || planted(.restartNoQuorum) else { return }
        choose(among: promised.filter { mine.view.rank(of: $0).map(here.contains) ?? false }, into: &out)
    }

    /// Whether a node's disk gives the log of the proposal: it has accepted it, whenever that was, or its log ends there.
    private func has(_ node: NodeID, _ proposal: Proposal) -> Bool {
        let summary = summary(of: node)
        if summary.accepted?.proposal == proposal, !summary.isUnbacked { return true }
        guard case .ends(let ends) = proposal.basis, let end = ends.first, let own = summary.ends.first else { return false }
        return own.number == end.number && own.chain == end.chain
    }
    /// Who has accepted it by that very ballot comes first, of those that have not been asked in vain.
    private func rank(of node: NodeID, _ acceptance: MemberRow.Acceptance) -> (Int, Int, NodeID) {
        let summary = summary(of: node)
        return (unhelpful.contains(node) ? 1 : 0, summary.accepted == acceptance && !summary.isUnbacked ? 0 : 1, node)
    }

    /// R8, R9: what may have been chosen is kept, whole; otherwise the longest log goes on with those that are here.
    private mutating func choose(among nodes: Set<NodeID>, into out: inout [RestartDirective]) {
        guard leading != nil else { return }
        let accepted = nodes.compactMap { node in summary(of: node).accepted.map { (node, $0) } }.filter { !acceptsLoss || !summary(of: $0.0).isUnbacked }
        lacksLog = nil
        if !planted(.restartForgetsAccepted), let newest = accepted.map(\.1).max(by: { $0.ballot < $1.ballot }) {
            // One whose disk gives its log. Without any it is not known what was chosen: somebody who has it is waited for.
            let holders = nodes.filter { has($0, newest.proposal) }
            if unhelpful.isSuperset(of: holders) { unhelpful = [] }
            guard let holder = holders.min(by: { rank(of: $0, newest) < rank(of: $1, newest) }) else {
                lacksLog = newest.proposal.view
                return
            }
            let accepted = newest
            switch accepted.proposal.basis {
            case .cut:
                leading!.phase = .applying(accepted, by: holder)
                send(.apply, RestartStep(ballot: leading!.ballot, after: mine.view.number), to: holder, into: &out)
            case .ends:
                let sources = Array(repeating: holder, count: mine.ends.count)
                propose(accepted.proposal, adopted: true, sources: sources, to: nodes, into: &out)
            }
            return
        }
        var ends: [LogEnd] = []
        var sources: [NodeID] = []
        for group in 0..<mine.ends.count {
            let best = planted(.restartFirstLog) ? nodes.min() ?? me : nodes.max {
                (summary(of: $0).ends[group].number, $1) < (summary(of: $1).ends[group].number, $0)
            } ?? me
            sources.append(best)
            ends.append(summary(of: best).ends[group])
        }
        let members = mine.view.members.filter { nodes.contains($0) }
        let proposal = Proposal(view: View(mine.view.number.next, members), basis: .ends(ends), sources: members)
        propose(proposal, adopted: false, sources: sources, to: nodes, into: &out)
    }

    private mutating func propose(
        _ proposal: Proposal, adopted: Bool, sources: [NodeID], to nodes: Set<NodeID>, into out: inout [RestartDirective]
    ) {
        leading!.phase = .proposing(proposal, adopted: adopted, accepted: [])
        var step = RestartStep(ballot: leading!.ballot, after: mine.view.number)
        step.proposal = proposal
        step.sources = sources
        for node in nodes.sorted() { send(.propose, step, to: node, into: &out) }
    }

    private mutating func appliedElsewhere(_ step: RestartStep, by node: NodeID, into out: inout [RestartDirective]) {
        guard let leading, leading.ballot == step.ballot, case .applying(let acceptance, node) = leading.phase else { return }
        var proposal = acceptance.proposal
        proposal.basis = .ends(summary(of: node).ends)
        let sources = Array(repeating: node, count: mine.ends.count)
        let able = ableRanks()
        let nodes = Set(mine.view.members.indices.filter { able.contains($0) }.map { mine.view.members[$0] })
        propose(proposal, adopted: true, sources: sources, to: nodes, into: &out)
    }

    private mutating func acceptedElsewhere(_ step: RestartStep, by node: NodeID, into out: inout [RestartDirective]) {
        guard var leading, leading.ballot == step.ballot,
            case .proposing(let proposal, let adopted, var accepted) = leading.phase
        else { return }
        accepted.insert(node)
        leading.phase = .proposing(proposal, adopted: adopted, accepted: accepted)
        self.leading = leading
        commitWhenAccepted(into: &out)
    }

    /// Chosen by a quorum; and all that are here and are to begin the view should have its log before it begins.
    private mutating func commitWhenAccepted(into out: inout [RestartDirective]) {
        guard let leading, case .proposing(let proposal, let adopted, let accepted) = leading.phase else { return }
        guard mine.view.isQuorum(ranks(accepted)) || planted(.restartNoQuorum) else { return }
        // And a quorum of the view itself has it: who comes back without it counts for nobody there.
        let own = RankSet(accepted.compactMap { proposal.view.rank(of: $0) })
        guard proposal.view.isQuorum(own) || planted(.restartNoQuorum) || planted(.restartNoOwnQuorum) else { return }
        let here = ableRanks()
        let wanted = proposal.view.members.filter { mine.view.rank(of: $0).map(here.contains) ?? false }
        guard wanted.allSatisfy({ accepted.contains($0) }) else { return }
        var commit = RestartStep(ballot: leading.ballot, after: mine.view.number)
        commit.proposal = proposal
        commit.live = !adopted
        for node in accepted.sorted() where node != me { send(.commit, commit, to: node, into: &out) }
        if proposal.view.contains(me) {
            install(proposal, live: !adopted, into: &out)
        } else {
            self.leading = nil
        }
    }

    private func ranks(_ nodes: Set<NodeID>) -> RankSet { RankSet(nodes.compactMap { mine.view.rank(of: $0) }) }
    private func summary(of node: NodeID) -> Summary { node == me ? mine : peers[node] ?? mine }

    private mutating func send(
        _ kind: MessageKind, _ step: RestartStep, to node: NodeID, into out: inout [RestartDirective]
    ) {
        if node == me { receive(kind, step, from: me, into: &out) } else { out.append(.send(node, kind, step)) }
    }
}
