internal import Broker
internal import Replication
internal import Wire

/// Rewrites the entries of one closed segment, given in order: what stays of each, and holes where nothing does (`Wire/Cleaned.swift`).
///
///     entries ──▶ take … take ──▶ finish          a hole grows until an entry comes of which something stays
///
/// It follows the exactly-once table from where the segment begins, so that a hole can say how the table stands behind it.
struct EntryCleaner {
    /// What becomes of a record.
    enum Fate {
        case stays
        case goes
        /// It goes, and was the topic's last: the heads must not forget it.
        case goesAsHead
    }
    typealias Judge = (_ record: RecordView, _ offset: Offset, _ time: Timestamp) -> Fate

    private struct Hole {
        var header: EntryHeader
        var lines: [PublisherID: KeptState.Line] = [:]
        var heads: [KeptState.Head] = []
    }
    private let group: GroupID
    /// Where the next entry stands; nil where no state was saved at the segment's beginning.
    private var publishers: PublisherTable?
    private let isRemembered: (PublisherID) -> Bool
    private let isHead: (KeptState.Head) -> Bool
    private var hole: Hole?
    /// The entry that comes next.
    private(set) var next: EntryNumber?
    /// Batches of an entry that may become part of a hole: its lines must find room in one.
    private static let mostBatches = KeptState.most / 2

    /// - publishers: as they stood where the segment begins; isRemembered: whether a publisher is in the table of today; isHead: whether a
    /// version that is gone is its topic's last still.
    init(
        group: GroupID, publishers: PublisherTable?, isRemembered: @escaping (PublisherID) -> Bool,
        isHead: @escaping (KeptState.Head) -> Bool
    ) {
        (self.group, self.publishers, self.isRemembered, self.isHead) = (group, publishers, isRemembered, isHead)
    }

    /// What an entry comes to when its batches are looked at one by one.
    private struct Remains {
        var body: [UInt8] = []
        var batches = 0
        var lines: [KeptState.Line] = []
        /// Of those, the ones that no batch of the entry says, but what a hole said that lay in its place.
        var said: [KeptState.Line] = []
        var heads: [KeptState.Head] = []
        /// Something of it stays.
        var stays = false
        /// Something of it goes.
        var goes = false

        mutating func keep(_ batch: ByteView) {
            body.append(view: batch)
            batches += 1
        }
    }

    /// `whole` is an entry that was checked, header and all.
    mutating func take(_ header: EntryHeader, _ whole: ByteView, _ judge: Judge, into out: inout [UInt8]) {
        next = header.endNumber
        var remains = Remains()
        var offset = header.baseOffset
        var batches = BatchCursor(whole[EntryHeader.size..<header.length])
        while let (batch, bytes) = (try? batches.next(verify: false)) ?? nil {
            look(batch, bytes, at: offset, header.timestamp, judge, &remains)
            if batch.kind.hasRecords { offset = Offset(offset.raw + UInt64(batch.count)) }
        }
        guard remains.stays || header.batches > Self.mostBatches && header.span == 1 else { return widen(header, remains, into: &out) }
        flush(into: &out)
        guard remains.stays, remains.goes else { return out.append(view: whole[0..<header.length]) }
        Self.append(states: remains.said.filter { isRemembered($0.publisher) }, remains.heads, to: &remains, group)
        var entry = header
        entry.isCleaned = true
        entry.batches = remains.batches
        entry.length = EntryHeader.size + remains.body.count
        out += remains.body.withView { entry.entry($0) }
    }

    /// The segment is over.
    mutating func finish(into out: inout [UInt8]) { flush(into: &out) }

    // MARK: batches

    private mutating func look(
        _ batch: BatchHeader, _ bytes: ByteView, at offset: Offset, _ time: Timestamp, _ judge: Judge, _ remains: inout Remains
    ) {
        switch batch.kind {
        case .records, .sparse:
            let line = PublisherTable.Line(epoch: batch.epoch, last: batch.lastSequence, touched: time, offset: offset, placed: time)
            publishers?.set(batch.publisher, line)
            remains.lines.append(KeptState.Line(batch.publisher, line))
            thin(batch, bytes, at: offset, time, judge, &remains)
        case .declare, .consumers:
            remains.stays = true
            remains.keep(bytes)
        case .open:
            _ = publishers?.open(batch.publisher, at: time)
            if let line = publishers?.line(of: batch.publisher) {
                remains.lines.append(KeptState.Line(batch.publisher, line))
            } else {
                // Which epoch it began is not known here.
                remains.stays = true
            }
            remains.keep(bytes)
        case .state:
            let state = KeptState(bytes.from(BatchHeader.size))
            state.forEachLine { line in
                publishers?.set(line.publisher, PublisherTable.Line(line))
                remains.lines.append(line)
                remains.said.append(line)
            }
            state.forEachHead { if isHead($0) { remains.heads.append($0) } }
            remains.goes = true
        }
    }

