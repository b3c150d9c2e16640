/// A client asks for ids of topic names.
///
///      | request u32 | count u32 | count × (length u16, name) |
package struct DeclareRequest: Equatable, Sendable {
    package var request: UInt32
    package var names: [String]
    package init(request: UInt32, names: [String]) {
        self.request = request
        self.names = names
    }
    package func encode() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(int: request)
        bytes.append(int: UInt32(names.count))
        for name in names { bytes.append(text: name) }
        return bytes
    }
    package init(_ view: ByteView) throws(DecodeError) {
        var decoder = Decoder(view, "declare")
        request = try decoder.int()
        names = []
        for _ in 0..<(try decoder.count(limit: Limits.declarations, size: 2)) {
            names.append(try decoder.text(limit: Limits.topicName))
        }
        try decoder.end()
    }
}

/// The answer, name by name: an id with its group and level, or the reason of a refusal.
///
///      | request u32 | count u32 | count × ( 0 u8, group u16, topic u32, level u8  or  1 u8, length u16, reason ) |
package struct DeclareAnswer: Equatable, Sendable {
    package enum Line: Equatable, Sendable {
        case topic(GroupID, TopicID, Level)
        case refused(String)
    }
    package var request: UInt32
    package var lines: [Line]
    package init(request: UInt32, lines: [Line]) {
        self.request = request
        self.lines = lines
    }
    package func encode() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(int: request)
        bytes.append(int: UInt32(lines.count))
        for line in lines {
            switch line {
            case .topic(let group, let topic, let level):
                bytes.append(0)
                bytes.append(int: group.raw)
                bytes.append(int: topic.raw)
                bytes.append(level.rawValue)
            case .refused(let why):
                bytes.append(1)
                bytes.append(text: why, limit: Limits.reason)
            }
        }
        return bytes
    }
    package init(_ view: ByteView) throws(DecodeError) {
        var decoder = Decoder(view, "declared")
        request = try decoder.int()
        lines = []
        for _ in 0..<(try decoder.count(limit: Limits.declarations, size: 3)) {
            switch try decoder.int(UInt8.self) {
            case 0:
                let group = GroupID(try decoder.int())
                let topic = TopicID(try decoder.int())
                let raw = try decoder.int(UInt8.self)
                guard group.index < GroupID.count else { throw .value(what: "group", value: UInt64(group.raw)) }
                guard topic.index < Limits.topics else { throw .limit(what: "topic id", value: UInt64(topic.raw), limit: UInt64(Limits.topics)) }
                guard let level = Level(rawValue: raw) else { throw .value(what: "level", value: UInt64(raw)) }
                lines.append(.topic(group, topic, level))
            case 1: lines.append(.refused(try decoder.text(limit: Limits.reason * 4)))
            case let kind: throw .value(what: "declared line", value: UInt64(kind))
            }
        }
        try decoder.end()
    }
}

/// A publisher opens (or opens again) in a group: `| request u32 | publisher u64 | group u16 |`.
package struct OpenRequest: Equatable, Sendable {
    package var request: UInt32
    package var publisher: PublisherID
    package var group: GroupID
    package init(request: UInt32, publisher: PublisherID, group: GroupID) {
        self.request = request
        self.publisher = publisher
        self.group = group
    }
    package func encode() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(int: request)
        bytes.append(int: publisher.raw)
        bytes.append(int: group.raw)
        return bytes
    }
    package init(_ view: ByteView) throws(DecodeError) {
        var decoder = Decoder(view, "open")
        request = try decoder.int()
        publisher = PublisherID(try decoder.int())
        group = GroupID(try decoder.int())
        try decoder.end()
    }
}

/// The publisher's new epoch and the last of its records that the group has:
/// `| request u32 | group u16 | epoch u32 | last u64 |`.
package struct OpenAnswer: Equatable, Sendable {
    package var request: UInt32
    package var group: GroupID
    package var epoch: UInt32
    package var last: UInt64
    package init(request: UInt32, group: GroupID, epoch: UInt32, last: UInt64) {
        self.request = request
        self.group = group
        self.epoch = epoch
        self.last = last
    }
    package func encode() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(int: request)
        bytes.append(int: group.raw)
        bytes.append(int: epoch)
        bytes.append(int: last)
        return bytes
    }
    package init(_ view: ByteView) throws(DecodeError) {
        var decoder = Decoder(view, "opened")
        request = try decoder.int()
        group = GroupID(try decoder.int())
        epoch = try decoder.int()
        last = try decoder.int()
        try decoder.end()
    }
}

