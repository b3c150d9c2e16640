internal import Wire

/// A subscriber, small: follows the durable group, goes on from where it was at another node.
final class SubscriberModel: ClientModel {
    private let wanted: Wanted
    private(set) var next: UInt64?
    private var names: [UInt32: String] = [:]
    private var received = 0
    /// Offsets received, in worlds where some are gone before they can be.
    private var seen: Set<UInt64> = []
    private var judged: [String: Bool] = [:]

    init(client: Int, wanted: Wanted) {
        self.wanted = wanted
        super.init(client: client, kind: "subscriber")
    }
    private var isAll: Bool { wanted.isAll }

    override func pause(_ world: World) -> UInt64 { 20 * Span.millisecond + world.workload.next() % (10 * Span.millisecond) }

    override func begin(_ link: ClientLink, _ world: World) {
        names = [:]
        let resume = next.map { [SubscribeRequest.Resume(group: .durable, offset: Offset($0))] } ?? []
        let request = SubscribeRequest(request: 1, start: .beginning, patterns: wanted.patterns, exclusions: wanted.exclusions, resume: resume)
        world.toNode(link, .subscribe, request.encode())
    }

    override func take(_ message: MessageKind, _ view: ByteView, _ link: ClientLink, _ world: World) throws(DecodeError) {
        switch message {
        case .subscribed: _ = try SubscribeAnswer(view)
        case .topicNames:
            let new = try TopicNames(view)
            guard new.group == .durable else { return }
            for (id, _, name) in new.names {
                world.checker.declared(name, id.raw)
                if !isWanted(name) { fail("is told of \(name), for which it did not ask", world) }
                names[id.raw] = name
            }
        case .position:
            let position = try Position(view)
            guard position.group == .durable else { return }
            if position.skipped > 0 { fail("skips \(position.skipped) records", world) }
            let last = next ?? 0
            if isAll, position.offset.raw > last, !world.temper.cleans { fail("is told \(position.offset.raw), and has only \(last)", world) }
            if !isAll, position.offset.raw < last { return }
            next = max(last, position.offset.raw)
        default: try super.take(message, view, link, world)
        }
    }

    override func see(_ given: Given, _ link: ClientLink, _ world: World) {
        guard given.group == .durable else { return }
        let (record, offset, wanted) = (given.record, given.offset, next ?? 0)
        if offset < wanted { return }
        if isAll, offset != wanted, !world.temper.cleans { return fail("waits for \(wanted) and receives \(offset)", world) }
        guard let name = names[record.header.topic.raw] else {
            return fail("receives topic \(record.header.topic.raw), which was not named", world)
        }
        if !isWanted(name) { return fail("did not ask for \(name)", world) }
        next = offset + 1
        received += 1
        if world.temper.cleans { seen.insert(offset) }
        world.counts.received += 1
        let payload = record.payload
        world.checker.saw(
            Checker.Record(publisher: payload.u32(0), sequence: payload.u64(8), topic: name, time: given.time.raw, sender: given.sender.raw),
            at: offset, by: client)
        if name.hasPrefix("s/") {
            let isRemoved = record.header.flags & RecordHeader.tombstone != 0
            world.store.saw(
                StoreChecker.Entry(topic: name, client: payload.u32(0), operation: payload.u32(4), isRemoved: isRemoved, time: given.time.raw), at: offset)
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
