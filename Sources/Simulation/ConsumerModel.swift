internal import Broker
internal import Wire

/// A member of a consumer group, small: joins, takes records, does with them after a while and says so; fails over with what it has,
/// leaves with a last word, or dies and comes back as somebody else.
///
///      looking ─ cluster ─▶ joining ─ subscribed ─▶ member ─ lost, refused ─▶ looking
///                                                     └─ last word ─ done ─▶ away ─▶ looking, as another
final class ConsumerModel: ClientModel {
    private enum State { case looking, greeting, joining, member, leaving, away(until: UInt64) }
    private struct Receipt {
        let partition: Int
        let since: UInt32
        let round: Int
        let offset: UInt64
    }
    let client: Int
    let kind = "consumer"
    let group: Int
    private var random: SplitMix64
    private var state = State.looking
    private(set) var link: ClientLink?
    private var since: UInt64 = 0
    private var nextHost: Int
    /// Rises when it dies: another process, which knows of nothing.
    private var life: UInt64 = 1
    private var epoch: UInt32 = 0
    private var generation: UInt32 = 0
    private var owned = [UInt32](repeating: 0, count: Partition.count)
    private var received = [UInt64](repeating: 0, count: Partition.count)
    private var confirmed = [UInt64](repeating: 0, count: Partition.count)
    private var handed = [UInt64](repeating: 0, count: Partition.count)
    private var queue: [Receipt] = []
    private var round = 0
    private var done: UInt64 = 0
    private var names: [UInt32: String] = [:]
    /// When it asked last that its group be set back.
    private var askedAt: UInt64 = 0

    init(client: Int, group: Int, seed: UInt64) {
        self.client = client
        self.group = group
        random = SplitMix64(seed: seed ^ UInt64(client) << 32, .consumers)
        nextHost = client
    }
    var description: String { "\(state), \(queue.count) in hand, owns \(owned.count { $0 > 0 }) of generation \(generation)" }
    private var member: ConsumerID { ConsumerID(UInt64(client + 1) << 32 | life) }
    private var plan: ConsumerPlan { ConsumerPlan.all[group] }

    func due(_ world: World) {
        switch state {
        case .looking: look(world)
        case .greeting: if world.now - since > 2 * Span.second { leave(world) }
        // A join waits as long as no view takes it; somebody else may.
        case .joining, .leaving: if world.now - since > 5 * Span.second { leave(world) }
        case .member: work(world)
        case .away(let until): if world.now >= until || world.isHealing { state = .looking }
        }
        world.queue.add(.client(client), at: world.now + 5 * Span.millisecond + random.next() % (20 * Span.millisecond))
    }

    private func look(_ world: World) {
        nextHost += 1
        link = world.connectClient(client, to: world.hosts[nextHost % world.hosts.count])
        guard link != nil else { return }
        state = .greeting
        since = world.now
    }

    private func work(_ world: World) {
        if !queue.isEmpty, world.isHealing || random.chance(70) { finish(world.isHealing ? queue.count : random.below(queue.count + 1), world) }
        guard !world.isHealing else { return }
        switch random.below(400) {
        case 0: die(world)
        case 1: sayLastWord(world)
        case 2: leave(world)
        default: if world.temper.hasResets, random.chance(2) { askReset(world) }
        }
    }

    private func finish(_ count: Int, _ world: World) {
        guard let link, count > 0 else { return }
        var risen = PartitionSet()
        for receipt in queue.prefix(count) {
            world.groups.did(group, receipt.offset, client, at: world.now)
            if receipt.round == round { done += 1 }
            guard receipt.since == owned[receipt.partition] else { continue }
            confirmed[receipt.partition] = max(confirmed[receipt.partition], receipt.offset + 1)
            risen.insert(receipt.partition)
        }
        queue.removeFirst(count)
        let places = PartitionPlace.gather(risen) { confirmed[$0] }
        world.say("consumer \(client) has done with \(count), \(queue.count) left; says \(places.map { "\($0.partitions.count) at \($0.offset.raw)" })")
        world.toNode(link, .confirm, ConsumerConfirm(generation: generation, done: done, places: places).encode())
    }

