import TestClock
import Testing
import Topics
import Wire

@Suite struct TopicTableTests {
    private func table(_ names: some Sequence<String>) throws -> TopicTable {
        var table = TopicTable()
        for name in names { _ = try table.declare(TopicName(name, system: true)) }
        return table
    }

    private func decoded(_ bytes: [UInt8]) throws(DecodeError) -> TopicTable {
        try bytes.withView { view throws(DecodeError) in
            var decoder = Decoder(view, "topics")
            let table = try TopicTable(decoding: &decoder)
            try decoder.end()
            return table
        }
    }

    private func encoded(_ table: TopicTable) -> [UInt8] {
        var bytes: [UInt8] = []
        table.encode(into: &bytes)
        return bytes
    }

    @Test func idsAreDenseInTheOrderOfDeclarationAndDeclaringAgainKeepsThem() throws {
        var table = TopicTable()
        #expect(table.lookup("a") == nil && table.name(of: TopicID(0)) == nil)
        #expect(try table.declare(TopicName("a")) == TopicID(0))
        #expect(try table.declare(TopicName("b/c")) == TopicID(1))
        #expect(try table.declare(TopicName("a")) == TopicID(0))
        let payload = Array("$SYS/x".utf8)
        #expect(try payload.withView { view throws(TopicError) in try table.declare(view) } == TopicID(2))
        #expect(table.count == 3)
        #expect(table.lookup("b/c") == TopicID(1) && table.lookup("b") == nil && table.lookup("") == nil)
        #expect((0..<4).map { table.name(of: TopicID($0)) } == ["a", "b/c", "$SYS/x", nil])
        table.checkInvariants()
    }

