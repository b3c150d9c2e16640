internal import Membership
internal import Replication
internal import Topics
internal import Wire

/// From the log to the subscribers (R4, R5): live sessions get each entry as it is delivered, others read the log behind it.
extension Node {
    mutating func deliverStable(into out: inout [Directive]) {
        for group in 0..<live!.groups.count {
            var ready: [(entry: TailEntry, own: OwnFrame?)] = []
            let wasCarried = live!.groups[group].carried != nil
            live!.groups[group].deliver(installed: live!.isInstalledByQuorum, into: &ready)
            let id = GroupID(UInt16(group))
            if wasCarried { for own in live!.groups[group].takeCarriedOwn() { settle(own, group: id, into: &out) } }
            for (entry, own) in ready {
                if let header = entry.header {
                    offer(header, entry.body, entry.owner, topics: entry.topicsAfter, into: &out)
                    counters.recordsDelivered += UInt64(header.records)
                }
                live!.ledgers[entry.frame.rank].letGo(entry.frame.line)
                if let own { settle(own, group: id, into: &out) }
            }
        }
    }

    /// An entry to all live sessions; one whose ring has no room falls behind and reads the log.
    private mutating func offer(
        _ header: EntryHeader, _ body: ByteView, _ owner: OwnedBytes?, topics: Int, into out: inout [Directive]
    ) {
        for id in sessionOrder {
            guard let session = sessions[id], session.interest != nil, session.cursors[header.group.index].isLive else { continue }
            guard name(to: id, group: header.group, topics: topics, into: &out), hand(header, body, owner, to: id, into: &out) else {
                sessions[id]!.cursors[header.group.index].isLive = false
                sessions[id]!.cursors[header.group.index].next = header.number
                continue
            }
            sessions[id]!.cursors[header.group.index].next = header.number.next
        }
    }

    /// Sends the names of wanted topics that the session has not been told. False: no room.
    private mutating func name(to id: SessionID, group: GroupID, topics: Int, into out: inout [Directive]) -> Bool {
        while let session = sessions[id], session.cursors[group.index].named < topics {
            var bytes: [UInt8] = []
            bytes.append(int: group.raw)
            bytes.append(int: UInt32(0))
            var cursor = session.cursors[group.index]
            var count = 0
            while cursor.named < topics, bytes.count < 128 << 10 {
                let topic = TopicID(UInt32(cursor.named))
                let name = live!.groups[group.index].state.topics.name(of: topic) ?? ""
                let isWanted = session.interest!.matches(name)
                cursor.note(wanted: isWanted)
                guard isWanted else { continue }
                bytes.append(int: topic.raw)
                bytes.append(text: name)
                count += 1
            }
            if count > 0 {
                guard session.space >= Session.cost(bytes.count) else { return false }
                bytes.store(UInt32(count), at: 2)
                send(id, .topicNames, bytes, into: &out)
            }
            sessions[id]!.cursors[group.index].named = cursor.named
            sessions[id]!.cursors[group.index].wanted = cursor.wanted
        }
        return true
    }

    /// One entry to one session: whole where it wants everything, picked otherwise. False: no room.
    private mutating func hand(
        _ header: EntryHeader, _ body: ByteView, _ owner: OwnedBytes?, to id: SessionID, into out: inout [Directive]
    ) -> Bool {
        guard let session = sessions[id] else { return true }
        let cursor = session.cursors[header.group.index]
        guard header.timestamp >= cursor.firstTime else { return true }
        if session.interest!.matchesEverything && header.baseOffset >= cursor.firstOffset {
            guard header.records > 0 else { return true }
            guard session.space >= Session.cost(EntryHeader.size + body.count) else { return false }
            var head: [UInt8] = []
            head.reserveCapacity(EntryHeader.size)
            header.encode(into: &head) { $0 }
            send(id, .entry, head, body, owner: owner, into: &out)
            return true
        }
        guard let picked = pick(header, body, cursor) else { return true }
        guard session.space >= Session.cost(picked.count) else { return false }
        send(id, .records, picked, into: &out)
        return true
    }

    /// The records of an entry that a cursor wants, or nil where there are none. Layout: `PickedHeader`.
    private func pick(_ header: EntryHeader, _ body: ByteView, _ cursor: Session.Cursor) -> [UInt8]? {
        var bytes: [UInt8] = []
        var count: UInt32 = 0
        var delta = 0
        var batches = BatchCursor(body)
        while let (batch, whole) = (try? batches.next(verify: false)) ?? nil {
            guard batch.kind == .records else { continue }
            let records = whole.from(BatchHeader.size)
            var at = 0
            while at + RecordHeader.size <= records.count {
                let record = RecordHeader(records.from(at))
                if cursor.wants(record.topic), header.baseOffset.raw + UInt64(delta) >= cursor.firstOffset.raw {
                    if bytes.isEmpty { beginPicked(header, into: &bytes) }
                    bytes.append(int: UInt32(delta))
                    bytes.append(int: UInt32(0))
                    bytes.append(view: records[at..<at + record.length])
                    count += 1
                }
                delta += 1
                at += record.length
            }
        }
        guard count > 0 else { return nil }
        bytes.store(count, at: 20)
        return bytes
    }

