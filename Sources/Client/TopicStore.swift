internal import Glibc
internal import Wire

/// A version of a topic: its value, or that it was removed.
public struct StoreValue: Sendable {
    public let topic: String
    /// The record's offset in its group: what a conditional put names.
    public let version: UInt64
    /// When it was ordered, nanoseconds since 1970 (hybrid clock).
    public let ordered: UInt64
    /// The node that ordered it.
    public let node: UInt16
    public let group: UInt16
    public let isRemoved: Bool
    /// The record, as it lies in the log.
    private let bytes: OwnedBytes

    init(topic: String, version: VersionHeader, record: RecordView, group: GroupID, bytes: OwnedBytes) {
        self.topic = topic
        self.version = version.offset.raw
        ordered = version.timestamp.raw
        node = version.sender.raw
        self.group = group.raw
        isRemoved = record.header.flags & RecordHeader.tombstone != 0
        self.bytes = bytes
    }
    /// The publisher's time, nanoseconds since 1970.
    public var time: Int64 { RecordView(bytes.view).header.time }
    public var payload: [UInt8] { RecordView(bytes.view).payload.array }
    public var key: [UInt8] { RecordView(bytes.view).key.array }
    /// As a subscriber would see it.
    package func show(_ body: (borrowing ReceivedRecord) -> Bool) -> Bool {
        body(ReceivedRecord(topic: topic, view: RecordView(bytes.view), offset: version, ordered: ordered, node: node, group: group))
    }
}

/// What a put waits for.
public enum PutCondition: Equatable, Sendable {
    case always
    /// The topic's last version is this one.
    case version(UInt64)
    /// The topic has no value.
    case absent
}

/// What became of a put.
public enum PutOutcome: Equatable, Sendable {
    /// `ordered`: nanoseconds since 1970.
    case done(version: UInt64, ordered: UInt64)
    /// The condition does not hold; the topic's last version, if it ever had one.
    case conflict(UInt64?)
}

/// The topics as a versioned store: one question at a time, answered by any node; fails over by itself, a put then counts once.
/// One thread; every call blocks until it is answered.
public final class TopicStore {
    private enum Task {
        case read(ReadTask)
        case put(PutTask)
    }
    private let attachment: Attachment
    private let patience: Double
    private var task: Task?
    private var fault: ClientError?
    private let publisher: PublisherID
    private var request: UInt32 = 0
    /// Per group: the last number used, and this link's epoch.
    private var sequences: [UInt64] = Array(repeating: 0, count: GroupID.count)
    private var epochs: [UInt32?] = Array(repeating: nil, count: GroupID.count)
    private var topics: [String: (GroupID, TopicID)] = [:]

    public init(_ options: ClientOptions) throws(ClientError) {
        attachment = try Attachment(options, name: "store")
        patience = options.patience
        var random = SystemRandomNumberGenerator()
        publisher = PublisherID(random.next())
    }
    public func close() { attachment.close() }

    // MARK: reading

    /// The topic's value, now or at `time` (nanoseconds since 1970); a remove where that is its last version, nil where it has none.
    public func get(_ topic: String, asOf time: UInt64? = nil) throws(ClientError) -> StoreValue? {
        var found: StoreValue?
        _ = try list([topic], asOf: time, showsRemoved: true) { if $0.topic == topic { found = $0 } }
        return found
    }

    /// Calls `body` with the value of each topic that some pattern matches, of each group one consistent cut; topics in the order of
    /// their declaration. As of a time only durable topics have values. Returns each group's cut: the offset that a subscription goes
    /// on from.
    public func list(
        _ patterns: [String], excluding excluded: [String] = [], asOf time: UInt64? = nil, showsRemoved: Bool = false,
        _ body: @escaping (StoreValue) -> Void
    ) throws(ClientError) -> [(group: UInt16, cut: UInt64)] {
        task = .read(ReadTask(patterns: patterns, exclusions: excluded, time: time, showsRemoved: showsRemoved, body: body))
        try finish()
        guard case .read(let done)? = task else { return [] }
        task = nil
        return done.cuts.map { ($0.group.raw, $0.offset.raw) }
    }

    // MARK: writing

    /// Gives the topic a value, once it is as `condition` says. The call returns when the topic's level is reached; it counts once,
    /// whatever happens to brokers meanwhile.
    public func put(_ topic: String, _ payload: [UInt8], if condition: PutCondition = .always, time: Int64) throws(ClientError) -> PutOutcome {
        try change(PutTask(topic: topic, payload: payload, isRemove: false, condition: condition, time: time))
    }
    /// Takes the topic's value away; its history stays. A version like any other: subscribers see an empty record.
    public func remove(_ topic: String, if condition: PutCondition = .always, time: Int64) throws(ClientError) -> PutOutcome {
        try change(PutTask(topic: topic, payload: [], isRemove: true, condition: condition, time: time))
    }
    private func change(_ put: PutTask) throws(ClientError) -> PutOutcome {
        guard RecordHeader.length(key: 0, headers: VersionCondition.size, payload: put.payload.count) <= Limits.record else {
            throw .tooLarge("a value of \(put.payload.count) bytes; the limit is \(Limits.record) with its header")
        }
        task = .put(put)
        try finish()
        guard case .put(let done)? = task, let outcome = done.outcome else { throw .failed("the put has no outcome") }
        task = nil
        return outcome
    }

