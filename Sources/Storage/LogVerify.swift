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

    func verify(segment i: Int) throws(StorageError) -> [Damage] {
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
        if let header = try headerDamage(i) { found.append(header) }
        let next = isOpen ? end : segments[i + 1].start
        let size = isOpen ? segment.bytes : try disk.size(file)
        let scan = try SegmentScan.read(disk, file, start: segment.start, group: group, size: size, spacing: options.indexBytes)
        var holes = scan.damage(segment: name, floor: next.number)
        if !isOpen, isRepairedWhole(i), let first = holes.first, let last = holes.last, holes.count > 1 {
            holes = [
                Damage(
                    segment: name, bytes: first.bytes.lowerBound..<last.bytes.upperBound,
                    entries: first.entries.lowerBound..<last.entries.upperBound, what: first.what)
            ]
        }
        found += holes
        let endsRight = scan.after.number == next.number && scan.after.offset == next.offset && scan.position == size
        if holes.isEmpty, !endsRight || size != segment.bytes {
            let range = min(scan.position, segment.bytes)..<max(size, segment.bytes, scan.position)
            found.append(
                Damage(segment: name, bytes: range, entries: next.number..<next.number, what: "does not end where it should"))
        }
        return found
    }

    /// Whether its entries may be longer or shorter elsewhere: what is damaged cannot be put back in its place.
    func isRepairedWhole(_ i: Int) -> Bool { segments[i].isCleaned || repairedWhole.contains(segments[i].start.number) }

    /// Segment `i`'s header, where it does not say what it should.
    func headerDamage(_ i: Int) throws(StorageError) -> Damage? {
        scratch.removeAll(keepingCapacity: true)
        _ = try disk.read(try handle(i), at: 0, count: SegmentHeader.size, into: &scratch)
        let header = scratch.withView { SegmentHeader($0) }
        guard header != expectedHeader(i, header) else { return nil }
        let number = segments[i].start.number
        let what = "the segment's header does not read back"
        return Damage(segment: path(segments[i].name), bytes: 0..<SegmentHeader.size, entries: number..<number, what: what)
    }

    /// What segment `i`'s header has to say; of what only it knows, what it says.
    func expectedHeader(_ i: Int, _ read: SegmentHeader?) -> SegmentHeader {
        let start = segments[i].start
        let own = segments[i].isCleaned ? read?.cleanedBytes ?? segments[i].bytes : 0
        if i > 0 {
            // What a segment's length was when it was closed nobody knows once it has been rewritten.
            let before = segments[i - 1].isCleaned ? read?.bytesBefore ?? segments[i - 1].bytes : segments[i - 1].bytes
            return SegmentHeader(
                group: group, start: start, bytesBefore: before, firstBefore: segments[i - 1].start.number, cleanedBytes: own)
        }
        return SegmentHeader(
            group: group, start: start, bytesBefore: read?.bytesBefore ?? 0, firstBefore: read?.firstBefore ?? .zero, cleanedBytes: own)
    }
}
