import Testing
import Wire

/// The drawings above the types, byte by byte. Each field is given a value of its own and found where it is drawn.
@Suite struct LayoutTests {
    @Test func aBatchLiesAsItIsDrawn() {
        let bytes = sampleBatch(["hello", "x"], key: "k", headers: [1, 0, 97, 1, 0, 98])
        bytes.withView { view in
            #expect(BatchHeader.size == 40 && BatchHeader.crcStart == 8)
            #expect(Int(view.u32(0)) == bytes.count)
            #expect(view.u32(4) == view.from(8).crc32c())
            #expect(view.u64(8) == 0x0102_0304_0506_0708)
            #expect(view.u64(16) == 1)
            #expect(view.u32(24) == 9)
            #expect(view.u32(28) == 2)
            #expect(view.u16(32) == 1)
            #expect(view.u8(34) == 0)
            #expect(view.u8(35) == 0 && view.u32(36) == 0)
        }
    }
    @Test func aRecordLiesAsItIsDrawn() {
        let bytes = sampleBatch(["hello", "x"], key: "k", headers: [1, 0, 97, 1, 0, 98])
        bytes.withView { view in
            #expect(RecordHeader.fullSize == 24)
            // 24 + 1 + 6 + 5 = 36, padded to 40; so the second record begins at 80.
            #expect(view.u32(40) == 0 && view.u32(80) == 1)
            #expect(view.u32(44) == 0 && view.u32(84) == 1)
            #expect(view.i64(48) == -1 && view.i64(88) == 0)
            #expect(view.u16(56) == 1)
            #expect(view.u16(58) == 6)
            #expect(view.u32(60) == 5)
            #expect(view[64..<65].text == "k")
            #expect(view[65..<71].array == [1, 0, 97, 1, 0, 98])
            #expect(view[71..<76].text == "hello")
            #expect(view[76..<80].array == [0, 0, 0, 0])
            #expect(bytes.count == 40 + 40 + 32)
        }
    }
    @Test func aRecordWithNeitherKeyNorHeadersLiesAsItIsDrawn() {
        let bytes = sampleBatch(["hello", "x"])
        bytes.withView { view in
            #expect(RecordHeader.shortSize == 16)
            // 16 + 5 = 21, padded to 24; so the second record begins at 64.
            #expect(view.u32(40) == 0 && view.u32(64) == 1)
            #expect(view.u8(44) == 8 && view.u8(68) == 8 | 1)
            #expect(view[45..<48].array == [5, 0, 0] && view[69..<72].array == [1, 0, 0])
            #expect(view.i64(48) == -1 && view.i64(72) == 0)
            #expect(view[56..<61].text == "hello")
            #expect(view[61..<64].array == [0, 0, 0])
            #expect(bytes.count == 40 + 24 + 24)
        }
    }
    @Test func anEntryLiesAsItIsDrawn() {
        let batch = sampleBatch(["a"])
        let bytes = sampleEntry([batch], records: 1)
        bytes.withView { view in
            #expect(EntryHeader.size == 72 && EntryHeader.crcStart == 12)
            #expect(view[0..<4].text == "SLE1")
            #expect(Int(view.u32(4)) == bytes.count)
            #expect(view.u32(8) == view[72..<80].crc32c(view[12..<72].crc32c()))
            #expect(view.u32(12) == 1)
            #expect(view.u64(16) == 5)
            #expect(view.u64(24) == 90)
            #expect(view.u64(32) == 17)
            #expect(view.u64(40) == 2)
            #expect(view.u16(48) == 3)
            #expect(view.u16(50) == 1)
            #expect(view.u32(52) == 1)
            #expect(view.u64(56) == 4)
            #expect(view.u64(64) == 0x1122_3344_5566_7788)
            #expect(view.from(72).array == batch)
        }
    }
    @Test func aFrameLiesAsItIsDrawn() {
        let header = FrameHeader(
            length: 48, timestamp: Timestamp(0x0A0B), view: ViewNumber(3), batches: 4, records: 5, group: .unordered, sender: NodeID(7),
            ranks: RankSet([0, 8]), isRelayed: true)
        header.encode().withView { view in
            #expect(FrameHeader.size == 48 && FrameHeader.padSize == 8 && view.count == 48)
            #expect(view[0..<4].text == "SLF2")
            #expect(view.u32(4) == 48)
            #expect(view.u64(8) == 0x0A0B)
            #expect(view.u64(16) == 3)
            #expect(view.u16(24) == 4)
            #expect(view.u16(26) == 1)
            #expect(view.u32(28) == 5)
            #expect(view.u16(32) == 2)
            #expect(view.u16(34) == 7)
            #expect(view.u64(36) == 0x101)
            #expect(view.u32(44) == view[0..<44].crc32c())
        }
        var pad: [UInt8] = []
        pad.append(int: FrameHeader.padMagic)
        #expect(String(decoding: pad, as: UTF8.self) == "SLP1")
    }
    @Test func aStateRowLiesAsItIsDrawn() {
        var row = StateRow(view: ViewNumber(3), members: 3, groups: 2)
        row.installed = true
        row.dataTail = 77
        for rank in 0..<3 { row.consumed[rank] = 100 + UInt64(rank) }
        for index in 0..<6 { row.clocks[index] = Timestamp(200 + UInt64(index)) }
        row.durable = [OrderKey(Timestamp(300), NodeID(1)), OrderKey(Timestamp(301), NodeID(2))]
        var bytes: [UInt8] = []
        row.encode(into: &bytes)
        bytes.withView { view in
            #expect(StateRow.headerSize == 24)
            #expect(view.count == StateRow.length(members: 3, groups: 2) && view.count == 24 + 8 * (3 + 2 * 5))
            #expect(view.u64(0) == 3)
            #expect(view.u8(8) == 3 && view.u8(9) == 2 && view.u16(10) == 1 && view.u32(12) == 0)
            #expect(view.u64(16) == 77)
            #expect((0..<3).map { view.u64(24 + 8 * $0) } == [100, 101, 102])
            #expect((0..<5).map { view.u64(48 + 8 * $0) } == [200, 201, 202, 300, 1])
            #expect((0..<5).map { view.u64(88 + 8 * $0) } == [203, 204, 205, 301, 2])
        }
    }
    @Test func theLargestStateRowFitsItsRoom() {
        #expect(StateRow.length(members: Limits.members, groups: Limits.groups) <= Limits.row)
    }
    @Test func pickedRecordsLieAsTheyAreDrawn() throws {
        var bytes: [UInt8] = []
        bytes.append(int: UInt64(1))
        bytes.append(int: UInt64(2))
        bytes.append(int: UInt16(3))
        bytes.append(int: UInt16(4))
        bytes.append(int: UInt32(5))
        #expect(PickedHeader.size == 24 && bytes.count == 24)
        let header = try bytes.withView { view throws(DecodeError) in try PickedHeader(view) }
        #expect(header.baseOffset == Offset(1) && header.timestamp == Timestamp(2) && header.sender == NodeID(3))
        #expect(header.group == GroupID(4) && header.count == 5)
        #expect(refusal(Array(bytes.dropLast())) { view throws(DecodeError) in _ = try PickedHeader(view) } != nil)
    }
    @Test func anAcknowledgementTakesFourteenBytes() {
        var bytes: [UInt8] = []
        Acknowledgement(group: GroupID(1), epoch: 2, last: 3).encode(into: &bytes)
        #expect(bytes == [1, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0] && bytes.count == Acknowledgement.size)
    }
    @Test func limitsNestWithinOneAnother() {
        #expect(Limits.record + BatchHeader.size <= Limits.batch)
        #expect(Limits.batch + FrameHeader.size <= Limits.frame)
        #expect(Limits.frame - FrameHeader.size + EntryHeader.size <= Limits.entry)
        #expect(Limits.entry <= Limits.message && Limits.members <= 64 && GroupID.count <= Limits.groups)
    }
    @Test func aConsumersWordsLieAsTheyAreDrawn() {
        let places = [PartitionPlace(PartitionSet(bits: 0x0102_0304_0506_0708), Offset(0x1112))]
        let commit = ConsumerCommit(member: ConsumerID(0xA1), epoch: 0xB2, generation: 0xC3, places: places)
        ConsumerChange("ab", .leave(commit)).encode().withView { view in
            #expect(view.u8(0) == 1 && view.u16(1) == 2 && view[3..<5].text == "ab")
            #expect(view.u64(5) == 0xA1 && view.u32(13) == 0xB2 && view.u32(17) == 0xC3)
            #expect(view.u32(21) == 1 && view.u64(25) == 0x0102_0304_0506_0708 && view.u64(33) == 0x1112 && view.count == 25 + PartitionPlace.size)
        }
        ConsumerConfirm(request: 1, generation: 2, done: 3, places: places).encode().withView { view in
            #expect(view.u32(0) == 1 && view.u32(4) == 2 && view.u64(8) == 3 && view.u32(16) == 1 && view.count == 20 + PartitionPlace.size)
        }
        ConsumerAssignment(epoch: 1, generation: 2, isSettled: true, lines: [.init(since: 3, partitions: .all)]).encode().withView { view in
            #expect(view.u32(0) == 1 && view.u32(4) == 2 && view.u8(8) == 1 && view.u32(9) == 1 && view.u32(13) == 3 && view.u64(17) == .max)
        }
    }
    @Test func placesAreGatheredByOffset() {
        var set = PartitionSet(bits: 0b1011)
        #expect(Array(set) == [0, 1, 3] && set.count == 3 && !set.contains(2))
        #expect(PartitionPlace.gather(set) { $0 == 1 ? 9 : 4 } == [
            PartitionPlace(PartitionSet(bits: 0b1001), Offset(4)), PartitionPlace(PartitionSet(bits: 0b10), Offset(9)),
        ])
        set.remove(63)
        set.insert(63)
        #expect(set.contains(63) && set.subtracting(.all).isEmpty)
    }
}
