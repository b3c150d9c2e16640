import Storage
import Testing
import Wire

/// Two replicas of one log: several closed segments and an open one, chained as a node chains them.
private struct Twins {
    let disk = MemoryDisk()
    let log: Log<MemoryDisk>
    let other: Log<MemoryDisk>
    let entries: [Sample]

    init(seed: UInt64 = 21, other otherSeed: UInt64? = nil) throws {
        let made = Twins.samples(seed)
        entries = made
        log = try Twins.fill(disk, made)
        other = try Twins.fill(MemoryDisk(), otherSeed.map { Twins.samples($0) } ?? made)
    }
    private static func samples(_ seed: UInt64) -> [Sample] {
        var samples = Samples(seed: seed)
        var chain: UInt64 = 0
        return (0..<60).map { _ in
            var sample = samples.next()
            chain = nextChain(chain, sample.key, sample.view)
            sample.chain = chain
            return sample
        }
    }
    private static func fill(_ disk: MemoryDisk, _ entries: [Sample]) throws -> Log<MemoryDisk> {
        let log = try Log.open(disk, group: GroupID(3), options: small(2048)).log
        for entry in entries {
            try log.append(entry)
            if log.shouldRoll { try log.roll(checkpoint: [5, 5, 5]) }
        }
        try log.sync()
        return log
    }

    var files: [String] { get throws { try disk.list("group-3").filter { $0.hasSuffix(".log") }.map { "group-3/" + $0 } } }
    func reopened() throws -> Log<MemoryDisk> { try Log.open(disk, group: GroupID(3), options: small(2048)).log }

    /// The other one's entries of the damage, at most `most`.
    func copies(_ hole: Damage, most: Int = .max) throws -> [UInt8] {
        var bytes: [UInt8] = []
        var next = hole.entries.lowerBound
        while next < hole.entries.upperBound, Int(next.raw - hole.entries.lowerBound.raw) < most {
            let limit = EntryNumber(min(hole.entries.upperBound.raw, hole.entries.lowerBound.raw + UInt64(min(most, 1 << 20))))
            next = try other.read(from: next, below: limit, maximumBytes: .max, into: &bytes).next
        }
        return bytes
    }
    func mend(_ log: Log<MemoryDisk>, most: Int = .max) throws {
        var left = 1000
        while let hole = log.damage.first, left > 0 {
            try log.repair(hole, with: try copies(hole, most: most), isChained: true)
            left -= 1
        }
    }
}

@Suite struct RepairTests {
    @Test func appendsGoOnWhileAClosedSegmentIsDamaged() throws {
        let twins = try Twins()
        twins.disk.flip(try twins.files[1], at: 900, bits: 4)
        #expect(try !twins.log.inspect(EntryNumber(0)).contains { !$0.entries.isEmpty })
        #expect(try twins.log.verify().count == 1)
        var samples = Samples(seed: 77, clock: 1_000_000)
        let more = (0..<30).map { _ in samples.next() }
        for entry in more {
            try twins.log.append(entry)
            if twins.log.shouldRoll { try twins.log.roll(checkpoint: []) }
        }
        try twins.log.sync()
        try twins.mend(twins.log)
        #expect(try twins.log.verify() == [])
        #expect(try difference(twins.log, twins.entries + more, from: 0) == nil)
    }

