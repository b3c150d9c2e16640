import Broker
@testable import Journal
import Replication
@testable import Storage
import Store
import TestClock
import Testing
import Topics
import Wire

@Suite struct RetentionTests {
    private static let second: UInt64 = 1_000_000_000

    /// What is there, read by the tests' own reader.
    private func contents(_ kept: KeptLog) throws -> PlainReader {
        var bytes: [UInt8] = []
        var next = kept.journal.durable.first
        while next < kept.journal.durable.end.number { next = try kept.journal.durable.read(from: next, maximumBytes: 1 << 20, into: &bytes).next }
        return PlainReader(bytes)
    }

    /// What is wrong with what is there, or nil.
    private func problem(_ kept: KeptLog, all: [KeptLog.Written]? = nil) throws -> String? {
        let reader = try contents(kept)
        if let fault = reader.fault { return fault }
        let end = kept.journal.durable.end
        guard reader.entries.first?.number == 0, reader.entries.last.map({ $0.number + $0.span }) == end.number.raw else { return "the entries are not those from 0 to \(end.number.raw)" }
        for entry in reader.entries where entry.chain != kept.chains[Int(entry.number + entry.span - 1)] { return "entry \(entry.number) has another chain" }
        let gone = kept.mayGo
        for record in all ?? kept.all where reader.present[record.offset] == nil {
            guard gone.contains(record.offset) else { return "the rules keep \(record), which is gone; closed below \(kept.closed)" }
        }
        for (offset, topic) in reader.present where kept.all[Int(offset)].topic != topic { return "offset \(offset) has another topic" }
        return nil
    }

    /// The state rebuilt from the first entry on.
    private func replayed(_ kept: KeptLog) throws -> GroupState {
        var state = GroupState(group: .durable)
        try kept.journal.durable.replay(from: .zero) { (header, body) throws(StorageError) in
            guard state.replay(header, body) else { throw StorageError(.corruptInput("entry \(header.number.raw) does not follow"), "replay", "") }
        }
        return state
    }

    private static let mixed = [
        Keeping(), Keeping(time: 2 * second), Keeping(records: 3), Keeping(bytes: 2000), Keeping(compact: true),
        Keeping(time: 5 * second, bytes: 4000, records: 40),
    ]

    /// A random life: busy topics and silent ones, several publishers that come and go.
    private func fill(_ kept: inout KeptLog, _ dice: inout Dice, entries: Int, from start: UInt64 = 1) throws {
        var time = start * Self.second
        for _ in 0..<entries {
            time += UInt64(dice.below(40)) * 1_000_000 + 1
            let publisher = UInt64(1 + dice.below(5))
            if kept.state.publishers.line(of: PublisherID(publisher)) == nil || dice.below(12) == 0 { try kept.open(publisher, time: time) }
            time += 1
            let records = (0...dice.below(6)).map { _ in
                let topic = dice.below(20) == 0 ? dice.below(kept.rules.count) : dice.below(max(1, kept.rules.count - 1))
                return (topic: topic, key: dice.below(8), isRemove: dice.below(15) == 0, size: dice.below(120))
            }
            try kept.write(records, by: publisher, time: time)
        }
    }

    @Test(arguments: 1...scaled(30))
    func whatTheRulesKeepIsThereAndTheRestIsNotForLong(seed: Int) throws {
        var dice = Dice(UInt64(seed))
        var kept = try KeptLog(Self.mixed, segmentBytes: 4096, removesStay: seed % 2 == 0 ? .max : 3 * Self.second)
        for round in 0..<3 {
            try fill(&kept, &dice, entries: 300, from: UInt64(1 + round * 20))
            let report = try kept.clean(slice: 500 + dice.below(6000))
            #expect(try problem(kept) == nil)
            let state = try replayed(kept)
            #expect(state.heads == kept.state.heads && state.publishers == kept.state.publishers && state.topics == kept.state.topics)
            #expect(state.end == kept.state.end)
            #expect(report.disk == kept.bytesOnDisk && report.kept <= report.disk)
            #expect(try kept.journal.durable.verify().isEmpty)
            if dice.below(2) == 0 { try kept.reopen() }
        }
        #expect(try kept.clean().disk <= kept.bytesOnDisk)
    }

