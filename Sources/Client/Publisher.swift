internal import Transport
package import Wire

/// Publishes records; learns the cluster from any broker, fails over and resumes without loss or duplicate.
/// One thread; `wait` makes progress.
///
///      publish ─▶ staged (topic or epoch not known yet) ─▶ batch ─▶ sent ─▶ acknowledged
public final class Publisher {
    private enum Knowledge {
        case unasked
        case asked
        case known(GroupID, TopicID)
    }
    private struct Topic {
        let name: String
        var knowledge: Knowledge
    }
    private struct Staged {
        let topic: Int
        let flags: UInt32
        let time: Int64
        let key: [UInt8]
        let headers: [UInt8]
        let payload: [UInt8]
        var size: Int { 64 + key.count + headers.count + payload.count }
    }

    public private(set) var statistics: PublisherStatistics {
        get { flow.statistics }
        _modify { yield &flow.statistics }
    }
    private let cell: Cell<Flow>
    private var flow: Flow {
        _read { yield cell.value }
        _modify { yield &cell.value }
    }
    private let attachment: Attachment
    private let publisher: PublisherID
    private let isNamed: Bool
    private let minimumLevel: Int
    private let linger: UInt64
    private var topics: [Topic] = []
    private var handles: [String: Int32] = [:]
    private var unasked: [Int] = []
    private var asked: [UInt32: [Int]] = [:]
    private var nextRequest: UInt32 = 1
    private var groups: [Outbound] {
        get { flow.groups }
        _modify { yield &flow.groups }
    }
    private var staged: [Staged] = []
    private var stagedHead = 0
    private var stagedBytes = 0
    private var fault: ClientError?
    /// Only a record, and what came behind it in its group, are given up; what came before is published still.
    private var isPartial = false
    private var isTold = false
    private var lowestLevel = Level.signed
    private var progress = false
    private var forgivenFences = 0

    /// Bytes of unacknowledged batches per publisher; beyond it `publish` returns false.
    private static let window = 4 << 20
    /// Bytes of records that wait for their topic's id.
    private static let stagingLimit = 1 << 20

    /// - identity: a name for exactly-once across restarts; nil draws one for this run.
    /// - batchBytes: a batch is sent when it has grown to this; linger: or when it is this old, seconds; or at once while nothing is
    ///   under way.
    /// - minimumLevel: refuse topics of a lower level (0…3).
    public init(_ options: ClientOptions, identity: String?, batchBytes: Int, linger: Double, minimumLevel: Int?) throws(ClientError) {
        attachment = try Attachment(options, name: identity ?? "")
        if let identity {
            var hash: UInt64 = 0x5175_616C_6C00
            for byte in identity.utf8 { hash = mix(hash ^ UInt64(byte)) }
            publisher = PublisherID(hash)
            isNamed = true
        } else {
            var random = SystemRandomNumberGenerator()
            publisher = PublisherID(random.next())
            isNamed = false
        }
        self.minimumLevel = minimumLevel ?? 0
        self.linger = UInt64(max(linger, 0) * 1e9)
        let size = min(max(batchBytes, 256), 1 << 20)
        cell = Cell(Flow(batchBytes: size))
    }

    /// Blocks until a broker in a running view has been reached.
    public func connect() throws(ClientError) {
        while !attachment.isAttached { _ = try attachment.turn(until: Attachment.now() + 50_000_000, reading: -1, self) }
    }

    /// A handle for `name`; asked of the cluster in the background, together with other new names.
    public func topic(_ name: String) throws(ClientError) -> TopicHandle {
        if let handle = handles[name] { return TopicHandle(index: handle) }
        let index = topics.count
        topics.append(Topic(name: name, knowledge: .unasked))
        flow.addTopic()
        handles[name] = Int32(index)
        unasked.append(index)
        return TopicHandle(index: Int32(index))
    }

    /// Whether the cluster has told the ids of all these topics.
    package func knows(_ topics: [TopicHandle]) -> Bool {
        topics.allSatisfy { if case .known = self.topics[Int($0.index)].knowledge { true } else { false } }
    }

