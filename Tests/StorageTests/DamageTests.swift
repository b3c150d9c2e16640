import Storage
import TestClock
import Testing
import Wire

/// A log of several closed segments and an open one, everything synced, and what is in it.
private func closedLog(_ disk: MemoryDisk, entries count: Int = 60, segment: Int = 2048) throws -> (Log<MemoryDisk>, [Sample]) {
    let log = try Log.open(disk, group: GroupID(3), options: small(segment)).log
    var samples = Samples(seed: 11)
    let entries = (0..<count).map { _ in samples.next() }
    for entry in entries {
        try log.append(entry)
        if log.shouldRoll { try log.roll(checkpoint: [5, 5, 5]) }
    }
    try log.sync()
    return (log, entries)
}
private func files(_ disk: MemoryDisk, _ suffix: String) throws -> [String] {
    try disk.list("group-3").filter { $0.hasSuffix(suffix) }.map { "group-3/" + $0 }
}

@Suite struct DamageTests {
    @Test func everyByteOfAClosedSegmentIsGuarded() throws {
        let disk = MemoryDisk()
        let (log, entries) = try closedLog(disk)
        #expect(try log.verify() == [])
        let path = try files(disk, ".log")[1]
        let size = try #require(disk.contents(path)).count
        var random = Seeded(1)
        for position in stride(from: 0, to: size, by: isOptimised ? 1 : 7) {
            let bits = UInt8(1 << random.below(8))
            disk.flip(path, at: position, bits: bits)
            let found = try log.verify()
            if found.isEmpty || found.contains(where: { $0.segment != path }) {
                Issue.record("byte \(position) of \(size), bits \(bits): \(found)")
            } else if !found.contains(where: { $0.bytes.contains(position) }) {
                Issue.record("byte \(position) is not in \(found)")
            }
            disk.flip(path, at: position, bits: bits)
        }
        #expect(try log.verify() == [])
        #expect(try difference(log, entries, from: 0) == nil)
    }

    @Test func sampledBytesOfALargeClosedSegmentOnARealDiskAreGuarded() throws {
        let scratch = try Scratch()
        let log = try Log.open(RealDisk(root: scratch.path), group: GroupID(3), options: small(1 << 20)).log
        var samples = Samples(seed: 12)
        for _ in 0..<1500 { try log.append(samples.next(payload: 1500)) }
        let name = "group-3/" + (try scratch.list("group-3").first { $0.hasSuffix(".log") } ?? "")
        let good = try scratch.read(name)
        #expect(try log.verify() == [] && good.count > 1_000_000)
        var random = Seeded(2)
        for _ in 0..<40 {
            var bad = good
            bad[random.below(good.count)] ^= UInt8(1 + random.below(255))
            try scratch.write(name, bad)
            #expect(try log.verify().first?.segment == name)
        }
        try scratch.write(name, good)
        #expect(try log.verify() == [])
    }

    @Test(arguments: [true, false])
    func aFlipInTheOpenSegmentIsDamageWhileLaterEntriesSayItWasSynced(wholeRepair: Bool) throws {
        let source = MemoryDisk()
        var samples = Samples(seed: 13)
        let entries = (0..<14).map { _ in samples.next() }
        let twin = try Log.open(source, group: GroupID(3), options: small(65_536)).log
        var starts = [72]
        for entry in entries {
            try twin.append(entry)
            starts.append(starts[starts.count - 1] + 72 + entry.batches.count)
            if starts.count < 14 { try twin.sync() }
        }
        let path = try files(source, ".log")[0]
        let image = try #require(source.contents(path))
        var random = Seeded(3)
        for entry in 0..<11 {
            let disk = MemoryDisk()
            _ = try disk.createDirectory("group-3")
            let file = try disk.open(path, create: true)
            try image.withView { view throws(StorageError) in try disk.write(file, at: 0, parts: [view]) }
            let position = starts[entry] + random.below(starts[entry + 1] - starts[entry])
            disk.flip(path, at: position, bits: 0x41)
            let before = disk.contents(path)

            let (log, recovery) = try Log.open(disk, group: GroupID(3), options: small(65_536))
            let damage = try #require(recovery.damage.first)
            #expect(damage.segment == path && damage.bytes.contains(position))
            #expect(damage.entries == EntryNumber(UInt64(entry))..<EntryNumber(UInt64(entry + 1)), "\(damage)")
            #expect(damage.bytes == starts[entry]..<starts[entry + 1])
            #expect(disk.contents(path) == before, "damage is never cut")
            #expect(log.held.raw == UInt64(entry) && recovery.torn == nil)
            #expect(try difference(log, entries, from: 0) == nil, "what lies below can be read")
            let refusal = #expect(throws: StorageError.self) { try log.append(samples.next()) }
            guard case .damage = refusal?.kind else {
                Issue.record("\(String(describing: refusal))")
                continue
            }
            if wholeRepair {
                var bytes: [UInt8] = []
                _ = try twin.read(from: damage.entries.lowerBound, below: damage.entries.upperBound, maximumBytes: 1, into: &bytes)
                var wrong: [UInt8] = []
                _ = try twin.read(from: EntryNumber(UInt64(entry + 1)), maximumBytes: 1, into: &wrong)
                #expect(throws: StorageError.self) { try log.repair(damage, with: wrong) }
                try log.repair(damage, with: bytes)
                #expect(log.damage.isEmpty && log.end.number.raw == 14)
                #expect(try difference(log, entries, from: 0) == nil)
                #expect(try log.verify() == [])
            } else {
                try log.truncate(to: log.held)
                #expect(log.damage.isEmpty)
                try log.append(all: entries[entry...])
                try log.sync()
                #expect(try Log.open(disk, group: GroupID(3), options: small(65_536)).recovery.damage.isEmpty)
                #expect(try difference(log, entries, from: 0) == nil)
            }
        }
    }

