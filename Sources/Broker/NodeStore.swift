internal import Replication
internal import Topics
internal import Wire

/// The store: values of topics as clients read them. When a question may be answered is decided here; the disk finds the values.
///
///      latest     A promise is made when the question has come. Once every member has answered it, nobody had gone on without this
///                 node when the question came, and what was acknowledged by then is held here (R4); once it is delivered, the
///                 delivered log answers. One round trip, no disk.
///      as of t    Once an entry stamped after t is delivered here: the log is in the order of time, so none stamped at or before t
///                 can come any more, in this view or a later one. Where nobody publishes, an empty entry is put into the log.
///      an offset  Once it is delivered here.
extension Node {
    func storeRead(_ id: SessionID, _ read: StoreRead, now: Instant, into out: inout [Directive]) -> Bool {
        var refusal: String?
        if read.group != .durable && read.group != .ordered { refusal = "topics of the level unordered have no values" }
        for name in read.patterns where refusal == nil { refusal = noValue(of: name, read.cut) }
        if case .time(let time) = read.cut {
            if read.group != .durable { refusal = "topics of the level \(read.group.level.name) have no history" }
            if time.raw > now.wall &+ Limits.clockSkew { refusal = "the time lies in the future" }
        }
        if let refusal {
            send(id, .refused, Refusal(.notAllowed, request: read.request, reason: refusal).encode(), into: &out)
            return true
        }
        return ask(id, .values(read), request: read.request, read.patterns, read.exclusions, into: &out)
    }
    /// Why a topic that is asked for by its name can have no value there, by its level.
    private func noValue(of name: String, _ cut: StoreCut) -> String? {
        guard let pattern = try? TopicPattern(name), pattern.kind == .exact else { return nil }
        let level = settings.topics.rule(for: name)?.level
        if level == .unordered { return "topic \"\(name)\" is unordered here: it keeps no value" }
        if level == .ordered, case .time = cut { return "topic \"\(name)\" is ordered here: it keeps no past" }
        return nil
    }
    func storeTail(_ id: SessionID, _ tail: StoreTail, into out: inout [Directive]) -> Bool {
        guard tail.group == .durable || tail.group == .ordered else {
            let why = "topics of the level unordered have no past"
            send(id, .refused, Refusal(.notAllowed, request: tail.request, reason: why).encode(), into: &out)
            return true
        }
        return ask(id, .tail(tail), request: tail.request, tail.patterns, tail.exclusions, into: &out)
    }

    private func ask(
        _ id: SessionID, _ question: StoreDesk.Question, request: UInt32, _ patterns: [String], _ exclusions: [String],
        into out: inout [Directive]
    ) -> Bool {
        if notLive(id, request, into: &out) { return true }
        guard desk.hasRoom(for: id) else { return false }
        do {
            let patterns = try patterns.map { pattern throws(TopicError) in try TopicPattern(pattern) }
            let exclusions = try exclusions.map { pattern throws(TopicError) in try TopicPattern(pattern) }
            desk.add(StoreDesk.Read(session: id, question: question, interest: try Interest(patterns: patterns, exclusions: exclusions)))
        } catch {
            send(id, .refused, Refusal(.malformed, request: request, reason: "\(error)").encode(), into: &out)
        }
        return true
    }

    // MARK: when

    /// Before this turn's promises are made: new questions get one, and those that wait get another where a member has reached the last
    /// one by way of a third, and so had nothing to say when it came.
    func promiseForReads(now: Instant) {
        guard !desk.order.isEmpty, let view = live?.view.number else { return }
        var time: Timestamp?
        func isOld(_ since: (view: ViewNumber, time: Timestamp)?) -> Bool { since.map { $0.view != view } ?? true }
        for id in desk.order {
            guard let read = desk.reads[id], case .settling(let since) = read.phase else { continue }
            switch read.question {
            case .values(let values) where values.cut == .latest:
                guard isOld(since) || clock.last > desk.stamp || live!.groups[values.group.index].owesAnswer(to: since!.time, at: desk.stamp)
                else { continue }
                if time == nil { time = clock.stamp(now: now.wall) }
                if isOld(since) { desk.reads[id]!.phase = .settling(since: (view, time!)) }
            default: continue
            }
        }
        if let time { desk.stamp = time }
        markTime(now: now)
    }

