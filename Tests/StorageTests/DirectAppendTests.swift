import CSystem
import Glibc
@testable import Storage
import Testing
import Wire

/// Appends that go past the page cache leave in the file what writes would have left, whatever came before them.
@Suite struct DirectAppendTests {
    private static let space = 8 << 20

    /// A file and what it is to hold.
    private struct Twin {
        let file: RealDisk.File
        let name: String
        /// Up to the file's size.
        var bytes: [UInt8]
        /// Where the appended ends.
        var end = 0
    }

    private func begin(_ disk: RealDisk, _ name: String) throws -> Twin {
        let file = try disk.open(name, create: true)
        #expect(try disk.allocate(file, bytes: Self.space))
        return Twin(file: file, name: name, bytes: [UInt8](repeating: 0, count: Self.space))
    }

    private func append(_ disk: RealDisk, _ twin: inout Twin, parts: [[UInt8]], zeros: Int) throws {
        let whole = parts.flatMap { $0 }
        let padding = [UInt8](repeating: 0, count: zeros)
        try whole.withView { view in
            var views: [ByteView] = []
            var at = 0
            for part in parts {
                views.append(view[at..<at + part.count])
                at += part.count
            }
            try padding.withView { try disk.append(twin.file, at: twin.end, parts: views, zeros: $0, space: Self.space) }
        }
        twin.bytes.replaceSubrange(twin.end..<twin.end + whole.count, with: whole)
        twin.end += whole.count
    }

    private func check(_ disk: RealDisk, _ twin: Twin, _ range: Range<Int>, _ deed: String) throws {
        var bytes: [UInt8] = []
        #expect(try disk.read(twin.file, at: range.lowerBound, count: range.count, into: &bytes) == range.count)
        // The first place alone: a failure does not print megabytes.
        let wrong = zip(bytes, twin.bytes[range]).enumerated().first { $0.element.0 != $0.element.1 }.map { range.lowerBound + $0.offset }
        #expect(wrong == nil, "of \(twin.name), \(range), after \(deed)")
    }

