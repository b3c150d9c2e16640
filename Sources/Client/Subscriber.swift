internal import Wire

/// Receives records in order; follows replicas, fails over to another node and resumes without loss or duplicate.
/// One thread; `poll` makes progress.
public final class Subscriber {
    public struct Progress: Sendable {
        /// Records handed to the body in this call.
        public var delivered = 0
        /// All groups have reached what was the end when this subscription began (or its `endOffset`).
        public var atEnd = false
        /// Records that were no longer kept when they were asked for, in all.
        public var skipped: UInt64 = 0
    }
    private struct Group {
        var names = TopicLabels()
        /// The next offset; nil before anything is known of the group.
        var next: Offset?
        var end: Offset?
        var reachedEnd = false
    }

    private let attachment: Attachment
    private let subscription: Subscription
    private var groups: [Group]
    private var isSubscribed = false
    private var isFirst = true
    private var skipped: UInt64 = 0
    private var fault: ClientError?
    private var collector: Collector?
    /// What the broker's index is asked before there is a subscription.
    private var prelude: Prelude?
    /// The body of the poll under way; nil between polls: messages then stay in the ring.
    private var body: ((borrowing ReceivedRecord) -> Bool)?
    private var delivered = 0
    private var isStopped = false
    /// Records of the message at hand that were handed over before a stop.
    private var done = 0
    /// Of a member of a consumer group.
    private var receipts: Receipts?
    private var farewell = Leave.staying
    private enum Leave { case staying, asked, left }
    /// A file whose input ends a `poll` early; -1: none.
    public var wakeup: Int32 = -1

    public init(_ options: ClientOptions, _ subscription: Subscription) throws(ClientError) {
        attachment = try Attachment(options, name: subscription.memberName.isEmpty ? "dsub" : subscription.memberName)
        self.subscription = subscription
        groups = (0..<GroupID.count).map { _ in Group() }
        groups[GroupID.unordered.index].reachedEnd = true
        if let name = subscription.consumerGroup {
            receipts = try Self.receipts(name, subscription)
            groups[GroupID.ordered.index].reachedEnd = true
            return
        }
        switch subscription.start {
        case .tail(let count):
            collector = Collector(.tail(Int(clamping: count)))
            prelude = Prelude(lastRecords: count, subscription)
        case .last:
            collector = Collector(.last)
            prelude = Prelude(valuesOf: subscription) { [unowned self] value in
                _ = value.show {
                    collector?.keep($0)
                    return true
                }
            }
        default: break
        }
    }

    private static func receipts(_ name: String, _ subscription: Subscription) throws(ClientError) -> Receipts {
        guard !name.isEmpty, name.utf8.count <= Limits.consumerName else {
            throw .invalid("a consumer group's name has 1 to \(Limits.consumerName) bytes")
        }
        let start: ConsumerStart
        switch subscription.start {
        case .beginning: start = .beginning
        case .end: start = .end
        case .offset(let offset): start = .offset(Offset(offset))
        case .tail, .time, .last: throw .invalid("a new consumer group begins at the beginning, the end or an offset")
        }
        guard subscription.endOffset == nil else { throw .invalid("a consumer group has no end offset") }
        let interest = ConsumerInterest(patterns: subscription.patterns, exclusions: subscription.excluded, filter: subscription.filter)
        guard interest.size <= Limits.consumerInterest else {
            throw .invalid("the patterns of a consumer group take \(interest.size) bytes; the limit is \(Limits.consumerInterest)")
        }
        var random = SystemRandomNumberGenerator()
        return Receipts(
            name: name, client: String(subscription.memberName.prefix(60)), member: ConsumerID(random.next() | 1), start: start, interest: interest)
    }

    /// Blocks until a broker has accepted the subscription.
    public func connect() throws(ClientError) {
        while !isSubscribed {
            _ = try attachment.turn(until: Attachment.now() + 50_000_000, reading: -1, self)
            if let fault { throw fault }
        }
    }

    private var atEnd: Bool { isSubscribed && groups.allSatisfy(\.reachedEnd) }

