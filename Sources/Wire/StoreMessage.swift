/// What a conditional record asks of its topic: the version that is its last, or that it has no value.
///
/// It travels as the first of the record's headers, with an empty name: `| 0 u16 | 8 u16 | version u64 | other headers…`; so it
/// lies in the log as it was decided, and whoever does not know of it skips a header without a name.
package enum VersionCondition: Equatable, Sendable {
    /// The topic's last record, a remove too, is the one of this offset.
    case version(Offset)
    /// The topic has no record, or the last one is a remove.
    case absent

    package static let size = 12
    private static let nothing = UInt64.max

    package func encode(into headers: inout [UInt8]) {
        headers.append(int: UInt16(0))
        headers.append(int: UInt16(8))
        switch self {
        case .version(let offset): headers.append(int: offset.raw)
        case .absent: headers.append(int: Self.nothing)
        }
    }
    /// Of a record whose flag says that it has one; nil where it has none.
    package init?(of record: RecordView) {
        let headers = record.headers
        guard headers.count >= Self.size, headers.u16(0) == 0, headers.u16(2) == 8 else { return nil }
        let raw = headers.u64(4)
        self = raw == Self.nothing ? .absent : .version(Offset(raw))
    }
}

/// As of when values are read: a place in the group's order. Everything before it counts, nothing behind it.
package enum StoreCut: Equatable, Sendable {
    /// All that was acknowledged anywhere before the question came, at least.
    case latest
    /// Entries stamped at or before this.
    case time(Timestamp)
    /// Records before this offset: the cut of an earlier page, so that a list is one cut.
    case offset(Offset)
}

/// A client asks for the values of topics: those of a group that some pattern matches and no exclusion does, from topic id `from` on.
///
///      | request u32 | group u16 | cut u8 | flags u8 | value u64 | from u32 | patterns u32 × text | exclusions u32 × text |
///
/// `flags` 1: topics whose last record is a remove come too.
package struct StoreRead: Equatable, Sendable {
    package var request: UInt32
    package var group: GroupID
    package var cut: StoreCut
    package var showsRemoved: Bool
    package var from: TopicID
    package var patterns: [String]
    package var exclusions: [String]

    package init(
        request: UInt32, group: GroupID, cut: StoreCut, showsRemoved: Bool = false, from: TopicID = TopicID(0), patterns: [String],
        exclusions: [String] = []
    ) {
        self.request = request
        self.group = group
        self.cut = cut
        self.showsRemoved = showsRemoved
        self.from = from
        self.patterns = patterns
        self.exclusions = exclusions
    }
    package func encode() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(int: request)
        bytes.append(int: group.raw)
        let (kind, value): (UInt8, UInt64) =
            switch cut {
            case .latest: (0, 0)
            case .time(let time): (1, time.raw)
            case .offset(let offset): (2, offset.raw)
            }
        bytes.append(kind)
        bytes.append(showsRemoved ? 1 : 0)
        bytes.append(int: value)
        bytes.append(int: from.raw)
        for list in [patterns, exclusions] { bytes.append(texts: list) }
        return bytes
    }
    package init(_ view: ByteView) throws(DecodeError) {
        var decoder = Decoder(view, "store read")
        request = try decoder.int()
        group = GroupID(try decoder.int())
        let kind = try decoder.int(UInt8.self)
        let flags = try decoder.int(UInt8.self)
        guard flags <= 1 else { throw .value(what: "store read flags", value: UInt64(flags)) }
        showsRemoved = flags == 1
        let value = try decoder.int(UInt64.self)
        switch kind {
        case 0: cut = .latest
        case 1: cut = .time(Timestamp(value))
        case 2: cut = .offset(Offset(value))
        default: throw .value(what: "store cut", value: UInt64(kind))
        }
        from = TopicID(try decoder.int())
        patterns = try Self.texts(&decoder)
        exclusions = try Self.texts(&decoder)
        try decoder.end()
    }
    static func texts(_ decoder: inout Decoder) throws(DecodeError) -> [String] {
        var texts: [String] = []
        for _ in 0..<(try decoder.count(limit: Limits.patterns, size: 2)) {
            texts.append(try decoder.text(limit: Limits.topicName * 2 + 2))
        }
        return texts
    }
}

