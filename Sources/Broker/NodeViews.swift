internal import Membership
internal import Replication
internal import Wire

/// Changes of view at a running member (R6–R8), and the beginning of each view.
extension Node {
    func suspect(_ rank: Int, _ why: String, into out: inout [Directive]) {
        guard let view = live?.view, rank != live?.me, !(live?.membership.suspected.contains(rank) ?? true) else { return }
        // The next view is chosen: what is lost now is looked at when it begins. One that left may be gone already.
        guard !live!.isClosing, leaving == nil else { return }
        out.append(.log("suspecting \(view.members[rank]): \(why)"))
        live!.reasons[rank] = why
        var steps: [MembershipDirective] = []
        live!.membership.suspect(RankSet([rank]), into: &steps)
        carryOut(steps, into: &out)
    }

    func receive(_ row: MemberRow, from node: NodeID, now: Instant, into out: inout [Directive]) {
        guard let rank = live?.view.rank(of: node) else { return }
        if row.view == live!.view.number {
            for other in live!.view.members.indices where row.suspected.contains(other) && live!.reasons[other] == nil {
                live!.reasons[other] = "suspected by \(node)"
            }
        }
        var steps: [MembershipDirective] = []
        live!.membership.receive(row, from: rank, into: &steps)
        carryOut(steps, into: &out)
    }

    func tickLive(now: Instant, into out: inout [Directive]) {
        guard let view = live?.view else { return }
        if live!.membership.isWedged {
            let since = live!.wedgedSince ?? now.monotonic
            live!.wedgedSince = since
            if now.monotonic > since, now.monotonic - since > settings.stuckAfter { over("no next view within \(settings.stuckAfter / 1_000_000) ms", into: &out) }
            return
        }
        guard now.monotonic > live!.began, now.monotonic - live!.began > settings.linkGrace else { return }
        for rank in 0..<view.members.count where !live!.present.contains(rank) && !linked.contains(view.members[rank]) {
            suspect(rank, "it is not linked", into: &out)
        }
        guard live != nil, now.monotonic - live!.began > settings.holdUp else { return }
        for rank in 0..<view.members.count where !live!.present.contains(rank) {
            suspect(rank, "it has not begun \(view.number) within \(settings.holdUp / 1_000_000_000) s", into: &out)
        }
        tickHoldUp(now, into: &out)
    }

    /// Who has not let go of what this node sent `holdUp` ago, though a quorum has, holds all others up: its disk is stuck, or far too slow. Where that is
    /// this node itself it gives its place up; others have what its clients sent.
    private func tickHoldUp(_ now: Instant, into out: inout [Directive]) {
        guard live != nil, !planted(.stuckDiskKept) else { return }
        // What is told with a quarter of a ring otherwise must show in the end, for the others to know who has let go.
        if zip(live!.ledgers, live!.toldConsumed).contains(where: { $0.consumed != $1 }) { live!.isRowDirty = true }
        let all = RankSet.all(live!.view.members.count)
        guard let mark = live!.heldUp, live!.consumed(to: mark.end) != all else {
            live!.heldUp = live!.consumedByAll < ring.tail ? (ring.tail, 0, now.monotonic) : nil
            return
        }
        // A pause of this node's own is nobody's fault.
        let lasted = mark.lasted + min(now.monotonic - min(now.monotonic, mark.at), Self.tickAtMost)
        live!.heldUp = (mark.end, lasted, now.monotonic)
        let done = live!.consumed(to: mark.end)
        guard lasted > settings.holdUp, live!.view.isQuorum(done) else { return }
        let seconds = "\(settings.holdUp / 1_000_000_000) s"
        guard done.contains(live!.me) else { return over("its disk has not done for \(seconds) what others' have", into: &out) }
        for rank in live!.view.members.indices where !done.contains(rank) {
            suspect(rank, "its disk has not done for \(seconds) what others' have", into: &out)
            guard live != nil else { return }
        }
    }
    private static var tickAtMost: UInt64 { 200_000_000 }

    func sendMemberRow(to node: NodeID, into out: inout [Directive]) {
        guard let live, live.view.contains(node) else { return }
        var bytes: [UInt8] = []
        live.membership.row.encode(into: &bytes)
        out.append(.peer(node, .memberRow, bytes))
    }

    /// Membership's directives, in order. What they lead to at once is carried out too.
    func carryOut(_ steps: [MembershipDirective], into out: inout [Directive]) {
        for step in steps {
            switch step {
            case .freeze: freeze(into: &out)
            case .push: for node in live?.view.members ?? [] where node != me && linked.contains(node) { sendMemberRow(to: node, into: &out) }
            case .save(let acceptance): saveAcceptance(acceptance, into: &out)
            case .install(let proposal): close(for: proposal, into: &out)
            case .expelled(let proposal): over("\(proposal.view) was chosen without this node", into: &out)
            case .left(let proposal): startLeaving(for: proposal, into: &out)
            }
        }
    }