/// All records of the session's publisher in this group up to `last` have reached their level:
/// `| group u16 | epoch u32 | last u64 |`.
package struct Acknowledgement: Equatable, Sendable {
    package var group: GroupID
    package var epoch: UInt32
    package var last: UInt64
    package init(group: GroupID, epoch: UInt32, last: UInt64) {
        self.group = group
        self.epoch = epoch
        self.last = last
    }
    package static let size = 14
    package func encode(into bytes: inout [UInt8]) {
        bytes.append(int: group.raw)
        bytes.append(int: epoch)
        bytes.append(int: last)
    }
    package init(_ view: ByteView) throws(DecodeError) {
        var decoder = Decoder(view, "acknowledge")
        group = GroupID(try decoder.int())
        epoch = try decoder.int()
        last = try decoder.int()
        try decoder.end()
    }
}

/// A request or a batch is refused: `| code u8 | request u32 | group u16 | sequence u64 | length u16, reason |`. Where one record of a batch
/// is at fault, `sequence` is that record's, and the batch's earlier ones may come again without it.
package struct Refusal: Equatable, Sendable {
    package enum Code: UInt8, Sendable {
        case malformed = 0
        case notAllowed = 1
        /// Another session opened the same publisher.
        case fenced = 2
        /// Records are missing before this batch.
        case gap = 3
        case tooLarge = 4
        /// The node cannot serve now; another may.
        case unavailable = 5
        /// A topic is not as a conditional record says.
        case conflict = 6
        /// A topic has more records than its rule admits.
        case tooFast = 7
        /// A record is not as its topic's schema says.
        case unfit = 8
    }
    package var code: Code
    package var request: UInt32
    package var group: GroupID
    package var sequence: UInt64
    package var reason: String
    package init(_ code: Code, request: UInt32 = 0, group: GroupID = GroupID(0), sequence: UInt64 = 0, reason: String) {
        self.code = code
        self.request = request
        self.group = group
        self.sequence = sequence
        self.reason = reason
    }
    package func encode() -> [UInt8] {
        var bytes: [UInt8] = [code.rawValue]
        bytes.append(int: request)
        bytes.append(int: group.raw)
        bytes.append(int: sequence)
        bytes.append(text: reason, limit: Limits.reason)
        return bytes
    }
    package init(_ view: ByteView) throws(DecodeError) {
        var decoder = Decoder(view, "refused")
        let raw = try decoder.int(UInt8.self)
        guard let code = Code(rawValue: raw) else { throw .value(what: "refusal code", value: UInt64(raw)) }
        self.code = code
        request = try decoder.int()
        group = GroupID(try decoder.int())
        sequence = try decoder.int()
        reason = try decoder.text(limit: Limits.reason * 4)
        try decoder.end()
    }
}