/// One row of a page, before its record: which version it is.
///
///      0                8                16     18              24
///      | offset         | timestamp      | node | 0             | record…
package struct VersionHeader: Equatable, Sendable {
    package static let size = 24
    package var offset: Offset
    package var timestamp: Timestamp
    package var sender: NodeID
    package init(offset: Offset, timestamp: Timestamp, sender: NodeID) {
        self.offset = offset
        self.timestamp = timestamp
        self.sender = sender
    }
    package func encode(into bytes: inout [UInt8]) {
        bytes.append(int: offset.raw)
        bytes.append(int: timestamp.raw)
        bytes.append(int: sender.raw)
        bytes.append(int: UInt16(0))
        bytes.append(int: UInt32(0))
    }
    /// Of a view that has been found long enough.
    package init(_ view: ByteView) {
        offset = Offset(view.u64(0))
        timestamp = Timestamp(view.u64(8))
        sender = NodeID(view.u16(16))
    }
}

/// Values of topics, a page of them.
///
///      | request u32 | group u16 | 0 u16 | cut u64 | next u32 | count u32 | names: count × text | zeros to a multiple of 8 | rows… |
///
/// Rows are a `VersionHeader` and the record as it lies in the log; names are theirs, in the same order. `cut` is the offset that
/// the page stands for; `next` is the topic id to go on from, `.max` where this is the last page.
package struct StorePage: Sendable {
    package static let last = TopicID(.max)
    package var request: UInt32
    package var group: GroupID
    package var cut: Offset
    package var next: TopicID
    package var names: [String]
    /// Whole rows, as many as names.
    package var rows: ByteView

    /// All but the rows, which follow as they are.
    package static func head(request: UInt32, group: GroupID, cut: Offset, next: TopicID, names: [String]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(int: request)
        bytes.append(int: group.raw)
        bytes.append(int: UInt16(0))
        bytes.append(int: cut.raw)
        bytes.append(int: next.raw)
        bytes.append(int: UInt32(names.count))
        for name in names { bytes.append(text: name) }
        bytes.pad8()
        return bytes
    }
    package init(_ view: ByteView) throws(DecodeError) {
        var decoder = Decoder(view, "store page")
        request = try decoder.int()
        group = GroupID(try decoder.int())
        guard try decoder.int(UInt16.self) == 0 else { throw .value(what: "store page reserved bytes", value: 0) }
        cut = Offset(try decoder.int())
        next = TopicID(try decoder.int())
        names = []
        for _ in 0..<(try decoder.count(limit: Limits.storePageTopics, size: 2)) { names.append(try decoder.text(limit: Limits.topicName)) }
        _ = try decoder.bytes(align8(decoder.position) - decoder.position)
        rows = try decoder.bytes(decoder.left)
        var at = 0
        for _ in names { at += try Self.rowLength(rows.from(at)) }
        guard at == rows.count else { throw .trailing(what: "store page", bytes: rows.count - at) }
    }
    /// Bytes of the row at the start of `rows`, which is whole.
    package static func rowLength(_ rows: ByteView) throws(DecodeError) -> Int {
        guard rows.count >= VersionHeader.size else { throw .short(what: "store row", needed: VersionHeader.size, got: rows.count) }
        let length = try RecordHeader.ofWhole(rows.from(VersionHeader.size), "store row").length
        guard length <= Limits.record else { throw .limit(what: "store row", value: UInt64(length), limit: UInt64(Limits.record)) }
        return VersionHeader.size + length
    }
    /// Calls `body` with each row's name, version and record.
    package func forEach(_ body: (String, VersionHeader, RecordView) -> Void) {
        var at = 0
        for name in names {
            let record = RecordView(rows.from(at + VersionHeader.size))
            body(name, VersionHeader(rows.from(at)), record)
            at += VersionHeader.size + record.header.length
        }
    }
}