    /// R6: from here on the clock vectors stand, nothing is taken in, appended or delivered.
    private func freeze(into out: inout [Directive]) {
        precondition(ring.openGroup == nil || live != nil)
        live!.isFrozen = true
        live!.wedgedSince = lastSeen
        // What this node has gathered and not stamped stays with whoever waits for it: it is sent again in the next view.
        if ring.openGroup != nil { sealIntoNowhere() }
        var steps: [MembershipDirective] = []
        live!.membership.froze(live!.groups.map { Array($0.matrix.ownRow) }, into: &steps)
        carryOut(steps, into: &out)
    }

    /// An unstamped frame has never been shown to anyone: its batches wait for the next view.
    private func sealIntoNowhere() {
        guard let sealed = ring.seal(.zero, view: live!.view.number, sender: me) else { return }
        withExtendedLifetime(sealed.owner) { resendBatches(of: sealed.body, group: sealed.header.group, tickets: live!.tickets) }
        live!.tickets = []
    }

    private func resendBatches(of body: ByteView, group: GroupID, tickets: [Ticket]) {
        var cursor = BatchCursor(body)
        var index = 0
        while let (_, whole) = (try? cursor.next(verify: false)) ?? nil {
            let ticket = index < tickets.count ? tickets[index] : nil
            live!.resend.append((group, OwnedBytes(whole, parts: [0..<whole.count]), ticket))
            index += 1
        }
    }

    /// R8: before the acceptance is shown, all that it needs is on this disk: the log, and the frames that the cut keeps.
    private func saveAcceptance(_ acceptance: MemberRow.Acceptance, into out: inout [Directive]) {
        memberState.accepted = acceptance
        memberState.tails = []
        memberState.isUnbacked = false
        if case .cut(let cuts) = acceptance.proposal.basis {
            for group in 0..<live!.groups.count {
                let (from, _, frames) = live!.groups[group].split(cut: cuts[group])
                var bytes: [UInt8] = []
                if GroupID(UInt16(group)) == .durable, !planted(.acceptWithoutFrames) {
                    for frame in frames { encode(frame, view: live!.view.number, into: &bytes) }
                }
                memberState.tails.append(.init(from: from, frames: bytes))
            }
        }
        if planted(.acceptNotDurable) {
            memberState.accepted = nil
            memberState.tails = []
        }
        out.append(.disk(.save(memberState.encode(), .accepted(acceptance))))
    }

    private func encode(_ frame: FrameRef, view: ViewNumber, into bytes: inout [UInt8]) {
        let header = FrameHeader(
            length: FrameHeader.size + frame.body.count, timestamp: frame.key.timestamp, view: view, batches: frame.batches,
            records: frame.records, group: frame.group, sender: frame.key.sender)
        bytes.append(contentsOf: header.encode())
        bytes.append(view: frame.body)
    }

    /// R7: the log is brought to the cut; the view begins when that is on disk.
    private func close(for proposal: Proposal, into out: inout [Directive]) {
        guard case .cut(let cuts) = proposal.basis, !live!.isClosing, cuts.count == live!.groups.count else { return }
        live!.isClosing = true
        var kept: [[OwnFrame]] = []
        // What was gathered last goes last.
        let gathered = live!.resend
        live!.resend = []
        for group in 0..<live!.groups.count {
            let closing = live!.groups[group].close(cut: cuts[group])
            let id = GroupID(UInt16(group))
            if closing.truncates && id != .unordered { out.append(.disk(.truncate(id, closing.from))) }
            // What was cut off may have had the newest checkpoint.
            if closing.truncates, id == .durable { saving.forget() }
            append(closing.jobs, to: id, into: &out)
            kept.append(closing.kept)
            for frame in closing.resend where !planted(.resendLost) { resendBatches(of: frame.body, group: id, tickets: frame.tickets) }
            states[group] = live!.groups[group].state
        }
        live!.resend += gathered
        carriedOwn = kept
        saveInstalled(proposal, live: true, into: &out)
    }

