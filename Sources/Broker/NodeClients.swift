internal import Membership
internal import Topics
internal import Replication
package import Wire

/// What clients ask for. A request that cannot be served yet stays in the client's ring: `false`, and the caller offers it
/// again; so a publisher is held by credit, end to end (R11).
extension Node {
    package func sessionUp(_ id: SessionID, into out: inout [Directive]) {
        sessions.insert(Session(id: id))
        sessionOrder.append(id)
        sendCluster(to: id, into: &out)
    }

    package func sessionDown(_ id: SessionID) {
        guard sessions[id] != nil else { return }
        depart(id)
        unsubscribe(id)
        sessions.remove(id)
        sessionOrder.removeAll { $0 == id }
        lagging.removeAll { $0 == id }
        owed.removeAll { $0 == id }
        declares = declares.filter { $0.value.session != id }
        releases.removeAll { $0.session == id }
        desk.forget(id)
        live?.telling.forget(id)
    }

    /// How much the client's ring can take now.
    package func setSpace(_ id: SessionID, _ bytes: Int) { sessions[id]?.space = bytes }

    package func sessionMessage(
        _ id: SessionID, _ kind: MessageKind, _ body: ByteView, now: Instant, into out: inout [Directive]
    ) throws(DecodeError) -> Bool {
        guard sessions[id] != nil else { return true }
        switch kind {
        case .publish: return try publish(id, body, put: nil, now: now, into: &out)
        case .storePut:
            let (request, batch) = try StorePut.open(body)
            return try publish(id, batch, put: request, now: now, into: &out)
        case .storeRead: return storeRead(id, try StoreRead(body), now: now, into: &out)
        case .storeTail: return storeTail(id, try StoreTail(body), into: &out)
        case .declare: return try declare(id, try DeclareRequest(body), now: now, into: &out)
        case .open: return open(id, try OpenRequest(body), now: now, into: &out)
        case .subscribe: return subscribe(id, try SubscribeRequest(body), into: &out)
        case .consume: return consume(id, try ConsumeRequest(body), now: now, into: &out)
        case .confirm: return confirm(id, try ConsumerConfirm(body), now: now, into: &out)
        case .consumerOrder: return order(id, try ConsumerOrder(body), now: now, into: &out)
        case .giveUp:
            giveUp(id, try GiveUpRequest(body), into: &out)
            return true
        case .release:
            release(id, try ReleaseRequest(body), into: &out)
            return true
        case .inquire:
            var decoder = Decoder(body, "inquire")
            let request = try decoder.int(UInt32.self)
            var answer: [UInt8] = []
            answer.append(int: request)
            answer.append(contentsOf: report(try decoder.text(limit: Limits.reason)).utf8)
            send(id, .answer, answer, into: &out)
            return true
        default: throw .value(what: "message kind from a client", value: UInt64(kind.rawValue))
        }
    }

    /// Whether this node takes requests now: a view runs here, all of its members have begun it, and it is not about to change.
    var isOpen: Bool { live.map { !$0.isFrozen && !$0.membership.isWedged && ($0.isComplete || planted(.framesBeforeAllBegan)) && ($0.resend.isEmpty || planted(.resendLate)) } ?? false }

    func notLive(_ id: SessionID, _ request: UInt32, into out: inout [Directive]) -> Bool {
        guard live == nil else { return false }
        let why = "\(me) is not serving: \(waitingFor ?? "")"
        send(id, .refused, Refusal(.unavailable, request: request, reason: why).encode(), into: &out)
        return true
    }

    // MARK: publish

