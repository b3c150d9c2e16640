internal import Membership
internal import Replication
internal import Wire

/// Coming back: total restart (R9), learning (R10), copying logs.
extension Node {
    func heard(_ summary: Summary, from node: NodeID, now: Instant, into out: inout [Directive]) {
        peerViews[node] = (summary.view, summary.live)
        restart?.heard(summary, from: node)
        noteBegun(summary, by: node, into: &out)
        endIfLeftBehind(into: &out)
        guard let learner, !learner.isSaving else { return }
        if summary.live, summary.view.number > (learner.welcome?.view.number ?? learner.view.number) {
            // The view it learns from has moved on: the copy goes on, the admission is asked anew.
            self.learner = Learner(source: learner.source, view: summary.view)
            copy?.target = nil
        } else if !summary.live, node == learner.source {
            copyFailed("\(node) left its view", into: &out)
        }
    }

    func carryOut(_ steps: [RestartDirective], into out: inout [Directive]) {
        for step in steps {
            switch step {
            case .send(let node, let kind, let step):
                var bytes: [UInt8] = []
                step.encode(into: &bytes)
                out.append(.peer(node, kind, bytes))
            case .broadcast: broadcastRestartSummary(into: &out)
            case .savePromise(let ballot):
                memberState.promised = ballot
                out.append(.disk(.save(memberState.encode(), .promised(ballot))))
            case .apply: applyAcceptedCut(into: &out)
            case .reach(let ends, let sources): reach(ends, from: sources, into: &out)
            case .saveAcceptance(let acceptance):
                memberState.accepted = acceptance
                memberState.promised = max(memberState.promised, acceptance.ballot)
                memberState.tails = []
                memberState.isUnbacked = false
                out.append(.disk(.save(memberState.encode(), .restartAccepted(acceptance))))
            case .install(let proposal, let live): install(proposal, live: live, into: &out)
            case .learn(let node, let view): learn(from: node, view, into: &out)
            }
        }
    }

    private func broadcastRestartSummary(into out: inout [Directive]) {
        guard let mine = restart?.mine else { return }
        var bytes: [UInt8] = []
        mine.encode(into: &bytes)
        for node in linked.sorted() { out.append(.peer(node, .summary, bytes)) }
    }

    /// Disk's answers that concern views.
    package func diskDone(_ result: DiskResult, now: Instant, into out: inout [Directive]) {
        guard !isOver else { return }
        switch result {
        case .synced(let group, let end):
            wrote(group, below: end)
        case .saved(let token): saved(token, now: now, into: &out)
        case .recovered(let state): recovered(state, now: now, into: &out)
        case .read(let token, let group, let first, let next, let bytes): readDone(token, group, first, next, bytes, into: &out)
        case .located(let token, let group, let entry): located(token, group, entry)
        case .samples(let group, let samples): sampled(group, samples, into: &out)
        case .matched(let node, let group, let number):
            var bytes: [UInt8] = []
            bytes.append(int: group.raw)
            bytes.append(int: number.raw)
            out.append(.peer(node, .matched, bytes))
        case .damaged(let holes): damaged(holes, into: &out)
        case .repaired(let outcome): repaired(outcome, into: &out)
        case .scrubbed(let isDone): scrubbed(isDone: isDone)
        case .cleaned(let report, let isDone, let lines):
            withheld(lines)
            cleaned(report, isDone: isDone, now: now)
        case .agreed(let place): agreed(place)
        case .stretch(let from, let stretch): found(stretch, from: from, into: &out)
        case .filled(let first, let isDone): filled(first, isDone: isDone)
        case .values(let page): valuesRead(page, into: &out)
        case .tail(let query): tailRead(query, into: &out)
        case .cut(let id, let offset, let isExact): cutFound(id, offset, isExact: isExact, into: &out)
        case .spoilt(let why):
            mustVerify = true
            over("its log is damaged: \(why)", into: &out)
        case .failed(let why): over("disk: \(why)", into: &out)
        }
    }

