package import Wire

/// What a log's directory holds.
private struct Listing {
    var segments: [(number: EntryNumber, offset: Offset)] = []
    var checkpoints: [LogEnd] = []
    var mark = LogMark()
    var lost: [String] = []
}

extension Log {
    /// Opens a group's log, or begins one, where there is none with what comes after `beginning`. Reads the last segment whole, of the closed ones header and size.
    ///
    /// Of the last segment's tail, what nothing shows to have been on the disk is cut, to the longest run of whole entries;
    /// the rest is written once more and synced, so that it is on the disk even if an earlier sync had failed. Where
    /// something is damaged nothing is written at all. `known`: so many entries have been on the disk; what is missing of them is damage.
    package static func open(
        _ disk: D, group: GroupID, options: LogOptions = LogOptions(), from beginning: LogEnd = LogEnd(), known: EntryNumber = .zero
    ) throws(StorageError) -> (log: Log, recovery: Recovery) {
        let directory = directory(of: group)
        try disk.createDirectory(directory)
        try disk.syncDirectory("")
        try finishRepair(disk, directory, try disk.list(directory).filter { $0.hasSuffix(SegmentName.log) })
        var listing = try list(disk, directory)
        if listing.segments.isEmpty, listing.mark.first == .zero { (listing.mark.first, listing.mark.base) = (beginning.number, beginning.offset) }
        if listing.segments.isEmpty {
            let start = LogEnd(number: listing.mark.first, offset: listing.mark.base, key: .zero)
            let header = SegmentHeader(group: group, start: start, bytesBefore: 0, firstBefore: .zero)
            disk.close(try create(disk, directory, header))
            listing.segments = [(start.number, start.offset)]
        }

        var damage: [Damage] = []
        let segments = try check(disk, directory, group, listing, &damage)
        let last = segments[segments.count - 1]
        let file = try disk.open(directory + "/" + last.name, create: false)
        let log = Log(
            disk, group: group, options: options, segments: segments, file: file, end: last.start, synced: last.start.number,
            damage: damage, checkpoints: listing.checkpoints, mark: listing.mark)
        log.known = known
        let torn = try log.poisoning { () throws(StorageError) in try log.recoverTail() }
        if planted(.tailCutShort), log.end.number > log.openSegment.start.number { try log.truncate(to: EntryNumber(log.end.number.raw - 1)) }
        let readable = try log.checkpoint()
        if readable == nil, log.first > .zero, !disk.isVolatile, log.damage.isEmpty {
            let what = "no checkpoint at or behind the first entry reads back"
            log.damage = [Damage(segment: directory, bytes: 0..<0, entries: log.first..<log.first, what: what)]
        }
        let recovery = Recovery(
            first: log.first, end: log.end, torn: torn, damage: log.damage, checkpoint: readable?.number, lost: listing.lost)
        return (log, recovery)
    }

    private static func list(_ disk: D, _ directory: String) throws(StorageError) -> Listing {
        var listing = Listing()
        let states = StateFile(disk, directory: directory)
        do throws(StorageError) {
            if let bytes = try states.load(LogMark.name), let mark = LogMark(bytes) { listing.mark = mark }
        } catch {
            guard case .damage = error.kind else { throw error }
            listing.lost.append(LogMark.name)
        }
        let first = listing.mark.first
        for name in try disk.list(directory) {
            if name.hasSuffix(StateFile<D>.unfinished) || name.hasSuffix(SpareFiles.suffix) {
                try disk.remove(directory + "/" + name)
            } else if let (number, offset) = SegmentName.parse(name, SegmentName.log) {
                // What retention had dropped and the crash brought back.
                if number < first { try disk.remove(directory + "/" + name) } else { listing.segments.append((number, offset)) }
            } else if let (number, offset) = SegmentName.parse(name, SegmentName.checkpoint) {
                listing.checkpoints.append(LogEnd(number: number, offset: offset, key: .zero))
            }
        }
        if listing.lost.isEmpty == false, let oldest = listing.segments.first {
            (listing.mark.first, listing.mark.base) = oldest
        }
        return listing
    }

