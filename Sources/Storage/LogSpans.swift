package import Wire

/// A segment as a stretch of the log: where it begins, and where the next one does.
package struct LogSpan: Equatable, Sendable {
    package let first: EntryNumber
    package let firstOffset: Offset
    /// Of the open segment: the log's end.
    package let end: EntryNumber
    package let isOpen: Bool
}

/// For who keeps something beside the log, segment by segment.
extension Log {
    /// The span of the record before `cut`: the last one that begins before it; nil where there is none.
    package func span(before cut: Offset) -> LogSpan? {
        var low = 0
        var high = segments.count
        while low < high {
            let middle = (low + high) / 2
            if segments[middle].start.offset < cut { low = middle + 1 } else { high = middle }
        }
        return low == 0 ? nil : span(low - 1)
    }
    /// The first offset of the segment that begins with an entry; nil where none does.
    package func firstOffset(ofSegmentAt number: EntryNumber) -> Offset? {
        guard let i = segmentIndex(of: number), segments[i].start.number == number else { return nil }
        return segments[i].start.offset
    }
    /// The closed span that has an entry.
    package func closedSpan(of number: EntryNumber) -> LogSpan? {
        guard number >= first, let i = segmentIndex(of: number), i + 1 < segments.count else { return nil }
        return span(i)
    }
    /// The span that ends where the one from `first` begins.
    package func span(endingAt first: EntryNumber) -> LogSpan? {
        guard let i = segmentIndex(of: first), segments[i].start.number == first, i > 0 else { return nil }
        return span(i - 1)
    }
    /// All segments, oldest first.
    package var spans: [LogSpan] { segments.indices.map { span($0) } }
    private func span(_ i: Int) -> LogSpan {
        let isOpen = i + 1 == segments.count
        return LogSpan(
            first: segments[i].start.number, firstOffset: segments[i].start.offset, end: isOpen ? end.number : segments[i + 1].start.number,
            isOpen: isOpen)
    }

    /// The state saved where the entry `number` begins a segment; nil where there is none, or it does not read back.
    package func checkpoint(at number: EntryNumber) throws(StorageError) -> [UInt8]? {
        try checkHealthy("checkpoint")
        guard let place = checkpoints.last(where: { $0.number <= number }), place.number == number else { return nil }
        do throws(StorageError) { return try stateFile.load(Self.name(checkpoint: place)) } catch {
            guard case .damage = error.kind else { throw error }
            return nil
        }
    }
}