    private func beginPicked(_ header: EntryHeader, into bytes: inout [UInt8]) {
        bytes.append(int: header.baseOffset.raw)
        bytes.append(int: header.timestamp.raw)
        bytes.append(int: header.sender.raw)
        bytes.append(int: header.group.raw)
        bytes.append(int: UInt32(0))
    }

    /// Records of an unordered topic go out as they come; a session without room misses them, which is counted and told.
    mutating func deliverUnordered(_ body: ByteView, _ frame: FrameHeader) {
        let group = GroupID.unordered
        for id in sessionOrder where sessions[id]?.interest != nil && sessions[id]!.cursors[group.index].isLive {
            unorderedWaiting.append(id)
        }
        guard !unorderedWaiting.isEmpty, frame.records > 0 else {
            unorderedWaiting.removeAll(keepingCapacity: true)
            return
        }
        let header = EntryHeader(
            length: EntryHeader.size + body.count, batches: frame.batches, number: .zero, baseOffset: unorderedOffset,
            timestamp: frame.timestamp, view: frame.view, sender: frame.sender, group: group, records: frame.records)
        unorderedOffset = Offset(unorderedOffset.raw + UInt64(frame.records))
        var out: [Directive] = []
        let topics = live!.groups[group.index].deliveredTopics
        for id in unorderedWaiting {
            if !name(to: id, group: group, topics: topics, into: &out) || !hand(header, body, nil, to: id, into: &out) {
                sessions[id]!.cursors[group.index].skipped += UInt64(frame.records)
                counters.unorderedDropped += UInt64(frame.records)
            }
        }
        unorderedOut += out
        unorderedWaiting.removeAll(keepingCapacity: true)
    }

    // MARK: subscriptions

    mutating func subscribe(_ id: SessionID, _ request: SubscribeRequest, into out: inout [Directive]) -> Bool {
        guard let live else {
            send(id, .refused, Refusal(.unavailable, request: request.request, reason: "\(me) is not serving: \(waitingFor ?? "")").encode(), into: &out)
            return true
        }
        do {
            let patterns = try request.patterns.map { pattern throws(TopicError) in try TopicPattern(pattern) }
            let exclusions = try request.exclusions.map { pattern throws(TopicError) in try TopicPattern(pattern) }
            sessions[id]!.interest = try Interest(patterns: patterns, exclusions: exclusions)
        } catch {
            send(id, .refused, Refusal(.malformed, request: request.request, reason: "\(error)").encode(), into: &out)
            return true
        }
        sessions[id]!.generation &+= 1
        let token = ReadToken.session(id, generation: sessions[id]!.generation)
        var ends: [SubscribeRequest.Resume] = []
        sessions[id]!.cursors = live.groups.map { _ in Session.Cursor() }
        for group in 0..<live.groups.count {
            let groupID = GroupID(UInt16(group))
            // Carried entries are durable already: a subscription sees them as there.
            let end = live.groups[group].carried ?? live.groups[group].deliveredEnd
            ends.append(.init(group: groupID, offset: end.offset))
            start(request, groupID, end, token, &sessions[id]!.cursors[group], into: &out)
        }
        send(id, .subscribed, SubscribeAnswer(request: request.request, ends: ends).encode(), into: &out)
        return true
    }

    private func start(
        _ request: SubscribeRequest, _ group: GroupID, _ end: LogEnd, _ token: ReadToken, _ cursor: inout Session.Cursor,
        into out: inout [Directive]
    ) {
        guard group != .unordered else {
            cursor.isLive = true
            return
        }
        // What is in the log behind the delivered end may be taken back and come to be other entries: nothing is looked for there.
        cursor.next = end.number
        let place: LogPlace
        if let resume = request.resume.first(where: { $0.group == group }) {
            cursor.firstOffset = resume.offset
            place = .offset(resume.offset)
        } else {
            switch request.start {
            case .beginning:
                cursor.next = .zero
                return
            case .end:
                cursor.firstOffset = end.offset
                return
            case .offset(let offset):
                cursor.firstOffset = Offset(offset)
                place = .offset(Offset(offset))
            case .time(let time):
                cursor.firstTime = Timestamp(time)
                place = .time(Timestamp(time))
            }
        }
        if case .offset(let offset) = place, offset >= end.offset { return }
        cursor.isReading = true
        out.append(.disk(.locate(token, group, place)))
    }

