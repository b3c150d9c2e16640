internal import Topics
internal import Wire

/// Unordered records go to those members alone that want them; the others get their frames' headers, which order, promises and the ring need.
extension Node {
    /// A batch of unordered records to those that want some of it; in parts, one for each group of its topics, where that saves enough.
    func putRouted(
        _ bytes: ByteView, of owner: OwnedBytes?, _ header: BatchHeader, _ body: ByteView, _ ticket: Ticket, now: Instant
    ) -> Bool {
        guard live!.view.members.count > 1 else { return put(bytes, records: header.count, group: .unordered, ticket, now: now) }
        let route = live!.routing.route(body)
        if route.waste >= settings.worthParting, putParted(header, body, ticket, now: now) { return true }
        return put(bytes, of: owner, records: header.count, group: .unordered, ranks: route.ranks, ticket, now: now)
    }

    /// False: there is no room for all of them.
    private func putParted(_ header: BatchHeader, _ body: ByteView, _ ticket: Ticket, now: Instant) -> Bool {
        var parts: [(ranks: RankSet, builder: BatchBuilder)] = []
        var at = 0
        for _ in 0..<header.count {
            let record = RecordHeader(body.from(at))
            let ranks = live!.routing.ranks(of: record.topic)
            let index = parts.firstIndex { $0.ranks == ranks } ?? parts.count
            if index == parts.count { parts.append((ranks, BatchBuilder(capacity: body.count))) }
            parts[index].builder.append(body[at..<at + record.length])
            at += record.length
        }
        let bytes = body.count + parts.count * (BatchHeader.size + FrameHeader.size)
        guard ringHasRoom(bytes, largest: bytes) else { return false }
        for index in parts.indices {
            let count = parts[index].builder.count
            let batch = parts[index].builder.finish(
                publisher: header.publisher, epoch: header.epoch, sequence: header.sequence, group: .unordered)
            let isTaken = batch.withView {
                put($0, records: count, group: .unordered, ranks: parts[index].ranks, index == parts.count - 1 ? ticket : .part, now: now)
            }
            precondition(isTaken, "room was there a moment ago")
        }
        return true
    }

    /// Before a subscription is answered all others know what it wants. False: not yet; it is to be offered again.
    func isTold(_ id: SessionID, _ interest: Interest) -> Bool {
        guard live!.view.members.count > 1, !planted(.subscribedUntold) else { return true }
        let unordered = GroupID.unordered.index
        var topics: [TopicID] = []
        if !interest.matchesEverything { topics = live!.groups[unordered].state.topics.topics(below: watches.sets[unordered].count, interest) }
        let isKnown = live!.telling.isHeard(id, everything: interest.matchesEverything, topics: topics)
        // All of them: what is known already may be taken back while this one waits. And more may have come meanwhile.
        if isKnown {
            live!.telling.forget(id)
        } else {
            if planted(.pressLacking) { topics.removeAll(where: live!.telling.isTold) }
            live!.telling.press(id, everything: interest.matchesEverything, topics: topics)
        }
        return isKnown
    }

    /// Says to the others what has come to be wanted here, or is wanted no more.
    func stepWants(now: Instant, into out: inout [Directive]) {
        guard live!.isComplete, live!.view.members.count > 1 else { return }
        live!.routing.fold(now: now.monotonic, every: settings.foldEvery)
        guard live!.telling.isDue(now.monotonic) else { return }
        let sets = watches.sets[GroupID.unordered.index]
        // Whoever looks for missed deadlines sees every record of such a topic.
        let (deadlines, counts) = (deadlines, deadlines.isWanted && announces)
        let pages = live!.telling.tell(
            everything: !watches.everything.isEmpty, below: sets.count.index, view: live!.view.number, now: now.monotonic
        ) { topic in
            let topic = TopicID(UInt32(topic))
            return sets.set(of: topic) != 0 || counts && deadlines.mayCount(topic, of: .unordered)
        }
        for page in pages {
            let bytes = page.encode()
            for member in live!.view.members where member != me { out.append(.peer(member, .wants, bytes)) }
        }
    }

    func take(_ page: WantsPage, from node: NodeID, into out: inout [Directive]) throws(DecodeError) {
        guard page.view == live?.view.number, let rank = live!.view.rank(of: node) else { return }
        try live!.routing.take(page, from: rank)
        if page.isLast { out.append(.peer(node, .wantsHeld, WantsHeld(view: page.view, number: page.number).encode())) }
    }
    func take(_ held: WantsHeld, from node: NodeID) {
        guard held.view == live?.view.number, let rank = live!.view.rank(of: node) else { return }
        live!.telling.heard(held.number, by: rank)
    }
}
