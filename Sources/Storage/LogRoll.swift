package import Wire

/// How a log begins its next segment. Each step is durable before the next; a crash between any two finds a whole log.
///
///     1  sync the open segment                        its entries are on the disk
///     2  cut it to its length, sync                   nothing behind them
///     3  save the checkpoint (draft, sync, rename)    it says: so many entries were on the disk
///     4  draft of the new segment, or a spare file (`LogSpares.swift`): header, sync
///     5  rename it, sync the directory                now the old one is closed
extension Log {
    /// The segment is full: the caller rolls, with its state.
    package var shouldRoll: Bool { openSegment.bytes >= options.segmentBytes }

    /// Closes the segment and begins the next one, with the state after all entries so far: what `checkpoint` gives back. Nil: that of a
    /// segment before serves on.
    ///
    /// Nothing may be staged. On an error the log stands as before, and can go on in the old segment.
    package func roll(checkpoint: [UInt8]?) throws(StorageError) {
        precondition(staged.count == 0, "write or discard before rolling")
        try checkWritable("roll")
        try withRoom { () throws(StorageError) in try beginSegment(checkpoint: checkpoint) }
    }

    func beginSegment(checkpoint: [UInt8]?) throws(StorageError) {
        if planted(.rollUnsynced) { synced = end.number } else { try sync() }
        try poisoning { () throws(StorageError) in
            if openSegment.bytes > SegmentHeader.size {
                try disk.truncate(file, to: openSegment.bytes)
                (zeroed, reserved) = (openSegment.bytes, openSegment.bytes)
                if !planted(.rollUnsynced) { try disk.sync(file) }
            }
            if let checkpoint { try save(checkpoint) }
            // An empty segment is the next one already.
            guard openSegment.bytes > SegmentHeader.size else { return }
            let header = SegmentHeader(
                group: group, start: end, bytesBefore: openSegment.bytes, firstBefore: openSegment.start.number)
            let spare = try createFromSpare(header)
            let next = if let spare { spare } else { try Self.create(disk, directory, header) }
            retire(segments.count - 1)
            cached.roll(disk, file, openSegment.start.number, end: openSegment.bytes, first: SegmentHeader.size)
            file = next
            segments.append(Segment(start: end, bytes: SegmentHeader.size, index: SegmentIndex()))
        }
        try reserve()
    }

    /// Creates a segment's file: header synced under a draft's name, then renamed, then the directory synced.
    static func create(_ disk: D, _ directory: String, _ header: SegmentHeader) throws(StorageError) -> D.File {
        let draft = path(directory, header) + StateFile<D>.unfinished
        if try disk.exists(draft) { try disk.remove(draft) }
        let file = try disk.open(draft, create: true)
        do throws(StorageError) {
            try begin(disk, directory, header, file, draft)
            return file
        } catch {
            disk.close(file)
            throw error
        }
    }
    /// `file`, of zeros and named `draft`, becomes the segment's.
    static func begin(_ disk: D, _ directory: String, _ header: SegmentHeader, _ file: D.File, _ draft: String) throws(StorageError) {
        try disk.write(file, at: 0, bytes: header.encoded)
        try disk.sync(file)
        try disk.rename(draft, to: path(directory, header))
        if !planted(.directoryUnsynced) { try disk.syncDirectory(directory) }
    }
    private static func path(_ directory: String, _ header: SegmentHeader) -> String {
        directory + "/" + SegmentName.text(header.start.number, header.start.offset) + SegmentName.log
    }

    /// The newest state saved that reads back, and the entries that it stands for; nil where the log begins with nothing.
    package func checkpoint() throws(StorageError) -> (number: EntryNumber, state: [UInt8])? {
        try checkHealthy("checkpoint")
        for place in checkpoints.reversed() where place.number <= end.number && place.number >= first {
            do throws(StorageError) {
                if let state = try stateFile.load(Self.name(checkpoint: place)) { return (place.number, state) }
            } catch {
                // The one before it serves as well: it only means a longer replay.
                guard case .damage = error.kind else { throw error }
            }
        }
        return nil
    }

    static func name(checkpoint place: LogEnd) -> String {
        SegmentName.text(place.number, place.offset) + SegmentName.checkpoint
    }

    private func save(_ checkpoint: [UInt8]) throws(StorageError) {
        try stateFile.save(Self.name(checkpoint: end), checkpoint)
        if checkpoints.last?.number != end.number { checkpoints.append(end) }
    }

    /// A segment's index is kept while it is among the last used; at most `options.indexes` of closed ones are.
    func retire(_ i: Int) {
        // One that was built again stands here once, or the older word would take the new index.
        indexed.removeAll { $0 == segments[i].start.number }
        indexed.append(segments[i].start.number)
        guard indexed.count > max(1, options.indexes) else { return }
        let oldest = indexed.removeFirst()
        if let k = segmentIndex(of: oldest), segments[k].start.number == oldest { segments[k].index = nil }
    }
}
