package import Wire

extension Log {
    /// Reads the segment that entry `number` is in, and judges it anew; what of it is damaged.
    package func inspect(_ number: EntryNumber) throws(StorageError) -> [Damage] {
        try checkHealthy("inspect")
        guard let i = segmentIndex(of: number) else { return [] }
        return try inspect(segment: i)
    }

    func inspect(segment i: Int) throws(StorageError) -> [Damage] {
        let found = try verify(segment: i)
        let name = path(segments[i].name)
        damage.removeAll { $0.segment == name }
        damage += found
        damage.sort { ($0.segment, $0.bytes.lowerBound) < ($1.segment, $1.bytes.lowerBound) }
        return found
    }

    /// Whether all of the damage's entries are put back at once, in a new file.
    package func isRepairedWhole(_ hole: Damage) -> Bool {
        segments.indices.dropLast().contains { path(segments[$0].name) == hole.segment && isRepairedWhole($0) }
    }

    /// Whether the entry is in a closed segment.
    package func isClosed(_ number: EntryNumber) -> Bool { number < openSegment.start.number }

    /// Whether what lies behind the damage tells what was in it: an entry that reads back, or the next segment.
    package func hasEntryBehind(_ hole: Damage) throws(StorageError) -> Bool {
        guard let i = segments.firstIndex(where: { path($0.name) == hole.segment }) else { return false }
        if i < segments.count - 1 { return true }
        var walker = SegmentWalker(disk, file, from: hole.bytes.upperBound, end: try disk.size(file))
        guard case .entry(let entry) = try walker.next(verify: true) else { return false }
        return entry.number == hole.entries.upperBound && entry.group == group
    }

    /// Puts back what is damaged: `entries` are entries of `damage` from its first on, whole, from another replica's log, where
    /// they are the same but for `synced`, and so just as long. Call it for the damages of a segment in order; all of a damage's
    /// entries at once, or piece by piece. Where a closed segment's length is wrong, its last entry's end says what is right.
    ///
    /// A closed segment that was cleaned, or is given entries that were, is made anew: all of the damage's entries at once, then, and one that
    /// stands for several may begin before them and end behind them.
    ///
    /// `isChained`: each entry's chain follows from the one before, and the entry behind the damage from the last of them; so what
    /// is put back is what was there. Throws `.corruptInput`, and writes nothing, unless they are those entries.
    package func repair(_ hole: Damage, with entries: [UInt8], isChained: Bool = false) throws(StorageError) {
        try checkHealthy("repair")
        guard let i = segments.firstIndex(where: { path($0.name) == hole.segment }), damage.contains(hole) else {
            throw StorageError(.corruptInput("no such damage: \(hole)"), "repair", directory)
        }
        let file = try handle(i)
        try poisoning { () throws(StorageError) in
            if !disk.isVolatile { try stateFile.save(Self.underRepair, Array(segments[i].name.utf8)) }
            if hole.bytes == 0..<SegmentHeader.size {
                try repairHeader(i, file)
            } else if i < segments.count - 1, isRepairedWhole(i) || hasCleaned(entries) {
                repairedWhole.insert(segments[i].start.number)
                try remake(i, hole, with: entries, isChained: isChained)
                repairedWhole.remove(segments[i].start.number)
            } else {
                try putBack(entries, hole, i, file, isChained: isChained)
            }
            try disk.sync(try handle(i))
            try stateFile.remove(Self.underRepair)
        }
        segments[i].index = nil
        cursors.forget()
        if i == segments.count - 1 {
            damage.removeAll { $0.segment == hole.segment }
            _ = try poisoning { () throws(StorageError) in try recoverTail() }
        } else {
            segments[i].bytes = try disk.size(try handle(i))
            // The next one's header says how long this one is.
            if try inspect(segment: i).isEmpty, let header = try headerDamage(i + 1), !damage.contains(header) { damage.append(header) }
        }
        if damage.isEmpty, !isTailReady { _ = try poisoning { () throws(StorageError) in try recoverTail() } }
    }

    /// The blob that names the segment under repair. Should its sync fail, what was put back reads well as long as the machine
    /// runs, and is not on the disk; nothing else would tell.
    static var underRepair: String { "repair" }

    /// Writes the segment that an earlier life left under repair once more, and syncs it.
    static func finishRepair(_ disk: D, _ directory: String, _ listing: [String]) throws(StorageError) {
        let states = StateFile(disk, directory: directory)
        var names = listing
        do throws(StorageError) {
            guard let name = try states.load(underRepair) else { return }
            names = listing.filter { Array($0.utf8) == name }
        } catch { guard case .damage = error.kind else { throw error } }
        for name in names {
            let file = try disk.open(directory + "/" + name, create: false)
            defer { disk.close(file) }
            var position = 0
            var bytes: [UInt8] = []
            while try disk.read(file, at: position, count: 1 << 20, into: &bytes) > 0 {
                try disk.write(file, at: position, bytes: bytes)
                position += bytes.count
                bytes.removeAll(keepingCapacity: true)
            }
            try disk.sync(file)
        }
        try states.remove(underRepair)
    }

