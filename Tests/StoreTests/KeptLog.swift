import Broker
import Journal
import Replication
import Storage
import Store
import Testing
import Topics
import Wire

/// A journal on a disk in memory, written as a node would, under rules; and beside it plain lists of all that was written, by which the
/// tests say what has to be there.
struct KeptLog {
    struct Written: Equatable {
        let offset: UInt64
        let topic: Int
        let key: Int
        let time: UInt64
        let isRemove: Bool
        let length: Int
        /// Of its batch and its entry, shared by `peers` records.
        let entry: Int
    }
    let disk = MemoryDisk()
    let topics: TopicsConfiguration
    let rules: [Keeping]
    let removesStay: UInt64
    let segmentBytes: Int
    var journal: Journal<MemoryDisk>
    var state = GroupState(group: .durable)
    var all: [Written] = []
    /// Entries whose bytes besides records count, by number of the entry: what was declared and opened.
    private(set) var overhead: [Int: Int] = [:]
    /// Where the newest segment begins: the closed part's end, and the log's time there.
    private(set) var closed: (offset: UInt64, time: UInt64) = (0, 0)
    private var used = 0
    private var sequences: [UInt64: UInt64] = [:]
    var chains: [UInt64] = []
    /// So many segments begin with what is said of the heads, without a checkpoint, between two that have one.
    var bare = 0
    private var rolls = 0

    /// - replicas: by rule, 0: all.
    init(_ rules: [Keeping], segmentBytes: Int, removesStay: UInt64 = .max, replicas: [Int] = []) throws {
        self.rules = rules
        self.segmentBytes = segmentBytes
        self.removesStay = removesStay
        topics = TopicsConfiguration(
            rules: try rules.indices.map {
                TopicRule(pattern: try TopicPattern("t/\($0)"), level: .durable, keeping: rules[$0], replicas: $0 < replicas.count ? replicas[$0] : 0)
            },
            defaultLevel: .durable, admit: .all)
        journal = try Self.open(disk, topics, segmentBytes, removesStay)
        var builder = BatchBuilder()
        var body: [UInt8] = []
        for topic in rules.indices {
            Array("t/\(topic)".utf8).withView { builder.append(topic: TopicID(0), time: 0, payload: $0) }
            body += builder.finish(publisher: PublisherID(0), epoch: 0, sequence: 0, group: .durable, kind: .declare)
        }
        try append(body, time: 1)
    }

    static func open(_ disk: MemoryDisk, _ topics: TopicsConfiguration, _ segmentBytes: Int, _ removesStay: UInt64) throws(StorageError) -> Journal<MemoryDisk> {
        var options = LogOptions()
        options.segmentBytes = segmentBytes
        options.zeroAhead = 0
        options.indexBytes = 512
        return try Journal.open(disk, members: [NodeID(1)], options: options, topics: topics, removesStay: removesStay).journal
    }
    /// Begins again from what is on the disk.
    mutating func reopen() throws { journal = try Self.open(disk, topics, segmentBytes, removesStay) }

    @discardableResult
    mutating func work(_ jobs: [DiskJob]) throws(StorageError) -> [DiskResult] {
        var results: [DiskResult] = []
        try journal.work(jobs, into: &results)
        return results
    }

    mutating func append(_ body: [UInt8], time: UInt64) throws {
        let admission = body.withView { state.admit($0, key: OrderKey(Timestamp(time), NodeID(1)), view: ViewNumber(1)) }
        let header = try #require(admission.header)
        chains.append(header.chain)
        let owner = OwnedBytes(body)
        try work([.append(.durable, [PendingEntry(header: header, body: owner.view, owner: owner)])])
        used += header.length
        guard used >= segmentBytes else { return }
        used = 0
        let isSaved = rolls.isMultiple(of: bare + 1)
        rolls += 1
        try work([.roll(.durable, isSaved ? .saved(state.encode()) : .told(state.heads, isSure: !state.hasHoles))])
        closed = (state.end.offset.raw, time)
    }

    mutating func open(_ publisher: UInt64, time: UInt64) throws {
        var builder = BatchBuilder()
        overhead[Int(state.end.number.raw)] = 0
        try append(builder.finish(publisher: PublisherID(publisher), epoch: 0, sequence: 0, group: .durable, kind: .open), time: time)
    }

    /// One entry with a batch of records of one publisher, which has opened: (topic, key, is a remove, bytes of payload).
    mutating func write(_ records: [(topic: Int, key: Int, isRemove: Bool, size: Int)], by publisher: UInt64, time: UInt64) throws {
        var builder = BatchBuilder()
        let base = state.end.offset.raw
        let line = try #require(state.publishers.line(of: PublisherID(publisher)))
        for (index, record) in records.enumerated() {
            let payload = [UInt8](repeating: UInt8(truncatingIfNeeded: record.key), count: record.size)
            payload.withView { payload in
                Array("key \(record.key)".utf8).withView { key in
                    builder.append(
                        topic: TopicID(UInt32(record.topic)), flags: record.isRemove ? RecordHeader.tombstone : 0, time: 0, key: key, payload: payload)
                }
            }
            let length = RecordHeader.length(key: "key \(record.key)".utf8.count, headers: 0, payload: record.size)
            all.append(
                Written(
                    offset: base + UInt64(index), topic: record.topic, key: record.key, time: time, isRemove: record.isRemove, length: length,
                    entry: Int(state.end.number.raw)))
        }
        let batch = builder.finish(publisher: PublisherID(publisher), epoch: line.epoch, sequence: line.last + 1, group: .durable)
        try append(batch, time: time)
    }

