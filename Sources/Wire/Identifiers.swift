/// A node's stable number, from its configuration: 1 … 65,535.
package struct NodeID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let raw: UInt16
    package init(_ raw: UInt16) { self.raw = raw }
    package static func < (a: NodeID, b: NodeID) -> Bool { a.raw < b.raw }
    package var description: String { "node \(raw)" }
}

/// Rises at every start of a node; tells its lives apart.
package struct Incarnation: Hashable, Comparable, Sendable {
    package let raw: UInt64
    package init(_ raw: UInt64) { self.raw = raw }
    package static func < (a: Self, b: Self) -> Bool { a.raw < b.raw }
}

/// A view's number; rises by one with each view (PROTOCOL.md, `vid`). 0 is "before the first view".
package struct ViewNumber: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let raw: UInt64
    package init(_ raw: UInt64) { self.raw = raw }
    package static func < (a: Self, b: Self) -> Bool { a.raw < b.raw }
    package var next: Self { Self(raw + 1) }
    package var description: String { "view \(raw)" }
}

/// A replicated subgroup: one ordered log that many topics are folded into. 0 ..< `Limits.groups`.
package struct GroupID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let raw: UInt16
    package init(_ raw: UInt16) { self.raw = raw }
    package static func < (a: Self, b: Self) -> Bool { a.raw < b.raw }
    package var index: Int { Int(raw) }
    package var description: String { "group \(raw)" }
}

/// A topic's index within its group, dense from 0 in the order of declaration in the group's log.
@usableFromInline @frozen package struct TopicID: Hashable, Comparable, Sendable {
    @usableFromInline package let raw: UInt32
    @inlinable package init(_ raw: UInt32) { self.raw = raw }
    @inlinable package static func < (a: Self, b: Self) -> Bool { a.raw < b.raw }
    @inlinable package var index: Int { Int(raw) }
}

/// A hybrid logical clock reading: nanoseconds since 1970 that never fall, raised by one where the clock stands
/// (Kulkarni et al., 2014). (timestamp, sender) is unique and totally ordered.
package struct Timestamp: Hashable, Comparable, Sendable {
    package let raw: UInt64
    package init(_ raw: UInt64) { self.raw = raw }
    package static func < (a: Self, b: Self) -> Bool { a.raw < b.raw }
    package static var zero: Self { Self(0) }
}

/// A frame's final place among all frames of its group: by timestamp, then sender.
package struct OrderKey: Hashable, Comparable, Sendable {
    package let timestamp: Timestamp
    package let sender: NodeID
    package init(_ timestamp: Timestamp, _ sender: NodeID) {
        self.timestamp = timestamp
        self.sender = sender
    }
    package static func < (a: Self, b: Self) -> Bool {
        a.timestamp == b.timestamp ? a.sender < b.sender : a.timestamp < b.timestamp
    }
    package static var zero: Self { Self(.zero, NodeID(0)) }
}

/// A record's index in its group's log, from 0, without gaps, the same at every replica.
package struct Offset: Hashable, Comparable, Sendable {
    package let raw: UInt64
    package init(_ raw: UInt64) { self.raw = raw }
    package static func < (a: Self, b: Self) -> Bool { a.raw < b.raw }
}

/// A log entry's index in its group's log, from 0, without gaps, the same at every replica.
package struct EntryNumber: Hashable, Comparable, Sendable {
    package let raw: UInt64
    package init(_ raw: UInt64) { self.raw = raw }
    package static func < (a: Self, b: Self) -> Bool { a.raw < b.raw }
    package var next: Self { Self(raw + 1) }
    package static var zero: Self { Self(0) }
}

/// A publisher's identity: hash of its name, or drawn at random for one run.
package struct PublisherID: Hashable, Sendable {
    package let raw: UInt64
    package init(_ raw: UInt64) { self.raw = raw }
}

/// Delivery level of a topic, weakest first (ARCHITECTURE.md, delivery levels).
package enum Level: UInt8, CaseIterable, Comparable, Sendable {
    /// Delivered and acknowledged when received by the first node; not kept.
    case unordered = 0
    /// Delivered and acknowledged when every member holds it; kept in memory.
    case ordered = 1
    /// Delivered and acknowledged when it is on the disks of a quorum; kept in the log.
    case durable = 2
    /// As durable, in the same order and log; and each node's disk has that node's signature over the history.
    case signed = 3

    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    package var name: String {
        switch self {
        case .unordered: "unordered"
        case .ordered: "ordered"
        case .durable: "durable"
        case .signed: "signed"
        }
    }
    /// The level called `name`, or of that number (`0` to `3`).
    package init?(named name: String) {
        guard let level = Level.allCases.first(where: { $0.name == name || "\($0.rawValue)" == name }) else { return nil }
        self = level
    }
}

extension GroupID {
    /// One group for each level, but that signed topics are among the durable ones: their frames share the data ring, each has an order and a log of its own.
    package static let durable = GroupID(0)
    package static let ordered = GroupID(1)
    package static let unordered = GroupID(2)
    package static let count = 3

    package init(_ level: Level) {
        switch level {
        case .durable, .signed: self = .durable
        case .ordered: self = .ordered
        case .unordered: self = .unordered
        }
    }
    package var level: Level {
        switch self {
        case .durable: .durable
        case .ordered: .ordered
        default: .unordered
        }
    }
}
