internal import Wire

/// A publisher, small: declares, opens, sends numbered batches, keeps what is not acknowledged, fails over and sends it again.
///
///      idle ─ begin ─▶ declaring ─ declared ─▶ opening ─ opened ─▶ open ─ lost, refused ─▶ idle
final class PublisherModel: ClientModel {
    private enum State { case idle, declaring, opening, open }
    private struct Batch {
        var bytes: [UInt8]
        let last: UInt64
    }
    private let topics: [String]
    private var ids: [TopicID] = []
    private var state = State.idle
    private var epoch: UInt32 = 0
    private var sequence: UInt64 = 0
    private var batches: [Batch] = []
    /// The last that were acknowledged: what a publisher that begins again with its input sends once more.
    private var settled: [Batch] = []
    private var sent = 0
    private var request: UInt32 = 0
    /// Of a hundred records so many are for the last topic, which takes none of them.
    private let slips: Int
    /// A record was refused: when what came before it is acknowledged, it begins anew with another in its place.
    private var isMending = false
    private static let window = 16

    init(client: Int, topics: [String], slips: Int) {
        (self.topics, self.slips) = (topics, slips)
        super.init(client: client, kind: "publisher")
    }
    var isSettled: Bool { batches.isEmpty }
    var description: String { "\(state), \(batches.count) batches to \(sequence), \(sent) sent" }
    private var publisher: PublisherID { PublisherID(UInt64(client) + 1000) }

    override func work(_ world: World) {
        guard state == .open else { return leave(world, after: 2 * Span.second) }
        if !world.isHealing, !isMending, batches.count < Self.window { gather(world) }
        pump(world)
    }
    override func pause(_ world: World) -> UInt64 {
        // Whose disk hangs is found out by any record.
        let least = world.isMended ? 40 * Span.millisecond : 0
        let gap = state == .open ? max(world.temper.publishGap, least) : 20 * Span.millisecond
        return gap / 2 + world.workload.next() % max(gap, 1)
    }

    private func gather(_ world: World) {
        var builder = BatchBuilder()
        let first = sequence + 1
        for _ in 0...world.workload.below(3) {
            sequence += 1
            var index = world.workload.below(slips > 0 ? ids.count - 1 : ids.count)
            if slips > 0, world.workload.chance(slips) { index = ids.count - 1 }
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

    override func lost(_ world: World) { (state, sent, isMending) = (.idle, 0, false) }

    private func settle(upTo last: UInt64) {
        while let first = batches.first, first.last <= last {
            settled = settled.suffix(3) + [batches.removeFirst()]
            sent = max(0, sent - 1)
        }
    }

    override func begin(_ link: ClientLink, _ world: World) {
        state = .declaring
        request += 1
        world.toNode(link, .declare, DeclareRequest(request: request, names: topics).encode())
    }

    override func take(_ message: MessageKind, _ view: ByteView, _ link: ClientLink, _ world: World) throws(DecodeError) {
        switch message {
        case .declared:
            let answer = try DeclareAnswer(view)
            guard state == .declaring, answer.request == request, let numbers = numbers(of: topics, answer, .durable, world) else { return }
            ids = numbers
            open(link, world)
        case .opened:
            let answer = try OpenAnswer(view)
            guard state == .opening, answer.request == request else { return }
            guard answer.last <= sequence else { return fail("is told of \(answer.last) records; it made \(sequence)", world) }
            world.checker.acknowledged(UInt32(client), upTo: answer.last)
            epoch = answer.epoch
            (state, isMending) = (.open, false)
            sent = 0
            settle(upTo: answer.last)
            if let first = batches.first, let begin = first.bytes.withView({ try? BatchHeader($0) }), begin.sequence != answer.last + 1 {
                return fail("has records from \(begin.sequence) on, and is told of \(answer.last)", world)
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
            guard state == .open, answer.epoch == epoch else { return }
            settle(upTo: answer.last)
            if isMending, batches.isEmpty { open(link, world) }
        default: try super.take(message, view, link, world)
        }
    }
    private func open(_ link: ClientLink, _ world: World) {
        state = .opening
        request += 1
        world.toNode(link, .open, OpenRequest(request: request, publisher: publisher, group: .durable).encode())
    }

    override func refused(_ refusal: Refusal, _ world: World) {
        switch refusal.code {
        case .fenced:
            world.counts.fenced += 1
            leave(world)
        case .tooLarge where slips > 0: mend(from: refusal.sequence, world)
        // What was under way behind a record that was refused. Any other gap is none of its making.
        case .gap where isMending && refusal.sequence > sequence: break
        default: super.refused(refusal, world)
        }
    }

    /// The record and all behind it are given up; what came before it in its batch goes again.
    private func mend(from bad: UInt64, _ world: World) {
        world.counts.slips += 1
        while let batch = batches.last, batch.last >= bad {
            batches.removeLast()
            guard let first = batch.bytes.withView({ try? BatchHeader($0) })?.sequence, first < bad else { continue }
            var shorter = BatchBuilder()
            batch.bytes.withView { bytes in
                var cursor = RecordCursor(bytes.from(BatchHeader.size))
                while shorter.count < Int(bad - first), let record = cursor.next() { shorter.append(record.whole) }
            }
            sent = min(sent, batches.count)
            batches.append(Batch(bytes: shorter.finish(publisher: publisher, epoch: epoch, sequence: first, group: .durable), last: bad - 1))
        }
        sent = min(sent, batches.count)
        (sequence, isMending) = (bad - 1, true)
        pump(world)
        if batches.isEmpty, let link { open(link, world) }
    }
}
