import Broker
@testable import Journal
import Replication
@testable import Storage
import Store
import Testing
import Topics
import Wire

/// What a node lets go of because others hold it, what it says of that, and how it comes back.
@Suite struct HoldingTests {
    private static let replicas = [0, 1, 2, 1, 2, 2]

    /// The same life, written twice: one log keeps all, the other will not.
    private func twins(_ seed: UInt64, entries: Int, rules: [Keeping] = Array(repeating: Keeping(), count: 6)) throws -> (KeptLog, KeptLog) {
        var whole = try KeptLog(rules, segmentBytes: 3000, replicas: Self.replicas)
        var parted = try KeptLog(rules, segmentBytes: 2000, replicas: Self.replicas)
        var dice = Dice(seed)
        var time: UInt64 = 10
        for _ in 0..<entries {
            time += UInt64(1 + dice.below(9))
            let publisher = UInt64(1 + dice.below(4))
            if whole.state.publishers.line(of: PublisherID(publisher)) == nil || dice.below(10) == 0 {
                try whole.open(publisher, time: time)
                try parted.open(publisher, time: time)
                time += 1
            }
            let records = (0...dice.below(5)).map { _ in (topic: dice.below(6), key: dice.below(4), isRemove: dice.below(12) == 0, size: dice.below(90)) }
            try whole.write(records, by: publisher, time: time)
            try parted.write(records, by: publisher, time: time)
        }
        return (whole, parted)
    }
    private func line(_ topic: Int, to end: UInt64) -> Holdings.Line {
        Holdings.Line(replicas: Self.replicas[topic], bucket: topic, from: Offset(0), to: Offset(end))
    }
    private func bytes(_ log: KeptLog, from: EntryNumber = .zero, below: EntryNumber? = nil) throws -> [UInt8] {
        var bytes: [UInt8] = []
        var next = from
        let end = below ?? log.journal.durable.end.number
        while next < end { next = try log.journal.durable.read(from: next, below: end, maximumBytes: 1 << 20, into: &bytes).next }
        return bytes
    }
    private func replayed(_ log: KeptLog) throws -> GroupState {
        var state = GroupState(group: .durable)
        try log.journal.durable.replay(from: .zero) { (header, body) throws(StorageError) in
            guard state.replay(header, body) else { throw StorageError(.corruptInput("entry \(header.number.raw) does not follow"), "replay", "") }
        }
        return state
    }