    @Test func aDeclarationsPayloadIsCheckedBeforeTheTableChanges() {
        var table = TopicTable()
        let payload = Array("a/+".utf8)
        #expect(throws: TopicError.wildcardInName("+", offset: 2)) {
            try payload.withView { view throws(TopicError) in try table.declare(view) }
        }
        #expect(table == TopicTable())
    }

    @Test func namesAreVisitedInTheOrderOfTheirIDs() throws {
        let table = try table((0..<50).map { "t/\($0)" })
        var seen: [String] = []
        table.forEach(from: TopicID(40)) { id, name in
            #expect(id.index == 40 + seen.count)
            seen.append(name.text)
        }
        #expect(seen == (40..<50).map { "t/\($0)" })
        table.forEach(from: TopicID(50)) { _, _ in Issue.record("no topic is there") }
    }

    @Test func theTableEqualsAPlainDictionaryThroughRandomDeclarationsAndUndo() throws {
        var random = SeededNumbers(seed: 7)
        var table = TopicTable()
        var model: [String] = []
        for step in 0..<4_000 {
            if Int.random(in: 0..<40, using: &random) == 0 {
                let kept = Int.random(in: 0...model.count, using: &random)
                table.removeLast(to: kept)
                model.removeSubrange(kept...)
            } else {
                let name = "s/\(Int.random(in: 0..<2_000, using: &random))"
                let expected = model.firstIndex(of: name) ?? model.count
                if expected == model.count { model.append(name) }
                #expect(try table.declare(TopicName(name)).index == expected)
            }
            if step % 50 == 0 { table.checkInvariants() }
            #expect(table.count == model.count)
        }
        for number in 0..<2_000 {
            #expect(table.lookup("s/\(number)")?.index == model.firstIndex(of: "s/\(number)"))
        }
        #expect(try decoded(encoded(table)) == table)
    }

    @Test func anUndoneTailLeavesTheTableAsIfItHadNeverBeen() throws {
        let short = try table((0..<100).map { "n/\($0)" })
        var long = try table((0..<5_000).map { "n/\($0)" })
        long.removeLast(to: 100)
        long.checkInvariants()
        #expect(long == short)
        #expect(long.lookup("n/100") == nil && long.lookup("n/99") == TopicID(99))
        #expect(try long.declare(TopicName("fresh")) == TopicID(100))
        long.removeLast(to: 0)
        #expect(long == TopicTable())
    }

    @Test(arguments: [0, 1, 2, 12, 13, 1_000])
    func aCheckpointBringsTheTableBack(_ count: Int) throws {
        let table = try table((0..<count).map { "sensors/größe/\($0)" })
        let bytes = encoded(table)
        let loaded = try decoded(bytes)
        loaded.checkInvariants()
        #expect(loaded == table)
        #expect(encoded(loaded) == bytes)
    }

    @Test func aCheckpointMayStandAmongOtherBytes() throws {
        let table = try table(["a", "b"])
        var bytes: [UInt8] = [1, 2, 3]
        table.encode(into: &bytes)
        bytes += [9, 9]
        try bytes.withView { view throws(DecodeError) in
            var decoder = Decoder(view, "file")
            _ = try decoder.bytes(3)
            #expect(try TopicTable(decoding: &decoder) == table)
            #expect(decoder.left == 2)
        }
    }

    @Test func everyTruncationIsRefused() throws {
        let bytes = encoded(try table(["a", "b/c", "sensors/t1"]))
        for length in 0..<bytes.count {
            #expect(throws: DecodeError.self, "\(length) bytes") { try decoded(Array(bytes[..<length])) }
        }
    }

    @Test func everyFlippedBitIsRefused() throws {
        let bytes = encoded(try table(["a", "b/c", "sensors/t1"]))
        for bit in 0..<bytes.count * 8 {
            var wrong = bytes
            wrong[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(throws: DecodeError.self, "bit \(bit)") { try decoded(wrong) }
        }
    }

    /// A checkpoint with these parts and the right checksum, sound or not.
    private func forged(count: UInt32, bytes: UInt64, lengths: [UInt16], names: [UInt8]) -> [UInt8] {
        var all: [UInt8] = []
        all.append(int: UInt32(0x3154_5453))
        all.append(int: count)
        all.append(int: bytes)
        for length in lengths { all.append(int: length) }
        all += names
        all.append(int: all.crc32c())
        return all
    }

    @Test func aForgedCheckpointWithARightChecksumIsRefusedForWhatIsWrongInIt() throws {
        let ab = Array("ab".utf8)
        #expect(try decoded(forged(count: 2, bytes: 2, lengths: [1, 1], names: ab)).count == 2, "the forger itself is right")
        func why(_ bytes: [UInt8]) -> String { refusal { () throws(DecodeError) in try decoded(bytes) } }
        #expect(why(forged(count: 2, bytes: 2, lengths: [1, 2], names: ab)) == "topic name: 2 bytes needed, 1 there")
        #expect(why(forged(count: 2, bytes: 2, lengths: [0, 2], names: ab)) == "topic name of index: 0 is not a value it can have")
        #expect(why(forged(count: 1, bytes: 2, lengths: [1], names: ab)) == "topic names: 1 bytes too many")
        #expect(why(forged(count: 2, bytes: 2, lengths: [1, 1], names: [0x61, 0x61])) == "topic declared twice: 1 is not a value it can have")
        #expect(why(forged(count: 2, bytes: 2, lengths: [1, 1], names: [0x61, 0x23])) == "topic name of index: 1 is not a value it can have")
        #expect(why(forged(count: 2, bytes: 2, lengths: [1, 1], names: [0x61, 0xFF])) == "topic name of index: 1 is not a value it can have")
        #expect(why(forged(count: 1 << 25, bytes: 0, lengths: [], names: [])) == "topics: 33554432 is over the limit of 16777216")
        #expect(why(forged(count: 1 << 24, bytes: 0, lengths: [], names: [])) == "topics: 33554432 bytes needed, 4 there")
        #expect(why(forged(count: 0, bytes: 1 << 33, lengths: [], names: [])) == "topic names' bytes: 8589934592 is over the limit of 4294967295")
        #expect(why(forged(count: 0, bytes: .max, lengths: [], names: [])).hasPrefix("topic names' bytes: "))
        #expect(why(forged(count: 0, bytes: 1 << 31, lengths: [], names: [])) == "topics: 2147483648 bytes needed, 4 there")
    }

    @Test(arguments: [21, 22] as [UInt64])
    func randomDamageWithARightChecksumThrowsOrDecodesButNeverMore(_ seed: UInt64) throws {
        var random = SeededNumbers(seed: seed)
        let sound = encoded(try table((0..<20).map { "t/\($0)" }))
        var accepted = 0
        for _ in 0..<scaled(20_000) {
            var bytes = Array(sound.dropLast(4))
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                // Small values most often: they make plausible counts and lengths.
                bytes[Int.random(in: 4..<bytes.count, using: &random)] = UInt8.random(in: 0...(Bool.random(using: &random) ? 8 : 255), using: &random)
            }
            if Int.random(in: 0..<4, using: &random) == 0 { bytes.removeLast(Int.random(in: 0..<bytes.count - 16, using: &random)) }
            bytes.append(int: bytes.crc32c())
            do throws(DecodeError) {
                let table = try decoded(bytes)
                table.checkInvariants()
                #expect(encoded(table) == bytes)
                accepted += 1
            } catch {
                #expect(!error.description.isEmpty)
            }
        }
        #expect(accepted > scaled(100) && accepted < scaled(19_000), "both answers must be met: \(accepted)")
    }

    @Test func aHundredThousandTopicsTakeLittleMoreThanTheirNames() throws {
        let names = (0..<100_000).map { "plant/\($0 % 40)/line/\($0 % 7)/sensor/\($0)" }
        let table = try table(names)
        let bytes = names.reduce(0) { $0 + $1.utf8.count }
        #expect((table.footprint - bytes) / names.count < 40, "grown one by one")
        let loaded = try decoded(encoded(table))
        #expect((loaded.footprint - bytes) / names.count < 21, "loaded from a checkpoint")
        for index in stride(from: 0, to: names.count, by: 997) { #expect(loaded.lookup(names[index])?.index == index) }
    }
}