    /// An empty entry, where a question waits for a time that is over and nothing else comes: the log then says that it is.
    private func markTime(now: Instant) {
        guard !desk.isMarkerOut, isOpen, let end = live?.groups[GroupID.durable.index].state.end.key.timestamp else { return }
        let isWanted = desk.order.contains { id in
            guard let read = desk.reads[id], case .settling = read.phase, case .values(let values) = read.question, case .time(let time) = values.cut
            else { return false }
            return end <= time && time.raw < now.wall
        }
        guard isWanted else { return }
        var builder = BatchBuilder()
        let batch = builder.finish(publisher: PublisherID(0), epoch: 0, sequence: 0, group: .durable, kind: .open)
        guard batch.withView({ put($0, records: 0, group: .durable, now: now) }) else { return }
        live!.tickets.append(.marker)
        desk.isMarkerOut = true
        sealOpenFrame(now: now)
    }

    private func isSettled(_ read: StoreDesk.Read, _ since: (view: ViewNumber, time: Timestamp)?) -> Bool {
        guard let live, live.groups[read.group.index].carried == nil else { return false }
        let group = live.groups[read.group.index]
        guard case .values(let values) = read.question else { return true }
        switch values.cut {
        case .latest:
            if planted(.readAtOnce) { return true }
            guard let since, since.view == live.view.number else { return false }
            return group.hasSettled(since.time)
        case .time(let time): return group.deliveredEnd.key.timestamp > time || planted(.asOfEarly)
        case .offset(let offset): return group.deliveredEnd.offset >= offset
        }
    }

    /// At the end of a turn: what may be asked of the disk is asked, what is answered goes out where there is room.
    func stepReads(into out: inout [Directive]) {
        guard live != nil else { return }
        stepServed(into: &out)
        for id in desk.order {
            guard let read = desk.reads[id] else { continue }
            if case .settling(let since) = read.phase, isSettled(read, since) {
                switch read.question {
                case .values(let values):
                    if !findCut(id, values, into: &out) { start(id, read, values, at: values.cut, into: &out) }
                case .tail(let tail): search(id, read, tail, into: &out)
                }
            }
            if case .answering(let kind, let head, let rows) = desk.reads[id]?.phase {
                guard let space = sessions[read.session]?.space, space >= Session.cost(head.count + rows.view.count) else { continue }
                send(read.session, kind, head, rows.view, owner: rows, into: &out)
                desk.remove(id)
            }
        }
    }

    // MARK: what

    func start(_ id: UInt32, _ read: StoreDesk.Read, _ values: StoreRead, at cut: StoreCut, into out: inout [Directive]) {
        let group = live!.groups[values.group.index]
        // Half of what the client's ring can take now, names and rows alike.
        let room = min(Limits.storePage, max(sessions[read.session]?.space ?? 0, 4096) / 2)
        var found: (topics: [TopicID], next: TopicID) = ([], values.from)
        let exact = read.interest.patterns.allSatisfy { $0.kind == .exact }
        let candidates = exact ? read.interest.patterns.compactMap { group.state.topics.lookup($0.text) }.sorted() : []
        var bytes = 0
        func take(_ topic: TopicID) -> Bool {
            guard found.topics.last != topic, let name = group.state.topics.name(of: topic), read.interest.matches(name) else { return true }
            guard found.topics.isEmpty || bytes + name.utf8.count + 2 <= room / 2, found.topics.count < Limits.storePageTopics else { return false }
            bytes += name.utf8.count + 2
            found.topics.append(topic)
            return true
        }
        found.next = StorePage.last
        if exact {
            for topic in candidates where topic >= values.from && topic.index < group.deliveredTopics {
                guard take(topic) else {
                    found.next = topic
                    break
                }
            }
        } else {
            let stop = min(group.deliveredTopics, values.from.index + Limits.storePageNames)
            if stop < group.deliveredTopics { found.next = TopicID(UInt32(stop)) }
            for index in min(values.from.index, stop)..<stop where !take(TopicID(UInt32(index))) {
                found.next = TopicID(UInt32(index))
                break
            }
        }
        let query = ValueQuery(
            id: id, group: values.group, cut: cut, below: group.deliveredEnd, topics: found.topics, showsRemoved: values.showsRemoved,
            maximumBytes: max(room / 2, 1))
        if gather(id, query, next: found.next, into: &out) { return }
        desk.reads[id]!.phase = .reading(query, next: found.next)
        out.append(.disk(.values(query)))
    }

