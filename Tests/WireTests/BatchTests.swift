import Testing
import Wire

@Suite struct BatchTests {
    private static let batch = sampleBatch(["21.5", "", "a longer payload"], key: "sensor", headers: [1, 0, 97, 1, 0, 98])

    private static func check(_ view: ByteView) throws(DecodeError) {
        let (header, body) = try openBatch(view)
        try checkRecords(body, count: header.count) { _, _ throws(DecodeError) in }
    }

    @Test func whatIsPackedIsUnpacked() throws {
        let texts = try Self.batch.withView { view throws(DecodeError) in
            let (header, body) = try openBatch(view)
            #expect(header.count == 3 && header.lastSequence == 3 && header.kind == .records && header.group == .ordered)
            var cursor = RecordCursor(body)
            var texts: [String] = []
            while let record = cursor.next() {
                var names: [String] = []
                var headers = HeaderCursor(record.headers)
                while let (name, value) = try headers.next() { names.append("\(name.text)=\(value.text)") }
                texts.append("\(record.header.topic.raw) \(record.key.text) \(names.joined()) \(record.payload.text)")
            }
            return texts
        }
        #expect(texts == ["0 sensor a=b 21.5", "1 sensor a=b ", "2 sensor a=b a longer payload"])
    }
    @Test func aBuilderIsEmptyAfterItsBatch() {
        var builder = BatchBuilder()
        #expect(builder.isEmpty && builder.length == BatchHeader.size)
        builder.append(topic: TopicID(1), time: 0, payload: .empty)
        #expect(builder.length == BatchHeader.size + RecordHeader.shortSize && builder.count == 1)
        let first = builder.finish(publisher: PublisherID(1), epoch: 1, sequence: 1, group: .durable)
        #expect(first.count == 56 && builder.isEmpty && builder.length == BatchHeader.size)
        #expect(builder.finish(publisher: PublisherID(1), epoch: 1, sequence: 2, group: .durable, kind: .open).count == 40)
    }
    /// What stood in memory before shows nowhere: neither behind a payload nor in the batch's header.
    @Test func paddingIsZeroWhateverTheMemoryHeldBefore() {
        for round in 0..<200 {
            for dirty in (0..<8).map({ _ in [UInt8](repeating: 0xFF, count: 1000 + round) }) { #expect(dirty[round] == 0xFF) }
            var builder = BatchBuilder(capacity: 1000 + round)
            for length in 1...9 {
                [UInt8](repeating: 0xAA, count: length).withView { builder.append(topic: TopicID(1), time: 7, payload: $0) }
            }
            let bytes = builder.finish(publisher: PublisherID(1), epoch: 1, sequence: 1, group: .durable)
            #expect(!bytes[BatchHeader.size...].contains(0xFF) && bytes[35] == 0 && bytes[36..<40].allSatisfy { $0 == 0 })
        }
    }
    @Test(arguments: [0, 1, 7, 8, 9, 16383, 16384, 16385, 100_000, Limits.record - 48])
    func aRecordAloneIsTheBatchThatABuilderMakesOfIt(_ count: Int) throws {
        let payload = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) }
        for (key, headers) in [("", ""), ("k", ""), ("sensor", "headers")] {
            let key = Array(key.utf8), headers = Array(headers.utf8)
            for _ in 0..<8 { #expect([UInt8](repeating: 0xFF, count: count + 100).last == 0xFF) }  // what memory held before
            let (alone, built) = payload.withView { payload in
                key.withView { key in
                    headers.withView { headers in
                        var builder = BatchBuilder()
                        builder.append(topic: TopicID(9), flags: RecordHeader.retain, time: -5, key: key, headers: headers, payload: payload)
                        return (
                            BatchBuilder.alone(
                                topic: TopicID(9), flags: RecordHeader.retain, time: -5, key: key, headers: headers, payload: payload,
                                publisher: PublisherID(7), epoch: 3, sequence: 11, group: .ordered),
                            builder.finish(publisher: PublisherID(7), epoch: 3, sequence: 11, group: .ordered)
                        )
                    }
                }
            }
            #expect(alone == built)
            try alone.withView { view throws(DecodeError) in _ = try openBatch(view) }
        }
    }
    @Test func anyByteThatChangesIsNoticed() {
        for index in Self.batch.indices {
            for bit in 0..<8 {
                var bytes = Self.batch
                bytes[index] ^= 1 << UInt8(bit)
                #expect(refusal(bytes, Self.check) != nil, "byte \(index), bit \(bit)")
            }
        }
    }
    @Test func everyTruncationIsRefused() {
        for count in 0..<Self.batch.count { #expect(refusal(Array(Self.batch[0..<count]), Self.check) != nil, "\(count) bytes") }
    }
    @Test func bytesBehindABatchAreNotItsOwn() {
        #expect(refusal(Self.batch + [1, 2, 3], Self.check) == nil)
    }

    /// A header field set to what it cannot be.
    @Test(arguments: [
        (0, UInt32.max, "batch length: 4294967295 is over the limit of \(Limits.batch)"),
        (0, 39, "batch length: 39 is not a value it can have"), (0, 44, "batch length: 44 is not a value it can have"),
        (0, 0, "batch length: 0 is not a value it can have"), (0, 4096, "batch: 4096 bytes needed, 176 there"),
        (28, UInt32.max, "batch count: 4294967295 is not a value it can have"), (28, 9, "batch count: 9 is not a value it can have"),
        (36, 1, "batch reserved bytes: 1 is not a value it can have"),
    ]) func aHeaderOutOfBoundsIsRefusedBeforeItsChecksumIsTaken(_ at: Int, _ value: UInt32, _ why: String) {
        #expect(Self.batch.count == 176)
        var bytes = Self.batch
        bytes.store(value, at: at)
        #expect(refusal(bytes) { view throws(DecodeError) in _ = try BatchHeader(view) }?.description == why)
    }
    @Test func anUnknownKindIsRefused() {
        var bytes = Self.batch
        bytes.store(UInt8(6), at: 34)
        #expect(refusal(bytes, Self.check) == .value(what: "batch kind", value: 6))
    }

    /// One record whose field at `at` is `value`; the batch's checksum is not looked at.
    @Test(arguments: [
        (20, UInt32.max, "record payload: 4294967295 is over the limit of \(Limits.record)"),
        (20, UInt32(Limits.record), "record: 1048608 bytes needed, 48 there"), (20, 24, "record: 56 bytes needed, 48 there"),
        (20, 8, "batch: 8 bytes too many"), (16, 0xFFFF_FFFF, "record: 131112 bytes needed, 48 there"),
        (4, 16, "record flags: 16 is not a value it can have"), (4, 0x100, "record flags: 256 is not a value it can have"),
    ]) func aRecordOutOfBoundsIsRefused(_ at: Int, _ value: UInt32, _ why: String) {
        var body = Array(sampleBatch(["0123456789abcdef"], key: "k")[40...])
        body.store(value, at: at)
        let found = refusal(body) { view throws(DecodeError) in try checkRecords(view, count: 1) { _, _ throws(DecodeError) in } }
        #expect(found?.description == why)
    }
    /// One record of the short form, whose flags are `flags` and whose length says `payload`.
    @Test(arguments: [
        (UInt32(8), UInt32(0xFF_FFFF), "record payload: 16777215 is over the limit of \(Limits.record)"),
        (8, UInt32(Limits.record), "record: 1048592 bytes needed, 32 there"), (8, 17, "record: 40 bytes needed, 32 there"),
        (8, 8, "batch: 8 bytes too many"), (24, 16, "record flags: 16 is not a value it can have"), (12, 16, "record condition: 0 is not a value it can have"),
    ]) func aShortRecordOutOfBoundsIsRefused(_ flags: UInt32, _ payload: UInt32, _ why: String) {
        var body = Array(sampleBatch(["0123456789abcdef"])[40...])
        #expect(body.count == 32)
        body.store(flags | payload << 8, at: 4)
        let found = refusal(body) { view throws(DecodeError) in try checkRecords(view, count: 1) { _, _ throws(DecodeError) in } }
        #expect(found?.description == why)
    }
    /// What says that it is a full header, in a body that ends before one does.
    @Test(arguments: [(8, 16), (16, 24), (23, 24)]) func aHeaderThatIsCutOffIsRefusedAndEndsTheWalk(_ count: Int, _ needed: Int) {
        let body = Array(sampleBatch(["0123456789abcdef"], key: "k")[40..<40 + count])
        let found = refusal(body) { view throws(DecodeError) in try checkRecords(view, count: 1) }
        #expect(found == .short(what: "record", needed: needed, got: count))
        #expect(refusal(body) { view throws(DecodeError) in _ = try RecordHeader.ofWhole(view, "row") } == .short(what: "row", needed: needed, got: count))
        body.withView { view in
            var cursor = RecordCursor(view)
            #expect(cursor.next() == nil && RecordHeader.ofWhole(view) == nil && !RecordHeader.isThere(view))
        }
    }
    /// Both forms, in one batch: a log that was begun before there was the short one goes on with it.
    @Test func aFullHeaderWithoutKeyAndHeadersIsReadAsTheShortOne() throws {
        let short = Array(sampleBatch(["0123456789abcdef"])[40...])
        var full = Array(short[0..<16]) + [0, 0, 0, 0, 16, 0, 0, 0] + short[16...]
        full.store(UInt32(RecordHeader.tombstone), at: 4)
        try (full + short).withView { view throws(DecodeError) in
            try checkRecords(view, count: 2)
            var cursor = RecordCursor(view)
            let (first, second) = (cursor.next()!, cursor.next()!)
            #expect(cursor.next() == nil && first.whole.count == 40 && second.whole.count == 32)
            #expect(first.payload == second.payload && first.payload.text == "0123456789abcdef" && first.key.isEmpty && first.headers.isEmpty)
            #expect(first.header.flags == RecordHeader.tombstone && second.header.flags == 0 && first.header.time == second.header.time)
        }
    }
    @Test func aCountThatIsNotTheNumberOfRecordsIsRefused() {
        let body = Array(Self.batch[40...])
        for count in [0, 2, 4] {
            #expect(refusal(body) { view throws(DecodeError) in try checkRecords(view, count: count) { _, _ throws(DecodeError) in } } != nil)
        }
    }
    @Test func aRecordThatIsNotWholeEndsTheWalk() {
        var body = Array(Self.batch[40...])
        body.store(UInt32.max, at: 20)
        #expect(body.withView { view in
            var cursor = RecordCursor(view)
            return cursor.next() == nil
        })
    }
    @Test func theAdmitterSeesEachRecordAndMayRefuse() {
        var seen: [UInt32] = []
        let found = refusal(Array(Self.batch[40...])) { view throws(DecodeError) in
            try checkRecords(view, count: 3) { topic, _ throws(DecodeError) in
                seen.append(topic.raw)
                if topic.raw == 1 { throw .value(what: "topic", value: 1) }
            }
        }
        #expect(found == .value(what: "topic", value: 1) && seen == [0, 1])
    }
    @Test func headersThatEndWithinANameOrValueAreRefused() {
        let sound: [UInt8] = [1, 0, 97, 2, 0, 98, 99]
        for count in 1..<sound.count {
            #expect(refusal(Array(sound[0..<count])) { view throws(DecodeError) in
                var cursor = HeaderCursor(view)
                while try cursor.next() != nil {}
            } != nil)
        }
    }
    /// With and without a key, headers and payload, in all ways.
    @Test func whatIsReadBackIsWhatWasLaidOutAndAsLongAsWasSaid() {
        var numbers = SeededNumbers(seed: 7)
        for round in 0..<400 {
            func some(_ bit: Int, _ most: Int) -> [UInt8] { round & bit == 0 ? [] : numbers.bytes(Int.random(in: 1...most, using: &numbers)) }
            let (key, headers, payload) = (some(1, 40), some(2, 20), some(4, 100))
            var builder = BatchBuilder()
            key.withView { key in
                headers.withView { headers in
                    payload.withView { builder.append(topic: TopicID(3), flags: RecordHeader.tombstone, time: -5, key: key, headers: headers, payload: $0) }
                }
            }
            #expect(builder.length == BatchHeader.size + RecordHeader.length(key: key.count, headers: headers.count, payload: payload.count))
            #expect(builder.length % 8 == 0)
            let batch = builder.finish(publisher: PublisherID(1), epoch: 1, sequence: 1, group: .durable)
            batch.withView { view in
                let record = RecordView(view.from(BatchHeader.size))
                #expect(record.key.array == key && record.headers.array == headers && record.payload.array == payload, "round \(round)")
                #expect(record.header.topic == TopicID(3) && record.header.flags == RecordHeader.tombstone && record.header.time == -5)
                #expect(record.header.size == (key.isEmpty && headers.isEmpty ? RecordHeader.shortSize : RecordHeader.fullSize))
                #expect(record.whole.count == batch.count - BatchHeader.size)
            }
        }
    }
}