    /// Takes a copy of one record. False: the window is full, nothing was taken; `wait` and call again.
    package func publish(
        _ topic: TopicHandle, key: ByteView, headers: ByteView, time: Int64, payload: ByteView, retain: Bool
    ) throws(ClientError) -> Bool {
        let index = Int(topic.index)
        guard key.count <= Limits.key, headers.count <= Limits.headers,
            RecordHeader.length(key: key.count, headers: headers.count, payload: payload.count) <= Limits.record
        else {
            let whole = RecordHeader.length(key: key.count, headers: headers.count, payload: payload.count)
            throw .tooLarge(
                "a record of \(payload.count) bytes, with key \(key.count) and headers \(headers.count), takes \(whole) with its head; the limit is "
                    + "\(Limits.record), and \(Limits.key) for key and for headers")
        }
        let flags = retain ? RecordHeader.retain : 0
        switch flow.take(
            index, flags: flags, time: time, key: key, headers: headers, payload: payload, publisher: publisher, window: Publisher.window)
        {
        case .taken: return true
        case .full: return false
        case .notYet: break
        }
        if let fault { throw fault }
        guard stagedBytes < Publisher.stagingLimit else { return false }
        flow.isClear = false
        staged.append(Staged(topic: index, flags: flags, time: time, key: key.array, headers: headers.array, payload: payload.array))
        stagedBytes += 64 + key.count + headers.count + payload.count
        flow.count(payload.count)
        return true
    }

    /// One record of text, with the time of now.
    public func publish(_ topic: TopicHandle, key: String = "", text: String, time: Int64) throws(ClientError) -> Bool {
        let key = Array(key.utf8)
        let payload = Array(text.utf8)
        return try key.withView { key throws(ClientError) in
            try payload.withView { payload throws(ClientError) in
                try publish(topic, key: key, headers: .empty, time: time, payload: payload, retain: false)
            }
        }
    }

    /// Sends what is in unfinished batches now.
    public func flush() throws(ClientError) {
        for group in 0..<groups.count { groups[group].finish(publisher) }
        pump()
        attachment.flush()
    }

    /// Makes progress for up to `seconds` (0: once), and returns early when anything was acknowledged, there is room again, or
    /// `file` (a descriptor, or -1) can be read. Returns whether `file` can be read.
    ///
    /// A record that is refused is thrown once: it, what came behind it in its group (of topics of its level), and what has not been sent are given
    /// up and count as failed; what came before it is published, and can be waited for. `publish` throws the same from then on.
    public func wait(upTo seconds: Double, reading file: Int32) throws(ClientError) -> Bool {
        let limit = Attachment.now() + UInt64(min(max(seconds, 0), 1e9) * 1e9)
        progress = false
        while true {
            let due = finishDue()
            pump()
            let isReadable = try attachment.turn(until: min(limit, due), reading: file, self)
            if let fault, !isPartial || !isTold {
                isTold = true
                throw fault
            }
            _ = finishDue()
            pump()
            attachment.flush()
            if isReadable || progress || Attachment.now() >= limit { return isReadable }
        }
    }

    /// Finishes batches that are old enough; returns when the next one will be.
    private func finishDue() -> UInt64 {
        var due = UInt64.max
        let now = Attachment.now()
        for group in 0..<groups.count where groups[group].gathered > 0 {
            // With nothing under way there is nothing to wait for: the acknowledgement's round trip gathers the next batch.
            let end = groups[group].bytes == 0 ? 0 : groups[group].builderBegan + linger
            if end <= now { groups[group].finish(publisher) } else { due = min(due, end) }
        }
        return due
    }

