internal import Broker
internal import Storage
internal import Wire

/// What is no longer kept goes from the durable log, a slice at a time.
extension Journal {
    private var logFiles: StateFile<D> { StateFile(durable.disk, directory: "group-0") }

    /// From where on the past is exact, as saved; where that is lost nothing before the log's end is taken to be.
    static func marks(_ disk: D, _ log: Log<D>) throws(StorageError) -> CleanMarks {
        var marks: CleanMarks?
        do throws(StorageError) {
            guard let bytes = try StateFile(disk, directory: "group-0").load(CleanMarks.name) else { return CleanMarks() }
            marks = CleanMarks(bytes)
        } catch { guard case .damage = error.kind else { throw error } }
        if let marks { return marks }
        var lost = CleanMarks()
        (lost.copied, lost.hasGaps) = (log.end.offset.raw, true)
        return lost
    }

    mutating func clean(below limit: EntryNumber, bytes: Int, drop: Droppable, into results: inout [DiskResult]) throws(StorageError) {
        var marks = marks
        var changed: [EntryNumber] = []
        let (files, log) = (logFiles, durable)
        var holdings = holdings
        let holdingsFile = Self.holdingsName
        var withheld: [Holdings.Line] = []
        var isDone = true
        do throws(StorageError) {
            isDone = try cleaner.step(
                durable, below: limit, bytes: bytes, drop: drop, marks: &marks,
                save: { (marks, lines) throws(StorageError) in
                    try log.withRoom { () throws(StorageError) in try files.save(CleanMarks.name, marks.encoded) }
                    guard !lines.isEmpty else { return }
                    for line in lines { holdings.withhold(line) }
                    withheld = lines
                    try log.withRoom { () throws(StorageError) in try files.save(holdingsFile, holdings.encode()) }
                }, changed: { changed.append($0) })
        } catch {
            guard case .damage(let damage) = error.kind, durable.isClosed(damage.entries.lowerBound) else { throw error }
            guard try !durable.inspect(damage.entries.lowerBound).isEmpty else { throw error }
            try cleaner.cancel(durable)
            cleaner.beginAnew()
            results.append(.damaged(try holes()))
        }
        self.marks = marks
        self.holdings = holdings
        for segment in changed { durableValues.forget(segment) }
        results.append(.cleaned(cleaner.report, isDone: isDone, withheld: withheld))
    }

    /// Entries of another's log, of which some may be gone: what lies below them is exact only there.
    /// - upTo: what was cleaned counts as if it reached to there.
    mutating func noteCopied(_ entries: ByteView, upTo end: Offset = Offset(0)) throws(StorageError) {
        var at = 0
        var copied = marks.copied
        while at < entries.count, let header = try? EntryHeader(entries.from(at)) {
            if header.isCleaned { copied = max(copied, header.endOffset.raw, end.raw) }
            at += header.length
        }
        guard copied > marks.copied else { return }
        var raised = marks
        raised.copied = copied
        try save(raised)
    }
    /// Another node's log comes without records that only others hold: before any of it is here.
    mutating func noteGaps() throws(StorageError) {
        guard !marks.hasGaps, !planted(.headsOfGaps) else { return }
        var raised = marks
        raised.hasGaps = true
        try save(raised)
        durableValues.trustsHoles = false
    }
    private mutating func save(_ raised: CleanMarks) throws(StorageError) {
        try durable.withRoom { () throws(StorageError) in try logFiles.save(CleanMarks.name, raised.encoded) }
        marks = raised
    }
}
