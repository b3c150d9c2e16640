internal import Membership
internal import Replication
internal import Topics
internal import Wire

/// From the log to the subscribers (R4, R5): live sessions get each entry as it is delivered, others read the log behind it.
extension Node {
    func deliverStable(into out: inout [Directive]) {
        for group in 0..<live!.groups.count {
            var ready: [(entry: TailEntry, own: OwnFrame?)] = []
            let wasCarried = live!.groups[group].carried != nil
            live!.groups[group].deliver(installed: live!.isInstalledByQuorum, into: &ready)
            let id = GroupID(UInt16(group))
            let isPicked = !ready.isEmpty && hasLivePickers(group)
            if wasCarried { for own in live!.groups[group].takeCarriedOwn() { settle(own, group: id, into: &out) } }
            for (entry, own) in ready {
                if let header = entry.header {
                    learnTopics(of: id, upTo: entry.topicsAfter)
                    noteDeadlines(entry.body, of: id)
                    offer(header, entry.body, entry.owner, isPicked: isPicked, into: &out)
                    counters.recordsDelivered += UInt64(header.records)
                }
                if !live!.unnamed.isEmpty, id == .unordered { deliverUnnamed(before: entry.frame.key) }
                live!.ledgers[entry.frame.rank].letGo(entry.frame.line)
                if let own { settle(own, group: id, into: &out) }
            }
            learnTopics(of: id, upTo: live!.groups[group].deliveredTopics)
            if !live!.unnamed.isEmpty, id == .unordered { deliverUnnamed(before: .zero) }
        }
        refreshShares(into: &out)
    }

    /// Each topic that is delivered finds its watchers, once.
    private func learnTopics(of group: GroupID, upTo count: Int) {
        guard watches.sets[group.index].count.index < count else { return }
        if group == .unordered { live!.telling.isStale = true }
        let table = live!.groups[group.index].state.topics
        var matches = WatchMatches()
        swap(&matches, &watches.matches)
        while watches.sets[group.index].count.index < count {
            let topic = watches.sets[group.index].count
            table.withName(of: topic) { name in
                watches.index.match(name, into: &matches)
                if name.u8(0) == UInt8(ascii: "$") { watches.reserved[group.index].append(topic) }
            }
            var watchers = planted(.newTopicUnseen) ? [] : matches.watchers
            if group != .durable { watchers.removeAll { sessions[watches.session(of: $0)]!.share != nil } }
            watches.sets[group.index].append(watchers)
            for watcher in watchers {
                let id = watches.session(of: watcher)
                sessions[id]!.cursors[group.index].unnamed.append(topic)
                sessions[id]!.cursors[group.index].pick(topic)
            }
        }
        swap(&matches, &watches.matches)
    }

    /// An entry to the live sessions that watch its topics; one whose ring has no room falls behind and reads the log.
    private func offer(_ header: EntryHeader, _ body: ByteView, _ owner: OwnedBytes?, isPicked: Bool, into out: inout [Directive]) {
        let group = header.group.index
        for id in watches.everything where sessions[id]!.cursors[group].isLive {
            if !handAll(header, body, owner, to: id, into: &out) { fallBehind(id, header) }
        }
        if isPicked { offerPicks(header, body, owner, into: &out) }
        if keepsRecent[group] { recent[group].append(header, body, limit: settings.keptMost) }
    }
    /// Whether any session that picks is live: where all are behind nobody need know which records are whose.
    private func hasLivePickers(_ group: Int) -> Bool {
        if planted(.livePickerForgotten) { return lagging.isEmpty }
        // Each of them that is not live is listed, once.
        guard lagging.count >= watches.pickers else { return true }
        return lagging.count { sessions[$0]!.watcher != nil && !sessions[$0]!.cursors[group].isLive } < watches.pickers
    }
    private func offerPicks(_ header: EntryHeader, _ body: ByteView, _ owner: OwnedBytes?, into out: inout [Directive]) {
        let group = header.group.index
        guard header.records > 0, watches.sets[group].isWatched else { return }
        let picks = gather(header, body)
        var last = LastShare()
        for watcher in picks.touched {
            let id = watches.session(of: watcher)
            guard sessions[id]!.cursors[group].isLive else { continue }
            if !hand(header, body, owner, picks.runs(of: watcher), to: id, &last, into: &out) { fallBehind(id, header) }
        }
        watches.picks = picks
    }