    /// The batch as it is where all of its records stay, else those that do.
    private func thin(
        _ batch: BatchHeader, _ bytes: ByteView, at offset: Offset, _ time: Timestamp, _ judge: Judge, _ remains: inout Remains
    ) {
        var left = SparseBuilder()
        var goes = false
        walkRecords(batch, bytes) { delta, at, header in
            let record = RecordView(bytes.from(at))
            let place = Offset(offset.raw + UInt64(delta))
            switch judge(record, place, time) {
            case .stays: left.append(delta, record.whole)
            case .goes: goes = true
            case .goesAsHead:
                goes = true
                remains.heads.append(KeptState.Head(topic: header.topic, isRemoved: header.flags & RecordHeader.tombstone != 0, offset: place))
            }
        }
        if !left.isEmpty { remains.stays = true }
        guard goes else { return remains.keep(bytes) }
        remains.goes = true
        left.batch(of: batch).withView { remains.keep($0) }
    }

    // MARK: holes

    private mutating func widen(_ header: EntryHeader, _ remains: Remains, into out: inout [UInt8]) {
        if let hole, !hasRoom(hole, header, remains) { flush(into: &out) }
        var wider = hole ?? Hole(header: header)
        if hole == nil {
            wider.header.isCleaned = true
        } else {
            wider.header.span += header.span
            wider.header.records += header.records
            (wider.header.timestamp, wider.header.sender) = (header.timestamp, header.sender)
            (wider.header.view, wider.header.chain) = (header.view, header.chain)
        }
        // Out of its place, so that it is changed where it is.
        hole = nil
        for line in remains.lines { wider.lines[line.publisher] = line }
        wider.heads += remains.heads
        hole = wider
    }
    private func hasRoom(_ hole: Hole, _ header: EntryHeader, _ remains: Remains) -> Bool {
        hole.header.span + header.span <= EntryHeader.longestSpan && hole.header.records + header.records <= Int(UInt32.max)
            && hole.lines.count + remains.lines.count <= KeptState.most && hole.heads.count + remains.heads.count <= KeptState.most
    }

    private mutating func flush(into out: inout [UInt8]) {
        guard let hole else { return }
        self.hole = nil
        var remains = Remains()
        let lines = planted(.holeForgetsPublishers) ? [] : hole.lines.values.filter { isRemembered($0.publisher) }
        Self.append(states: lines.sorted { $0.publisher.raw < $1.publisher.raw }, hole.heads.filter(isHead), to: &remains, group)
        var entry = hole.header
        entry.batches = remains.batches
        entry.length = EntryHeader.size + remains.body.count
        out += remains.body.withView { entry.entry($0) }
    }

    /// The hole that stands for all entries between two places; `lines`: publishers that they changed, as they stand behind them.
    static func hole(from start: LogEnd, to end: LogEnd, group: GroupID, _ lines: [KeptState.Line]) -> [UInt8] {
        var header = EntryHeader(
            length: EntryHeader.size, batches: 0, number: start.number, baseOffset: start.offset, timestamp: end.key.timestamp, view: end.view,
            sender: end.key.sender, group: group, records: Int(end.offset.raw - start.offset.raw), synced: start.number, chain: end.chain)
        (header.isCleaned, header.span) = (true, Int(end.number.raw - start.number.raw))
        var remains = Remains()
        append(states: planted(.holeForgetsPublishers) ? [] : lines, [], to: &remains, group)
        header.batches = remains.batches
        header.length = EntryHeader.size + remains.body.count
        return remains.body.withView { header.entry($0) }
    }

    /// As many batches of kind `state` as they fill.
    private static func append(states lines: [KeptState.Line], _ heads: [KeptState.Head], to remains: inout Remains, _ group: GroupID) {
        var (line, head) = (0, 0)
        while line < lines.count || head < heads.count {
            let nextLine = min(line + KeptState.most, lines.count)
            let nextHead = min(head + KeptState.most, heads.count)
            let batch = KeptState.batch(Array(lines[line..<nextLine]), Array(heads[head..<nextHead]), group: group)
            batch.withView { remains.keep($0) }
            (line, head) = (nextLine, nextHead)
        }
    }
}

extension KeptState.Line {
    init(_ publisher: PublisherID, _ line: PublisherTable.Line) {
        self.init(
            publisher: publisher, epoch: line.epoch, last: line.last, touched: line.touched, offset: line.offset, placed: line.placed)
    }
}
