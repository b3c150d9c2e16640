package import Wire

/// Sizes of a log, in bytes.
package struct LogOptions: Sendable {
    /// A segment is full at this size: `shouldRoll`.
    package var segmentBytes = 64 << 20
    /// Room for what arrives before the caller has rolled.
    package var reservedBytes: Int { segmentBytes + segmentBytes / 8 }
    /// A segment that nobody rolls ends here. Only one write larger than that goes beyond.
    package var mostBytes: Int { segmentBytes * 2 }
    /// One point of the index for so many bytes of a segment.
    package var indexBytes = 64 << 10
    /// Reserved space is overwritten with zeros so far ahead of the tail. A sync of bytes that are new to a reserved file has
    /// to change the file's extents: 64 KiB took 400 µs at the median, 215 µs where zeros had been written before.
    package var zeroAhead = 256 << 10
    /// What is written is read again as soon as it is synced: it goes through the page cache.
    package var isReadBack = false
    /// The newest bytes of the log that the system may hold in its page cache.
    package var cachedBytes = 32 << 20
    /// Room for the member state, at least; what needs more makes the file anew.
    package var stateBytes = 256 << 10
    /// Closed segments whose index is kept; others build theirs again when they are asked for.
    package var indexes = 64

    package init() {}
}

/// What opening a log found.
package struct Recovery: Sendable {
    /// The tail that was cut: nothing showed that it had been on the disk.
    package struct TornTail: Equatable, Sendable {
        package let segment: String
        package let position: Int
        package let bytes: Int
    }
    package let first: EntryNumber
    package let end: LogEnd
    package let torn: TornTail?
    /// Never cut, only reported; in order.
    package let damage: [Damage]
    /// The entry number from which `checkpoint` spares the replay.
    package let checkpoint: EntryNumber?
    /// Small files that did not read back and can be done without.
    package let lost: [String]
}

