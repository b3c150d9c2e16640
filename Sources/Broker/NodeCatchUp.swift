internal import Topics
internal import Wire

/// Sessions that are behind read the log by pages, and join the live ones where the delivered part ends.
extension Node {
    /// The session has something to be served that no new entry brings.
    func noteLagging(_ id: SessionID) {
        guard !sessions[id]!.isListed else { return }
        sessions[id]!.isListed = true
        lagging.append(id)
    }

    /// A view begins: whoever was live goes on in the log, where the delivered part ends.
    func lagAllSessions() {
        for id in sessionOrder where sessions[id]!.isSubscribed {
            for group in 0..<sessions[id]!.cursors.count where GroupID(UInt16(group)) != .unordered && sessions[id]!.cursors[group].isLive {
                sessions[id]!.cursors[group].isLive = false
                sessions[id]!.cursors[group].next = live!.groups[group].deliveredEnd.number
                sessions[id]!.cursors[group].due = live!.groups[group].deliveredEnd.offset
                if group == GroupID.durable.index { sessions[id]!.share?.scan = live!.groups[group].deliveredEnd.offset.raw }
            }
            noteLagging(id)
        }
    }

    func readDone(
        _ token: ReadToken, _ group: GroupID, _ first: EntryNumber, _ next: EntryNumber, _ bytes: OwnedBytes, into out: inout [Directive]
    ) {
        switch token {
        case .peer(let node, let from): answerFetch(node, from: from, bytes: first == from ? bytes.view : .empty, into: &out)
        case .session(let id, let generation):
            guard sessions[id]?.generation == generation, sessions[id]!.isSubscribed else { return }
            if group == .durable, waits(bytes, from: first, to: next, for: id, into: &out) { return }
            takePage(bytes, from: first, to: next, group, id)
        case .excerpt(let node, let id): readToGive(node, id, bytes, into: &out)
        case .fill: readToFill(first, next, bytes, into: &out)
        }
    }

    /// What was read for a session is there, whole.
    func takePage(_ bytes: OwnedBytes, from first: EntryNumber, to next: EntryNumber, _ group: GroupID, _ id: SessionID) {
        sessions[id]!.cursors[group.index].isReading = false
        let page = bytes.view.isEmpty ? nil : Page(bytes: bytes, at: 0, end: bytes.view.count, next: next)
        guard sessions[id]!.cursors[group.index].page == nil else {
            sessions[id]!.cursors[group.index].ahead = page
            return
        }
        if first > sessions[id]!.cursors[group.index].next { sessions[id]!.cursors[group.index].next = first }
        sessions[id]!.cursors[group.index].page = page
    }

    /// Hands pages of the log to the sessions that are behind, as far as their rings have room.
    func serveLagging(into out: inout [Directive]) {
        guard let groups = live?.groups.count else { return }
        for group in keepsRecent.indices { keepsRecent[group] = false }
        defer { for group in 0..<groups where !keepsRecent[group] && !recent[group].isEmpty { recent[group].removeAll() } }
        guard !lagging.isEmpty else { return }
        let listed = lagging
        let share = max(Limits.pages / listed.count, 64 << 10)
        pageBytes = min(share, settings.pageMost)
        lagging.removeAll(keepingCapacity: true)
        for id in listed {
            sessions[id]!.isListed = false
            guard sessions[id]!.isSubscribed else { continue }
            for group in 0..<groups where !sessions[id]!.cursors[group].isLive {
                serve(id, GroupID(UInt16(group)), into: &out)
                // For one that is far behind nothing is kept: it reads the log.
                let from = recent[group].isEmpty ? live!.groups[group].deliveredEnd.number : recent[group].from
                if !sessions[id]!.cursors[group].isLive, sessions[id]!.cursors[group].reach >= from { keepsRecent[group] = true }
            }
            if sessions[id]!.cursors[GroupID.unordered.index].skipped > 0 { tellPosition(id, .unordered, at: Offset(0), into: &out) }
            let ordered = sessions[id]!.cursors[GroupID.ordered.index]
            if ordered.skipped > 0, !ordered.isLive, let due = ordered.due { tellPosition(id, .ordered, at: due, into: &out) }
            if !sessions[id]!.cursors.allSatisfy(\.isSettled) { noteLagging(id) }
        }
    }

