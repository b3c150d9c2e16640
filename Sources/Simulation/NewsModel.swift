internal import Broker
internal import Wire

/// Publishes to unordered topics, without asking what becomes of it.
final class NewsPublisher: ClientModel {
    private enum State { case idle, declaring, open }
    private var topics: [String]
    private var ids: [TopicID] = []
    /// Asked for, and not declared yet.
    private var asked: [String] = []
    private var state = State.idle
    private var sequence: UInt64 = 0
    private var random: SplitMix64

    init(client: Int, seed: UInt64, news: NewsChecker) {
        random = SplitMix64(seed: seed ^ UInt64(client) << 32, .news)
        topics = news.topics(&random)
        super.init(client: client, kind: "news publisher")
    }

    override func work(_ world: World) {
        guard state == .open else { return leave(world, after: 2 * Span.second) }
        if !world.isHealing || world.news.phase == .calm { publish(world) }
        if let link, world.temper.isNewsroom, world.news.phase == .calm, asked.isEmpty, random.chance(15) { declare(world.news.topics(&random), link, world) }
    }
    override func pause(_ world: World) -> UInt64 {
        let often = world.news.phase == .calm ? 4 * Span.millisecond : world.temper.publishGap
        let gap = state == .open ? often : 20 * Span.millisecond
        return gap / 2 + random.next() % gap
    }

    private func declare(_ names: [String], _ link: ClientLink, _ world: World) {
        asked = names
        world.toNode(link, .declare, DeclareRequest(request: 1, names: names).encode())
    }

    private func publish(_ world: World) {
        guard let link else { return }
        var builder = BatchBuilder()
        let first = sequence + 1
        // Most batches are of one topic: what is of several goes to all that want any of them.
        let only = random.chance(70) ? random.below(ids.count) : nil
        for _ in 0...random.below(3) {
            sequence += 1
            let index = only ?? random.below(ids.count)
            var payload: [UInt8] = []
            payload.append(int: UInt32(client))
            payload.append(int: UInt32(index))
            payload.append(int: sequence)
            payload.append(contentsOf: repeatElement(7, count: random.below(world.temper.recordBytes)))
            payload.withView { builder.append(topic: ids[index], time: Int64(world.now), payload: $0) }
            world.news.sent(NewsChecker.Record(publisher: client, topic: topics[index], sequence: sequence, at: world.now))
        }
        world.toNode(link, .publish, builder.finish(publisher: PublisherID(UInt64(client) + 1000), epoch: 0, sequence: first, group: .unordered))
    }

    override func lost(_ world: World) {
        (state, asked) = (.idle, [])
        world.news.isDisturbed(publisher: client, at: world.now)
    }
    override func begin(_ link: ClientLink, _ world: World) {
        state = .declaring
        declare(topics, link, world)
    }

    override func take(_ message: MessageKind, _ view: ByteView, _ link: ClientLink, _ world: World) throws(DecodeError) {
        switch message {
        case .declared:
            let answer = try DeclareAnswer(view)
            guard !asked.isEmpty, let numbers = numbers(of: asked, answer, .unordered, world) else { return }
            (state, topics, asked, ids) = (.open, asked, [], numbers)
            world.say("\(kind) \(client) has its topics at \(world.hosts[link.host].id): \(topics)")
            if world.temper.isNewsroom, world.news.phase == .calm { publish(world) }
        case .acknowledge: _ = try Acknowledgement(view)
        default: try super.take(message, view, link, world)
        }
    }
}

/// Watches some unordered topics for a while, then others by another node.
final class NewsSubscriber: ClientModel {
    private var wanted = Wanted.everything
    private var names: [UInt32: String] = [:]
    private var random: SplitMix64

    init(client: Int, seed: UInt64) {
        random = SplitMix64(seed: seed ^ UInt64(client) << 32, .news)
        super.init(client: client, kind: "news subscriber")
    }

    override func seek(_ world: World) { reach(world, over: 1 + random.below(2)) }
    override func work(_ world: World) { if world.news.phase != .over, isRestless(world) { leave(world) } }
    override func pause(_ world: World) -> UInt64 { 5 * Span.millisecond + random.next() % (10 * Span.millisecond) }

    private func isRestless(_ world: World) -> Bool { random.chance(world.temper.isNewsroom ? world.news.isAsking(client) ? 3 : 25 : 10) }

    override func lost(_ world: World) { world.news.left(client) }
    override func begin(_ link: ClientLink, _ world: World) {
        names = [:]
        wanted = world.news.interest(&random)
        let request = SubscribeRequest(request: 1, start: .end, patterns: wanted.patterns, exclusions: wanted.exclusions, resume: [])
        world.toNode(link, .subscribe, request.encode())
        world.news.asks(client, at: world.now)
    }

    override func take(_ message: MessageKind, _ view: ByteView, _ link: ClientLink, _ world: World) throws(DecodeError) {
        switch message {
        case .subscribed:
            _ = try SubscribeAnswer(view)
            world.say("\(kind) \(client) has subscribed to \(wanted.patterns) at \(world.hosts[link.host].id)")
            world.news.subscribed(client, wanted, view: world.hosts[link.host].node?.view.number.raw ?? 0, at: world.now)
        case .topicNames:
            let new = try TopicNames(view)
            guard new.group == .unordered else { return }
            for (id, _, name) in new.names { names[id.raw] = name }
        case .position:
            let position = try Position(view)
            if position.group == .unordered, position.skipped > 0 { world.news.misses(client) }
        default: try super.take(message, view, link, world)
        }
    }

    override func see(_ given: Given, _ link: ClientLink, _ world: World) {
        guard given.group == .unordered else { return }
        let record = given.record
        guard let name = names[record.header.topic.raw] else {
            return fail("receives topic \(record.header.topic.raw), which was not named", world)
        }
        guard wanted.matches(name) else { return fail("did not ask for \(name)", world) }
        let payload = record.payload
        world.counts.news += 1
        let (publisher, sequence) = (Int(payload.u32(0)), payload.u64(8))
        world.note(sequence ^ UInt64(publisher) << 40 ^ UInt64(client) << 48)
        let number = world.hosts[link.host].node?.view.number.raw ?? 0
        if let wrong = world.news.saw(publisher, sequence, topic: name, by: client, view: number) { world.checker.fail(wrong) }
    }
}