    private func putBack(
        _ entries: [UInt8], _ hole: Damage, _ i: Int, _ file: D.File, isChained: Bool
    ) throws(StorageError) {
        let size = try disk.size(file)
        let scan = try SegmentScan.read(disk, file, start: segments[i].start, group: group, size: size, spacing: options.indexBytes)
        var filling = Filling(place: scan.after, synced: scan.synced, group: group, isChained: isChained)
        do throws(DecodeError) { try filling.add(entries) } catch {
            throw StorageError(.corruptInput(error.description), "repair", directory)
        }
        let end = scan.position + filling.bytes.count
        let isLast = i == segments.count - 1
        let next = isLast ? nil : segments[i + 1].start
        let endsSegment = next.map { $0.number == filling.place.number && $0.offset == filling.place.offset } ?? false
        guard fits(filling, hole, from: scan.position, endsSegment: endsSegment, endsLog: isLast && hole.bytes.upperBound >= scan.end) else {
            let what = "entries up to \(filling.place.number.raw) in \(filling.bytes.count) bytes do not fill the gap: \(hole)"
            throw StorageError(.corruptInput(what), "repair", directory)
        }
        if isChained {
            let behind = endsSegment ? next.map { $0.chain } : nil
            let entry = scan.runs.first { $0.position == end && $0.first == filling.place.number }?.head
            guard behind.map({ $0 == filling.place.chain }) ?? true, entry.map({ filling.place.isFollowed(by: $0) }) ?? true else {
                throw StorageError(.corruptInput("the entries are of another history"), "repair", directory)
            }
        }
        if !filling.bytes.isEmpty { try disk.write(file, at: scan.position, bytes: filling.bytes) }
        if endsSegment, size != end { try disk.truncate(file, to: end) }
    }

    private func fits(_ filling: Filling, _ hole: Damage, from: Int, endsSegment: Bool, endsLog: Bool) -> Bool {
        if endsSegment { return true }
        let end = from + filling.bytes.count
        if filling.place.number == hole.entries.upperBound {
            return from == hole.bytes.lowerBound && end == hole.bytes.upperBound || endsLog
        }
        // A first part, which must not reach what reads back behind the damage.
        return !filling.bytes.isEmpty && filling.place.number < hole.entries.upperBound
            && (end < hole.bytes.upperBound || endsLog || isLastInSegment(hole))
    }

    private func isLastInSegment(_ hole: Damage) -> Bool {
        segments.contains { $0.start.number == hole.entries.upperBound }
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
        segments[i] = Segment(start: start, bytes: segments[i].bytes, index: nil, isCleaned: try wasCleaned(i))
        // The handle may have been exchanged for the neighbour's.
        try disk.write(try handle(i), at: 0, bytes: expectedHeader(i, nil).encoded)
    }
}

extension Log {
    /// Whether a segment whose header is lost had been rewritten: it is not as long as the one behind it says.
    private func wasCleaned(_ i: Int) throws(StorageError) -> Bool {
        guard i + 1 < segments.count else { return false }
        scratch.removeAll(keepingCapacity: true)
        _ = try disk.read(try handle(i + 1), at: 0, count: SegmentHeader.size, into: &scratch)
        guard let next = scratch.withView({ SegmentHeader($0) }) else { return false }
        return next.bytesBefore != segments[i].bytes
    }
}

/// Entries of another replica as this log writes them, one following the other.
private struct Filling {
    private(set) var place: LogEnd
    private(set) var bytes: [UInt8] = []
    private let synced: EntryNumber
    private let group: GroupID
    private let isChained: Bool

    init(place: LogEnd, synced: EntryNumber, group: GroupID, isChained: Bool) {
        self.place = place
        self.synced = synced
        self.group = group
        self.isChained = isChained
    }

    mutating func add(_ entries: [UInt8]) throws(DecodeError) {
        var stage = Stage(at: place)
        var at = 0
        try entries.withView { view throws(DecodeError) in
            while at < view.count {
                var entry = try checkEntry(view.from(at))
                entry.synced = min(entry.synced, synced)
                guard place.admits(entry, group: group), !isChained || place.isFollowed(by: entry) else {
                    throw .value(what: "entry number", value: entry.number.raw)
                }
                stage.add(entry, view[at + EntryHeader.size..<at + entry.length])
                place = LogEnd(after: entry)
                at += entry.length
            }
            var whole: [UInt8] = []
            do throws(StorageError) {
                try stage.withParts { parts, _ throws(StorageError) in for part in parts { whole.append(view: part) } }
            } catch { preconditionFailure("nothing here touches the disk: \(error)") }
            bytes = whole
        }
    }
}

extension LogEnd {
    /// The entry's chain is that of all before it.
    fileprivate func isFollowed(by entry: EntryHeader) -> Bool { entry.chain == nextChain(chain, entry.key, entry.view) }
}