    /// - put: the request's number, where the version is asked for.
    private func publish(
        _ id: SessionID, _ bytes: ByteView, put asked: UInt32?, now: Instant, into out: inout [Directive]
    ) throws(DecodeError) -> Bool {
        if notLive(id, asked ?? 0, into: &out) { return true }
        guard isOpen else { return false }
        // A large batch is copied while it is checked, which is not done before there is room for it.
        let isLarge = bytes.count >= relaysFrom(.everyone) && bytes.count <= ring.largestBatch
        guard !isLarge || ring.hasRoom(for: bytes.count, consumed: live!.consumedByAll) else { return false }
        let owner = isLarge ? OwnedBytes(count: bytes.count) : nil
        defer { withExtendedLifetime(owner) {} }
        let (header, body) = try openBatch(bytes, into: owner)
        guard header.length == bytes.count, header.kind == .records, header.group.index < live!.groups.count else {
            throw .value(what: "published batch", value: UInt64(header.kind.rawValue))
        }
        guard asked == nil || header.count == 1 else { throw .value(what: "records of a put", value: UInt64(header.count)) }
        guard asked == nil || header.group != .unordered else {
            refuse(id, .notAllowed, header, "topics of the level unordered have no values", request: asked, into: &out)
            return true
        }
        if asked == nil, isBarred(id, header) {
            refuse(id, .gap, header, "records before this batch were refused", request: nil, into: &out)
            return true
        }
        guard bytes.count <= ring.largestBatch else {
            refuse(id, .tooLarge, header, "a batch of \(bytes.count) bytes; this cluster takes \(ring.largestBatch)", request: asked, into: &out)
            return true
        }
        learnQuality(of: header.group)
        var tooLong: (record: Int, topic: TopicID, length: Int)?
        let limits = quality.recordLimits(of: header.group)
        var number = 0
        try checkRecords(body, count: header.count) { (topic, length) throws(DecodeError) in
            guard topic.index < limits.count else { throw .value(what: "topic id", value: UInt64(topic.raw)) }
            if length > limits[topic.index], tooLong == nil { tooLong = (number, topic, length) }
            number += 1
        }
        let flaw = quality.flaw(in: body, header.group)
        if let (record, topic, length) = tooLong, record <= flaw?.record ?? record {
            let why = "takes \(length) bytes; its max_record is \(limits[topic.index])"
            refuse(id, .tooLarge, header, record, topic, why, request: asked, into: &out)
            return true
        }
        if let flaw {
            refuse(id, .unfit, header, flaw.record, flaw.topic, "is not as its schema says: \(flaw.why)", request: asked, into: &out)
            return true
        }
        if let (record, topic) = quality.spend(body, header.group, now: now.monotonic) {
            let why = "is one too many; its max_rate is \(quality.rate(of: topic, header.group))"
            refuse(id, .tooFast, header, record, topic, why, request: asked, into: &out)
            return true
        }
        let ticket = asked.map { Ticket.put(id, request: $0, last: header.lastSequence) } ?? .publish(id, epoch: header.epoch, last: header.lastSequence)
        let isTaken =
            header.group == .unordered
            ? putRouted(bytes, of: owner, header, body, ticket, now: now)
            : put(bytes, of: owner, records: header.count, group: header.group, ticket, now: now)
        guard isTaken else {
            quality.giveBack(header.group)
            return false
        }
        counters.recordsTaken += UInt64(header.count)
        counters.bytesTaken += UInt64(bytes.count)
        return true
    }

    /// What topics.yaml says of each topic, looked up once for each.
    func learnQuality(of group: GroupID) {
        guard let live else { return }
        quality.learn(live.groups[group.index].state.topics, of: group)
    }

