/// What cleaning leaves of a log. Numbers, offsets, times and chains stay what they were:
///
///      before   | entry 7: a b c d | entry 8: e f | entry 9: g | entry 10: h i | …
///      after    | entry 7: a . . d | hole: 8 and 9, 3 offsets  | entry 10: h i | …
///
/// An entry of which something stays keeps its batches: as they were, or sparse. Entries of which nothing stays become one hole. Both
/// have `EntryHeader.cleanedMagic`. Declarations and changes of consumer groups always stay. What the batches of a hole did to the exactly-once table, and removes that
/// are gone to the topics' heads, is said by a batch of kind `state` in the hole, unless something behind it in the same segment says it.
extension EntryHeader {
    /// Checks what only entries that were cleaned may hold.
    func admit(_ kind: BatchKind, _ body: ByteView, count: Int) throws(DecodeError) {
        switch kind {
        case .records, .declare, .open, .consumers: return
        case .sparse:
            guard isCleaned, SparseCursor.isWhole(body, count: count) else { throw .value(what: "sparse batch", value: UInt64(count)) }
        case .state:
            guard isCleaned, count == 0, KeptState.isWhole(body) else { throw .value(what: "state batch", value: UInt64(body.count)) }
        }
    }

    /// This hole, beginning at a later entry that it stands for; `place` is where the log ends before that one.
    package func trimmed(from place: LogEnd) -> EntryHeader {
        var header = self
        header.span = Int(endNumber.raw - place.number.raw)
        header.records = Int(endOffset.raw - place.offset.raw)
        header.number = place.number
        header.baseOffset = place.offset
        header.synced = min(synced, place.number)
        return header
    }

    /// This hole, ending before a later entry that it stands for; `place` is where the log ends before that one.
    package func cut(to place: LogEnd) -> EntryHeader {
        var header = self
        header.span = Int(place.number.raw - number.raw)
        header.records = Int(place.offset.raw - baseOffset.raw)
        (header.timestamp, header.sender) = (place.key.timestamp, place.key.sender)
        (header.view, header.chain) = (place.view, place.chain)
        return header
    }

    /// The header's bytes, then `body`, whose batches are whole.
    package func entry(_ body: ByteView) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.size + body.count)
        encode(into: &bytes) { own in
            var crc = own
            var cursor = BatchCursor(body)
            while let batch = (try? cursor.next(verify: false)) ?? nil { crc = batch.whole[0..<BatchHeader.crcStart].crc32c(crc) }
            return crc
        }
        bytes.append(view: body)
        return bytes
    }
}

/// Walks the body of a sparse batch: the records that are left, and which of the batch's records each one is.
///
///      | delta u32 | count u32 | count × record | delta u32 | count u32 | count × record | …
///
/// `delta`: how many of the batch's records lay before the first of the run; runs rise, within the batch's count.
package struct SparseCursor {
    package static let prefix = 8
    private let body: ByteView
    private var left = 0
    private var delta = 0
    package private(set) var position = 0
    package init(_ body: ByteView) { self.body = body }

    /// Nil at the end, or where a record is not whole. `at`: where the record begins in the body.
    package mutating func next() -> (delta: Int, at: Int)? {
        if left == 0 {
            guard body.count - position >= Self.prefix + RecordHeader.shortSize else { return nil }
            (delta, left) = (Int(body.u32(position)), Int(body.u32(position + 4)))
            position += Self.prefix
        }
        let at = position
        guard left > 0, let record = RecordHeader.ofWhole(body.from(at)) else { return nil }
        position += record.length
        left -= 1
        delta += 1
        return (delta - 1, at)
    }

    static func isWhole(_ body: ByteView, count: Int) -> Bool {
        var cursor = SparseCursor(body)
        var last = -1
        while let (delta, _) = cursor.next() {
            guard delta > last, delta < count else { return false }
            last = delta
        }
        return cursor.position == body.count && cursor.left == 0
    }
}

/// Makes a sparse batch of some of a batch's records, given in their order.
package struct SparseBuilder {
    private var body: [UInt8] = []
    private var run = (delta: 0, count: 0, at: 0)

    package init() {}
    package var isEmpty: Bool { body.isEmpty }
    /// - delta: how many of the batch's records lay before it; record: whole, header and padding.
    package mutating func append(_ delta: Int, _ record: ByteView) {
        if run.count == 0 || run.delta + run.count != delta {
            endRun()
            run = (delta, 0, body.count + 4)
            body.append(int: UInt32(delta))
            body.append(int: UInt32(0))
        }
        run.count += 1
        body.append(view: record)
    }
    private mutating func endRun() { if run.count > 0 { body.store(UInt32(run.count), at: run.at) } }

    /// The whole batch, of a publisher, numbers and count as the batch has them that the records come from.
    package mutating func batch(of header: BatchHeader) -> [UInt8] {
        endRun()
        // All of them are here: a batch of the largest size has no room for what a sparse one needs besides.
        if run.delta == 0, run.count == header.count, header.count > 0 {
            return wholeBatch(
                .records, Array(body.dropFirst(SparseCursor.prefix)), publisher: header.publisher, sequence: header.sequence, epoch: header.epoch,
                count: header.count, group: header.group)
        }
        return wholeBatch(
            .sparse, body, publisher: header.publisher, sequence: header.sequence, epoch: header.epoch, count: header.count, group: header.group)
    }
}

/// Calls `body` with each record that a batch still has, and how many of its records lay before it; a batch of another kind has none.
package func walkRecords(_ header: BatchHeader, _ whole: ByteView, _ body: (_ delta: Int, _ record: RecordHeader) -> Void) {
    walkRecords(header, whole) { delta, _, record in body(delta, record) }
}