    private func saved(_ token: SaveToken, now: Instant, into out: inout [Directive]) {
        var steps: [RestartDirective] = []
        switch token {
        case .accepted(let acceptance):
            var member: [MembershipDirective] = []
            live?.membership.saved(acceptance, into: &member)
            carryOut(member, into: &out)
        case .promised(let ballot): restart?.savedPromise(ballot, into: &steps)
        case .restartAccepted(let acceptance): restart?.savedAcceptance(acceptance, into: &steps)
        case .installed(let proposal, let isLive):
            if isLive {
                begin(proposal, now: now, into: &out)
            } else {
                restart?.installed(proposal.view, ends: states.map(\.end), into: &steps)
            }
        case .start: break
        }
        carryOut(steps, into: &out)
    }

    func beginRestart() {
        restart = Restart(
            me: me, mine: summary, wait: settings.restartWait, acceptsLoss: settings.acceptsLoss)
    }

    private func recovered(_ state: GroupState, now: Instant, into out: inout [Directive]) {
        states[state.group.index] = state
        // What was cut off may have had the newest checkpoint.
        if state.group == .durable { saving.forget() }
        let why = afterRecovery
        afterRecovery = .nothing
        switch why {
        case .nothing: break
        case .apply:
            placeTail(into: &out)
            var steps: [RestartDirective] = []
            restart?.applied(ends: states.map(\.end), into: &steps)
            carryOut(steps, into: &out)
        case .install(let proposal, let live):
            placeTail(into: &out)
            saveInstalled(proposal, live: live, into: &out)
        case .copy:
            if copy == nil { restart?.stands(at: states.map(\.end)) }
            copy?.phase = .fetching
            fetchMore(now: now, into: &out)
        case .restart: endMending(into: &out)
        }
    }

    private func install(_ proposal: Proposal, live: Bool, into out: inout [Directive]) {
        if case .cut = proposal.basis, memberState.accepted?.proposal == proposal, !memberState.tails.isEmpty {
            // This node alone accepted a cut that others installed: the same log by the same cut.
            let tail = memberState.tails[GroupID.durable.index]
            afterRecovery = .install(proposal, live: live)
            if tail.from < states[GroupID.durable.index].end.number { out.append(.disk(.truncate(.durable, tail.from))) }
            out.append(.disk(.recover(.durable)))
        } else {
            saveInstalled(proposal, live: live, into: &out)
        }
    }

    func saveInstalled(_ proposal: Proposal, live: Bool, into out: inout [Directive]) {
        memberState.installed = proposal.view
        memberState.accepted = nil
        memberState.promised = Ballot(round: 0, rank: 0)
        memberState.tails = []
        memberState.isUnbacked = false
        out.append(.disk(.save(memberState.encode(), .installed(proposal, live: live))))
    }

    private func reach(_ ends: [LogEnd], from sources: [NodeID], into out: inout [Directive]) {
        let group = GroupID.durable.index
        guard ends.count == states.count, sources.count == states.count else { return reached(nil, into: &out) }
        if states[group].end.number == ends[group].number, states[group].end.chain == ends[group].chain {
            return reached(states.map(\.end), into: &out)
        }
        guard linked.contains(sources[group]) else { return reached(nil, into: &out) }
        startCopy(from: sources[group], to: ends[group], into: &out)
    }

    private func reached(_ ends: [LogEnd]?, into out: inout [Directive]) {
        copy = nil
        var steps: [RestartDirective] = []
        // A copy that failed may have changed the log's end.
        if ends == nil { restart?.stands(at: states.map(\.end)) }
        restart?.reached(ends: ends, into: &steps)
        carryOut(steps, into: &out)
    }

    // MARK: learning

    private func learn(from node: NodeID, _ view: View, into out: inout [Directive]) {
        if isLeaving { return depart("\(view) goes on without this node", into: &out) }
        out.append(.log("catching up with \(view) from \(node)"))
        restart = nil
        learner = Learner(source: node, view: view)
        startCopy(from: node, to: nil, into: &out)
    }