/// A subscription.
///
///      | request u32 | start u8 | value u64 | patterns u32 × text | exclusions u32 × text | resume u32 × (group u16, offset u64) |
///      | length u16, filter |
///
/// `resume` names, for groups already read, the next offset; it goes before `start`. `filter` says which records of the topics
/// asked for are wanted, by what is in them; empty: all.
package struct SubscribeRequest: Equatable, Sendable {
    package enum Start: Equatable, Sendable {
        case beginning
        case end
        case offset(UInt64)
        case time(UInt64)
    }
    package var request: UInt32
    package var start: Start
    package var patterns: [String]
    package var exclusions: [String]
    package var resume: [Resume]
    package var filter: String

    package struct Resume: Equatable, Sendable {
        package var group: GroupID
        package var offset: Offset
        package init(group: GroupID, offset: Offset) {
            self.group = group
            self.offset = offset
        }
    }
    package init(
        request: UInt32, start: Start, patterns: [String], exclusions: [String], resume: [Resume], filter: String = ""
    ) {
        self.request = request
        self.start = start
        self.patterns = patterns
        self.exclusions = exclusions
        self.resume = resume
        self.filter = filter
    }
    package func encode() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(int: request)
        let (kind, value): (UInt8, UInt64) =
            switch start {
            case .beginning: (0, 0)
            case .end: (1, 0)
            case .offset(let offset): (2, offset)
            case .time(let time): (3, time)
            }
        bytes.append(kind)
        bytes.append(int: value)
        for list in [patterns, exclusions] {
            bytes.append(int: UInt32(list.count))
            for pattern in list { bytes.append(text: pattern) }
        }
        bytes.append(int: UInt32(resume.count))
        for line in resume {
            bytes.append(int: line.group.raw)
            bytes.append(int: line.offset.raw)
        }
        bytes.append(text: filter)
        return bytes
    }
    package init(_ view: ByteView) throws(DecodeError) {
        var decoder = Decoder(view, "subscribe")
        request = try decoder.int()
        let kind = try decoder.int(UInt8.self)
        let value = try decoder.int(UInt64.self)
        switch kind {
        case 0: start = .beginning
        case 1: start = .end
        case 2: start = .offset(value)
        case 3: start = .time(value)
        default: throw .value(what: "subscribe start", value: UInt64(kind))
        }
        patterns = []
        exclusions = []
        for _ in 0..<(try decoder.count(limit: Limits.patterns, size: 2)) {
            patterns.append(try decoder.text(limit: Limits.topicName * 2 + 2))
        }
        for _ in 0..<(try decoder.count(limit: Limits.patterns, size: 2)) {
            exclusions.append(try decoder.text(limit: Limits.topicName * 2 + 2))
        }
        resume = []
        for _ in 0..<(try decoder.count(limit: Limits.groups, size: 10)) {
            resume.append(Resume(group: GroupID(try decoder.int()), offset: Offset(try decoder.int())))
        }
        filter = try decoder.text(limit: Limits.filter)
        try decoder.end()
    }
}

/// A subscription was accepted: `| request u32 | groups u32 × (group u16, end offset u64) |`: where each group's delivered end
/// is now. Also `position`: `| group u16 | offset u64 | live u8 |`, all before `offset` has been sent.
package struct SubscribeAnswer: Equatable, Sendable {
    package var request: UInt32
    package var ends: [SubscribeRequest.Resume]
    package init(request: UInt32, ends: [SubscribeRequest.Resume]) {
        self.request = request
        self.ends = ends
    }
    package func encode() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(int: request)
        bytes.append(int: UInt32(ends.count))
        for end in ends {
            bytes.append(int: end.group.raw)
            bytes.append(int: end.offset.raw)
        }
        return bytes
    }
    package init(_ view: ByteView) throws(DecodeError) {
        var decoder = Decoder(view, "subscribed")
        request = try decoder.int()
        ends = []
        for _ in 0..<(try decoder.count(limit: Limits.groups, size: 10)) {
            ends.append(.init(group: GroupID(try decoder.int()), offset: Offset(try decoder.int())))
        }
        try decoder.end()
    }
}

/// How far a subscription has come in a group: `| group u16 | skipped u64 | offset u64 |`; all that it wants before `offset` has been
/// sent, but for `skipped` records that were no longer kept.
package struct Position: Equatable, Sendable {
    package var group: GroupID
    package var skipped: UInt64
    package var offset: Offset
    package init(group: GroupID, skipped: UInt64, offset: Offset) {
        self.group = group
        self.skipped = skipped
        self.offset = offset
    }
    package func encode(into bytes: inout [UInt8]) {
        bytes.append(int: group.raw)
        bytes.append(int: skipped)
        bytes.append(int: offset.raw)
    }
    package init(_ view: ByteView) throws(DecodeError) {
        var decoder = Decoder(view, "position")
        group = GroupID(try decoder.int())
        skipped = try decoder.int()
        offset = Offset(try decoder.int())
        try decoder.end()
    }
}

