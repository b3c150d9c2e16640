/// A node asks another for values of topics that it does not hold, before a cut; the latest ones every node has.
///
///      | id u32 | cut u64 | flags u8 | bytes u32 | rules u64 | topics u32 × { topic u32, replicas u8 } |
package struct ValuesRequest: Equatable, Sendable {
    package var id: UInt32
    package var cut: Offset
    package var showsRemoved: Bool
    package var maximumBytes: Int
    package var rules: UInt64
    /// Rising.
    package var topics: [TopicID]
    package var replicas: [Int]
    package init(id: UInt32, cut: Offset, showsRemoved: Bool, maximumBytes: Int, rules: UInt64, topics: [TopicID], replicas: [Int]) {
        (self.id, self.cut, self.showsRemoved, self.maximumBytes) = (id, cut, showsRemoved, maximumBytes)
        (self.rules, self.topics, self.replicas) = (rules, topics, replicas)
    }
    package func encode() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(int: id)
        bytes.append(int: cut.raw)
        bytes.append(showsRemoved ? 1 : 0)
        bytes.append(int: UInt32(maximumBytes))
        bytes.append(int: rules)
        bytes.append(int: UInt32(topics.count))
        for (topic, number) in zip(topics, replicas) {
            bytes.append(int: topic.raw)
            bytes.append(UInt8(number))
        }
        return bytes
    }
    package init(_ view: ByteView) throws(DecodeError) {
        var decoder = Decoder(view, "values request")
        id = try decoder.int()
        cut = Offset(try decoder.int())
        showsRemoved = try decoder.int(UInt8.self) == 1
        maximumBytes = min(Int(try decoder.int(UInt32.self)), Limits.storePage)
        rules = try decoder.int()
        (topics, replicas) = ([], [])
        for _ in 0..<(try decoder.count(limit: Limits.storePageTopics, size: 5)) {
            topics.append(TopicID(try decoder.int()))
            replicas.append(Int(try decoder.int(UInt8.self)))
            guard replicas.last! <= Limits.members else { throw .limit(what: "replicas", value: UInt64(replicas.last!), limit: UInt64(Limits.members)) }
        }
        guard zip(topics, topics.dropFirst()).allSatisfy({ $0 < $1 }) else { throw .value(what: "topics in order", value: 0) }
        try decoder.end()
    }
}

/// The answer: which of the topics this node does not hold either, and rows of the first `taken` of the others, those of them that have a value.
///
///      | id u32 | taken u32 | cut u64 | cleaned u32 | lacked u32 × topic u32 | topics u32 × topic u32 | rows… |
///
/// `cleaned`: a topic whose past is gone, `.max`: none.
package struct ValuesAnswer: Sendable {
    package var id: UInt32
    package var taken: Int
    package var cut: Offset
    package var cleaned: TopicID?
    package var lacked: [TopicID]
    package var topics: [TopicID]
    package var rows: ByteView
    package init(id: UInt32, taken: Int, cut: Offset, cleaned: TopicID?, lacked: [TopicID], topics: [TopicID], rows: ByteView) {
        (self.id, self.taken, self.cut, self.cleaned) = (id, taken, cut, cleaned)
        (self.lacked, self.topics, self.rows) = (lacked, topics, rows)
    }
    package func encode() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(int: id)
        bytes.append(int: UInt32(taken))
        bytes.append(int: cut.raw)
        bytes.append(int: cleaned?.raw ?? .max)
        for list in [lacked, topics] {
            bytes.append(int: UInt32(list.count))
            for topic in list { bytes.append(int: topic.raw) }
        }
        bytes.append(view: rows)
        return bytes
    }
    package init(_ view: ByteView) throws(DecodeError) {
        var decoder = Decoder(view, "values")
        id = try decoder.int()
        taken = Int(try decoder.int(UInt32.self))
        cut = Offset(try decoder.int())
        let gone = TopicID(try decoder.int())
        cleaned = gone == TopicID(.max) ? nil : gone
        (lacked, topics) = ([], [])
        for _ in 0..<(try decoder.count(limit: Limits.storePageTopics, size: 4)) { lacked.append(TopicID(try decoder.int())) }
        for _ in 0..<(try decoder.count(limit: Limits.storePageTopics, size: 4)) { topics.append(TopicID(try decoder.int())) }
        rows = view.from(decoder.position)
        var at = 0
        for _ in topics { at += try StorePage.rowLength(rows.from(at)) }
        guard at == rows.count else { throw .trailing(what: "values", bytes: rows.count - at) }
    }
}