    /// Flushes and waits until all is acknowledged, or `seconds` have passed; returns how many records are not.
    public func finish(within seconds: Double) throws(ClientError) -> UInt64 {
        let limit = Attachment.now() + UInt64(min(max(seconds, 0), 1e9) * 1e9)
        while unacknowledged > 0, Attachment.now() < limit {
            try flush()
            _ = try wait(upTo: min(0.1, Double(limit - min(limit, Attachment.now())) / 1e9), reading: -1)
        }
        return unacknowledged
    }

    /// Records taken and not yet acknowledged.
    public var unacknowledged: UInt64 {
        groups.reduce(UInt64(staged.count - stagedHead)) { $0 + $1.unacknowledged }
    }

    public func close() { attachment.close() }

    // MARK: progress

    /// Sends all that can be sent: names to declare, groups to open, batches.
    private func pump() {
        guard attachment.isAttached else { return }
        askForTopics()
        unstage()
        for group in 0..<groups.count where groups[group].opening == .open {
            while let batch = groups[group].nextToSend, attachment.send(.publish, lending: batch.bytes) { groups[group].noteSent() }
        }
    }

    private func askForTopics() {
        while !unasked.isEmpty {
            var names: [String] = []
            var bytes = 0
            while names.count < min(unasked.count, Limits.declarations), bytes < 128 << 10 {
                names.append(topics[unasked[names.count]].name)
                bytes += names[names.count - 1].utf8.count
            }
            guard attachment.send(.declare, DeclareRequest(request: nextRequest, names: names).encode()) else { return }
            asked[nextRequest] = Array(unasked.prefix(names.count))
            for index in unasked.prefix(names.count) { topics[index].knowledge = .asked }
            unasked.removeFirst(names.count)
            nextRequest += 1
        }
    }

    private func ask(toOpen group: Int) {
        guard groups[group].opening == .no else { return }
        let request = OpenRequest(request: nextRequest, publisher: publisher, group: GroupID(UInt16(group)))
        guard attachment.send(.open, request.encode()) else { return }
        nextRequest += 1
        groups[group].opening = .asked
    }

    /// Records whose topic and epoch are known by now go into batches, in order.
    private func unstage() {
        while stagedHead < staged.count {
            let record = staged[stagedHead]
            guard case .known(let group, let id) = topics[record.topic].knowledge else { return }
            guard groups[group.index].opening == .open else { return ask(toOpen: group.index) }
            record.key.withView { key in
                record.headers.withView { headers in
                    record.payload.withView {
                        flow.add(
                            group.index, id, flags: record.flags, time: record.time, key: key, headers: headers, payload: $0, publisher: publisher)
                    }
                }
            }
            stagedBytes -= record.size
            stagedHead += 1
            progress = true
        }
        staged.removeAll(keepingCapacity: true)
        stagedHead = 0
        flow.isClear = fault == nil
    }
}

extension Publisher: AttachmentUser {
    var takesAnyNode: Bool { false }

    func attached() {
        statistics.reconnects = attachment.losses
        for index in topics.indices {
            // Ids are asked again: a group that no disk keeps may have begun anew.
            topics[index].knowledge = .unasked
        }
        flow.forgetTopics()
        unasked = Array(topics.indices)
        asked = [:]
        for group in 0..<groups.count where !groups[group].isEmpty { ask(toOpen: group) }
        pump()
    }

    func detached() {
        for group in 0..<groups.count { groups[group].rewind() }
    }

    func received(_ kind: MessageKind, _ body: ByteView) throws(ClientError) -> Bool {
        do throws(DecodeError) {
            switch kind {
            case .declared: declared(try DeclareAnswer(body))
            case .opened: opened(try OpenAnswer(body))
            case .acknowledge: acknowledged(try Acknowledgement(body))
            case .refused: refused(try Refusal(body))
            default: break
            }
        } catch { throw .failed("the broker's answer cannot be understood: \(error)") }
        if let cluster = attachment.cluster {
            statistics.quorum = cluster.quorum
            statistics.members = cluster.members
        }
        return true
    }