    /// Waits up to `seconds` for records and passes each to `body`, in order; `body` returns false to stop early (the
    /// records behind are kept for the next call).
    public func poll(upTo seconds: Double, _ body: @escaping (borrowing ReceivedRecord) -> Bool) throws(ClientError) -> Progress {
        if let fault { throw fault }
        let limit = Attachment.now() + UInt64(min(max(seconds, 0), 1e9) * 1e9)
        self.body = body
        delivered = 0
        isStopped = false
        defer { self.body = nil }
        let wasAtEnd = atEnd && collector == nil
        while true {
            handOverCollected()
            guard !isStopped else { break }
            sendConfirm()
            let until = delivered > 0 ? 0 : limit
            let isWoken = try attachment.turn(until: until, reading: wakeup, self)
            if let fault { throw fault }
            handOverCollected()
            let now = Attachment.now()
            if isWoken || isStopped || delivered > 0 || now >= limit || (!wasAtEnd && atEnd && collector == nil) { break }
        }
        return Progress(delivered: delivered, atEnd: atEnd && collector == nil, skipped: skipped)
    }

    public func close() { attachment.close() }

    // MARK: consumer groups

    /// Records that were handed over and not acknowledged.
    public var unacknowledged: Int { receipts?.open ?? 0 }

    /// The oldest `count` of those that were handed over are done with; nil: all of them. Told to the cluster by the next `poll` or
    /// `rest`, and part of its state within about 0.1 s: then they come to nobody again.
    public func acknowledge(_ count: Int? = nil) {
        guard let open = receipts?.open else { return }
        receipts!.acknowledge(min(count ?? open, open))
    }

    /// Makes progress for up to `seconds`, or until `wakeup` can be read, without handing records over.
    public func rest(upTo seconds: Double) throws(ClientError) {
        if let fault { throw fault }
        sendConfirm()
        _ = try attachment.turn(until: Attachment.now() + UInt64(min(max(seconds, 0), 1e9) * 1e9), reading: wakeup, self)
        if let fault { throw fault }
    }

    /// Leaves the consumer group: what was acknowledged is kept by the cluster when this returns true; what was handed over beyond
    /// that comes to other members, or again. False: it was not answered within `seconds`.
    public func leave(within seconds: Double) throws(ClientError) -> Bool {
        guard receipts != nil, isSubscribed, fault == nil else { return true }
        let limit = Attachment.now() + UInt64(seconds * 1e9)
        farewell = .asked
        sayLastWord()
        while farewell != .left {
            guard Attachment.now() < limit else { return false }
            _ = try attachment.turn(until: min(limit, Attachment.now() + 50_000_000), reading: -1, self)
            if let fault { throw fault }
        }
        return true
    }
    private func sayLastWord() {
        guard attachment.isAttached, receipts != nil else { return }
        _ = attachment.send(.confirm, receipts!.confirm(Self.lastRequest).encode())
    }
    private static let lastRequest: UInt32 = 2

    private func sendConfirm() {
        guard receipts?.isDirty ?? false, attachment.isAttached, isJoined, attachment.space > Self.confirmSpace else { return }
        _ = attachment.send(.confirm, receipts!.confirm().encode())
    }
    /// Bytes of the largest confirm, with its message's header.
    private static let confirmSpace = 64 + Partition.count * PartitionPlace.size
    /// The broker has said which partitions are this member's, since it was reached last.
    private var isJoined = false

    private func assigned(_ assignment: ConsumerAssignment) {
        receipts?.assigned(assignment)
        isJoined = true
        groups[GroupID.durable.index].reachedEnd = false
        if farewell == .asked { sayLastWord() }
    }

    private func handOverCollected() {
        guard atEnd, var collected = collector, let body else { return }
        while !isStopped, let record = collected.next() {
            delivered += 1
            if !record.show(body) { isStopped = true }
        }
        collector = collected.isEmpty ? nil : collected
    }

    // MARK: records

