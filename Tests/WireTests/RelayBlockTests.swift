import Testing
import Wire

@Suite struct RelayBlockTests {
    private static let block = RelayBlock(view: ViewNumber(7), sender: NodeID(3), ranks: RankSet([0, 2, 3]), body: 1_000..<1_032, part: 16..<24)
    private static let bytes: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8]

    @Test func aBlockLiesAsItIsDrawn() {
        Self.block.encode().withView { view in
            #expect(view.count == RelayBlock.size && RelayBlock.size == 40)
            #expect(view.u64(0) == 7 && view.u64(8) == 1_000 && view.u64(16) == 0b1101 && view.u32(24) == 32 && view.u32(28) == 16)
            #expect(view.u16(32) == 3 && view.u16(34) == 0 && view.u32(36) == 0)
        }
    }
    @Test func aBlockIsReadAsItWasWritten() throws {
        try (Self.block.encode() + Self.bytes).withView { view throws(DecodeError) in
            let (block, body) = try RelayBlock.read(view)
            #expect(block == Self.block && body.array == Self.bytes)
        }
    }
    @Test func whatDoesNotAddUpIsRefused() {
        func check(_ view: ByteView) throws(DecodeError) { _ = try RelayBlock.read(view) }
        let whole = Self.block.encode() + Self.bytes
        #expect(refusal(whole, check) == nil)
        for count in 0...RelayBlock.size { #expect(refusal(Array(whole[0..<count]), check) != nil, "\(count) bytes") }
        // Longer than the body, at a place beyond any ring, and zeros that are none.
        #expect(refusal(whole + [UInt8](repeating: 0, count: 9), check) != nil)
        for (at, value) in [(24, 23), (24, UInt64(Limits.frame) + 1), (24, 0xffff_ffff), (28, 25), (28, 0xffff_ffff), (36, 1)] {
            var bytes = whole
            bytes.store(UInt32(value), at: at)
            #expect(refusal(bytes, check) != nil, "\(value) at \(at)")
        }
        var bytes = whole
        bytes.store(UInt64.max - 31, at: 8)
        #expect(refusal(bytes, check) != nil)
        bytes = whole
        bytes.store(UInt16(1), at: 34)
        #expect(refusal(bytes, check) != nil)
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
