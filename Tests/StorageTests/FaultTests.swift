import Foundation
import Storage
import TestClock
import Testing
import Wire

@Suite struct FaultTests {
    @Test func aFullDiskRefusesTheAppendAndTheLogGoesOnWhenSpaceReturns() throws {
        for room in stride(from: 0, to: 900, by: 37) {
            let disk = MemoryDisk()
            disk.capacity = 1000
            let log = try Log.open(disk, group: GroupID(3), options: small(65_536)).log
            var samples = Samples(seed: UInt64(room))
            var entries = [samples.next(payload: 30)]
            try log.append(entries[0])
            try log.sync()
            disk.capacity = disk.used + room
            var error: StorageError?
            while error == nil {
                let entry = samples.next()
                do throws(StorageError) {
                    try log.append(entry)
                    entries.append(entry)
                } catch let failure { error = failure }
            }
            #expect(error?.isFull == true)
            #expect(
                error?.description.contains("No space left on device") == true && error?.description.contains("free space") == true)
            #expect(log.stagedCount == 0)
            log.checkInvariants()
            #expect(try difference(log, entries, from: 0) == nil, "the append did not happen")
            disk.capacity = nil
            for _ in 0..<3 {
                entries.append(samples.next(payload: 20))
                try log.append(entries[entries.count - 1])
            }
            let (again, recovery) = try Log.open(disk, group: GroupID(3), options: small(65_536))
            #expect(recovery.damage.isEmpty)
            #expect(try difference(again, entries, from: 0) == nil)
        }
    }

    @Test func aFailedSyncPoisonsTheLogUntilItIsOpenedAgain() throws {
        for seed in 0..<scaled(200) {
            var random = Seeded(UInt64(seed))
            let disk = MemoryDisk()
            var samples = Samples(seed: UInt64(seed))
            let entries = (0..<12).map { _ in samples.next() }
            let log = try Log.open(disk, group: GroupID(3), options: small(65_536)).log
            try log.append(all: entries[..<4])
            try log.sync()
            try log.append(all: entries[4..<8])
            disk.syncsUntilError = 0
            let first = #expect(throws: StorageError.self) { try log.sync() }
            #expect(first?.isFailedSync == true)
            // The disk would take the next sync; the log does not ask for it.
            let before = disk.operations
            for attempt in 0..<5 {
                let error = #expect(throws: StorageError.self) {
                    switch attempt {
                    case 0: try log.sync()
                    case 1: try log.append(entries[8])
                    case 2: try log.roll(checkpoint: [])
                    case 3: try log.truncate(to: .zero)
                    default: try log.close()
                    }
                }
                guard case .poisoned = error?.kind else {
                    Issue.record("\(String(describing: error))")
                    continue
                }
            }
            #expect(disk.operations == before)
            // The page cache still shows what the disk gave up. Whoever opens writes it again before calling it synced.
            let again = try Log.open(disk, group: GroupID(3), options: small(65_536)).log
            #expect(again.end.number.raw == 8)
            try again.append(all: entries[8...])
            try again.sync()
            disk.crash(using: &random)
            let (last, recovery) = try Log.open(disk, group: GroupID(3), options: small(65_536))
            #expect(recovery.damage.isEmpty && last.end.number.raw == 12, "seed \(seed): \(recovery.damage)")
            #expect(try difference(last, entries, from: 0) == nil)
        }
    }

    /// A cut opens a segment again that was cleaned: its header says so no more. Where a sync of that fails, at whichever place, the page cache alone
    /// has it, and the next opening brings it to the disk before the segment is closed once more.
    @Test func aSegmentThatWasCleanedIsOpenAgainThoughASyncOfItsCutFails() throws {
        var failures = 0
        for attempt in 0..<scaled(100) {
            let sync = attempt % 5
            var random = Seeded(UInt64(attempt))
            let disk = MemoryDisk()
            // What is cut does not share a sector with the header.
            let options = small(4096)
            var samples = Samples(seed: UInt64(attempt))
            var all: [Sample] = []
            func fill(_ log: Log<MemoryDisk>) throws {
                while !log.shouldRoll {
                    all.append(samples.next())
                    try log.append(all[all.count - 1])
                }
                try log.roll(checkpoint: [1])
            }
            var log = try Log.open(disk, group: GroupID(3), options: options).log
            for _ in 0..<2 { try fill(log) }
            let span = try #require(log.closedSpans(below: log.end.number).last)
            #expect(try log.finish([try #require(try log.copied(span))]).count == 1)
            disk.syncsUntilError = sync
            let cut = EntryNumber(span.end.raw - 1)
            do throws(StorageError) { try log.truncate(to: cut) } catch {
                guard error.isFailedSync else { throw error }
                failures += 1
            }
            disk.syncsUntilError = nil
            log = try Log.open(disk, group: GroupID(3), options: options).log
            // Where the cut did not come that far it is done now, as whoever wanted it would.
            try log.truncate(to: min(cut, log.end.number))
            all.removeLast(all.count - Int(log.end.number.raw))
            try fill(log)
            disk.crash(using: &random)
            let (last, recovery) = try Log.open(disk, group: GroupID(3), options: options)
            #expect(recovery.damage.isEmpty, "sync \(sync): \(recovery.damage)")
            #expect(try difference(last, all, from: 0) == nil, "sync \(sync)")
        }
        #expect(failures == scaled(100) / 5 * 3, "of the mark, the header, the segment's end: \(failures)")
    }

    @Test func aDataDirectoryBelongsToOneNodeAtATime() throws {
        let scratch = try Scratch()
        var first: RealDisk? = try RealDisk(root: scratch.path + "/a/b")
        let error = #expect(throws: StorageError.self) { _ = try RealDisk(root: scratch.path + "/a/b") }
        #expect(error?.kind == .locked(by: "another node, process \(ProcessInfo.processInfo.processIdentifier)"))
        #expect(error?.description.contains(scratch.path + "/a/b") == true)
        #expect(first != nil)
        first = nil
        _ = try RealDisk(root: scratch.path + "/a/b")
    }

    @Test func aRealDisksErrorsSayWhereWhatAndWhatToDo() throws {
        let scratch = try Scratch()
        let disk = try RealDisk(root: scratch.path)
        let error = #expect(throws: StorageError.self) { _ = try disk.open("nowhere/file", create: true) }
        #expect(error?.kind == .system(2) && error?.path == scratch.path + "/nowhere/file" && error?.operation == "open")
        #expect(error?.description.contains("No such file or directory (errno 2); check the path") == true)
        #expect(try disk.exists("lock") && !disk.exists("nowhere"))
        #expect(try disk.list("") == ["lock"])
    }

    @Test func aStateFileIsReplacedAsAWholeOrNotAtAll() throws {
        for seed in 0..<scaled(1000) {
            var random = Seeded(UInt64(seed))
            let disk = MemoryDisk()
            let states = StateFile(disk)
            let old = [UInt8](repeating: 1, count: random.below(2000))
            let new = [UInt8](repeating: 2, count: random.below(2000))
            try states.save("member", old)
            disk.operationsUntilPowerCut = random.below(7)
            var isSaved = false
            do throws(StorageError) {
                try states.save("member", new)
                isSaved = true
            } catch { #expect(error.kind == .system(5)) }
            disk.crash(using: &random)
            let found = try #require(try states.load("member"))
            #expect(found == new || (found == old && !isSaved))
            try states.save("member", [])
            #expect(try states.load("member") == [])
            try states.remove("member")
            #expect(try states.load("member") == nil)
        }
    }

    @Test func aTwinFileIsReplacedAsAWholeOrNotAtAll() throws {
        for seed in 0..<scaled(2000) {
            var random = Seeded(UInt64(seed))
            let disk = MemoryDisk()
            var file = TwinFile(disk, "member", leastBytes: 512)
            var told: [UInt8]?
            var asked: [UInt8]?
            for life in 0..<4 {
                disk.operationsUntilPowerCut = random.below(14)
                if random.chance(30) { disk.syncsUntilError = random.below(6) }
                do throws(StorageError) {
                    if life > 0 {
                        let found = try file.load()
                        #expect(found == told || found == asked, "seed \(seed)")
                        told = found
                    }
                    for _ in 0..<4 {
                        asked = [UInt8](repeating: UInt8(random.below(256)), count: random.below(random.chance(20) ? 3000 : 400))
                        try file.save(asked!)
                        told = asked
                    }
                } catch { #expect(error.kind == .system(5)) }
                // A process that ends leaves what it wrote to whoever comes next; a power cut does not.
                if disk.operationsUntilPowerCut == 0 || random.chance(50) { disk.crash(using: &random) }
                (disk.operationsUntilPowerCut, disk.syncsUntilError) = (nil, nil)
                file = TwinFile(disk, "member", leastBytes: 512)
            }
            let found = try file.load()
            #expect(found == told || found == asked, "seed \(seed)")
        }
    }

    @Test func aTwinFilesCopyThatRotsHasATwin() throws {
        let scratch = try Scratch()
        let disk = try RealDisk(root: scratch.path)
        #expect(try TwinFile(disk, "member").load() == nil)
        let blob = (0..<100).map { UInt8($0) }
        for saves in 1...3 {
            let file = TwinFile(disk, "member", leastBytes: 512)
            _ = try file.load()
            for _ in 0..<saves { try file.save(blob) }
            let good = try scratch.read("member")
            for i in good.indices {
                var bad = good
                bad[i] ^= 4
                try scratch.write("member", bad)
                #expect(try TwinFile(disk, "member").load() == blob)
            }
            try scratch.write("member", good)
        }
        var bad = try scratch.read("member")
        (bad[30], bad[512 + 30]) = (bad[30] ^ 1, bad[512 + 30] ^ 1)
        try scratch.write("member", bad)
        let error = #expect(throws: StorageError.self) { _ = try TwinFile(disk, "member").load() }
        #expect(error?.description.contains("neither of two copies reads back") == true)
        for size in [0, 1, 47, 300] {
            try scratch.write("member", Array(bad.prefix(size)))
            #expect(throws: StorageError.self) { _ = try TwinFile(disk, "member").load() }
        }
    }

    @Test func aStateFileTellsEveryFlippedByte() throws {
        let scratch = try Scratch()
        let states = StateFile(try RealDisk(root: scratch.path))
        #expect(try states.load("member") == nil)
        let blob = (0..<100).map { UInt8($0) }
        try states.save("member", blob)
        #expect(try states.load("member") == blob)
        let good = try scratch.read("member")
        for i in good.indices {
            var bad = good
            bad[i] ^= 4
            try scratch.write("member", bad)
            #expect(throws: StorageError.self) { _ = try states.load("member") }
        }
        try scratch.write("member", good.dropLast())
        #expect(throws: StorageError.self) { _ = try states.load("member") }
        #expect(try scratch.list("") == ["lock", "member"])
    }
}