    /// Hands one record over, or keeps it where the subscription begins with the last ones. False: stop.
    private func hand(
        _ record: RecordView, offset: UInt64, ordered: Timestamp, sender: NodeID, group: GroupID
    ) -> Bool {
        let index = group.index
        if receipts != nil {
            guard receipts!.take(record.header.topic, offset) else { return true }
        } else if group != .unordered {
            if let next = groups[index].next, offset < next.raw { return true }
            groups[index].next = Offset(offset &+ 1)
            if let end = subscription.endOffset, offset >= end { return true }
        }
        let topic = record.header.topic.index
        guard groups[index].names.knows(topic) else {
            fault = .failed("the broker sent a record of topic \(record.header.topic.raw) without its name")
            return false
        }
        let received = ReceivedRecord(
            labels: groups[index].names, label: topic, view: record, offset: offset, ordered: ordered.raw, node: sender.raw, group: group.raw)
        if collector != nil {
            collector!.keep(received)
            return true
        }
        guard let body else { return false }
        delivered += 1
        return body(received)
    }

    /// Hands over the records of a batch of which each is to be handed over as it comes, which is the rule: what `hand` asks for each of
    /// them is asked once. How many were; nil: they are to be handed over one by one.
    private func handRun(_ batch: ByteView, offset: UInt64, _ header: EntryHeader) -> Int? {
        let index = header.group.index
        guard receipts == nil, collector == nil, subscription.endOffset == nil, header.group != .unordered, offset >= groups[index].next?.raw ?? 0,
            let body
        else { return nil }
        let names = groups[index].names
        var records = RecordCursor(batch)
        var taken = 0
        var goesOn = true
        guard let first = records.next() else { return 0 }
        // One value for all of them.
        var received = ReceivedRecord(
            labels: names, label: 0, view: first, offset: offset, ordered: header.timestamp.raw, node: header.sender.raw, group: header.group.raw)
        var next: RecordView? = first
        while goesOn, let record = next {
            let topic = record.header.topic.index
            guard names.knows(topic) else {
                fault = .failed("the broker sent a record of topic \(record.header.topic.raw) without its name")
                goesOn = false
                break
            }
            received.label = topic
            received.view = record
            received.offset = offset &+ UInt64(taken)
            taken += 1
            goesOn = body(received)
            next = records.next()
        }
        isStopped = !goesOn
        groups[index].next = Offset(offset &+ UInt64(taken))
        delivered += taken
        return taken
    }

    /// A whole entry of the log. False: the body stopped within it.
    private func entry(_ view: ByteView) throws(DecodeError) -> Bool {
        let header = try EntryHeader(view)
        guard header.length == view.count, header.group.index < groups.count else { throw .value(what: "entry length", value: UInt64(header.length)) }
        var batches = BatchCursor(view.from(EntryHeader.size))
        var offset = header.baseOffset.raw
        var seen = 0
        while let (batch, whole) = try batches.next(verify: done == 0) {
            guard batch.kind == .records else { continue }
            try checkRecords(whole.from(BatchHeader.size), count: batch.count)
            if seen >= done, let taken = handRun(whole.from(BatchHeader.size), offset: offset, header) {
                seen += taken
                done = seen
                guard !isStopped else { return false }
                offset &+= UInt64(batch.count)
                continue
            }
            var records = RecordCursor(whole.from(BatchHeader.size))
            while let record = records.next() {
                seen += 1
                if seen > done {
                    done = seen
                    guard hand(record, offset: offset, ordered: header.timestamp, sender: header.sender, group: header.group) else {
                        isStopped = true
                        return false
                    }
                }
                offset &+= 1
            }
        }
        return true
    }

    /// Records picked from an entry. False: the body stopped within them.
    private func picked(_ view: ByteView) throws(DecodeError) -> Bool {
        let header = try PickedHeader(view)
        guard header.group.index < groups.count else { throw .value(what: "group", value: UInt64(header.group.raw)) }
        var at = PickedHeader.size
        for index in 0..<header.count {
            guard view.count - at >= 8 else { throw .short(what: "picked record", needed: 8, got: view.count - at) }
            let delta = view.u32(at)
            let length = try RecordHeader.ofWhole(view.from(at + 8), "picked record").length
            if index >= done {
                done = index + 1
                let record = RecordView(view.from(at + 8))
                let offset = header.baseOffset.raw &+ UInt64(delta)
                guard hand(record, offset: offset, ordered: header.timestamp, sender: header.sender, group: header.group) else {
                    isStopped = true
                    return false
                }
            }
            at += 8 + length
        }
        return true
    }

