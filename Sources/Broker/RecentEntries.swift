internal import DequeModule
package import Wire

/// Entries of one group that were delivered lately, in memory once for all sessions that are behind: who is a moment late reads no log.
///
///      | chunk: entries… | chunk: entries… | chunk, being filled |
///      from ─────────────────────────────────────────────────▶ to
///
/// Invariant: entries `from ..< to` are there, one after another, as they are in the log.
package struct RecentEntries: Sendable {
    private struct Chunk: Sendable {
        let bytes: OwnedBytes
        let first: EntryNumber
        /// Where each entry begins, from `first` on.
        var places: [UInt32] = []
        var used = 0
    }
    private var chunks: Deque<Chunk> = []
    private var bytes = 0
    /// The entry behind the last one.
    package private(set) var to: EntryNumber = .zero
    private var header: [UInt8] = []

    package init() {}

    package var from: EntryNumber { chunks.first?.first ?? to }
    package var isEmpty: Bool { chunks.isEmpty }
    package func covers(_ number: EntryNumber) -> Bool { number >= from && number < to }

    /// All take no more than `limit` bytes, or are one piece.
    package func isWithin(_ limit: Int) -> Bool { chunks.count <= 1 || bytes <= limit }

    package mutating func removeAll() {
        chunks.removeAll()
        bytes = 0
    }

    /// An entry has been delivered. The oldest go, by chunks, where all take more than `limit` bytes.
    package mutating func append(_ entry: EntryHeader, _ body: ByteView, limit: Int) {
        if entry.number != to && !planted(.keptGap) || isEmpty {
            removeAll()
            to = entry.number
        }
        let length = EntryHeader.size + body.count
        if chunks.last.map({ $0.bytes.view.count - $0.used < length }) ?? true {
            let size = max(length, min(Self.chunk, limit / 4))
            while !isEmpty, bytes + size > limit, !planted(.recentUnbounded) { bytes -= chunks.removeFirst().bytes.view.count }
            chunks.append(Chunk(bytes: OwnedBytes(count: size), first: to))
            bytes += size
        }
        header.removeAll(keepingCapacity: true)
        entry.encode(into: &header) { $0 }
        let last = chunks.count - 1
        let used = chunks[last].used
        header.withView { chunks[last].bytes.store.write($0, at: used) }
        chunks[last].bytes.store.write(body, at: used + EntryHeader.size)
        chunks[last].places.append(UInt32(used))
        chunks[last].used = used + length
        to = planted(.keptGap) ? to.next : entry.endNumber
    }
    private static let chunk = 256 << 10

    /// Entries from `number` on, which is covered, as far as they lie together.
    package func page(from number: EntryNumber) -> Page? {
        guard covers(number), let chunk = chunks.last(where: { $0.first <= number }) else { return nil }
        let index = Int(number.raw - chunk.first.raw)
        guard index < chunk.places.count else { return nil }
        return Page(bytes: chunk.bytes, at: Int(chunk.places[index]), end: chunk.used, next: EntryNumber(chunk.first.raw + UInt64(chunk.places.count)))
    }
}

/// Whole entries, one after another, in memory that is held: what a session that is behind is handed.
package struct Page: Sendable {
    package let bytes: OwnedBytes
    package var at: Int
    package let end: Int
    /// The entry behind them.
    package let next: EntryNumber
}
