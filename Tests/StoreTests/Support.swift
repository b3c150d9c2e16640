import Broker
import Journal
import Storage
import Store
import Testing
import Wire

/// A log in memory, written as a node would: entries of one batch each, a checkpoint with the heads at each segment's beginning.
final class History {
    struct Version: Equatable {
        let offset: UInt64
        let time: UInt64
        let isRemoved: Bool
        let payload: UInt64
    }
    let disk = MemoryDisk()
    let log: Log<MemoryDisk>
    var state = GroupState(group: .durable)
    /// What the tests compare with: each topic's versions as they were written, kept apart from the code that is tested.
    private(set) var written: [[Version]]
    private(set) var times: [UInt64] = []
    private var sequence: UInt64 = 0
    private let segmentBytes: Int
    private var used = 0

    init(topics: Int, segmentBytes: Int) throws {
        var options = LogOptions()
        options.segmentBytes = segmentBytes
        options.zeroAhead = 0
        (log, _) = try Log<MemoryDisk>.open(disk, group: .durable, options: options)
        self.segmentBytes = segmentBytes
        written = Array(repeating: [], count: topics)
        var builder = BatchBuilder()
        var body: [UInt8] = []
        for topic in 0..<topics {
            Array("t/\(topic)".utf8).withView { builder.append(topic: TopicID(0), time: 0, payload: $0) }
            body += builder.finish(publisher: PublisherID(0), epoch: 0, sequence: 0, group: .durable, kind: .declare)
        }
        body += builder.finish(publisher: PublisherID(7), epoch: 0, sequence: 0, group: .durable, kind: .open)
        try append(body, time: 1)
    }

    private func append(_ body: [UInt8], time: UInt64) throws {
        let header = try #require(body.withView { state.admit($0, key: OrderKey(Timestamp(time), NodeID(1)), view: ViewNumber(1)) }.header)
        _ = try body.withView { view throws(StorageError) in
            try log.stage(header, view)
            try log.write()
        }
        used += header.length
        guard used >= segmentBytes else { return }
        used = 0
        try log.roll(checkpoint: state.encode())
    }

    /// Writes one entry of records: (topic, is a remove).
    func write(_ records: [(topic: Int, isRemoved: Bool)], time: UInt64) throws {
        var builder = BatchBuilder()
        let base = state.end.offset.raw
        let first = sequence + 1
        for (index, record) in records.enumerated() {
            sequence += 1
            var payload: [UInt8] = []
            payload.append(int: sequence)
            let flags = record.isRemoved ? RecordHeader.tombstone : 0
            payload.withView { builder.append(topic: TopicID(UInt32(record.topic)), flags: flags, time: 0, payload: $0) }
            let offset = base + UInt64(index)
            written[record.topic].append(Version(offset: offset, time: time, isRemoved: record.isRemoved, payload: sequence))
        }
        times.append(time)
        try append(builder.finish(publisher: PublisherID(7), epoch: 1, sequence: first, group: .durable), time: time)
    }

    /// The last version of `topic` at or before `time`, by walking what was written from its end.
    func expected(_ topic: Int, at time: UInt64) -> Version? {
        var low = 0
        var high = written[topic].count
        while low < high {
            let middle = (low + high) / 2
            if written[topic][middle].time <= time { low = middle + 1 } else { high = middle }
        }
        guard low > 0, !written[topic][low - 1].isRemoved else { return nil }
        return written[topic][low - 1]
    }

    /// What the index says, page by page, as the node would ask.
    func found(_ topics: [Int], at time: UInt64, _ index: inout ValueIndex) throws -> [Int: Version] {
        var found: [Int: Version] = [:]
        var rest = topics.map { TopicID(UInt32($0)) }
        while !rest.isEmpty {
            let query = ValueQuery(id: 0, group: .durable, cut: .time(Timestamp(time)), below: log.end, topics: rest)
            let page = try index.values(query, log)
            var at = 0
            for topic in page.topics {
                let version = VersionHeader(page.rows.view.from(at))
                let record = RecordView(page.rows.view.from(at + VersionHeader.size))
                precondition(record.header.topic == topic, "a row of another topic")
                found[topic.index] = Version(
                    offset: version.offset.raw, time: version.timestamp.raw, isRemoved: false, payload: record.payload.u64(0))
                at += VersionHeader.size + record.header.length
            }
            rest.removeFirst(page.taken)
        }
        return found
    }
}

/// SplitMix64 (Steele et al., 2014), seeded: equal runs.
struct Dice {
    var state: UInt64
    init(_ seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        return mix(state)
    }
    mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(limit)) }
}