    /// Taken out of the node while it is used, so that its memory is not copied; the caller puts it back.
    private func gather(_ header: EntryHeader, _ body: ByteView) -> Picks {
        var picks = Picks()
        swap(&picks, &watches.picks)
        picks.gather(body, watches.sets[header.group.index])
        return picks
    }

    private func fallBehind(_ id: SessionID, _ header: EntryHeader) {
        sessions[id]!.cursors[header.group.index].fallBehind(header)
        keepsRecent[header.group.index] = true
        sessions[id]!.share?.scan = header.baseOffset.raw
        noteLagging(id)
    }

    // MARK: to one session

    /// Sends the names of wanted topics that the session has not been told. False: no room.
    func sendNames(to id: SessionID, group: GroupID, into out: inout [Directive]) -> Bool {
        let count = watches.sets[group.index].count
        let picks = sessions[id]!.watcher != nil
        guard picks ? !sessions[id]!.cursors[group.index].unnamed.isEmpty : sessions[id]!.cursors[group.index].named < count else { return true }
        var cursor = sessions[id]!.cursors[group.index]
        learnQuality(of: group)
        let topics = live!.groups[group.index].state.topics
        while picks ? !cursor.unnamed.isEmpty : cursor.named < count {
            var bytes: [UInt8] = []
            bytes.append(int: group.raw)
            bytes.append(int: UInt32(0))
            var named: UInt32 = 0
            while bytes.count < Limits.namesMessage, let topic = picks ? cursor.unnamed.first : cursor.named < count ? cursor.named : nil {
                if picks { cursor.unnamed.removeFirst() } else { cursor.named = TopicID(topic.raw + 1) }
                topics.withName(of: topic) { name in
                    bytes.append(int: topic.raw)
                    bytes.append(quality.level(of: topic, group).rawValue)
                    bytes.append(int: UInt16(name.count))
                    bytes.append(view: name)
                }
                named += 1
            }
            guard hasRoom(id, bytes.count, into: &out) else { return false }
            bytes.store(named, at: 2)
            send(id, .topicNames, bytes, into: &out)
            sessions[id]!.cursors[group.index].named = cursor.named
            sessions[id]!.cursors[group.index].unnamed = cursor.unnamed
        }
        return true
    }

    /// An entry to a session that takes everything: whole, but for records that it does not want any more. False: no room.
    func handAll(
        _ header: EntryHeader, _ body: ByteView, _ owner: OwnedBytes?, to id: SessionID, into out: inout [Directive]
    ) -> Bool {
        guard sendNames(to: id, group: header.group, into: &out) else { return false }
        guard header.records > 0 else { return true }
        let first = sessions[id]!.cursors[header.group.index].firstOffset
        var runs = [RecordRun(at: 0, delta: 0, count: header.records)]
        let reserved = watches.reserved[header.group.index]
        if header.baseOffset < first || header.group == .unordered || header.isCleaned || !reserved.isEmpty {
            // Records of an unordered topic may come before the topic is delivered here: without a name they are no use. Of an entry that
            // was cleaned some may be gone.
            let named = watches.sets[header.group.index].count
            runs = []
            walkRuns(body, { $0 < named && !reserved.contains($0) ? 1 : 0 }) { runs.append($1) }
        }
        return hand(header, body, owner, runs, to: id, into: &out)
    }

    /// Whether a client's ring takes a message of `length` bytes; where not, this node has a turn as soon as it does.
    func hasRoom(_ id: SessionID, _ length: Int, into out: inout [Directive]) -> Bool {
        guard sessions[id]!.space < Session.cost(length) else { return true }
        out.append(.wantsRoom(id, length))
        return false
    }

