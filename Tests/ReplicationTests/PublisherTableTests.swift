import Replication
import Testing
import Wire

@Suite struct PublisherTableTests {
    private typealias Verdict = PublisherTable.Verdict

    private static func batch(_ publisher: UInt64, epoch: UInt32, _ sequence: UInt64, count: Int = 1) -> BatchHeader {
        var builder = BatchBuilder()
        for _ in 0..<count { builder.append(topic: TopicID(0), time: 0, payload: .empty) }
        let bytes = builder.finish(publisher: PublisherID(publisher), epoch: epoch, sequence: sequence, group: .durable)
        do throws(DecodeError) {
            return try bytes.withView { view throws(DecodeError) in try BatchHeader(view) }
        } catch { preconditionFailure("\(error)") }
    }
    private func opened(_ publishers: UInt64...) -> PublisherTable {
        var table = PublisherTable()
        for publisher in publishers { _ = table.open(PublisherID(publisher), at: Timestamp(1)) }
        return table
    }
    private func judge(_ table: inout PublisherTable, _ batch: BatchHeader, at time: UInt64 = 2) -> Verdict {
        table.judge(batch, at: Timestamp(time)).verdict
    }

    @Test func recordsAreTakenOnceAndInTheirOrder() {
        var table = opened(7)
        #expect(judge(&table, Self.batch(7, epoch: 1, 1, count: 3)) == .accepted)
        #expect(judge(&table, Self.batch(7, epoch: 1, 1, count: 3)) == .duplicate)
        #expect(judge(&table, Self.batch(7, epoch: 1, 3)) == .duplicate)
        #expect(judge(&table, Self.batch(7, epoch: 1, 5)) == .gap)
        #expect(judge(&table, Self.batch(7, epoch: 1, 4)) == .accepted)
        #expect(table.line(of: PublisherID(7)) == .init(epoch: 1, last: 4, touched: Timestamp(2), placed: Timestamp(2)))
    }
    @Test func whoHasNotOpenedIsFenced() {
        var table = opened(7)
        #expect(judge(&table, Self.batch(8, epoch: 1, 1)) == .fenced && judge(&table, Self.batch(7, epoch: 0, 1)) == .fenced)
        #expect(table.line(of: PublisherID(8)) == nil)
    }
    @Test func openingAgainFencesTheEpochBeforeAndKeepsTheCount() {
        var table = opened(7)
        #expect(judge(&table, Self.batch(7, epoch: 1, 1)) == .accepted)
        _ = table.open(PublisherID(7), at: Timestamp(3))
        #expect(judge(&table, Self.batch(7, epoch: 1, 2)) == .fenced)
        #expect(judge(&table, Self.batch(7, epoch: 2, 2)) == .accepted)
        #expect(judge(&table, Self.batch(7, epoch: 3, 3)) == .gap, "an epoch that was never opened")
    }
    @Test func aPublisherThatTheGroupHasForgottenGoesOnWhereItStands() {
        var table = opened(7)
        #expect(judge(&table, Self.batch(7, epoch: 1, 41, count: 2)) == .accepted)
        #expect(judge(&table, Self.batch(7, epoch: 1, 44)) == .gap && judge(&table, Self.batch(7, epoch: 1, 42)) == .duplicate)
    }
    @Test func aBatchOfNothingTakesNoPlace() {
        var table = opened(7)
        let before = table
        #expect(judge(&table, Self.batch(7, epoch: 1, 1, count: 0)) == .gap && table == before)
    }
    @Test func whatIsRefusedChangesNothing() {
        var table = opened(7)
        #expect(judge(&table, Self.batch(7, epoch: 1, 1)) == .accepted)
        let before = table
        for batch in [Self.batch(7, epoch: 1, 1), Self.batch(7, epoch: 1, 9), Self.batch(9, epoch: 1, 1)] {
            let (_, undo) = table.judge(batch, at: Timestamp(50))
            #expect(undo == nil && table == before)
        }
    }
    @Test func takingBackRestoresWhatWas() {
        var table = opened(7, 8)
        var history: [(PublisherTable, PublisherTable.Undo)] = []
        func change(_ body: (inout PublisherTable) -> PublisherTable.Undo?) {
            let before = table
            if let undo = body(&table) { history.append((before, undo)) }
        }
        change { $0.judge(Self.batch(7, epoch: 1, 1, count: 2), at: Timestamp(3)).undo }
        change { $0.open(PublisherID(9), at: Timestamp(4)) }
        change { $0.open(PublisherID(7), at: Timestamp(5)) }
        change { $0.judge(Self.batch(7, epoch: 2, 3), at: Timestamp(6)).undo }
        #expect(history.count == 4)
        for (before, undo) in history.reversed() {
            table.takeBack(undo)
            #expect(table == before)
        }
    }

    // MARK: A full table