    /// Compares headers, sizes and neighbours of all segments. A closed one is as long as the one behind it says.
    private static func check(
        _ disk: D, _ directory: String, _ group: GroupID, _ listing: Listing, _ damage: inout [Damage]
    ) throws(StorageError) -> [Segment] {
        var segments: [Segment] = []
        for (number, offset) in listing.segments {
            var segment = Segment(
                start: LogEnd(number: number, offset: offset, key: .zero), bytes: SegmentHeader.size, index: nil)
            let path = directory + "/" + segment.name
            let file = try disk.open(path, create: false)
            defer { disk.close(file) }
            var bytes: [UInt8] = []
            _ = try disk.read(file, at: 0, count: SegmentHeader.size, into: &bytes)
            let header = bytes.withView { SegmentHeader($0) }
            let isGood = header.map { $0.group == group && $0.start.number == number && $0.start.offset == offset } ?? false
            if let header, isGood {
                segment = Segment(start: header.start, bytes: max(SegmentHeader.size, try disk.size(file)), index: nil, isCleaned: header.cleanedBytes > 0)
                if segment.isCleaned, segment.bytes != header.cleanedBytes, number != listing.segments.last?.number {
                    let what = "\(segment.bytes) bytes long, not \(header.cleanedBytes) as when it was cleaned"
                    let range = min(segment.bytes, header.cleanedBytes)..<max(segment.bytes, header.cleanedBytes)
                    let next = listing.segments.first { $0.number > number }?.number ?? number
                    damage.append(Damage(segment: path, bytes: range, entries: number..<next, what: what))
                }
            } else {
                let what = "the segment's header does not read back"
                damage.append(Damage(segment: path, bytes: 0..<SegmentHeader.size, entries: number..<number, what: what))
                segment.bytes = max(SegmentHeader.size, try disk.size(file))
            }
            if let before = segments.last {
                checkNeighbours(directory, before, isGood ? header : nil, number, &damage)
            } else if number > listing.mark.first {
                damage.append(
                    Damage(
                        segment: directory, bytes: 0..<0, entries: listing.mark.first..<number,
                        what: "the first segments are missing"))
            }
            segments.append(segment)
        }
        return segments
    }

    private static func checkNeighbours(
        _ directory: String, _ before: Segment, _ header: SegmentHeader?, _ number: EntryNumber, _ damage: inout [Damage]
    ) {
        let path = directory + "/" + before.name
        let entries = before.start.number..<number
        guard let header else { return }
        if header.firstBefore != before.start.number {
            damage.append(
                Damage(segment: path, bytes: before.bytes..<before.bytes, entries: entries, what: "a segment behind it is missing"))
        } else if !before.isCleaned, header.bytesBefore != before.bytes {
            let what = "\(before.bytes) bytes long, not \(header.bytesBefore) as when it was closed"
            damage.append(
                Damage(
                    segment: path, bytes: min(before.bytes, header.bytesBefore)..<max(before.bytes, header.bytesBefore),
                    entries: entries, what: what))
        }
    }

    /// Reads the last segment, judges its tail, and makes what is left durable; what was cut.
    func recoverTail() throws(StorageError) -> Recovery.TornTail? {
        let segment = openSegment
        isTailReady = false
        let scan = try SegmentScan.read(
            disk, file, start: segment.start, group: group, size: try disk.size(file), spacing: options.indexBytes)
        openSegment.bytes = scan.position
        openSegment.index = scan.index
        end = scan.after
        let floor = max(scan.synced, segment.start.number, max(mark.synced, known, checkpoints.last?.number ?? .zero))
        if !planted(.damageTakenForTorn) { damage += scan.damage(segment: path(segment.name), floor: floor) }
        (zeroed, reserved) = (scan.position, scan.position)
        synced = end.number
        staged.clear(at: end)
        cursors.forget()
        guard damage.isEmpty else { return nil }

        var torn: Recovery.TornTail?
        if scan.end > scan.position {
            torn = Recovery.TornTail(segment: path(segment.name), position: scan.position, bytes: scan.end - scan.position)
        }
        try reopenCleaned()
        try writeHeaderAgain()
        try writeAgain(from: min(floor, end.number))
        try disk.truncate(file, to: scan.position)
        try disk.sync(file)
        try reserve()
        isTailReady = true
        return torn
    }

    /// The open segment's header, for the same reason: a cut changes that of one that was cleaned.
    private func writeHeaderAgain() throws(StorageError) {
        scratch.removeAll(keepingCapacity: true)
        _ = try disk.read(file, at: 0, count: SegmentHeader.size, into: &scratch)
        try disk.write(file, at: 0, bytes: scratch)
    }

    /// Writes the entries from `number` on where they are: what an earlier, failed sync left in the page cache alone gets a
    /// second, honest chance.
    private func writeAgain(from number: EntryNumber) throws(StorageError) {
        guard number < end.number, number >= openSegment.start.number else { return }
        guard let found = try locate(segments.count - 1, from: { $0.number <= number }, until: { $0.number >= number }) else {
            return
        }
        var position = found.position
        while position < openSegment.bytes {
            scratch.removeAll(keepingCapacity: true)
            let count = min(1 << 20, openSegment.bytes - position)
            guard try disk.read(file, at: position, count: count, into: &scratch) == count else {
                throw StorageError(.outside("the file shrank while it was read"), "recover", path(openSegment.name))
            }
            try disk.write(file, at: position, bytes: scratch)
            position += count
        }
        scratch = []
    }
}