    @Test(arguments: 1...12) func whatOthersHoldGoesBelowTheirWordButForTheLast(seed: Int) throws {
        var (_, log) = try twins(UInt64(seed), entries: 120)
        let word = log.closed.offset / 2
        let before = log.journal.durable.bytes
        try log.clean(drop: Droppable(view: ViewNumber(1), lines: [1, 2, 4].map { line($0, to: word) }))
        let present = PlainReader(try bytes(log)).present
        var last: [Int: UInt64] = [:]
        for record in log.all where record.offset < log.closed.offset { last[record.topic] = record.offset }
        for record in log.all where present[record.offset] == nil {
            #expect([1, 2, 4].contains(record.topic) && record.offset < word && last[record.topic] != record.offset, "\(record) is gone")
        }
        let mayGo = log.all.count { [1, 2, 4].contains($0.topic) && $0.offset < word && last[$0.topic] != $0.offset }
        let gone = log.all.count - present.count
        #expect(gone > 0 && gone <= mayGo && log.journal.durable.bytes < before, "\(gone) of \(mayGo) are gone")
        // It is written down, and read back by the next life.
        for topic in [1, 2, 4] { #expect(log.journal.holdings.missing.contains(Self.replicas[topic], topic)) }
        #expect(log.journal.holdings.missing.count == 3 && log.journal.holdings.end == Offset(word))
        let said = log.journal.holdings
        try log.reopen()
        #expect(log.journal.holdings == said)
        #expect(try replayed(log).publishers.digest == log.state.publishers.digest)
    }

    @Test func nothingGoesInTheSliceThatFindsOutWhatMay() throws {
        var (_, log) = try twins(3, entries: 120)
        let drop = Droppable(view: ViewNumber(1), lines: [line(1, to: log.closed.offset)])
        var withheld: [Holdings.Line] = []
        let before = try bytes(log)
        while withheld.isEmpty {
            for case .cleaned(_, _, let lines) in try log.work([.clean(.durable, below: log.state.end.number, bytes: 1 << 20, drop: drop)]) { withheld = lines }
        }
        #expect(withheld == [line(1, to: log.closed.offset)])
        #expect(try bytes(log) == before)
        // By another view's word nothing of it goes any more.
        try log.work([.clean(.durable, below: log.state.end.number, bytes: 1 << 20, drop: Droppable(view: ViewNumber(2), lines: []))])
        #expect(try bytes(log) == before)
    }

    /// Merged with what a holder gives of it, a log that lacks records has them all, and the same state.
    @Test(arguments: 1...40) func anExcerptPutsBackWhatIsMissing(seed: Int) throws {
        let (whole, parted) = try twins(UInt64(seed), entries: 100)
        var log = parted
        let end = log.closed.offset
        try log.clean(drop: Droppable(view: ViewNumber(1), lines: [1, 2, 4].map { line($0, to: end) }))
        let topics: Set<UInt32> = seed.isMultiple(of: 2) ? [1, 2, 4] : [2]
        var dice = Dice(UInt64(seed))
        // Pieces of any length, from wherever the last one ended.
        var merged: [UInt8] = []
        var place = (number: EntryNumber.zero, offset: Offset(0))
        while place.number < whole.journal.durable.end.number {
            let below = EntryNumber(min(place.number.raw + 1 + UInt64(dice.below(30)), whole.journal.durable.end.number.raw))
            let mine = try bytes(log, from: place.number)
            let theirs = try bytes(whole, from: place.number, below: below)
            var excerpt: [UInt8] = []
            theirs.withView { Excerpt.make(of: $0, into: &excerpt) { topics.contains($0.raw) } }
            try excerpt.withView { view throws in
                var at = 0
                while at < view.count { at += try checkEntry(view.from(at)).length }
            }
            let next = mine.withView { mine in excerpt.withView { Excerpt.merge(mine, $0, from: place, into: &merged) } }
            #expect(next?.number == below)
            place = try #require(next)
        }
        try merged.withView { view throws in
            var at = 0
            while at < view.count { at += try checkEntry(view.from(at)).length }
        }
        let reader = PlainReader(merged)
        #expect(reader.fault == nil)
        let present = PlainReader(try bytes(log)).present
        for record in whole.all { #expect((reader.present[record.offset] != nil) == (present[record.offset] != nil || topics.contains(UInt32(record.topic)))) }
        // It is a log: it replays to the state that the other has.
        var state = GroupState(group: .durable)
        try merged.withView { view throws in
            var at = 0
            while at < view.count {
                let header = try EntryHeader(view.from(at))
                let follows = state.replay(header, view[at + EntryHeader.size..<at + header.length])
                #expect(follows)
                at += header.length
            }
        }
        #expect(state.end == whole.state.end && state.publishers.digest == whole.state.publishers.digest)
        for topic in 0..<6 { #expect(state.heads.head(of: TopicID(UInt32(topic))) == whole.state.heads.head(of: TopicID(UInt32(topic)))) }
    }

    @Test func anExcerptOfAnotherLogIsNotTaken() throws {
        let (whole, _) = try twins(1, entries: 60)
        let (other, parted) = try twins(2, entries: 60)
        var log = parted
        try log.clean(drop: Droppable(view: ViewNumber(1), lines: [1, 2, 4].map { line($0, to: log.closed.offset) }))
        var excerpt: [UInt8] = []
        var merged: [UInt8] = []
        try bytes(whole).withView { Excerpt.make(of: $0, into: &excerpt) { _ in true } }
        let mine = try bytes(log)
        let odd = mine.withView { mine in excerpt.withView { Excerpt.merge(mine, $0, from: (.zero, Offset(0)), into: &merged) } }
        #expect(odd == nil)
        (excerpt, merged) = ([], [])
        try bytes(other).withView { Excerpt.make(of: $0, into: &excerpt) { _ in true } }
        let even = mine.withView { mine in excerpt.withView { Excerpt.merge(mine, $0, from: (.zero, Offset(0)), into: &merged) } }
        #expect(even != nil)
    }

    /// A segment is given back piece by piece, or stays as it was.
    @Test func aSegmentIsFilledWholeOrNotAtAll() throws {
        let (whole, parted) = try twins(5, entries: 150)
        var log = parted
        let end = log.closed.offset
        try log.clean(drop: Droppable(view: ViewNumber(1), lines: [1, 2, 4].map { line($0, to: end) }))
        let before = try bytes(log)
        var from = Offset(0)
        var filled = 0
        while true {
            var next: LogStretch?
            for case .stretch(_, let found) in try log.work([.stretch(from: from, below: log.state.end.number)]) { next = found }
            guard let stretch = next else { break }
            var excerpt: [UInt8] = []
            var merged: [UInt8] = []
            try bytes(whole, from: stretch.first, below: stretch.end).withView { Excerpt.make(of: $0, into: &excerpt) { [1, 2, 4].contains($0.raw) } }
            let mine = try bytes(log, from: stretch.first, below: stretch.end)
            _ = mine.withView { mine in excerpt.withView { Excerpt.merge(mine, $0, from: (stretch.first, stretch.offset), into: &merged) } }
            // In two pieces; at first the second alone, which nobody asked for.
            var half = 0
            merged.withView { view in while half < view.count / 2 { half += (try? EntryHeader(view.from(half)))?.length ?? view.count } }
            let (first, second) = (Array(merged[..<half]), Array(merged[half...]))
            if !second.isEmpty {
                let answer = try log.work([.fill(stretch, OwnedBytes(second), isLast: true)])
                #expect(answer.contains { if case .filled(stretch.first, false) = $0 { true } else { false } })
                if filled == 0 { #expect(try bytes(log) == before) }
                try log.work([.fill(stretch, OwnedBytes(first), isLast: false)])
            }
            let answer = try log.work([.fill(stretch, OwnedBytes(second.isEmpty ? first : second), isLast: true)])
            #expect(answer.contains { if case .filled(stretch.first, true) = $0 { true } else { false } })
            filled += 1
            from = stretch.endOffset
        }
        #expect(filled > 3 && from == Offset(log.closed.offset))
        let present = PlainReader(try bytes(log)).present
        #expect(present.count == log.all.count)
        let lines = log.journal.holdings.lines
        try log.work([.held(lines)])
        #expect(log.journal.holdings.isEmpty)
        try log.reopen()
        let again = PlainReader(try bytes(log)).present
        #expect(log.journal.holdings.isEmpty && again.count == log.all.count)
        #expect(try replayed(log).publishers.digest == log.state.publishers.digest)
        // Filled segments are cleaned like any other.
        try log.clean(drop: Droppable(view: ViewNumber(2), lines: [line(2, to: end)]))
        let left = PlainReader(try bytes(log)).present
        #expect(left.count < log.all.count && log.all.allSatisfy { left[$0.offset] != nil || $0.topic == 2 })
        #expect(try replayed(log).publishers.digest == log.state.publishers.digest)
    }

    @Test func lostOrOtherRulesMeanThatAnythingMayBeMissing() throws {
        var (_, log) = try twins(7, entries: 80)
        let end = log.closed.offset
        try log.clean(drop: Droppable(view: ViewNumber(1), lines: [line(2, to: end)]))
        var other = TopicsConfiguration(
            rules: [TopicRule(pattern: try TopicPattern("t/2"), level: .durable, replicas: 3)], defaultLevel: .durable, admit: .all)
        func holdings(_ topics: TopicsConfiguration) throws -> Holdings { try KeptLog.open(log.disk, topics, 2000, .max).holdings }
        let spread = try holdings(other)
        #expect(spread.missing.contains(0, 2) && spread.missing.contains(3, 2) && spread.missing.merged == 1 << 2)
        #expect(spread.rules == other.replicaRules && spread.rules != log.topics.replicaRules)
        other = .standard
        #expect(try holdings(other).missing.contains(0, 2))
        for path in try log.disk.list("group-0") where path.hasPrefix("holdings") {
            for at in 0..<20 { log.disk.flip("group-0/" + path, at: at, bits: 0xFF) }
        }
        let lost = try holdings(log.topics)
        for topic in 0..<6 { #expect(lost.missing.contains(Self.replicas[topic], topic)) }
        #expect(lost.end == log.state.end.offset)
    }

    @Test func whatIsNotToBeGivenUpIsKnownInTheNextLife() throws {
        var (_, log) = try twins(9, entries: 20)
        func agreed() throws -> AgreedPlace { try Journal.agreed(Journal.agreedFile(log.disk)) }
        #expect(try agreed() == .zero)
        let place = AgreedPlace(number: EntryNumber(7), offset: Offset(11))
        func agree(_ place: AgreedPlace) throws -> AgreedPlace? {
            var results: [DiskResult] = []
            try log.journal.work([.agree(place)], into: &results)
            guard case .agreed(let answer)? = results.last else { throw StorageError(.corruptInput("\(results)"), "agree", "") }
            return answer
        }
        // A disk without room leaves things as they were, and the node goes on.
        log.disk.capacity = 0
        #expect(try agree(place) == nil)
        #expect(try agreed() == .zero)
        log.disk.capacity = nil
        #expect(try agree(place) == place)
        #expect(try agreed() == place)
        // One of its two copies may rot.
        for copy in 0..<2 {
            #expect(try agree(AgreedPlace(number: EntryNumber(8), offset: Offset(12))) != nil)
            log.disk.flip("agreed", at: copy * 512 + 30, bits: 1)
            #expect(try agreed().number == EntryNumber(8))
        }
    }

    @Test func whoReadsOneTopicPassesOverSegmentsWithoutIt() throws {
        var log = try KeptLog(Array(repeating: Keeping(), count: 6), segmentBytes: 3000, replicas: Self.replicas)
        var time: UInt64 = 10
        try log.open(1, time: time)
        // Topics 0 to 4 one after another, 5 in the midst of each; topic 0 once more at the end.
        for phase in [0, 1, 2, 3, 4, 0] {
            for batch in 0..<24 {
                time += 5
                let one = (topic: batch == 12 ? 5 : phase, key: 0, isRemove: false, size: 60)
                try log.write([one, one, one], by: 1, time: time)
            }
        }
        let end = log.journal.durable.end.number
        for topics in [[0], [1], [3], [5], [1, 4]] {
            var (next, bytes, passed) = (EntryNumber.zero, [UInt8](), 0)
            while next < end {
                var results: [DiskResult] = []
                let wanted = topics.map { TopicID(UInt32($0)) }
                try log.journal.work(
                    [.read(.session(SessionID(1), generation: 1), .durable, from: next, below: end, maximumBytes: 700, topics: wanted)], into: &results)
                guard case .read(_, _, let first, let following, let read)? = results.last else { throw StorageError(.corruptInput("\(results)"), "read", "") }
                if first > next { passed += 1 }
                bytes += read.view.array
                next = max(following, first)
            }
            // All of the topic is there, and of the rest not much.
            var present: Set<UInt64> = []
            var at = 0
            while at < bytes.count {
                let header = try bytes.withView { view throws(DecodeError) in try EntryHeader(view.from(at)) }
                for offset in header.baseOffset.raw..<header.endOffset.raw { present.insert(offset) }
                at += header.length
            }
            for record in log.all where topics.contains(record.topic) { #expect(present.contains(record.offset), "\(topics), \(record.offset)") }
            #expect(passed > 0 && bytes.count < log.journal.durable.bytes * 6 / 10, "\(topics): \(bytes.count) of \(log.journal.durable.bytes)")
        }
    }
}
