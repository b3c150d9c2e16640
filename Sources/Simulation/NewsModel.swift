internal import Broker
internal import Wire

/// Publishes to unordered topics, without asking what becomes of it.
final class NewsPublisher: ClientModel {
    private enum State { case looking, greeting, declaring, open }
    let client: Int
    let kind = "news publisher"
    private var topics: [String]
    private var ids: [TopicID] = []
    /// Asked for, and not declared yet.
    private var asked: [String] = []
    private var state = State.looking
    private(set) var link: ClientLink?
    private var since: UInt64 = 0
    private var sequence: UInt64 = 0
    private var nextHost: Int
    private var random: SplitMix64

    init(client: Int, seed: UInt64, news: NewsChecker) {
        self.client = client
        nextHost = client
        random = SplitMix64(seed: seed ^ UInt64(client) << 32, .news)
        topics = news.topics(&random)
    }

    func due(_ world: World) {
        switch state {
        case .looking: look(world)
        case .greeting, .declaring: if world.now - since > 2 * Span.second { leave(world) }
        case .open:
            if !world.isHealing || world.news.phase == .calm { publish(world) }
            if let link, world.temper.isNewsroom, world.news.phase == .calm, asked.isEmpty, random.chance(15) { declare(world.news.topics(&random), link, world) }
        }
        let often = world.news.phase == .calm ? 4 * Span.millisecond : world.temper.publishGap
        let gap = state == .open ? often : 20 * Span.millisecond
        world.queue.add(.client(client), at: world.now + gap / 2 + random.next() % gap)
    }

    private func look(_ world: World) {
        nextHost += 1
        link = world.connectClient(client, to: world.hosts[nextHost % world.hosts.count])
        guard link != nil else { return }
        state = .greeting
        since = world.now
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

    func leave(_ world: World) {
        guard let link else { return }
        world.closeAtClient(link)
        lost(link, world)
    }
    func lost(_ link: ClientLink, _ world: World) {
        guard link === self.link else { return }
        self.link = nil
        state = .looking
        asked = []
        world.news.isDisturbed(publisher: client, at: world.now)
    }

    func take(_ kind: MessageKind, _ view: ByteView, _ link: ClientLink, _ world: World) throws(DecodeError) {
        switch kind {
        case .cluster:
            let info = try ClusterInfo(view)
            guard state == .greeting else { return }
            guard info.view > ViewNumber(0) else { return leave(world) }
            state = .declaring
            declare(topics, link, world)
        case .declared:
            let answer = try DeclareAnswer(view)
            guard !asked.isEmpty else { return }
            (topics, asked, ids) = (asked, [], [])
            for (name, line) in zip(topics, answer.lines) {
                guard case .topic(let group, let id, _) = line, group == .unordered else { return world.checker.fail("\(name) was refused: \(line)") }
                ids.append(id)
            }
            state = .open
            world.say("\(self.kind) \(client) has its topics at \(world.hosts[link.host].id): \(topics)")
            if world.temper.isNewsroom, world.news.phase == .calm { publish(world) }
        case .acknowledge: _ = try Acknowledgement(view)
        case .refused:
            let refusal = try Refusal(view)
            guard refusal.code == .unavailable else { return world.checker.fail("\(self.kind) \(client) is refused: \(refusal.reason)") }
            leave(world)
        default: world.checker.fail("\(self.kind) \(client) got \(kind)")
        }
    }
}

/// Watches some unordered topics for a while, then others by another node.
final class NewsSubscriber: ClientModel {
    let client: Int
    let kind = "news subscriber"
    private(set) var link: ClientLink?
    private var wanted = Wanted.everything
    private var names: [UInt32: String] = [:]
    private var isGreeting = false
    private var since: UInt64 = 0
    private var nextHost: Int
    private var random: SplitMix64

    init(client: Int, seed: UInt64) {
        self.client = client
        nextHost = client
        random = SplitMix64(seed: seed ^ UInt64(client) << 32, .news)
    }

