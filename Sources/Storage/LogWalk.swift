internal import Wire

/// Where an entry lies: in the segment that begins with `segment`, at a byte of its file.
struct LogPosition {
    var segment: EntryNumber
    var byte: Int
}

extension Log {
    /// Calls `body` with each entry from `number` to below `limit`, whole, every checksum compared; stops behind the entry that makes it
    /// `bytes` or more. `place`: where `number` lies, if that is known. Returns where it stopped. Throws `.damage` at what does not read back.
    func walk(
        from number: EntryNumber, below limit: EntryNumber, at place: LogPosition?, atMost bytes: Int = .max,
        _ body: (EntryHeader, ByteView) throws(StorageError) -> Void
    ) throws(StorageError) -> LogPosition? {
        try checkHealthy("read")
        precondition(number >= first && limit <= end.number, "a walk within the log")
        var expected = number
        var left = bytes
        var reached = place
        while expected < limit, left > 0 {
            guard let i = segmentIndex(of: expected) else { throw StorageError(.outside("entry \(expected.raw) is not there"), "read", directory) }
            var walker = SegmentWalker(disk, try handle(i), from: SegmentHeader.size, end: segments[i].bytes)
            if let reached, reached.segment == segments[i].start.number, reached.byte <= segments[i].bytes {
                walker.seek(reached.byte)
            } else if expected > segments[i].start.number {
                let wanted = expected
                guard let found = try locate(i, from: { $0.number <= wanted }, until: { $0.endNumber > wanted }) else {
                    throw unreadable(expected, i, SegmentHeader.size)
                }
                walker.seek(found.position)
            }
            let stop = min(limit, i + 1 < segments.count ? segments[i + 1].start.number : end.number)
            while expected < stop, left > 0 {
                guard case .entry(let entry) = try walker.next(verify: true), entry.number == expected else {
                    throw unreadable(expected, i, walker.position)
                }
                try walker.withCurrent { view throws(StorageError) in try body(entry, view) }
                expected = entry.endNumber
                left -= entry.length
            }
            reached = LogPosition(segment: segments[i].start.number, byte: walker.position)
        }
        return reached
    }
}
