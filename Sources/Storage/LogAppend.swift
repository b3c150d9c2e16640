package import Wire

extension Log {
    /// Adds an entry to the next write: `batches` is a run of whole batches as their publishers laid them out.
    ///
    /// The caller has numbered it: `number` and `baseOffset` are the next. The log sets `synced` and the checksum. Throws
    /// `.corruptInput`, and stages nothing, when a batch fails its own checksum (in memory alone it is not asked for), the header's counts
    /// are not those of the batches, or its key is not above the last entry's. The memory must stay until `write` has returned.
    /// - owner: keeps the memory as it is for as long as it is held.
    package func stage(_ entry: EntryHeader, _ batches: ByteView, owner: OwnedBytes? = nil) throws(StorageError) {
        try checkWritable("append")
        var tally = Tally()
        try tally.add(batches, directory, verify: !disk.isVolatile)
        staged.add(try admit(entry, tally), batches, owner: owner)
    }

    /// The same, with batches from several places; each part is a run of whole batches.
    package func stage(_ entry: EntryHeader, parts: [ByteView]) throws(StorageError) {
        try checkWritable("append")
        var tally = Tally()
        for part in parts { try tally.add(part, directory, verify: !disk.isVolatile) }
        staged.add(try admit(entry, tally), parts)
    }

    /// Adds an entry of another replica's log, header and all; returns the header. Throws `.corruptInput` unless it is whole
    /// and the next one.
    @discardableResult
    package func stage(entry whole: ByteView) throws(StorageError) -> EntryHeader {
        try checkWritable("append")
        let given: EntryHeader
        do throws(DecodeError) { given = try checkEntry(whole) } catch {
            throw StorageError(.corruptInput(error.description), "append", directory)
        }
        guard given.number == staged.after.number, given.baseOffset == staged.after.offset, given.group == group else {
            let wanted = "entry \(staged.after.number.raw) at offset \(staged.after.offset.raw) of \(group)"
            let got = "entry \(given.number.raw) at offset \(given.baseOffset.raw) of \(given.group)"
            throw StorageError(.corruptInput("\(wanted) comes next, not \(got)"), "append", directory)
        }
        let batches = whole[EntryHeader.size..<given.length]
        let entry = try admit(given, Tally(bytes: batches.count, batches: given.batches, records: given.records))
        staged.add(entry, batches)
        return entry
    }

    /// Entries and bytes that wait for `write`.
    package var stagedCount: Int { staged.count }
    package var stagedBytes: Int { staged.bytes }
    /// What the next staged entry has to have.
    package var next: EntryNumber { staged.after.number }
    package var nextOffset: Offset { staged.after.offset }

    /// Forgets what was staged.
    package func discardStaged() { staged.clear(at: end) }

    /// Writes what was staged, with one pwritev. Where that would take the segment past `LogOptions.mostBytes`, because nobody
    /// rolled, it begins a new one first, without a checkpoint.
    ///
    /// All or nothing: on an error (`isFull` among them) the staged entries are forgotten and the log stands as before.
    package func write() throws(StorageError) {
        guard staged.count > 0 else { return }
        defer { staged.clear(at: end) }
        try checkWritable("append")
        let isEmpty = openSegment.bytes == SegmentHeader.size
        if !isEmpty, openSegment.bytes + staged.bytes > options.mostBytes {
            try withRoom { () throws(StorageError) in try beginSegment(checkpoint: nil) }
        }

        let position = openSegment.bytes
        let after = position + staged.bytes
        // Zeros spare small syncs a change of the file's extents; a large write pays for that once, and less than for the zeros.
        let isSmall = staged.bytes < options.zeroAhead / 2
        let ahead = after > zeroed && isSmall ? max(0, min(options.zeroAhead, reserved - after)) : 0
        try withRoom { () throws(StorageError) in
            do throws(StorageError) {
                try zeros.withView { zeros throws(StorageError) in
                    try staged.withParts { parts, owners throws(StorageError) in
                        try disk.append(
                            file, at: position, parts: parts, owners: owners, zeros: zeros[0..<ahead], space: options.isReadBack ? 0 : reserved)
                    }
                }
            } catch {
                try clearTail()
                throw error
            }
        }
        zeroed = max(zeroed, after + ahead)
        noteStaged(at: position)
        end = staged.after
        openSegment.bytes = after
    }