    private func refuse(_ name: String, _ level: Level) {
        let wanted = Level(rawValue: UInt8(clamping: subscription.minimumLevel))?.name ?? "\(subscription.minimumLevel)"
        fault = fault ?? .refused("topic \"\(name)\" is \(level.name) here; \(wanted) is asked for")
    }

    private func position(_ position: Position) {
        guard position.group.index < groups.count else { return }
        skipped += position.skipped
        guard position.group != .unordered else { return }
        let index = position.group.index
        if let receipts, !receipts.isSettled || position.group != .durable { return }
        if groups[index].next.map({ position.offset > $0 }) ?? true { groups[index].next = position.offset }
        if let end = groups[index].end, position.offset >= end { groups[index].reachedEnd = true }
    }
}

extension Subscriber: AttachmentUser {
    var takesAnyNode: Bool { false }

    func attached() {
        if receipts != nil {
            groups[GroupID.durable.index].names = TopicLabels()
            done = 0
            isJoined = false
            _ = attachment.send(.consume, receipts!.request(1).encode())
        } else if prelude == nil {
            subscribe()
        } else {
            askFirst()
        }
    }

    /// The prelude's next question; the subscription once there is none.
    private func askFirst() {
        guard let (kind, question) = prelude?.question() else {
            for (group, offset) in prelude?.places ?? [] where group.index < groups.count { groups[group.index].next = offset }
            prelude = nil
            return subscribe()
        }
        _ = attachment.send(kind, question)
    }

    private func subscribe() {
        let start: SubscribeRequest.Start =
            switch subscription.start {
            case .beginning, .tail, .last: .beginning
            case .end: .end
            case .offset(let offset): .offset(offset)
            case .time(let time): .time(time)
            }
        var resume: [SubscribeRequest.Resume] = []
        for (index, group) in groups.enumerated() {
            if let next = group.next { resume.append(.init(group: GroupID(UInt16(index)), offset: next)) }
            groups[index].names = TopicLabels()
        }
        done = 0
        let request = SubscribeRequest(
            request: 1, start: start, patterns: subscription.patterns, exclusions: subscription.excluded, resume: resume,
            filter: subscription.filter)
        _ = attachment.send(.subscribe, request.encode())
    }

    func detached() { done = 0 }

    func received(_ kind: MessageKind, _ message: ByteView) throws(ClientError) -> Bool {
        do throws(DecodeError) {
            switch kind {
            case .subscribed: subscribed(try SubscribeAnswer(message))
            case .topicNames:
                let names = try TopicNames(message)
                guard names.group.index < groups.count else { return true }
                for (topic, level, name) in names.names {
                    try groups[names.group.index].names.learn(name, of: topic)
                    if level.rawValue < subscription.minimumLevel { refuse(name, level) }
                }
            case .entry, .records:
                // Who leaves takes no more.
                if farewell != .staying { return true }
                // Between polls, and after a stop, records stay where they are.
                guard body != nil, !isStopped, fault == nil else { return false }
                guard try kind == .entry ? entry(message) : picked(message) else { return false }
                done = 0
            case .assigned: assigned(try ConsumerAssignment(message))
            case .consumerDone: if try ConsumerDone(message).request == Self.lastRequest { farewell = .left }
            case .position: position(try Position(message))
            case .storePage:
                if try prelude?.take(StorePage(message)) ?? false { askFirst() }
            case .storePlace:
                if try prelude?.take(StorePlace(message)) ?? false { askFirst() }
            case .refused:
                let refusal = try Refusal(message)
                switch refusal.code {
                case .unavailable: attachment.leave(refusal.reason, self)
                // Put out: it joins anew, and what it had in hand comes again, to it or to others.
                case .fenced where receipts != nil: attachment.leave(refusal.reason, self)
                case .malformed: fault = .invalid(refusal.reason)
                default: fault = .refused(refusal.reason)
                }
            default: break
            }
        } catch { throw .failed("what the broker sent cannot be understood: \(error)") }
        return true
    }

    private func subscribed(_ answer: SubscribeAnswer) {
        isSubscribed = true
        for end in answer.ends where end.group.index < groups.count {
            guard groups[end.group.index].end == nil else { continue }
            let wanted = min(end.offset.raw, subscription.endOffset ?? .max)
            groups[end.group.index].end = Offset(wanted)
        }
    }
}
