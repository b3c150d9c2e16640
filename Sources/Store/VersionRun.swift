package import Wire

/// The versions of all topics in one stretch of a group's log, a segment: which records each topic has there.
///
///      word = topic (32 bits) | offset − base (31) | is a remove (1)          one a version, 8 bytes
///
///      blocks   | sorted words | sorted words | …      each of `blockSize` versions that follow one another in the log
///      loose    | words as they came |                 fewer than a block
///      gone     topic ─▶ words                         removes that cleaning took, of which the log says so: no records, but what was before them is over
///
/// Offsets of a block lie above those of the blocks before it, so a look-up goes from the newest block back and ends at the first
/// that has the topic. Cost: a binary search a block, at most `loose` once; nothing is taken from memory.
package struct VersionRun: Sendable {
    package let base: Offset
    /// Records before this offset are in.
    package private(set) var end: Offset
    private var blocks: [Block] = []
    private var loose: [UInt64] = []
    /// Where the first of the loose ones lies.
    private var looseFirst: UInt64 = 0
    private var gone: [TopicID: [UInt64]] = [:]

    private struct Block: Sendable {
        let first: UInt64
        let words: [UInt64]
    }
    static let blockSize = 16 << 10
    /// An offset within a run is 31 bits wide; a segment has far fewer records.
    package static let longest = 1 << 31

    package init(base: Offset) {
        self.base = base
        end = base
    }

    package var footprint: Int { blocks.reduce(loose.capacity * 8 + gone.count * 64 + 64) { $0 + $1.words.count * 8 + 48 } }
    package var count: Int { blocks.reduce(loose.count) { $0 + $1.words.count } }

    /// Takes in the next entry of the log; false where it does not follow, or is too far from the run's beginning. Records that cleaning has
    /// taken have their place and are not in.
    package mutating func append(_ entry: EntryHeader, _ body: ByteView) -> Bool {
        guard entry.baseOffset == end, entry.endOffset.raw - base.raw < UInt64(Self.longest) else { return false }
        var batches = BatchCursor(body)
        while let (batch, whole) = (try? batches.next(verify: false)) ?? nil {
            if batch.kind == .records { append(records: whole.from(BatchHeader.size), count: batch.count) }
            if batch.kind == .sparse { append(sparse: batch, whole) }
            if batch.kind == .state { append(state: KeptState(whole.from(BatchHeader.size)), of: entry) }
        }
        if entry.isCleaned, end < entry.endOffset { end = entry.endOffset }
        return end == entry.endOffset
    }
    private mutating func append(sparse batch: BatchHeader, _ whole: ByteView) {
        let first = end.raw
        walkRecords(batch, whole) { delta, record in
            end = Offset(first + UInt64(delta))
            append(record.topic, isRemoved: record.flags & RecordHeader.tombstone != 0)
        }
        end = Offset(first + UInt64(batch.count))
    }
    private mutating func append(state: KeptState, of entry: EntryHeader) {
        state.forEachHead { head in
            guard head.isRemoved, head.offset >= entry.baseOffset, head.offset < entry.endOffset else { return }
            gone[head.topic, default: []].append(word(head.topic, head.offset) | 1)
        }
    }
    /// A record that is not whole, which no node takes in, has its place and no topic: offsets are those of the log.
    private mutating func append(records: ByteView, count: Int) {
        var at = 0
        for _ in 0..<count {
            let rest = records.from(at)
            guard RecordHeader.isThere(rest) else {
                append(TopicID(.max), isRemoved: true)
                continue
            }
            let header = RecordHeader(rest)
            append(header.topic, isRemoved: header.flags & RecordHeader.tombstone != 0)
            at = min(at + header.length, records.count)
        }
    }
    package mutating func append(_ topic: TopicID, isRemoved: Bool) {
        if loose.isEmpty { looseFirst = end.raw }
        loose.append(word(topic, end) | (isRemoved ? 1 : 0))
        end = Offset(end.raw + 1)
        guard loose.count == Self.blockSize else { return }
        blocks.append(Block(first: looseFirst, words: loose.sorted()))
        loose.removeAll(keepingCapacity: true)
    }

    private func word(_ topic: TopicID, _ offset: Offset) -> UInt64 { UInt64(topic.raw) << 32 | (offset.raw - base.raw) << 1 }
    private func head(_ word: UInt64) -> HeadTable.Head {
        HeadTable.Head(offset: Offset(base.raw + (word & 0xFFFF_FFFF) >> 1), isRemoved: word & 1 == 1)
    }

    /// The last version of `topic` before the offset `cut`, or nil where this run has none.
    package func last(of topic: TopicID, before cut: Offset) -> HeadTable.Head? {
        guard cut > base else { return nil }
        guard let over = gone[topic]?.last(where: { $0 < word(topic, min(cut, end)) }) else { return lastRecord(of: topic, before: cut) }
        let record = lastRecord(of: topic, before: cut)
        return record.map { $0.offset > head(over).offset } ?? false ? record : head(over)
    }
    private func lastRecord(of topic: TopicID, before cut: Offset) -> HeadTable.Head? {
        let limit = word(topic, min(cut, end))
        let floor = UInt64(topic.raw) << 32
        for word in loose.reversed() where word < limit && word >= floor { return head(word) }
        for block in blocks.reversed() where block.first < cut.raw {
            let at = Self.lowerBound(block.words, limit)
            if at > 0, block.words[at - 1] >= floor { return head(block.words[at - 1]) }
        }
        return nil
    }

    /// Offsets, the highest first, of at most `count` versions of topics that `wants` holds for, before `cut`. Cost: a look at each
    /// version from the end back.
    package func tail(_ count: Int, before cut: Offset, wants: (TopicID) -> Bool) -> [Offset] {
        var found: [Offset] = []
        func take(_ words: [UInt64]) {
            var offsets: [UInt64] = []
            for word in words where wants(TopicID(UInt32(word >> 32))) {
                let offset = base.raw + (word & 0xFFFF_FFFF) >> 1
                if offset < cut.raw { offsets.append(offset) }
            }
            offsets.sort(by: >)
            found += offsets.prefix(count - found.count).map(Offset.init)
        }
        take(loose)
        for block in blocks.reversed() where found.count < count && block.first < cut.raw { take(block.words) }
        return found
    }

    private static func lowerBound(_ words: [UInt64], _ limit: UInt64) -> Int {
        var low = 0
        var high = words.count
        while low < high {
            let middle = (low + high) >> 1
            if words[middle] < limit { low = middle + 1 } else { high = middle }
        }
        return low
    }

    package func checkInvariants() {
        var next = base.raw
        for block in blocks {
            precondition(block.first >= next && block.words.count == Self.blockSize, "blocks follow one another")
            next = block.first + UInt64(block.words.count)
        }
        precondition(next + UInt64(loose.count) <= end.raw && (loose.isEmpty || looseFirst >= next), "the run's end")
    }
}