    mutating func lagAllSessions() {
        for id in sessionOrder {
            for group in 0..<(sessions[id]?.cursors.count ?? 0) where GroupID(UInt16(group)) != .unordered {
                sessions[id]!.cursors[group].isLive = false
            }
        }
    }

    mutating func located(_ token: ReadToken, _ group: GroupID, _ entry: EntryNumber) {
        guard case .session(let id, let generation) = token, sessions[id]?.generation == generation else { return }
        sessions[id]!.cursors[group.index].isReading = false
        sessions[id]!.cursors[group.index].next = min(entry, sessions[id]!.cursors[group.index].next)
    }

    // MARK: catching up

    mutating func readDone(_ token: ReadToken, _ group: GroupID, _ first: EntryNumber, _ bytes: OwnedBytes, into out: inout [Directive]) {
        switch token {
        case .peer(let node, let from): answerFetch(node, from: from, bytes: first == from ? bytes.view : .empty, into: &out)
        case .session(let id, let generation):
            guard sessions[id]?.generation == generation else { return }
            sessions[id]!.cursors[group.index].isReading = false
            if first > sessions[id]!.cursors[group.index].next { sessions[id]!.cursors[group.index].next = first }
            sessions[id]!.cursors[group.index].page = bytes.view.isEmpty ? nil : bytes
            sessions[id]!.cursors[group.index].pageAt = 0
        }
    }

    /// Hands pages of the log to the sessions that are behind, as far as their rings have room.
    mutating func serveLagging(into out: inout [Directive]) {
        guard let live else { return }
        for id in sessionOrder where sessions[id]?.interest != nil {
            for group in 0..<live.groups.count where !sessions[id]!.cursors[group].isLive && !sessions[id]!.cursors[group].isReading {
                serve(id, GroupID(UInt16(group)), into: &out)
            }
            if sessions[id]!.cursors[GroupID.unordered.index].skipped > 0 { tellPosition(id, .unordered, into: &out) }
        }
    }

    private mutating func serve(_ id: SessionID, _ group: GroupID, into out: inout [Directive]) {
        let end = live!.groups[group.index].deliveredEnd
        guard name(to: id, group: group, topics: live!.groups[group.index].deliveredTopics, into: &out) else { return }
        guard emptyPage(id, group, below: end.number, into: &out) else { return }
        let next = sessions[id]!.cursors[group.index].next
        if next >= end.number || planted(.liveTooEarly) && end.number.raw - next.raw < 3 {
            guard live!.groups[group.index].carried == nil else { return }
            if tellPosition(id, group, into: &out) { sessions[id]!.cursors[group.index].isLive = true }
            return
        }
        guard sessions[id]!.space > 0 else { return }
        sessions[id]!.cursors[group.index].isReading = true
        let token = ReadToken.session(id, generation: sessions[id]!.generation)
        out.append(.disk(.read(token, group, from: next, below: end.number, maximumBytes: 256 << 10)))
    }

    /// Hands the page over, entry by entry. False: some of it is left, the ring is full.
    private mutating func emptyPage(_ id: SessionID, _ group: GroupID, below end: EntryNumber, into out: inout [Directive]) -> Bool {
        guard let page = sessions[id]!.cursors[group.index].page else { return true }
        var at = sessions[id]!.cursors[group.index].pageAt
        while at < page.view.count, let header = try? EntryHeader(page.view.from(at)), header.number < end {
            let body = page.view[at + EntryHeader.size..<at + header.length]
            if header.number >= sessions[id]!.cursors[group.index].next, header.endOffset > sessions[id]!.cursors[group.index].firstOffset {
                guard hand(header, body, page, to: id, into: &out) else {
                    sessions[id]!.cursors[group.index].pageAt = at
                    return false
                }
            }
            if header.number >= sessions[id]!.cursors[group.index].next { sessions[id]!.cursors[group.index].next = header.number.next }
            at += header.length
        }
        sessions[id]!.cursors[group.index].page = nil
        return true
    }

    /// All that the session wants before the delivered end has been sent. False: no room to say so.
    @discardableResult
    private mutating func tellPosition(_ id: SessionID, _ group: GroupID, into out: inout [Directive]) -> Bool {
        let offset = group == .unordered ? Offset(0) : live!.groups[group.index].deliveredEnd.offset
        guard sessions[id]!.space >= Session.cost(18) else { return false }
        var bytes: [UInt8] = []
        Position(group: group, skipped: sessions[id]!.cursors[group.index].skipped, offset: offset).encode(into: &bytes)
        sessions[id]!.cursors[group.index].skipped = 0
        send(id, .position, bytes, into: &out)
        return true
    }
}