    func tickLearner(now: Instant, into out: inout [Directive]) {
        guard let copy else { return }
        if copy.phase == .fetching, copy.isWaiting || now.monotonic - copy.asked > 2_000_000_000 { fetchMore(now: now, into: &out) }
        guard learner != nil, copy.phase == .level, learner?.welcome == nil else { return }
        fetchMore(now: now, into: &out)
        guard let learner, now.monotonic - learner.admitAsked > 500_000_000 else { return }
        guard learner.view.members.allSatisfy({ $0 == me || linked.contains($0) }) else { return }
        self.learner?.admitAsked = now.monotonic
        var bytes: [UInt8] = []
        bytes.append(int: learner.view.number.raw)
        for member in learner.view.members where member != me { out.append(.peer(member, .admit, bytes)) }
    }

    func welcome(_ bytes: ByteView, from node: NodeID, now: Instant, into out: inout [Directive]) throws(DecodeError) {
        guard learner != nil, learner?.welcome == nil else { return }
        var outer = Decoder(bytes, "welcome")
        let part = try outer.int(UInt32.self)
        let parts = try outer.int(UInt32.self)
        guard part < parts else { throw .limit(what: "part of a welcome", value: UInt64(part), limit: UInt64(parts)) }
        var whole = part == 0 ? [] : welcomeParts[node] ?? []
        guard whole.count <= Limits.largestRing else {
            throw .limit(what: "welcome", value: UInt64(whole.count), limit: UInt64(Limits.largestRing))
        }
        whole.append(view: bytes.from(8))
        welcomeParts[node] = whole
        guard part + 1 == parts else { return }
        welcomeParts[node] = nil
        let (proposal, end, volatile) = try whole.withView { view throws(DecodeError) in
            var decoder = Decoder(view, "welcome")
            let proposal = try Proposal(&decoder)
            let end = try LogEnd(&decoder)
            var states: [GroupState] = []
            for group in [GroupID.ordered, .unordered] {
                let count = Int(try decoder.int(UInt32.self))
                states.append(try GroupState(group: group, decoding: try decoder.bytes(count)))
            }
            return (proposal, end, states)
        }
        guard proposal.view.contains(me) else { return }
        for state in volatile { states[state.group.index] = state }
        // What came before this node was a member it does not have.
        out.append(.disk(.begin(.ordered, states[GroupID.ordered.index].end)))
        learner?.welcome = proposal
        copy?.target = end
        out.append(.log("admitted to \(proposal.view), \(end.number.raw - min(end.number.raw, states[0].end.number.raw)) entries behind"))
        if copy?.phase == .level || copy?.phase == .fetching { advanceCopy(now: now, into: &out) }
    }

    // MARK: copying

    private func startCopy(from source: NodeID, to target: LogEnd?, into out: inout [Directive]) {
        copy = LogCopy(source: source, target: target)
        // Where the source has made a hole of it, no chain says what the two logs share.
        if !planted(.wordForgotten) { copy!.shared = min(holders.agreed.number, states[GroupID.durable.index].end.number) }
        out.append(.disk(.samples(.durable, gap: nil)))
    }

    func copyFailed(_ why: String, into out: inout [Directive]) {
        // All of it is here once the view is being installed: it begins whatever becomes of the source.
        guard copy != nil, learner?.isSaving != true else { return }
        out.append(.log("copying stopped: \(why)"))
        copy = nil
        if learner != nil {
            learner = nil
            forgetWelcome(into: &out)
            beginRestart()
            broadcastSummary(into: &out)
            for node in linked.sorted() { out.append(.peer(node, .compare, [])) }
        } else {
            reached(nil, into: &out)
        }
    }

    /// What a welcome said of the groups in memory was of a view that this node has not begun: a restart begins without them.
    private func forgetWelcome(into out: inout [Directive]) {
        guard !planted(.welcomeKept) else { return }
        for group in [GroupID.ordered, .unordered] { states[group.index] = GroupState(group: group) }
        out.append(.disk(.begin(.ordered, LogEnd())))
    }

    private func sampled(_ group: GroupID, _ samples: [ChainSample], into out: inout [Directive]) {
        guard let copy, copy.phase == .sampling else { return }
        self.copy?.phase = .matching
        self.copy?.sampled = samples.map(\.number).sorted()
        var bytes: [UInt8] = []
        bytes.append(int: group.raw)
        bytes.append(int: UInt32(samples.count))
        for sample in samples {
            bytes.append(int: sample.number.raw)
            bytes.append(int: sample.chain)
        }
        out.append(.peer(copy.source, .compare, bytes))
    }

