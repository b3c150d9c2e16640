package import Wire

/// Where a few sequential readers stopped, so that their next read needs no search.
struct ReadCursors {
    private struct Slot {
        var number: EntryNumber
        var position: Int
    }
    private var slots: [Slot] = []
    private var turn = 0
    private static let limit = 8

    /// Where entry `number` lies in its segment, if a reader stopped there.
    func position(of number: EntryNumber) -> Int? { slots.first { $0.number == number }?.position }

    mutating func moved(from old: EntryNumber, to number: EntryNumber, position: Int) {
        let slot = Slot(number: number, position: position)
        if let i = slots.firstIndex(where: { $0.number == old || $0.number == number }) {
            slots[i] = slot
        } else if slots.count < Self.limit {
            slots.append(slot)
        } else {
            slots[turn] = slot
            turn = (turn + 1) % Self.limit
        }
    }
    mutating func forget() { slots.removeAll() }
}

extension Log {
    /// Appends whole entries from `number` on to `bytes`, as they lie on the disk, each checked; up to `maximumBytes`, but at
    /// least one, and only those below `limit`. Returns how many they stand for and the next number; none at the end. Stops at a segment's
    /// end: call again. Where cleaning has made one of many, the first may begin below `number`.
    ///
    /// Throws `.outside` below the first entry and `.damage` at an entry that does not read back.
    package func read(
        from number: EntryNumber, below limit: EntryNumber = EntryNumber(.max), maximumBytes: Int, into bytes: inout [UInt8]
    ) throws(StorageError) -> (count: Int, next: EntryNumber) {
        try checkHealthy("read")
        try checkInside(number)
        guard number < min(end.number, limit), let i = segmentIndex(of: number) else { return (0, number) }
        let file = try handle(i)
        var position = cursors.position(of: number) ?? 0
        if position == 0 {
            guard let found = try locate(i, from: { $0.number <= number }, until: { $0.endNumber > number }) else {
                throw missing(number, i)
            }
            position = found.position
        }

        let start = bytes.count
        var left = segments[i].bytes - position
        left -= try disk.read(file, at: position, count: min(left, max(maximumBytes, EntryHeader.size)), into: &bytes)
        var at = start
        var next = number
        while at < bytes.count, next < limit {
            if at == start, left > 0 { left -= try readRest(of: start, at: position, file, left, &bytes) }
            guard let entry = check(bytes, at, next, mayBeginBefore: at == start) else { break }
            at += entry.length
            next = entry.endNumber
        }
        bytes.removeLast(bytes.count - at)
        guard next > number else { throw unreadable(number, i, position) }
        if at - start + position < segments[i].bytes { cursors.moved(from: number, to: next, position: position + at - start) }
        if i + 1 < segments.count, at - start >= Self.bulk { letGo(file, behind: position, count: at - start) }
        return (Int(next.raw - number.raw), next)
    }

    /// Reads from here on are taken for those of somebody who reads on: what lies behind is let go, but for what others close by may want.
    private static var bulk: Int { 128 << 10 }
    private static var behind: Int { 8 << 20 }

    private func letGo(_ file: D.File, behind position: Int, count: Int) {
        let end = position - Self.behind
        if end > 0 { disk.release(file, at: max(0, end - count), count: min(end, count)) }
    }

    /// The header of entry `number`; nil at the end. Throws `.outside` below the first entry.
    package func header(of number: EntryNumber) throws(StorageError) -> EntryHeader? {
        try checkHealthy("read")
        try checkInside(number)
        guard number < end.number, let i = segmentIndex(of: number) else { return nil }
        return try locate(i, from: { $0.number <= number }, until: { $0.endNumber > number })?.entry
    }

    /// The entry that holds the record at `offset`; nil at the end. Throws `.outside` below the first record.
    package func entry(at offset: Offset) throws(StorageError) -> EntryHeader? {
        try checkHealthy("locate")
        guard offset >= firstOffset else {
            throw StorageError(.outside("offset \(offset.raw) was dropped; the first is \(firstOffset.raw)"), "locate", directory)
        }
        guard offset < end.offset, let i = segments.lastIndex(where: { $0.start.offset <= offset }) else { return nil }
        return try locate(i, from: { $0.offset <= offset }, until: { $0.endOffset > offset })?.entry
    }

    /// The first entry with this timestamp or a later one; nil if there is none.
    package func entry(atOrAfter timestamp: Timestamp) throws(StorageError) -> EntryHeader? {
        try checkHealthy("locate")
        guard end.number > first, timestamp <= end.key.timestamp else { return nil }
        let i = segments.lastIndex { $0.start.key.timestamp < timestamp } ?? 0
        return try locate(i, from: { $0.timestamp < timestamp }, until: { $0.timestamp >= timestamp })?.entry
    }

    /// Calls `body` with each entry from `number` to the end, in order: header and batches, every checksum compared.
    package func replay(
        from number: EntryNumber, _ body: (EntryHeader, ByteView) throws(StorageError) -> Void
    ) throws(StorageError) {
        try checkHealthy("replay")
        try checkInside(number)
        guard number < end.number, let first = segmentIndex(of: number) else { return }
        var expected = segments[first].start.number
        for i in first..<segments.count {
            var walker = SegmentWalker(disk, try handle(i), from: SegmentHeader.size, end: segments[i].bytes)
            if i == first, let found = try locate(i, from: { $0.number <= number }, until: { $0.endNumber > number }) {
                walker.seek(found.position)
                expected = found.entry.number
            }
            let stop = i + 1 < segments.count ? segments[i + 1].start.number : end.number
            while expected < stop {
                guard case .entry(let entry) = try walker.next(verify: true), entry.number == expected else {
                    throw unreadable(expected, i, walker.position)
                }
                try walker.withCurrent { view throws(StorageError) in try body(entry, view.from(EntryHeader.size)) }
                expected = entry.endNumber
            }
        }
    }