    func due(_ world: World) {
        if link == nil {
            nextHost += 1 + random.below(2)
            link = world.connectClient(client, to: world.hosts[nextHost % world.hosts.count])
            isGreeting = true
            since = world.now
        } else if isGreeting ? world.now - since > 2 * Span.second : world.news.phase != .over && isRestless(world) {
            leave(world)
        }
        world.queue.add(.client(client), at: world.now + 5 * Span.millisecond + random.next() % (10 * Span.millisecond))
    }

    private func isRestless(_ world: World) -> Bool { random.chance(world.temper.isNewsroom ? world.news.isAsking(client) ? 3 : 25 : 10) }

    func leave(_ world: World) {
        guard let link else { return }
        world.say("\(kind) \(client) leaves its link")
        world.closeAtClient(link)
        lost(link, world)
    }
    func lost(_ link: ClientLink, _ world: World) {
        guard link === self.link else { return }
        self.link = nil
        world.news.left(client)
    }

    func take(_ kind: MessageKind, _ view: ByteView, _ link: ClientLink, _ world: World) throws(DecodeError) {
        switch kind {
        case .cluster:
            let info = try ClusterInfo(view)
            guard isGreeting else { return }
            guard info.view > ViewNumber(0) else { return leave(world) }
            isGreeting = false
            names = [:]
            wanted = world.news.interest(&random)
            let request = SubscribeRequest(request: 1, start: .end, patterns: wanted.patterns, exclusions: wanted.exclusions, resume: [])
            world.toNode(link, .subscribe, request.encode())
            world.news.asks(client, at: world.now)
        case .subscribed:
            _ = try SubscribeAnswer(view)
            world.say("\(self.kind) \(client) has subscribed to \(wanted.patterns) at \(world.hosts[link.host].id)")
            world.news.subscribed(client, wanted, view: world.hosts[link.host].node?.view.number.raw ?? 0, at: world.now)
        case .topicNames:
            let new = try TopicNames(view)
            guard new.group == .unordered else { return }
            for (id, name) in new.names { names[id.raw] = name }
        case .entry:
            let header = try EntryHeader(view)
            guard header.group == .unordered else { return }
            var batches = BatchCursor(view.from(EntryHeader.size))
            while let (batch, whole) = try batches.next(verify: true) {
                guard batch.kind == .records else { continue }
                var records = RecordCursor(whole.from(BatchHeader.size))
                while let record = records.next() { see(record, link, world) }
            }
        case .records:
            let header = try PickedHeader(view)
            guard header.group == .unordered else { return }
            var at = PickedHeader.size
            for _ in 0..<header.count {
                let record = RecordView(view.from(at + 8))
                see(record, link, world)
                at += 8 + record.header.length
            }
        case .position:
            let position = try Position(view)
            if position.group == .unordered, position.skipped > 0 { world.news.misses(client) }
        case .refused:
            let refusal = try Refusal(view)
            guard refusal.code == .unavailable else { return world.checker.fail("\(self.kind) \(client) is refused: \(refusal.reason)") }
            leave(world)
        default: world.checker.fail("\(self.kind) \(client) got \(kind)")
        }
    }

    private func see(_ record: RecordView, _ link: ClientLink, _ world: World) {
        guard let name = names[record.header.topic.raw] else {
            return world.checker.fail("\(kind) \(client) receives topic \(record.header.topic.raw), which was not named")
        }
        guard wanted.matches(name) else { return world.checker.fail("\(kind) \(client) did not ask for \(name)") }
        let payload = record.payload
        world.counts.news += 1
        let (publisher, sequence) = (Int(payload.u32(0)), payload.u64(8))
        world.note(sequence ^ UInt64(publisher) << 40 ^ UInt64(client) << 48)
        let number = world.hosts[link.host].node?.view.number.raw ?? 0
        if let wrong = world.news.saw(publisher, sequence, topic: name, by: client, view: number) { world.checker.fail(wrong) }
    }
}