    private var isDone: Bool {
        switch task {
        case .read(let read): read.isDone
        case .put(let put): put.outcome != nil
        case nil: true
        }
    }
    private func finish() throws(ClientError) {
        let limit = Attachment.now() + UInt64((patience + 5) * 1e9)
        step()
        while !isDone {
            if let fault {
                self.fault = nil
                task = nil
                throw fault
            }
            guard Attachment.now() < limit else { throw .failed("the cluster does not answer") }
            _ = try attachment.turn(until: Attachment.now() + 50_000_000, reading: -1, self)
            step()
        }
    }

    /// Sends what comes next, where nothing is under way.
    private func step() {
        guard attachment.isAttached, !isDone else { return }
        switch task {
        case .read(var read):
            guard !read.isAsked else { return }
            request &+= 1
            read.isAsked = attachment.send(.storeRead, read.question(request).encode())
            task = .read(read)
        case .put(var put):
            guard !put.isAsked else { return }
            request &+= 1
            put.isAsked = ask(put)
            task = .put(put)
        case nil: return
        }
    }

    /// The next of a put's three questions: the topic's id, the publisher's epoch, the put.
    private func ask(_ put: PutTask) -> Bool {
        guard let (group, topic) = topics[put.topic] else {
            return attachment.send(.declare, DeclareRequest(request: request, names: [put.topic]).encode())
        }
        guard let epoch = epochs[group.index] else {
            return attachment.send(.open, OpenRequest(request: request, publisher: publisher, group: group).encode())
        }
        var bytes = StorePut.head(request: request)
        bytes += put.batch(topic, publisher, epoch: epoch, sequence: sequences[group.index] + 1, group: group)
        return attachment.send(.storePut, bytes)
    }
}

extension TopicStore: AttachmentUser {
    var takesAnyNode: Bool { false }

    func attached() {
        topics = [:]
        epochs = Array(repeating: nil, count: GroupID.count)
        forget()
        step()
    }
    func detached() { forget() }
    /// Whatever was asked is asked again.
    private func forget() {
        switch task {
        case .read(var read):
            read.isAsked = false
            task = .read(read)
        case .put(var put):
            put.isAsked = false
            task = .put(put)
        case nil: return
        }
    }

    func received(_ kind: MessageKind, _ body: ByteView) throws(ClientError) -> Bool {
        do throws(DecodeError) {
            switch kind {
            case .storePage:
                let page = try StorePage(body)
                guard case .read(var read) = task, page.request == request else { return true }
                read.take(page)
                task = .read(read)
            case .declared: declared(try DeclareAnswer(body))
            case .opened:
                let answer = try OpenAnswer(body)
                guard answer.request == request, answer.group.index < epochs.count else { return true }
                epochs[answer.group.index] = answer.epoch
                forget()
            case .storeDone: done(try StoreDone(body))
            case .refused: refused(try Refusal(body))
            default: break
            }
        } catch { throw .failed("the broker's answer cannot be understood: \(error)") }
        step()
        return true
    }

    private func declared(_ answer: DeclareAnswer) {
        guard case .put(let put) = task, answer.request == request, answer.lines.count == 1 else { return }
        switch answer.lines[0] {
        case .refused(let why): fault = .refused(why)
        case .topic(.unordered, _, _): fault = .refused("topic \"\(put.topic)\" is unordered here: it keeps no value")
        case .topic(let group, let topic, _):
            topics[put.topic] = (group, topic)
            forget()
        }
    }

    private func done(_ answer: StoreDone) {
        guard case .put(var put) = task, answer.request == request, answer.group.index < sequences.count else { return }
        switch answer.outcome {
        case .done:
            sequences[answer.group.index] += 1
            put.outcome = .done(version: answer.offset.raw, ordered: answer.timestamp.raw)
        case .conflict: put.outcome = .conflict(answer.offset == StoreDone.none ? nil : answer.offset.raw)
        }
        task = .put(put)
    }

    private func refused(_ refusal: Refusal) {
        guard refusal.request == request || refusal.code == .unavailable else { return }
        switch refusal.code {
        case .unavailable, .gap: attachment.leave(refusal.reason, self)
        case .fenced:
            // An opening of this same run's that was under way through a lost broker came later: open once more.
            epochs = Array(repeating: nil, count: GroupID.count)
            forget()
        case .tooLarge: fault = .tooLarge(refusal.reason)
        case .unfit: fault = .unfit(refusal.reason)
        case .malformed: fault = .invalid(refusal.reason)
        case .notAllowed, .conflict, .tooFast: fault = .refused(refusal.reason)
        }
    }
}
