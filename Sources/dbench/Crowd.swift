import ArgumentParser
import Client
import Glibc
import Tooling
import Transport
import Wire

/// Many subscribers of the same records, each with a link of its own, as if each were a process on another machine.
struct Crowd: ParsableCommand, Tool {
    static let configuration = CommandConfiguration(
        abstract: "Receive the same records many times over, in sessions of their own, and check that each gets every number once and in order.",
        discussion: "Sessions go to the brokers in turn, over the fabric. Writes \"ready\" to standard error when all stand. A session that is lost is not replaced.")
    @OptionGroup var load: LoadFlags
    @Option(help: "Sessions.") var sessions = 1000
    @Option(help: "Give up after so many seconds without a record.") var idle = 30.0

    func perform() throws(ToolFailure) -> ExitStatus {
        guard 1...Audience.most ~= sessions, load.records > 0 else {
            throw .usage("--sessions is 1 to \(Audience.most), --records at least 1")
        }
        let options = try load.connection.resolve()
        do throws(TransportError) {
            let audience = try Audience(options, pattern: load.pattern, sessions: sessions)
            try audience.gather()
            _ = Descriptor.writeLine("ready", to: 2)
            let before = processorSeconds()
            let start = try audience.listen(until: sessions * load.records, idle: UInt64(idle * 1e9))
            let end = monotonic()
            let seconds = Double(end - start) / 1e9
            let (p50, p99, p999) = audience.latencies.percentiles()
            let all = audience.members.reduce(0) { $0 + $1.received }
            let whole = audience.members.count { $0.received == load.records && $0.isInOrder }
            _ = Descriptor.writeLine(
                "{\"sessions\":\(sessions),\"records\":\(all),\"whole\":\(whole),\"seconds\":\(seconds),\"records_per_second\":\(Double(all) / seconds),"
                    + "\"p50_us\":\(p50),\"p99_us\":\(p99),\"p999_us\":\(p999),\"cpu_seconds\":\(processorSeconds() - before)}", to: 1)
            return whole == sessions ? .done : .failed
        } catch {
            throw ToolFailure(status: ExitStatus.failed.rawValue, "\(error)")
        }
    }
}

/// The sessions, on one transport.
private final class Audience {
    struct Member {
        var isUp = false
        var isSubscribed = false
        /// What it was told to ask for has been accepted.
        var stands = false
        var received = 0
        var isInOrder = true
    }
    static let most = 16_384
    /// Connections whose hello has not ended, at each broker: a broker turns further ones away.
    private static let opening = 8

    private let transport: Transport
    private let brokers: [BrokerAddress]
    private let request: [UInt8]
    private(set) var members: [Member]
    private(set) var latencies = Latencies()
    private var events: [TransportEvent] = []
    private var (begun, connecting, standing, total) = (0, 0, 0, 0)
    /// Connections that came to nothing: the brokers had too many that were half open, of another such program.
    private var turnedAway = 0
    private var began: UInt64 = 0
    private var fault: TransportError?

    init(_ options: ClientOptions, pattern: String, sessions: Int) throws(TransportError) {
        var random = SystemRandomNumberGenerator()
        var settings = TransportOptions(cluster: "", secret: options.secret, identity: .client(random.next(), name: "crowd"))
        settings.provider = options.provider
        settings.sharesMemory = false
        settings.maximumLinks = sessions
        settings.messageRing = Limits.smallestRing
        transport = try Transport(settings)
        brokers = options.brokers
        members = Array(repeating: Member(), count: sessions)
        request = SubscribeRequest(request: 1, start: .end, patterns: [pattern], exclusions: [], resume: []).encode()
    }

    /// Connects all and waits until each subscription stands.
    func gather() throws(TransportError) {
        while standing < members.count {
            while begun < members.count, connecting < Self.opening * brokers.count {
                let broker = brokers[(begun + turnedAway) % brokers.count]
                _ = try transport.connect(host: broker.host, port: broker.port)
                (begun, connecting) = (begun + 1, connecting + 1)
            }
            try turn()
        }
    }

    /// Receives until there have been `count` records in all; when the first came, CLOCK_MONOTONIC.
    func listen(until count: Int, idle: UInt64) throws(TransportError) -> UInt64 {
        var (last, before) = (monotonic(), 0)
        while total < count {
            try turn()
            let now = monotonic()
            if total > before { (last, before) = (now, total) }
            if now - last > idle { break }
        }
        return began
    }

    private func turn() throws(TransportError) {
        transport.sleep(until: monotonic() + 100_000_000, mode: .adaptive, into: &events)
        transport.poll(now: monotonic(), into: &events)
        for event in events {
            switch event {
            case .up(let link, _):
                connecting -= 1
                members[link.index].isUp = true
            case .down(let link, let why):
                guard !members[link.index].isUp, turnedAway < 10 * members.count else {
                    fault = .failed(call: "session \(link.index)", why: "\(why)")
                    continue
                }
                (turnedAway, connecting, begun) = (turnedAway + 1, connecting - 1, begun - 1)
            case .message(let link): messages(link)
            case .row, .space, .wakeup, .refused: continue
            }
        }
        events.removeAll(keepingCapacity: true)
        transport.flush()
        if let fault { throw fault }
    }

    private func messages(_ link: LinkID) {
        let now = monotonic()
        while let (kind, body) = transport.receive(link) {
            do throws(DecodeError) { try take(MessageKind(rawValue: kind), body, link, now) } catch {
                fault = .failed(call: "session \(link.index)", why: "\(error)")
            }
            transport.release(link)
        }
    }

    private func take(_ kind: MessageKind?, _ body: ByteView, _ link: LinkID, _ now: UInt64) throws(DecodeError) {
        switch kind {
        case .cluster:
            guard !members[link.index].isSubscribed, try ClusterInfo(body).view > ViewNumber(0) else { return }
            members[link.index].isSubscribed = request.withView { transport.send(link, kind: MessageKind.subscribe.rawValue, $0) }
        case .subscribed:
            if !members[link.index].stands { standing += 1 }
            members[link.index].stands = true
        case .refused: fault = .failed(call: "subscribe", why: try Refusal(body).reason)
        case .entry:
            var batches = BatchCursor(body.from(EntryHeader.size))
            while let (batch, whole) = try batches.next(verify: false) {
                guard batch.kind == .records else { continue }
                try checkRecords(whole.from(BatchHeader.size), count: batch.count)
                var records = RecordCursor(whole.from(BatchHeader.size))
                while let record = records.next() { hear(record.payload, link, now) }
            }
        case .records:
            let header = try PickedHeader(body)
            var at = PickedHeader.size
            for _ in 0..<header.count {
                guard body.count - at >= 8 else { throw .short(what: "picked record", needed: 8, got: body.count - at) }
                let length = try RecordHeader.ofWhole(body.from(at + 8), "picked record").length
                hear(RecordView(body.from(at + 8)).payload, link, now)
                at += 8 + length
            }
        default: break
        }
    }

    private func hear(_ payload: ByteView, _ link: LinkID, _ now: UInt64) {
        guard payload.count >= 16 else { return }
        let number = members[link.index].received
        if payload.u64(0) != UInt64(number) { members[link.index].isInOrder = false }
        members[link.index].received = number + 1
        if total == 0 { began = now }
        if total & 1023 == 0 { latencies.add(nanoseconds: now - min(now, payload.u64(8))) }
        total += 1
    }
}
