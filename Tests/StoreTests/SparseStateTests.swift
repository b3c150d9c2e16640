import Storage
import Store
import Testing
import Topics
import Wire

@testable import Broker
@testable import Journal

/// Segments that begin without a checkpoint: what is read of the log is the same.
@Suite struct SparseStateTests {
    private static let topics = 4

    /// Topic 0 has a record in the first segment and one further on, topic 1 in each, 2 and 3 now and then.
    private func log(bare: Int) throws -> KeptLog {
        var log = try KeptLog(Array(repeating: Keeping(), count: Self.topics), segmentBytes: 2000)
        log.bare = bare
        try log.open(7, time: 2)
        var dice = Dice(11)
        for number in 0..<400 {
            var records: [(topic: Int, key: Int, isRemove: Bool, size: Int)] = [(1, number, false, 40)]
            if number == 0 || number == 300 { records.append((0, number, false, 10)) }
            if dice.below(25) == 0 { records.append((2, number, dice.below(3) == 0, 10)) }
            if dice.below(100) == 0 { records.append((3, number, false, 10)) }
            try log.write(records, by: 7, time: UInt64(10 * number + 10))
        }
        return log
    }

    /// Where reading for those topics goes on, from each segment's beginning.
    private func passes(_ log: inout KeptLog, _ topics: [Int]) throws -> [UInt64] {
        var places: [UInt64] = []
        for span in log.journal.durable.spans {
            let job = DiskJob.read(
                .session(SessionID(1), generation: 1), .durable, from: span.first, below: log.state.end.number, maximumBytes: 100, topics: topics.map { TopicID(UInt32($0)) })
            for case .read(_, _, let first, _, _) in try log.work([job]) { places.append(first.raw) }
        }
        return places
    }
    private func values(_ log: inout KeptLog, at time: UInt64) throws -> [UInt8] {
        var rows: [UInt8] = []
        var topics = (0..<Self.topics).map { TopicID(UInt32($0)) }
        while !topics.isEmpty {
            let query = ValueQuery(id: 1, group: .durable, cut: .time(Timestamp(time)), below: log.state.end, topics: topics)
            for case .values(let page) in try log.work([.values(query)]) {
                rows += page.rows.view.array
                topics.removeFirst(page.taken)
            }
        }
        return rows
    }

    @Test(arguments: [1, 2, 3], [false, true]) func theyAreReadAsIfEachHadOne(bare: Int, isReopened: Bool) throws {
        var (dense, sparse) = (try log(bare: 0), try log(bare: bare))
        // What was said of the heads is gone then.
        if isReopened { try sparse.reopen() }
        for time in stride(from: UInt64(5), to: 4_020, by: 75) {
            #expect(try values(&sparse, at: time) == values(&dense, at: time), "as of \(time)")
        }
        let spans = dense.journal.durable.spans
        #expect(spans.count > 12)
        // Nothing of the topics is passed over, and with the next checkpoint most of what has nothing of them is.
        for topics in [[0], [3], [0, 3]] {
            let places = try (passes(&dense, topics), passes(&sparse, topics))
            for (index, span) in spans.enumerated() {
                let next = dense.all.first { topics.contains($0.topic) && $0.offset >= span.firstOffset.raw }
                let due = (next.flatMap { next in spans.last { $0.firstOffset.raw <= next.offset } } ?? spans[spans.count - 1]).first.raw
                #expect(places.0[index] == due && places.1[index] <= due, "\(topics) from segment \(index)")
                let jumped = spans.filter { $0.first >= span.first && $0.first.raw < due }.count
                if jumped > 2 * bare + 1 { #expect(places.1[index] > span.first.raw, "\(topics) from segment \(index)") }
            }
        }
    }

    /// Nobody asks for anything: what is said of the heads does not pile up.
    @Test func whatIsSaidOfTheHeadsTakesTheMemoryOfOneTable() throws {
        var heads = HeadTable()
        for topic in 0..<10_000 as Range<UInt32> { heads.set(TopicID(topic), HeadTable.Head(offset: Offset(UInt64(topic)), isRemoved: false)) }
        var index = ValueIndex(budget: 64 << 20)
        for number in 1...100 as ClosedRange<UInt64> {
            heads.set(TopicID(0), HeadTable.Head(offset: Offset(20_000 + number), isRemoved: false))
            index.learn(heads, isSure: true, at: EntryNumber(number))
        }
        #expect(index.footprint < 2 * heads.footprint)
        var small = ValueIndex(budget: 1000)
        small.learn(heads, isSure: true, at: EntryNumber(1))
        #expect(small.footprint == 0)
    }
}