    /// One publisher, entries of many records: what is left takes little more than what is kept.
    @Test(arguments: [
        Keeping(time: 4 * second), Keeping(records: 500), Keeping(bytes: 60_000), Keeping(compact: true),
    ])
    func afterCleaningTheDiskHoldsLittleMoreThanWhatIsKept(_ keeping: Keeping) throws {
        var kept = try KeptLog([keeping, keeping, keeping], segmentBytes: 32 << 10)
        var dice = Dice(9)
        var time = Self.second
        try kept.open(1, time: time)
        for _ in 0..<2500 {
            time += 10_000_000
            try kept.write((0..<10).map { _ in (dice.below(3), dice.below(300), false, 40 + dice.below(80)) }, by: 1, time: time)
        }
        let before = kept.journal.durable.bytes
        _ = try kept.clean()
        #expect(try problem(kept) == nil)
        let after = kept.journal.durable.bytes
        #expect(Double(after) <= 1.3 * Double(kept.mostBytes) + Double(32 << 10), "\(before) bytes became \(after); kept are \(kept.mostBytes) of the closed segments")
        #expect(after * 3 < before)
        #expect(kept.journal.durable.spareBytes <= max(2 * (36 << 10), after / 8))
    }

    @Test func aTopicThatIsSilentKeepsItsLastValueForEver() throws {
        var kept = try KeptLog([Keeping(time: Self.second), Keeping(records: 1), Keeping(compact: true)], segmentBytes: 4096)
        try kept.open(1, time: Self.second)
        for topic in 0..<3 { try kept.write([(topic, 1, false, 20)], by: 1, time: Self.second + UInt64(topic) + 1) }
        for step in 0..<800 { try kept.write([(step % 2, 2, false, 60)], by: 1, time: 2 * Self.second + UInt64(step) * 100_000_000) }
        _ = try kept.clean()
        #expect(try contents(kept).present[2] == 2)
        #expect(try problem(kept) == nil)
    }

    @Test(arguments: 1...scaled(12))
    func asOfIsExactWithinWhatIsKeptAndRefusedBefore(seed: Int) throws {
        var dice = Dice(UInt64(seed) + 100)
        var kept = try KeptLog(Self.mixed, segmentBytes: 4096)
        try fill(&kept, &dice, entries: 700)
        _ = try kept.clean()
        var (exact, refused) = (0, 0)
        for _ in 0..<400 {
            let topic = dice.below(kept.rules.count)
            let time = kept.all[dice.below(kept.all.count)].time + UInt64(dice.below(3)) - 1
            let query = ValueQuery(
                id: 0, group: .durable, cut: .time(Timestamp(time)), below: kept.state.end, topics: [TopicID(UInt32(topic))], showsRemoved: true)
            guard case .values(let page)? = try kept.work([.values(query)]).first(where: { if case .values = $0 { true } else { false } }) else {
                Issue.record("no answer")
                return
            }
            let due = kept.all.last { $0.topic == topic && $0.time <= time }
            if page.cleaned != nil {
                refused += 1
                // Only what the rules let go may be refused.
                let rule = kept.rules[topic]
                let isGone = due.map { kept.mayGo.contains($0.offset) } ?? true
                #expect(isGone || rule.compact, "topic \(topic) at \(time): \(String(describing: due)) is kept and was refused")
                #expect(!rule.keepsAll)
            } else {
                exact += 1
                let found = page.rows.view.isEmpty ? nil : VersionHeader(page.rows.view).offset.raw
                #expect(found == due?.offset, "topic \(topic), \(kept.rules[topic]), at \(time)")
            }
        }
        #expect(exact > 50 && refused > 50, "\(exact) exact, \(refused) refused")
    }

