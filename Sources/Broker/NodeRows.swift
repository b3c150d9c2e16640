internal import Membership
internal import Replication
internal import Store
package import Wire

/// Rows and frames: R1–R5 at the level of the node.
extension Node {
    /// This node's row as the other members are to see it; who they are.
    package func encodeRow(into bytes: inout [UInt8]) -> [NodeID] {
        guard live != nil else { return [] }
        live!.fillOwnRow(tail: ring.tail)
        live!.rows[live!.me].encode(into: &bytes)
        return live!.view.members
    }

    /// Another node's newest row, and its data ring as it is mirrored here.
    package func peerRow(_ node: NodeID, _ bytes: ByteView, ring mirror: ByteView, now: Instant, into out: inout [Directive]) {
        guard !isOver, live != nil, let rank = live?.view.rank(of: node), rank != live?.me else { return }
        guard let number = StateRow.view(of: bytes), number == live?.view.number || planted(.staleView) else { return }
        guard !(live?.membership.suspected.contains(rank) ?? true) || planted(.suspicionTakenBack) else { return }
        do {
            try live!.rows[rank].read(bytes)
            // A view that a restart brought back, while some still run it: their groups in memory are not the same.
            guard live!.rows[rank].byRestart == live!.isByRestart else {
                return suspect(rank, "it began \(live!.view) \(live!.isByRestart ? "without" : "by") a restart", into: &out)
            }
            if !live!.present.contains(rank) {
                live!.present.insert(rank)
                live!.isRowDirty = true
                passHeld(to: rank, into: &out)
            }
            if planted(.promiseUnread) { takeClocks(rank, now: now, into: &out) }
            try takeFrames(rank, mirror, now: now, into: &out)
        } catch {
            suspect(rank, "protocol violation: \(error)", into: &out)
            return
        }
        takeClocks(rank, now: now, into: &out)
    }

    /// Reads the member's ring up to the tail that its row shows, or up to a frame whose body is still on its way. A wedged member lets
    /// the frames go unread (R6).
    func takeFrames(
        _ rank: Int, _ mirror: ByteView, now: Instant, into out: inout [Directive]
    ) throws(DecodeError) {
        let tail = live!.rows[rank].dataTail
        var read = live!.ledgers[rank].read
        guard tail >= read, tail - live!.ledgers[rank].consumed <= UInt64(mirror.count) else {
            throw .value(what: "data tail", value: tail)
        }
        if (live!.isFrozen || live!.membership.isWedged) && !planted(.noFreeze) {
            live!.ledgers[rank].skip(to: tail)
            return
        }
        live!.pendingBody[rank] = nil
        let reader = RingReader(mirror)
        while read < tail {
            switch try reader.item(at: read, before: tail) {
            case .pad(let end):
                live!.ledgers[rank].skip(to: end)
                read = end
            case .frame(let header, let body, let end):
                guard header.view == live!.view.number || planted(.staleView), header.sender == live!.view.members[rank],
                    header.group.index < live!.groups.count
                else { throw .value(what: "frame of another view, sender or group", value: header.view.raw) }
                guard !HybridClock.isTooFarAhead(header.timestamp, now: now.wall) else {
                    throw .value(what: "timestamp too far ahead of this node's clock", value: header.timestamp.raw)
                }
                let isMine = header.ranks.contains(live!.me) || planted(.withheldDelivered)
                if header.isRelayed, isMine {
                    guard let owner = live!.bodies[rank].take(end - UInt64(body.count)..<end) else {
                        live!.pendingBody[rank] = header.timestamp
                        return
                    }
                    hold(header, owner.view, owner, end: end, rank: rank)
                } else {
                    hold(header, isMine ? body : .empty, nil, end: end, rank: rank)
                }
                read = end
            }
            live!.isRowDirty = true
        }
    }

    private func hold(_ header: FrameHeader, _ body: ByteView, _ owner: OwnedBytes?, end: UInt64, rank: Int) {
        let line = live!.ledgers[rank].enter(end: end, uses: 2)
        let frame = FrameRef(header, rank: rank, body: body, owner: owner, line: line)
        clock.observe(header.timestamp)
        guard live!.groups[header.group.index].matrix.hold(frame) else {
            // Its sender broke its promise; what it sent is not taken in, and its row will tell soon enough.
            live!.ledgers[rank].letGo(line)
            live!.ledgers[rank].letGo(line)
            return
        }
        if header.group == .unordered, !body.isEmpty { takeUnordered(frame, header) }
    }