    @Test func aFullTableDropsTheLongestSilentAndTiesByIdentity() {
        var table = PublisherTable()
        // 3 and 5 are silent since 1; all others since 2.
        for publisher in 0..<UInt64(Limits.publishers) {
            _ = table.open(PublisherID(publisher), at: Timestamp(publisher == 3 || publisher == 5 ? 1 : 2))
        }
        #expect(table.count == Limits.publishers)
        let full = table
        let again = table.open(PublisherID(5), at: Timestamp(1))
        #expect(table.count == Limits.publishers && table.line(of: PublisherID(3)) != nil, "no room is needed for who is there")
        table.takeBack(again)
        let first = table.open(PublisherID(1_000_000), at: Timestamp(9))
        #expect(table.line(of: PublisherID(3)) == nil && table.line(of: PublisherID(5)) != nil)
        let second = table.open(PublisherID(1_000_001), at: Timestamp(9))
        #expect(table.line(of: PublisherID(5)) == nil && table.count == Limits.publishers)
        #expect(judge(&table, Self.batch(3, epoch: 1, 1)) == .fenced, "the dropped must open again")
        table.takeBack(second)
        table.takeBack(first)
        #expect(table == full)
    }
    @Test func publishingKeepsAPublisher() {
        var table = PublisherTable()
        for publisher in 0..<UInt64(Limits.publishers) { _ = table.open(PublisherID(publisher), at: Timestamp(publisher + 1)) }
        #expect(judge(&table, Self.batch(0, epoch: 1, 1), at: 900_000) == .accepted)
        _ = table.open(PublisherID(1_000_000), at: Timestamp(900_001))
        #expect(table.line(of: PublisherID(0)) != nil && table.line(of: PublisherID(1)) == nil)
    }

    // MARK: Checkpoint

    private func encoded(_ table: PublisherTable) -> [UInt8] {
        var bytes: [UInt8] = []
        table.encode(into: &bytes)
        return bytes
    }
    private func decoded(_ bytes: [UInt8]) throws(DecodeError) -> PublisherTable {
        try bytes.withView { view throws(DecodeError) in
            var decoder = Decoder(view, "publishers")
            let table = try PublisherTable(&decoder)
            try decoder.end()
            return table
        }
    }
    @Test func aCheckpointIsTheSameWhateverTheOrderOfArrival() throws {
        var numbers = SeededNumbers(seed: 41)
        let publishers = (0..<300).map { _ in numbers.next() }
        var one = PublisherTable()
        var other = PublisherTable()
        for publisher in publishers { _ = one.open(PublisherID(publisher), at: Timestamp(publisher)) }
        for publisher in publishers.shuffled(using: &numbers) { _ = other.open(PublisherID(publisher), at: Timestamp(publisher)) }
        #expect(encoded(one) == encoded(other))
        #expect(try decoded(encoded(one)) == one && encoded(one).count == 4 + 44 * 300)
    }
    @Test func everyTruncationOfACheckpointAndForgedCountsAreRefused() {
        let bytes = encoded(opened(1, 2, 3))
        for count in 0..<bytes.count { #expect(throws: DecodeError.self) { try decoded(Array(bytes[0..<count])) } }
        for count in [UInt32.max, UInt32(Limits.publishers) + 1, UInt32(Limits.publishers), 4, 2] {
            var forged = bytes
            forged.store(count, at: 0)
            #expect(throws: DecodeError.self) { try decoded(forged) }
        }
    }

    // MARK: Against a naive model

    /// Every change that was ever accepted, and each verdict found by going through all of them.
    private struct Naive {
        var opens: [UInt64] = []
        var records: [(publisher: UInt64, sequence: UInt64)] = []

        mutating func judge(_ publisher: UInt64, _ epoch: UInt32, _ sequence: UInt64, _ count: Int) -> Verdict {
            let opened = opens.count { $0 == publisher }
            let last = self.last(of: publisher)
            if opened == 0 || epoch < opened { return .fenced }
            if epoch > opened { return .gap }
            if sequence <= last { return .duplicate }
            // The first batch of all may begin anywhere: the group may have forgotten what came before.
            if last != 0 && last + 1 != sequence || count == 0 { return .gap }
            for index in 0..<UInt64(count) { records.append((publisher, sequence + index)) }
            return .accepted
        }
        func last(of publisher: UInt64) -> UInt64 { records.filter { $0.publisher == publisher }.map(\.sequence).max() ?? 0 }
    }
    @Test(arguments: 0..<30) func theTableJudgesAsTheNaiveOneDoes(_ seed: UInt64) throws {
        var numbers = SeededNumbers(seed: seed)
        var table = PublisherTable()
        var naive = Naive()
        var accepted = 0
        for step in 0..<300 {
            let publisher = UInt64(numbers.upTo(3))
            if numbers.upTo(7) == 0 {
                _ = table.open(PublisherID(publisher), at: Timestamp(UInt64(step)))
                naive.opens.append(publisher)
            } else {
                let line = table.line(of: PublisherID(publisher))
                let epoch = UInt32(max(0, Int(line?.epoch ?? 0) + [0, 0, 0, 0, -1, 1].randomElement(using: &numbers)!))
                let sequence = UInt64(max(0, Int(line?.last ?? 0) + [1, 1, 1, 0, 2, -1].randomElement(using: &numbers)!))
                let count = numbers.upTo(3)
                // What lies partly behind and partly ahead does not occur: a publisher sends a batch again as it was.
                let verdict = judge(&table, Self.batch(publisher, epoch: epoch, sequence, count: count), at: UInt64(step))
                #expect(verdict == naive.judge(publisher, epoch, sequence, count), "step \(step)")
                accepted += verdict == .accepted ? 1 : 0
            }
            for publisher in UInt64(0)...3 {
                let opens = naive.opens.count { $0 == publisher }
                #expect(Int(table.line(of: PublisherID(publisher))?.epoch ?? 0) == opens)
                #expect(Int(table.line(of: PublisherID(publisher))?.last ?? 0) == Int(naive.last(of: publisher)))
            }
        }
        #expect(accepted > 10)
        #expect(try decoded(encoded(table)) == table)
    }
}