    private func refuse(
        _ id: SessionID, _ code: Refusal.Code, _ header: BatchHeader, _ why: String, at record: Int = 0, request: UInt32?,
        into out: inout [Directive]
    ) {
        counters.batchesRefused += 1
        if request == nil, code != .gap {
            sessions[id]!.barred[header.group] = Session.Bar(publisher: header.publisher, epoch: header.epoch, sequence: header.sequence)
        }
        let sequence = header.sequence &+ UInt64(record)
        send(id, .refused, Refusal(code, request: request ?? 0, group: header.group, sequence: sequence, reason: why).encode(), into: &out)
    }
    /// Whether a batch before this one was refused and has not come again: a publisher of whom the table knows nothing could begin behind it.
    private func isBarred(_ id: SessionID, _ header: BatchHeader) -> Bool {
        guard let bar = sessions[id]?.barred[header.group], bar.publisher == header.publisher, !planted(.refusedPassed) else { return false }
        if bar.epoch == header.epoch, header.sequence > bar.sequence { return true }
        sessions[id]!.barred[header.group] = nil
        return false
    }
    /// The batch is not taken, for one record of it: those before it may come again without it.
    private func refuse(
        _ id: SessionID, _ code: Refusal.Code, _ header: BatchHeader, _ record: Int, _ topic: TopicID, _ what: String, request: UInt32?,
        into out: inout [Directive]
    ) {
        let name = live!.groups[header.group.index].state.topics.name(of: topic) ?? ""
        // A put is one record, of a number that nobody has heard of.
        let why = request == nil ? "record \(header.sequence &+ UInt64(record)), for topic \"\(name)\", \(what)" : "the record for topic \"\(name)\" \(what)"
        refuse(id, code, header, why, at: record, request: request, into: &out)
    }

    /// Into the open frame of its group, with who waits for it.
    func put(
        _ batch: ByteView, of owner: OwnedBytes? = nil, records: Int, group: GroupID, ranks: RankSet = .everyone, _ ticket: Ticket, now: Instant
    ) -> Bool {
        guard put(batch, of: owner, records: records, group: group, ranks: ranks, now: now) else { return false }
        live!.tickets.append(ticket)
        return true
    }

    /// Into the open frame of its group: the one copy between two rings, or out of one into memory of its own.
    /// - owner: has a copy of the batch.
    func put(
        _ batch: ByteView, of owner: OwnedBytes? = nil, records: Int, group: GroupID, ranks: RankSet = .everyone, now: Instant
    ) -> Bool {
        if let open = ring.openGroup, open != group || ring.openRanks != ranks { sealOpenFrame(now: now) }
        let consumed = planted(.ringOverrun) ? live!.ledgers[live!.me].consumed : live!.consumedByAll
        return enter(batch, of: owner, records: records, group: group, ranks: ranks, consumed: consumed, now: now)
    }
    /// The same where the open frame is one of this group and these ranks, or there is none.
    func enter(
        _ batch: ByteView, of owner: OwnedBytes?, records: Int, group: GroupID, ranks: RankSet, consumed: UInt64, now: Instant
    ) -> Bool {
        let large = relaysFrom(ranks)
        if ring.append(batch, of: owner, records: records, group: group, ranks: ranks, relayedFrom: large, consumed: consumed) { return true }
        guard ring.openGroup != nil else { return false }
        sealOpenFrame(now: now)
        return ring.append(batch, of: owner, records: records, group: group, ranks: ranks, relayedFrom: large, consumed: consumed)
    }

    // MARK: declare, open

    private func declare(
        _ id: SessionID, _ request: DeclareRequest, now: Instant, into out: inout [Directive]
    ) throws(DecodeError) -> Bool {
        if notLive(id, request.request, into: &out) { return true }
        guard isOpen else { return false }
        let job = nextDeclare
        var declaring = DeclareJob(
            session: id, request: request.request, names: request.names,
            lines: Array(repeating: nil, count: request.names.count), left: 0)
        var batches: [(batch: [UInt8], group: GroupID, index: Int)] = []
        for (index, name) in request.names.enumerated() {
            let (line, group) = judge(name)
            declaring.lines[index] = line
            if line == nil {
                var builder = BatchBuilder()
                Array(name.utf8).withView { builder.append(topic: TopicID(0), time: Int64(bitPattern: now.wall), payload: $0) }
                batches.append((builder.finish(publisher: PublisherID(0), epoch: 0, sequence: 0, group: group, kind: .declare), group, index))
            }
        }
        // All of them or none: a request is taken whole.
        let sizes = batches.map { $0.batch.count + FrameHeader.size }
        let (bytes, largest) = (sizes.reduce(0, +), sizes.max() ?? 0)
        guard bytes + largest <= ring.size / 2 else {
            let why = "\(batches.count) new topics, of \(bytes) bytes as declared; this cluster takes \(ring.size / 2 - largest) at a time"
            send(id, .refused, Refusal(.tooLarge, request: request.request, reason: why).encode(), into: &out)
            return true
        }
        guard batches.isEmpty || ringHasRoom(bytes, largest: largest) else { return false }
        declaring.left = batches.count
        nextDeclare &+= 1
        declares[job] = declaring
        for line in batches.sorted(by: { $0.group < $1.group }) {
            let taken = line.batch.withView { put($0, records: 0, group: line.group, now: now) }
            precondition(taken, "room was there a moment ago")
            live!.tickets.append(.declare(job))
        }
        if batches.isEmpty { answerDeclare(job, into: &out) }
        return true
    }

