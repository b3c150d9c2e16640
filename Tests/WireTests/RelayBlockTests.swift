import Testing
import Wire

@Suite struct RelayBlockTests {
    private static let block = RelayBlock(view: ViewNumber(7), sender: NodeID(3), ranks: RankSet([0, 2, 3]), from: 1_000, to: 1_008)

    @Test func aBlockLiesAsItIsDrawn() {
        Self.block.encode(isInPlace: true).withView { view in
            #expect(view.count == RelayBlock.size && RelayBlock.size == 40)
            #expect(view.u64(0) == 7 && view.u64(8) == 1_000 && view.u64(16) == 1_008 && view.u64(24) == 0b1101)
            #expect(view.u16(32) == 3 && view.u16(34) == 1 && view.u32(36) == 0)
        }
    }
    @Test func aBlockIsReadAsItWasWritten() throws {
        let bytes: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8]
        try (Self.block.encode(isInPlace: false) + bytes).withView { view throws(DecodeError) in
            let (block, body) = try RelayBlock.read(view)
            #expect(block == Self.block && block.count == 8 && body?.array == bytes)
        }
        try Self.block.encode(isInPlace: true).withView { view throws(DecodeError) in
            let (block, body) = try RelayBlock.read(view)
            #expect(block == Self.block && body == nil)
        }
    }
    @Test func whatDoesNotAddUpIsRefused() {
        func check(_ view: ByteView) throws(DecodeError) { _ = try RelayBlock.read(view) }
        let whole = Self.block.encode(isInPlace: false) + [UInt8](repeating: 1, count: 8)
        for count in 0..<whole.count { #expect(refusal(Array(whole[0..<count]), check) != nil, "\(count) bytes") }
        #expect(refusal(whole + [0], check) != nil)
        for (at, value) in [(8, UInt64(1_008)), (8, 2_000), (16, .max), (16, 1_000 + UInt64(Limits.frame) + 1), (34, 2), (34, 1)] {
            var bytes = whole
            if at == 34 { bytes.store(UInt16(value), at: at) } else { bytes.store(value, at: at) }
            #expect(refusal(bytes, check) != nil, "\(value) at \(at)")
        }
    }
    @Test(arguments: [2, 3, 5, 16])
    func aChainReachesEachReceiverOnceAndNobodyElse(_ members: Int) {
        for sender in 0..<members {
            for bits in [UInt64.max, 0b0101_0101_0101_0101, 0b0010_0110] {
                let ranks = RankSet(bits: bits)
                var reached: [Int] = []
                var rank = sender
                while let next = RelayBlock.successor(of: rank, in: ranks, sender: sender, members: members) {
                    reached.append(next)
                    rank = next
                }
                #expect(reached.sorted() == (0..<members).filter { $0 != sender && ranks.contains($0) })
            }
        }
    }
    @Test func eachSendersChainBeginsElsewhere() {
        let firsts = (0..<5).map { RelayBlock.successor(of: $0, in: .everyone, sender: $0, members: 5) }
        #expect(firsts == [1, 2, 3, 4, 0])
    }
}