    private func serve(_ id: SessionID, _ group: GroupID, into out: inout [Directive]) {
        // Until the first page is there it is not known from where to go on.
        guard !sessions[id]!.cursors[group.index].isReading || sessions[id]!.cursors[group.index].page != nil else { return }
        let end = live!.groups[group.index].deliveredEnd
        guard sendNames(to: id, group: group, into: &out) else { return }
        let isHanded = emptyPages(id, group, below: end.number, into: &out)
        guard !sessions[id]!.cursors[group.index].isReading else { return }
        let next = sessions[id]!.cursors[group.index].next
        if isHanded, next >= end.number || planted(.liveTooEarly) && end.number.raw - next.raw < 3 {
            guard live!.groups[group.index].carried == nil else { return }
            if tellPosition(id, group, at: end.offset, into: &out) { sessions[id]!.cursors[group.index].isLive = true }
            return
        }
        // While one page is handed over the next is read.
        if isHanded, !hasRoom(id, 1, into: &out) { return }
        guard let read = sessions[id]!.cursors[group.index].nextRead(below: end.number, recent[group.index]) else { return }
        sessions[id]!.cursors[group.index].isReading = true
        sessions[id]!.cursors[group.index].readBelow = read.below
        let token = ReadToken.session(id, generation: sessions[id]!.generation)
        // A record of a topic that has not found its watchers yet must not be passed over.
        let knowsAll = watches.sets[group.index].count.index >= live!.groups[group.index].deliveredTopics
        let topics = knowsAll ? sessions[id]!.cursors[group.index].picked ?? [] : []
        out.append(.disk(.read(token, group, from: read.from, below: read.below, maximumBytes: pageBytes, topics: topics)))
    }

    /// Hands over what has been read. False: some of it is left, the ring is full.
    private func emptyPages(_ id: SessionID, _ group: GroupID, below end: EntryNumber, into out: inout [Directive]) -> Bool {
        repeat { guard emptyPage(id, group, below: end, into: &out) else { return false } } while sessions[id]!.cursors[group.index].turnPage(recent[group.index])
        return true
    }

    /// Hands the page over, entry by entry. False: some of it is left, the ring is full.
    private func emptyPage(_ id: SessionID, _ group: GroupID, below end: EntryNumber, into out: inout [Directive]) -> Bool {
        guard let page = sessions[id]!.cursors[group.index].page else { return true }
        var at = page.at
        let view = page.bytes.view[0..<page.end]
        while at < page.end, let header = try? EntryHeader(view.from(at)), header.number < end {
            let body = view[at + EntryHeader.size..<at + header.length]
            counters.orderedDropped += sessions[id]!.cursors[group.index].missed(before: header)
            // One that was cleaned may stand for several, and begin before the next.
            if header.endNumber > sessions[id]!.cursors[group.index].next, header.endOffset > sessions[id]!.cursors[group.index].firstOffset {
                guard handPage(header, body, page.bytes, to: id, into: &out) else {
                    sessions[id]!.cursors[group.index].page!.at = at
                    return false
                }
            }
            if header.endNumber > sessions[id]!.cursors[group.index].next {
                sessions[id]!.cursors[group.index].next = header.endNumber
                sessions[id]!.cursors[group.index].due = header.endOffset
                if group == .durable, let scan = sessions[id]!.share?.scan { sessions[id]!.share!.scan = max(scan, header.endOffset.raw) }
            }
            at += header.length
        }
        return true
    }

    private func handPage(
        _ header: EntryHeader, _ body: ByteView, _ page: OwnedBytes, to id: SessionID, into out: inout [Directive]
    ) -> Bool {
        let age = wallSeen - min(wallSeen, header.timestamp.raw)
        let mayBeOver = quality.shortestLifespan.map { age > $0 } ?? false
        if mayBeOver { learnQuality(of: header.group) }
        guard let watcher = sessions[id]!.watcher else {
            guard mayBeOver else { return handAll(header, body, page, to: id, into: &out) }
            guard sendNames(to: id, group: header.group, into: &out) else { return false }
            var runs: [RecordRun] = []
            let reserved = watches.reserved[header.group.index]
            walkRuns(body, { quality.isOver($0, header.group, age: age) || reserved.contains($0) ? 0 : 1 }) { runs.append($1) }
            return hand(header, body, page, runs, to: id, into: &out)
        }
        let sets = watches.sets[header.group.index]
        var runs: [RecordRun] = []
        // A session's sets are few; the answer for the last one serves most records.
        var last = (set: 0, isWanted: false)
        walkRuns(body, { topic in
            let set = sets.set(of: topic)
            if set != last.set { last = (set, sets.contains(watcher, inSet: set)) }
            return last.isWanted && !(mayBeOver && quality.isOver(topic, header.group, age: age)) ? 1 : 0
        }) { runs.append($1) }
        return hand(header, body, page, runs, to: id, into: &out)
    }

    /// All that the session wants before `offset` has been sent, or was no longer kept. False: no room to say so.
    @discardableResult
    private func tellPosition(_ id: SessionID, _ group: GroupID, at offset: Offset, into out: inout [Directive]) -> Bool {
        guard hasRoom(id, 18, into: &out) else { return false }
        var bytes: [UInt8] = []
        Position(group: group, skipped: sessions[id]!.cursors[group.index].skipped, offset: offset).encode(into: &bytes)
        sessions[id]!.cursors[group.index].skipped = 0
        send(id, .position, bytes, into: &out)
        return true
    }
}
