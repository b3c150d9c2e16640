import CSystem
import Testing
import Wire

/// CRC-32C bit by bit, as its polynomial says and nothing faster.
private func slowCRC(_ bytes: [UInt8], _ seed: UInt32 = 0) -> UInt32 {
    var crc = ~seed
    for byte in bytes {
        crc ^= UInt32(byte)
        for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0x82F6_3B78 : crc >> 1 }
    }
    return ~crc
}

@Suite struct ChecksumTests {
    /// RFC 3720, B.4, and the customary check value.
    static let known: [(bytes: [UInt8], crc: UInt32)] = [
        ([UInt8](repeating: 0, count: 32), 0x8A91_36AA), ([UInt8](repeating: 0xFF, count: 32), 0x62A8_AB43),
        (Array(0...31), 0x46DD_794E), (Array((0...31).reversed()), 0x113F_DB5C),
        (
            [
                0x01, 0xC0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x14, 0, 0, 0, 0, 0, 0x04, 0, 0, 0, 0, 0x14, 0, 0, 0, 0x18, 0x28,
                0, 0, 0, 0, 0, 0, 0, 0x02, 0, 0, 0, 0, 0, 0, 0,
            ], 0xD996_3A56
        ), (Array("123456789".utf8), 0xE306_9283), ([], 0),
    ]
    @Test(arguments: known.indices) func theKnownAnswersCome(_ index: Int) {
        #expect(Self.known[index].bytes.crc32c() == Self.known[index].crc)
        #expect(slowCRC(Self.known[index].bytes) == Self.known[index].crc)
    }
    @Test func theProcessorsAnswerIsTheSlowOneAtEveryLengthAndAlignment() {
        var numbers = SeededNumbers(seed: 1)
        let bytes = numbers.bytes(300)
        for start in 0..<9 {
            for end in start..<bytes.count { #expect(bytes.withView { $0[start..<end].crc32c() } == slowCRC(Array(bytes[start..<end]))) }
        }
    }
    /// Long runs are summed in several lanes, by whichever way the processor has: each at lengths about where its loops end.
    @Test func allWaysComeToTheSame() {
        var numbers = SeededNumbers(seed: 5)
        let bytes = numbers.bytes(30_000)
        var gone = [0, 0, 0, 0]
        let lengths = Array(240...1_100) + Array(7_150...7_190) + (0..<300).map { _ in Int(numbers.next() % 29_900) }
        for length in lengths {
            let start = Int(numbers.next() % 64)
            let seed = UInt32(truncatingIfNeeded: numbers.next())
            let expected = slowCRC(Array(bytes[start..<start + length]), seed)
            bytes.withView { view in
                #expect(view[start..<start + length].crc32c(seed) == expected, "\(length) bytes")
                for way in 0...3 {
                    var crc = seed
                    guard unsafe squall_crc32c_by(Int32(way), &crc, view.pointer! + start, length) != 0 else { continue }
                    gone[way] += 1
                    #expect(crc == expected, "way \(way), \(length) bytes")
                }
            }
        }
        #expect(gone[0] == lengths.count)
    }
    @Test func aChecksumContinuesOverPieces() {
        var numbers = SeededNumbers(seed: 2)
        let bytes = numbers.bytes(100)
        for cut in 0...100 {
            let parts = bytes.withView { $0.from(cut).crc32c($0[0..<cut].crc32c()) }
            #expect(parts == bytes.crc32c())
        }
        #expect(bytes.crc32c(0xDEAD_BEEF) == slowCRC(bytes, 0xDEAD_BEEF))
    }
}

@Suite struct ChainTests {
    private func chain(_ entries: [(UInt64, UInt16, UInt64)]) -> UInt64 {
        entries.reduce(0) { nextChain($0, OrderKey(Timestamp($1.0), NodeID($1.1)), ViewNumber($1.2)) }
    }
    @Test func equalHistoriesHaveEqualChains() {
        #expect(chain([(1, 1, 1), (2, 1, 1)]) == chain([(1, 1, 1), (2, 1, 1)]))
    }
    @Test func aChainTellsEveryFieldAndTheOrder() {
        let one = chain([(1, 1, 1), (2, 2, 1)])
        #expect(one != chain([(2, 2, 1), (1, 1, 1)]))
        #expect(one != chain([(1, 1, 1)]))
        #expect(one != chain([(1, 1, 1), (3, 2, 1)]))
        #expect(one != chain([(1, 1, 1), (2, 3, 1)]))
        #expect(one != chain([(1, 1, 1), (2, 2, 2)]))
        #expect(chain([(0, 0, 0)]) != 0)
    }
    /// With the same entry behind them, two different chains stay different: nothing that once differed becomes equal.
    @Test func historiesThatDifferStayDifferent() {
        var numbers = SeededNumbers(seed: 3)
        var seen: Set<UInt64> = []
        var chains = (0..<2_000).map { _ in numbers.next() }
        for round in 0..<8 {
            chains = chains.map { nextChain($0, OrderKey(Timestamp(UInt64(round)), NodeID(1)), ViewNumber(1)) }
            #expect(Set(chains).count == 2_000)
            seen.formUnion(chains)
        }
        #expect(seen.count == 16_000)
    }
    @Test func mixingLosesNothing() {
        var numbers = SeededNumbers(seed: 4)
        let drawn = Set((0..<10_000).map { _ in numbers.next() } + (0..<10_000).map { UInt64($0) })
        #expect(Set(drawn.map(mix)).count == drawn.count)
    }
}
