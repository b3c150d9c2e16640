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
    /// What a change replaced, for taking back the tail of a log.
    package struct Undo: Sendable {
        let topic: UInt32
        let raw: UInt64
    }

    private var heads: [UInt64] = []
    package init() {}

    package var count: Int { heads.count }
    /// Bytes of memory that the table has taken.
    package var footprint: Int { heads.capacity * MemoryLayout<UInt64>.size }

    package func head(of topic: TopicID) -> Head? { topic.index < heads.count ? Head(raw: heads[topic.index]) : nil }

    /// Whether some topic's last version lies in `offsets`.
    package func isAny(in offsets: Range<Offset>) -> Bool {
        let raw = offsets.lowerBound.raw &+ 1 << 1..<offsets.upperBound.raw &+ 1 << 1
        return heads.contains { raw.contains($0) }
    }

    /// Applies an accepted batch's records, the first at `base`; topics from `limit` on are none. False: a condition does not hold,
    /// and nothing has changed.
    ///
    /// Records are judged one after another, so that a condition sees those before it in its own batch. Cost: one word for each run of a topic's.
    package mutating func apply(_ records: ByteView, base: Offset, topics limit: Int, undo: inout [Undo]) -> Bool {
        let start = undo.count
        var at = 0
        var offset = base.raw
        // Of records of one topic in a row the last one counts.
        var run = (topic: UInt32.max, head: UInt64(0))
        var stride = Stride()
        while records.count - at >= RecordHeader.size {
            let rest = records.from(at)
            let header = RecordHeader(rest)
            guard header.length <= rest.count else { break }
            if header.topic.raw != run.topic || header.flags & RecordHeader.conditional != 0 {
                if run.topic != .max { set(run.topic, run.head, start, &undo) }
                run.topic = header.topic.index < limit ? header.topic.raw : .max
                if header.flags & RecordHeader.conditional != 0, !holds(header.topic, rest) {
                    takeBack(&undo, to: start)
                    return false
                }
            }
            run.head = Head(offset: Offset(offset), isRemoved: header.flags & RecordHeader.tombstone != 0).raw
            offset &+= 1
            at += stride.over(header.length)
        }
        if run.topic != .max { set(run.topic, run.head, start, &undo) }
        return true
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

    private mutating func set(_ topic: UInt32, _ head: UInt64, _ start: Int, _ undo: inout [Undo]) {
        let index = Int(topic)
        while heads.count <= index { heads.append(0) }
        // A run of one topic needs one undo: the oldest of the batch counts.
        if undo.count == start || undo[undo.count - 1].topic != topic { undo.append(Undo(topic: topic, raw: heads[index])) }
        heads[index] = head
    }

    /// Takes back the newest changes until `count` are left.
    package mutating func takeBack(_ undo: inout [Undo], to count: Int = 0) {
        while undo.count > count {
            let last = undo.removeLast()
            heads[Int(last.topic)] = last.raw
        }
        // As before the newest topics had a record: equal states have equal tables.
        while heads.last == 0 { heads.removeLast() }
    }

    /// `| count u32 | 0 u32 | count × u64 |`.
    package func encode(into bytes: inout [UInt8]) {
        bytes.append(int: UInt32(heads.count))
        bytes.append(int: UInt32(0))
        bytes.reserveCapacity(bytes.count + heads.count * 8)
        for raw in heads { bytes.append(int: raw) }
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
