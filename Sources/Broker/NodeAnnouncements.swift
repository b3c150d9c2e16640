internal import DequeModule
internal import Membership
internal import Replication
internal import Topics
internal import Wire

/// `$status/view` and `$status/deadline`: JSON of what an operator's programs want to know, published by the first member of the view.
extension Node {
    var announces: Bool { settings.announces && live?.me == 0 }

    /// `{"view":7,"members":[1,3],"reason":"view 7 [1 3] begins after 12 ms: node 2 lost (closed by the peer)"}`
    func announceView(_ reason: String, now: Instant) {
        deadlines.reset()
        guard announces, let view = live?.view else {
            // Whoever is first now tells its own.
            announcements.waiting = []
            return
        }
        let members = view.members.map { "\($0.raw)" }.joined(separator: ",")
        announcements.add(
            Announcements.Event(
                topic: "$status/view", key: "", text: "{\"view\":\(view.number.raw),\"members\":[\(members)],\"reason\":\"\(Self.escape(reason))\"}",
                time: now.wall))
    }

    /// Records have come, or been delivered: their topics keep their deadlines.
    func noteDeadlines(_ body: ByteView, of group: GroupID) {
        guard deadlines.isWanted, announces else { return }
        learnDeadlines(of: group, now: lastSeen)
        deadlines.note(body, of: group, now: lastSeen)
    }

    /// Topics that are new begin to owe their records.
    func learnDeadlines(now: UInt64) {
        guard deadlines.isWanted, announces else { return }
        for group in 0..<GroupID.count { learnDeadlines(of: GroupID(UInt16(group)), now: now) }
    }
    private func learnDeadlines(of group: GroupID, now: UInt64) {
        let count = live!.groups[group.index].deliveredTopics
        guard deadlines.count(of: group) < count else { return }
        if group == .unordered { live!.telling.isStale = true }
        deadlines.learn(live!.groups[group.index].state.topics, upTo: count, of: group, now: now)
    }

    func deadlinesDue() -> UInt64 {
        guard deadlines.isWanted, announces, !live!.membership.isWedged, !live!.isFrozen else { return .max }
        return deadlines.dueAt
    }

    /// Before this turn's frame is sealed.
    func stepAnnouncements(now: Instant, into out: inout [Directive]) {
        guard !announcements.waiting.isEmpty || deadlines.hasChanges || now.monotonic >= deadlines.dueAt, announces else { return }
        if deadlines.isWanted { tellDeadlines(now: now, into: &out) }
        guard !announcements.waiting.isEmpty, announcements.underWay.isEmpty, isOpen else { return }
        switch announcements.phase {
        case .closed: openAnnouncements(now: now)
        case .opening: break
        case .open(let epoch, let next): publishAnnouncements(epoch, next, now: now)
        }
    }

    private func tellDeadlines(now: Instant, into out: inout [Directive]) {
        let changes = deadlines.changes(now: now.monotonic)
        for change in changes {
            let name = live!.groups[change.place.group].state.topics.name(of: change.place.topic) ?? ""
            announcements.add(
                Announcements.Event(
                    topic: "$status/deadline", key: name,
                    text: "{\"topic\":\"\(Self.escape(name))\",\"missed\":\(change.isMissed),"
                        + "\"deadline_ms\":\(change.span / 1_000_000),\"silent_ms\":\(change.silent / 1_000_000)}", time: now.wall))
        }
        tellDeadlines(changes, into: &out)
    }

    /// A line for each of a few, one line for many.
    private func tellDeadlines(_ changes: [Deadlines.Change], into out: inout [Directive]) {
        for isMissed in [true, false] {
            let some = changes.filter { $0.isMissed == isMissed }
            for change in some.prefix(4) {
                let name = live!.groups[change.place.group].state.topics.name(of: change.place.topic) ?? ""
                let silent = "nothing came for \(change.silent / 1_000_000) ms"
                out.append(
                    .log(
                        isMissed
                            ? "topic \"\(name)\" misses its deadline of \(change.span / 1_000_000) ms: \(silent)"
                            : "topic \"\(name)\" is back: \(silent), its deadline is \(change.span / 1_000_000) ms"))
            }
            if some.count > 4 { out.append(.log("so do \(some.count - 4) more topics")) }
        }
    }

    private func openAnnouncements(now: Instant) {
        sealOpenFrame(now: now)
        let me = PublisherID(of: me)
        var builder = BatchBuilder()
        let batch = builder.finish(publisher: me, epoch: 0, sequence: 0, group: .ordered, kind: .open)
        guard batch.withView({ put($0, records: 0, group: .ordered, now: now) }) else { return }
        live!.tickets.append(.announcing(.opening))
        announcements.phase = .opening
        sealOpenFrame(now: now)
    }

    /// As many of those that wait as one batch takes, as long as their topics are there.
    private func publishAnnouncements(_ epoch: UInt32, _ next: UInt64, now: Instant) {
        let known = live!.groups[GroupID.ordered.index]
        var builder = BatchBuilder()
        var count = 0
        for event in announcements.waiting {
            guard let topic = known.state.topics.lookup(event.topic), topic.index < known.deliveredTopics else {
                declareAnnounced(event.topic, now: now)
                break
            }
            guard builder.length < min(Limits.frameTarget, ring.largestBatch) / 2 else { break }
            Array(event.key.utf8).withView { key in
                Array(event.text.utf8).withView { builder.append(topic: topic, time: Int64(bitPattern: event.time), key: key, payload: $0) }
            }
            count += 1
        }
        guard count > 0 else { return }
        let batch = builder.finish(publisher: PublisherID(of: me), epoch: epoch, sequence: next, group: .ordered)
        guard batch.withView({ put($0, records: count, group: .ordered, now: now) }) else { return }
        live!.tickets.append(.announcing(.publishing))
        announcements.phase = .open(epoch: epoch, next: next + UInt64(count))
        announcements.underWay = Array(announcements.waiting.prefix(count))
        announcements.waiting.removeFirst(count)
    }

    private func declareAnnounced(_ name: String, now: Instant) {
        guard !announcements.declaring.contains(name) else { return }
        var builder = BatchBuilder()
        Array(name.utf8).withView { builder.append(topic: TopicID(0), time: Int64(bitPattern: now.wall), payload: $0) }
        let batch = builder.finish(publisher: PublisherID(0), epoch: 0, sequence: 0, group: .ordered, kind: .declare)
        guard batch.withView({ put($0, records: 0, group: .ordered, now: now) }) else { return }
        live!.tickets.append(.announcing(.declaring(name)))
        announcements.declaring.insert(name)
    }

    /// What became of a batch of this node's own.
    func settle(_ own: OwnFrame, _ step: AnnouncingStep, _ verdict: PublisherTable.Verdict) {
        switch step {
        case .opening:
            let line = own.opened ?? PublisherTable.Line(epoch: 0, last: 0, touched: .zero)
            announcements.phase = .open(epoch: line.epoch, next: line.last + 1)
        case .declaring(let name): announcements.declaring.remove(name)
        case .publishing:
            if verdict == .accepted || verdict == .duplicate { announcements.underWay = [] } else { announcements.takeBack() }
        }
    }
}
