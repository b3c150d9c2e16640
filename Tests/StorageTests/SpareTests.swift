import Foundation
import Glibc
import Storage
import Testing
import Wire

@Suite struct SpareTests {
    /// A segment that was rewritten leaves its file to the next one, with nothing of what was in it.
    @Test func theNextSegmentTakesTheFile() throws {
        let scratch = try Scratch()
        let disk = try RealDisk(root: scratch.path)
        var samples = Samples(seed: 5)
        var all: [Sample] = []
        let options = small(1024)
        do {
            let (log, _) = try Log.open(disk, group: GroupID(3), options: options)
            func fill() throws {
                while !log.shouldRoll {
                    all.append(samples.next())
                    try log.append(all[all.count - 1])
                }
                try log.roll(checkpoint: [1])
            }
            for _ in 0..<3 { try fill() }
            let span = try #require(log.closedSpans(below: log.end.number).first)
            let old = try inode(scratch, "group-3/" + segments(scratch)[0])
            let draft = try #require(try log.copied(span))
            #expect(try log.finish([draft]).count == 1)
            #expect(try log.spareBytes >= 1024 && spares(scratch) == 1)
            try fill()
            #expect(try log.spareBytes == 0 && spares(scratch) == 0)
            let last = try #require(try segments(scratch).last)
            #expect(try inode(scratch, "group-3/" + last) == old)
            // Behind the header all is zero: recovery finds no torn tail in what another segment left.
            #expect(try scratch.read("group-3/" + last)[72...].allSatisfy { $0 == 0 })
            #expect(try difference(log, all, from: 0) == nil)
        }
        let (log, recovery) = try Log.open(disk, group: GroupID(3), options: options)
        #expect(recovery.damage.isEmpty && recovery.torn == nil)
        #expect(try difference(log, all, from: 0) == nil)
    }

    /// A full disk: what waits to be used again is given back before anything is refused.
    @Test(arguments: ["write", "roll", "draft"]) func spareFilesMakeRoomWhereThereIsNone(for what: String) throws {
        let disk = MemoryDisk()
        let (log, _) = try Log.open(disk, group: GroupID(3), options: small(1024))
        var samples = Samples(seed: 6)
        var all: [Sample] = []
        func append() throws {
            all.append(samples.next())
            try log.append(all[all.count - 1])
        }
        for _ in 0..<4 {
            while !log.shouldRoll { try append() }
            try log.roll(checkpoint: [1])
        }
        let draft = try #require(try log.copied(log.closedSpans(below: log.end.number)[0]))
        #expect(try log.finish([draft]).count == 1)
        let spare = log.spareBytes
        #expect(spare >= 1024)
        disk.capacity = disk.used
        switch what {
        case "write": while log.spareBytes == spare { try append() }
        // The checkpoint is more than there is room for.
        case "roll":
            try append()
            try log.roll(checkpoint: [UInt8](repeating: 7, count: 900))
        default: try log.withRoom { () throws(StorageError) in try StateFile(disk, directory: "group-3").save("other", [UInt8](repeating: 7, count: 900)) }
        }
        #expect(log.spareBytes < spare)
        #expect(try difference(log, all, from: 0) == nil)
    }

    /// A log that has become smaller keeps no more of them than it may.
    @Test func aSmallerLogKeepsFewerSpareFiles() throws {
        let disk = MemoryDisk()
        let (log, _) = try Log.open(disk, group: GroupID(3), options: small(1024))
        var samples = Samples(seed: 7)
        for _ in 0..<40 {
            while !log.shouldRoll { try log.append(samples.next()) }
            try log.roll(checkpoint: [1])
        }
        let drafts = try log.closedSpans(below: log.end.number).prefix(6).compactMap { try log.copied($0) }
        _ = try log.finish(drafts)
        #expect(log.spareBytes > 4096 && log.spareBytes <= log.bytes / 8)
        try log.drop(below: log.end.number)
        try log.trimSpares()
        #expect(log.spareBytes <= 2304)
    }

    /// What a life leaves of them goes when the log is opened: after a crash one may still be its segment.
    @Test func spareFilesOfAnotherLifeGo() throws {
        let scratch = try Scratch()
        let disk = try RealDisk(root: scratch.path)
        do { _ = try Log.open(disk, group: GroupID(3), options: small(1024)) }
        try scratch.write("group-3/0000000000000000-0000000000000000.spare", [1, 2, 3])
        _ = try Log.open(disk, group: GroupID(3), options: small(1024))
        #expect(try spares(scratch) == 0)
    }

    private func spares(_ scratch: Scratch) throws -> Int { try scratch.list("group-3").count { $0.hasSuffix(".spare") } }
    private func segments(_ scratch: Scratch) throws -> [String] { try scratch.list("group-3").filter { $0.hasSuffix(".log") } }
    private func inode(_ scratch: Scratch, _ name: String) throws -> UInt64 {
        let attributes = try FileManager.default.attributesOfItem(atPath: scratch.path + "/" + name)
        return try #require((attributes[.systemFileNumber] as? NSNumber)?.uint64Value)
    }
}