    /// The view's starting log is on this disk: it begins here.
    func begin(_ proposal: Proposal, now: Instant, into out: inout [Directive]) {
        guard proposal.view.number > live?.view.number ?? ViewNumber(0) else { return }
        guard let rank = proposal.view.rank(of: me) else { return over("\(proposal.view) is without this node", into: &out) }
        let before = live
        var groups: [LiveGroup] = []
        for group in 0..<states.count {
            let base = proposal.base(of: group)
            clock.observe(base)
            clock.observe(states[group].end.key.timestamp)
            groups.append(
                LiveGroup(
                    group: GroupID(UInt16(group)), view: proposal.view, me: rank, base: base, state: states[group],
                    deliveredEnd: before?.groups[group].deliveredEnd ?? LogEnd(),
                    deliveredTopics: before?.groups[group].deliveredTopics ?? 0,
                    consumers: before?.groups[group].consumers ?? ConsumerTable(),
                    carriedOwn: group < carriedOwn.count ? carriedOwn[group] : []))
        }
        carriedOwn = []
        ring.reset()
        live = LiveView(proposal, me: rank, groups: groups, now: now.monotonic, mostGroups: settings.mostGroups)
        restart = nil
        learner = nil
        copy = nil
        isLeaving = false
        counters.views += 1
        let reason = beginning(of: proposal, after: before, now: now)
        out.append(.log(reason))
        announceView(reason, now: now)
        lagAllSessions()
        beginHolding()
        live!.resend = before?.resend ?? []
        if case .cut = proposal.basis { welcomeJoiners(of: proposal, into: &out) }
        for member in proposal.view.members where member != me { sendMemberRow(to: member, into: &out) }
        broadcastSummary(into: &out)
        out.append(.rereadRows)
        tellCluster(into: &out)
        stepReleases(into: &out)
        endIfLeftBehind(into: &out)
        guard !isOver else { return }
        // After a restart pairs of members may not have met yet; in a running cluster a missing link is a lost one.
        guard case .cut = proposal.basis else { return }
        for (other, member) in proposal.view.members.enumerated() where other != rank && !linked.contains(member) {
            suspect(other, "it is not linked", into: &out)
        }
    }

    /// The others have gone on to a view without this node; what they said of it came before this node could hear it.
    func endIfLeftBehind(into out: inout [Directive]) {
        guard !isOver, leaving == nil, let mine = live?.view else { return }
        guard let (_, later) = peerViews.filter({ $0.value.isLive && $0.value.view.number > mine.number && !$0.value.view.contains(me) })
            .min(by: { $0.key < $1.key })
        else { return }
        over("\(later.view) runs without this node", into: &out)
    }

    /// Batches taken back by the cut go first into the new view, so that each publisher stays first-in-first-out. They may take more of the
    /// ring than they did: what went to few members in common frames is relayed to all in frames of its own. The rest follows as room comes.
    func sendAgain(now: Instant) {
        guard !live!.resend.isEmpty, live!.isComplete || planted(.framesBeforeAllBegan) else { return }
        var sent = 0
        for (group, batch, ticket) in live!.resend {
            guard sendAgain(batch, group: group, ticket: ticket, now: now) else { break }
            sent += 1
        }
        live!.resend.removeFirst(sent)
    }

    private func sendAgain(_ batch: OwnedBytes, group: GroupID, ticket: Ticket?, now: Instant) -> Bool {
        let view = batch.view
        guard let header = try? BatchHeader(view) else { return true }
        if let open = ring.openGroup, open != group || ring.openRanks != .everyone || header.kind == .open { sealOpenFrame(now: now) }
        guard enter(view, of: batch, records: header.count, group: group, ranks: .everyone, consumed: live!.consumedByAll, now: now) else { return false }
        if let ticket { live!.tickets.append(ticket) }
        if header.kind == .open { sealOpenFrame(now: now) }
        return true
    }

    // MARK: joins (R10)

    /// `known`: the view that the learner has caught up with.
    func admit(_ node: NodeID, knowing known: ViewNumber, into out: inout [Directive]) {
        guard live != nil, settings.members.contains(where: { $0.node == node }) else { return }
        if let rank = live!.view.rank(of: node) {
            // It speaks as a learner and so does not run in this view; unless it spoke before this view took it in.
            guard known >= live!.view.number else { return }
            suspect(rank, "it came back as a learner", into: &out)
            return
        }
        var steps: [MembershipDirective] = []
        live!.membership.admit(node, into: &steps)
        if !steps.isEmpty { out.append(.log("taking \(node) in")) }
        carryOut(steps, into: &out)
    }

    /// A joiner learns where the view's logs begin, and the state of the groups that no disk keeps.
    ///
    ///      | part u32 | parts u32 |  proposal, log end, ordered's state u32 + bytes, unordered's state u32 + bytes
    private func welcomeJoiners(of proposal: Proposal, into out: inout [Directive]) {
        let joiners = proposal.view.members.filter { !proposal.sources.contains($0) && $0 != me }
        guard !joiners.isEmpty else { return }
        var whole: [UInt8] = []
        proposal.encode(into: &whole)
        states[GroupID.durable.index].end.encode(into: &whole)
        for group in [GroupID.ordered, .unordered] {
            let state = states[group.index].encode()
            whole.append(int: UInt32(state.count))
            whole.append(contentsOf: state)
        }
        let size = 512 << 10
        let parts = (whole.count + size - 1) / size
        for joiner in joiners where linked.contains(joiner) {
            for part in 0..<parts {
                var bytes: [UInt8] = []
                bytes.append(int: UInt32(part))
                bytes.append(int: UInt32(parts))
                bytes.append(contentsOf: whole[part * size..<min(whole.count, (part + 1) * size)])
                out.append(.peer(joiner, .welcome, bytes))
            }
        }
    }
}
