package import Wire

/// The last version of each topic of a group: what conditional puts are judged by. Part of the replicated state: it changes only in
/// the group's order.
///
///      heads  | 0 | (offset + 1) × 2 | (offset + 1) × 2 + 1 | …     by topic id; 0: no record yet; odd: the last one is a remove;
///                                                                   never ends with 0
///
/// 8 bytes a topic. Where each version lies, and those before it, the log knows (`VersionRun`).
package struct HeadTable: Equatable, Sendable {
    /// A topic's last record.
    package struct Head: Equatable, Sendable {
        package let offset: Offset
        package let isRemoved: Bool
        package init(offset: Offset, isRemoved: Bool) {
            self.offset = offset
            self.isRemoved = isRemoved
        }
        fileprivate var raw: UInt64 { (offset.raw &+ 1) << 1 | (isRemoved ? 1 : 0) }
        fileprivate init?(raw: UInt64) {
            guard raw > 1 else { return nil }
            offset = Offset((raw >> 1) &- 1)
            isRemoved = raw & 1 == 1
        }
    }
    /// What a batch replaced, for taking back the tail of a log.
    ///
    ///      lines   | topic, distance | topic, distance | topic, far | …     8 bytes each: the head before, counted back from the batch's own
    ///      far     | head |                                                 of those too far away for that, in the same order
    package struct Undo: Sendable {
        fileprivate struct Line {
            let topic: UInt32
            let distance: Int32
        }
        /// Counted from.
        fileprivate let base: UInt64
        fileprivate var lines: [Line] = []
        fileprivate var far: [UInt64] = []

        fileprivate init(base: UInt64) { self.base = base }
        package var isEmpty: Bool { lines.isEmpty }

        fileprivate mutating func note(_ topic: UInt32, _ raw: UInt64) {
            let distance = Int64(bitPattern: base &- raw)
            // Of topics without a record, too, the distance tells which it is.
            guard let near = Int32(exactly: distance), near != .min else {
                lines.append(Line(topic: topic, distance: .min))
                return far.append(raw)
            }
            lines.append(Line(topic: topic, distance: near))
        }
        /// The newest change.
        fileprivate mutating func pop() -> (topic: Int, raw: UInt64)? {
            guard let line = lines.popLast() else { return nil }
            let raw = line.distance == .min ? far.removeLast() : base &- UInt64(bitPattern: Int64(line.distance))
            return (Int(line.topic), raw)
        }
        /// Memory for so many lines at once: most batches have one topic, or one for each record.
        fileprivate mutating func makeRoom(_ most: Int) {
            if lines.count == 1 { lines.reserveCapacity(most) }
        }
    }

    private var heads: [UInt64] = []
    package init() {}

    package var count: Int { heads.count }
    /// Bytes of memory that the table has taken.
    package var footprint: Int { heads.capacity * MemoryLayout<UInt64>.size }

    package func head(of topic: TopicID) -> Head? { topic.index < heads.count ? Head(raw: heads[topic.index]) : nil }

    /// Whether some topic's last version lies in `offsets`.
    package func isAny(in offsets: Range<Offset>) -> Bool {
        let raw = Head(offset: offsets.lowerBound, isRemoved: false).raw..<Head(offset: offsets.upperBound, isRemoved: false).raw
        return heads.contains { raw.contains($0) }
    }

    /// Applies an accepted batch's `count` records, the first at `base`; topics from `limit` on are none. Nil: a condition does not hold, and
    /// nothing has changed.
    ///
    /// Records are judged one after another, so that a condition sees those before it in its own batch. Cost: one word for each run of a topic's.
    package mutating func apply(_ records: ByteView, base: Offset, count most: Int, topics limit: Int) -> Undo? {
        var undo = Undo(base: Head(offset: base, isRemoved: false).raw)
        var at = 0
        var offset = base.raw
        // Of records of one topic in a row the last one counts.
        var run = (topic: UInt32.max, head: UInt64(0))
        var stride = Stride()
        while true {
            let rest = records.from(at)
            guard let header = RecordHeader.ofWhole(rest) else { break }
            if header.topic.raw != run.topic || header.flags & RecordHeader.conditional != 0 {
                if run.topic != .max { set(run.topic, run.head, most, &undo) }
                run.topic = header.topic.index < limit ? header.topic.raw : .max
                if header.flags & RecordHeader.conditional != 0, !holds(header.topic, rest) {
                    takeBack(undo)
                    return nil
                }
            }
            run.head = Head(offset: Offset(offset), isRemoved: header.flags & RecordHeader.tombstone != 0).raw
            offset &+= 1
            at += stride.over(header.length)
        }
        if run.topic != .max { set(run.topic, run.head, most, &undo) }
        return undo
    }

    private func holds(_ topic: TopicID, _ record: ByteView) -> Bool {
        let head = head(of: topic)
        switch VersionCondition(of: RecordView(record)) {
        case .version(let offset): return head?.offset == offset
        case .absent: return head?.isRemoved ?? true
        case nil: return false
        }
    }

    /// Sets a topic's last version, as a record that was accepted when it was ordered did.
    package mutating func set(_ topic: TopicID, _ head: Head) {
        while heads.count <= topic.index { heads.append(0) }
        heads[topic.index] = head.raw
    }

    private mutating func set(_ topic: UInt32, _ head: UInt64, _ most: Int, _ undo: inout Undo) {
        let index = Int(topic)
        while heads.count <= index { heads.append(0) }
        // A run of one topic needs one line: the oldest of the batch counts.
        if undo.lines.last?.topic != topic {
            undo.makeRoom(most)
            undo.note(topic, heads[index])
        }
        heads[index] = head
    }

    /// Takes a batch's changes back; nothing newer is left.
    package mutating func takeBack(_ undo: Undo) {
        var undo = undo
        while let (topic, raw) = undo.pop() { heads[topic] = raw }
        // As before the newest topics had a record: equal states have equal tables.
        while heads.last == 0 { heads.removeLast() }
    }

    /// `| count u32 | 0 u32 | count × u64 |`.
    package func encode(into bytes: inout [UInt8]) {
        bytes.append(int: UInt32(heads.count))
        bytes.append(int: UInt32(0))
        bytes.reserveCapacity(bytes.count + heads.count * 8)
        bytes.append(ints: heads)
    }
    package init(_ decoder: inout Decoder) throws(DecodeError) {
        let count = Int(try decoder.int(UInt32.self))
        guard count <= Limits.topics else { throw .limit(what: "heads", value: UInt64(count), limit: UInt64(Limits.topics)) }
        guard try decoder.int(UInt32.self) == 0 else { throw .value(what: "heads' reserved bytes", value: 0) }
        let view = try decoder.bytes(count * 8)
        heads.reserveCapacity(count)
        for index in 0..<count {
            let raw = view.u64(index * 8)
            guard raw != 1 else { throw .value(what: "head of topic", value: UInt64(index)) }
            heads.append(raw)
        }
    }
}
