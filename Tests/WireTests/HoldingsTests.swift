import Testing
import Wire

@Suite struct HoldingsTests {
    private func line(_ replicas: Int, _ bucket: Int, _ from: UInt64, _ to: UInt64) -> Holdings.Line {
        Holdings.Line(replicas: replicas, bucket: bucket, from: Offset(from), to: Offset(to))
    }

    @Test func whatIsWithheldGrowsToOneStretchABucket() throws {
        var holdings = Holdings(rules: 7)
        holdings.withhold(line(2, 9, 100, 200))
        holdings.withhold(line(2, 9, 10, 20))
        holdings.withhold(line(3, 9, 5, 6))
        holdings.withhold(line(2, 1, 0, 50))
        holdings.withhold(line(2, 3, 8, 8))
        #expect(holdings.lines == [line(2, 1, 0, 50), line(2, 9, 10, 200), line(3, 9, 5, 6)])
        #expect(holdings.missing(from: Offset(50), to: Offset(60)).contains(2, 9) && !holdings.missing(from: Offset(50), to: Offset(60)).contains(2, 1))
        #expect(holdings.missing(from: Offset(0), to: Offset(10)).count == 2 && holdings.end == Offset(200))
        let read = try holdings.encode().withView { view throws(DecodeError) in try Holdings(view) }
        #expect(read == holdings)
        // What has grown since it was looked at is missing still.
        var later = holdings
        later.withhold(line(2, 1, 0, 60))
        later.fill(holdings.lines)
        #expect(later.lines == [line(2, 1, 0, 60)])
        holdings.spread(rules: 8, replicas: [4])
        #expect(holdings.missing.contains(0, 1) && holdings.missing.contains(4, 9) && !holdings.missing.contains(2, 9) && holdings.rules == 8)
    }

    @Test func whatIsNotWellFormedIsRefused() {
        func refuses(_ change: (inout [UInt8]) -> Void) {
            var holdings = Holdings(rules: 7)
            holdings.withhold(line(2, 9, 100, 200))
            holdings.withhold(line(3, 1, 100, 200))
            var bytes = holdings.encode()
            change(&bytes)
            #expect(throws: DecodeError.self) { try bytes.withView { view throws(DecodeError) in try Holdings(view) } }
        }
        refuses { $0[12] = 17 }
        refuses { $0[13] = 64 }
        refuses { $0[30] = 1 }
        refuses { $0.removeLast() }
        refuses { $0.append(0) }
        refuses { $0.store(UInt32.max, at: 8) }
        refuses { $0.store(UInt64(300), at: 14) }
    }

    @Test func messagesAreReadAsTheyWereWritten() throws {
        var buckets = BucketSet()
        for (replicas, bucket) in [(0, 63), (2, 0), (2, 17), (16, 40)] { buckets.insert(replicas, bucket) }
        #expect(buckets.count == 4 && buckets.merged == 1 << 63 | 1 | 1 << 17 | 1 << 40)
        let word = HoldingWord(view: ViewNumber(3), end: Offset(99), rules: 5, buckets: buckets)
        #expect(try word.encode().withView { view throws(DecodeError) in try HoldingWord(view) } == word)
        let ask = ExcerptRequest(
            id: 4, from: EntryNumber(7), below: EntryNumber(9), fromOffset: Offset(70), toOffset: Offset(90), rules: 5, buckets: buckets)
        #expect(try ask.encode().withView { view throws(DecodeError) in try ExcerptRequest(view) } == ask)
        let values = ValuesRequest(
            id: 8, cut: Offset(77), showsRemoved: true, maximumBytes: 1000, rules: 5, topics: [TopicID(1), TopicID(5)], replicas: [2, 3])
        #expect(try values.encode().withView { view throws(DecodeError) in try ValuesRequest(view) } == values)
        let offsets = OffsetsRequest(id: 9, wanted: .last(5, before: Offset(50)), rules: 5, buckets: buckets, patterns: ["a/#"], exclusions: ["a/b"])
        #expect(try offsets.encode().withView { view throws(DecodeError) in try OffsetsRequest(view) } == offsets)
        let after = OffsetsRequest(id: 9, wanted: .after(Timestamp(3)), rules: 5, buckets: buckets)
        #expect(try after.encode().withView { view throws(DecodeError) in try OffsetsRequest(view) } == after)
        let found = OffsetsAnswer(id: 9, buckets: buckets, offsets: [Offset(9), Offset(3)])
        #expect(try found.encode().withView { view throws(DecodeError) in try OffsetsAnswer(view) } == found)
        var bad = values
        bad.topics = [TopicID(5), TopicID(1)]
        #expect(throws: DecodeError.self) { try bad.encode().withView { view throws(DecodeError) in try ValuesRequest(view) } }
        var none = ask
        none.below = none.from
        #expect(throws: DecodeError.self) { try none.encode().withView { view throws(DecodeError) in try ExcerptRequest(view) } }
        var tooMany = offsets
        tooMany.wanted = .last(Limits.storeTail + 1, before: Offset(50))
        #expect(throws: DecodeError.self) { try tooMany.encode().withView { view throws(DecodeError) in try OffsetsRequest(view) } }
    }
}