    private func declared(_ answer: DeclareAnswer) {
        guard let indices = asked.removeValue(forKey: answer.request), indices.count == answer.lines.count else { return }
        var refusals: [Int: ClientError] = [:]
        for (index, line) in zip(indices, answer.lines) {
            switch line {
            case .topic(_, _, let level) where level.rawValue < minimumLevel:
                let wanted = Level(rawValue: UInt8(minimumLevel))?.name ?? "\(minimumLevel)"
                refusals[index] = .refused("topic \"\(topics[index].name)\" is \(level.name) here; \(wanted) is asked for")
            case .topic(let group, let id, let level):
                topics[index].knowledge = .known(group, id)
                flow.set(index, group, id)
                lowestLevel = min(lowestLevel, level)
                statistics.level = lowestLevel.name
                if groups[group.index].opening == .no { ask(toOpen: group.index) }
            case .refused(let why): refusals[index] = .refused(why)
            }
        }
        progress = true
        let first = staged[stagedHead...].firstIndex { refusals[$0.topic] != nil }
        guard let culprit = first.map({ staged[$0].topic }) ?? refusals.keys.min(), let error = refusals[culprit] else { return }
        giveUp(staged: first ?? staged.count, error)
    }

    /// Records that wait for their topic's id are given up from one on.
    private func giveUp(staged first: Int, _ error: ClientError) {
        statistics.failed += UInt64(staged.count - first)
        for record in staged[first...] { stagedBytes -= record.size }
        staged.removeLast(staged.count - first)
        isPartial = fault == nil || isPartial
        fault = fault ?? error
        flow.isClear = false
    }

    /// Nothing more can be published, nor be waited for.
    private func fail(_ error: ClientError) {
        guard fault == nil || isPartial else { return }
        statistics.failed += unacknowledged
        isPartial = false
        fault = error
        flow.isClear = false
    }

    private func opened(_ answer: OpenAnswer) {
        guard answer.group.index < groups.count, groups[answer.group.index].opening == .asked else { return }
        let found = groups[answer.group.index].opened(epoch: answer.epoch, last: answer.last)
        statistics.acknowledged += found
        progress = true
        pump()
    }

    private func acknowledged(_ answer: Acknowledgement) {
        guard answer.group.index < groups.count, groups[answer.group.index].isCurrent(answer.epoch) else { return }
        statistics.acknowledged += groups[answer.group.index].acknowledge(answer.last)
        progress = true
    }

    private func refused(_ refusal: Refusal) {
        let group = refusal.group.index % groups.count
        switch refusal.code {
        // What was under way behind a record that was refused.
        case .gap where refusal.sequence >= groups[group].stopped: break
        case .unavailable, .gap: attachment.leave(refusal.reason, self)
        case .fenced where forgivenFences < attachment.losses || !isNamed && forgivenFences < 16:
            // An opening that was still under way when its broker was lost came after the newer one: open once more.
            forgivenFences = max(forgivenFences + 1, isNamed ? attachment.losses : 0)
            groups[group].rewind()
            ask(toOpen: group)
        case .fenced:
            fail(
                isNamed
                    ? .fenced("another publisher has taken over this identity: \(refusal.reason)")
                    : .failed("this publisher's session was taken over: \(refusal.reason)"))
        case .tooLarge: giveUp(group, from: refusal.sequence, .tooLarge(refusal.reason))
        case .unfit: giveUp(group, from: refusal.sequence, .unfit(refusal.reason))
        case .tooFast: giveUp(group, from: refusal.sequence, .refused(refusal.reason))
        case .notAllowed, .conflict: fail(.refused(refusal.reason))
        case .malformed: fail(.failed("the broker does not understand this client: \(refusal.reason)"))
        }
    }

    /// A record is refused: those before it are published, it and what came behind it are not. 0: it is no record that is refused.
    private func giveUp(_ group: Int, from sequence: UInt64, _ error: ClientError) {
        guard sequence > 0 else { return fail(error) }
        statistics.failed += groups[group].stop(before: sequence, publisher)
        giveUp(staged: stagedHead, error)
    }
}