    func hand(
        _ header: EntryHeader, _ body: ByteView, _ owner: OwnedBytes?, _ runs: [RecordRun], to id: SessionID, into out: inout [Directive]
    ) -> Bool {
        var last = LastShare()
        return hand(header, body, owner, runs, to: id, &last, into: &out)
    }
    /// Those records of an entry that are in `runs` to one session. False: no room.
    /// - last: what the entry's other sessions got.
    private func hand(
        _ header: EntryHeader, _ body: ByteView, _ owner: OwnedBytes?, _ runs: [RecordRun], to id: SessionID, _ last: inout LastShare,
        into out: inout [Directive]
    ) -> Bool {
        guard header.timestamp >= sessions[id]!.cursors[header.group.index].firstTime else { return true }
        var runs = runs
        let isConsumer = sessions[id]!.share != nil
        if isConsumer {
            guard servesConsumers, sessions[id]!.share!.hasRoom else { return false }
            runs = sessions[id]!.share!.wanted(runs, header, body)
        }
        if let filter = sessions[id]!.filter {
            let topics = live!.groups[header.group.index].state.topics
            runs = admitted(runs, body) { record in topics.withName(of: record.header.topic) { filter.admits(record, topic: $0) } ?? false }
        }
        let share = last.of(header, body, runs, from: sessions[id]!.cursors[header.group.index].firstOffset)
        guard share != .nothing else { return true }
        guard sendNames(to: id, group: header.group, into: &out) else { return false }
        switch share {
        case .nothing: break
        case .whole:
            guard hasRoom(id, EntryHeader.size + body.count, into: &out) else { return false }
            // The same for every session that gets the entry.
            if entryHead.header != header {
                entryHead = (header, [])
                entryHead.bytes.reserveCapacity(EntryHeader.size)
                header.encode(into: &entryHead.bytes) { $0 }
            }
            send(id, .entry, entryHead.bytes, body, owner: owner, into: &out)
        case .picked(let bytes):
            guard hasRoom(id, bytes.count, into: &out) else { return false }
            send(id, .records, bytes, into: &out)
        }
        if isConsumer { sessions[id]!.share!.hand(runs, header, body) }
        return true
    }

    // MARK: unordered

    /// Records of a topic that is new to this node wait until its name is there, which comes before them in the order; so do those behind them of
    /// the same sender, that no topic's records overtake one another.
    func takeUnordered(_ frame: FrameRef, _ header: FrameHeader) {
        if watches.hasAny, !planted(.unnamedDropped), live!.unnamed.contains(where: { $0.frame.rank == frame.rank }) || !isNamed(frame.body) {
            live!.unnamed.append((frame, header))
        } else {
            deliverUnordered(frame.body, frame.owner, header)
        }
    }

    /// Delivers those whose topics are there by now. What is not named by its own turn in the order, `last`, never will be, and its memory goes.
    private func deliverUnnamed(before last: OrderKey) {
        var held = RankSet()
        let waiting = live!.unnamed
        live!.unnamed = []
        for one in waiting {
            if !held.contains(one.frame.rank), isNamed(one.frame.body) {
                deliverUnordered(one.frame.body, one.frame.owner, one.header)
            } else if one.frame.key > last {
                held.insert(one.frame.rank)
                live!.unnamed.append(one)
            }
        }
    }

    private func isNamed(_ body: ByteView) -> Bool {
        let named = watches.sets[GroupID.unordered.index].count
        var batches = BatchCursor(body)
        while let (batch, whole) = (try? batches.next(verify: false)) ?? nil {
            guard batch.kind == .records else { continue }
            var records = RecordCursor(whole.from(BatchHeader.size))
            while let record = records.next() { if record.header.topic >= named { return false } }
        }
        return true
    }

    /// Records of an unordered topic go out as they come; a session without room misses them, which is counted and told.
    func deliverUnordered(_ body: ByteView, _ owner: OwnedBytes?, _ frame: FrameHeader) {
        let group = GroupID.unordered
        noteDeadlines(body, of: group)
        guard frame.records > 0, !watches.everything.isEmpty || watches.sets[group.index].isWatched else { return }
        let header = EntryHeader(
            length: EntryHeader.size + body.count, batches: frame.batches, number: .zero, baseOffset: unorderedOffset,
            timestamp: frame.timestamp, view: frame.view, sender: frame.sender, group: group, records: frame.records)
        unorderedOffset = Offset(unorderedOffset.raw + UInt64(frame.records))
        var out: [Directive] = []
        for id in watches.everything where !handAll(header, body, owner, to: id, into: &out) { miss(id, frame) }
        if watches.sets[group.index].isWatched {
            let picks = gather(header, body)
            var last = LastShare()
            for watcher in picks.touched {
                let id = watches.session(of: watcher)
                if !hand(header, body, owner, picks.runs(of: watcher), to: id, &last, into: &out) { miss(id, frame) }
            }
            watches.picks = picks
        }
        unorderedOut += out
    }

    private func miss(_ id: SessionID, _ frame: FrameHeader) {
        sessions[id]!.cursors[GroupID.unordered.index].skipped += UInt64(frame.records)
        counters.unorderedDropped += UInt64(frame.records)
        noteLagging(id)
    }
}
