internal import Broker
internal import Wire

/// A member of a consumer group, small: joins, takes records, does with them after a while and says so; fails over with what it has,
/// leaves with a last word, or dies and comes back as somebody else.
///
///      idle ─ begin ─▶ joining ─ assigned ─▶ member ─ lost, refused ─▶ idle
///                                               └─ last word ─ done ─▶ away ─▶ idle, as another
final class ConsumerModel: ClientModel {
    private enum State { case idle, joining, member, leaving, away(until: UInt64) }
    private struct Receipt {
        let partition: Int
        let since: UInt32
        let round: Int
        let offset: UInt64
    }
    let group: Int
    private var random: SplitMix64
    private var state = State.idle
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
        self.group = group
        random = SplitMix64(seed: seed ^ UInt64(client) << 32, .consumers)
        super.init(client: client, kind: "consumer")
    }
    var description: String { "\(state), \(queue.count) in hand, owns \(owned.count { $0 > 0 }) of generation \(generation)" }
    private var member: ConsumerID { ConsumerID(UInt64(client + 1) << 32 | life) }
    private var plan: ConsumerPlan { ConsumerPlan.all[group] }

    override func seek(_ world: World) {
        guard case .away(let until) = state else { return reach(world) }
        if world.now >= until || world.isHealing { state = .idle }
    }
    override func pause(_ world: World) -> UInt64 { 5 * Span.millisecond + random.next() % (20 * Span.millisecond) }

    override func work(_ world: World) {
        // A join waits as long as no view takes it; somebody else may.
        guard case .member = state else { return leave(world, after: 5 * Span.second) }
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

    override func lost(_ world: World) { state = .idle }

    override func take(_ message: MessageKind, _ view: ByteView, _ link: ClientLink, _ world: World) throws(DecodeError) {
        switch message {
        case .subscribed:
            _ = try SubscribeAnswer(view)
        case .assigned:
            if case .joining = state { state = .member }
            try assigned(ConsumerAssignment(view), world)
        case .topicNames:
            let new = try TopicNames(view)
            guard new.group == .durable else { return fail("is told of topics of \(new.group)", world) }
            for (id, _, name) in new.names {
                world.checker.declared(name, id.raw)
                if !plan.wanted.matches(name) { fail("is told of \(name), for which it did not ask", world) }
                names[id.raw] = name
            }
        case .position: _ = try Position(view)
        case .consumerDone where try ConsumerDone(view).request == 7: world.groups.reset(group, askedAt: askedAt)
        case .consumerDone:
            leave(world)
            forget(world)
        default: try super.take(message, view, link, world)
        }
    }
    override func refused(_ refusal: Refusal, _ world: World) { if refusal.code == .fenced { leave(world) } else { super.refused(refusal, world) } }

    override func begin(_ link: ClientLink, _ world: World) {
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
        if assignment.generation < generation { fail("is in generation \(generation) and told of \(assignment.generation)", world) }
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

    override func see(_ given: Given, _ link: ClientLink, _ world: World) {
        let (record, offset) = (given.record, given.offset)
        guard given.group == .durable else { return fail("receives of \(given.group)", world) }
        let partition = Partition.of(record.header.topic)
        guard let name = names[record.header.topic.raw] else { return fail("receives a topic that was not named", world) }
        guard plan.wanted.matches(name) else { return fail("did not ask for \(name)", world) }
        guard owned[partition] > 0 else { return fail("receives \(offset) of a partition that is not its own", world) }
        guard offset >= handed[partition] else {
            return fail("receives \(offset) of partition \(partition) behind \(handed[partition])", world)
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