/// Names and levels of topics, before the first record of each: `| group u16 | count u32 × (topic u32, level u8, length u16, name) |`.
package struct TopicNames: Equatable, Sendable {
    package var group: GroupID
    package var names: [(topic: TopicID, level: Level, name: String)]
    package init(_ view: ByteView) throws(DecodeError) {
        var decoder = Decoder(view, "topic names")
        group = GroupID(try decoder.int())
        names = []
        for _ in 0..<(try decoder.count(limit: Limits.topics, size: 7)) {
            let topic = TopicID(try decoder.int())
            let raw = try decoder.int(UInt8.self)
            guard let level = Level(rawValue: raw) else { throw .value(what: "level", value: UInt64(raw)) }
            names.append((topic, level, try decoder.text(limit: Limits.topicName)))
        }
        try decoder.end()
    }
    package static func == (a: Self, b: Self) -> Bool {
        a.group == b.group && a.names.count == b.names.count && zip(a.names, b.names).allSatisfy { $0 == $1 }
    }
}

/// Records picked from one log entry for a subscription that does not want all of it.
///
///      0                8                16     18     20       24
///      | base offset    | timestamp      |sender|group | count  | count × ( delta u32, 0 u32, record… )
package struct PickedHeader: Sendable {
    package static let size = 24
    package var baseOffset: Offset
    package var timestamp: Timestamp
    package var sender: NodeID
    package var group: GroupID
    package var count: Int
    package init(_ view: ByteView) throws(DecodeError) {
        guard view.count >= Self.size else { throw .short(what: "picked records", needed: Self.size, got: view.count) }
        baseOffset = Offset(view.u64(0))
        timestamp = Timestamp(view.u64(8))
        sender = NodeID(view.u16(16))
        group = GroupID(view.u16(18))
        count = Int(view.u32(20))
    }
    package static let countOffset = 20

    /// For records of `entry`, of which none have been appended yet.
    package init(_ entry: EntryHeader) {
        (baseOffset, timestamp, sender, group, count) = (entry.baseOffset, entry.timestamp, entry.sender, entry.group, 0)
    }
    package func encode(into bytes: inout [UInt8]) {
        bytes.append(int: baseOffset.raw)
        bytes.append(int: timestamp.raw)
        bytes.append(int: sender.raw)
        bytes.append(int: group.raw)
        bytes.append(int: UInt32(count))
    }
}

/// The cluster as a client should know it:
/// `| view u64 | quorum u16 | members u16 | count u32 × (node u16, live u8, length u16, address) | length u16, waiting |`.
package struct ClusterInfo: Equatable, Sendable {
    package struct Node: Equatable, Sendable {
        package var node: NodeID
        package var isLive: Bool
        package var address: String
        package init(node: NodeID, isLive: Bool, address: String) {
            self.node = node
            self.isLive = isLive
            self.address = address
        }
    }
    package var view: ViewNumber
    package var quorum: Int
    package var members: Int
    package var nodes: [Node]
    /// Why this node runs no view, and whom it waits for; empty where it runs one.
    package var waiting: String
    package init(view: ViewNumber, quorum: Int, members: Int, nodes: [Node], waiting: String = "") {
        self.view = view
        self.quorum = quorum
        self.members = members
        self.nodes = nodes
        self.waiting = waiting
    }
    package func encode() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(int: view.raw)
        bytes.append(int: UInt16(quorum))
        bytes.append(int: UInt16(members))
        bytes.append(int: UInt32(nodes.count))
        for node in nodes {
            bytes.append(int: node.node.raw)
            bytes.append(node.isLive ? 1 : 0)
            bytes.append(text: node.address)
        }
        bytes.append(text: waiting, limit: Limits.reason)
        return bytes
    }
    package init(_ view: ByteView) throws(DecodeError) {
        var decoder = Decoder(view, "cluster")
        self.view = ViewNumber(try decoder.int())
        quorum = Int(try decoder.int(UInt16.self))
        members = Int(try decoder.int(UInt16.self))
        nodes = []
        for _ in 0..<(try decoder.count(limit: Limits.members * 4, size: 5)) {
            nodes.append(
                Node(
                    node: NodeID(try decoder.int()), isLive: try decoder.int(UInt8.self) == 1,
                    address: try decoder.text(limit: Limits.address)))
        }
        waiting = try decoder.text(limit: Limits.reason)
        try decoder.end()
    }
}