@Suite struct EntryTests {
    private static let batches = [sampleBatch(["a", "b"]), sampleBatch([], kind: .open), sampleBatch(["c"], sequence: 3)]
    private static let entry = sampleEntry(batches, records: 3)
    private static func check(_ view: ByteView) throws(DecodeError) { _ = try checkEntry(view) }

    @Test func anEntryIsReadAsItWasWritten() throws {
        let header = try Self.entry.withView { view throws(DecodeError) in try checkEntry(view) }
        #expect(header.length == Self.entry.count && header.batches == 3 && header.records == 3)
        #expect(header.number == EntryNumber(5) && header.baseOffset == Offset(90) && header.endOffset == Offset(93))
        #expect(header.key == OrderKey(Timestamp(17), NodeID(3)) && header.view == ViewNumber(2) && header.synced == EntryNumber(4))
        #expect(header.chain == 0x1122_3344_5566_7788 && header.group == GroupID(1))
    }
    @Test func anyByteThatChangesIsNoticed() {
        for index in Self.entry.indices {
            for bit in 0..<8 {
                var bytes = Self.entry
                bytes[index] ^= 1 << UInt8(bit)
                #expect(refusal(bytes, Self.check) != nil, "byte \(index), bit \(bit)")
            }
        }
    }
    @Test func everyTruncationIsRefused() {
        for count in 0..<Self.entry.count { #expect(refusal(Array(Self.entry[0..<count]), Self.check) != nil, "\(count) bytes") }
    }
    @Test func aHeaderThatCountsOtherwiseIsRefusedThoughItsChecksumIsRight() {
        #expect(refusal(sampleEntry(Self.batches, records: 2), Self.check) == .checksum(what: "log entry"))
    }
    @Test func batchesThatChangePlacesAreNoticed() {
        let swapped = Array(Self.entry[0..<72]) + Self.batches[2] + Self.batches[1] + Self.batches[0]
        #expect(refusal(swapped, Self.check) == .checksum(what: "log entry"))
    }
    @Test(arguments: [(4, UInt32.max), (4, 0xFFFF_FFF8), (4, 64), (4, 76), (12, UInt32.max), (12, 6)])
    func aLengthOrCountOutOfBoundsIsRefusedBeforeTheChecksum(_ at: Int, _ value: UInt32) {
        var bytes = Self.entry
        bytes.store(value, at: at)
        let found = refusal(bytes) { view throws(DecodeError) in _ = try EntryHeader(view) }
        #expect(found != nil && found != .checksum(what: "log entry"))
    }
}

@Suite struct FrameTests {
    private static let frame = FrameHeader(
        length: 56, timestamp: Timestamp(9), view: ViewNumber(2), batches: 1, records: 1, group: .durable, sender: NodeID(4)
    ).encode() + [UInt8](repeating: 5, count: 8)
    private static func check(_ view: ByteView) throws(DecodeError) { _ = try FrameHeader(view) }