    @Test func aRemoveGoesOnceNothingOlderIsLeftAndIsNotForgotten() throws {
        var kept = try KeptLog([Keeping(compact: true), Keeping(records: 5)], segmentBytes: 4096, removesStay: 4 * Self.second)
        try kept.open(1, time: Self.second)
        try kept.write([(0, 1, false, 50)], by: 1, time: Self.second + 1)
        try kept.write([(0, 1, true, 0)], by: 1, time: Self.second + 2)
        for step in 0..<400 { try kept.write([(1, 2, false, 60)], by: 1, time: 2 * Self.second + UInt64(step) * 1_000_000) }
        _ = try kept.clean()
        // The value is gone, the remove is young.
        var present = try contents(kept).present
        #expect(present[0] == nil && present[1] == 0)
        for step in 0..<800 { try kept.write([(1, 2, false, 60)], by: 1, time: 20 * Self.second + UInt64(step) * 1_000_000) }
        _ = try kept.clean()
        present = try contents(kept).present
        #expect(present[0] == nil && present[1] == nil)
        #expect(try replayed(kept).heads.head(of: TopicID(0)) == HeadTable.Head(offset: Offset(1), isRemoved: true))
        for step in 0..<800 { try kept.write([(1, 2, false, 60)], by: 1, time: 40 * Self.second + UInt64(step) * 1_000_000) }
        _ = try kept.clean()
        #expect(try replayed(kept).heads == kept.state.heads)
        #expect(try problem(kept) == nil)
    }

    /// The segment of the remove begins with a checkpoint that has the value before it: behind the remove there is none all the same.
    @Test func whatARemoveThatIsGoneHasEndedIsNotTakenForCleaned() throws {
        var kept = try KeptLog([Keeping(compact: true), Keeping(compact: true)], segmentBytes: 4096, removesStay: 4 * Self.second)
        try kept.open(1, time: Self.second)
        try kept.write([(0, 1, false, 50)], by: 1, time: Self.second + 1)
        // Of every three records one goes at once, one when the next lot has come, and one stays: no segment goes as a whole, and each is worth a
        // second look.
        func fill(_ count: Int, _ time: UInt64) throws {
            for step in 0..<count {
                let key = [2, 1_000 + step, 10_000 + Int(kept.state.end.offset.raw)][step % 3]
                try kept.write([(1, key, false, 60)], by: 1, time: time + UInt64(step) * 1_000_000)
            }
        }
        try fill(60, 2 * Self.second)
        let remove = kept.state.end.offset
        try kept.write([(0, 1, true, 0)], by: 1, time: 3 * Self.second)
        try fill(400, 4 * Self.second)
        for time in [20, 40, 60] as [UInt64] {
            _ = try kept.clean()
            try fill(400, time * Self.second)
        }
        _ = try kept.clean()
        let present = try contents(kept).present
        #expect(present[0] == nil && present[remove.raw] == nil)
        for cut in [remove.raw + 1, remove.raw + 3, kept.state.end.offset.raw] {
            let query = ValueQuery(
                id: 0, group: .durable, cut: .offset(Offset(cut)), below: kept.state.end, topics: [TopicID(0)], showsRemoved: true)
            guard case .values(let page)? = try kept.work([.values(query)]).first(where: { if case .values = $0 { true } else { false } }) else {
                Issue.record("no answer")
                return
            }
            #expect(page.cleaned == nil && page.taken == 1 && page.topics.isEmpty, "\(cut): \(page)")
        }
    }

    /// The same short story, its power cut at each operation of a cleaning in turn, with many a subset lost each time.
    @Test func everyBoundaryOfACleaningSurvives() throws {
        var boundary = 0
        var isFinished = false
        var rewritten = 0
        while !isFinished {
            for seed in 0..<max(2, scaled(8)) {
                var dice = Dice(77)
                var kept = try KeptLog(Self.mixed, segmentBytes: 2048, removesStay: Self.second)
                try fill(&kept, &dice, entries: 60)
                try kept.work([.save([], .start)])
                var random = Numbers(UInt64(boundary * 100 + seed))
                kept.disk.operationsUntilPowerCut = boundary
                isFinished = false
                do throws(StorageError) {
                    rewritten = try kept.clean().cleaned
                    isFinished = true
                } catch { guard case .system = error.kind else { throw error } }
                kept.disk.crash(using: &random)
                // What `save` has put there is no member state.
                try kept.disk.remove("member")
                try kept.reopen()
                #expect(kept.journal.durable.damage.isEmpty)
                #expect(try problem(kept) == nil, "cut at \(boundary), seed \(seed)")
                let state = try replayed(kept)
                #expect(state.heads == kept.state.heads && state.publishers == kept.state.publishers)
                // And it goes on from there.
                _ = try kept.clean()
                #expect(try problem(kept) == nil, "cut at \(boundary), seed \(seed), cleaned again")
            }
            boundary += 1
        }
        #expect(boundary > 20 && rewritten > 0, "\(boundary) boundaries, \(rewritten) bytes cleaned")
    }

