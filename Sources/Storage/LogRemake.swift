internal import Wire

/// Repair of a closed segment whose entries are not as long here as elsewhere, since one of the two logs was cleaned further: a new file of
/// what reads back here and what comes from there (`SegmentDraft`).
///
///      here    | 0 1 2 | 3 4 damaged | hole: 5 to 9 | 10 |          there   | 0 1 2 | hole: 3 to 6 | 7 8 9 | 10 |
///      made    | 0 1 2 | hole: 3 to 6 | hole: 7 to 9 | 10 |         what lies below the place that is reached is left out
extension Log {
    func hasCleaned(_ entries: [UInt8]) -> Bool {
        entries.withView { view in
            var at = 0
            while at < view.count, let header = try? EntryHeader(view.from(at)) {
                if header.isCleaned { return true }
                at += header.length
            }
            return false
        }
    }

    /// Closes the open segment behind the entries that follow its last damage, where `entries` for it were cleaned elsewhere and so do not fit into
    /// their place: what is damaged is then a closed segment's, and is remade. Does nothing where no entry follows.
    ///
    ///     open   | 0 1 | damaged | 4 5 | torn          closed   | 0 1 | damaged | 4 5 |     open   | |
    package func closeDamaged(_ hole: Damage, for entries: [UInt8]) throws(StorageError) {
        try checkHealthy("repair")
        let last = segments.count - 1
        guard path(openSegment.name) == hole.segment, damage.contains(hole), hole.bytes != 0..<SegmentHeader.size, hasCleaned(entries) else { return }
        let scan = try SegmentScan.read(
            disk, file, start: openSegment.start, group: group, size: try disk.size(file), spacing: options.indexBytes)
        let damaged = damage.filter { $0.segment == hole.segment }.map(\.entries.upperBound).max() ?? .zero
        guard let behind = scan.runs.first(where: { $0.first >= damaged }) else { return }
        try withRoom { () throws(StorageError) in
            try poisoning { () throws(StorageError) in
                try disk.truncate(file, to: behind.end)
                try disk.sync(file)
                let header = SegmentHeader(group: group, start: behind.after, bytesBefore: behind.end, firstBefore: openSegment.start.number)
                let next = try Self.create(disk, directory, header)
                cached.restart(disk, from: SegmentHeader.size)
                disk.close(file)
                file = next
            }
        }
        (segments[last].bytes, segments[last].index) = (behind.end, nil)
        segments.append(Segment(start: behind.after, bytes: SegmentHeader.size, index: SegmentIndex()))
        (end, synced) = (behind.after, behind.after.number)
        (zeroed, reserved) = (SegmentHeader.size, SegmentHeader.size)
        staged.clear(at: end)
        cursors.forget()
    }

    /// Throws `.corruptInput`, and changes nothing, unless the entries fill the gap.
    func remake(_ i: Int, _ hole: Damage, with entries: [UInt8], isChained: Bool) throws(StorageError) {
        let file = try handle(i)
        let scan = try SegmentScan.read(
            disk, file, start: segments[i].start, group: group, size: try disk.size(file), spacing: options.indexBytes)
        let next = segments[i + 1].start
        let span = LogSpan(first: segments[i].start.number, firstOffset: segments[i].start.offset, end: next.number, isOpen: false)
        let draft = try makeDraft(i, span)
        do throws(StorageError) {
            try copy(SegmentHeader.size..<scan.position, of: file, to: draft, until: next, isChained: false)
            try add(entries, to: draft, until: next, isChained: isChained)
            for run in scan.runs where run.after.number > draft.place.number {
                try copy(run.position..<run.end, of: file, to: draft, until: next, isChained: isChained)
            }
            guard draft.place.number == next.number, draft.place.offset == next.offset, draft.place.chain == next.chain || next.key == .zero else {
                let what = "entries up to \(draft.place.number.raw) do not reach \(next.number.raw), or are of another history: \(hole)"
                throw StorageError(.corruptInput(what), "repair", directory)
            }
            _ = try finish([draft])
        } catch {
            try discard(draft)
            throw error
        }
    }

    private func copy(
        _ range: Range<Int>, of file: D.File, to draft: SegmentDraft<D>, until next: LogEnd, isChained: Bool
    ) throws(StorageError) {
        var position = range.lowerBound
        var bytes: [UInt8] = []
        while position < range.upperBound {
            let count = min(4 << 20, range.upperBound - position - bytes.count)
            if count > 0 { _ = try disk.read(file, at: position + bytes.count, count: count, into: &bytes) }
            // Whole entries; the rest of the last one comes with the next piece.
            var whole = 0
            while let header = bytes.withView({ try? EntryHeader($0.from(min(whole, $0.count))) }), whole + header.length <= bytes.count { whole += header.length }
            guard whole > 0 else { throw StorageError(.outside("the file changed while it was read"), "repair", directory) }
            try add(Array(bytes[..<whole]), to: draft, until: next, isChained: isChained)
            bytes.removeFirst(whole)
            position += whole
        }
    }

    /// Those of the entries that follow what the draft has, cut to what it lacks.
    private func add(_ entries: [UInt8], to draft: SegmentDraft<D>, until next: LogEnd, isChained: Bool) throws(StorageError) {
        var out: [UInt8] = []
        var place = draft.place
        do throws(DecodeError) {
            try entries.withView { view throws(DecodeError) in
                var at = 0
                while at < view.count, place.number < next.number {
                    var entry = try checkEntry(view.from(at))
                    let body = view[at + EntryHeader.size..<at + entry.length]
                    at += entry.length
                    guard entry.endNumber > place.number else { continue }
                    if entry.span > 1, entry.number < place.number, entry.endOffset >= place.offset { entry = entry.trimmed(from: place) }
                    if entry.span > 1, entry.endNumber > next.number, entry.endOffset >= next.offset { entry = entry.cut(to: next) }
                    entry.synced = min(entry.synced, entry.number)
                    let follows = !isChained || entry.span > 1 || entry.chain == nextChain(place.chain, entry.key, entry.view)
                    guard place.admits(entry, group: group), follows else { throw .value(what: "entry number", value: entry.number.raw) }
                    place = LogEnd(after: entry)
                    out += entry.entry(body)
                }
            }
        } catch { throw StorageError(.corruptInput(error.description), "repair", directory) }
        try append(out, to: draft)
    }
}