/// A client's put or remove, answered with its version: `| request u32 | 0 u32 | a batch of one record |`.
package enum StorePut {
    package static let size = 8
    package static func head(request: UInt32) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(int: request)
        bytes.append(int: UInt32(0))
        return bytes
    }
    package static func open(_ view: ByteView) throws(DecodeError) -> (request: UInt32, batch: ByteView) {
        var decoder = Decoder(view, "store put")
        let request = try decoder.int(UInt32.self)
        guard try decoder.int(UInt32.self) == 0 else { throw .value(what: "store put reserved bytes", value: 0) }
        return (request, try decoder.bytes(decoder.left))
    }
}

/// What became of a put: `| request u32 | group u16 | outcome u8 | 0 u8 | offset u64 | timestamp u64 |`.
package struct StoreDone: Equatable, Sendable {
    package enum Outcome: UInt8, Sendable {
        /// It has this version.
        case done = 0
        /// The topic is not as the condition says: `offset` is its last version, `none` where there is none.
        case conflict = 1
    }
    package static let none = Offset(.max)
    package var request: UInt32
    package var group: GroupID
    package var outcome: Outcome
    package var offset: Offset
    package var timestamp: Timestamp
    package init(request: UInt32, group: GroupID, outcome: Outcome, offset: Offset, timestamp: Timestamp) {
        self.request = request
        self.group = group
        self.outcome = outcome
        self.offset = offset
        self.timestamp = timestamp
    }
    package func encode() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(int: request)
        bytes.append(int: group.raw)
        bytes.append(outcome.rawValue)
        bytes.append(0)
        bytes.append(int: offset.raw)
        bytes.append(int: timestamp.raw)
        return bytes
    }
    package init(_ view: ByteView) throws(DecodeError) {
        var decoder = Decoder(view, "store done")
        request = try decoder.int()
        group = GroupID(try decoder.int())
        let raw = try decoder.int(UInt8.self)
        guard let outcome = Outcome(rawValue: raw) else { throw .value(what: "store outcome", value: UInt64(raw)) }
        self.outcome = outcome
        guard try decoder.int(UInt8.self) == 0 else { throw .value(what: "store done reserved byte", value: 0) }
        offset = Offset(try decoder.int())
        timestamp = Timestamp(try decoder.int())
        try decoder.end()
    }
}

/// Where to begin so as to see the last `count` records that are wanted of a group:
/// `| request u32 | group u16 | 0 u16 | count u64 | patterns u32 × text | exclusions u32 × text |`.
package struct StoreTail: Equatable, Sendable {
    package var request: UInt32
    package var group: GroupID
    package var count: UInt64
    package var patterns: [String]
    package var exclusions: [String]
    package init(request: UInt32, group: GroupID, count: UInt64, patterns: [String], exclusions: [String] = []) {
        self.request = request
        self.group = group
        self.count = count
        self.patterns = patterns
        self.exclusions = exclusions
    }
    package func encode() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(int: request)
        bytes.append(int: group.raw)
        bytes.append(int: UInt16(0))
        bytes.append(int: count)
        for list in [patterns, exclusions] { bytes.append(texts: list) }
        return bytes
    }
    package init(_ view: ByteView) throws(DecodeError) {
        var decoder = Decoder(view, "store tail")
        request = try decoder.int()
        group = GroupID(try decoder.int())
        guard try decoder.int(UInt16.self) == 0 else { throw .value(what: "store tail reserved bytes", value: 0) }
        count = try decoder.int()
        patterns = try StoreRead.texts(&decoder)
        exclusions = try StoreRead.texts(&decoder)
        try decoder.end()
    }
}

/// The answer: `| request u32 | group u16 | 0 u16 | offset u64 |`.
package struct StorePlace: Equatable, Sendable {
    package var request: UInt32
    package var group: GroupID
    package var offset: Offset
    package init(request: UInt32, group: GroupID, offset: Offset) {
        self.request = request
        self.group = group
        self.offset = offset
    }
    package func encode() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(int: request)
        bytes.append(int: group.raw)
        bytes.append(int: UInt16(0))
        bytes.append(int: offset.raw)
        return bytes
    }
    package init(_ view: ByteView) throws(DecodeError) {
        var decoder = Decoder(view, "store place")
        request = try decoder.int()
        group = GroupID(try decoder.int())
        guard try decoder.int(UInt16.self) == 0 else { throw .value(what: "store place reserved bytes", value: 0) }
        offset = Offset(try decoder.int())
        try decoder.end()
    }
}
