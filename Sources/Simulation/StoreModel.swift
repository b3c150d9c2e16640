internal import Broker
internal import Wire

/// A client of the store, small: gets, lists, as-of reads, puts with and without condition, removes; one at a time, at any node, asked
/// again at another when a node is lost.
///
///      idle ─ begin ─▶ declaring ─ declared ─▶ opening ─ opened ─▶ open ─ lost, refused, no answer ─▶ idle
final class StoreModel: ClientModel {
    private enum State { case idle, declaring, opening, open }
    private enum Operation {
        case put(topic: Int, condition: StoreChecker.Condition, isRemove: Bool, known: UInt64?)
        case read(time: UInt64?, topics: [Int], known: [String: UInt64])
        case tail(count: Int, topics: [Int], end: UInt64)
    }
    private var random: SplitMix64
    /// Of its own, so that worlds without searches from the end stay as they were.
    private var tails: SplitMix64
    private var ids: [TopicID] = []
    private var state = State.idle
    private var epoch: UInt32 = 0
    private var sequence: UInt64 = 0
    private var number: UInt32 = 0
    private var request: UInt32 = 0
    private var operation: Operation?
    private var isAsked = false
    /// A read of several pages: what it has found, its cut, where it goes on.
    private var found: [String: UInt64] = [:]
    private var cut: UInt64?
    private var next = TopicID(0)
    static let topics = ["s/0", "s/1", "s/2/a"]
    /// Payloads: client, operation, sequence; also of removes, so that each record tells whose it is.
    static let payload = 16

    init(client: Int, seed: UInt64) {
        random = SplitMix64(seed: seed ^ UInt64(client) << 32, .store)
        tails = SplitMix64(seed: seed ^ UInt64(client) << 32, .parting)
        super.init(client: client, kind: "store client")
    }
    func isSettled(_ world: World) -> Bool { operation == nil && !isCurious(world) }
    /// Where some nodes keep some topics only it goes on asking when nothing fails any more.
    private func isCurious(_ world: World) -> Bool { world.isHealing && world.temper.isParted && asked < 12 }
    private var asked = 0
    var description: String { "\(state), \(operation.map { "\($0)" } ?? "idle")" }
    private var publisher: PublisherID { PublisherID(UInt64(client) + 1000) }

    override func work(_ world: World) {
        guard state == .open else { return leave(world, after: 2 * Span.second) }
        if operation == nil, !world.isHealing || isCurious(world) {
            if world.isHealing { asked += 1 }
            draw(world)
        }
        if operation != nil, isAsked, world.now - since > 3 * Span.second || random.chance(1) && !world.isHealing { leave(world) }
        pump(world)
    }
    override func pause(_ world: World) -> UInt64 {
        let gap = state != .open ? 20 * Span.millisecond : world.isHealing && world.temper.isParted ? 60 * Span.millisecond : world.temper.publishGap
        return gap / 2 + random.next() % max(gap, 1)
    }

    private func draw(_ world: World) {
        number += 1
        let topic = random.below(Self.topics.count)
        let known = world.store.known
        if random.chance(55), !world.isHealing {
            var condition = StoreChecker.Condition.always
            switch random.below(4) {
            case 0: condition = .absent
            case 1, 2: condition = known[Self.topics[topic]].map { .version($0) } ?? .absent
            default: break
            }
            operation = .put(topic: topic, condition: condition, isRemove: random.chance(25), known: known[Self.topics[topic]])
        } else {
            var time: UInt64?
            // Now, lately, or soon by some node's clock.
            if random.chance(50) { time = UInt64(Int64(World.epoch + world.now) + Int64(random.below(2_400)) * 1_000_000 - 2_000_000_000) }
            if time != nil, random.chance(60), let recent = world.checker.history.suffix(world.temper.isParted ? 1024 : 64).compactMap({ $0?.time }).randomElement(using: &random) {
                time = recent + UInt64(random.below(3)) - 1
            }
            let topics = random.chance(50) ? [topic] : Array(Self.topics.indices)
            operation = .read(time: time, topics: topics, known: known)
            if world.temper.isParted, tails.chance(40) { operation = .tail(count: 1 + tails.below(12), topics: topics, end: 0) }
        }
        (found, cut, next) = ([:], nil, TopicID(0))
        isAsked = false
    }

