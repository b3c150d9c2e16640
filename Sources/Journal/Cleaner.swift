internal import Broker
internal import Replication
internal import Storage
internal import Store
internal import Topics
internal import Wire

/// Cleans the durable log in the background: what the rules no longer keep goes, a slice of work at a time.
///
///      idle ── a segment was closed, and the log has grown enough ──▶ surveying, newest segment first: what is kept
///        ▲                                                                        │ marks are written
///        └────────── the last one is in its place ── rewriting, oldest first ◀────┘
///
/// A segment of which four fifths or more are kept stays as it is. The open one is never touched. What a pass does not finish in one life
/// the next one begins anew. Where a segment's tally tells what stays of it, it is not read; where nothing does, not to rewrite it either:
/// so what a log without rules would have kept costs no more than a small file.
struct Cleaner<D: Disk> {
    private enum Phase {
        case idle
        case surveying(Survey)
        case rewriting(Rewriting)
    }
    private struct Survey {
        var plan: KeepPlan
        let publishers: PublisherTable
        /// Segments still to be looked at; the last is the next.
        var spans: [LogSpan]
        /// The segment under way: parts still to be looked at, and where the last of them ends.
        var parts: [EntryNumber] = []
        var end: EntryNumber = .zero
        var use = Use()
        var counter = SegmentCounter(from: .zero)
        /// To be rewritten, newest first.
        var found: [LogSpan] = []
        /// Of those, the ones of which nothing stays, by their tallies.
        var blank: Set<EntryNumber> = []
        /// Segments of which nothing is kept.
        var empty: Set<EntryNumber> = []
        var kept = 0
        /// Of that, segments that part and were not looked into.
        var spared = 0
        var oldest: Timestamp?
    }
    /// What is kept of a segment.
    private struct Use {
        /// Bytes that it comes to when it is rewritten.
        var bytes = SegmentHeader.size
        var isEmpty = true
        var endsInHole = false
        var losers: Set<UInt32> = []
    }
    private struct Rewriting {
        let plan: KeepPlan
        let publishers: PublisherTable
        /// The last is the next.
        var spans: [LogSpan]
        let blank: Set<EntryNumber>
        let empty: Set<EntryNumber>
        /// Drafts of which nothing is missing but their places: those of segments of which nothing stays take them together.
        var ready: [SegmentDraft<D>] = []
        var draft: SegmentDraft<D>?
        var cleaner: EntryCleaner?
    }

    private let topics: TopicsConfiguration
    /// Whether some rule lets something go, here or for good.
    private let isActive: Bool
    private let removesStay: UInt64
    /// What may go from here as others hold it; and by bucket below which offset it went in the last pass.
    private var drop = Droppable(view: ViewNumber(0), lines: [])
    private var dropped: [Int: UInt64] = [:]
    /// By topic: how many nodes hold its records, 0: all.
    private var replicasOf: [UInt8] = []
    private var phase = Phase.idle
    /// Distinct rules that let something go, and by topic which one holds: its place plus one, 0 is none.
    private var rules: [Keeping] = []
    private var ruleOf: [UInt16] = []
    private var tallies = SegmentTallies()
    /// Bytes of the segments that were closed since the pass began, and bytes that it has read and written.
    private var (grown, worked) = (0, 0)
    /// Where the last pass ended.
    private var last: EntryNumber = .zero
    private(set) var report = CleanReport()

    /// Bytes read at a time, at most.
    private static var piece: Int { 256 << 10 }
    /// Segments that part are left whole, unread, while they are at most this part of what is kept.
    private static var spare: Int { 12 }
    /// A pass begins when a log of so many bytes has grown by this part of it. By tallies a pass over a large log costs little; where they do
    /// not decide, the work that is allowed for each byte that comes in bounds it (`isBehind`).
    private static func growth(_ bytes: Int) -> Int { bytes < 512 << 20 ? 16 : 32 }
    /// Drafts that take their places at once, at most.
    private static var mostReady: Int { 16 }
    /// A segment is rewritten where less than this share of it stays.
    private static var share: (of: Int, at: Int) { (5, 4) }

    init(topics: TopicsConfiguration, removesStay: UInt64) {
        (self.topics, self.removesStay) = (topics, removesStay)
        isActive = topics.thinsLogs
    }

    /// Whether a rule may let records of the topic go, as far as is known.
    func isRuled(_ topic: TopicID) -> Bool { topic.index < ruleOf.count ? ruleOf[topic.index] > 0 : topics.cleans }

    // MARK: what is written

