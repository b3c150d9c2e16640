import Testing
import Wire

@Suite struct CleanedTests {
    /// A sparse batch of which runs of records are left.
    private func sparse(_ runs: [(delta: Int, count: Int)], of count: Int) -> [UInt8] {
        var body: [UInt8] = []
        for run in runs {
            body.append(int: UInt32(run.delta))
            body.append(int: UInt32(run.count))
            for index in 0..<run.count {
                var builder = BatchBuilder()
                Array("record \(run.delta + index)".utf8).withView { builder.append(topic: TopicID(UInt32(run.delta + index)), time: 5, payload: $0) }
                let whole = builder.finish(publisher: PublisherID(1), epoch: 1, sequence: 1, group: .durable)
                body += whole[BatchHeader.size...]
            }
        }
        return wholeBatch(.sparse, body, publisher: PublisherID(9), sequence: 40, epoch: 3, count: count, group: .durable)
    }
    private func header(_ body: [UInt8], batches: Int, records: Int, span: Int = 1, isCleaned: Bool = true) -> EntryHeader {
        var header = EntryHeader(
            length: EntryHeader.size + body.count, batches: batches, number: EntryNumber(5), baseOffset: Offset(90), timestamp: Timestamp(17),
            view: ViewNumber(2), sender: NodeID(3), group: .durable, records: records, synced: EntryNumber(4), chain: 77)
        header.span = span
        header.isCleaned = isCleaned
        return header
    }
    private func entry(_ body: [UInt8], batches: Int, records: Int, span: Int = 1, isCleaned: Bool = true) -> [UInt8] {
        let header = header(body, batches: batches, records: records, span: span, isCleaned: isCleaned)
        return body.withView { header.entry($0) }
    }
    private func checked(_ bytes: [UInt8]) -> EntryHeader? { bytes.withView { try? checkEntry($0) } }

    @Test func whatIsLeftOfABatchIsWalkedWithItsPlaces() throws {
        let batch = sparse([(1, 2), (7, 1), (9, 3)], of: 12)
        let header = try batch.withView { view throws(DecodeError) in try BatchHeader(view) }
        #expect(header.kind == .sparse && header.count == 12 && header.lastSequence == 51)
        var found: [Int] = []
        batch.withView { walkRecords(header, $0) { delta, record in
            found.append(delta)
            #expect(record.topic.index == delta)
        } }
        #expect(found == [1, 2, 7, 9, 10, 11])
        let entry = entry(batch, batches: 1, records: 12)
        #expect(checked(entry)?.records == 12)
        #expect(checked(entry)?.isCleaned == true && checked(entry)?.endNumber == EntryNumber(6))
    }

    @Test(arguments: [
        [(3, 2), (4, 1)], [(7, 1), (1, 1)], [(12, 1)], [(0, 0), (3, 1)], [(11, 2)],
    ] as [[(Int, Int)]])
    func runsThatDoNotRiseWithinTheBatchAreRefused(_ runs: [(Int, Int)]) {
        #expect(checked(entry(sparse(runs, of: 12), batches: 1, records: 12)) == nil)
    }

    @Test func onlyAnEntryThatWasCleanedHoldsWhatCleaningMakes() {
        let batch = sparse([(1, 2)], of: 12)
        #expect(checked(entry(batch, batches: 1, records: 12)) != nil)
        #expect(checked(entry(batch, batches: 1, records: 12, isCleaned: false)) == nil)
        let state = KeptState.batch([], [], group: .durable)
        #expect(checked(entry(state, batches: 1, records: 30, span: 4)) != nil)
        #expect(checked(entry(state, batches: 1, records: 30, isCleaned: false)) == nil)
        // One that stands for several has nothing left.
        #expect(checked(entry(batch, batches: 1, records: 12, span: 2)) == nil)
    }

    @Test func aHoleSaysForWhatItStandsAndWhatItChanged() throws {
        let lines = [1, 2, 3].map { (n: UInt64) -> KeptState.Line in
            let touched = Timestamp(n)
            return KeptState.Line(
                publisher: PublisherID(n), epoch: UInt32(n), last: n * 10, touched: touched, offset: Offset(n + 5), placed: touched)
        }
        let heads = [KeptState.Head(topic: TopicID(4), isRemoved: true, offset: Offset(93))]
        let batch = KeptState.batch(lines, heads, group: .durable)
        let bytes = entry(batch, batches: 1, records: 1000, span: 65_536)
        let header = try #require(checked(bytes))
        #expect(header.span == 65_536 && header.endNumber == EntryNumber(65_541) && header.endOffset == Offset(1090))
        var found: ([KeptState.Line], [KeptState.Head]) = ([], [])
        batch.withView { view in
            let state = KeptState(view.from(BatchHeader.size))
            state.forEachLine { found.0.append($0) }
            state.forEachHead { found.1.append($0) }
        }
        #expect(found.0 == lines && found.1 == heads)

        // Its first part is there already.
        var place = LogEnd()
        (place.number, place.offset) = (EntryNumber(100), Offset(95))
        let rest = header.trimmed(from: place)
        #expect(rest.number == place.number && rest.baseOffset == place.offset && rest.endNumber == header.endNumber && rest.endOffset == header.endOffset)
        #expect(rest.key == header.key && rest.chain == header.chain)
        #expect(checked(batch.withView { rest.entry($0) }) == rest)
    }

    @Test func everyFlippedBitOfACleanedEntryIsRefused() {
        let body = sparse([(1, 2), (7, 1)], of: 12) + KeptState.batch([], [KeptState.Head(topic: TopicID(1), isRemoved: true, offset: Offset(3))], group: .durable)
        let bytes = entry(body, batches: 2, records: 12)
        #expect(checked(bytes) != nil)
        for bit in 0..<bytes.count * 8 {
            var wrong = bytes
            wrong[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(checked(wrong) == nil, "bit \(bit)")
        }
    }
}
