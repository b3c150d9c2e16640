internal import Wire

extension Log {
    /// Reads every byte of every segment and compares every checksum; what is damaged, in order. The log remembers it.
    ///
    /// Cost: one sequential read of the whole log.
    package func verify() throws(StorageError) -> [Damage] {
        try checkHealthy("verify")
        var found = damage.filter { $0.bytes.isEmpty && $0.segment == directory }
        for i in segments.indices { found += try verify(segment: i) }
        damage = found
        return found
    }

    private func verify(segment i: Int) throws(StorageError) -> [Damage] {
        let segment = segments[i]
        let isOpen = i == segments.count - 1
        let name = path(segment.name)
        // With damage in the open segment the end is only the first entry that is damaged; open judged it.
        if isOpen,
            let known = damage.first(where: { $0.segment == name && $0.entries.lowerBound == end.number && !$0.entries.isEmpty })
        {
            return damage.filter { $0.segment == name && $0.entries.lowerBound >= known.entries.lowerBound }
        }
        let file = try handle(i)
        var found: [Damage] = []
        scratch.removeAll(keepingCapacity: true)
        _ = try disk.read(file, at: 0, count: SegmentHeader.size, into: &scratch)
        let header = scratch.withView { SegmentHeader($0) }
        if header != expectedHeader(i, header) {
            let what = "the segment's header does not read back"
            let number = segment.start.number
            found.append(Damage(segment: name, bytes: 0..<SegmentHeader.size, entries: number..<number, what: what))
        }
        let next = isOpen ? end : segments[i + 1].start
        let size = isOpen ? segment.bytes : try disk.size(file)
        let scan = try SegmentScan.read(disk, file, start: segment.start, group: group, size: size, spacing: options.indexBytes)
        let holes = scan.damage(segment: name, floor: next.number)
        found += holes
        let endsRight = scan.after.number == next.number && scan.after.offset == next.offset && scan.position == size
        if holes.isEmpty, !endsRight || size != segment.bytes {
            let range = min(scan.position, segment.bytes)..<max(size, segment.bytes, scan.position)
            found.append(
                Damage(segment: name, bytes: range, entries: next.number..<next.number, what: "does not end where it should"))
        }
        return found
    }

    /// What segment `i`'s header has to say; of what only it knows, what it says.
    private func expectedHeader(_ i: Int, _ read: SegmentHeader?) -> SegmentHeader {
        let start = segments[i].start
        if i > 0 {
            return SegmentHeader(
                group: group, start: start, bytesBefore: segments[i - 1].bytes, firstBefore: segments[i - 1].start.number)
        }
        return SegmentHeader(
            group: group, start: start, bytesBefore: read?.bytesBefore ?? 0, firstBefore: read?.firstBefore ?? .zero)
    }

    /// Puts back what is damaged: `entries` are the entries of `damage`, whole, from another replica's log, where they are
    /// the same but for `synced`, and so just as long. Call it for the damages of a segment in order.
    ///
    /// Throws `.corruptInput`, and writes nothing, unless they are exactly those and fill the gap.
    package func repair(_ hole: Damage, with entries: [UInt8]) throws(StorageError) {
        try checkHealthy("repair")
        guard let i = segments.firstIndex(where: { path($0.name) == hole.segment }), damage.contains(hole) else {
            throw StorageError(.corruptInput("no such damage: \(hole)"), "repair", directory)
        }
        let file = try handle(i)
        if hole.bytes == 0..<SegmentHeader.size {
            try repairHeader(i, file)
        } else {
            let scan = try SegmentScan.read(
                disk, file, start: segments[i].start, group: group, size: try disk.size(file), spacing: options.indexBytes)
            let whole = try rewrite(entries, hole, scan)
            try disk.write(file, at: scan.position, bytes: whole)
        }
        try poisoning { () throws(StorageError) in try disk.sync(file) }
        segments[i].index = nil
        cursors.forget()
        damage.removeAll { $0.segment == hole.segment }
        if i == segments.count - 1 {
            _ = try poisoning { () throws(StorageError) in try recoverTail() }
        } else {
            segments[i].bytes = try disk.size(file)
            damage += try verify(segment: i)
        }
    }

    /// The entries as this log writes them, if they fill the hole that `scan` found.
    private func rewrite(_ entries: [UInt8], _ hole: Damage, _ scan: SegmentScan) throws(StorageError) -> [UInt8] {
        var place = scan.after
        var whole: [UInt8] = []
        var stage = Stage(at: place)
        do throws(DecodeError) {
            try entries.withView { view throws(DecodeError) in
                var at = 0
                while at < view.count {
                    var entry = try checkEntry(view.from(at))
                    entry.synced = min(entry.synced, scan.synced)
                    guard place.admits(entry, group: group) else { throw .value(what: "entry number", value: entry.number.raw) }
                    stage.add(entry, view[at + EntryHeader.size..<at + entry.length])
                    place = LogEnd(after: entry)
                    at += entry.length
                }
            }
        } catch { throw StorageError(.corruptInput(error.description), "repair", directory) }
        try stage.withParts(.empty) { parts throws(StorageError) in for part in parts { whole.append(view: part) } }
        let fills = scan.position == hole.bytes.lowerBound && scan.position + whole.count == hole.bytes.upperBound
        let isLast = hole.segment == path(openSegment.name) && hole.bytes.upperBound >= scan.end
        guard place.number == hole.entries.upperBound, fills || isLast else {
            let what = "entries up to \(place.number.raw) in \(whole.count) bytes do not fill the gap: \(hole)"
            throw StorageError(.corruptInput(what), "repair", directory)
        }
        return whole
    }

    /// A header says nothing that its neighbours do not know, but for the very first one's.
    private func repairHeader(_ i: Int, _ file: D.File) throws(StorageError) {
        var start = segments[i].start
        if i > 0 {
            let before = segments[i - 1]
            let scan = try SegmentScan.read(
                disk, try handle(i - 1), start: before.start, group: group, size: before.bytes, spacing: options.indexBytes)
            guard scan.after.number == start.number else {
                throw StorageError(.corruptInput("repair the segment before first"), "repair", directory)
            }
            start = scan.after
        }
        segments[i] = Segment(start: start, bytes: segments[i].bytes, index: nil)
        // The handle may have been exchanged for the neighbour's.
        try disk.write(try handle(i), at: 0, bytes: expectedHeader(i, nil).encoded)
        try poisoning { () throws(StorageError) in try disk.sync(try handle(i)) }
    }
}
