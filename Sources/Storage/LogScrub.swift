internal import Wire

/// Where the walk through the closed segments stands: the segment's first entry, the place in its file, the log's place there.
struct ScrubPlace {
    var segment: EntryNumber
    var position: Int
    var after: LogEnd
}

extension Log {
    /// Reads on through the closed segments, oldest first, about `bytes` of one of them, and compares every checksum; what is
    /// damaged joins `damage`. The open segment is read whole when the log is opened.
    ///
    /// True: the newest closed one has been read to its end; the next call begins with the oldest again.
    package func scrub(bytes: Int) throws(StorageError) -> Bool {
        try checkHealthy("scrub")
        let from = scrubbing?.segment ?? .zero
        guard let i = segments.indices.dropLast().first(where: { segments[$0].start.number >= from }) else {
            scrubbing = nil
            return true
        }
        let segment = segments[i]
        var place = ScrubPlace(segment: segment.start.number, position: SegmentHeader.size, after: segment.start)
        if let scrubbing, scrubbing.segment == segment.start.number { place = scrubbing }
        let isKnown = damage.contains { $0.segment == path(segment.name) }
        var isSound = true
        if !isKnown { isSound = try walk(i, &place, bytes: bytes) }
        if !isSound { _ = try inspect(segment.start.number) }
        if isSound, !isKnown, place.position < segment.bytes {
            scrubbing = place
        } else {
            scrubbing = ScrubPlace(segment: segment.start.number.next, position: SegmentHeader.size, after: segment.start)
        }
        return false
    }

    /// False: what was met there is not what should be.
    private func walk(_ i: Int, _ place: inout ScrubPlace, bytes: Int) throws(StorageError) -> Bool {
        let file = try handle(i)
        let next = segments[i + 1].start
        if place.position == SegmentHeader.size {
            scratch.removeAll(keepingCapacity: true)
            _ = try disk.read(file, at: 0, count: SegmentHeader.size, into: &scratch)
            let header = scratch.withView { SegmentHeader($0) }
            guard let header, header.start.number == segments[i].start.number, header.group == group else { return false }
        }
        let stop = place.position + bytes
        var walker = SegmentWalker(disk, file, from: place.position, end: segments[i].bytes, window: 256 << 10)
        while walker.position < stop {
            switch try walker.next(verify: true) {
            case .entry(let entry):
                guard place.after.admits(entry, group: group) else { return false }
                place.after = LogEnd(after: entry)
                place.position = walker.position
            case .end: return place.after.number == next.number && place.after.offset == next.offset
            case .bad: return false
            }
        }
        return true
    }
}
