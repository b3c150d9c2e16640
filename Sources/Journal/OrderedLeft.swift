package import Storage
package import Store
package import Wire

/// Last values of the ordered group whose segment is no longer kept: what makes a value in memory outlive the log's 16 MiB.
///
/// A segment that goes is looked through, and what is still some topic's last value stays here. Bounded: the oldest go first.
package struct OrderedLeft: Sendable {
    private struct Left: Sendable {
        let head: HeadTable.Head
        let row: [UInt8]
    }
    private var left: [UInt32: Left] = [:]
    private var bytes = 0
    /// Bytes of rows that are kept.
    private static let limit = 16 << 20

    package init() {}

    package func head(of topic: TopicID, before cut: Offset) -> HeadTable.Head? {
        left[topic.raw].flatMap { $0.head.offset < cut ? $0.head : nil }
    }
    package func row(of topic: TopicID) -> [UInt8]? { left[topic.raw]?.row }

    /// `log` is about to drop entries below `number`; `heads`: the last versions now.
    package mutating func save<D: Disk>(from log: Log<D>, below number: EntryNumber, heads: HeadTable) throws(StorageError) {
        for (topic, old) in left where heads.head(of: TopicID(topic)) != old.head { remove(topic) }
        // Of busy topics the last version lies further on: then nothing is to be read.
        guard heads.isAny(in: log.firstOffset..<max(log.firstOffset, log.firstOffset(ofSegmentOf: number))) else { return }
        var next = log.first
        var entries: [UInt8] = []
        while next < number {
            entries.removeAll(keepingCapacity: true)
            let read = try log.read(from: next, below: number, maximumBytes: 1 << 20, into: &entries)
            guard read.count > 0 else { break }
            next = read.next
            var at = 0
            while at < entries.count, let entry = entries.withView({ try? EntryHeader($0.from(at)) }) {
                entries.withView { look(entry, $0[at + EntryHeader.size..<at + entry.length], heads) }
                at += entry.length
            }
        }
        guard bytes > Self.limit else { return }
        for topic in left.sorted(by: { $0.value.head.offset < $1.value.head.offset }).map(\.key) where bytes > Self.limit { remove(topic) }
    }
    private mutating func look(_ entry: EntryHeader, _ body: ByteView, _ heads: HeadTable) {
        var offset = entry.baseOffset.raw
        var batches = BatchCursor(body)
        while let (batch, whole) = (try? batches.next(verify: false)) ?? nil {
            guard batch.kind == .records else { continue }
            var records = RecordCursor(whole.from(BatchHeader.size))
            var at = 0
            while let record = records.next() {
                if let head = heads.head(of: record.header.topic), head.offset.raw == offset {
                    let version = VersionHeader(offset: head.offset, timestamp: entry.timestamp, sender: entry.sender)
                    keep(record.header.topic, head, ValueRow.make(version, records.body.from(at)))
                }
                at = records.position
                offset += 1
            }
        }
    }
    private mutating func keep(_ topic: TopicID, _ head: HeadTable.Head, _ row: [UInt8]) {
        remove(topic.raw)
        left[topic.raw] = Left(head: head, row: row)
        bytes += row.count
    }
    private mutating func remove(_ topic: UInt32) {
        if let old = left.removeValue(forKey: topic) { bytes -= old.row.count }
    }
}