    /// Entries go to the log's end.
    mutating func append(_ header: EntryHeader, _ body: ByteView, _ log: Log<D>) {
        if isActive { tallies.append(header, body, segment: log.openFirst) }
    }
    /// The log has begun a segment.
    mutating func rolled(_ log: Log<D>) {
        guard isActive, let span = log.span(endingAt: log.openFirst) else { return }
        grown += log.segmentBytes(from: span.first) ?? 0
        tallies.close(span)
    }
    /// The log ends at `number` now.
    mutating func cut(to number: EntryNumber) { tallies.cut(to: number) }
    /// The segment from `first` on has other contents.
    mutating func changed(_ first: EntryNumber) {
        tallies.forget(first)
        dropped = [:]
    }
    /// A pass ended before it was over: the next one looks at everything.
    mutating func beginAnew() { (last, dropped) = (.zero, [:]) }
    /// Entries were replaced by those of another node, of which some may be gone.
    mutating func repaired() { tallies = SegmentTallies() }

    /// The log is changed by others: what was begun is given up.
    mutating func cancel(_ log: Log<D>) throws(StorageError) {
        if case .rewriting(let rewriting) = phase, let draft = rewriting.draft { try log.discard(draft) }
        if case .idle = phase {} else { (last, dropped) = (.zero, [:]) }
        phase = .idle
    }

    /// Reads and writes about `bytes`; entries from `limit` on may still be taken back. True: there is nothing to be done for now.
    /// `marks`, and what others alone will hold, have to be saved before anything goes: by `save`. Segments that were rewritten are told to `changed`.
    mutating func step(
        _ log: Log<D>, below limit: EntryNumber, bytes: Int, drop: Droppable, marks: inout CleanMarks,
        save: (CleanMarks, [Holdings.Line]) throws(StorageError) -> Void, changed: (EntryNumber) -> Void
    ) throws(StorageError) -> Bool {
        report.disk = log.bytes + log.spareBytes
        // What may go by the word of an older view may be this node's own by now.
        if drop.view != self.drop.view, !planted(.dropOfOldView) { try cancel(log) }
        self.drop = drop
        guard isActive else {
            report.kept = log.bytes
            if report.oldest == nil { report.oldest = try log.header(of: log.first)?.timestamp }
            return true
        }
        var left = bytes
        defer {
            worked += bytes - left
            let size = log.bytes
            report.isBehind = if case .idle = phase { false } else { grown * Self.growth(size) > size && 2 * grown > worked }
        }
        while left > 0 {
            switch phase {
            case .idle:
                guard try begin(log, below: limit) else { return true }
                left -= Self.piece
            case .surveying(var survey):
                // Out of its place, so that it is changed where it is.
                phase = .idle
                if try look(log, &survey, &left) { phase = .surveying(survey) } else {
                    marks.raise(by: survey.plan)
                    try save(marks, survey.plan.dropped)
                    report.kept = survey.kept + log.openBytes
                    report.oldest = survey.oldest
                    phase = .rewriting(
                        Rewriting(
                            plan: survey.plan, publishers: survey.publishers, spans: survey.found, blank: survey.blank, empty: survey.empty))
                    // Who reads has to know first that others are to be asked.
                    if !survey.plan.dropped.isEmpty { return false }
                }
            case .rewriting(var rewriting):
                phase = .idle
                if try rewrite(log, &rewriting, &left, changed) { phase = .rewriting(rewriting) } else {
                    try log.dropCheckpoints { !rewriting.empty.contains($0) }
                    try log.trimSpares()
                    report.passes += 1
                    report.disk = log.bytes + log.spareBytes
                    // By tallies it is an estimate from above.
                    report.kept = min(report.kept, report.disk)
                    return true
                }
            }
        }
        return false
    }

    // MARK: what is kept

