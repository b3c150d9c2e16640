import Broker
import Journal
import Storage
import Store
import TestClock
import Testing
import Wire

/// As-of reads against what was written, kept apart.
@Suite struct AsOfTests {
    /// 1,000,000 versions, 100,000 questions; bar: all equal, p99 of one topic below 1 ms. Prints its figures.
    @Test(.timeLimit(.minutes(10))) func aMillionVersionsReadBackAsTheyWereAtAnyTime() throws {
        let topics = 2000
        let history = try History(topics: topics, segmentBytes: 4 << 20)
        var dice = Dice(1)
        var time: UInt64 = 1_000
        var versions = 0
        while versions < scaled(1_000_000) {
            time += UInt64(1 + dice.below(5))
            // Some topics are busy, most are not, some are silent for long.
            let count = 1 + dice.below(64)
            try history.write((0..<count).map { _ in (dice.below(dice.below(10) == 0 ? topics : topics / 20), dice.below(50) == 0) }, time: time)
            versions += count
        }
        var index = ValueIndex()
        var single: [Duration] = []
        var compared = 0
        for question in 0..<scaled(100_000) {
            let at = 900 + UInt64(dice.below(Int(time) - 800))
            let first = dice.below(topics)
            let count = question % 10 == 0 ? 1 + dice.below(40) : 1
            let asked = Array(first..<min(first + count, topics))
            var found: [Int: History.Version] = [:]
            let took = try processorTime { found = try history.found(asked, at: at, &index) }
            if count == 1 { single.append(took) }
            for topic in asked where found[topic] != history.expected(topic, at: at) {
                Issue.record("topic \(topic) at \(at): \(String(describing: found[topic])), not \(String(describing: history.expected(topic, at: at)))")
                return
            }
            compared += asked.count
        }
        // Warm: the first hundredth makes the index.
        let warm = single.dropFirst(single.count / 100).sorted()
        let p50 = warm[warm.count / 2], p99 = warm[warm.count * 99 / 100]
        print("as of: \(versions) versions in \(history.log.segmentCount) segments, \(scaled(100_000)) questions, \(compared) values equal; one topic p50 \(p50), p99 \(p99); index \(index.footprint >> 10) KiB")
        if isOptimised { #expect(p99 < .milliseconds(1)) }
    }

    @Test func aSmallBudgetChangesNoAnswer() throws {
        let history = try History(topics: 300, segmentBytes: 64 << 10)
        var dice = Dice(2)
        for step in 1...3000 { try history.write((0...dice.below(8)).map { _ in (dice.below(300), dice.below(9) == 0) }, time: UInt64(step * 3)) }
        #expect(history.log.segmentCount > 10)
        var index = ValueIndex(budget: 40 << 10)
        for _ in 0..<scaled(1000) {
            let at = UInt64(dice.below(9_100))
            let found = try history.found(Array(0..<300), at: at, &index)
            for topic in 0..<300 { #expect(found[topic] == history.expected(topic, at: at)) }
            #expect(index.footprint < 80 << 10)
        }
    }

    @Test func withoutItsCheckpointsTheLogAnswersAllTheSame() throws {
        let history = try History(topics: 100, segmentBytes: 16 << 10)
        var dice = Dice(3)
        for step in 1...1500 { try history.write((0...dice.below(4)).map { _ in (dice.below(100), dice.below(9) == 0) }, time: UInt64(step * 3)) }
        var removed = 0
        for name in try history.disk.list("group-0") where name.hasSuffix(".checkpoint") {
            try history.disk.remove("group-0/\(name)")
            removed += 1
        }
        #expect(removed > 3)
        var index = ValueIndex()
        for _ in 0..<300 {
            let at = UInt64(dice.below(4_600))
            let found = try history.found(Array(0..<100), at: at, &index)
            for topic in 0..<100 { #expect(found[topic] == history.expected(topic, at: at)) }
        }
    }

    @Test func theLastRecordsOfSomeTopicsBeginWhereCountingFromTheEndSays() throws {
        let history = try History(topics: 50, segmentBytes: 16 << 10)
        var dice = Dice(4)
        for step in 1...1500 { try history.write((0...dice.below(6)).map { _ in (dice.below(50), false) }, time: UInt64(step * 3)) }
        var index = ValueIndex()
        let end = history.state.end.offset
        for _ in 0..<300 {
            let topics = Set((0...dice.below(5)).map { _ in dice.below(50) })
            var wanted: UInt64 = 0
            for topic in topics { wanted |= 1 << UInt64(topic) }
            let count = 1 + dice.below(400)
            var query = TailQuery(id: 0, group: .durable, wanted: [wanted], left: count, before: end, below: history.log.end)
            while query.left > 0 { query = try index.tail(query, history.log) }
            let offsets = topics.flatMap { history.written[$0].map(\.offset) }.sorted()
            #expect(query.before.raw <= offsets[max(0, offsets.count - count)])
            #expect(offsets.filter { $0 >= query.before.raw }.count == min(count, offsets.count))
        }
    }

    @Test func whatIsCutFromTheLogIsForgotten() throws {
        let history = try History(topics: 10, segmentBytes: 8 << 10)
        for step in 1...400 { try history.write([(step % 10, false)], time: UInt64(step * 3)) }
        var index = ValueIndex()
        _ = try history.found(Array(0..<10), at: 5000, &index)
        let place = EntryNumber(200)
        index.cut(to: place)
        try history.log.truncate(to: place)
        let query = ValueQuery(id: 0, group: .durable, cut: .latest, below: history.log.end, topics: (0..<10).map { TopicID(UInt32($0)) })
        let page = try index.values(query, history.log)
        var at = 0
        for topic in page.topics {
            let version = VersionHeader(page.rows.view.from(at))
            #expect(version.offset.raw == history.written[topic.index].last { $0.offset < history.log.endOffset.raw }?.offset)
            at += VersionHeader.size + RecordView(page.rows.view.from(at + VersionHeader.size)).header.length
        }
        #expect(page.topics.count == 10)
    }
}