    func takeClocks(_ rank: Int, now: Instant, into out: inout [Directive]) {
        guard !live!.isFrozen && !live!.membership.isWedged || planted(.noFreeze) else { return }
        let count = live!.view.members.count
        // What is stamped below a frame whose body is on its way is here, and no more.
        let holds = live!.pendingBody[rank].map { Timestamp($0.raw - min($0.raw, 1)) }
        for group in 0..<live!.groups.count {
            let row = live!.rows[rank]
            let clocks = row.clocks[group * count..<(group + 1) * count]
            for time in clocks where HybridClock.isTooFarAhead(time, now: now.wall) {
                suspect(rank, "its clock is \((time.raw - now.wall) / 1_000_000_000) s ahead of this node's", into: &out)
                return
            }
            clock.observe(clocks[clocks.startIndex + rank])
            _ = live!.groups[group].matrix.receive(
                from: rank, clocks: clocks, durable: row.durable[group], holds: planted(.promisePastBody) ? Timestamp(.max) : holds ?? Timestamp(.max))
        }
    }

    /// How far all members have let go of this node's ring.
    var ringFreed: UInt64 { live?.consumedByAll ?? 0 }

    /// All events of a turn are in: seal, order, deliver, acknowledge, push. True: there is room in this node's ring that there was not before;
    /// what did not find any may be offered again.
    @discardableResult
    package func finishTurn(now: Instant, into out: inout [Directive]) -> Bool {
        guard !isOver else { return false }
        let freed = ringFreed
        lastSeen = now.monotonic
        wallSeen = now.wall
        if live != nil, !live!.membership.isWedged && !live!.isFrozen || planted(.noFreeze) {
            sendAgain(now: now)
            stepConsumers(now: now)
            stepAnnouncements(now: now, into: &out)
            stepWants(now: now, into: &out)
            sealOpenFrame(now: now)
            promiseForReads(now: now)
            raisePromises()
            orderAndAppend(into: &out)
            settleWritten()
            deliverStable(into: &out)
            if planted(.rowBeforeData) { pushRow(into: &out) }
            postData(into: &out)
            pushRow(into: &out)
        }
        if !unorderedOut.isEmpty {
            out += unorderedOut
            unorderedOut.removeAll(keepingCapacity: true)
        }
        serveLagging(into: &out)
        stepReads(into: &out)
        sendAcknowledgements(into: &out)
        if holders.fill != nil { stepFill(into: &out) }
        clean(into: &out)
        if repair != nil, lastSeen >= repairDue() { stepRepair(into: &out) }
        dueAt = min(consumersDue(), deadlinesDue(), cleaningDue(), fillDue(), repairDue())
        return ringFreed > freed
    }

    /// Bytes of padding for which the ring is sent in two stretches; in a small ring a 64th of it.
    package static var leastGap: Int { 4096 }

    /// R1: stamped above everything sent, promised or seen.
    func sealOpenFrame(now: Instant) {
        guard ring.openGroup != nil else { return }
        let time = clock.stamp(now: now.wall)
        let large = relaysFrom(ring.openRanks ?? .everyone)
        guard let sealed = ring.seal(time, view: live!.view.number, sender: me, relayedFrom: large) else { return }
        let (header, body, end) = (sealed.header, sealed.body, sealed.end)
        let rank = live!.me
        let line = live!.ledgers[rank].enter(end: end, uses: 2)
        let tickets = live!.tickets
        live!.tickets = []
        live!.groups[header.group.index].sent(FrameRef(header, rank: rank, body: body, owner: sealed.owner, line: line), tickets: tickets)
        if header.group == .unordered {
            deliverUnordered(body, sealed.owner, header)
            acknowledgeAtOnce(tickets)
        }
        if let padding = sealed.padding, padding.count >= min(Self.leastGap, ring.size / 64) {
            live!.withheld.append((padding.lowerBound, padding.upperBound, RankSet()))
        }
        if let owner = sealed.owner {
            // To nobody straight: `postRelays` sends it on its way.
            let place = end - UInt64(body.count)..<end
            live!.withheld.append((place.lowerBound, place.upperBound, RankSet()))
            live!.relays.append((place, header.ranks, owner))
        } else if header.ranks != .everyone {
            live!.withheld.append((end - UInt64(body.count), end, header.ranks))
            counters.bytesWithheld += UInt64(body.count * (live!.view.members.count - header.ranks.count))
        }
        live!.isRowDirty = true
        counters.framesSent += 1
    }