    private func pump(_ world: World) {
        guard state == .open, !isAsked, let operation, let link else { return }
        isAsked = true
        since = world.now
        request += 1
        switch operation {
        case .put(let topic, let condition, let isRemove, _):
            var headers: [UInt8] = []
            switch condition {
            case .always: break
            case .absent: VersionCondition.absent.encode(into: &headers)
            case .version(let version): VersionCondition.version(Offset(version)).encode(into: &headers)
            }
            var payload: [UInt8] = []
            payload.append(int: UInt32(client))
            payload.append(int: number)
            payload.append(int: sequence + 1)
            let flags = (isRemove ? RecordHeader.tombstone : 0) | (condition == .always ? 0 : RecordHeader.conditional)
            var builder = BatchBuilder()
            headers.withView { headers in
                payload.withView { builder.append(topic: ids[topic], flags: flags, time: Int64(world.now), headers: headers, payload: $0) }
            }
            let batch = builder.finish(publisher: publisher, epoch: epoch, sequence: sequence + 1, group: .durable)
            world.toNode(link, .storePut, StorePut.head(request: request) + batch)
        case .read(let time, let topics, _):
            let wanted: StoreCut = cut.map { .offset(Offset($0)) } ?? time.map { .time(Timestamp($0)) } ?? .latest
            let read = StoreRead(request: request, group: .durable, cut: wanted, showsRemoved: true, from: next, patterns: patterns(topics))
            world.toNode(link, .storeRead, read.encode())
        case .tail(let count, let topics, _):
            self.operation = .tail(count: count, topics: topics, end: world.hosts[link.host].node?.delivered(in: .durable)?.offset.raw ?? 0)
            let tail = StoreTail(request: request, group: .durable, count: UInt64(count), patterns: patterns(topics), exclusions: [])
            world.toNode(link, .storeTail, tail.encode())
        }
    }
    private func patterns(_ topics: [Int]) -> [String] { topics.count == 1 ? [Self.topics[topics[0]]] : ["s/#"] }

    override func lost(_ world: World) { (state, isAsked) = (.idle, false) }
    override func begin(_ link: ClientLink, _ world: World) {
        state = .declaring
        request += 1
        world.toNode(link, .declare, DeclareRequest(request: request, names: Self.topics).encode())
    }

    override func take(_ message: MessageKind, _ view: ByteView, _ link: ClientLink, _ world: World) throws(DecodeError) {
        switch message {
        case .declared:
            let answer = try DeclareAnswer(view)
            guard state == .declaring, answer.request == request, let numbers = numbers(of: Self.topics, answer, .durable, world) else { return }
            ids = numbers
            state = .opening
            request += 1
            world.toNode(link, .open, OpenRequest(request: request, publisher: publisher, group: .durable).encode())
        case .opened:
            let answer = try OpenAnswer(view)
            guard state == .opening, answer.request == request else { return }
            guard answer.last <= sequence + 1 else { return fail("is told of \(answer.last) records; it made \(sequence + 1)", world) }
            epoch = answer.epoch
            state = .open
            pump(world)
        case .storeDone: try done(StoreDone(view), world)
        case .storePage: try page(StorePage(view), world)
        case .storePlace: place(try StorePlace(view), world)
        default: try super.take(message, view, link, world)
        }
    }
    override func refused(_ refusal: Refusal, _ world: World) {
        switch refusal.code {
        case .fenced: leave(world)
        case .notAllowed where world.temper.cleans && refusal.reason.contains("is cleaned"):
            // What the topic was then is gone.
            guard refusal.request == request, case .read(let time, _, _) = operation, time != nil || cut != nil else {
                return fail("is refused what it did not ask for: \(refusal.reason)", world)
            }
            world.counts.refused += 1
            operation = nil
        default: super.refused(refusal, world)
        }
    }

    private func done(_ answer: StoreDone, _ world: World) {
        guard answer.request == request, case .put(let topic, let condition, _, let known) = operation else { return }
        let isDone = answer.outcome == .done
        if isDone {
            sequence += 1
            world.checker.acknowledged(UInt32(client), upTo: sequence)
        }
        let offset = answer.offset == StoreDone.none ? nil : answer.offset.raw
        world.store.answered(
            StoreChecker.Put(
                client: UInt32(client), operation: number, topic: Self.topics[topic], condition: condition, version: isDone ? answer.offset.raw : nil,
                time: isDone ? answer.timestamp.raw : nil, found: isDone ? nil : offset, known: known))
        operation = nil
    }

    private func place(_ place: StorePlace, _ world: World) {
        guard place.request == request, case .tail(let count, let topics, let end) = operation else { return }
        // The answer may be that of a node that has gone since.
        let last = world.deliveredPeak
        world.store.tails.append(
            StoreChecker.Tail(client: UInt32(client), topics: topics.map { Self.topics[$0] }, count: count, place: place.offset.raw, from: end, to: max(end, last)))
        operation = nil
    }

    private func page(_ page: StorePage, _ world: World) {
        guard page.request == request, case .read(let time, let topics, let known) = operation else { return }
        if let cut, cut != page.cut.raw { return fail("goes on at the cut \(cut) and is answered at \(page.cut.raw)", world) }
        cut = page.cut.raw
        page.forEach { name, version, record in
            if found.updateValue(version.offset.raw, forKey: name) != nil { fail("is given \(name) twice", world) }
        }
        next = page.next
        isAsked = false
        world.say("store client \(client) reads \(time.map { "as of \($0)" } ?? "the latest") at the cut \(page.cut.raw)")
        guard next == StorePage.last else { return pump(world) }
        world.store.answered(
            StoreChecker.Read(client: UInt32(client), topics: topics.map { Self.topics[$0] }, time: time, cut: page.cut.raw, found: found, known: known))
        operation = nil
    }
}