    @Test func aDamagedClosedSegmentIsRepairedFromAnotherReplica() throws {
        let disk = MemoryDisk()
        let (log, entries) = try closedLog(disk)
        let twin = try closedLog(MemoryDisk()).0
        let paths = try files(disk, ".log")
        disk.flip(paths[0], at: 3, bits: 1)
        for position in [500, 501, 1500] { disk.flip(paths[2], at: position, bits: 0x80) }
        disk.flip(paths[2], at: 10, bits: 1)
        #expect(try log.verify().count >= 3)
        while let damage = log.damage.first {
            var bytes: [UInt8] = []
            if !damage.entries.isEmpty {
                _ = try twin.read(
                    from: damage.entries.lowerBound, below: damage.entries.upperBound, maximumBytes: .max, into: &bytes)
            }
            try log.repair(damage, with: bytes)
        }
        #expect(try log.verify() == [])
        #expect(try difference(log, entries, from: 0) == nil)
        #expect(try Log.open(disk, group: GroupID(3), options: small(2048)).recovery.damage.isEmpty)
    }

    @Test func aReadOfADamagedEntryThrowsAndSaysWhere() throws {
        let disk = MemoryDisk()
        let (log, _) = try closedLog(disk)
        let path = try files(disk, ".log")[1]
        disk.flip(path, at: 900, bits: 2)
        let damage = try #require(try log.verify().first)
        var bytes: [UInt8] = []
        let error = #expect(throws: StorageError.self) {
            _ = try log.read(from: damage.entries.lowerBound, maximumBytes: 10_000, into: &bytes)
        }
        guard case .damage(let told) = error?.kind else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(told.entries.lowerBound == damage.entries.lowerBound && told.bytes.lowerBound == damage.bytes.lowerBound)
        #expect(bytes.isEmpty)
        #expect(throws: StorageError.self) { try log.replay(from: .zero) { _, _ in } }
    }

    @Test(arguments: [-1400, -800, -200, -8, 8, 64, 512, 4096])
    func aMisdirectedWriteIsFound(by: Int) throws {
        let disk = MemoryDisk()
        var samples = Samples(seed: 14)
        let entries = (0..<20).map { _ in samples.next() }
        let log = try Log.open(disk, group: GroupID(3), options: small(32_768)).log
        for (i, entry) in entries.enumerated() {
            if i == 12 { disk.misdirectNextWrite = by }
            try log.append(entry)
            try log.sync()
        }
        #expect(try !log.verify().isEmpty)
        let again = try Log.open(disk, group: GroupID(3), options: small(32_768))
        let damage = try #require(again.recovery.damage.first)
        #expect(damage.entries.lowerBound.raw <= 12)
        #expect(try difference(again.log, entries, from: 0) == nil)
    }

    /// Entries of one length: only number, offset and key tell that one lies where another should.
    @Test(arguments: 1..<6)
    func anEntryInANeighboursPlaceIsFound(back: Int) throws {
        let disk = MemoryDisk()
        var samples = Samples(seed: 15)
        var builder = BatchBuilder()
        [UInt8](repeating: 1, count: 400).withView { builder.append(topic: TopicID(0), time: 0, payload: $0) }
        let batch = builder.finish(publisher: PublisherID(1), epoch: 1, sequence: 1, group: GroupID(3))
        let entries = (0..<20).map { _ in
            var sample = samples.next()
            (sample.batches, sample.count, sample.records) = (batch, 1, 1)
            return sample
        }
        let log = try Log.open(disk, group: GroupID(3), options: small(32_768, zeroAhead: 0)).log
        for (i, entry) in entries.enumerated() {
            if i == 12 { disk.misdirectNextWrite = -back * (72 + batch.count) }
            try log.append(entry)
            try log.sync()
        }
        let place = 12 - UInt64(back)
        let (again, recovery) = try Log.open(disk, group: GroupID(3), options: small(32_768, zeroAhead: 0))
        #expect(recovery.damage.first?.entries == EntryNumber(place)..<EntryNumber(back == 1 ? 13 : place + 1))
        #expect(again.end.number.raw == place)
        #expect(try log.verify().map(\.entries.lowerBound.raw) == (back == 1 ? [place] : [place, 12]))
        #expect(try difference(again, entries, from: 0) == nil)
    }

    @Test func lostSegmentsAndShortenedOnesAreFoundOnOpening() throws {
        for victim in 0..<3 {
            for isLost in [true, false] {
                let disk = MemoryDisk()
                let (log, entries) = try closedLog(disk)
                try log.close()
                let path = try files(disk, ".log")[victim]
                if isLost {
                    try disk.remove(path)
                } else {
                    let file = try disk.open(path, create: false)
                    try disk.truncate(file, to: try disk.size(file) - 8)
                }
                let (again, recovery) = try Log.open(disk, group: GroupID(3), options: small(2048))
                #expect(!recovery.damage.isEmpty, "segment \(victim), lost: \(isLost)")
                #expect(throws: StorageError.self) { try again.append(entries[0]) }
            }
        }
    }

    @Test func whatACutLeavesWasOnTheDiskThoughNoEntryIsLeftToSaySo() throws {
        let disk = MemoryDisk()
        var samples = Samples(seed: 17)
        let log = try Log.open(disk, group: GroupID(3), options: small(65_536)).log
        var starts = [72]
        for _ in 0..<10 {
            let sample = samples.next()
            try log.append(sample)
            try log.sync()
            starts.append(starts[starts.count - 1] + EntryHeader.size + sample.batches.count)
        }
        try log.truncate(to: EntryNumber(9))
        let path = try files(disk, ".log")[0]
        disk.flip(path, at: starts[8] + 20, bits: 4)
        let recovery = try Log.open(disk, group: GroupID(3), options: small(65_536)).recovery
        #expect(recovery.torn == nil)
        #expect(recovery.damage.first?.entries.lowerBound == EntryNumber(8))
    }

    @Test func aTailLostAfterACleanCloseIsDamage() throws {
        for cut in [1, 8, 300] {
            let disk = MemoryDisk()
            let (log, _) = try closedLog(disk, entries: 10, segment: 65_536)
            let bytes = log.bytes
            try log.close()
            let path = try files(disk, ".log")[0]
            let file = try disk.open(path, create: false)
            try disk.truncate(file, to: bytes - cut)
            let damage = try Log.open(disk, group: GroupID(3), options: small(65_536)).recovery.damage
            #expect(damage.first?.entries.upperBound.raw == 10)
        }
    }

    @Test func aCheckpointThatDoesNotReadBackGivesWayToTheOneBefore() throws {
        let disk = MemoryDisk()
        let (log, _) = try closedLog(disk)
        let all = try files(disk, ".checkpoint")
        #expect(all.count > 2)
        let newest = try #require(try log.checkpoint()).number
        disk.flip(all[all.count - 1], at: 17, bits: 1)
        let (again, recovery) = try Log.open(disk, group: GroupID(3), options: small(2048))
        let older = try #require(try again.checkpoint()).number
        #expect(older < newest && recovery.checkpoint == older && recovery.damage.isEmpty)
        var count = 0
        try again.replay(from: older) { _, _ in count += 1 }
        #expect(count == 60 - Int(older.raw))
    }
}