    func serveCopy(_ kind: MessageKind, _ body: ByteView, to node: NodeID, into out: inout [Directive]) throws(DecodeError) {
        var decoder = Decoder(body, "copy request")
        if kind == .compare, body.isEmpty { return sendSummary(to: node, into: &out) }
        let group = GroupID(try decoder.int())
        guard group == .durable else { throw .value(what: "group to copy", value: UInt64(group.raw)) }
        if kind == .compare {
            var samples: [ChainSample] = []
            for _ in 0..<(try decoder.count(limit: 128, size: 16)) {
                samples.append(ChainSample(number: EntryNumber(try decoder.int()), chain: try decoder.int()))
            }
            out.append(.disk(.compare(node, group, samples)))
        } else {
            let from = EntryNumber(try decoder.int())
            let below = servable.number
            copiers[node, default: CopyProgress()].behind = below.raw - min(from.raw, below.raw)
            copiers[node]!.seen = lastSeen
            if from >= below {
                answerFetch(node, from: from, bytes: .empty, into: &out)
            } else {
                out.append(.disk(.read(.peer(node, from: from), group, from: from, below: below, maximumBytes: LogCopy.chunk)))
            }
        }
    }

    /// What other nodes may copy: all of the log when no view runs here; otherwise what no cut can take back.
    private var servable: LogEnd {
        guard let live else { return states[GroupID.durable.index].end }
        let group = live.groups[GroupID.durable.index]
        guard let carried = group.carried, carried.number > group.deliveredEnd.number else { return group.deliveredEnd }
        return carried
    }

    func answerFetch(_ node: NodeID, from: EntryNumber, bytes: ByteView, into out: inout [Directive]) {
        copiers[node, default: CopyProgress()].bytes += UInt64(bytes.count)
        var answer: [UInt8] = []
        answer.append(int: GroupID.durable.raw)
        answer.append(int: from.raw)
        answer.append(int: servable.number.raw)
        answer.append(int: servable.offset.raw)
        holders.holdings.encode(into: &answer)
        answer.append(view: bytes)
        out.append(.peer(node, .entries, answer))
    }

    func copyAnswer(
        _ kind: MessageKind, _ body: ByteView, from node: NodeID, now: Instant, into out: inout [Directive]
    ) throws(DecodeError) {
        var decoder = Decoder(body, "copied entries")
        _ = try decoder.int(UInt16.self)
        let number = EntryNumber(try decoder.int())
        if kind == .entries { return try copied(&decoder, at: number, body, from: node, now: now, into: &out) }
        guard copy?.source == node else { return }
        guard copy?.phase == .matching else { return }
        if let gap = copy!.matched(number) {
            copy?.phase = .sampling
            return out.append(.disk(.samples(.durable, gap: gap)))
        }
        let shared = copy!.shared
        unbackAcceptance(needing: shared, into: &out)
        if shared < states[GroupID.durable.index].end.number, !planted(.learnerKeepsTail) {
            let dropped = states[GroupID.durable.index].end.number.raw - shared.raw
            out.append(.log("dropping \(dropped) entries that the cluster does not have"))
            copy?.phase = .recovering
            afterRecovery = .copy
            out.append(.disk(.truncate(.durable, shared)))
            out.append(.disk(.recover(.durable)))
        } else {
            copy?.phase = .fetching
            fetchMore(now: now, into: &out)
        }
    }