    private mutating func begin(_ log: Log<D>, below limit: EntryNumber) throws(StorageError) -> Bool {
        let spans = log.closedSpans(below: limit)
        guard let newest = spans.last, let end = log.firstOffset(ofSegmentAt: newest.end)?.raw else { return false }
        let ends = Dictionary(uniqueKeysWithValues: drop.lines.map { ($0.replicas << 6 | $0.bucket, min($0.to.raw, end)) })
        // So much of the log may go since others hold it, or the log has grown by that.
        let growth = Self.growth(log.bytes)
        let hasNews = ends.contains { ($0.value - min($0.value, dropped[$0.key] ?? 0)) * UInt64(growth) >= max(end, 1) }
        guard newest.end > last || hasNews else { return false }
        func size(_ spans: [LogSpan]) -> Int { spans.reduce(0) { $0 + (log.segmentBytes(from: $1.first) ?? 0) } }
        guard hasNews || size(spans.filter { $0.first >= last }) * growth >= size(spans) else { return false }
        guard let (place, bytes) = try log.checkpoint(atOrBelow: newest.end), place.number > last || hasNews && place.number > .zero else { return false }
        let state: GroupState
        do throws(DecodeError) {
            state = try bytes.withView { view throws(DecodeError) in try GroupState(group: log.group, decoding: view) }
        } catch { throw StorageError(.corruptInput("checkpoint: \(error)"), "clean", "group-\(log.group.raw)") }
        // In the midst of what was copied from a log that was cleaned the heads may be older than they were.
        guard state.end.number == place.number, !state.hasHoles else { return false }
        learn(state.topics)
        last = place.number
        (grown, worked) = (0, 0)
        dropped.merge(ends) { $1 }
        let plan = KeepPlan(
            end: state.end, heads: state.heads, ruleOf: ruleOf, rules: rules, removesStay: removesStay, replicasOf: replicasOf, drop: drop.lines)
        phase = .surveying(
            Survey(plan: plan, publishers: state.publishers, spans: spans.filter { $0.end <= place.number }))
        return true
    }

    private mutating func learn(_ table: TopicTable) {
        if ruleOf.count > table.count { (ruleOf, replicasOf) = ([], []) }
        table.forEach(from: TopicID(UInt32(ruleOf.count))) { (_, name) in
            let rule = topics.rule(for: name)
            replicasOf.append(UInt8(rule?.replicas ?? 0))
            guard let keeping = rule?.keeping, !keeping.keepsAll else { return ruleOf.append(0) }
            if !rules.contains(keeping) { rules.append(keeping) }
            ruleOf.append(UInt16(rules.firstIndex(of: keeping)! + 1))
        }
    }

    /// Looks on, from the newest record to the oldest. False: all have been looked at.
    private mutating func look(_ log: Log<D>, _ survey: inout Survey, _ left: inout Int) throws(StorageError) -> Bool {
        while left > 0 {
            guard let span = survey.spans.last else { return false }
            if survey.parts.isEmpty {
                if let tally = tallies[span], Self.judge(tally, span, log.segmentBytes(from: span.first) ?? 0, &survey) {
                    left -= SegmentHeader.size + tally.lines.count * 16
                    continue
                }
                survey.counter.begin(from: span.first)
                survey.parts = try log.parts(of: span, bytes: Self.piece)
                survey.end = span.end
                survey.use = Use()
            }
            let from = survey.parts.removeLast()
            var entries: [UInt8] = []
            var next = from
            while next < survey.end {
                let read = try log.read(from: next, below: survey.end, maximumBytes: Self.piece, into: &entries)
                guard read.next > next else { break }
                next = read.next
            }
            survey.end = from
            left -= entries.count
            entries.withView { Self.look($0, &survey) }
            if survey.parts.isEmpty {
                survey.counter.end(at: span.end)
                if survey.counter.covers(span) { tallies.keep(survey.counter.tally) }
                Self.settle(span, log.segmentBytes(from: span.first) ?? 0, &survey)
            }
        }
        return true
    }

    /// What stays of a segment by its tally alone. False: its records have to be looked at.
    private static func judge(_ tally: SegmentTally, _ span: LogSpan, _ bytes: Int, _ survey: inout Survey) -> Bool {
        var gone: UInt64 = 0
        var use = Use()
        var parts = false
        for line in tally.lines {
            switch survey.plan.verdict(of: line) {
            case .unknown: return false
            case .parts: parts = true
            case .stays: break
            case .goes:
                gone += line.bytes
                use.losers.insert(line.topic.raw)
            }
        }
        if parts {
            guard (survey.spared + bytes) * spare <= survey.kept else { return false }
            survey.spared += bytes
        }
        for line in tally.lines where !use.losers.contains(line.topic.raw) {
            use.isEmpty = false
            survey.plan.count(line)
            survey.oldest = min(survey.oldest ?? line.oldest, line.oldest)
        }
        // Headers of batches and entries are taken to stay, where any record does.
        let isBlank = use.isEmpty && !tally.hasMore && !tally.lines.isEmpty
        use.bytes = isBlank ? SegmentHeader.size + EntryHeader.size + BatchHeader.size + 56 : bytes - Int(gone)
        if isBlank { survey.blank.insert(span.first) }
        survey.use = use
        settle(span, bytes, &survey)
        return true
    }