    // MARK: Finding

    /// The segment that entry `number` is in, or would be.
    func segmentIndex(of number: EntryNumber) -> Int? {
        var low = 0
        var high = segments.count
        while low < high {
            let middle = (low + high) / 2
            if segments[middle].start.number <= number { low = middle + 1 } else { high = middle }
        }
        return low == 0 ? nil : low - 1
    }

    /// The first entry of segment `i` that `until` holds for, walking from the last point of its index that `from` holds for.
    func locate(
        _ i: Int, from isBefore: (SegmentIndex.Point) -> Bool, until found: (EntryHeader) -> Bool
    ) throws(StorageError) -> (entry: EntryHeader, position: Int)? {
        let file = try handle(i)
        if segments[i].index == nil {
            // Whoever reads on from the segment before needs no index, nor does the building of one, all of the segment, hold him up.
            var walker = SegmentWalker(disk, file, from: SegmentHeader.size, end: segments[i].bytes, window: options.indexBytes)
            if case .entry(let entry) = try walker.next(verify: true), segments[i].start.admits(entry, group: group), found(entry) {
                return (entry, walker.current.lowerBound)
            }
            try buildIndex(i, file)
        }
        // What is not found before here does not read back.
        let stop = i + 1 < segments.count ? segments[i + 1].start.number : end.number
        guard let point = segments[i].index?.last(where: isBefore) else {
            if segments[i].start.number < stop { throw unreadable(segments[i].start.number, i, SegmentHeader.size) }
            return nil
        }
        var walker = SegmentWalker(disk, file, from: point.position, end: segments[i].bytes, window: options.indexBytes)
        var expected = point.number
        var offset = point.offset
        while true {
            // Verified: a time in which a bit has turned over would be a wrong answer, and no damage.
            switch try walker.next(verify: true) {
            case .entry(let entry):
                guard entry.number == expected, entry.baseOffset == offset else {
                    throw unreadable(expected, i, walker.current.lowerBound)
                }
                offset = entry.endOffset
                if found(entry) { return (entry, walker.current.lowerBound) }
                expected = entry.endNumber
            case .end:
                if expected < stop { throw unreadable(expected, i, walker.position) }
                return nil
            case .bad: throw unreadable(expected, i, walker.position)
            }
        }
    }

    private func buildIndex(_ i: Int, _ file: D.File) throws(StorageError) {
        var index = SegmentIndex()
        var walker = SegmentWalker(disk, file, from: SegmentHeader.size, end: segments[i].bytes)
        var expected = segments[i].start
        // Up to where it reads back: what lies below damage can be found.
        while case .entry(let entry) = try walker.next(verify: false), expected.admits(entry, group: group) {
            index.note(entry, position: walker.current.lowerBound, spacing: options.indexBytes)
            expected = LogEnd(after: entry)
        }
        segments[i].index = index
        if i + 1 < segments.count { retire(i) }
    }

    /// An open file of segment `i`; the closed one used last is kept open.
    func handle(_ i: Int) throws(StorageError) -> D.File {
        if i == segments.count - 1 { return file }
        let first = segments[i].start.number
        if let reading, reading.first == first { return reading.file }
        closeReading()
        let file = try disk.open(path(segments[i].name), create: false)
        reading = (first, file)
        return file
    }
    func closeReading() {
        if let reading { disk.close(reading.file) }
        reading = nil
    }

    // MARK: Checking

    private func checkInside(_ number: EntryNumber) throws(StorageError) {
        guard number < first else { return }
        throw StorageError(.outside("entry \(number.raw) was dropped; the first is \(first.raw)"), "read", directory)
    }

    /// The entry at `at` if it is entry `number`, or stands for it, whole and sound.
    private func check(_ bytes: [UInt8], _ at: Int, _ number: EntryNumber, mayBeginBefore: Bool) -> EntryHeader? {
        bytes.withView { view -> EntryHeader? in
            do throws(DecodeError) {
                let entry = try checkEntry(view.from(at))
                let isIt = entry.number == number || mayBeginBefore && entry.number < number && number < entry.endNumber
                return isIt && entry.group == group ? entry : nil
            } catch { return nil }
        }
    }

    /// Reads what is missing of the first entry, when it is larger than what was asked for.
    private func readRest(
        of start: Int, at position: Int, _ file: D.File, _ left: Int, _ bytes: inout [UInt8]
    ) throws(StorageError) -> Int {
        let have = bytes.count - start
        let length = bytes.withView { view -> Int in
            guard view.count - start >= EntryHeader.size else { return 0 }
            return Int(view.u32(start + 4))
        }
        guard length > have, length - have <= left, length <= Limits.entry else { return 0 }
        return try disk.read(file, at: position + have, count: length - have, into: &bytes)
    }

    func unreadable(_ number: EntryNumber, _ i: Int, _ position: Int) -> StorageError {
        let damage = Damage(
            segment: path(segments[i].name), bytes: position..<max(position, segments[i].bytes), entries: number..<number.next,
            what: "does not read back")
        return StorageError(.damage(damage), "read", directory)
    }
    private func missing(_ number: EntryNumber, _ i: Int) -> StorageError { unreadable(number, i, segments[i].bytes) }
}