    private func sayLastWord(_ world: World) {
        guard let link else { return }
        state = .leaving
        since = world.now
        world.toNode(link, .confirm, ConsumerConfirm(request: 9, generation: generation, done: done, places: []).encode())
    }

    /// An operator by this member's link: all of the group is to come again.
    private func askReset(_ world: World) {
        guard let link else { return }
        askedAt = world.now
        world.say("consumer \(client) asks that its group be set back")
        world.groups.mayReset(group)
        let order = ConsumerOrder(request: 7, name: plan.name, kind: .reset(.offset(Offset(plan.start))))
        world.toNode(link, .consumerOrder, order.encode())
    }

    /// As with kill -9: what it had in hand is lost with it.
    private func die(_ world: World) {
        world.say("consumer \(client) dies with \(queue.count) records in hand")
        leave(world)
        forget(world)
    }
    private func forget(_ world: World) {
        for receipt in queue { world.groups.lost(group, receipt.offset, client) }
        life += 1
        (epoch, generation) = (0, 0)
        queue = []
        for partition in owned.indices { (owned[partition], received[partition], confirmed[partition]) = (0, 0, 0) }
        state = .away(until: world.now + random.next() % Span.second)
    }

    func leave(_ world: World) {
        guard let link else { return }
        world.say("consumer \(client) leaves its link")
        world.closeAtClient(link)
        lost(link, world)
    }
    func lost(_ link: ClientLink, _ world: World) {
        guard link === self.link else { return }
        self.link = nil
        state = .looking
    }

    func take(_ kind: MessageKind, _ view: ByteView, _ link: ClientLink, _ world: World) throws(DecodeError) {
        switch kind {
        case .cluster:
            let info = try ClusterInfo(view)
            guard case .greeting = state else { return }
            guard info.view > ViewNumber(0) else { return leave(world) }
            join(link, world)
        case .subscribed:
            _ = try SubscribeAnswer(view)
        case .assigned:
            if case .joining = state { state = .member }
            try assigned(ConsumerAssignment(view), world)
        case .topicNames:
            let new = try TopicNames(view)
            guard new.group == .durable else { return world.checker.fail("consumer \(client) is told of topics of \(new.group)") }
            for (id, name) in new.names {
                world.checker.declared(name, id.raw)
                if !plan.wanted.matches(name) { world.checker.fail("consumer \(client) is told of \(name), for which it did not ask") }
                names[id.raw] = name
            }
        case .entry: try entry(view, link, world)
        case .records: try picked(view, link, world)
        case .position: _ = try Position(view)
        case .consumerDone where try ConsumerDone(view).request == 7: world.groups.reset(group, askedAt: askedAt)
        case .consumerDone:
            leave(world)
            forget(world)
        case .refused:
            let refusal = try Refusal(view)
            world.say("consumer \(client) is refused: \(refusal.code) \(refusal.reason)")
            guard refusal.code == .unavailable || refusal.code == .fenced else { return world.checker.fail("consumer \(client) is refused: \(refusal.reason)") }
            leave(world)
        default: world.checker.fail("consumer \(client) got \(kind)")
        }
    }

    private func join(_ link: ClientLink, _ world: World) {
        state = .joining
        since = world.now
        round += 1
        done = 0
        names = [:]
        for partition in handed.indices { handed[partition] = 0 }
        var (known, had) = (PartitionSet(), PartitionSet())
        for partition in owned.indices where owned[partition] > 0 && confirmed[partition] > 0 { known.insert(partition) }
        for partition in owned.indices where owned[partition] > 0 && received[partition] > 0 { had.insert(partition) }
        let last = ConsumerCommit(member: member, epoch: epoch, generation: generation, places: PartitionPlace.gather(known) { confirmed[$0] })
        let interest = ConsumerInterest(patterns: plan.wanted.patterns, exclusions: plan.wanted.exclusions)
        let request = ConsumeRequest(
            request: 1, name: plan.name, client: "c\(client)", last: last, held: PartitionPlace.gather(had) { received[$0] },
            start: .offset(Offset(plan.start)), interest: interest)
        world.toNode(link, .consume, request.encode())
    }