/// A node asks another for a place in the log that its own does not show, since records of these buckets are missing there.
///
///      | id u32 | kind u8 | count u32 | value u64 | rules u64 | buckets | patterns u32 × text | exclusions u32 × text |
package struct OffsetsRequest: Equatable, Sendable {
    package enum Wanted: Equatable, Sendable {
        /// Where the last so many records before an offset lie, of topics that a pattern matches and no exclusion does.
        case last(Int, before: Offset)
        /// Where the first entry stamped after a time begins, or the hole that holds it.
        case after(Timestamp)
    }
    package var id: UInt32
    package var wanted: Wanted
    package var rules: UInt64
    package var buckets: BucketSet
    package var patterns: [String]
    package var exclusions: [String]
    package init(id: UInt32, wanted: Wanted, rules: UInt64, buckets: BucketSet, patterns: [String] = [], exclusions: [String] = []) {
        (self.id, self.wanted, self.rules) = (id, wanted, rules)
        (self.buckets, self.patterns, self.exclusions) = (buckets, patterns, exclusions)
    }
    package func encode() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(int: id)
        let (kind, count, value): (UInt8, Int, UInt64) =
            switch wanted {
            case .last(let count, let before): (0, count, before.raw)
            case .after(let time): (1, 0, time.raw)
            }
        bytes.append(kind)
        bytes.append(int: UInt32(count))
        bytes.append(int: value)
        bytes.append(int: rules)
        buckets.encode(into: &bytes)
        for list in [patterns, exclusions] { bytes.append(texts: list) }
        return bytes
    }
    package init(_ view: ByteView) throws(DecodeError) {
        var decoder = Decoder(view, "offsets request")
        id = try decoder.int()
        let kind = try decoder.int(UInt8.self)
        let count = Int(try decoder.int(UInt32.self))
        guard count <= Limits.storeTail else { throw .limit(what: "offsets", value: UInt64(count), limit: UInt64(Limits.storeTail)) }
        let value = try decoder.int(UInt64.self)
        switch kind {
        case 0: wanted = .last(count, before: Offset(value))
        case 1: wanted = .after(Timestamp(value))
        default: throw .value(what: "offsets kind", value: UInt64(kind))
        }
        rules = try decoder.int()
        buckets = try BucketSet(&decoder)
        patterns = try StoreRead.texts(&decoder)
        exclusions = try StoreRead.texts(&decoder)
        try decoder.end()
    }
}

/// The answer: of these buckets, of those asked for, the places, falling: `| id u32 | buckets | offsets u32 × u64 |`.
package struct OffsetsAnswer: Equatable, Sendable {
    package var id: UInt32
    package var buckets: BucketSet
    package var offsets: [Offset]
    package init(id: UInt32, buckets: BucketSet, offsets: [Offset]) { (self.id, self.buckets, self.offsets) = (id, buckets, offsets) }
    package func encode() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(int: id)
        buckets.encode(into: &bytes)
        bytes.append(int: UInt32(offsets.count))
        for offset in offsets { bytes.append(int: offset.raw) }
        return bytes
    }
    package init(_ view: ByteView) throws(DecodeError) {
        var decoder = Decoder(view, "offsets")
        id = try decoder.int()
        buckets = try BucketSet(&decoder)
        offsets = []
        for _ in 0..<(try decoder.count(limit: Limits.storeTail, size: 8)) { offsets.append(Offset(try decoder.int())) }
        try decoder.end()
    }
}

/// An operator asks a node to take what it has of its buckets for all there is, where no node has more: `| request u32 | force u8 |`.
package struct GiveUpRequest: Equatable, Sendable {
    package var request: UInt32
    /// Nodes that are away will not come back.
    package var isForced: Bool
    package init(request: UInt32, isForced: Bool) { (self.request, self.isForced) = (request, isForced) }
    package func encode() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(int: request)
        bytes.append(isForced ? 1 : 0)
        return bytes
    }
    package init(_ view: ByteView) throws(DecodeError) {
        var decoder = Decoder(view, "give up")
        request = try decoder.int()
        isForced = try decoder.int(UInt8.self) == 1
        try decoder.end()
    }
}

/// Of so many buckets: `| request u32 | buckets u32 |`.
package struct GiveUpAnswer: Equatable, Sendable {
    package var request: UInt32
    package var buckets: Int
    package init(request: UInt32, buckets: Int) { (self.request, self.buckets) = (request, buckets) }
    package func encode() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(int: request)
        bytes.append(int: UInt32(buckets))
        return bytes
    }
    package init(_ view: ByteView) throws(DecodeError) {
        var decoder = Decoder(view, "gave up")
        request = try decoder.int()
        buckets = Int(try decoder.int(UInt32.self))
        try decoder.end()
    }
}