    /// Whether the ring takes batches of `bytes` in all, none beyond `largest`, each with a frame's header, wherever it stands.
    func ringHasRoom(_ bytes: Int, largest: Int) -> Bool {
        // One that does not fit before the ring's end leaves a pad there, shorter than itself.
        ring.end - live!.consumedByAll + UInt64(bytes + largest) <= UInt64(ring.size)
    }

    /// What can be said of a name at once, or nil where it must be declared in its group's log.
    private func judge(_ name: String) -> (DeclareAnswer.Line?, GroupID) {
        do {
            _ = try TopicName(name)
        } catch { return (.refused("topic \"\(name)\": \(error)"), .durable) }
        guard let rule = settings.topics.rule(for: name) else {
            return (.refused("topic \"\(name)\" is not admitted: no pattern of topics.yaml matches it"), .durable)
        }
        let group = GroupID(rule.level)
        let known = live!.groups[group.index]
        if let topic = known.state.topics.lookup(name), topic.index < known.deliveredTopics { return (.topic(group, topic, rule.level), group) }
        return (nil, group)
    }

    private func answerDeclare(_ job: UInt32, into out: inout [Directive]) {
        guard let done = declares.removeValue(forKey: job) else { return }
        var lines: [DeclareAnswer.Line] = []
        for (index, line) in done.lines.enumerated() {
            lines.append(line ?? resolved(done.names[index]))
        }
        send(done.session, .declared, DeclareAnswer(request: done.request, lines: lines).encode(), into: &out)
    }

    private func resolved(_ name: String) -> DeclareAnswer.Line {
        guard let rule = settings.topics.rule(for: name), let live,
            let topic = live.groups[GroupID(rule.level).index].state.topics.lookup(name)
        else { return .refused("topic \"\(name)\" could not be declared: the group has \(Limits.topics) topics") }
        return .topic(GroupID(rule.level), topic, rule.level)
    }

    private func open(_ id: SessionID, _ request: OpenRequest, now: Instant, into out: inout [Directive]) -> Bool {
        if notLive(id, request.request, into: &out) { return true }
        guard isOpen, request.group.index < live!.groups.count else { return false }
        // Alone in its frame: its answer is the state right after it.
        sealOpenFrame(now: now)
        var builder = BatchBuilder()
        let batch = builder.finish(publisher: request.publisher, epoch: 0, sequence: 0, group: request.group, kind: .open)
        guard batch.withView({ put($0, records: 0, group: request.group, now: now) }) else { return false }
        live!.tickets.append(.open(id, request: request.request, publisher: request.publisher))
        sealOpenFrame(now: now)
        return true
    }

    // MARK: answers to those who wait for own frames

