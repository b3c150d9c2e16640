/// Records of some topics, taken out of a stretch of the log and put back into another node's log of the same stretch.
///
///      a holder's log      | 7: a b | 8: c | 9: b d | 10: a |
///      excerpt of b        | 7: . b | hole | 9: b . | hole  |        entries follow one another, as in a log that was cleaned
///      a log without b     | 7: a . | 8: c | 9: . d | 10: a |
///      merged              | 7: a b | 8: c | 9: b d | 10: a |
///
/// An excerpt's entries keep the headers of their batches of records and nothing else that is not asked for.
package enum Excerpt {
    /// What `wants` holds for of `entries`, which are whole and were checked.
    package static func make(of entries: ByteView, into out: inout [UInt8], wants: (TopicID) -> Bool) {
        var at = 0
        var hole: EntryHeader?
        func flush() {
            guard let header = hole else { return }
            hole = nil
            out += header.entry(.empty)
        }
        while at < entries.count, let header = try? EntryHeader(entries.from(at)), header.length <= entries.count - at {
            let body = entries[at + EntryHeader.size..<at + header.length]
            at += header.length
            if let kept = keep(body, wants) {
                flush()
                var entry = header
                (entry.isCleaned, entry.batches, entry.length) = (true, kept.batches, EntryHeader.size + kept.body.count)
                out += kept.body.withView { entry.entry($0) }
            } else {
                if let wide = hole, wide.span + header.span > EntryHeader.longestSpan || wide.records + header.records > Int(UInt32.max) { flush() }
                hole = hole.map { $0.widened(by: header) } ?? header.blank
            }
        }
        flush()
    }

    private static func keep(_ body: ByteView, _ wants: (TopicID) -> Bool) -> (body: [UInt8], batches: Int)? {
        var kept: (body: [UInt8], batches: Int) = ([], 0)
        var hasAny = false
        var batches = BatchCursor(body)
        while let (batch, whole) = (try? batches.next(verify: false)) ?? nil {
            guard batch.kind.hasRecords else { continue }
            var left = SparseBuilder()
            walkRecords(batch, whole) { delta, at, record in
                if wants(record.topic) { left.append(delta, whole[at..<at + record.length]) }
            }
            hasAny = hasAny || !left.isEmpty
            kept.body += left.batch(of: batch)
            kept.batches += 1
        }
        return hasAny ? kept : nil
    }

    /// Puts an excerpt into `local`, entries of the same stretch of a log that lacks what is in it. Both begin at `place` or before, and follow one
    /// another from there. Where the merged entries end, that is where the shorter one does; nil where the two are not of one log.
    package static func merge(
        _ local: ByteView, _ other: ByteView, from place: (number: EntryNumber, offset: Offset), into out: inout [UInt8]
    ) -> (number: EntryNumber, offset: Offset)? {
        var place = place
        var mine = EntryWalk(local)
        var theirs = EntryWalk(other)
        while let here = mine.entry(at: place.number), let there = theirs.entry(at: place.number) {
            // The other's entries are whole, and may be anything all the same.
            guard here.isHole || here.header.span == 1, there.isHole || there.header.span == 1, fits(there, here) else { return nil }
            let isAtEnd = !here.isHole || here.header.endNumber <= there.header.endNumber
            let end = isAtEnd ? here.header : there.header
            guard end.endNumber > place.number, end.endOffset >= place.offset, end.endNumber.raw - place.number.raw <= UInt64(EntryHeader.longestSpan),
                end.endOffset.raw - place.offset.raw <= UInt64(UInt32.max)
            else { return nil }
            switch (here.isHole, there.isHole) {
            case (false, true): out.append(view: here.whole)
            case (false, false): guard join(here, there, into: &out) else { return nil }
            case (true, false):
                // What the hole says of publishers and removes stands at its end.
                let state = isAtEnd ? here.body : .empty
                var entry = there.header
                entry.synced = min(entry.synced, here.header.synced)
                entry.batches += state.isEmpty ? 0 : here.header.batches
                entry.length = EntryHeader.size + there.body.count + state.count
                guard entry.length <= Limits.entry, entry.baseOffset >= place.offset, entry.baseOffset <= entry.endOffset else { return nil }
                var body = there.body.array
                body.append(view: state)
                out += body.withView { entry.entry($0) }
            case (true, true): out += hole(from: place, to: end, of: here.header, isAtEnd ? here.body : .empty)
            }
            place = (end.endNumber, end.endOffset)
        }
        return place
    }

    /// Whether two entries, or holes, that have a number in common may be of one log.
    private static func fits(_ there: EntryWalk.Entry, _ here: EntryWalk.Entry) -> Bool {
        // An excerpt has records, and nothing that changes a state.
        if !there.isHole {
            var batches = BatchCursor(there.body)
            while let (batch, whole) = (try? batches.next(verify: false)) ?? nil {
                guard batch.kind.hasRecords, batch.kind == .sparse || (try? checkRecords(whole.from(BatchHeader.size), count: batch.count)) != nil else { return false }
            }
        }
        if here.header.endNumber == there.header.endNumber {
            return here.header.chain == there.header.chain && here.header.endOffset == there.header.endOffset && here.header.key == there.header.key
        }
        guard here.isHole, there.header.endNumber < here.header.endNumber else { return true }
        return there.header.endOffset <= here.header.endOffset && there.header.key < here.header.key
    }

    /// The part of a hole of this log that begins at `place` and ends where `end` does; `body`: what it says.
    private static func hole(
        from place: (number: EntryNumber, offset: Offset), to end: EntryHeader, of own: EntryHeader, _ body: ByteView
    ) -> [UInt8] {
        var header = end
        header.isCleaned = true
        header.span = Int(end.endNumber.raw - place.number.raw)
        header.records = Int(end.endOffset.raw - place.offset.raw)
        (header.number, header.baseOffset) = (place.number, place.offset)
        header.synced = min(own.synced, place.number)
        header.batches = body.isEmpty ? 0 : own.batches
        header.length = EntryHeader.size + body.count
        return header.entry(body)
    }

    /// One entry, as two logs have it: batch by batch what either has. False: it is not the same.
    private static func join(_ here: EntryWalk.Entry, _ there: EntryWalk.Entry, into out: inout [UInt8]) -> Bool {
        guard here.header.isCleaned else {
            out.append(view: here.whole)
            return true
        }
        var body: [UInt8] = []
        var batches = BatchCursor(here.body)
        var others = BatchCursor(there.body)
        while let (batch, whole) = (try? batches.next(verify: false)) ?? nil {
            guard batch.kind.hasRecords else {
                body.append(view: whole)
                continue
            }
            guard let other = nextOfRecords(&others), other.header.count == batch.count, other.header.publisher == batch.publisher,
                other.header.sequence == batch.sequence
            else { return false }
            guard batch.kind == .sparse, other.header.kind == .sparse else {
                body.append(view: batch.kind == .sparse ? other.whole : whole)
                continue
            }
            var left = SparseBuilder()
            let (mine, theirs) = (records(batch, whole), records(other.header, other.whole))
            var (i, j) = (0, 0)
            while i < mine.count || j < theirs.count {
                let isMine = j == theirs.count || i < mine.count && mine[i].delta <= theirs[j].delta
                let record = isMine ? mine[i] : theirs[j]
                left.append(record.delta, record.whole)
                if i < mine.count, mine[i].delta == record.delta { i += 1 }
                if j < theirs.count, theirs[j].delta == record.delta { j += 1 }
            }
            body += left.batch(of: batch)
        }
        var entry = here.header
        entry.length = EntryHeader.size + body.count
        guard entry.length <= Limits.entry else { return false }
        out += body.withView { entry.entry($0) }
        return true
    }
    private static func nextOfRecords(_ cursor: inout BatchCursor) -> (header: BatchHeader, whole: ByteView)? {
        while let batch = (try? cursor.next(verify: false)) ?? nil { if batch.header.kind.hasRecords { return batch } }
        return nil
    }
    private static func records(_ batch: BatchHeader, _ whole: ByteView) -> [(delta: Int, whole: ByteView)] {
        var records: [(delta: Int, whole: ByteView)] = []
        walkRecords(batch, whole) { delta, at, record in records.append((delta, whole[at..<at + record.length])) }
        return records
    }
}

