package import Broker
package import Storage
internal import Store
package import Wire

/// Finds the versions of topics in a group's log: made from the log when it is asked for, segment by segment, and kept while there is
/// room.
///
///      value of a topic at the cut:   segment of the record before the cut ── run has it? ──▶ that version
///                                                                            └─ no ──▶ heads where the segment begins
///
/// The heads are those of the checkpoint that the segment begins with, or what the node said of them. So a question costs one run and one checkpoint, whatever
/// the log's length; a node that starts reads nothing for it. Where a checkpoint is missing the segment before is looked into.
package struct ValueIndex: Sendable {
    private struct Run: Sendable {
        var run: VersionRun
        /// Entries below this one are in.
        var next: EntryNumber
        var used: UInt64
    }
    private struct Base: Sendable {
        /// Nil: there is no checkpoint.
        let heads: HeadTable?
        /// No record before it is missing in its heads.
        let isSure: Bool
        var used: UInt64
    }
    /// A question on its way back through the log, from job to job.
    private struct Walk: Sendable {
        let cut: Offset
        /// The topics' heads before the cut, as far as they are found, and what is left to be looked for.
        var heads: [HeadTable.Head?]
        var open: [Int]
        /// What unsure checkpoints say: no head is older.
        var least: [HeadTable.Head?]
        /// The segment that begins here has been looked into; nil: none has.
        var from: EntryNumber?

        init(_ cut: Offset, topics: Int) {
            (self.cut, heads, open) = (cut, Array(repeating: nil, count: topics), Array(0..<topics))
            least = heads
        }
        /// What a segment's run says; `first`: its first offset.
        mutating func look(_ run: VersionRun, _ topics: [TopicID], first: Offset) {
            open.removeAll { index in
                let found = run.last(of: topics[index], before: cut)
                // What is known to be there may be gone from the run.
                let known = least[index].flatMap { $0.offset >= first && $0.offset < cut ? $0 : nil }
                heads[index] = if let found, let known { found.offset < known.offset ? known : found } else { found ?? known }
                return heads[index] != nil
            }
        }
        mutating func look(_ base: HeadTable, _ topics: [TopicID], isSure: Bool) {
            for index in open {
                let head = base.head(of: topics[index])
                if isSure { heads[index] = head } else if head?.offset ?? Offset(0) >= least[index]?.offset ?? Offset(0) { least[index] = head }
            }
            if isSure { open = [] }
        }
    }
    private var runs: [EntryNumber: Run] = [:]
    private var bases: [EntryNumber: Base] = [:]
    /// Whose heads the node has told last.
    private var told: EntryNumber?
    private var walks: [UInt32: Walk] = [:]
    private var uses: UInt64 = 0
    private let budget: Int
    /// Whether heads of checkpoints made in the midst of a copied log that had been cleaned know of all that lies before them: else what lies
    /// between them is looked into.
    var trustsHoles = true { didSet { if trustsHoles != oldValue { bases = [:] } } }

    /// Bytes of log that one job reads at most, more or less: the jobs behind it wait so long.
    private static let slice = 4 << 20
    /// Topics whose values are read together, in the order of the log.
    private static let chunk = 64

    /// `budget`: bytes of memory, though what a question needs at once may be more.
    package init(budget: Int = 64 << 20) { self.budget = budget }

    package var footprint: Int {
        runs.values.reduce(0) { $0 + $1.run.footprint } + bases.values.reduce(0) { $0 + ($1.heads?.footprint ?? 0) + 64 }
    }

    /// The log is cut: what was known of entries from `number` on is no longer so.
    package mutating func cut(to number: EntryNumber) {
        walks = [:]
        runs = runs.filter { $0.value.next <= number }
        bases = bases.filter { $0.key <= number }
    }

    /// The heads where the open segment begins, which has no checkpoint: they answer for what is newest. Of those before it none is kept.
    mutating func learn(_ heads: HeadTable, isSure: Bool, at number: EntryNumber) {
        if let told { bases[told] = nil }
        told = heads.footprint <= budget / 2 ? number : nil
        uses += 1
        bases[number] = told == nil ? nil : Base(heads: heads, isSure: isSure || trustsHoles, used: uses)
        trim()
    }
    /// The segment that begins with `number` was rewritten.
    package mutating func forget(_ number: EntryNumber) {
        runs[number] = nil
        forgetWalks(below: number)
    }
    /// Those that have looked into the segment that begins with `number`, or holds it.
    private mutating func forgetWalks(below number: EntryNumber) { walks = walks.filter { $0.value.from.map { $0 > number } ?? true } }
    /// The segment that entry `number` is in was repaired.
    package mutating func forget(holding number: EntryNumber) {
        runs = runs.filter { $0.key > number || $0.value.next <= number }
        forgetWalks(below: number)
    }

    // MARK: passing over

    /// From `from` on, the first entry, at most `limit`, whose segment may have a record of some of `topics`: of a closed segment the heads where
    /// the next one begins tell, as long as they are there. Whatever was cleaned, they say no less than there is (`trustsHoles`).
    mutating func pass<D: Disk>(_ log: Log<D>, _ from: EntryNumber, _ limit: EntryNumber, _ topics: [TopicID]) throws(StorageError) -> EntryNumber {
        var from = max(from, log.first)
        uses += 1
        defer { trim() }
        var spent = 0
        for _ in 0..<Self.mostPassed {
            guard from < limit, let span = log.closedSpan(of: from), span.end <= limit else { break }
            // Where no checkpoint lies, the next one tells of all the segments before it.
            var end = span.end
            var known = try base(planted(.segmentPassed) ? span.first : end, log, &spent)
            while known?.heads == nil, let next = log.closedSpan(of: end), next.end <= limit {
                end = next.end
                known = try base(end, log, &spent)
            }
            guard let known, known.isSure, let heads = known.heads else { break }
            guard !topics.contains(where: { heads.head(of: $0).map { $0.offset >= span.firstOffset } ?? false }) else { break }
            from = end
        }
        return from
    }
    /// Segments that one job passes over at most: the jobs behind it wait so long.
    private static var mostPassed: Int { 64 }

    // MARK: values

    /// - isExact: whether a cut at an offset finds of a topic what it found before the log was cleaned.
    package mutating func values<D: Disk>(
        _ query: ValueQuery, _ log: Log<D>, kept: OrderedLeft = OrderedLeft(), isExact: (TopicID, Offset) -> Bool = { _, _ in true }
    ) throws(StorageError) -> ValuePage {
        let cut = try place(query.cut, query.below, log)
        if let topic = query.topics.first(where: { !isExact($0, cut) }) { return ValuePage(id: query.id, cut: cut, taken: 0, cleaned: topic) }
        uses += 1
        var spent = 0
        let begun = walks.removeValue(forKey: query.id).flatMap { $0.cut == cut && $0.heads.count == query.topics.count ? $0 : nil }
        var walk = begun ?? Walk(cut, topics: query.topics.count)
        while !walk.open.isEmpty, let here = walk.from.map({ log.span(endingAt: $0) }) ?? log.span(before: cut) {
            guard try extend(here, below: query.below.number, log, &spent) else {
                return pause(walk, query.id, at: here.first)
            }
            walk.look(runs[here.first]!.run, query.topics, first: here.firstOffset)
            guard !walk.open.isEmpty, here.firstOffset > Offset(0) else { break }
            if let base = try base(here.first, log, &spent), let heads = base.heads { walk.look(heads, query.topics, isSure: base.isSure) }
            walk.from = here.first
            trim(keeping: here.first)
            if spent >= Self.slice, !walk.open.isEmpty { return pause(walk, query.id, at: here.first) }
        }
        var heads = walk.heads
        for index in query.topics.indices where heads[index] == nil { heads[index] = kept.head(of: query.topics[index], before: cut) }
        trim()
        return try page(query, cut, heads, log, kept, &spent)
    }
    private mutating func pause(_ walk: Walk, _ id: UInt32, at first: EntryNumber) -> ValuePage {
        if walks.count >= Self.mostWalks, let other = walks.keys.min() { walks[other] = nil }
        walks[id] = walk
        trim(keeping: first)
        return ValuePage(id: id, cut: walk.cut, taken: 0)
    }
    /// Questions that are known by how far they have come.
    private static let mostWalks = 64

    /// The offset that a time stands for: everything stamped at or before it lies before.
    private func place<D: Disk>(_ cut: StoreCut, _ below: LogEnd, _ log: Log<D>) throws(StorageError) -> Offset {
        switch cut {
        case .latest: return below.offset
        case .offset(let offset): return min(offset, below.offset)
        case .time(let time):
            guard time < Timestamp(.max) else { return below.offset }
            let next = planted(.cutBehind) ? time : Timestamp(time.raw + 1)
            guard let entry = try log.entry(atOrAfter: next) else { return below.offset }
            return min(entry.baseOffset, below.offset)
        }
    }

    /// Reads on in the segment until all below `limit` is in its run. False: the slice is used up.
    private mutating func extend<D: Disk>(_ span: LogSpan, below limit: EntryNumber, _ log: Log<D>, _ spent: inout Int) throws(StorageError) -> Bool {
        let stop = min(span.end, limit)
        var held = runs[span.first] ?? Run(run: VersionRun(base: span.firstOffset), next: span.first, used: uses)
        held.used = uses
        // Out of the table, so that it is changed where it is.
        runs[span.first] = nil
        defer { runs[span.first] = held }
        var bytes: [UInt8] = []
        while held.next < stop {
            guard spent < Self.slice else { return false }
            bytes.removeAll(keepingCapacity: true)
            let (_, next) = try log.read(from: held.next, below: stop, maximumBytes: 1 << 20, into: &bytes)
            guard next > held.next else { break }
            spent += bytes.count
            let fits = bytes.withView { Self.take($0, into: &held.run) }
            precondition(fits, "the log's entries follow one another")
            held.next = next
        }
        return true
    }
    private static func take(_ entries: ByteView, into run: inout VersionRun) -> Bool {
        var at = 0
        while at < entries.count, let header = try? EntryHeader(entries.from(at)) {
            guard run.append(header, entries[at + EntryHeader.size..<at + header.length]) else { return false }
            at += header.length
        }
        return true
    }

    private mutating func base<D: Disk>(_ number: EntryNumber, _ log: Log<D>, _ spent: inout Int) throws(StorageError) -> Base? {
        if bases[number] == nil {
            var found = Base(heads: nil, isSure: true, used: uses)
            // The ordered group's log rolls without a state.
            if let bytes = try log.checkpoint(at: number), !bytes.isEmpty {
                spent += bytes.count
                do throws(DecodeError) {
                    found = try bytes.withView { view throws(DecodeError) in
                        guard !trustsHoles else { return Base(heads: try GroupState.heads(decoding: view), isSure: true, used: uses) }
                        let state = try GroupState(group: log.group, decoding: view)
                        return Base(heads: state.heads, isSure: !state.hasHoles, used: uses)
                    }
                } catch { throw StorageError(.corruptInput("checkpoint: \(error)"), "values", "group-\(log.group.raw)") }
            }
            bases[number] = found
        }
        bases[number]!.used = uses
        return bases[number]
    }

    /// Lets go of what was not used for longest, and not in this job; `keeping`: of what was, all but this segment's run.
    private mutating func trim(keeping kept: EntryNumber? = nil) {
        var size = footprint
        while size > budget {
            let old = runs.filter { $0.value.used < uses || kept != nil && $0.key != kept }
            let run = old.min { ($0.value.used, $1.key) < ($1.value.used, $0.key) }
            let base = bases.filter { $0.value.used < uses || kept != nil }.min { ($0.value.used, $1.key) < ($1.value.used, $0.key) }
            if let base, base.value.used <= run?.value.used ?? .max {
                size -= (base.value.heads?.footprint ?? 0) + 64
                bases[base.key] = nil
            } else if let run {
                size -= run.value.run.footprint
                runs[run.key] = nil
            } else { return }
        }
    }

    // MARK: pages

    private func page<D: Disk>(
        _ query: ValueQuery, _ cut: Offset, _ heads: [HeadTable.Head?], _ log: Log<D>, _ kept: OrderedLeft, _ spent: inout Int
    ) throws(StorageError) -> ValuePage {
        var rows: [UInt8] = []
        var topics: [TopicID] = []
        var taken = 0
        while taken < query.topics.count, taken == 0 || rows.count < query.maximumBytes && spent < Self.slice {
            let upper = min(taken + Self.chunk, query.topics.count)
            var cleaned: TopicID?
            let found = try read(taken..<upper, query, heads, log, kept, &spent, &cleaned)
            if let cleaned { return ValuePage(id: query.id, cut: cut, taken: 0, cleaned: cleaned) }
            for index in taken..<upper {
                if let row = found[index] {
                    // A page may be larger by one row, where that is its only one.
                    guard rows.isEmpty || rows.count + row.count <= query.maximumBytes else {
                        return ValuePage(id: query.id, cut: cut, taken: taken, topics: topics, rows: OwnedBytes(rows))
                    }
                    topics.append(query.topics[index])
                    rows += row
                }
                taken = index + 1
            }
        }
        return ValuePage(id: query.id, cut: cut, taken: taken, topics: topics, rows: OwnedBytes(rows))
    }

    /// Rows of some of the query's topics, each entry read once. `cleaned`: a topic whose version was there and is gone, though it is no remove:
    /// another node, whose entry was copied, has let it go for a later one.
    private func read<D: Disk>(
        _ range: Range<Int>, _ query: ValueQuery, _ heads: [HeadTable.Head?], _ log: Log<D>, _ kept: OrderedLeft, _ spent: inout Int,
        _ cleaned: inout TopicID?
    ) throws(StorageError) -> [Int: [UInt8]] {
        var wanted: [(offset: Offset, index: Int)] = []
        for index in range {
            if let head = heads[index], !head.isRemoved || query.showsRemoved { wanted.append((head.offset, index)) }
        }
        wanted.sort { $0.offset < $1.offset }
        var rows: [Int: [UInt8]] = [:]
        var entry: EntryHeader?
        var bytes: [UInt8] = []
        for (offset, index) in wanted {
            guard offset >= log.firstOffset else {
                rows[index] = kept.row(of: query.topics[index])
                continue
            }
            if entry.map({ offset >= $0.endOffset || offset < $0.baseOffset }) ?? true {
                guard let header = try log.entry(at: offset) else { continue }
                bytes.removeAll(keepingCapacity: true)
                _ = try log.read(from: header.number, below: header.endNumber, maximumBytes: header.length, into: &bytes)
                spent += bytes.count
                entry = header
            }
            guard let entry else { continue }
            rows[index] = bytes.withView { ValueRow.make(of: offset, entry, $0.from(EntryHeader.size)) }
            if rows[index] == nil, entry.isCleaned, heads[index]?.isRemoved == false { cleaned = query.topics[index] }
        }
        return rows
    }

    // MARK: the last records

    package mutating func tail<D: Disk>(_ query: TailQuery, _ log: Log<D>) throws(StorageError) -> TailQuery {
        var query = query
        uses += 1
        var spent = 0
        while query.left > 0, let span = log.span(before: query.before), query.before > log.firstOffset {
            guard try extend(span, below: query.below.number, log, &spent) else { break }
            let found = runs[span.first]!.run.tail(query.left, before: query.before) { query.wants($0) }
            query.left -= found.count
            query.found? += found
            query.before = query.left == 0 ? found[found.count - 1] : span.firstOffset
            trim()
        }
        if query.before <= log.firstOffset { query.left = 0 }
        return query
    }
}

/// A row of a page: the version and the record as it lies in the log.
enum ValueRow {
    /// Of the record at `offset`, which `entry` holds; nil where its batches do not reach it, or it is gone.
    static func make(of offset: Offset, _ entry: EntryHeader, _ body: ByteView) -> [UInt8]? {
        var left = Int(offset.raw - entry.baseOffset.raw)
        var batches = BatchCursor(body)
        while let (batch, whole) = (try? batches.next(verify: false)) ?? nil {
            guard batch.kind.hasRecords else { continue }
            guard left < batch.count else {
                left -= batch.count
                continue
            }
            var row: [UInt8]?
            walkRecords(batch, whole) { delta, at, record in
                guard delta == left else { return }
                let version = VersionHeader(offset: offset, timestamp: entry.timestamp, sender: entry.sender)
                row = make(version, whole[at..<at + record.length])
            }
            return row
        }
        return nil
    }
    static func make(_ version: VersionHeader, _ record: ByteView) -> [UInt8] {
        let length = RecordHeader(record).length
        var row: [UInt8] = []
        row.reserveCapacity(VersionHeader.size + length)
        version.encode(into: &row)
        row.append(view: record[0..<length])
        return row
    }
}
