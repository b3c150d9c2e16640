package import Wire

/// How a log loses entries: at its end by a view change's cut, at its beginning by retention.
extension Log {
    /// Drops the entries from `number` on, and where one stands for several, with `number` among them, that one; durable when it returns. With damage, `number` is at or below the first damaged
    /// entry: it is the way out where nobody has the entries any more, or to fetch them all again.
    ///
    /// Each step is durable before the next, and each leaves a whole, longer log:
    ///
    ///     1  the mark says how much of what stays was synced: no more, and, since what said so may go, no less
    ///     2  checkpoints above go
    ///     3  segments above go, the newest first
    ///     4  the last segment left is cut, synced, and open again
    package func truncate(to number: EntryNumber) throws(StorageError) {
        precondition(staged.count == 0, "write or discard before truncating")
        precondition(number >= first && number <= end.number, "cut within the log")
        try checkHealthy("truncate")
        guard number < end.number || !damage.isEmpty else { return }
        known = min(known, number)
        try poisoning { () throws(StorageError) in
            let stays = min(synced, number)
            if mark.synced != stays {
                var changed = mark
                changed.synced = stays
                try stateFile.save(LogMark.name, changed.encoded)
                mark = changed
            }
            while let last = checkpoints.last, last.number > number {
                try removeDurably(Self.name(checkpoint: last))
                checkpoints.removeLast()
            }
            try removeSegments(above: number)
            try reopenCleaned()
            try cutOpenSegment(to: number)
        }
        damage.removeAll { $0.entries.lowerBound >= number && $0.bytes != 0..<SegmentHeader.size || !isThere($0.segment) }
    }

    private func isThere(_ segment: String) -> Bool { segment == directory || segments.contains { path($0.name) == segment } }

    private func removeDurably(_ name: String) throws(StorageError) {
        guard try disk.exists(path(name)) else { return }
        try disk.remove(path(name))
        try disk.syncDirectory(directory)
    }

    private func removeSegments(above number: EntryNumber) throws(StorageError) {
        while segments.count > 1, openSegment.start.number >= number {
            let before = segments.count - 2
            let file = try handle(before)
            reading = nil
            disk.close(self.file)
            self.file = file
            let gone = segments.removeLast()
            cached.restart(disk, from: openSegment.bytes)
            end = gone.start
            synced = min(synced, end.number)
            (zeroed, reserved) = (openSegment.bytes, openSegment.bytes)
            staged.clear(at: end)
            cursors.forget()
            indexed.removeAll { $0 == openSegment.start.number }
            try removeDurably(gone.name)
        }
    }

    private func cutOpenSegment(to number: EntryNumber) throws(StorageError) {
        guard number < end.number || !damage.isEmpty else { return }
        if number < end.number {
            let (place, position) = try boundary(before: number)
            end = place
            openSegment.bytes = position
            openSegment.index?.cut(to: position)
        }
        cursors.forget()
        staged.clear(at: end)
        synced = min(synced, end.number)
        (zeroed, reserved) = (openSegment.bytes, openSegment.bytes)
        if !planted(.cutLeavesTail) { try disk.truncate(file, to: openSegment.bytes) }
        try disk.sync(file)
        synced = end.number
        try reserve()
        isTailReady = true
    }

    /// The place before entry `number` of the open segment, which need not read back itself, and its position.
    private func boundary(before number: EntryNumber) throws(StorageError) -> (LogEnd, Int) {
        guard number > openSegment.start.number else { return (openSegment.start, SegmentHeader.size) }
        let last = EntryNumber(number.raw - 1)
        guard let found = try locate(segments.count - 1, from: { $0.number <= last }, until: { $0.endNumber > last }) else {
            throw StorageError(.outside("entry \(last.raw) is not to be found"), "truncate", directory)
        }
        // In the midst of a hole there is no place to end.
        if found.entry.endNumber > number { return try boundary(before: found.entry.number) }
        // What the log ends with from now on must be what it says.
        scratch.removeAll(keepingCapacity: true)
        _ = try disk.read(file, at: found.position, count: found.entry.length, into: &scratch)
        do throws(DecodeError) { _ = try scratch.withView { view throws(DecodeError) in try checkEntry(view) } } catch {
            throw unreadable(last, segments.count - 1, found.position)
        }
        return (LogEnd(after: found.entry), found.position + found.entry.length)
    }

    /// Drops whole segments of entries below `number`, the oldest first, and never the open one. What is left begins with a
    /// checkpoint, so that its state can be rebuilt whatever is cut later. Returns how many segments went.
    @discardableResult
    package func drop(below number: EntryNumber) throws(StorageError) -> Int {
        try checkHealthy("retention")
        let starts = Set(checkpoints.map(\.number))
        var keep = 0
        for i in segments.indices where segments[i].start.number <= number {
            if disk.isVolatile || starts.contains(segments[i].start.number) { keep = i }
        }
        guard keep > 0 else { return 0 }
        let start = segments[keep].start
        var raised = mark
        (raised.first, raised.base) = (start.number, start.offset)
        // First the word that they are dropped, then the deed: otherwise a crash between looks like damage.
        if !disk.isVolatile { try poisoning { () throws(StorageError) in try stateFile.save(LogMark.name, raised.encoded) } }
        mark = raised
        closeReading()
        cursors.forget()
        for _ in 0..<keep {
            try disk.remove(path(segments[0].name))
            indexed.removeAll { $0 == segments[0].start.number }
            segments.removeFirst()
        }
        while let oldest = checkpoints.first, oldest.number < start.number {
            try disk.remove(path(Self.name(checkpoint: oldest)))
            checkpoints.removeFirst()
        }
        damage.removeAll { $0.entries.lowerBound < start.number }
        return keep
    }

    /// Drops the oldest segments while what is left holds `bytes` or more.
    @discardableResult
    package func retain(bytes: Int) throws(StorageError) -> Int { try drop(below: firstRetained(bytes: bytes)) }

    /// Where `retain` would let the log begin.
    package func firstRetained(bytes: Int) -> EntryNumber {
        var left = self.bytes
        var i = 0
        while i + 1 < segments.count, left - segments[i].bytes >= bytes {
            left -= segments[i].bytes
            i += 1
        }
        return segments[i].start.number
    }

    /// The first offset of the segment that begins with entry `number`, or that the entry is in.
    package func firstOffset(ofSegmentOf number: EntryNumber) -> Offset { segmentIndex(of: number).map { segments[$0].start.offset } ?? firstOffset }
}
