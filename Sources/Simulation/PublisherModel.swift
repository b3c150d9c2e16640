internal import Wire

/// A publisher, small: declares, opens, sends numbered batches, keeps what is not acknowledged, fails over and sends it again.
///
///      looking ─ cluster ─▶ declaring ─ declared ─▶ opening ─ opened ─▶ open ─ lost, refused ─▶ looking
final class PublisherModel: ClientModel {
    private enum State { case looking, greeting, declaring, opening, open }
    private struct Batch {
        var bytes: [UInt8]
        let last: UInt64
    }
    let client: Int
    let kind = "publisher"
    private let topics: [String]
    private var ids: [TopicID] = []
    private var state = State.looking
    private(set) var link: ClientLink?
    private var since: UInt64 = 0
    private var epoch: UInt32 = 0
    private var sequence: UInt64 = 0
    private var batches: [Batch] = []
    /// The last that were acknowledged: what a publisher that begins again with its input sends once more.
    private var settled: [Batch] = []
    private var sent = 0
    private var nextHost = 0
    private var request: UInt32 = 0
    private static let window = 16

    init(client: Int, topics: [String]) {
        self.client = client
        self.topics = topics
        nextHost = client
    }
    var isSettled: Bool { batches.isEmpty }
    var description: String { "\(state), \(batches.count) batches to \(sequence), \(sent) sent" }
    private var publisher: PublisherID { PublisherID(UInt64(client) + 1000) }

    func due(_ world: World) {
        switch state {
        case .looking: look(world)
        case .greeting, .declaring, .opening:
            if world.now - since > 2 * Span.second { leave(world) }
        case .open:
            if !world.isHealing, batches.count < Self.window { gather(world) }
            pump(world)
        }
        let gap = state == .open ? world.temper.publishGap : 20 * Span.millisecond
        world.queue.add(.client(client), at: world.now + gap / 2 + world.workload.next() % max(gap, 1))
    }

    private func look(_ world: World) {
        nextHost += 1
        link = world.connectClient(client, to: world.hosts[nextHost % world.hosts.count])
        guard link != nil else { return }
        state = .greeting
        since = world.now
    }

    private func gather(_ world: World) {
        var builder = BatchBuilder()
        let first = sequence + 1
        for _ in 0...world.workload.below(3) {
            sequence += 1
            let index = world.workload.below(ids.count)
            var payload: [UInt8] = []
            payload.append(int: UInt32(client))
            payload.append(int: UInt32(index))
            payload.append(int: sequence)
            payload.append(contentsOf: repeatElement(UInt8(truncatingIfNeeded: sequence), count: world.workload.below(world.temper.recordBytes)))
            payload.withView { builder.append(topic: ids[index], time: Int64(world.now), payload: $0) }
        }
        let bytes = builder.finish(publisher: publisher, epoch: epoch, sequence: first, group: .durable)
        batches.append(Batch(bytes: bytes, last: sequence))
    }

    private func pump(_ world: World) {
        guard state == .open, let link else { return }
        while sent < batches.count {
            world.toNode(link, .publish, batches[sent].bytes)
            sent += 1
        }
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
        sent = 0
    }

    private func settle(upTo last: UInt64) {
        while let first = batches.first, first.last <= last {
            settled = settled.suffix(3) + [batches.removeFirst()]
            sent = max(0, sent - 1)
        }
    }

    func take(_ kind: MessageKind, _ view: ByteView, _ link: ClientLink, _ world: World) throws(DecodeError) {
        switch kind {
        case .cluster:
            let info = try ClusterInfo(view)
            guard state == .greeting else { return }
            guard info.view > ViewNumber(0) else { return leave(world) }
            state = .declaring
            request += 1
            world.toNode(link, .declare, DeclareRequest(request: request, names: topics).encode())
        case .declared:
            let answer = try DeclareAnswer(view)
            guard state == .declaring, answer.request == request else { return }
            ids = []
            for (name, line) in zip(topics, answer.lines) {
                guard case .topic(let group, let id, _) = line, group == .durable else { return world.checker.fail("\(name) was refused: \(line)") }
                world.checker.declared(name, id.raw)
                ids.append(id)
            }
            state = .opening
            request += 1
            world.toNode(link, .open, OpenRequest(request: request, publisher: publisher, group: .durable).encode())
        case .opened:
            let answer = try OpenAnswer(view)
            guard state == .opening, answer.request == request else { return }
            guard answer.last <= sequence else { return world.checker.fail("publisher \(client) is told of \(answer.last) records; it made \(sequence)") }
            world.checker.acknowledged(UInt32(client), upTo: answer.last)
            epoch = answer.epoch
            state = .open
            sent = 0
            settle(upTo: answer.last)
            if let first = batches.first, let begin = first.bytes.withView({ try? BatchHeader($0) }), begin.sequence != answer.last + 1 {
                return world.checker.fail("publisher \(client) has records from \(begin.sequence) on, and is told of \(answer.last)")
            }
            if world.workload.chance(20), !settled.isEmpty {
                batches = settled + batches
                settled = []
            }
            for index in batches.indices {
                batches[index].bytes.store(epoch, at: 24)
                batches[index].bytes.store(batches[index].bytes.withView { $0.from(BatchHeader.crcStart).crc32c() }, at: 4)
            }
            pump(world)
        case .acknowledge:
            let answer = try Acknowledgement(view)
            if state == .open, answer.epoch == epoch { settle(upTo: answer.last) }
        case .refused:
            let refusal = try Refusal(view)
            world.say("publisher \(client) is refused: \(refusal.code) \(refusal.reason)")
            switch refusal.code {
            case .unavailable: leave(world)
            case .gap:
                world.checker.fail("publisher \(client) has left nothing out and is refused: \(refusal.reason)")
            case .fenced:
                world.counts.fenced += 1
                leave(world)
            default: world.checker.fail("publisher \(client) is refused: \(refusal.code), \(refusal.reason)")
            }
        default: world.checker.fail("publisher \(client) got \(kind)")
        }
    }
}