    func valuesRead(_ page: ValuePage, into out: inout [Directive]) {
        if answerServed(page, into: &out) || gathered(page, into: &out) { return }
        guard let live, let read = desk.reads[page.id], case .reading(let query, let next) = read.phase, case .values(let values) = read.question
        else { return }
        let topics = live.groups[values.group.index].state.topics
        if let topic = page.cleaned { return refuseCleaned(page.id, topic, page.cut, into: &out) }
        // What was this node's own when it asked its disk may have come to be others'.
        if gather(page.id, query, next: next, into: &out) { return }
        if case .time = query.cut, findCut(page.id, values, into: &out) { return }
        guard page.taken > 0 || query.topics.isEmpty else { return out.append(.disk(.values(query))) }
        let head = StorePage.head(
            request: values.request, group: values.group, cut: page.cut, next: page.taken < query.topics.count ? query.topics[page.taken] : next,
            names: page.topics.map { topics.name(of: $0) ?? "" })
        desk.reads[page.id]!.phase = .answering(.storePage, head: head, rows: page.rows)
    }

    func search(_ id: UInt32, _ read: StoreDesk.Read, _ tail: StoreTail, into out: inout [Directive]) {
        let group = live!.groups[tail.group.index]
        let end = group.deliveredEnd
        let count = min(tail.count, end.offset.raw)
        var query = TailQuery(id: id, group: tail.group, wanted: [], left: Int(count), before: end.offset, below: end)
        // Where records may be gone, offsets do not count them.
        if read.interest.matchesEverything && !settings.topics.cleans || count == 0 {
            query.before = Offset(end.offset.raw - count)
            return place(id, query.before)
        }
        var wanted = [UInt64](repeating: 0, count: group.deliveredTopics / 64 + 1)
        group.state.topics.forEach { (topic, name) in
            if topic.index < group.deliveredTopics, read.interest.matches(name) { wanted[topic.index >> 6] |= 1 << UInt64(topic.index & 63) }
        }
        query = TailQuery(id: id, group: tail.group, wanted: wanted, left: Int(count), before: end.offset, below: end)
        if gatherOffsets(id, query, into: &out) { return }
        desk.reads[id]!.phase = .searching(query)
        out.append(.disk(.tail(query)))
    }
    func tailRead(_ query: TailQuery, into out: inout [Directive]) {
        if answerServed(query, into: &out) || gathered(query, into: &out) { return }
        guard case .searching = desk.reads[query.id]?.phase else { return }
        if restarts(query, into: &out) { return }
        if query.left > 0 { out.append(.disk(.tail(query))) } else { place(query.id, query.before) }
    }
    func place(_ id: UInt32, _ offset: Offset) {
        guard case .tail(let tail) = desk.reads[id]?.question else { return }
        let answer = StorePlace(request: tail.request, group: tail.group, offset: offset)
        desk.reads[id]!.phase = .answering(.storePlace, head: answer.encode(), rows: OwnedBytes(count: 0))
    }

    // MARK: puts

    /// A put has its place and its level: its version, or what stands in its way.
    func settlePut(_ own: OwnFrame, _ index: Int, _ session: SessionID, request: UInt32, group: GroupID, last: UInt64, into out: inout [Directive]) {
        let verdict = index < own.verdicts.count ? own.verdicts[index] : .gap
        let version = index < own.versions.count ? own.versions[index] : StoreDone.none
        var done = StoreDone(request: request, group: group, outcome: .done, offset: version, timestamp: own.key.timestamp)
        switch verdict {
        case .accepted: break
        case .duplicate: done.timestamp = own.since[index] ?? .zero
        case .conflict:
            done.outcome = .conflict
            done.timestamp = .zero
        case .fenced:
            let why = "another session has opened the same publisher"
            return send(session, .refused, Refusal(.fenced, request: request, group: group, sequence: last, reason: why).encode(), into: &out)
        case .gap:
            let why = "records before this one are missing"
            return send(session, .refused, Refusal(.gap, request: request, group: group, sequence: last, reason: why).encode(), into: &out)
        }
        send(session, .storeDone, done.encode(), into: &out)
    }
}