    @Test func damageInTheOpenSegmentStopsAppends() throws {
        let twins = try Twins()
        twins.disk.flip(try #require(twins.files.last), at: 80, bits: 4)
        #expect(try !twins.log.verify().isEmpty)
        #expect(throws: StorageError.self) { try twins.log.append(twins.entries[0]) }
    }

    @Test(arguments: [1, 400, 1 << 20]) func readingThroughTheClosedSegmentsFindsEachFlippedByte(bytes: Int) throws {
        let twins = try Twins()
        let closed = try twins.files.dropLast()
        func pass() throws -> Int {
            var steps = 0
            while try !twins.log.scrub(bytes: bytes) { steps += 1 }
            return steps
        }
        #expect(try pass() >= closed.count && twins.log.damage.isEmpty)
        var random = Seeded(4)
        for path in closed {
            for _ in 0..<8 {
                let position = random.below(try #require(twins.disk.contents(path)).count)
                twins.disk.flip(path, at: position, bits: 1)
                _ = try pass()
                let hole = try #require(twins.log.damage.first)
                #expect(twins.log.damage.count == 1 && hole.segment == path && hole.bytes.contains(position))
                try twins.mend(twins.log)
                #expect(twins.log.damage.isEmpty)
            }
        }
        #expect(try difference(twins.log, twins.entries, from: 0) == nil)
    }

    @Test func aHoleIsFilledPieceByPiece() throws {
        let twins = try Twins()
        let path = try twins.files[2]
        for position in stride(from: 74, to: try #require(twins.disk.contents(path)).count, by: 40) {
            twins.disk.flip(path, at: position, bits: 0x10)
        }
        let hole = try #require(try twins.log.verify().first)
        #expect(hole.entries.upperBound.raw - hole.entries.lowerBound.raw > 3)
        try twins.mend(twins.log, most: 1)
        #expect(try twins.log.verify() == [])
        #expect(try difference(twins.log, twins.entries, from: 0) == nil)
    }

    @Test(arguments: [-500, -8, 8, 500]) func aClosedSegmentGetsItsLengthBack(by change: Int) throws {
        let twins = try Twins()
        let path = try twins.files[1]
        let file = try twins.disk.open(path, create: false)
        let size = try twins.disk.size(file)
        try twins.disk.truncate(file, to: size + change)
        let log = try twins.reopened()
        _ = try log.verify()
        #expect(!log.damage.isEmpty)
        try twins.mend(log)
        #expect(try log.verify() == [] && twins.disk.size(file) == size)
        #expect(try difference(log, twins.entries, from: 0) == nil)
        #expect(try Log.open(twins.disk, group: GroupID(3), options: small(2048)).recovery.damage.isEmpty)
    }

    @Test func theEntriesOfALostSegmentAreAddedToTheOneBeforeIt() throws {
        for victim in 1..<4 {
            let twins = try Twins()
            try twins.disk.remove(try twins.files[victim])
            let log = try twins.reopened()
            _ = try log.verify()
            try twins.mend(log)
            #expect(try log.verify() == [])
            #expect(try difference(log, twins.entries, from: 0) == nil)
            var samples = Samples(seed: 78, clock: 1_000_000)
            try log.append(samples.next())
            try log.sync()
            #expect(try Log.open(twins.disk, group: GroupID(3), options: small(2048)).recovery.damage.isEmpty)
        }
    }

    @Test func entriesOfAnotherHistoryAreNotTaken() throws {
        let twins = try Twins()
        let stranger = try Twins(other: 22)
        twins.disk.flip(try twins.files[1], at: 600, bits: 1)
        let hole = try #require(try twins.log.verify().first)
        var wrong: [UInt8] = []
        _ = try stranger.other.read(from: hole.entries.lowerBound, below: hole.entries.upperBound, maximumBytes: 1, into: &wrong)
        #expect(throws: StorageError.self) { try twins.log.repair(hole, with: wrong, isChained: true) }
        #expect(twins.log.damage == [hole])
        try twins.mend(twins.log)
        #expect(try difference(twins.log, twins.entries, from: 0) == nil)
    }

    @Test func aTailBehindWhichNothingReadsBackIsFilledFromTheOther() throws {
        let twins = try Twins()
        let path = try #require(twins.files.last)
        let bytes = try #require(twins.disk.contents(path)).lastIndex { $0 != 0 } ?? 0
        try twins.log.close()
        for position in stride(from: 80, to: bytes, by: 30) { twins.disk.flip(path, at: position, bits: 3) }
        let log = try twins.reopened()
        let hole = try #require(log.damage.first)
        #expect(hole.entries.upperBound.raw == 60)
        #expect(try !log.hasEntryBehind(hole))
        try twins.mend(log)
        #expect(try log.verify() == [] && log.end.number.raw == 60)
        #expect(try difference(log, twins.entries, from: 0) == nil)
    }

    /// Elsewhere the segment was closed and has been cleaned: the damaged entry is shorter there, and does not fit in here. Whenever the power
    /// goes, the next life goes on with the repair, and nothing that lay behind the damage is lost.
    @Test(arguments: -1..<24) func damageInTheOpenSegmentIsFilledWithWhatWasCleaned(powerCut: Int) throws {
        let twins = try Twins()
        twins.disk.flip(try #require(twins.files.last), at: 80, bits: 4)
        try twins.log.close()
        var random = SystemRandomNumberGenerator()
        var log = try twins.reopened()
        if powerCut >= 0 { twins.disk.operationsUntilPowerCut = powerCut }
        var rounds = 0
        while !log.damage.isEmpty, rounds < 4 {
            rounds += 1
            do throws(StorageError) {
                while let hole = log.damage.first {
                    let whole = try copies(of: hole, twins)
                    var cleaned: [UInt8] = []
                    whole.withView { Excerpt.make(of: $0, into: &cleaned) { _ in false } }
                    try log.closeDamaged(hole, for: cleaned)
                    try log.repair(hole, with: cleaned, isChained: true)
                }
            } catch {
                guard twins.disk.operationsUntilPowerCut ?? 0 < 0 else { throw error }
                twins.disk.crash(using: &random)
                log = try twins.reopened()
                if log.damage.isEmpty { _ = try log.verify() }
            }
        }
        twins.disk.operationsUntilPowerCut = nil
        #expect(log.end.number.raw == 60)
        var samples = Samples(seed: 77, clock: 1_000_000)
        let more = samples.next()
        try log.append(more)
        try log.sync()
        #expect(try log.verify() == [])
        let again = try twins.reopened()
        #expect(again.end == log.end && again.damage == [])
        var bytes: [UInt8] = []
        let at = try #require(twins.entries.indices.last { (try? again.header(of: EntryNumber(UInt64($0))))??.isCleaned ?? false })
        _ = try again.read(from: EntryNumber(UInt64(at + 1)), maximumBytes: .max, into: &bytes)
        #expect(bytes.withView { (try? EntryHeader($0))?.number.raw } == UInt64(at + 1))
    }
    private func copies(of hole: Damage, _ twins: Twins) throws(StorageError) -> [UInt8] {
        do { return try twins.copies(hole) } catch let error as StorageError { throw error } catch { preconditionFailure("\(error)") }
    }
}
