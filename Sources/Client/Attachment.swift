internal import Glibc
internal import Transport
internal import Wire

/// What a client of one kind does with its attachment's news.
protocol AttachmentUser: AnyObject {
    /// A broker in a running view has been reached: ask for what is wanted, again after each failover.
    func attached()
    /// The broker is lost; another is being looked for.
    func detached()
    /// A message. False: it stays in the ring, and is passed again.
    func received(_ kind: MessageKind, _ body: ByteView) throws(ClientError) -> Bool
    /// Any node will do, in a running view or not.
    var takesAnyNode: Bool { get }
}

/// A client's link to one broker of the cluster at a time: finds one, follows the cluster's members, and goes to another
/// when it is lost.
///
///      looking ─ connect ─▶ greeting ─ cluster says: in a running view ─▶ attached ─ lost ─▶ looking
///         ▲──── unreachable, refused, not in a view: the next address ────┘
final class Attachment {
    private enum State {
        case looking
        case greeting(LinkID)
        case attached(LinkID)
    }
    private let options: ClientOptions
    let transport: Transport
    private var state = State.looking
    private var addresses: [BrokerAddress]
    private var next = 0
    private var current: BrokerAddress?
    private var tried: [(BrokerAddress, String)] = []
    private var givesUpAt: UInt64
    private var nextAttempt: UInt64 = 0
    private var events: [TransportEvent] = []
    private var wakeup: Int32 = -1
    private(set) var cluster: ClusterInfo?
    private(set) var losses = 0
    private var refusals = 0
    private var held: (kind: MessageKind, body: ByteView)?

    /// Pause between two attempts, and how long a broker may take to say what it is, nanoseconds.
    private static let pause: UInt64 = 50_000_000
    private static let greeting: UInt64 = 3_000_000_000

    init(_ options: ClientOptions, name: String) throws(ClientError) {
        guard !options.brokers.isEmpty else { throw .failed("no broker is named") }
        self.options = options
        addresses = options.brokers
        var random = SystemRandomNumberGenerator()
        var settings = TransportOptions(
            cluster: "", secret: options.secret, identity: .client(random.next(), name: String(name.prefix(60))))
        settings.provider = options.provider
        settings.sharesMemory = options.sharesMemory
        settings.maximumLinks = 8
        do throws(TransportError) { transport = try Transport(settings) } catch { throw .failed("\(error)") }
        givesUpAt = Attachment.now() + UInt64(options.patience * 1e9)
    }

