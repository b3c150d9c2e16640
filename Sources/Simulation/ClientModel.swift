internal import Wire

/// A client of the world, which talks to one node at a time.
///
///      away ─ reach ─▶ greeting ─ its node is live ─▶ begin, and whatever it does ─ leave, lost, 2 s of silence ─▶ away
class ClientModel {
    let client: Int
    /// What messages call it.
    let kind: String
    private(set) final var link: ClientLink?
    /// It has a link, and its node has not said yet whether it is live.
    private(set) final var isGreeting = false
    /// When it reached for its node, or asked for what it waits for now.
    final var since: UInt64 = 0
    private var nextHost: Int

    init(client: Int, kind: String) {
        (self.client, self.kind, nextHost) = (client, kind, client)
    }

    // MARK: what each kind does its own way

    /// It has a link to a node that is live, and its clock has come round.
    func work(_ world: World) {}
    /// Nanoseconds until its clock comes round again.
    func pause(_ world: World) -> UInt64 { 20 * Span.millisecond }
    /// It is to reach for another node; it may rather wait.
    func seek(_ world: World) { reach(world) }
    /// Its node is live.
    func begin(_ link: ClientLink, _ world: World) {}
    /// A message of its node's that not every client takes alike.
    func take(_ message: MessageKind, _ view: ByteView, _ link: ClientLink, _ world: World) throws(DecodeError) {
        fail("got \(message)", world)
    }
    /// Its node does not do what it has asked for, and not because it cannot now.
    func refused(_ refusal: Refusal, _ world: World) { fail("is refused: \(refusal.code), \(refusal.reason)", world) }
    /// A record that it is given.
    func see(_ given: Given, _ link: ClientLink, _ world: World) {}
    /// It has no link any more.
    func lost(_ world: World) {}

    // MARK: what all do

    final func due(_ world: World) {
        if link == nil {
            seek(world)
        } else if isGreeting {
            leave(world, after: 2 * Span.second)
        } else {
            work(world)
        }
        world.queue.add(.client(client), at: world.now + pause(world))
    }
    final func reach(_ world: World, over hosts: Int = 1) {
        nextHost += hosts
        link = world.connectClient(client, to: world.hosts[nextHost % world.hosts.count])
        isGreeting = link != nil
        since = world.now
    }
    /// It has waited for too long.
    final func leave(_ world: World, after span: UInt64) { if world.now - since > span { leave(world) } }
    final func leave(_ world: World) {
        guard let link else { return }
        world.say("\(kind) \(client) leaves its link")
        world.closeAtClient(link)
        lost(link, world)
    }
    final func lost(_ link: ClientLink, _ world: World) {
        guard link === self.link else { return }
        (self.link, isGreeting) = (nil, false)
        lost(world)
    }
    final func fail(_ what: @autoclosure () -> String, _ world: World) { world.checker.fail("\(kind) \(client) \(what())") }

    final func received(_ message: MessageKind, _ bytes: [UInt8], _ link: ClientLink, _ world: World) {
        guard link === self.link else { return }
        do throws(DecodeError) {
            try bytes.withView { view throws(DecodeError) in try heard(message, view, link, world) }
        } catch { fail("cannot understand \(message): \(error)", world) }
    }

    private func heard(_ message: MessageKind, _ view: ByteView, _ link: ClientLink, _ world: World) throws(DecodeError) {
        switch message {
        case .cluster:
            let info = try ClusterInfo(view)
            guard isGreeting else { return }
            guard info.view > ViewNumber(0) else { return leave(world) }
            isGreeting = false
            begin(link, world)
        case .entry: try entry(view, link, world)
        case .records: try picked(view, link, world)
        case .refused:
            let refusal = try Refusal(view)
            world.say("\(kind) \(client) is refused: \(refusal.code) \(refusal.reason)")
            if refusal.code == .unavailable { leave(world) } else { refused(refusal, world) }
        default: try take(message, view, link, world)
        }
    }

    // MARK: records

    struct Given {
        let record: RecordView
        let offset: UInt64
        let group: GroupID
        let time: Timestamp
        let sender: NodeID
    }

    private func entry(_ view: ByteView, _ link: ClientLink, _ world: World) throws(DecodeError) {
        let header = try EntryHeader(view)
        guard header.length == view.count else { throw .value(what: "entry length", value: UInt64(header.length)) }
        var batches = BatchCursor(view.from(EntryHeader.size))
        var offset = header.baseOffset.raw
        while let (batch, whole) = try batches.next(verify: true) {
            guard batch.kind == .records else { continue }
            var records = RecordCursor(whole.from(BatchHeader.size))
            while let record = records.next() {
                see(Given(record: record, offset: offset, group: header.group, time: header.timestamp, sender: header.sender), link, world)
                offset += 1
            }
        }
    }
    private func picked(_ view: ByteView, _ link: ClientLink, _ world: World) throws(DecodeError) {
        let header = try PickedHeader(view)
        var at = PickedHeader.size
        for _ in 0..<header.count {
            let record = RecordView(view.from(at + 8))
            let offset = header.baseOffset.raw + UInt64(view.u32(at))
            see(Given(record: record, offset: offset, group: header.group, time: header.timestamp, sender: header.sender), link, world)
            at += 8 + record.header.length
        }
    }

    /// The numbers of topics that it has declared; nil where one is not of `group`.
    final func numbers(of names: [String], _ answer: DeclareAnswer, _ group: GroupID, _ world: World) -> [TopicID]? {
        var ids: [TopicID] = []
        for (name, line) in zip(names, answer.lines) {
            guard case .topic(group, let id, _) = line else {
                fail("is refused \(name): \(line)", world)
                return nil
            }
            if group == .durable { world.checker.declared(name, id.raw) }
            ids.append(id)
        }
        return ids
    }
}
