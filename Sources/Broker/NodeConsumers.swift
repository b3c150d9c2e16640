internal import Replication
internal import Topics
internal import Wire

/// Consumer groups as clients ask for them: members come, say what they have done with, and go. Each change goes through the durable
/// group's log (`ConsumerTable`); a node acts on it when it is delivered there, never before, so it is never taken back.
extension Node {
    func consume(_ id: SessionID, _ request: ConsumeRequest, now: Instant, into out: inout [Directive]) -> Bool {
        if notLive(id, request.request, into: &out) { return true }
        guard isOpen else { return false }
        guard request.last.member.raw != 0, sessions[id]!.share == nil else {
            refuse(id, .malformed, request.request, "a consumer needs a number, and one session for itself", into: &out)
            return true
        }
        let asked = SubscribeRequest(
            request: request.request, start: .end, patterns: request.interest.patterns, exclusions: request.interest.exclusions,
            resume: [], filter: request.interest.filter)
        guard let (interest, filter) = judge(id, asked, into: &out) else { return true }
        if let odd = interest.patterns.first(where: { $0.kind == .exact && settings.topics.rule(for: $0.text)?.level ?? .durable < .durable }) {
            let level = settings.topics.rule(for: odd.text)!.level.name
            refuse(id, .notAllowed, request.request, "topic \"\(odd.text)\" has the level \(level); consumer groups read durable topics only", into: &out)
            return true
        }
        let change = ConsumerChange(
            request.name, .join(last: request.last, client: request.client, start: request.start, interest: request.interest))
        // What the log's end says stands in the way already is told at once; else the log decides.
        if let obstacle = live!.groups[GroupID.durable.index].state.consumers.obstacle(to: change) {
            refuse(id, .notAllowed, request.request, "\(obstacle)", into: &out)
            return true
        }
        unsubscribe(id)
        guard watches.hasRoom(for: interest) else {
            refuse(id, .unavailable, request.request, tooManyWatches(interest), into: &out)
            return true
        }
        guard propose(change, .join(id, request: request.request), now: now) else { return false }
        sessions[id]!.share = ConsumerShare(change, request, interest: interest, filter: filter)
        consumers.members.append(id)
        return true
    }

    /// A member has done with records; with its last word it leaves.
    func confirm(_ id: SessionID, _ confirm: ConsumerConfirm, now: Instant, into out: inout [Directive]) -> Bool {
        guard let phase = sessions[id]!.share?.phase, phase == .serving else {
            if confirm.request != 0 { send(id, .consumerDone, ConsumerDone(request: confirm.request).encode(), into: &out) }
            return true
        }
        sessions[id]!.share!.confirm(confirm, now: now.monotonic)
        guard confirm.request != 0 else { return true }
        guard isOpen, let share = sessions[id]!.share else { return false }
        let last = share.commit(position(of: id))
        guard propose(ConsumerChange(share.name, .leave(last)), .leave(id, request: confirm.request), now: now) else { return false }
        sessions[id]!.share!.phase = .leaving
        return true
    }

    /// An operator's word.
    func order(_ id: SessionID, _ order: ConsumerOrder, now: Instant, into out: inout [Directive]) -> Bool {
        if notLive(id, order.request, into: &out) { return true }
        guard isOpen else { return false }
        let change: ConsumerChange =
            switch order.kind {
            case .reset(let start): ConsumerChange(order.name, .reset(start))
            case .remove: ConsumerChange(order.name, .remove)
            }
        if let obstacle = live!.groups[GroupID.durable.index].state.consumers.obstacle(to: change) {
            refuse(id, .notAllowed, order.request, "\(obstacle)", into: &out)
            return true
        }
        return propose(change, .order(id, request: order.request, change), now: now)
    }

    func refuse(_ id: SessionID, _ code: Refusal.Code, _ request: UInt32, _ why: String, into out: inout [Directive]) {
        send(id, .refused, Refusal(code, request: request, reason: why).encode(), into: &out)
    }

