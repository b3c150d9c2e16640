import Glibc
@testable import Storage
import Testing
import Wire

/// Whoever reads a log on: what is looked up for him, what the system reads ahead and what it lets go.
@Suite struct ReadAheadTests {
    private static let group = GroupID(3)

    /// A log of `bytes` at least, in segments that are closed as they are full.
    private func log(_ disk: MemoryDisk, bytes: Int, _ options: LogOptions, payload: Int = 200) throws -> Log<MemoryDisk> {
        let log = try Log.open(disk, group: Self.group, options: options).log
        var samples = Samples(seed: 21)
        while log.bytes < bytes {
            try log.append(samples.next(payload: payload))
            if log.shouldRoll {
                try log.sync()
                try log.roll(checkpoint: [1])
            }
        }
        return log
    }

    // MARK: the first entry of a closed segment

    @Test func whoReadsOnIntoAClosedSegmentNeedsNoIndexOfIt() throws {
        let log = try log(MemoryDisk(), bytes: 80_000, small())
        #expect(log.segmentCount > 10)
        var next = log.first
        var bytes: [UInt8] = []
        let indexed = log.segments.map { $0.index != nil }
        #expect(indexed.prefix(log.segmentCount - 4).allSatisfy { !$0 }, "the oldest have lost theirs")
        while next < log.end.number {
            bytes = []
            let (count, after) = try log.read(from: next, maximumBytes: 700, into: &bytes)
            #expect(count > 0 && Reference.entry(bytes, 0)?.number == next.raw)
            next = after
        }
        #expect(log.segments.map { $0.index != nil } == indexed, "none was built")
        // By number, by offset and by time alike.
        let start = log.segments[3].start
        #expect(try log.header(of: start.number)?.number == start.number)
        #expect(try log.entry(at: start.offset)?.endOffset ?? start.offset > start.offset)
        #expect(log.segments[3].index == nil)
        // Anything else of it is found by an index.
        #expect(try log.header(of: start.number.next)?.number == start.number.next)
        #expect(log.segments[3].index != nil)
    }

    /// One entry of another segment in its place, or bits that have turned over: nobody is given it.
    @Test func aFirstEntryThatIsNotTheSegmentsIsDamage() throws {
        for isForeign in [false, true] {
            let disk = MemoryDisk()
            let log = try log(disk, bytes: 40_000, small())
            let (own, other) = (log.segments[2], log.segments[4])
            let file = try disk.open(log.path(own.name), create: false)
            var bytes: [UInt8] = []
            let source = try disk.open(log.path(other.name), create: false)
            _ = try disk.read(isForeign ? source : file, at: SegmentHeader.size, count: 1024, into: &bytes)
            if !isForeign { bytes[EntryHeader.size - 1] ^= 4 }
            try bytes.withView { view throws(StorageError) in try disk.write(file, at: SegmentHeader.size, parts: [view]) }
            let error = #expect(throws: StorageError.self) { try log.header(of: own.start.number) }
            guard case .damage(let damage) = error?.kind else {
                Issue.record("\(String(describing: error))")
                continue
            }
            #expect(damage.entries.contains(own.start.number))
        }
    }

    // MARK: what lies behind a reader

    @Test func whatLiesFarBehindAReaderIsLetGoOnceAndWhatIsNearStays() throws {
        let disk = MemoryDisk()
        var options = LogOptions()
        (options.segmentBytes, options.zeroAhead, options.cachedBytes) = (12 << 20, 0, 1 << 30)
        let log = try log(disk, bytes: 28 << 20, options, payload: 10_000)
        #expect(disk.released == 0 && log.segmentCount == 3)
        func read(_ chunk: Int) throws {
            var (next, bytes) = (log.first, [UInt8]())
            while next < log.end.number {
                bytes.removeAll(keepingCapacity: true)
                next = try log.read(from: next, maximumBytes: chunk, into: &bytes).next
            }
        }
        // In small steps he may be anybody.
        try read(64 << 10)
        #expect(disk.released == 0)
        try read(512 << 10)
        // Of each closed segment what lies more than 8 MiB behind its last read; of the open one nothing.
        let closed = log.segments.dropLast().map(\.bytes)
        let most = closed.reduce(0) { $0 + $1 - (8 << 20) }
        #expect(disk.released <= most && disk.released > most - closed.count * (1 << 20), "\(disk.released) of \(most)")
    }

    // MARK: what the system reads ahead

    /// 8 MiB of a file that the system holds nothing of; nil where it holds everything, as on a file system in memory.
    private func cold(_ disk: RealDisk) throws -> RealDisk.File? {
        let size = 8 << 20
        let file = try disk.open("cold", create: true)
        let bytes = [UInt8](repeating: 7, count: size)
        try bytes.withView { view throws(StorageError) in try disk.write(file, at: 0, parts: [view]) }
        try disk.sync(file)
        disk.release(file, at: 0, count: size)
        disk.close(file)
        let again = try disk.open("cold", create: false)
        guard try held(disk.path + "/cold", 0..<size) == 0 else {
            disk.close(again)
            return nil
        }
        return again
    }

    @Test func theSystemReadsAheadForAReaderOfMuchAndNotBeyondWhatHeReads() throws {
        let scratch = try Scratch()
        let disk = try RealDisk(root: scratch.path)
        guard let file = try cold(disk) else { return print("a file system in memory: nothing is read ahead") }
        defer { disk.close(file) }
        var bytes: [UInt8] = []
        // In small steps, one behind the other: no more than was asked for, however much the device is set to.
        for step in 0..<16 { _ = try disk.read(file, at: step * 4096, count: 4096, into: &bytes) }
        #expect(try held(disk.path + "/cold", 0..<8 << 20) == 16 * 4096)
        // In large ones: as much again.
        let (start, step) = (1 << 20, 256 << 10)
        _ = try disk.read(file, at: start, count: step, into: &bytes)
        #expect(try held(disk.path + "/cold", start..<start + step) == step)
        let end = ContinuousClock.now + .seconds(10)
        while try held(disk.path + "/cold", start + step..<start + 2 * step) < step, ContinuousClock.now < end { usleep(1_000) }
        #expect(try held(disk.path + "/cold", start + step..<start + 2 * step) == step)
        #expect(try held(disk.path + "/cold", 0..<8 << 20) == 16 * 4096 + 2 * step)
    }
}
