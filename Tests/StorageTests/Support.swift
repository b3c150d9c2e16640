import Foundation
import Glibc
import Storage
import Testing
import Wire

/// SplitMix64: a seed in, the same numbers out.
struct Seeded: RandomNumberGenerator {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 1 }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
    mutating func below(_ n: Int) -> Int { Int.random(in: 0..<n, using: &self) }
    mutating func chance(_ percent: Int) -> Bool { below(100) < percent }
}

/// What a test hands to the log as one entry.
struct Sample: Equatable {
    var key: OrderKey
    var view: ViewNumber
    var batches: [UInt8]
    var count: Int
    var records: Int
    var chain: UInt64
}

/// Makes entries whose keys rise and whose bytes tell them apart.
struct Samples {
    private var random: Seeded
    private var clock: UInt64
    private var serial: UInt64 = 0
    init(seed: UInt64, clock: UInt64 = 1000) {
        random = Seeded(seed)
        self.clock = clock
    }

    mutating func next(payload limit: Int = 200) -> Sample {
        var batches: [UInt8] = []
        var records = 0
        let number = random.chance(5) ? 0 : 1 + random.below(2)
        for _ in 0..<number {
            serial += 1
            var builder = BatchBuilder()
            let count = 1 + random.below(3)
            for _ in 0..<count {
                let seed = UInt8(truncatingIfNeeded: random.next())
                var payload = [UInt8](repeating: seed, count: random.below(limit))
                for i in stride(from: 0, to: payload.count, by: 16) { payload[i] = UInt8(truncatingIfNeeded: i) }
                payload.withView { builder.append(topic: TopicID(0), time: Int64(serial), payload: $0) }
            }
            let isRecords = random.chance(90)
            if isRecords { records += count }
            batches += builder.finish(
                publisher: PublisherID(random.next()), epoch: 1, sequence: serial, group: GroupID(3),
                kind: isRecords ? .records : .declare)
        }
        // Now and then the same timestamp from a higher sender.
        let sender = NodeID(UInt16(1 + serial % 5))
        clock += UInt64(1 + random.below(20))
        return Sample(
            key: OrderKey(Timestamp(clock), sender), view: ViewNumber(1 + serial / 40), batches: batches, count: number,
            records: records, chain: random.next())
    }
}

/// A directory of its own under the temporary directory, removed at the end.
final class Scratch {
    let path: String
    init() throws {
        let url = FileManager.default.temporaryDirectory.appending(path: "squall-storage-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        path = url.path
    }
    deinit {
        // A left-over temporary directory is no failure of what was tested.
        do { try FileManager.default.removeItem(atPath: path) } catch { print("cannot remove \(path): \(error)") }
    }
    func read(_ name: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(fileURLWithPath: path + "/" + name))) }
    func write(_ name: String, _ bytes: [UInt8]) throws { try Data(bytes).write(to: URL(fileURLWithPath: path + "/" + name)) }
    /// Permission bits.
    func mode(_ name: String) throws -> Int {
        let attributes = try FileManager.default.attributesOfItem(atPath: path + "/" + name)
        return (attributes[.posixPermissions] as? NSNumber)?.intValue ?? 0
    }
    func list(_ name: String) throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: path + "/" + name).sorted() }
}

/// Reads entries by the byte offsets of their drawing in LogEntry.swift and a checksum of its own: shares no code with the log.
enum Reference {
    struct Entry {
        let number: UInt64
        let base: UInt64
        let timestamp: UInt64
        let sender: UInt16
        let view: UInt64
        let group: UInt16
        let records: UInt32
        let synced: UInt64
        let chain: UInt64
        let batches: [UInt8]
        let length: Int
    }

    private static let table: [UInt32] = (0..<256).map { n in
        (0..<8).reduce(UInt32(n)) { c, _ in c & 1 == 1 ? (c >> 1) ^ 0x82F6_3B78 : c >> 1 }
    }
    static func crc(_ bytes: ArraySlice<UInt8>, _ seed: UInt32 = 0) -> UInt32 {
        let table = table
        var c = ~seed
        for byte in bytes { c = table[Int((c ^ UInt32(byte)) & 255)] ^ (c >> 8) }
        return ~c
    }
    static func integer(_ bytes: [UInt8], _ at: Int, _ width: Int) -> UInt64 {
        (0..<width).reversed().reduce(0) { $0 << 8 | UInt64(bytes[at + $1]) }
    }

    /// The entry at `at`, or nil if anything about it is wrong.
    static func entry(_ b: [UInt8], _ at: Int) -> Entry? {
        guard at + 72 <= b.count, Array(b[at..<at + 4]) == Array("SLE1".utf8) else { return nil }
        let length = Int(integer(b, at + 4, 4))
        guard length >= 72, length % 8 == 0, at + length <= b.count else { return nil }
        var crc = crc(b[(at + 12)..<(at + 72)])
        var batch = at + 72
        while batch < at + length {
            let size = Int(integer(b, batch, 4))
            guard size >= 40, batch + size <= at + length else { return nil }
            guard Self.crc(b[(batch + 8)..<(batch + size)]) == UInt32(integer(b, batch + 4, 4)) else { return nil }
            crc = Self.crc(b[batch..<batch + 8], crc)
            batch += size
        }
        guard crc == UInt32(integer(b, at + 8, 4)) else { return nil }
        return Entry(
            number: integer(b, at + 16, 8), base: integer(b, at + 24, 8), timestamp: integer(b, at + 32, 8),
            sender: UInt16(integer(b, at + 48, 2)), view: integer(b, at + 40, 8), group: UInt16(integer(b, at + 50, 2)),
            records: UInt32(integer(b, at + 52, 4)), synced: integer(b, at + 56, 8), chain: integer(b, at + 64, 8),
            batches: Array(b[(at + 72)..<(at + length)]),
            length: length)
    }
}