/// One group's log: an append-only sequence of entries in segments, in the directory `group-<n>`.
///
///     stage … stage ──▶ write ──▶ sync            first ≤ synced ≤ end (≤ the staged ones' end)
///     collected         one       fdatasync:      readable: first ..< end
///     and checked       pwritev   durable         kept by a crash: at least first ..< synced
///
/// One thread at a time. What was staged must stay in place until `write` has returned. After a failed sync the log is
/// poisoned: every call throws until it is opened again. With damage it can be read, cut and repaired; with damage in the open segment it
/// cannot be appended to.
package final class Log<D: Disk> {
    package let group: GroupID
    package let disk: D
    package let options: LogOptions
    let directory: String

    /// Oldest first, never empty; the last one is open.
    var segments: [Segment]
    /// The open segment.
    var file: D.File
    /// The place after the last written entry; its position is the open segment's `bytes`.
    package internal(set) var end: LogEnd
    /// How many entries are known to be on the disk.
    package internal(set) var synced: EntryNumber
    package internal(set) var damage: [Damage]
    var staged: Stage
    /// Behind the tail, the open segment's file has zeros written up to here, and space reserved up to there.
    var zeroed: Int
    var reserved: Int
    let zeros: [UInt8]
    var cached: CachedTail<D>
    /// Checkpoints that are there, by entry number, ascending.
    var checkpoints: [LogEnd]
    var mark: LogMark
    var poison: StorageError?
    /// Entries below have been on the disk, by the word of somebody who keeps something beside the log.
    var known = EntryNumber.zero
    /// A closed segment that was read last, and where readers are.
    var reading: (first: EntryNumber, file: D.File)?
    var cursors = ReadCursors()
    var scratch: [UInt8] = []
    /// Closed segments with an index, the longest unused first.
    var indexed: [EntryNumber] = []
    var scrubbing: ScrubPlace?
    var spares = SpareFiles()
    /// Segments, by their first entries, that can only be repaired as a whole: all of what is damaged in one is told as one.
    var repairedWhole: Set<EntryNumber> = []
    /// The open segment ends at the tail and nothing lies behind it: appends may follow.
    var isTailReady = false

    init(
        _ disk: D, group: GroupID, options: LogOptions, segments: [Segment], file: D.File, end: LogEnd, synced: EntryNumber,
        damage: [Damage], checkpoints: [LogEnd], mark: LogMark
    ) {
        self.disk = disk
        self.group = group
        self.options = options
        directory = Self.directory(of: group)
        self.segments = segments
        self.file = file
        self.end = end
        self.synced = synced
        self.damage = damage
        self.checkpoints = checkpoints
        self.mark = mark
        zeroed = segments[segments.count - 1].bytes
        reserved = zeroed
        cached = CachedTail(from: zeroed, most: disk.isVolatile ? .max : options.cachedBytes)
        zeros = Storage.zeros(options.zeroAhead)
        staged = Stage(at: end)
    }

    deinit {
        cached.restart(disk, from: 0)
        disk.close(file)
        if let reading { disk.close(reading.file) }
    }

    static func directory(of group: GroupID) -> String { "group-\(group.raw)" }

    package var first: EntryNumber { segments[0].start.number }
    package var firstOffset: Offset { segments[0].start.offset }
    package var endOffset: Offset { end.offset }
    package var lastKey: OrderKey { end.key }
    /// Entries below this one are held whole, as far as is known.
    package var held: EntryNumber { min(end.number, damage.map(\.entries.lowerBound).min() ?? end.number) }
    /// Bytes of all segments' entries and headers.
    package var bytes: Int { segments.reduce(0) { $0 + $1.bytes } }
    package var segmentCount: Int { segments.count }

    /// The open segment's file, and where its entries end.
    package var openName: String { openSegment.name }
    package var openBytes: Int { openSegment.bytes }
    package var openFirst: EntryNumber { openSegment.start.number }
    var openSegment: Segment {
        get { segments[segments.count - 1] }
        _modify { yield &segments[segments.count - 1] }
    }
    func path(_ name: String) -> String { directory + "/" + name }
    var stateFile: StateFile<D> { StateFile(disk, directory: directory) }

    /// Throws what stops every call.
    func checkHealthy(_ operation: String) throws(StorageError) {
        if let poison { throw StorageError(.poisoned("\(poison.operation) \(poison.path)"), operation, directory) }
    }
    /// Throws what stops an append: damage where appends go, or found by `open`, before it is repaired. What is found later in
    /// a closed segment stops nothing.
    func checkWritable(_ operation: String) throws(StorageError) {
        try checkHealthy(operation)
        guard !damage.isEmpty else { return }
        let open = path(openSegment.name)
        if let first = damage.first(where: { !isTailReady || $0.segment == open || $0.segment == directory }) {
            throw StorageError(.damage(first), operation, directory)
        }
    }
    /// Does what may end in a sync; one that fails poisons the log.
    func poisoning<R>(_ body: () throws(StorageError) -> R) throws(StorageError) -> R {
        do throws(StorageError) { return try body() } catch {
            if error.isFailedSync { poison = error }
            throw error
        }
    }

    /// Writes down how far the log is synced, so that a tail lost later shows as damage. The log must not be used afterwards.
    package func close() throws(StorageError) {
        try checkHealthy("close")
        guard isTailReady else { return }
        try sync()
        guard !disk.isVolatile else { return }
        mark.synced = synced
        try poisoning { () throws(StorageError) in try stateFile.save(LogMark.name, mark.encoded) }
    }

    package func checkInvariants() {
        precondition(first <= synced && synced <= end.number, "synced lies within the log")
        precondition(zeroed >= openSegment.bytes, "the tail lies within what is zeroed")
        precondition(staged.after.number.raw == end.number.raw + UInt64(staged.count), "staged entries follow the end")
        for i in 1..<max(1, segments.count) {
            precondition(segments[i - 1].start.number < segments[i].start.number, "segments ascend and are not empty")
        }
    }
}

/// What a log knew about its two ends when it last wrote it down: a small blob beside the segments.
///
///      0                8                16               24
///      | first number   | base offset    | synced         |
///
/// `synced` is a lower bound: the log is never cut below it without lowering it first.
struct LogMark: Equatable {
    static let name = "mark"
    var first = EntryNumber.zero
    var base = Offset(0)
    var synced = EntryNumber.zero

    init() {}
    init?(_ bytes: [UInt8]) {
        guard bytes.count == 24 else { return nil }
        (first, base, synced) = bytes.withView { (EntryNumber($0.u64(0)), Offset($0.u64(8)), EntryNumber($0.u64(16))) }
    }
    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(int: first.raw)
        bytes.append(int: base.raw)
        bytes.append(int: synced.raw)
        return bytes
    }
}