/// The same, with where the record begins in `whole`.
package func walkRecords(_ header: BatchHeader, _ whole: ByteView, _ body: (_ delta: Int, _ at: Int, _ record: RecordHeader) -> Void) {
    switch header.kind {
    case .records: walkPlainRecords(whole, body)
    case .sparse:
        var cursor = SparseCursor(whole.from(BatchHeader.size))
        while let (delta, at) = cursor.next() { body(delta, BatchHeader.size + at, RecordHeader(whole.from(BatchHeader.size + at))) }
    case .declare, .open, .consumers, .state: return
    }
}

/// The records of a `records` batch, which is as it was published: the n-th has the n-th offset.
@inlinable package func walkPlainRecords(_ whole: ByteView, _ body: (_ delta: Int, _ at: Int, _ record: RecordHeader) -> Void) {
    var at = BatchHeader.size
    var delta = 0
    var stride = Stride()
    while let record = RecordHeader.ofWhole(whole.from(at)) {
        body(delta, at, record)
        delta += 1
        at += stride.over(record.length)
    }
}

/// What batches that are gone had changed: a view of a `state` batch's body.
///
///      0        4        8
///      | lines  | heads  | lines × 48 | heads × 16 |
///
///      line   | publisher u64 | epoch u32 | 0 u32 | last u64 | touched u64 | offset u64 | placed u64 |
///      head   | topic u32 | removed u32 | offset u64 |
package struct KeptState {
    /// A publisher's line of the exactly-once table, as it stood behind the last of the batches.
    package struct Line: Equatable, Sendable {
        package var publisher: PublisherID
        package var epoch: UInt32
        package var last: UInt64
        package var touched: Timestamp
        package var offset: Offset
        package var placed: Timestamp
        package init(publisher: PublisherID, epoch: UInt32, last: UInt64, touched: Timestamp, offset: Offset, placed: Timestamp) {
            (self.publisher, self.epoch, self.last) = (publisher, epoch, last)
            (self.touched, self.offset, self.placed) = (touched, offset, placed)
        }
    }
    /// A topic's last version, which is gone.
    package struct Head: Equatable, Sendable {
        package var topic: TopicID
        package var isRemoved: Bool
        package var offset: Offset
        package init(topic: TopicID, isRemoved: Bool, offset: Offset) { (self.topic, self.isRemoved, self.offset) = (topic, isRemoved, offset) }
    }
    static let lineSize = 48
    static let headSize = 16
    /// Lines, and heads, of one batch: well below `Limits.batch`.
    package static let most = 8192

    private let body: ByteView
    /// `body` was found whole when its entry was checked.
    package init(_ body: ByteView) { self.body = body }

    static func isWhole(_ body: ByteView) -> Bool {
        guard body.count >= 8, body.u32(0) <= most, body.u32(4) <= most else { return false }
        return body.count == 8 + Int(body.u32(0)) * lineSize + Int(body.u32(4)) * headSize
    }

    package func forEachLine(_ take: (Line) -> Void) {
        guard Self.isWhole(body) else { return }
        for index in 0..<Int(body.u32(0)) {
            let at = 8 + index * Self.lineSize
            take(
                Line(
                    publisher: PublisherID(body.u64(at)), epoch: body.u32(at + 8), last: body.u64(at + 16),
                    touched: Timestamp(body.u64(at + 24)), offset: Offset(body.u64(at + 32)), placed: Timestamp(body.u64(at + 40))))
        }
    }
    package func forEachHead(_ take: (Head) -> Void) {
        guard Self.isWhole(body) else { return }
        for index in 0..<Int(body.u32(4)) {
            let at = 8 + Int(body.u32(0)) * Self.lineSize + index * Self.headSize
            take(Head(topic: TopicID(body.u32(at)), isRemoved: body.u32(at + 4) != 0, offset: Offset(body.u64(at + 8))))
        }
    }

    /// A whole batch of kind `state`.
    package static func batch(_ lines: [Line], _ heads: [Head], group: GroupID) -> [UInt8] {
        precondition(lines.count <= most && heads.count <= most, "a state batch within its limits")
        var body: [UInt8] = []
        body.append(int: UInt32(lines.count))
        body.append(int: UInt32(heads.count))
        for line in lines {
            body.append(int: line.publisher.raw)
            body.append(int: line.epoch)
            body.append(int: UInt32(0))
            body.append(int: line.last)
            body.append(int: line.touched.raw)
            body.append(int: line.offset.raw)
            body.append(int: line.placed.raw)
        }
        for head in heads {
            body.append(int: head.topic.raw)
            body.append(int: UInt32(head.isRemoved ? 1 : 0))
            body.append(int: head.offset.raw)
        }
        return wholeBatch(.state, body, publisher: PublisherID(0), sequence: 0, epoch: 0, count: 0, group: group)
    }
}

/// A batch of a kind that only cleaning makes, around `body`, a multiple of 8 bytes.
package func wholeBatch(
    _ kind: BatchKind, _ body: [UInt8], publisher: PublisherID, sequence: UInt64, epoch: UInt32, count: Int, group: GroupID
) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(BatchHeader.size + body.count)
    bytes.append(int: UInt32(BatchHeader.size + body.count))
    bytes.append(int: UInt32(0))
    bytes.append(int: publisher.raw)
    bytes.append(int: sequence)
    bytes.append(int: epoch)
    bytes.append(int: UInt32(count))
    bytes.append(int: group.raw)
    bytes.append(kind.rawValue)
    bytes.append(0)
    bytes.append(int: UInt32(0))
    bytes += body
    bytes.store(bytes.withView { $0.from(BatchHeader.crcStart).crc32c() }, at: 4)
    return bytes
}