    /// Bytes that are neither zero nor what stands elsewhere at the same place of a block.
    private func fresh(_ random: inout Seeded, _ count: Int) -> [UInt8] {
        var state = random.next() | 1
        return (0..<count).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 56) | 1
        }
    }

    @Test(arguments: 1...6) func theFileHoldsWhatWasAppended(_ seed: UInt64) throws {
        let scratch = try Scratch()
        var random = Seeded(seed)
        let disk = try RealDisk(root: scratch.path)
        var twins = [try begin(disk, "a"), try begin(disk, "b")]
        var deeds: [String: Int] = [:]
        for _ in 0..<250 {
            let k = random.chance(15) ? 1 : 0
            var touched = 0..<0
            let deed: String
            switch random.below(20) {
            case 0 where twins[k].end > 0:
                deed = "a cut"
                twins[k].end -= random.below(min(twins[k].end, 9_000) + 1)
                try disk.truncate(twins[k].file, to: twins[k].end)
                #expect(try disk.allocate(twins[k].file, bytes: Self.space))
                for at in twins[k].end..<Self.space where twins[k].bytes[at] != 0 { twins[k].bytes[at] = 0 }
                touched = max(0, twins[k].end - 5_000)..<min(Self.space, twins[k].end + 10_000)
            case 1 where twins[k].end > 0:
                deed = "a write into the last blocks"
                let at = max(0, twins[k].end - 1 - random.below(6_000))
                let bytes = fresh(&random, random.below(min(300, twins[k].end - at)) + 1)
                try disk.write(twins[k].file, at: at, bytes: bytes)
                twins[k].bytes.replaceSubrange(at..<at + bytes.count, with: bytes)
                touched = at..<at + bytes.count
            case 2:
                deed = "a blank"
                guard try disk.blank(twins[k].file) else { continue }
                twins[k].bytes = [UInt8](repeating: 0, count: Self.space)
                twins[k].end = 0
                touched = 0..<10_000
            default:
                let most = random.chance(10) ? 3 << 20 : random.chance(30) ? 40_000 : 2_000
                let parts = (0..<1 + random.below(4)).map { _ in fresh(&random, random.below(most / 4) + 1) }
                let total = parts.reduce(0) { $0 + $1.count }
                guard twins[k].end + total + (300 << 10) < Self.space else { continue }
                deed = "an append of \(total)"
                let start = twins[k].end
                try append(disk, &twins[k], parts: parts, zeros: random.chance(30) ? random.below(256 << 10) : 0)
                touched = max(0, start - 5_000)..<min(Self.space, twins[k].end + 5_000)
            }
            deeds[String(deed.prefix(8)), default: 0] += 1
            // What was read is in the page cache when the next append changes it.
            if random.chance(50) { try check(disk, twins[k], touched, deed) }
        }
        #expect(deeds.count >= 3, "\(deeds)")
        for twin in twins {
            try check(disk, twin, 0..<Self.space, "everything")
            try disk.sync(twin.file)
        }
        for twin in twins { disk.close(twin.file) }
        let again = try disk.open("a", create: false)
        try check(disk, Twin(file: again, name: "a", bytes: twins[0].bytes), 0..<Self.space, "opening it again")
        disk.close(again)
    }

    /// Where the end of the file's space is near, and blocks do not fit, the page cache takes it, and the other way goes on from there.
    @Test func theLastBytesOfTheSpaceAreWrittenToo() throws {
        let scratch = try Scratch()
        var random = Seeded(1)
        let disk = try RealDisk(root: scratch.path)
        let file = try disk.open("a", create: true)
        #expect(try disk.allocate(file, bytes: 10_000))
        var twin = Twin(file: file, name: "a", bytes: [UInt8](repeating: 0, count: 10_000))
        while twin.end < 10_000 {
            let bytes = fresh(&random, min(700, 10_000 - twin.end))
            try bytes.withView { try disk.append(file, at: twin.end, parts: [$0], zeros: .empty, space: 10_000) }
            twin.bytes.replaceSubrange(twin.end..<twin.end + bytes.count, with: bytes)
            twin.end += bytes.count
            try check(disk, twin, 0..<10_000, "an append")
        }
        #expect(try disk.size(file) == 10_000, "and not made longer")
        disk.close(file)
    }

    /// On a file system that can, what was appended is not in the page cache: it is on its way to the device when `append` returns.
    @Test func appendsGoPastThePageCache() throws {
        let scratch = try Scratch()
        var random = Seeded(2)
        let disk = try RealDisk(root: scratch.path)
        var twin = try begin(disk, "a")
        for _ in 0..<50 { try append(disk, &twin, parts: [fresh(&random, 1_000), fresh(&random, 30_000)], zeros: 0) }
        var status = statfs()
        #expect(unsafe statfs(scratch.path, &status) == 0)
        // ext2 to 4 and XFS; elsewhere there is nothing to say.
        if [0xEF53, 0x5846_5342].contains(Int(status.f_type)) { #expect(try held(scratch.path + "/a", 0..<twin.end) == 0) }
        try check(disk, twin, 0..<Self.space, "all of it")
        disk.close(twin.file)
    }

    /// A device that fails in the midst of a write may have spoilt the block that it wrote again, of which the first part was on the disk before.
    @Test func aFailedAppendPutsBackWhatItMayHaveSpoilt() throws {
        let scratch = try Scratch()
        var random = Seeded(3)
        let disk = try RealDisk(root: scratch.path)
        var twin = try begin(disk, "a")
        try append(disk, &twin, parts: [fresh(&random, 5_000)], zeros: 0)
        let path = scratch.path + "/a"
        guard let direct = directDescriptor(path) else { return print("a file system without such writes: nothing is spoilt") }
        let other = unsafe open(path, O_RDWR | O_CLOEXEC)
        let garbage = [UInt8](repeating: 0xEE, count: 4096)
        #expect(unsafe pwrite(other, garbage, 4096, 4096) == 4096 && fsync(other) == 0)
        close(other)
        // Where nobody may write.
        let closed = unsafe open("/dev/null", O_RDONLY | O_CLOEXEC)
        #expect(dup2(closed, direct) == direct)
        close(closed)
        let before = twin
        #expect(throws: StorageError.self) { try append(disk, &twin, parts: [fresh(&random, 3_000)], zeros: 0) }
        try check(disk, before, 0..<Self.space, "an append that failed")
        disk.close(twin.file)
    }

    /// A file system that takes such writes when they are opened and not when they are made: what it has refused goes through the page cache.
    @Test func whatIsRefusedGoesThroughThePageCache() throws {
        let scratch = try Scratch()
        var random = Seeded(4)
        let disk = try RealDisk(root: scratch.path)
        var twin = try begin(disk, "a")
        try append(disk, &twin, parts: [fresh(&random, 5_000)], zeros: 0)
        guard let direct = directDescriptor(scratch.path + "/a") else { return print("a file system without such writes") }
        // It takes a number and answers all else by EINVAL.
        let refusing = unsafe open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC)
        #expect(refusing >= 0 && dup2(refusing, direct) == direct)
        close(refusing)
        for _ in 0..<3 { try append(disk, &twin, parts: [fresh(&random, 3_000)], zeros: 2_000) }
        try check(disk, twin, 0..<Self.space, "appends that were refused")
        #expect(directDescriptor(scratch.path + "/a") == nil, "it is not asked again")
        disk.close(twin.file)
    }

    /// A signed log reads what it has synced at once, to sign it.
    @Test(arguments: [false, true]) func aLogThatIsReadBackStaysInThePageCache(_ isReadBack: Bool) throws {
        let scratch = try Scratch()
        let disk = try RealDisk(root: scratch.path)
        var options = small(1 << 20)
        options.isReadBack = isReadBack
        let log = try Log.open(disk, group: GroupID(3), options: options).log
        var samples = Samples(seed: 5)
        while log.bytes < 200_000 { try log.append(samples.next(payload: 2_000)) }
        try log.sync()
        let file = try #require(try disk.list("group-3").first { $0.hasSuffix(".log") })
        let cached = try held(scratch.path + "/group-3/" + file, 0..<196_608)
        var status = statfs()
        #expect(unsafe statfs(scratch.path, &status) == 0)
        if isReadBack { #expect(cached == 196_608) } else if [0xEF53, 0x5846_5342].contains(Int(status.f_type)) { #expect(cached < 16_384, "\(cached)") }
    }

    private func directDescriptor(_ path: String) -> Int32? {
        (0..<4096).first { descriptor in
            var name = [UInt8](repeating: 0, count: 1024)
            let count = unsafe readlink("/proc/self/fd/\(descriptor)", &name, name.count)
            guard count > 0, String(decoding: name.prefix(count), as: UTF8.self) == path else { return false }
            return fcntl(descriptor, F_GETFL) & squall_direct() != 0
        }
    }
}
