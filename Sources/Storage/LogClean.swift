package import Wire

/// A closed segment's new contents, while they are being made: a draft beside it, which takes its place when it is whole.
///
///     1  the draft: header left blank, entries in place of the old ones, the same numbers from first to last
///     2  its header, with its own length; sync                  several segments at once: all of one step before any of the next
///     3  rename over the old one; sync of the directory          before: the old one, after: the new one, whatever a crash does
///     4  the old file serves the log again (`LogSpares.swift`)
///
/// A draft that is not finished goes when the log is opened.
package final class SegmentDraft<D: Disk> {
    package let span: LogSpan
    fileprivate let file: D.File
    fileprivate let path: String
    fileprivate var position = SegmentHeader.size
    /// The place after the last entry.
    package fileprivate(set) var place: LogEnd
    fileprivate var isOpen = true

    fileprivate init(_ span: LogSpan, _ file: D.File, _ path: String, _ place: LogEnd) {
        (self.span, self.file, self.path, self.place) = (span, file, path, place)
    }
}

/// How segments that are closed lose what is no longer kept.
extension Log {
    /// Closed segments that end at or below `number`, oldest first.
    package func closedSpans(below number: EntryNumber) -> [LogSpan] {
        spans.filter { !$0.isOpen && $0.end <= number }
    }
    /// Bytes of the file of the segment that begins with `first`; nil where none does.
    package func segmentBytes(from first: EntryNumber) -> Int? {
        guard let i = segmentIndex(of: first), segments[i].start.number == first else { return nil }
        return segments[i].bytes
    }
    /// First entries of parts of a segment, of about `bytes` each, in order.
    package func parts(of span: LogSpan, bytes: Int) throws(StorageError) -> [EntryNumber] {
        try checkHealthy("clean")
        guard let i = segmentIndex(of: span.first), segments[i].start.number == span.first, span.first < span.end else { return [] }
        if segments[i].index == nil { _ = try header(of: span.first) }
        var parts: [EntryNumber] = [span.first]
        var last = SegmentHeader.size
        for point in segments[i].index?.points ?? [] where point.position - last >= bytes {
            parts.append(point.number)
            last = point.position
        }
        return parts
    }
    /// The newest state saved where a segment begins, with entries below it only up to `number`.
    package func checkpoint(atOrBelow number: EntryNumber) throws(StorageError) -> (place: LogEnd, state: [UInt8])? {
        for segment in segments.reversed() where segment.start.number <= number {
            if let state = try checkpoint(at: segment.start.number), !state.isEmpty { return (segment.start, state) }
        }
        return nil
    }

    /// Where the first checkpoint lies behind the segment that has entry `number`; nil: none does.
    package func firstCheckpoint(behind number: EntryNumber) -> LogEnd? { checkpoints.first { $0.number > number } }

    /// Begins to rewrite a closed segment; nil where it is no longer there as it was, or is damaged.
    package func beginDraft(of span: LogSpan) throws(StorageError) -> SegmentDraft<D>? {
        try checkHealthy("clean")
        guard let i = indexOfClosed(span), !damage.contains(where: { $0.segment == path(segments[i].name) }) else { return nil }
        return try makeDraft(i, span)
    }
    func makeDraft(_ i: Int, _ span: LogSpan) throws(StorageError) -> SegmentDraft<D> {
        let draft = path(segments[i].name) + StateFile<D>.unfinished
        if try disk.exists(draft) { try disk.remove(draft) }
        return SegmentDraft(span, try disk.open(draft, create: true), draft, segments[i].start)
    }

    /// Writes whole entries behind those that are there.
    package func append(_ entries: [UInt8], to draft: SegmentDraft<D>) throws(StorageError) {
        precondition(draft.isOpen, "a draft under way")
        guard !entries.isEmpty else { return }
        var at = 0
        while at < entries.count {
            let entry: EntryHeader
            do throws(DecodeError) { entry = try entries.withView { view throws(DecodeError) in try EntryHeader(view.from(at)) } } catch {
                preconditionFailure("entries for a draft do not read back: \(error)")
            }
            precondition(draft.place.admits(entry, group: group), "entries of a draft follow one another")
            draft.place = LogEnd(after: entry)
            at += entry.length
        }
        try disk.write(draft.file, at: draft.position, bytes: entries)
        draft.position += entries.count
    }

    /// Whether entries may be written behind those of a draft, as `append` asks for.
    package func fits(_ entries: ByteView, _ draft: SegmentDraft<D>) -> Bool {
        var place = draft.place
        var at = 0
        while at < entries.count {
            guard let entry = try? checkEntry(entries.from(at)), place.admits(entry, group: group), entry.endNumber <= draft.span.end else { return false }
            place = LogEnd(after: entry)
            at += entry.length
        }
        return true
    }
    /// Whether a draft ends where its segment does.
    package func isWhole(_ draft: SegmentDraft<D>) -> Bool {
        guard let i = indexOfClosed(draft.span) else { return false }
        let next = segments[i + 1].start
        return draft.place.number == next.number && draft.place.offset == next.offset && (draft.place.chain == next.chain || next.key == .zero)
    }