    /// Each closed segment is hit twice, or has its end cut off, and is put right from a log that was cleaned more or less.
    @Test(arguments: [(true, false), (false, true), (true, true)], 1...4)
    func aDamagedSegmentIsRepairedFromALogThatWasCleanedToAnotherDegree(cleaned: (Bool, Bool), seed: Int) throws {
        var (first, second) = (Dice(UInt64(seed) + 40), Dice(UInt64(seed) + 40))
        var kept = try KeptLog(Self.mixed, segmentBytes: 4096)
        var other = try KeptLog(Self.mixed, segmentBytes: 4096)
        try fill(&kept, &first, entries: 200)
        try fill(&other, &second, entries: 200)
        if cleaned.0, cleaned.1 { _ = try kept.clean() }
        try fill(&kept, &first, entries: 100, from: 20)
        try fill(&other, &second, entries: 100, from: 20)
        if cleaned.0, !cleaned.1 { _ = try kept.clean() }
        if cleaned.1 { _ = try other.clean() }
        let log = kept.journal.durable
        var dice = Dice(UInt64(seed))
        let paths = try kept.disk.list("group-0").filter { $0.hasSuffix(".log") }.dropLast().map { "group-0/" + $0 }
        var hits = 0
        for path in paths {
            let size = try #require(kept.disk.contents(path)).count
            guard size > 200 else { continue }
            for _ in 0..<2 { kept.disk.flip(path, at: 72 + dice.below(size - 72), bits: 1 << UInt8(dice.below(8))) }
            hits += 1
        }
        #expect(try !log.verify().isEmpty)
        var left = 10 * hits
        while let hole = log.damage.first, left > 0 {
            var entries: [UInt8] = []
            var next = hole.entries.lowerBound
            while next < hole.entries.upperBound { next = try other.journal.durable.read(from: next, below: hole.entries.upperBound, maximumBytes: 1 << 20, into: &entries).next }
            do throws(StorageError) { try log.repair(hole, with: entries, isChained: true) } catch {
                guard case .corruptInput = error.kind else { throw error }
                _ = try log.inspect(hole.entries.lowerBound)
            }
            left -= 1
        }
        #expect(hits > 3 && log.damage.isEmpty, "\(log.damage)")
        #expect(try log.verify().isEmpty)
        // More may have come back than must be there; what must be is.
        #expect(try problem(kept) == nil)
        #expect(try replayed(kept).publishers == kept.state.publishers)
        try kept.reopen()
        #expect(kept.journal.durable.damage.isEmpty)
        #expect(try problem(kept) == nil)
    }