    /// Entries of another node's log have come, for a repair or for a copy.
    private func copied(
        _ decoder: inout Decoder, at number: EntryNumber, _ body: ByteView, from node: NodeID, now: Instant, into out: inout [Directive]
    ) throws(DecodeError) {
        let shown = (number: EntryNumber(try decoder.int()), offset: Offset(try decoder.int()))
        let theirs = try Holdings(&decoder)
        let entries = body.from(decoder.position)
        if let known = repair?.shown { repair!.shown = max(known, shown.offset) }
        // A second's worth of bytes takes a second.
        repairAskAt = now.monotonic + UInt64(entries.count) * 1_000_000_000 / UInt64(max(settings.copyRate, 1))
        if !entries.isEmpty, !theirs.isEmpty, repairElsewhere(theirs, at: number, from: node, into: &out) { return }
        if !entries.isEmpty, !theirs.isEmpty, isAwaited(number, from: node) {
            absorb(theirs, from: try EntryHeader(entries).baseOffset, into: &out)
        }
        if try repairAnswer(entries, at: number, from: node, into: &out) { return }
        guard copy?.source == node else { return }
        copy?.shown = shown.number
        copy?.shownOffset = shown.offset
        guard copy?.phase == .fetching || copy?.phase == .level, number == states[GroupID.durable.index].end.number else { return }
        try take(entries, now: now, into: &out)
    }
    private func isAwaited(_ number: EntryNumber, from node: NodeID) -> Bool {
        if case .asking(node, number, _)? = repair?.step { return true }
        return copy?.source == node && (copy?.phase == .fetching || copy?.phase == .level) && number == states[GroupID.durable.index].end.number
    }

    /// Entries as they lie in the source's log: checked, counted, appended.
    private func take(_ entries: ByteView, now: Instant, into out: inout [Directive]) throws(DecodeError) {
        var at = 0
        var trimmed: [UInt8] = []
        var first = 0
        let limit = copy?.target?.number
        while at < entries.count {
            var header = try checkEntry(entries.from(at))
            if let limit, header.number >= limit { break }
            let body = entries[at + EntryHeader.size..<at + header.length]
            at += header.length
            let end = states[GroupID.durable.index].end
            // The source has made one of many, with those that are here already among them.
            if header.span > 1, header.number < end.number, header.endNumber > end.number, header.endOffset >= end.offset {
                header = header.trimmed(from: end)
                trimmed = header.entry(body)
                first = at
            }
            guard states[GroupID.durable.index].replay(header, body) else {
                throw .value(what: "copied entry that does not follow this log", value: header.number.raw)
            }
        }
        if at > 0 {
            trimmed.withView { head in
                out.append(.disk(.appendCopy(.durable, OwnedBytes(head, entries[first..<at]), shown: shownOfCopy)))
            }
            noteAppended(at, to: .durable, into: &out)
            copy?.spend(at)
        }
        advanceCopy(now: now, into: &out)
    }

    /// What the source has beyond what was agreed on is of no log that counts.
    private var shownOfCopy: Offset { copy.map { min($0.shownOffset, $0.target?.offset ?? $0.shownOffset) } ?? Offset(0) }

    private func advanceCopy(now: Instant, into out: inout [Directive]) {
        guard let copy else { return }
        let end = states[GroupID.durable.index].end
        if let target = copy.target, end.number >= target.number || planted(.learnerEarly) && learner != nil {
            guard end.chain == target.chain || planted(.learnerEarly) else { return copyFailed("the copy differs from what was agreed on", into: &out) }
            if learner != nil { finishLearning(into: &out) } else { reached(states.map(\.end), into: &out) }
        } else if end.number < copy.shown || copy.target != nil {
            self.copy?.phase = .fetching
            fetchMore(now: now, into: &out)
        } else {
            self.copy?.phase = .level
        }
    }

    private func finishLearning(into out: inout [Directive]) {
        guard let proposal = learner?.welcome, learner?.isSaving == false else { return }
        learner?.isSaving = true
        saveInstalled(proposal, live: true, into: &out)
    }

    private func fetchMore(now: Instant, into out: inout [Directive]) {
        guard var copy else { return }
        // While no view runs nobody is held up by the copy.
        copy.isWaiting = learner != nil && !copy.mayFetch(settings.copyRate, now: now.monotonic)
        if !copy.isWaiting { copy.asked = now.monotonic }
        self.copy = copy
        guard !copy.isWaiting else { return }
        var bytes: [UInt8] = []
        bytes.append(int: GroupID.durable.raw)
        bytes.append(int: states[GroupID.durable.index].end.number.raw)
        out.append(.peer(copy.source, .fetch, bytes))
    }
}