    @Test func aFrameIsReadAsItWasWritten() throws {
        let header = try Self.frame.withView { view throws(DecodeError) in try FrameHeader(view) }
        #expect(header.encode() == Array(Self.frame[0..<FrameHeader.size]) && header.key == OrderKey(Timestamp(9), NodeID(4)))
    }
    @Test func anyByteOfTheHeaderThatChangesIsNoticed() {
        for index in 0..<FrameHeader.size {
            for bit in 0..<8 {
                var bytes = Self.frame
                bytes[index] ^= 1 << UInt8(bit)
                #expect(refusal(bytes, Self.check) != nil, "byte \(index), bit \(bit)")
            }
        }
    }
    @Test func everyTruncationIsRefused() {
        for count in 0..<Self.frame.count { #expect(refusal(Array(Self.frame[0..<count]), Self.check) != nil, "\(count) bytes") }
    }
    @Test(arguments: [UInt32.max, 0xFFFF_FFF8, 40, 52, 64, UInt32(Limits.frame + 8)])
    func aLengthOutOfBoundsIsRefusedThoughTheChecksumIsRight(_ length: UInt32) {
        var bytes = Self.frame
        bytes.store(length, at: 4)
        bytes.store(bytes.withView { $0[0..<44].crc32c() }, at: 44)
        let found = refusal(bytes, Self.check)
        #expect(found != nil && found != .checksum(what: "frame header"))
    }
    @Test func flagsThatNobodyKnowsAreRefused() throws {
        var bytes = Self.frame
        bytes.store(UInt16(1), at: 26)
        bytes.store(bytes.withView { $0[0..<44].crc32c() }, at: 44)
        #expect(try bytes.withView { view throws(DecodeError) in try FrameHeader(view).isRelayed })
        bytes.store(UInt16(2), at: 26)
        bytes.store(bytes.withView { $0[0..<44].crc32c() }, at: 44)
        #expect(refusal(bytes, Self.check) == .value(what: "frame flags", value: 2))
    }
    @Test func onlyUnorderedFramesAreForSomeMembersAlone() throws {
        func frame(_ group: GroupID) -> [UInt8] {
            FrameHeader(
                length: FrameHeader.size, timestamp: Timestamp(9), view: ViewNumber(2), batches: 1, records: 1, group: group, sender: NodeID(4),
                ranks: RankSet([0, 2])
            ).encode()
        }
        #expect(refusal(frame(.durable), Self.check) == .value(what: "ranks of a frame", value: 5))
        #expect(refusal(frame(.ordered), Self.check) != nil)
        #expect(try frame(.unordered).withView { view throws(DecodeError) in try FrameHeader(view).ranks } == RankSet([0, 2]))
    }
}

@Suite struct CopiedBatchTests {
    /// Shorter than a piece, some pieces, and a byte more or less than whole ones.
    @Test(arguments: [8, 100, 16 << 10, 40_000, (48 << 10) - 56, (48 << 10) - 48, 100_000])
    func aBatchThatIsCheckedWhileItIsCopiedIsTheSame(_ payload: Int) throws {
        var builder = BatchBuilder()
        (0..<payload).map { UInt8(truncatingIfNeeded: $0 &* 31) }.withView { builder.append(topic: TopicID(3), time: 5, payload: $0) }
        let bytes = builder.finish(publisher: PublisherID(1), epoch: 2, sequence: 3, group: .durable)
        let copy = OwnedBytes(count: bytes.count)
        try bytes.withView { view throws(DecodeError) in
            let (header, body) = try openBatch(view)
            let (other, copied) = try openBatch(view, into: copy)
            #expect(header == other && body == copied && copy.view == view)
        }
        // Each byte counts, the header's among them.
        for at in Array(8..<80) + [bytes.count / 2, bytes.count - 1] where at < bytes.count {
            var spoilt = bytes
            spoilt[at] ^= 0x10
            func check(_ view: ByteView) throws(DecodeError) { _ = try openBatch(view, into: copy) }
            #expect(refusal(spoilt, check) != nil, "byte \(at)")
        }
    }
}