    /// Cleans until nothing more is to be done; the last report.
    @discardableResult
    mutating func clean(slice: Int = 3000, drop: Droppable = Droppable(view: ViewNumber(1), lines: [])) throws(StorageError) -> CleanReport {
        for _ in 0..<1_000_000 {
            for case .cleaned(let report, let isDone, _) in try work([.clean(.durable, below: state.end.number, bytes: slice, drop: drop)]) where isDone { return report }
        }
        preconditionFailure("cleaning never ends")
    }

    // MARK: what has to be there, by the words of the rules

    /// Offsets that may be gone.
    var mayGo: Set<UInt64> {
        var gone: Set<UInt64> = []
        for (topic, rule) in rules.enumerated() {
            let mine = all.filter { $0.topic == topic && $0.offset < closed.offset }
            for (index, record) in mine.enumerated() {
                let later = mine[(index + 1)...]
                var goes = false
                if let next = later.first, let span = rule.time, closed.time >= span, next.time <= closed.time - span { goes = true }
                if let count = rule.records, later.count >= count { goes = true }
                if let bytes = rule.bytes, later.reduce(record.length, { $0 + $1.length }) > bytes { goes = true }
                if rule.compact, later.contains(where: { $0.key == record.key || $0.isRemove }) { goes = true }
                if later.isEmpty { goes = rule.compact && record.isRemove && removesStay <= closed.time && record.time <= closed.time - removesStay }
                if goes { gone.insert(record.offset) }
            }
        }
        return gone
    }

    /// What the log takes on the disk, files that wait to be used again among them.
    var bytesOnDisk: Int { journal.durable.bytes + journal.durable.spareBytes }

    /// Bytes of what stays: records, and once for each entry that has any its header and its batch's.
    var mostBytes: Int {
        let gone = mayGo
        var bytes = 0
        var entries: Set<Int> = []
        for record in all where record.offset < closed.offset && !gone.contains(record.offset) {
            bytes += record.length
            if entries.insert(record.entry).inserted { bytes += 112 }
        }
        // The declarations, in the first entry, and what the exactly-once table needs.
        return bytes + 72 + rules.count * 72 + state.publishers.count * 48
    }
}

/// Reads a log by the byte offsets of the drawings in `LogEntry.swift`, `Batch.swift` and `Cleaned.swift`; shares no code with them.
struct PlainReader {
    struct Entry {
        let number: UInt64
        let span: UInt64
        let base: UInt64
        let records: UInt64
        let time: UInt64
        let chain: UInt64
    }
    private(set) var entries: [Entry] = []
    /// Records that are there: offset and topic.
    private(set) var present: [UInt64: UInt32] = [:]
    private(set) var fault: String?

    private static func integer(_ bytes: [UInt8], _ at: Int, _ width: Int) -> UInt64 {
        (0..<width).reversed().reduce(0) { $0 << 8 | UInt64(bytes[at + $1]) }
    }

    init(_ bytes: [UInt8]) {
        func int(_ at: Int, _ width: Int) -> UInt64 { Self.integer(bytes, at, width) }
        var at = 0
        while at + 72 <= bytes.count {
            let isCleaned = Array(bytes[at..<at + 4]) == Array("SLC1".utf8)
            guard isCleaned || Array(bytes[at..<at + 4]) == Array("SLE1".utf8) else {
                fault = "no entry at \(at)"
                return
            }
            let length = Int(int(at + 4, 4))
            let batches = isCleaned ? int(at + 12, 2) : int(at + 12, 4)
            let entry = Entry(
                number: int(at + 16, 8), span: isCleaned ? int(at + 14, 2) + 1 : 1, base: int(at + 24, 8), records: int(at + 52, 4),
                time: int(at + 32, 8), chain: int(at + 64, 8))
            if let last = entries.last, entry.number != last.number + last.span || entry.base != last.base + last.records {
                fault = "entry \(entry.number) at offset \(entry.base) follows \(last)"
                return
            }
            entries.append(entry)
            var offset = entry.base
            var batch = at + 72
            for _ in 0..<batches {
                let size = Int(int(batch, 4))
                let kind = bytes[batch + 34]
                if kind == 0 || kind == 4 {
                    take(bytes, batch + 40, batch + size, offset, isSparse: kind == 4)
                    offset += int(batch + 28, 4)
                }
                batch += size
            }
            guard batch == at + length else {
                fault = "entry \(entry.number) has other batches than its length says"
                return
            }
            at += length
        }
    }
    private mutating func take(_ bytes: [UInt8], _ from: Int, _ end: Int, _ base: UInt64, isSparse: Bool) {
        var at = from
        var delta: UInt64 = 0
        var left: UInt64 = isSparse ? 0 : .max
        while at < end {
            if left == 0 {
                (delta, left) = (Self.integer(bytes, at, 4), Self.integer(bytes, at + 4, 4))
                at += 8
            }
            present[base + delta] = UInt32(Self.integer(bytes, at, 4))
            let plain = 24 + Self.integer(bytes, at + 16, 2) + Self.integer(bytes, at + 18, 2) + Self.integer(bytes, at + 20, 4)
            at += Int((plain + 7) / 8 * 8)
            delta += 1
            left -= 1
        }
    }
}