    private func assigned(_ assignment: ConsumerAssignment, _ world: World) {
        if assignment.generation < generation { world.checker.fail("consumer \(client) is in generation \(generation) and told of \(assignment.generation)") }
        epoch = assignment.epoch
        generation = assignment.generation
        world.say("consumer \(client) is told of generation \(generation): \(assignment.lines.map { "\($0.partitions.count) since \($0.since)" })")
        var now = [UInt32](repeating: 0, count: Partition.count)
        for line in assignment.lines { for partition in line.partitions { now[partition] = line.since } }
        for partition in now.indices where now[partition] != owned[partition] {
            owned[partition] = now[partition]
            (received[partition], confirmed[partition], handed[partition]) = (0, 0, 0)
            // What it has of it still it may finish; it does not count as its own any more.
            for receipt in queue where receipt.partition == partition { world.groups.lost(group, receipt.offset, client) }
        }
    }

    private func entry(_ view: ByteView, _ link: ClientLink, _ world: World) throws(DecodeError) {
        let header = try EntryHeader(view)
        guard header.length == view.count else { throw .value(what: "entry length", value: UInt64(header.length)) }
        guard header.group == .durable else { return world.checker.fail("consumer \(client) receives of \(header.group)") }
        var batches = BatchCursor(view.from(EntryHeader.size))
        var offset = header.baseOffset.raw
        while let (batch, whole) = try batches.next(verify: true) {
            guard batch.kind == .records else { continue }
            var records = RecordCursor(whole.from(BatchHeader.size))
            while let record = records.next() {
                see(record, offset, link, world)
                offset += 1
            }
        }
    }
    private func picked(_ view: ByteView, _ link: ClientLink, _ world: World) throws(DecodeError) {
        let header = try PickedHeader(view)
        var at = PickedHeader.size
        for _ in 0..<header.count {
            let record = RecordView(view.from(at + 8))
            see(record, header.baseOffset.raw + UInt64(view.u32(at)), link, world)
            at += 8 + record.header.length
        }
    }

    private func see(_ record: RecordView, _ offset: UInt64, _ link: ClientLink, _ world: World) {
        let partition = Partition.of(record.header.topic)
        guard let name = names[record.header.topic.raw] else { return world.checker.fail("consumer \(client) receives a topic that was not named") }
        guard plan.wanted.matches(name) else { return world.checker.fail("consumer \(client) did not ask for \(name)") }
        guard owned[partition] > 0 else { return world.checker.fail("consumer \(client) receives \(offset) of a partition that is not its own") }
        guard offset >= handed[partition] else {
            return world.checker.fail("consumer \(client) receives \(offset) of partition \(partition) behind \(handed[partition])")
        }
        handed[partition] = offset + 1
        // What crosses its last word is another's by then.
        guard case .member = state else { return }
        guard offset >= received[partition] else {
            done += 1
            return
        }
        received[partition] = offset + 1
        queue.append(Receipt(partition: partition, since: owned[partition], round: round, offset: offset))
        world.counts.consumed += 1
        let first = world.consumers[0].client
        let wrong = world.groups.handed(group, offset, to: client, since: owned[partition]) { world.consumers[$0 - first].isServed(world) }
        if let wrong { world.checker.fail(wrong) }
        world.note(offset ^ UInt64(client) << 40)
    }

    /// Whether its link stands, at both ends, and its node is in the newest view: nobody has a reason to give its records to another.
    private func isServed(_ world: World) -> Bool {
        guard let link, link.isUpAtNode, link.isUpAtClient, case .member = state, let node = world.hosts[link.host].node, node.isLive else { return false }
        let newest = world.hosts.compactMap { $0.node?.view.number }.max()
        return node.view.number == newest && world.hosts[link.host].life == link.life
    }
}

/// The consumer groups of a world.
struct ConsumerPlan {
    let name: String
    let wanted: Wanted
    let start: UInt64
    static let all = [
        ConsumerPlan(name: "all", wanted: .everything, start: 0),
        ConsumerPlan(name: "some", wanted: Wanted(patterns: ["t0/#", "s/#"], exclusions: ["t0/1"]), start: 7),
    ]
}
