internal import Wire

/// A subscriber, small: follows the durable group, goes on from where it was at another node.
final class SubscriberModel: ClientModel {
    let client: Int
    let kind = "subscriber"
    private let wanted: Wanted
    private(set) var link: ClientLink?
    private var isGreeting = false
    private var since: UInt64 = 0
    private(set) var next: UInt64?
    private var names: [UInt32: String] = [:]
    private var received = 0
    /// Offsets received, in worlds where some are gone before they can be.
    private var seen: Set<UInt64> = []
    private var nextHost = 0
    private var judged: [String: Bool] = [:]

    init(client: Int, wanted: Wanted) {
        self.client = client
        self.wanted = wanted
        nextHost = client
    }
    private var isAll: Bool { wanted.isAll }

    func due(_ world: World) {
        if link == nil {
            nextHost += 1
            link = world.connectClient(client, to: world.hosts[nextHost % world.hosts.count])
            isGreeting = true
            since = world.now
        } else if isGreeting, world.now - since > 2 * Span.second {
            leave(world)
        }
        world.queue.add(.client(client), at: world.now + 20 * Span.millisecond + world.workload.next() % (10 * Span.millisecond))
    }
    func leave(_ world: World) {
        guard let link else { return }
        world.closeAtClient(link)
        lost(link, world)
    }
    func lost(_ link: ClientLink, _ world: World) { if link === self.link { self.link = nil } }

    func take(_ kind: MessageKind, _ view: ByteView, _ link: ClientLink, _ world: World) throws(DecodeError) {
        switch kind {
        case .cluster:
            let info = try ClusterInfo(view)
            guard isGreeting else { return }
            guard info.view > ViewNumber(0) else { return leave(world) }
            isGreeting = false
            names = [:]
            let resume = next.map { [SubscribeRequest.Resume(group: .durable, offset: Offset($0))] } ?? []
            let request = SubscribeRequest(
                request: 1, start: .beginning, patterns: wanted.patterns, exclusions: wanted.exclusions, resume: resume)
            world.toNode(link, .subscribe, request.encode())
        case .subscribed: _ = try SubscribeAnswer(view)
        case .topicNames:
            let new = try TopicNames(view)
            guard new.group == .durable else { return }
            for (id, name) in new.names {
                world.checker.declared(name, id.raw)
                if !isWanted(name) { world.checker.fail("subscriber \(client) is told of \(name), for which it did not ask") }
                names[id.raw] = name
            }
        case .entry: try entry(view, world)
        case .records: try picked(view, world)
        case .position:
            let position = try Position(view)
            guard position.group == .durable else { return }
            if position.skipped > 0 { world.checker.fail("subscriber \(client) skips \(position.skipped) records") }
            let last = next ?? 0
            if isAll, position.offset.raw > last, !world.temper.cleans { world.checker.fail("subscriber \(client) is told \(position.offset.raw), and has only \(last)") }
            if !isAll, position.offset.raw < last { return }
            next = max(last, position.offset.raw)
        case .refused:
            let refusal = try Refusal(view)
            guard refusal.code == .unavailable else { return world.checker.fail("subscriber \(client) is refused: \(refusal.reason)") }
            leave(world)
        default: world.checker.fail("subscriber \(client) got \(kind)")
        }
    }

    private func entry(_ view: ByteView, _ world: World) throws(DecodeError) {
        let header = try EntryHeader(view)
        guard header.length == view.count else { throw .value(what: "entry length", value: UInt64(header.length)) }
        guard header.group == .durable else { return }
        var batches = BatchCursor(view.from(EntryHeader.size))
        var offset = header.baseOffset.raw
        while let (batch, whole) = try batches.next(verify: true) {
            guard batch.kind == .records else { continue }
            var records = RecordCursor(whole.from(BatchHeader.size))
            while let record = records.next() {
                see(record, offset, header.timestamp, header.sender, world)
                offset += 1
            }
        }
    }

    private func picked(_ view: ByteView, _ world: World) throws(DecodeError) {
        let header = try PickedHeader(view)
        guard header.group == .durable else { return }
        var at = PickedHeader.size
        for _ in 0..<header.count {
            let record = RecordView(view.from(at + 8))
            see(record, header.baseOffset.raw + UInt64(view.u32(at)), header.timestamp, header.sender, world)
            at += 8 + record.header.length
        }
    }

    private func see(_ record: RecordView, _ offset: UInt64, _ time: Timestamp, _ sender: NodeID, _ world: World) {
        let wanted = next ?? 0
        if offset < wanted { return }
        if isAll, offset != wanted, !world.temper.cleans { return world.checker.fail("subscriber \(client) waits for \(wanted) and receives \(offset)") }
        guard let name = names[record.header.topic.raw] else {
            return world.checker.fail("subscriber \(client) receives topic \(record.header.topic.raw), which was not named")
        }
        if !isWanted(name) { return world.checker.fail("subscriber \(client) did not ask for \(name)") }
        next = offset + 1
        received += 1
        if world.temper.cleans { seen.insert(offset) }
        world.counts.received += 1
        let payload = record.payload
        world.checker.saw(
            Checker.Record(publisher: payload.u32(0), sequence: payload.u64(8), topic: name, time: time.raw, sender: sender.raw),
            at: offset, by: client)
        if name.hasPrefix("s/") {
            let isRemoved = record.header.flags & RecordHeader.tombstone != 0
            world.store.saw(
                StoreChecker.Entry(topic: name, client: payload.u32(0), operation: payload.u32(4), isRemoved: isRemoved, time: time.raw), at: offset)
        }
        world.note(offset ^ payload.u64(8) << 20)
    }

    /// Has all that there is. Who filters hears of the end only where something of it is wanted.
    func isLevel(with end: UInt64, _ world: World) -> Bool {
        guard !isAll else { return next ?? 0 == end }
        guard world.temper.cleans else { return received == world.checker.offsets(below: end, isWanted) }
        let gone = world.mayBeGone()
        return !world.clean.placed.contains { record in
            record.offset < end && !seen.contains(record.offset) && !gone.contains(record.offset) && record.topic < world.clean.names.count
                && isWanted(world.clean.names[record.topic])
        }
    }

    /// Whether the topic is meant: worked out once.
    private func isWanted(_ topic: String) -> Bool {
        if let known = judged[topic] { return known }
        let wants = wanted.matches(topic)
        judged[topic] = wants
        return wants
    }

    /// - gone: what cleaning may have taken before this subscriber came by.
    func finish(_ checker: inout Checker, gone: Set<UInt64>) {
        guard gone.isEmpty, seen.isEmpty else {
            for (offset, record) in checker.history.prefix(Int(next ?? 0)).enumerated() {
                guard let record, isWanted(record.topic), !seen.contains(UInt64(offset)), !gone.contains(UInt64(offset)) else { continue }
                return checker.fail("subscriber \(client) did not receive offset \(offset) of \(record.topic), which the rules keep")
            }
            return
        }
        let due = checker.offsets(below: next ?? 0, isWanted)
        if received != due { checker.fail("subscriber \(client) (\(wanted.patterns), not \(wanted.exclusions)) received \(received) of \(due) records") }
    }
}