    private static func look(_ entries: ByteView, _ survey: inout Survey) {
        var places: [Int] = []
        var at = 0
        while at < entries.count, let header = try? EntryHeader(entries.from(at)) {
            places.append(at)
            at += header.length
        }
        for at in places.reversed() {
            guard let header = try? EntryHeader(entries.from(at)) else { continue }
            let whole = entries[at..<at + header.length]
            survey.counter.add(before: header, whole.from(EntryHeader.size))
            look(header, whole, &survey)
        }
    }

    private static func look(_ header: EntryHeader, _ whole: ByteView, _ survey: inout Survey) {
        var records: [(at: Int, offset: Offset)] = []
        var offset = header.baseOffset
        var base = EntryHeader.size
        var bytes = EntryHeader.size
        var stays = false
        var batches = BatchCursor(whole.from(EntryHeader.size))
        while let (batch, view) = (try? batches.next(verify: false)) ?? nil {
            walkRecords(batch, view) { delta, at, _ in records.append((base + at, Offset(offset.raw + UInt64(delta)))) }
            if batch.kind.hasRecords { offset = Offset(offset.raw + UInt64(batch.count)) }
            let staysWhole = batch.kind == .declare || batch.kind == .consumers
            bytes += staysWhole ? view.count : BatchHeader.size
            stays = stays || staysWhole
            base += view.count
        }
        var hasKept = false
        var hasLost = false
        for (at, offset) in records.reversed() {
            let record = RecordView(whole.from(at))
            guard survey.plan.visit(record, offset, header.timestamp) else {
                hasLost = true
                survey.use.losers.insert(record.header.topic.raw)
                continue
            }
            if survey.plan.mayGo(record, offset, header.timestamp) {
                hasLost = true
            } else {
                bytes += record.whole.count
                hasKept = true
            }
        }
        if hasKept { survey.oldest = header.timestamp }
        if stays || hasKept {
            survey.use.isEmpty = survey.use.isEmpty && !hasKept
            survey.use.bytes += hasLost ? bytes + SparseCursor.prefix : whole.count
            survey.use.endsInHole = false
        } else if header.isCleaned {
            survey.use.bytes += survey.use.endsInHole ? 0 : whole.count
            survey.use.endsInHole = true
        } else {
            // A publisher's line, and once for all that lie side by side what holds them.
            survey.use.bytes += survey.use.endsInHole ? 0 : EntryHeader.size + BatchHeader.size + 56
            survey.use.endsInHole = true
        }
    }

    /// All of a segment has been looked at.
    private static func settle(_ span: LogSpan, _ bytes: Int, _ survey: inout Survey) {
        survey.spans.removeLast()
        if survey.use.isEmpty { survey.empty.insert(span.first) }
        if survey.use.bytes * share.of < bytes * share.at {
            survey.found.append(span)
            survey.kept += survey.use.bytes
        } else {
            survey.plan.linger(survey.use.losers)
            survey.kept += min(bytes, survey.use.bytes)
        }
    }

    // MARK: rewriting

    /// False: all that are to be rewritten are.
    private mutating func rewrite(
        _ log: Log<D>, _ rewriting: inout Rewriting, _ left: inout Int, _ changed: (EntryNumber) -> Void
    ) throws(StorageError) -> Bool {
        do throws(StorageError) {
            try rewriteSome(log, &rewriting, &left, changed)
            try placeReady(&rewriting, log, changed)
        } catch {
            for draft in rewriting.ready { try log.discard(draft) }
            throw error
        }
        return rewriting.draft != nil || !rewriting.spans.isEmpty
    }

    private mutating func rewriteSome(
        _ log: Log<D>, _ rewriting: inout Rewriting, _ left: inout Int, _ changed: (EntryNumber) -> Void
    ) throws(StorageError) {
        while left > 0 {
            if rewriting.draft == nil {
                guard let span = rewriting.spans.popLast() else { break }
                guard let draft = try log.beginDraft(of: span) else { continue }
                if rewriting.blank.contains(span.first), let hole = try hole(log, draft, rewriting.publishers) {
                    left -= hole.count
                    do throws(StorageError) { try log.append(hole, to: draft) } catch {
                        try giveUp([draft], log, error)
                        continue
                    }
                    rewriting.ready.append(draft)
                    if rewriting.ready.count >= Self.mostReady { try placeReady(&rewriting, log, changed) }
                    continue
                }
                rewriting.draft = draft
                rewriting.cleaner = try cleaner(log, span, rewriting)
            }
            guard let draft = rewriting.draft, var cleaner = rewriting.cleaner else { continue }
            rewriting.cleaner = nil
            do throws(StorageError) {
                let isDone = try rewrite(log, draft, &cleaner, rewriting.plan, &left)
                rewriting.cleaner = cleaner
                guard isDone else { continue }
                _ = try place([draft], log, changed)
                rewriting.draft = nil
            } catch {
                rewriting.draft = nil
                try giveUp([draft], log, error)
            }
        }
    }

