internal import Wire

/// What reading a whole segment found: the entries that follow one another from its start, and what lies behind them.
///
///     | header | entry | entry | entry |  ?  | entry | entry |  ?  | zeros…
///              '------ prefix --------'     '---- run -----'     '- end of what is not zero
///
/// A `?` is a torn tail if nothing shows that it was ever on the disk, else damage (EntryHeader's `synced`).
struct SegmentScan {
    /// Entries that read back and follow one another.
    struct Run {
        let position: Int
        let head: EntryHeader
        var first: EntryNumber { head.number }
        var end: Int
        var after: LogEnd
    }
    /// The place after the prefix, and its position in the file.
    var after: LogEnd
    var position: Int
    /// Why the entry after the prefix does not read back, unless all is zero there.
    var fault = "missing"
    var runs: [Run] = []
    /// How many entries were on the disk, by the word of the entries that read back.
    var synced: EntryNumber
    /// The end of the last byte that is not zero.
    var end: Int
    var index = SegmentIndex()

    /// Reads the file from its first entry to `size`, which is the file's length or less.
    static func read<D: Disk>(
        _ disk: D, _ file: D.File, start: LogEnd, group: GroupID, size: Int, spacing: Int
    ) throws(StorageError) -> SegmentScan {
        var scan = SegmentScan(after: start, position: SegmentHeader.size, synced: .zero, end: SegmentHeader.size)
        var walker = SegmentWalker(disk, file, from: SegmentHeader.size, end: size)
        prefix: while true {
            switch try walker.next(verify: !planted(.checksumUnchecked)) {
            case .entry(let entry):
                guard scan.after.admits(entry, group: group) || planted(.positionUnchecked) else {
                    scan.fault = "entry \(entry.number.raw) stands where entry \(scan.after.number.raw) should"
                    break prefix
                }
                scan.index.note(entry, position: scan.position, spacing: spacing)
                scan.synced = max(scan.synced, entry.synced)
                scan.after = LogEnd(after: entry)
                scan.position = walker.position
            case .end: break prefix
            case .bad(let what):
                scan.fault = what
                break prefix
            }
        }
        walker.seek(scan.position)
        scan.end = try walker.lastNonZero()
        if scan.end > scan.position {
            walker.seek(scan.position)
            try scan.readRuns(&walker, group: group)
        }
        return scan
    }

    /// Looks behind the prefix for entries that read back and can be later ones of this log.
    private mutating func readRuns<D: Disk>(_ walker: inout SegmentWalker<D>, group: GroupID) throws(StorageError) {
        while let at = try walker.find(magic: EntryHeader.magic) {
            guard case .entry(let entry) = try walker.next(verify: true) else {
                walker.seek(at + 8)
                continue
            }
            // At least a header for each entry between: a stray one from far off says nothing about this place.
            let plausible =
                entry.group == group && entry.number >= after.number && entry.baseOffset >= after.offset && entry.key > after.key
                && entry.synced <= entry.number && entry.number.raw - after.number.raw <= UInt64((at - position) / EntryHeader.size)
            guard plausible else { continue }
            synced = max(synced, entry.synced)
            if let last = runs.last, last.end == at, last.after.admits(entry, group: group) {
                runs[runs.count - 1].end = walker.position
                runs[runs.count - 1].after = LogEnd(after: entry)
            } else {
                runs.append(Run(position: at, head: entry, end: walker.position, after: LogEnd(after: entry)))
            }
        }
    }

    /// What is damage if `floor` entries are known to have been on the disk; nothing when the prefix reaches that far.
    func damage(segment: String, floor: EntryNumber) -> [Damage] {
        var found: [Damage] = []
        var number = after.number
        var from = position
        for run in runs where number < floor && run.first >= number {
            found.append(
                Damage(
                    segment: segment, bytes: from..<run.position, entries: number..<run.first,
                    what: found.isEmpty ? fault : "unreadable"))
            number = run.after.number
            from = run.end
        }
        if number < floor {
            let what = found.isEmpty ? fault : "missing"
            found.append(Damage(segment: segment, bytes: from..<max(from, end), entries: number..<floor, what: what))
        }
        return found
    }
}