    /// The frame has reached its level: each batch's publisher, declarer or opener is answered.
    func settle(_ own: OwnFrame, group: GroupID, into out: inout [Directive]) {
        for (index, ticket) in own.tickets.enumerated() {
            let verdict = index < own.verdicts.count ? own.verdicts[index] : .gap
            switch ticket {
            case .publish(let id, let epoch, let last):
                switch verdict {
                case .accepted, .duplicate:
                    acknowledge(id, Acknowledgement(group: group, epoch: epoch, last: last))
                case .fenced:
                    let why = "another session has opened the same publisher"
                    send(id, .refused, Refusal(.fenced, group: group, sequence: last, reason: why).encode(), into: &out)
                case .conflict:
                    let why = "a topic is not as a record's condition says"
                    send(id, .refused, Refusal(.conflict, group: group, sequence: last, reason: why).encode(), into: &out)
                case .gap:
                    let why = "records before this batch are missing"
                    send(id, .refused, Refusal(.gap, group: group, sequence: last, reason: why).encode(), into: &out)
                }
            case .put(let id, let request, let last):
                settlePut(own, index, id, request: request, group: group, last: last, into: &out)
            case .marker: desk.isMarkerOut = false
            case .part: break
            case .announcing(let step): settle(own, step, verdict)
            case .consumers(let ticket):
                let version = index < own.versions.count ? own.versions[index].raw : 0
                settle(ticket, verdict, generation: UInt32(truncatingIfNeeded: version), into: &out)
            case .declare(let job):
                declares[job]?.left -= 1
                if declares[job]?.left == 0 { answerDeclare(job, into: &out) }
            case .open(let id, let request, _):
                let line = own.opened ?? PublisherTable.Line(epoch: 0, last: 0, touched: .zero)
                send(id, .opened, OpenAnswer(request: request, group: group, epoch: line.epoch, last: line.last).encode(), into: &out)
            }
        }
    }

    /// `unordered`: received is enough.
    func acknowledgeAtOnce(_ tickets: [Ticket]) {
        for ticket in tickets {
            guard case .publish(let id, let epoch, let last) = ticket else { continue }
            acknowledge(id, Acknowledgement(group: .unordered, epoch: epoch, last: last))
        }
    }

    private func acknowledge(_ id: SessionID, _ acknowledgement: Acknowledgement) {
        guard sessions[id] != nil else { return }
        sessions[id]!.acknowledged[acknowledgement.group.index] = acknowledgement
        guard !sessions[id]!.isOwed else { return }
        sessions[id]!.isOwed = true
        owed.append(id)
    }

    func sendAcknowledgements(into out: inout [Directive]) {
        guard !owed.isEmpty else { return }
        let waiting = owed
        owed.removeAll(keepingCapacity: true)
        for id in waiting {
            sessions[id]!.isOwed = false
            for group in 0..<GroupID.count {
                guard let acknowledgement = sessions[id]!.acknowledged[group] else { continue }
                // Without room it waits for the next turn.
                guard sessions[id]!.space >= Session.cost(Acknowledgement.size) else {
                    acknowledge(id, acknowledgement)
                    continue
                }
                var bytes: [UInt8] = []
                bytes.reserveCapacity(Acknowledgement.size)
                acknowledgement.encode(into: &bytes)
                sessions[id]!.acknowledged[group] = nil
                send(id, .acknowledge, bytes, into: &out)
            }
        }
    }

    // MARK: what clients should know of the cluster

    func send(
        _ id: SessionID, _ kind: MessageKind, _ head: [UInt8], _ body: ByteView = .empty, owner: OwnedBytes? = nil,
        into out: inout [Directive]
    ) {
        sessions[id]?.space -= Session.cost(head.count + body.count)
        out.append(.session(id, kind, head: head, body: body, owner: owner))
    }

    private var clusterInfo: ClusterInfo {
        let running = live?.view
        return ClusterInfo(
            view: running?.number ?? ViewNumber(0), quorum: view.quorumSize, members: view.members.count,
            nodes: settings.members.map {
                ClusterInfo.Node(node: $0.node, isLive: running?.contains($0.node) ?? false, address: $0.address)
            }, waiting: waitingFor ?? "")
    }
    func sendCluster(to id: SessionID, into out: inout [Directive]) {
        send(id, .cluster, clusterInfo.encode(), into: &out)
    }
    func tellCluster(into out: inout [Directive]) {
        for id in sessionOrder { sendCluster(to: id, into: &out) }
    }
}
