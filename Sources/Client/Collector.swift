internal import Wire

/// The last records of what is there: so many of all, or the last of each topic and key; kept until the end is reached, then
/// handed over in order.
struct Collector {
    enum Kind {
        case tail(Int)
        case last
    }
    struct Kept {
        let topic: String
        let bytes: OwnedBytes
        let offset: UInt64
        let ordered: UInt64
        let node: UInt16
        let group: UInt16

        func show(_ body: (borrowing ReceivedRecord) -> Bool) -> Bool {
            body(
                ReceivedRecord(
                    topic: topic, view: RecordView(bytes.view), offset: offset, ordered: ordered, node: node, group: group))
        }
    }
    private struct Place: Hashable {
        let topic: String
        let key: [UInt8]
    }

    private struct Tail {
        var kept: [Kept] = []
        var oldest = 0
    }

    private let kind: Kind
    /// Per group, a ring of the last ones; groups come side by side, so what is last in all is known at the end.
    private var tails = [Tail](repeating: Tail(), count: GroupID.count)
    private var last: [Place: Kept] = [:]
    private var sorted: [Kept]?
    private var given = 0

    init(_ kind: Kind) { self.kind = kind }

    var isEmpty: Bool { given >= (sorted?.count ?? .max) }

    mutating func keep(_ record: borrowing ReceivedRecord) {
        let header = record.view.header
        var builder = BatchBuilder(capacity: header.length + BatchHeader.size)
        builder.append(
            topic: header.topic, flags: header.flags, time: header.time, key: record.view.key, headers: record.view.headers,
            payload: record.view.payload)
        let whole = builder.finish(publisher: PublisherID(0), epoch: 0, sequence: 0, group: GroupID(record.group))
        let bytes = whole.withView { OwnedBytes($0, parts: [BatchHeader.size..<$0.count]) }
        let kept = Kept(
            topic: record.topic, bytes: bytes, offset: record.offset, ordered: record.ordered, node: record.node, group: record.group)
        switch kind {
        case .tail(let limit):
            let group = Int(record.group)
            guard limit > 0, group < tails.count else { return }
            if tails[group].kept.count < limit {
                tails[group].kept.append(kept)
            } else {
                tails[group].kept[tails[group].oldest] = kept
                tails[group].oldest = (tails[group].oldest + 1) % limit
            }
        // The topic has no value any more.
        case .last where header.flags & RecordHeader.tombstone != 0: last[Place(topic: record.topic, key: record.view.key.array)] = nil
        case .last: last[Place(topic: record.topic, key: record.view.key.array)] = kept
        }
    }

    /// The next one, in the order of the log.
    mutating func next() -> Kept? {
        if sorted == nil {
            let all = (tails.flatMap(\.kept) + last.values).sorted {
                ($0.ordered, $0.group, $0.offset) < ($1.ordered, $1.group, $1.offset)
            }
            if case .tail(let limit) = kind { sorted = all.suffix(limit) } else { sorted = all }
        }
        guard let list = sorted, given < list.count else { return nil }
        given += 1
        return list[given - 1]
    }
}
