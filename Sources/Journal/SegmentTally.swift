internal import Broker
internal import Storage
internal import Wire

/// What lies in a segment, topic by topic: it tells what the rules keep of it without a look at its records.
struct SegmentTally {
    struct Line {
        let topic: TopicID
        var records: UInt64 = 0
        /// Of the records, with their headers.
        var bytes: UInt64 = 0
        var lowest: UInt64 = .max
        var highest: UInt64 = 0
        var oldest = Timestamp(.max)

        mutating func add(_ run: Line) {
            records += run.records
            bytes += run.bytes
            lowest = min(lowest, run.lowest)
            highest = max(highest, run.highest)
            oldest = min(oldest, run.oldest)
        }
    }
    fileprivate(set) var lines: [Line] = []
    /// Entries `first ..< end`.
    let first: EntryNumber
    fileprivate(set) var end: EntryNumber
    /// It has batches that stay whatever the rules say: declarations, changes of consumer groups, what cleaning wrote before.
    fileprivate(set) var hasMore = false

    init(from first: EntryNumber) { (self.first, end) = (first, first) }
    /// Nothing is left of it.
    init(blank span: LogSpan) { (first, end, hasMore) = (span.first, span.end, true) }
}

/// Counts a segment's records; a segment of too many topics is not counted.
struct SegmentCounter {
    private(set) var tally: SegmentTally
    /// By topic: the place of its line, plus one; 0 is none.
    private var slots: [UInt32] = []
    private var isOver = false

    static let mostLines = 4096

    init(from first: EntryNumber) { tally = SegmentTally(from: first) }

    /// Begins anew with the memory of the last segment.
    mutating func begin(from first: EntryNumber) {
        for line in tally.lines { slots[line.topic.index] = 0 }
        tally = SegmentTally(from: first)
        isOver = false
    }

    /// What was counted is exactly the entries of `span`.
    func covers(_ span: LogSpan) -> Bool { !isOver && tally.first == span.first && tally.end == span.end }

    /// The entry that follows those counted.
    mutating func add(_ header: EntryHeader, _ body: ByteView) {
        tally.end = header.endNumber
        count(header, body)
    }
    /// One of the entries that lie before those counted.
    mutating func add(before header: EntryHeader, _ body: ByteView) { count(header, body) }
    mutating func end(at number: EntryNumber) { tally.end = number }

    private mutating func count(_ header: EntryHeader, _ body: ByteView) {
        guard !isOver else { return }
        var offset = header.baseOffset.raw
        var batches = BatchCursor(body)
        while let (batch, whole) = (try? batches.next(verify: false)) ?? nil {
            switch batch.kind {
            case .records:
                // A publisher's records of one topic mostly follow one another: one line's change for all of them.
                var run = SegmentTally.Line(topic: TopicID(.max))
                walkPlainRecords(whole) { delta, _, record in
                    if record.topic != run.topic {
                        count(run)
                        run = SegmentTally.Line(topic: record.topic, lowest: offset + UInt64(delta), oldest: header.timestamp)
                    }
                    run.records += 1
                    run.bytes += UInt64(record.length)
                    run.highest = offset + UInt64(delta)
                }
                count(run)
            case .sparse:
                walkRecords(batch, whole) { delta, record in
                    let offset = offset + UInt64(delta)
                    count(
                        SegmentTally.Line(
                            topic: record.topic, records: 1, bytes: UInt64(record.length), lowest: offset, highest: offset, oldest: header.timestamp))
                }
            case .open: break
            case .declare, .consumers, .state: tally.hasMore = true
            }
            if batch.kind.hasRecords { offset += UInt64(batch.count) }
        }
    }

    /// Records of one topic.
    private mutating func count(_ run: SegmentTally.Line) {
        guard !isOver, run.records > 0 else { return }
        let topic = run.topic.index
        if topic >= slots.count { slots.append(contentsOf: repeatElement(0, count: max(topic + 1, slots.count * 2) - slots.count)) }
        if slots[topic] == 0 {
            guard tally.lines.count < Self.mostLines else {
                isOver = true
                return
            }
            tally.lines.append(SegmentTally.Line(topic: run.topic))
            slots[topic] = UInt32(tally.lines.count)
        }
        tally.lines[Int(slots[topic]) - 1].add(run)
    }
}

/// Tallies of closed segments, counted as they were written or as they were read; bounded: what has no room is read again.
struct SegmentTallies {
    private var open = SegmentCounter(from: .zero)
    /// Entries have been left out: the open segment's tally is of no use.
    private var isBroken = true
    private var closed: [EntryNumber: SegmentTally] = [:]
    private var lines = 0

    /// Lines of all segments together; 48 bytes each.
    private static let mostLines = 1 << 17

    subscript(_ span: LogSpan) -> SegmentTally? {
        guard let tally = closed[span.first], tally.end == span.end else { return nil }
        return tally
    }

    /// Entries are appended to the segment that begins with `first`.
    mutating func append(_ header: EntryHeader, _ body: ByteView, segment first: EntryNumber) {
        if open.tally.first != first || isBroken {
            open.begin(from: first)
            isBroken = header.number != first
        }
        guard !isBroken, header.number == open.tally.end else { return isBroken = true }
        open.add(header, body)
    }

    /// The segment `span` has just been closed.
    mutating func close(_ span: LogSpan) {
        if !isBroken, open.covers(span) { keep(open.tally) }
        isBroken = true
    }

    mutating func keep(_ tally: SegmentTally) {
        forget(tally.first)
        guard lines + tally.lines.count <= Self.mostLines else { return }
        lines += tally.lines.count
        closed[tally.first] = tally
    }

    mutating func forget(_ first: EntryNumber) { lines -= closed.removeValue(forKey: first)?.lines.count ?? 0 }

    /// The log is cut: what was known of entries from `number` on is no longer so.
    mutating func cut(to number: EntryNumber) {
        isBroken = true
        for tally in closed.values where tally.end > number { forget(tally.first) }
    }
}