    /// Begins to bring the last `bytes` of the log to the disk, and does not wait for it.
    package func startWriting(_ bytes: Int) {
        let count = min(bytes, openSegment.bytes)
        disk.startWriting(file, at: openSegment.bytes - count, count: count)
    }

    /// Puts everything written on the disk; how many entries are there now. One fdatasync for all since the last.
    @discardableResult
    package func sync() throws(StorageError) -> EntryNumber {
        try checkHealthy("sync")
        guard synced < end.number else { return synced }
        if planted(.syncRetried) {
            do throws(StorageError) { try disk.sync(file) } catch { try disk.sync(file) }
        } else if !planted(.ackBeforeSync) {
            try poisoning { () throws(StorageError) in try disk.sync(file) }
        }
        synced = end.number
        cached.trim(disk, file, tail: openSegment.bytes)
        return synced
    }

    /// The entry as it is written, if it comes next and says of its batches what is so.
    private func admit(_ given: EntryHeader, _ tally: Tally) throws(StorageError) -> EntryHeader {
        precondition(given.number == staged.after.number, "entries are numbered without gaps")
        precondition(given.baseOffset == staged.after.offset, "offsets are counted without gaps")
        precondition(given.group == group, "an entry of this group")
        guard given.length == EntryHeader.size + tally.bytes, given.length <= Limits.entry, given.batches == tally.batches,
            given.records == tally.records
        else {
            let claim = "\(given.length) bytes, \(given.batches) batches, \(given.records) records"
            let fact = "\(EntryHeader.size + tally.bytes) bytes, \(tally.batches) batches, \(tally.records) records"
            let what = "the header claims \(claim); there are \(fact); the limit is \(Limits.entry) bytes"
            throw StorageError(.corruptInput(what), "append", directory)
        }
        guard given.key > staged.after.key else {
            let last = staged.after.key
            let what =
                "order key \(given.key.timestamp.raw)/\(given.key.sender.raw) is not above "
                + "\(last.timestamp.raw)/\(last.sender.raw)"
            throw StorageError(.corruptInput(what), "append", directory)
        }
        var entry = given
        entry.synced = synced
        return entry
    }

    private func noteStaged(at start: Int) {
        // Out and in again, so that it is changed where it is and not copied, and looked up once.
        let last = segments.count - 1
        guard var index = segments[last].index.take() else { return }
        var position = start
        staged.headers.withView { headers in
            var at = 0
            while at < headers.count {
                index.note(
                    number: EntryNumber(headers.u64(at + 16)), offset: Offset(headers.u64(at + 24)),
                    timestamp: Timestamp(headers.u64(at + 32)), position: position, spacing: options.indexBytes)
                position += Int(headers.u32(at + 4))
                at += EntryHeader.size
            }
        }
        segments[last].index = index
    }

    /// Takes back what a failed write may have left behind the tail. It must be gone from the disk before the next write: a
    /// shorter entry in its place could be followed by an old one that fits.
    private func clearTail() throws(StorageError) {
        do throws(StorageError) {
            try disk.truncate(file, to: openSegment.bytes)
            try disk.sync(file)
            synced = end.number
            try reserve()
        } catch {
            poison = error
            throw error
        }
    }

    /// Reserves the open segment up to its full size, if the disk can.
    func reserve() throws(StorageError) {
        zeroed = openSegment.bytes
        reserved = zeroed
        guard !disk.isVolatile else { return }
        var isReserved = try disk.allocate(file, bytes: options.reservedBytes)
        if !isReserved, !spares.paths.isEmpty {
            try dropSpares()
            isReserved = try disk.allocate(file, bytes: options.reservedBytes)
        }
        if isReserved { reserved = max(zeroed, options.reservedBytes) }
    }
}

/// Counts of batches, checked one by one.
private struct Tally {
    var bytes = 0
    var batches = 0
    var records = 0

    mutating func add(_ run: ByteView, _ path: String, verify: Bool) throws(StorageError) {
        var cursor = BatchCursor(run)
        do throws(DecodeError) {
            while let batch = try cursor.next(verify: verify) {
                batches += 1
                if batch.header.kind.hasRecords { records += batch.header.count }
            }
        } catch { throw StorageError(.corruptInput(error.description), "append", path) }
        bytes += run.count
    }
}