    /// Puts drafts in their segments' places, all of them durably when it returns: those that are; of the others the segment is no longer
    /// there as it was. On an error the drafts that are still open are the caller's to discard.
    package func finish(_ drafts: [SegmentDraft<D>]) throws(StorageError) -> [SegmentDraft<D>] {
        var whole: [SegmentDraft<D>] = []
        for draft in drafts {
            guard let i = indexOfClosed(draft.span) else {
                try discard(draft)
                continue
            }
            let next = segments[i + 1].start
            // Of one whose header is lost only number and offset are known.
            let isChained = draft.place.chain == next.chain || next.key == .zero
            precondition(draft.place.number == next.number && draft.place.offset == next.offset && isChained, "a draft ends where its segment did")
            scratch.removeAll(keepingCapacity: true)
            _ = try disk.read(try handle(i), at: 0, count: SegmentHeader.size, into: &scratch)
            var header = expectedHeader(i, scratch.withView { SegmentHeader($0) })
            header.cleanedBytes = draft.position
            try disk.write(draft.file, at: 0, bytes: header.encoded)
            // The first sync then finds all of them on their way.
            if drafts.count > 1 { disk.startWriting(draft.file, at: 0, count: draft.position) }
            whole.append(draft)
        }
        guard !whole.isEmpty else { return [] }
        var freed: [(path: String, bytes: Int)] = []
        do throws(StorageError) {
            try poisoning { () throws(StorageError) in
                if !planted(.cleanedUnsynced) { for draft in whole { try disk.sync(draft.file) } }
                for draft in whole {
                    guard let i = indexOfClosed(draft.span) else { continue }
                    if let spare = try linkSpare(i, beside: freed.reduce(0) { $0 + $1.bytes }) { freed.append(spare) }
                    try disk.rename(draft.path, to: path(segments[i].name))
                    draft.isOpen = false
                    disk.close(draft.file)
                    take(draft, i)
                }
                if !planted(.cleanedNameUnsynced) { try disk.syncDirectory(directory) }
            }
        } catch {
            // Where there was no room the log goes on, and these names are nobody's.
            if error.isFull, poison == nil { for spare in freed { try removeSpare(spare.path) } }
            throw error
        }
        for spare in freed { spares.add(spare.path, spare.bytes) }
        return whole
    }
    /// Segment `i` has the draft's contents now.
    private func take(_ draft: SegmentDraft<D>, _ i: Int) {
        closeReading()
        cached.forget(disk, segments[i].start.number)
        cursors.forget()
        indexed.removeAll { $0 == segments[i].start.number }
        segments[i].bytes = draft.position
        segments[i].index = nil
        segments[i].isCleaned = true
        // What was read of it is no more.
        if scrubbing?.segment == segments[i].start.number { scrubbing = nil }
    }

    /// Lets a draft go that is not to be finished.
    package func discard(_ draft: SegmentDraft<D>) throws(StorageError) {
        guard draft.isOpen else { return }
        draft.isOpen = false
        disk.close(draft.file)
        try disk.remove(draft.path)
    }

    /// Removes the states saved where segments begin that `isNeeded` does not hold for; the newest two stay.
    package func dropCheckpoints(unless isNeeded: (EntryNumber) -> Bool) throws(StorageError) {
        for place in checkpoints.dropLast(2) where !isNeeded(place.number) {
            try disk.remove(path(Self.name(checkpoint: place)))
            checkpoints.removeAll { $0.number == place.number }
        }
    }

    private func indexOfClosed(_ span: LogSpan) -> Int? {
        guard let i = segmentIndex(of: span.first), i + 1 < segments.count, segments[i].start.number == span.first,
            segments[i + 1].start.number == span.end
        else { return nil }
        return i
    }

    /// A segment that was rewritten and is open again, since what lay behind it is gone: from now on it is as long as the next one's
    /// header will say.
    func reopenCleaned() throws(StorageError) {
        guard openSegment.isCleaned else { return }
        scratch.removeAll(keepingCapacity: true)
        _ = try disk.read(file, at: 0, count: SegmentHeader.size, into: &scratch)
        guard var header = scratch.withView({ SegmentHeader($0) }) else { return }
        header.cleanedBytes = 0
        try disk.write(file, at: 0, bytes: header.encoded)
        try disk.sync(file)
        openSegment.isCleaned = false
    }
}
