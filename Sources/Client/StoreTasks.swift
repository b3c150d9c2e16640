internal import Wire

/// A list under way: page after page, group after group; after a failover it goes on from the last page, at the same cut.
struct ReadTask {
    let patterns: [String]
    let exclusions: [String]
    let time: UInt64?
    let showsRemoved: Bool
    let body: (StoreValue) -> Void
    var isAsked = false
    /// Of the groups that have been read, or begun.
    private(set) var cuts: [(group: GroupID, offset: Offset)] = []
    private var next = TopicID(0)
    private var groups: [GroupID]

    init(patterns: [String], exclusions: [String], time: UInt64?, showsRemoved: Bool, body: @escaping (StoreValue) -> Void) {
        self.patterns = patterns
        self.exclusions = exclusions
        self.time = time
        self.showsRemoved = showsRemoved
        self.body = body
        groups = time == nil ? [.durable, .ordered] : [.durable]
    }
    var isDone: Bool { groups.isEmpty }

    func question(_ request: UInt32) -> StoreRead {
        var cut = time.map { StoreCut.time(Timestamp($0)) } ?? .latest
        if let known = cuts.last, known.group == groups[0] { cut = .offset(known.offset) }
        return StoreRead(
            request: request, group: groups[0], cut: cut, showsRemoved: showsRemoved, from: next, patterns: patterns, exclusions: exclusions)
    }
    mutating func take(_ page: StorePage) {
        guard page.group == groups.first, isAsked else { return }
        isAsked = false
        if cuts.last?.group != page.group { cuts.append((page.group, page.cut)) }
        page.forEach { name, version, record in
            var row: [UInt8] = []
            row.append(view: record.whole)
            body(StoreValue(topic: name, version: version, record: record, group: page.group, bytes: OwnedBytes(row)))
        }
        next = page.next
        guard next == StorePage.last else { return }
        next = TopicID(0)
        groups.removeFirst()
    }
}

/// A put or a remove under way.
struct PutTask {
    let topic: String
    let payload: [UInt8]
    let isRemove: Bool
    let condition: PutCondition
    let time: Int64
    var isAsked = false
    var outcome: PutOutcome?

    init(topic: String, payload: [UInt8], isRemove: Bool, condition: PutCondition, time: Int64) {
        self.topic = topic
        self.payload = payload
        self.isRemove = isRemove
        self.condition = condition
        self.time = time
    }

    func batch(_ id: TopicID, _ publisher: PublisherID, epoch: UInt32, sequence: UInt64, group: GroupID) -> [UInt8] {
        var headers: [UInt8] = []
        var flags = isRemove ? RecordHeader.tombstone : 0
        switch condition {
        case .always: break
        case .version(let version): VersionCondition.version(Offset(version)).encode(into: &headers)
        case .absent: VersionCondition.absent.encode(into: &headers)
        }
        if condition != .always { flags |= RecordHeader.conditional }
        var builder = BatchBuilder()
        headers.withView { headers in
            payload.withView { builder.append(topic: id, flags: flags, time: time, headers: headers, payload: $0) }
        }
        return builder.finish(publisher: publisher, epoch: epoch, sequence: sequence, group: group)
    }
}