/// The whole log as the log reads it out, judged entry by entry; nil and a reason where it is not `expected`.
func difference<D: Disk>(
    _ log: Log<D>, _ expected: [Sample], from first: Int, chunk: Int = 700
) throws(StorageError) -> String? {
    guard Int(log.first.raw) == first else { return "begins with \(log.first.raw), not \(first)" }
    var number = first
    var base = expected[..<first].reduce(UInt64(0)) { $0 + UInt64($1.records) }
    var bytes: [UInt8] = []
    var isLate = false
    while true {
        bytes.removeAll(keepingCapacity: true)
        let (count, next) = try log.read(from: EntryNumber(UInt64(number)), maximumBytes: chunk, into: &bytes)
        if count == 0 { break }
        var at = 0
        for _ in 0..<count {
            guard number < expected.count else { return "entry \(number) is more than there can be" }
            guard let entry = Reference.entry(bytes, at) else { return "entry \(number) does not read back" }
            let sample = expected[number]
            guard entry.number == UInt64(number), entry.base == base, entry.group == 3 else {
                return "entry \(number) is in another's place"
            }
            guard entry.batches == sample.batches, entry.timestamp == sample.key.timestamp.raw, entry.view == sample.view.raw,
                entry.sender == sample.key.sender.raw, Int(entry.records) == sample.records, entry.chain == sample.chain
            else { return "entry \(number) is not what was appended" }
            isLate = isLate || entry.synced > entry.number
            base += UInt64(sample.records)
            at += entry.length
            number += 1
        }
        guard at == bytes.count, Int(next.raw) == number else { return "count and bytes differ at \(number)" }
    }
    guard number == Int(log.end.number.raw) else { return "reads up to \(number), the end is \(log.end.number.raw)" }
    guard base == log.endOffset.raw else { return "end offset \(log.endOffset.raw), not \(base)" }
    let last = number > 0 ? expected[number - 1].key : .zero
    guard number == first || (log.lastKey == last && log.end.chain == expected[number - 1].chain) else { return "last key differs" }
    return isLate ? "an entry claims that it was synced before it was written" : nil
}

extension Log {
    func stage(_ sample: Sample, _ view: ByteView) throws(StorageError) { try stage(header(sample), view) }
    /// The header that a caller gives the next entry.
    func header(_ sample: Sample) -> EntryHeader {
        EntryHeader(
            length: EntryHeader.size + sample.batches.count, batches: sample.count, number: next, baseOffset: nextOffset,
            timestamp: sample.key.timestamp, view: sample.view, sender: sample.key.sender, group: group, records: sample.records,
            chain: sample.chain)
    }
    func append(_ sample: Sample) throws(StorageError) {
        try sample.batches.withView { view throws(StorageError) in
            try stage(sample, view)
            try write()
        }
    }
    /// A segment's draft with the entries that the segment has.
    func copied(_ span: LogSpan) throws(StorageError) -> SegmentDraft<D>? {
        guard let draft = try beginDraft(of: span) else { return nil }
        var bytes: [UInt8] = []
        do throws(StorageError) {
            _ = try read(from: span.first, below: span.end, maximumBytes: 1 << 20, into: &bytes)
            try append(bytes, to: draft)
        } catch {
            try discard(draft)
            throw error
        }
        return draft
    }
    func append(all samples: some Sequence<Sample>) throws(StorageError) {
        for sample in samples { try append(sample) }
    }
}

func small(_ segment: Int = 4096, zeroAhead: Int = 512) -> LogOptions {
    var options = LogOptions()
    options.segmentBytes = segment
    options.indexBytes = 256
    options.zeroAhead = zeroAhead
    options.indexes = 2
    return options
}

/// How many bytes of a stretch of the file the system holds in memory, in pages. mincore(2)
func held(_ path: String, _ range: Range<Int>) throws -> Int {
    let descriptor = unsafe Glibc.open(path, O_RDONLY)
    try #require(descriptor >= 0)
    defer { Glibc.close(descriptor) }
    let page = Int(getpagesize())
    let map = unsafe mmap(nil, range.count, PROT_READ, MAP_SHARED, descriptor, off_t(range.lowerBound))
    // Nothing of it is touched: that would read it.
    let memory = try unsafe #require(map != MAP_FAILED ? map : nil)
    defer { _ = unsafe munmap(memory, range.count) }
    var pages = [UInt8](repeating: 0, count: (range.count + page - 1) / page)
    // Bounds: one byte for each page of the mapping.
    try #require(unsafe mincore(memory, range.count, &pages) == 0)
    return pages.count { $0 & 1 == 1 } * page
}