    private mutating func placeReady(_ rewriting: inout Rewriting, _ log: Log<D>, _ changed: (EntryNumber) -> Void) throws(StorageError) {
        let ready = rewriting.ready
        rewriting.ready = []
        do throws(StorageError) {
            for draft in try place(ready, log, changed) { tallies.keep(SegmentTally(blank: draft.span)) }
        } catch { try giveUp(ready, log, error) }
    }

    /// Those that took their places; of the others the segment is no longer there as it was.
    private mutating func place(
        _ drafts: [SegmentDraft<D>], _ log: Log<D>, _ changed: (EntryNumber) -> Void
    ) throws(StorageError) -> [SegmentDraft<D>] {
        let before = drafts.map { log.segmentBytes(from: $0.span.first) ?? 0 }
        // Where it fails some may have taken theirs: what is known of them is forgotten in any case.
        for draft in drafts { tallies.forget(draft.span.first) }
        defer { for draft in drafts { changed(draft.span.first) } }
        let placed = try log.finish(drafts)
        for (draft, before) in zip(drafts, before) { report.cleaned += max(0, before - (log.segmentBytes(from: draft.span.first) ?? 0)) }
        return placed
    }

    /// Without room for the draft the segment stays as it is; a later pass comes by.
    private func giveUp(_ drafts: [SegmentDraft<D>], _ log: Log<D>, _ error: StorageError) throws(StorageError) {
        for draft in drafts { try log.discard(draft) }
        guard error.isFull else { throw error }
        try log.dropSpares()
    }

    /// The hole that a segment comes to of which nothing stays, made of the state saved at its end; nil where that is not there, or one
    /// hole cannot stand for so much.
    private func hole(_ log: Log<D>, _ draft: SegmentDraft<D>, _ today: PublisherTable) throws(StorageError) -> [UInt8]? {
        let (start, end) = (draft.place, draft.span.end)
        guard end.raw - start.number.raw <= UInt64(EntryHeader.longestSpan), let bytes = try log.checkpoint(at: end), !bytes.isEmpty,
            let state = bytes.withView({ try? GroupState(group: log.group, decoding: $0) }), state.end.number == end, !state.hasHoles,
            state.end.offset.raw - start.offset.raw <= UInt64(UInt32.max), state.publishers.count < Limits.publishers
        else { return nil }
        // Two entries of one time, of two senders, may lie on either side of the segment's beginning.
        let lines = state.publishers.lines(touchedFrom: start.key.timestamp).filter { today.line(of: $0.publisher) != nil }
        guard lines.count <= KeptState.most else { return nil }
        return EntryCleaner.hole(from: start, to: state.end, group: log.group, lines.map { KeptState.Line($0.publisher, $0.line) })
    }

    private func cleaner(_ log: Log<D>, _ span: LogSpan, _ rewriting: Rewriting) throws(StorageError) -> EntryCleaner {
        var publishers: PublisherTable? = span.first == .zero ? PublisherTable() : nil
        if let bytes = try log.checkpoint(at: span.first), !bytes.isEmpty {
            publishers = bytes.withView { try? GroupState(group: log.group, decoding: $0) }?.publishers
        }
        let (today, heads) = (rewriting.publishers, rewriting.plan)
        return EntryCleaner(
            group: log.group, publishers: publishers, isRemembered: { today.line(of: $0) != nil }, isHead: { heads.isHead($0) })
    }

    /// A piece of a segment. True: it was the last.
    private func rewrite(
        _ log: Log<D>, _ draft: SegmentDraft<D>, _ cleaner: inout EntryCleaner, _ plan: KeepPlan, _ left: inout Int
    ) throws(StorageError) -> Bool {
        var entries: [UInt8] = []
        var out: [UInt8] = []
        // A hole that grows is not in the draft yet.
        let from = max(draft.place.number, cleaner.next ?? draft.place.number)
        let next = from < draft.span.end ? try log.read(from: from, below: draft.span.end, maximumBytes: Self.piece, into: &entries).next : from
        entries.withView { view in
            var at = 0
            while at < view.count, let header = try? EntryHeader(view.from(at)) {
                cleaner.take(header, view[at..<at + header.length], plan.fate, into: &out)
                at += header.length
            }
        }
        if next >= draft.span.end { cleaner.finish(into: &out) }
        try log.append(out, to: draft)
        left -= entries.count + out.count + 1
        if next >= draft.span.end { return true }
        precondition(next > from, "a closed segment's entries follow one another")
        return false
    }
}