    /// R2: what was seen is promised; an idle member needs no null messages.
    private func raisePromises() {
        for group in 0..<live!.groups.count {
            let before = live!.groups[group].matrix.own(live!.me)
            if clock.last > before {
                live!.groups[group].matrix.promise(clock.last)
                live!.isRowDirty = true
            }
        }
    }

    private func orderAndAppend(into out: inout [Directive]) {
        for group in 0..<live!.groups.count {
            var jobs: [PendingEntry] = []
            live!.groups[group].order(into: &jobs)
            append(jobs, to: GroupID(UInt16(group)), into: &out)
        }
    }

    /// Splits at segment ends: a roll's checkpoint is the state just before the entry that opens the new segment.
    func append(_ jobs: [PendingEntry], to group: GroupID, into out: inout [Directive]) {
        guard !jobs.isEmpty else { return }
        let bytes = jobs.reduce(0) { $0 + $1.header.length }
        out.append(.disk(.append(group, jobs)))
        noteAppended(bytes, to: group, into: &out)
    }

    /// A segment that is full is closed behind the entries just appended, with the state after them.
    func noteAppended(_ bytes: Int, to group: GroupID, into out: inout [Directive]) {
        segmentUse[group.index] += bytes
        guard segmentUse[group.index] >= settings.segmentBytes else { return }
        let state = live?.groups[group.index].state ?? states[group.index]
        let isSaved = group != .durable || saving.isDue(behind: segmentUse[group.index], state: state.size, settings)
        if group == .durable { cleaning.closed = state.end.number }
        segmentUse[group.index] = 0
        out.append(.disk(.roll(group, isSaved ? .saved(state.encode()) : .told(state.heads, isSure: !state.hasHoles))))
    }

    /// The open segment of the durable log is closed though it is not full, with its state.
    func closeSegment(into out: inout [Directive]) {
        saving.forget()
        segmentUse[GroupID.durable.index] = settings.segmentBytes
        noteAppended(0, to: .durable, into: &out)
    }

    /// Frames that leave no entry need no disk.
    func settleWritten() {
        for group in 0..<live!.groups.count { wrote(GroupID(UInt16(group)), below: .zero) }
    }

    func wrote(_ group: GroupID, below end: EntryNumber) {
        guard live != nil else { return }
        var released: [FrameRef] = []
        live!.groups[group.index].wrote(below: end, letGo: &released)
        guard !released.isEmpty else { return }
        for frame in released { live!.ledgers[frame.rank].letGo(frame.line) }
        if group == .durable { live!.isRowDirty = true }
    }

    private func postData(into out: inout [Directive]) {
        let tail = ring.tail
        for rank in 0..<live!.view.members.count where rank != live!.me && live!.present.contains(rank) {
            guard live!.posted[rank] < tail else { continue }
            var from = live!.posted[rank]
            for gap in live!.withheld where gap.from >= from && !gap.ranks.contains(rank) {
                if gap.from > from { post(from, gap.from, to: rank, into: &out) }
                from = gap.to
            }
            if from < tail { post(from, tail, to: rank, into: &out) }
            live!.posted[rank] = tail
        }
        postRelays(into: &out)
        guard !live!.withheld.isEmpty else { return }
        let least = live!.posted.indices.reduce(tail) { $1 == live!.me ? $0 : min($0, live!.posted[$1]) }
        live!.withheld.removeAll { $0.to <= least }
    }

    private func post(_ from: UInt64, _ to: UInt64, to rank: Int, into out: inout [Directive]) {
        out.append(.data(live!.view.members[rank], from: from, to: to))
        counters.bytesPosted += to - from
    }

    private func pushRow(into out: inout [Directive]) {
        if !live!.isRowDirty {
            let quarter = UInt64(ring.size / 4)
            for rank in 0..<live!.view.members.count where live!.ledgers[rank].consumed - live!.toldConsumed[rank] >= quarter {
                live!.isRowDirty = true
            }
        }
        guard live!.isRowDirty else { return }
        live!.isRowDirty = false
        out.append(.row)
    }
}