    /// Into the log. False: no room in the ring now.
    func propose(_ change: ConsumerChange, _ ticket: ConsumerTicket, now: Instant) -> Bool {
        var builder = BatchBuilder()
        change.encode().withView { builder.append(topic: TopicID(0), time: Int64(bitPattern: now.wall), payload: $0) }
        let batch = builder.finish(publisher: PublisherID(0), epoch: 0, sequence: 0, group: .durable, kind: .consumers)
        guard batch.withView({ put($0, records: 0, group: .durable, now: now) }) else { return false }
        live!.tickets.append(.consumers(ticket))
        return true
    }

    // MARK: what the log has decided

    /// - generation: the group's, right behind the change.
    func settle(_ ticket: ConsumerTicket, _ verdict: PublisherTable.Verdict, generation: UInt32, into out: inout [Directive]) {
        let table = live!.groups[GroupID.durable.index].consumers
        switch ticket {
        case .join(let id, let request): settleJoin(id, request, verdict, epoch: generation, table, into: &out)
        case .leave(let id, let request):
            guard let share = sessions[id]?.share, share.phase == .leaving else { return }
            endShare(id)
            send(id, .consumerDone, ConsumerDone(request: request).encode(), into: &out)
        case .putOut(let registration): consumers.leaving.remove(registration)
        case .commit(let name): consumers.committing.remove(name)
        case .release(let id, let epoch, let partitions):
            guard let share = sessions[id]?.share, share.epoch == epoch, let group = table[share.name] else { return }
            sessions[id]!.share!.released(partitions, group)
            // Not here: what is delivered with this entry and lies behind it has not been offered yet.
            if sessions[id]!.share!.isKeeping { live!.groups[GroupID.durable.index].noteConsumers() }
        case .order(let id, let request, let change):
            guard sessions[id] != nil else { return }
            guard verdict != .accepted else { return send(id, .consumerDone, ConsumerDone(request: request).encode(), into: &out) }
            let why = table.obstacle(to: change).map { "\($0)" } ?? "the consumer group has changed meanwhile; ask again"
            refuse(id, .notAllowed, request, why, into: &out)
        }
    }

    private func settleJoin(
        _ id: SessionID, _ request: UInt32, _ verdict: PublisherTable.Verdict, epoch: UInt32, _ table: ConsumerTable, into out: inout [Directive]
    ) {
        guard let share = sessions[id]?.share, share.phase == .joining else { return }
        guard verdict == .accepted else {
            let obstacle = table.obstacle(to: share.change)
            endShare(id)
            return refuse(
                id, obstacle == nil ? .unavailable : .notAllowed, request, obstacle.map { "\($0)" } ?? "the consumer group has changed meanwhile",
                into: &out)
        }
        sessions[id]!.share!.epoch = epoch
        sessions[id]!.share!.phase = .serving
        enter(id, request, share, into: &out)
    }

    /// The subscription behind a member: the durable group's topics, from where its partitions stand.
    private func enter(_ id: SessionID, _ request: UInt32, _ share: ConsumerShare, into out: inout [Directive]) {
        let end = live!.groups[GroupID.durable.index].deliveredEnd
        sessions[id]!.generation &+= 1
        sessions[id]!.isSubscribed = true
        sessions[id]!.filter = share.filter
        sessions[id]!.cursors = live!.groups.map { _ in Session.Cursor() }
        for group in sessions[id]!.cursors.indices { sessions[id]!.cursors[group].isLive = true }
        sessions[id]!.share!.scan = end.offset.raw
        watch(id, share.interest)
        send(id, .subscribed, SubscribeAnswer(request: request, ends: [.init(group: .durable, offset: end.offset)]).encode(), into: &out)
        // Its partitions come with `refreshShares`, at the end of this delivery.
        live!.groups[GroupID.durable.index].noteConsumers()
    }

    /// The session is no member any more.
    func endShare(_ id: SessionID) {
        guard sessions[id]?.share != nil else { return }
        sessions[id]!.share = nil
        consumers.members.removeAll { $0 == id }
        unsubscribe(id)
    }

    /// The session ends, or asks for something else: what it has done with is said with its leave.
    func depart(_ id: SessionID) {
        guard let share = sessions[id]?.share else { return }
        if share.phase == .serving, live != nil { consumers.departed.append((share.name, share.commit(position(of: id)))) }
        endShare(id)
    }
}
