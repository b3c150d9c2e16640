import Storage
import Testing
import Wire

/// One history at several nodes, which commit, roll and sign it each in its own way.
@Suite struct SignedHistoryTests {
    private func node(_ id: UInt16, _ entries: [Sample], every: Int, segment: Int = 2048) throws -> SignedLog {
        let node = try SignedLog(MemoryDisk(), node: id, options: small(segment))
        for (i, entry) in entries.enumerated() {
            try node.log.append(entry)
            if i % every == every - 1 { try node.commit() }
            if node.log.shouldRoll { try node.log.roll(checkpoint: [1]) }
        }
        try node.commit()
        return node
    }
    private func entries(_ count: Int = 40, seed: UInt64 = 3) -> [Sample] {
        var samples = Samples(seed: seed)
        return samples.chained(count)
    }

    @Test func theHashOfAHistoryIsTheSameAtEveryNode() throws {
        let all = entries()
        let nodes = try [node(1, all, every: 1), node(2, all, every: 3, segment: 4096), node(3, all, every: 7)]
        for (i, one) in nodes.enumerated() {
            let others = nodes.enumerated().filter { $0.offset != i }.map(\.element.disk)
            let report = try SignedLog.audit(one.disk, against: others)
            #expect(report.findings == [] && report.signatures?.end == EntryNumber(40))
        }
    }

    @Test func anotherHistoryIsToldFromTheFirstEntryThatDiffers() throws {
        let all = entries()
        var other = all
        // The same stamps, so the chains are equal too.
        (other[17].batches, other[17].count, other[17].records) = (other[16].batches, other[16].count, other[16].records)
        let (a, b) = (try node(1, all, every: 1), try node(2, other, every: 1))
        let report = try SignedLog.audit(a.disk, against: [b.disk])
        #expect(report.problems == 1 && report.findings.first { $0.isProblem }?.entries == EntryNumber(17)..<EntryNumber(18), "\(report.findings)")
    }

    @Test func aCopyOfALogIsSignedByWhoCopiedIt() throws {
        let all = entries()
        let source = try node(1, all, every: 2)
        let copy = try SignedLog(MemoryDisk(), node: 2)
        var bytes: [UInt8] = []
        var next = EntryNumber(0)
        while true {
            let read = try source.log.read(from: next, maximumBytes: 900, into: &bytes)
            guard read.count > 0 else { break }
            next = read.next
            try bytes.withView { view in
                var at = 0
                while at < view.count { at += try copy.log.stage(entry: view.from(at)).length }
                try copy.log.write()
            }
            bytes.removeAll()
            try copy.commit()
        }
        let report = try SignedLog.audit(copy.disk, against: [source.disk])
        #expect(report.findings == [] && report.signatures?.end == EntryNumber(40) && report.signatures?.node == NodeID(2))
    }

    @Test func aCutTakesTheSignaturesWithIt() throws {
        let node = try node(1, entries(), every: 3)
        try node.cut(to: 20)
        #expect(node.history.end == EntryNumber(20))
        var samples = Samples(seed: 90, clock: 1_000_000)
        try node.log.append(all: samples.chained(9, behind: node.log.end.chain))
        try node.commit()
        let report = try SignedLog.audit(node.disk)
        #expect(report.findings == [] && report.signatures?.end == EntryNumber(29))
    }

    @Test func aLogThatWasThereBeforeIsSignedFromItsBeginning() throws {
        let disk = MemoryDisk()
        let log = try Log.open(disk, group: SignedLog.group, options: small(2048)).log
        try log.append(all: entries())
        try log.sync()
        let node = try SignedLog(disk)
        #expect(node.history.end == EntryNumber(40))
        #expect(try SignedLog.audit(disk).findings == [])
    }

    /// What was signed and is gone has been lost: it is not taken for a torn tail.
    @Test func aTailThatWasSignedAndIsMissingIsDamage() throws {
        let node = try node(1, entries(), every: 1, segment: 1 << 20)
        let path = "group-3/" + node.log.openName
        let bytes = try #require(node.disk.contents(path))
        // No later entry says so: the last one's own word is of those before it.
        node.disk.spoil(path, at: node.log.openBytes - 40, with: [UInt8](repeating: 0, count: 40))
        let again = try SignedLog(node.disk)
        #expect(again.log.damage.map(\.entries) == [EntryNumber(39)..<EntryNumber(40)], "\(again.log.damage)")
        node.disk.spoil(path, at: 0, with: bytes)
        #expect(try SignedLog(node.disk).log.damage == [])
    }