/// Entries one after another, each found by a number that it stands for.
private struct EntryWalk {
    struct Entry {
        let header: EntryHeader
        let whole: ByteView
        var body: ByteView { whole.from(EntryHeader.size) }
        /// Nothing is left of what it stands for.
        let isHole: Bool
    }
    private let view: ByteView
    private var at = 0
    private var last: Entry?
    init(_ view: ByteView) { self.view = view }

    mutating func entry(at number: EntryNumber) -> Entry? {
        while last.map({ $0.header.endNumber <= number }) ?? true {
            guard at < view.count, let header = try? EntryHeader(view.from(at)), header.length <= view.count - at else { return nil }
            let whole = view[at..<at + header.length]
            last = Entry(header: header, whole: whole, isHole: header.isCleaned && Self.isBlank(whole.from(EntryHeader.size)))
            at += header.length
        }
        return last.flatMap { $0.header.number <= number ? $0 : nil }
    }
    private static func isBlank(_ body: ByteView) -> Bool {
        var batches = BatchCursor(body)
        while let (batch, _) = (try? batches.next(verify: false)) ?? nil { if batch.kind != .state { return false } }
        return true
    }
}

extension EntryHeader {
    /// A hole in its place that says nothing.
    fileprivate var blank: EntryHeader {
        var header = self
        (header.isCleaned, header.batches, header.length) = (true, 0, Self.size)
        return header
    }
    /// This hole, and the entry behind it.
    fileprivate func widened(by next: EntryHeader) -> EntryHeader {
        var header = self
        header.span += next.span
        header.records += next.records
        (header.timestamp, header.sender, header.view, header.chain) = (next.timestamp, next.sender, next.view, next.chain)
        return header
    }
}