    /// What is put back from a cleaned log lacks versions; this one's own segments begin with a checkpoint now and then only.
    @Test(arguments: 0...3) func aPastThatARepairBroughtIsRightOrRefused(bare: Int) throws {
        let rules = [Keeping()] + Array(repeating: Keeping(records: 1), count: 11)
        func filled(bare: Int) throws -> KeptLog {
            var log = try KeptLog(rules, segmentBytes: 4096)
            log.bare = bare
            try log.open(1, time: Self.second)
            // Topic n has a record at the beginning, one in the midst of others, and one at the end: of the first two nothing stays.
            for step in 1...430 {
                let rare = step <= 10 ? step : (390..<400).contains(step) ? step - 389 : step % 20 == 0 && step <= 200 ? step / 20 : 0
                // Half of what lies around them goes too, or the segments would be left as they are.
                try log.write([(rare, step, false, 40), (11, step, false, 80), (0, step, false, 20)], by: 1, time: Self.second * UInt64(step + 1))
            }
            return log
        }
        var (kept, other) = (try filled(bare: bare), try filled(bare: 0))
        _ = try other.clean()
        let log = kept.journal.durable
        let paths = try kept.disk.list("group-0").filter { $0.hasSuffix(".log") }.sorted().dropLast().map { "group-0/" + $0 }
        for path in paths.dropFirst().prefix(6) {
            for at in stride(from: 120, to: try #require(kept.disk.contents(path)).count - 60, by: 90) { kept.disk.flip(path, at: at, bits: 4) }
        }
        _ = try log.verify()
        #expect(!log.damage.isEmpty)
        while let hole = try kept.journal.holes().first {
            var entries: [UInt8] = []
            var next = hole.entries.lowerBound
            while next < hole.entries.upperBound { next = try other.journal.durable.read(from: next, below: hole.entries.upperBound, maximumBytes: 1 << 20, into: &entries).next }
            let before = log.damage.map(\.entries)
            try kept.work([.repair(hole, from: NodeID(2), OwnedBytes(entries), shown: other.state.end.offset)])
            guard log.damage.map(\.entries) != before else { break }
        }
        #expect(log.damage.isEmpty, "\(log.damage)")
        var (right, refused) = (0, 0)
        // Each topic at any time: of what is missing it is those behind that may be wrong.
        for step in stride(from: 1, through: 430, by: 3) {
            for topic in rules.indices {
                let time = Self.second * UInt64(step + 1)
                let query = ValueQuery(
                    id: 0, group: .durable, cut: .time(Timestamp(time)), below: kept.state.end, topics: [TopicID(UInt32(topic))], showsRemoved: true)
                guard case .values(let page)? = try kept.work([.values(query)]).first(where: { if case .values = $0 { true } else { false } }) else {
                    Issue.record("no answer")
                    return
                }
                guard page.cleaned == nil else {
                    refused += 1
                    continue
                }
                right += 1
                let due = kept.all.last { $0.topic == topic && $0.time <= time }
                #expect((page.rows.view.isEmpty ? nil : VersionHeader(page.rows.view).offset.raw) == due?.offset, "topic \(topic) at step \(step)")
            }
        }
        #expect(right > 100 && refused > 100, "\(right) right, \(refused) refused")
    }

    /// A log that grows by more than begins a pass while one is under way says so; one at rest, or that grows by less, does not.
    @Test func aLogThatGrowsFasterThanItIsCleanedSaysSo() throws {
        // Every segment keeps a third of what is in it: all have to be read and written anew.
        var kept = try KeptLog([Keeping(), Keeping(records: 1), Keeping(records: 1)], segmentBytes: 4096)
        try kept.open(1, time: Self.second)
        var step = 0
        func write(segments: Int) throws {
            let before = kept.journal.durable.closedSpans(below: kept.state.end.number).count
            while kept.journal.durable.closedSpans(below: kept.state.end.number).count < before + segments {
                step += 1
                try kept.write((0..<6).map { (($0 + step) % 3, step, false, 60) }, by: 1, time: Self.second * UInt64(step + 1))
            }
        }
        func slice() throws -> (report: CleanReport, isDone: Bool) {
            for case .cleaned(let report, let isDone, _) in try kept.work([
                .clean(.durable, below: kept.state.end.number, bytes: 600, drop: Droppable(view: ViewNumber(1), lines: []))
            ]) { return (report, isDone) }
            preconditionFailure("no report")
        }
        try write(segments: 32)
        #expect(try !slice().report.isBehind)
        // A sixteenth of 32 segments are two.
        try write(segments: 1)
        #expect(try !slice().report.isBehind)
        // And by more than half of what has been read and written; to begin counts as 256 KiB.
        try write(segments: 40)
        let behind = try slice()
        #expect(behind.report.isBehind && !behind.isDone)
        var last = behind
        while !last.isDone { last = try slice() }
        #expect(!last.report.isBehind && last.report.cleaned > 0)
    }

    /// So that cleaning keeps up with any load: damage in a segment that goes altogether is never met, and goes with it.
    @Test func aSegmentOfWhichNothingStaysIsNotRead() throws {
        var kept = try KeptLog([Keeping(bytes: 3000)], segmentBytes: 4096)
        try kept.open(1, time: Self.second)
        for step in 1...150 { try kept.write([(0, step, false, 90)], by: 1, time: Self.second * UInt64(step + 1)) }
        let closed = kept.journal.durable.closedSpans(below: kept.journal.durable.end.number)
        #expect(closed.count >= 6)
        let names = try kept.disk.list("group-0").filter { $0.hasSuffix(".log") }.sorted()
        for name in names[1..<4] { kept.disk.flip("group-0/" + name, at: 1500, bits: 0xFF) }
        let report = try kept.clean()
        #expect(kept.journal.durable.damage.isEmpty && report.cleaned > 3 * 3500)
        #expect(try kept.journal.durable.verify().isEmpty)
        #expect(try problem(kept) == nil)
        let state = try replayed(kept)
        #expect(state.publishers == kept.state.publishers && state.heads == kept.state.heads && state.end == kept.state.end)
        // And what is left of them is not rewritten again.
        for step in 151...220 { try kept.write([(0, step, false, 90)], by: 1, time: Self.second * UInt64(step + 1)) }
        for name in names[1..<4] { kept.disk.flip("group-0/" + name, at: 80, bits: 0xFF) }
        #expect(try kept.clean().cleaned > report.cleaned)
        #expect(kept.journal.durable.damage.isEmpty)
        for name in names[1..<4] { kept.disk.flip("group-0/" + name, at: 80, bits: 0xFF) }
        #expect(try problem(kept) == nil)
    }

    /// What was counted of a segment must not be taken for what was written there after a cut.
    @Test func aCutForgetsWhatWasCountedBehindIt() {
        let span = LogSpan(first: EntryNumber(4), firstOffset: Offset(40), end: EntryNumber(8), isOpen: false)
        var tallies = SegmentTallies()
        func append(_ numbers: Range<UInt64>) {
            for number in numbers {
                var builder = BatchBuilder()
                Array("value".utf8).withView { builder.append(topic: TopicID(3), time: 0, payload: $0) }
                let body = OwnedBytes(builder.finish(publisher: PublisherID(1), epoch: 1, sequence: number, group: .durable))
                let header = EntryHeader(
                    length: EntryHeader.size + body.view.count, batches: 1, number: EntryNumber(number), baseOffset: Offset(number * 10),
                    timestamp: Timestamp(number), view: ViewNumber(1), sender: NodeID(1), group: .durable, records: 1)
                tallies.append(header, body.view, segment: span.first)
            }
        }
        append(4..<8)
        tallies.close(span)
        #expect(tallies[span]?.lines.first?.records == 4)
        tallies.cut(to: EntryNumber(6))
        #expect(tallies[span] == nil)
        append(6..<8)
        tallies.close(span)
        #expect(tallies[span] == nil)
        // Cut to its beginning it is counted anew.
        tallies.cut(to: span.first)
        append(4..<8)
        tallies.close(span)
        #expect(tallies[span]?.lines.first?.lowest == 40)
    }

    @Test func aFullDiskLeavesTheLogAsItIs() throws {
        var dice = Dice(5)
        var kept = try KeptLog(Self.mixed, segmentBytes: 4096)
        try fill(&kept, &dice, entries: 300)
        kept.disk.capacity = kept.disk.used + 700
        _ = try kept.clean()
        #expect(try problem(kept) == nil)
        kept.disk.capacity = nil
        try fill(&kept, &dice, entries: 200, from: 60)
        #expect(try kept.clean().cleaned > 0)
        #expect(try problem(kept) == nil)
    }

    @Test func theLastRecordsOfACleanedLogAreCountedByWhatIsThere() throws {
        var dice = Dice(6)
        var kept = try KeptLog(Self.mixed, segmentBytes: 4096)
        try fill(&kept, &dice, entries: 500)
        _ = try kept.clean()
        let present = try contents(kept).present
        for topic in kept.rules.indices {
            let mine = present.filter { $0.value == topic }.keys.sorted()
            var query = TailQuery(id: 0, group: .durable, wanted: [1 << UInt64(topic)], left: 7, before: kept.state.end.offset, below: kept.state.end)
            while query.left > 0 {
                guard case .tail(let next)? = try kept.work([.tail(query)]).first(where: { if case .tail = $0 { true } else { false } }) else { return }
                query = next
            }
            #expect(mine.filter { $0 >= query.before.raw }.count == min(7, mine.count))
        }
    }
}

/// For a disk's crash.
private struct Numbers: RandomNumberGenerator {
    private var dice: Dice
    init(_ seed: UInt64) { dice = Dice(seed) }
    mutating func next() -> UInt64 { dice.next() }
}