    @Test(arguments: 0..<40) func whatIsRepairedIsAsItWasSigned(seed: Int) throws {
        var random = Seeded(UInt64(seed))
        let all = entries()
        let (node, other) = (try node(1, all, every: 2), try node(2, all, every: 5))
        let paths = try node.disk.list("group-3").filter { $0.hasSuffix(".log") }.map { "group-3/" + $0 }
        let path = paths[random.below(paths.count)]
        let end = path == "group-3/" + node.log.openName ? node.log.openBytes : try #require(node.disk.contents(path)).count
        // The open segment may have no entries yet.
        guard end > 72 else { return }
        for _ in 0..<1 + random.below(3) { node.disk.flip(path, at: 72 + random.below(end - 72), bits: 1 << UInt8(random.below(8))) }
        let hurt = try SignedLog(node.disk)
        if hurt.log.damage.isEmpty { _ = try hurt.log.verify() }
        var left = 50
        while let hole = hurt.log.damage.first, left > 0 {
            left -= 1
            var bytes: [UInt8] = []
            var next = hole.entries.lowerBound
            while next < hole.entries.upperBound { next = try other.log.read(from: next, below: hole.entries.upperBound, maximumBytes: 1 << 20, into: &bytes).next }
            try hurt.repair(hole, with: bytes)
        }
        let report = try SignedLog.audit(node.disk, against: [other.disk])
        #expect(report.findings == [] && report.signatures?.end == EntryNumber(40))
        #expect(try SignedLog(node.disk).history.end == EntryNumber(40))
    }

    /// The chain of stamps fits, and so do all checksums: but it is not what this node signed.
    @Test func forgedEntriesAreNotTakenForARepair() throws {
        let all = entries()
        var other = all
        for i in 0..<all.count where all[i].batches.count >= 56 { other[i].batches = changed(all[i].batches) }
        let (node, forger) = (try node(1, all, every: 2), try node(2, other, every: 2))
        let path = "group-3/" + (try #require(try node.disk.list("group-3").first { $0.hasSuffix(".log") }))
        node.disk.flip(path, at: 300, bits: 4)
        let hole = try #require(try node.log.verify().first)
        var bytes: [UInt8] = []
        var next = hole.entries.lowerBound
        while next < hole.entries.upperBound { next = try forger.log.read(from: next, below: hole.entries.upperBound, maximumBytes: 1 << 20, into: &bytes).next }
        #expect(throws: StorageError.self) { try node.repair(hole, with: bytes) }
        #expect(node.log.damage.contains(hole))
    }
    /// The time of the first batch's first record, with its checksum.
    private func changed(_ batches: [UInt8]) -> [UInt8] {
        var bytes = batches
        bytes[48] ^= 1
        let size = Int(Reference.integer(bytes, 0, 4))
        bytes.store(Reference.crc(bytes[8..<size]), at: 4)
        return bytes
    }

    @Test func theKeyStaysWithTheFolderAndIsNotMadeTwice() throws {
        let disk = MemoryDisk()
        let (first, isNew) = try Signer.open(disk, node: NodeID(1), cluster: "plant")
        let (second, isNewAgain) = try Signer.open(disk, node: NodeID(1), cluster: "plant")
        #expect(isNew && !isNewAgain && first.publicKey == second.publicKey)
        #expect(PublicKey(text: first.publicKey.description) == first.publicKey)
        #expect(PublicKey(text: "12") == nil && PublicKey(text: String(repeating: "g", count: 64)) == nil)
        _ = try SignedHistory(disk, group: .durable, signer: first)
        try disk.remove(Signer.keyName)
        #expect(throws: StorageError.self) { try Signer.open(disk, node: NodeID(1), cluster: "plant") }
    }

    @Test func signaturesOfAnotherNodeAreNotGoneOnWith() throws {
        let node = try node(1, entries(4), every: 1)
        #expect(throws: StorageError.self) { try SignedLog(node.disk, node: 2) }
    }

    @Test func theKeyIsReadableByItsOwnerAlone() throws {
        let scratch = try Scratch()
        let disk = try RealDisk(root: scratch.path)
        _ = try Signer.open(disk, node: NodeID(1), cluster: "plant")
        let mode = try scratch.mode(Signer.keyName)
        #expect(mode == 0o600)
    }

    @Test func readingAFolderChangesNothingOfIt() throws {
        let scratch = try Scratch()
        do {
            let disk = try RealDisk(root: scratch.path)
            #expect(throws: StorageError.self) { try RealDisk(reading: scratch.path) }
            let log = try Log.open(disk, group: .durable, options: small(2048)).log
            try log.sync()
        }
        let reading = try RealDisk(reading: scratch.path)
        _ = try OfflineLog(reading, group: .durable)
        #expect(throws: StorageError.self) { try StateFile(reading).save("x", [1]) }
        #expect(throws: StorageError.self) { try reading.createDirectory("x") }
        #expect(throws: StorageError.self) { try reading.remove("lock") }
        let file = try reading.open("lock", create: false)
        #expect(throws: StorageError.self) { try reading.truncate(file, to: 0) }
        reading.close(file)
        #expect(try scratch.list("") == ["group-0", "lock"])
    }
}