    static func now() -> UInt64 {
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    var isAttached: Bool { if case .attached = state { true } else { false } }
    /// Bytes of the largest message that can be sent now.
    var space: Int { if case .attached(let link) = state { transport.space(link) } else { 0 } }
    var largestMessage: Int { if case .attached(let link) = state { transport.largestMessage(link) } else { 0 } }

    func send(_ kind: MessageKind, _ bytes: [UInt8]) -> Bool {
        guard case .attached(let link) = state else { return false }
        return bytes.withView { transport.send(link, kind: kind.rawValue, $0) }
    }
    /// The same; a long message goes out from where it lies, and `bytes` is kept until then.
    func send(_ kind: MessageKind, lending bytes: [UInt8]) -> Bool {
        guard case .attached(let link) = state else { return false }
        guard transport.borrows(link, bytes.count) else { return send(kind, bytes) }
        let held = HeldArray(bytes)
        return transport.send(link, kind: kind.rawValue, .empty, lending: held.view, owner: held)
    }
    func flush() { transport.flush() }

    /// One turn: takes in what there is, then waits until something happens or `until`. Returns whether `file` can be read.
    func turn(until: UInt64, reading file: Int32, _ user: some AttachmentUser) throws(ClientError) -> Bool {
        try watch(file)
        // Who has been told something looks at it before it waits for more.
        let isNew = try take(user)
        let now = Attachment.now()
        try look(now, user)
        transport.flush()
        guard held == nil else { return false }
        events.removeAll(keepingCapacity: true)
        var limit = isNew ? now : until
        if case .looking = state { limit = min(limit, max(nextAttempt, now + 1_000_000)) }
        if case .greeting = state { limit = min(limit, now + Attachment.pause) }
        transport.sleep(until: max(limit, now), mode: .adaptive, into: &events)
        let isReadable = events.contains { if case .wakeup = $0 { true } else { false } }
        _ = try take(user)
        return isReadable
    }

    /// Takes in what has come, without waiting. Returns whether there were messages.
    private func take(_ user: some AttachmentUser) throws(ClientError) -> Bool {
        transport.poll(now: Attachment.now(), into: &events)
        let batch = events
        events.removeAll(keepingCapacity: true)
        var isNew = try messages(user)
        for event in batch {
            switch event {
            case .up(let link, _): if case .greeting(link) = state { nextAttempt = Attachment.now() + Attachment.greeting }
            case .down(let link, let reason):
                try judge(reason)
                lost(link, "\(reason)", user)
            case .message: if try messages(user) { isNew = true }
            case .row, .space, .wakeup, .refused: continue
            }
        }
        transport.flush()
        return isNew
    }

    /// Hands over all messages; returns whether there were any.
    private func messages(_ user: some AttachmentUser) throws(ClientError) -> Bool {
        var isNew = false
        while true {
            let link: LinkID
            switch state {
            case .looking: return isNew
            case .greeting(let one), .attached(let one): link = one
            }
            if held == nil {
                guard let (raw, body) = transport.receive(link) else { return isNew }
                isNew = true
                guard let kind = MessageKind(rawValue: raw) else { throw .failed("the broker sent a message of unknown kind \(raw)") }
                held = (kind, body)
            }
            guard let (kind, body) = held else { return isNew }
            if kind == .cluster {
                try learn(body, link, user)
            } else if try !user.received(kind, body) {
                return isNew
            }
            held = nil
            transport.release(link)
        }
    }

    /// The first word of a broker, and its word of each change: who is there, and whether it can serve.
    private func learn(_ body: ByteView, _ link: LinkID, _ user: some AttachmentUser) throws(ClientError) {
        let info: ClusterInfo
        do throws(DecodeError) { info = try ClusterInfo(body) } catch { throw .failed("the broker's cluster message: \(error)") }
        cluster = info
        for node in info.nodes {
            guard let split = node.address.lastIndex(of: ":"), let port = UInt16(node.address[node.address.index(after: split)...]) else { continue }
            var host = String(node.address[..<split])
            if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
            let address = BrokerAddress(host: host, port: port)
            if !addresses.contains(address) { addresses.append(address) }
        }
        guard case .greeting = state else { return }
        guard info.view > ViewNumber(0) || user.takesAnyNode else { return leave("it is not serving" + (info.waiting.isEmpty ? "" : ": \(info.waiting)"), user) }
        state = .attached(link)
        tried = []
        givesUpAt = .max
        user.attached()
    }

    /// Leaves this broker for another.
    func leave(_ why: String, _ user: some AttachmentUser) {
        switch state {
        case .looking: return
        case .greeting(let link), .attached(let link):
            transport.close(link)
            lost(link, why, user)
        }
    }

    private func lost(_ link: LinkID, _ why: String, _ user: some AttachmentUser) {
        switch state {
        case .attached(link):
            losses += 1
            givesUpAt = Attachment.now() + UInt64(options.patience * 1e9)
            state = .looking
            held = nil
            note(why)
            nextAttempt = 0
            user.detached()
        case .greeting(link):
            state = .looking
            held = nil
            note(why)
            // After a round without luck, a pause.
            nextAttempt = next % addresses.count == 0 ? Attachment.now() + Attachment.pause : 0
        default: return
        }
    }

    /// What every broker refuses is not mended by trying again.
    private func judge(_ reason: DownReason) throws(ClientError) {
        guard case .greeting = state, case .refused(let why) = reason else {
            refusals = 0
            return
        }
        refusals += 1
        if refusals >= addresses.count, let current { throw .refused("\(current): \(why)") }
    }

    private func note(_ why: String) {
        guard let current else { return }
        tried.removeAll { $0.0 == current }
        tried.append((current, why))
    }

    private func look(_ now: UInt64, _ user: some AttachmentUser) throws(ClientError) {
        if case .greeting(let link) = state, now > nextAttempt {
            transport.close(link)
            lost(link, "no answer", user)
        }
        guard case .looking = state else { return }
        guard now < givesUpAt else { throw .unreachable(tried) }
        guard now >= nextAttempt else { return }
        let address = addresses[next % addresses.count]
        next += 1
        current = address
        do throws(TransportError) {
            state = .greeting(try transport.connect(host: address.host, port: address.port))
            nextAttempt = now + Attachment.greeting
        } catch {
            note("\(error)")
            nextAttempt = now + Attachment.pause
        }
    }

    private func watch(_ file: Int32) throws(ClientError) {
        guard file != wakeup else { return }
        if wakeup >= 0 { transport.removeWakeup(wakeup) }
        wakeup = -1
        guard file >= 0 else { return }
        do throws(TransportError) { try transport.addWakeup(file) } catch { throw .failed("waiting for input: \(error)") }
        wakeup = file
    }

    func close() {
        switch state {
        case .looking: return
        case .greeting(let link), .attached(let link): transport.close(link)
        }
        state = .looking
        transport.flush()
        transport.poll(now: Attachment.now(), into: &events)
    }
}
