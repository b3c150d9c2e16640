internal import Topics
internal import Wire

/// Subscriptions come, find the topics that they ask for, and go.
extension Node {
    func subscribe(_ id: SessionID, _ request: SubscribeRequest, into out: inout [Directive]) -> Bool {
        if notLive(id, request.request, into: &out) { return true }
        guard !live!.telling.isWaiting(id) else { return false }
        guard let (interest, filter) = judge(id, request, into: &out) else { return true }
        guard isTold(id, interest) else { return false }
        depart(id)
        unsubscribe(id)
        guard watches.hasRoom(for: interest) else {
            send(id, .refused, Refusal(.unavailable, request: request.request, reason: tooManyWatches(interest)).encode(), into: &out)
            return true
        }
        sessions[id]!.generation &+= 1
        sessions[id]!.isSubscribed = true
        sessions[id]!.filter = filter
        sessions[id]!.cursors = live!.groups.map { _ in Session.Cursor() }
        watch(id, interest)
        noteLagging(id)
        let token = ReadToken.session(id, generation: sessions[id]!.generation)
        var ends: [SubscribeRequest.Resume] = []
        for group in 0..<live!.groups.count {
            let groupID = GroupID(UInt16(group))
            // Carried entries are durable already: a subscription sees them as there.
            let end = live!.groups[group].carried ?? live!.groups[group].deliveredEnd
            ends.append(.init(group: groupID, offset: end.offset))
            start(request, groupID, end, token, &sessions[id]!.cursors[group], into: &out)
        }
        send(id, .subscribed, SubscribeAnswer(request: request.request, ends: ends).encode(), into: &out)
        return true
    }

    /// What is asked for, as far as it makes sense; nil: it was refused.
    func judge(_ id: SessionID, _ request: SubscribeRequest, into out: inout [Directive]) -> (Interest, Filter?)? {
        do {
            let patterns = try request.patterns.map { pattern throws(TopicError) in try TopicPattern(pattern) }
            let exclusions = try request.exclusions.map { pattern throws(TopicError) in try TopicPattern(pattern) }
            let interest = try Interest(patterns: patterns, exclusions: exclusions)
            return (interest, request.filter.isEmpty ? nil : try Filter(request.filter))
        } catch {
            send(id, .refused, Refusal(.malformed, request: request.request, reason: "\(error)").encode(), into: &out)
            return nil
        }
    }
    func tooManyWatches(_ interest: Interest) -> String {
        "\(me) has \(watches.index.count) patterns of all its subscribers; its limit is \(Limits.watches), and "
            + "\(interest.patterns.count + interest.exclusions.count) are asked for"
    }

    /// The topics that are there already find the new watcher; those to come will by the index.
    func watch(_ id: SessionID, _ interest: Interest) {
        live!.telling.isStale = true
        let isConsumer = sessions[id]!.share != nil
        // A filter, or a share of the topics, looks at each record: whoever has one picks.
        guard !interest.matchesEverything || sessions[id]!.filter != nil || isConsumer else { return watches.enterForEverything(id) }
        let watcher = watches.enter(id, interest)
        sessions[id]!.watcher = watcher
        for group in 0..<live!.groups.count where !isConsumer || group == GroupID.durable.index {
            let topics = live!.groups[group].state.topics.topics(below: watches.sets[group].count, interest)
            watches.sets[group].add(watcher, to: topics)
            sessions[id]!.cursors[group].unnamed = TopicQueue(topics)
            // A member of a group counts what it passes.
            if !isConsumer { sessions[id]!.cursors[group].pick(topics) }
        }
    }

    /// Whatever the session had subscribed to is over.
    func unsubscribe(_ id: SessionID) {
        guard let session = sessions[id], session.isSubscribed else { return }
        live?.telling.isStale = true
        if let watcher = session.watcher {
            for group in 0..<GroupID.count { watches.sets[group].remove(watcher) }
            watches.leave(watcher)
        } else {
            watches.leaveEverything(id)
        }
        sessions[id]!.isSubscribed = false
        sessions[id]!.filter = nil
        sessions[id]!.watcher = nil
        sessions[id]!.buckets = nil
        sessions[id]!.cursors = []
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
            cursor.due = resume.offset
            place = .offset(resume.offset)
        } else {
            switch request.start {
            case .beginning:
                cursor.next = .zero
                return
            case .end:
                cursor.firstOffset = end.offset
                cursor.due = end.offset
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

    func located(_ token: ReadToken, _ group: GroupID, _ entry: EntryNumber) {
        guard case .session(let id, let generation) = token, sessions[id]?.generation == generation,
            sessions[id]!.isSubscribed
        else { return }
        sessions[id]!.cursors[group.index].isReading = false
        sessions[id]!.cursors[group.index].next = min(entry, sessions[id]!.cursors[group.index].next)
    }
}
