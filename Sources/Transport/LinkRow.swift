internal import Synchronization
internal import Wire

/// The row of a link: what one side tells the other, rewritten whole (or its prefix only, where the application's part is
/// as it was) as the last part of each write.
///
///      0        8          16       24        32        36       40      44      48
///      | tail   | consumed | beat   | version | length  | rowcrc | flags | crc   | application row…
///
/// `tail`: end of my messages; `consumed`: how far I let yours go; `beat`: rises with every write; `version`, `length`,
/// `rowcrc`: of the application row, whose version rises with each change; `flags` bit 0: I wait for room, report
/// consumption at once; bits 16 to 31: the next row follows within so many ms; `crc`: CRC-32C of bytes 0 ..< 44.
struct RowPrefix: Equatable {
    static let size = 48
    static let beatPlace = 16
    static let crcPlace = 44
    static let wantsRoom: UInt32 = 1
    static let knownFlags: UInt32 = 0xffff_0001

    static func flags(wantsRoom: Bool, pause: UInt64) -> UInt32 {
        UInt32(min(pause / 1_000_000, 0xffff)) << 16 | (wantsRoom ? Self.wantsRoom : 0)
    }
    /// How long the peer may say nothing, nanoseconds.
    var pause: UInt64 { UInt64(flags >> 16) * 1_000_000 }

    var tail: UInt64 = 0
    var consumed: UInt64 = 0
    var beat: UInt64 = 0
    var version: UInt64 = 0
    var length: UInt32 = 0
    var rowCRC: UInt32 = 0
    var flags: UInt32 = 0

    init() {}

    /// Reads a copy of the prefix; nil when its checksum does not match: a newer one is landing.
    init?(_ view: ByteView) {
        guard view[0..<Self.crcPlace].crc32c() == view.u32(Self.crcPlace) else { return nil }
        tail = view.u64(0)
        consumed = view.u64(8)
        beat = view.u64(16)
        version = view.u64(24)
        length = view.u32(32)
        rowCRC = view.u32(36)
        flags = view.u32(40)
    }

    func write(to memory: Memory) {
        memory.store(tail, at: 0)
        memory.store(consumed, at: 8)
        memory.store(beat, at: 16)
        memory.store(version, at: 24)
        memory.store(length, at: 32)
        memory.store(rowCRC, at: 36)
        memory.store(flags, at: 40)
        memory.store(memory.view(0, Self.crcPlace).crc32c(), at: Self.crcPlace)
    }
}

/// The outgoing rows: a few slots, so that a row under way is not written over. A slot is free again when its write, or a
/// later one on the same link, has completed.
struct RowWriter {
    static let slots = 16
    /// A completion is asked for with every so many rows: each one costs the tcp provider two system calls.
    static let completionInterval: UInt64 = 8

    private let memory: Memory
    private let slotBytes: Int
    let rowBytes: Int
    private var row: [UInt8] = []
    private var rowCRC: UInt32 = 0
    /// Of the application row: what is set, and what the peer has been sent.
    private(set) var version: UInt64 = 0
    private(set) var sentVersion: UInt64 = 0
    private(set) var beat: UInt64 = 0
    private(set) var posted: UInt64 = 0
    private var completed: UInt64 = 0

    static func bytes(rowBytes: Int) -> Int { slots * slotBytes(rowBytes) }
    private static func slotBytes(_ rowBytes: Int) -> Int { (RowPrefix.size + rowBytes + 63) & ~63 }

    init(_ memory: Memory, rowBytes: Int) {
        self.memory = memory
        self.rowBytes = rowBytes
        slotBytes = Self.slotBytes(rowBytes)
        row.reserveCapacity(rowBytes)
    }

    mutating func set(_ bytes: ByteView) {
        precondition(bytes.count <= rowBytes, "a row over the size that was agreed")
        row.removeAll(keepingCapacity: true)
        row.append(view: bytes)
        rowCRC = bytes.crc32c()
        version += 1
    }
    var hasNews: Bool { version != sentVersion }
    var hasFreeSlot: Bool { posted - completed < UInt64(Self.slots) }

    /// Lays the next row out in the next slot; returns its place and length. `took` says that it was posted.
    mutating func prepare(tail: UInt64, consumed: UInt64, flags: UInt32) -> (offset: Int, length: Int) {
        let offset = Int(posted % UInt64(Self.slots)) * slotBytes
        prefix(tail: tail, consumed: consumed, flags: flags).write(to: memory.part(offset, RowPrefix.size))
        guard hasNews else { return (offset, RowPrefix.size) }
        row.withView { memory.copy($0, to: offset + RowPrefix.size) }
        return (offset, RowPrefix.size + row.count)
    }
    private func prefix(tail: UInt64, consumed: UInt64, flags: UInt32) -> RowPrefix {
        var prefix = RowPrefix()
        prefix.tail = tail
        prefix.consumed = consumed
        prefix.beat = beat + 1
        prefix.version = version
        prefix.length = UInt32(row.count)
        prefix.rowCRC = rowCRC
        prefix.flags = flags
        return prefix
    }
    /// Writes the row where the peer reads it: what the application says before what says that it is there.
    mutating func write(to memory: Memory, tail: UInt64, consumed: UInt64, flags: UInt32) {
        if hasNews { row.withView { memory.copy($0, to: RowPrefix.size) } }
        atomicMemoryFence(ordering: .releasing)
        prefix(tail: tail, consumed: consumed, flags: flags).write(to: memory.part(0, RowPrefix.size))
        took()
        completed = posted
    }
    mutating func took() {
        beat += 1
        posted += 1
        sentVersion = version
    }
    /// Rows up to the `count`-th have gone out; `count` modulo 256 is known.
    mutating func complete(_ count: UInt8) { completed += UInt64(count &- UInt8(truncatingIfNeeded: completed)) }
    /// Whether the next row is one whose completion is asked for.
    var wantsCompletion: Bool { (posted + 1) % Self.completionInterval == 0 }
}

/// The incoming row: the peer writes `memory`; what passes the checksum is kept in one of two places of ours.
struct RowReader {
    private let memory: Memory
    private let kept: Memory
    private let rowBytes: Int
    /// The newest prefix that was whole.
    private(set) var prefix = RowPrefix()
    private var version: UInt64 = 0
    /// Which of the two places holds the newest whole row, and its length.
    private var current = 0
    private var length = 0

    enum Result: Equatable {
        /// Nothing new.
        case none
        /// A newer one is landing: another completion follows.
        case torn
        /// A new prefix; `row`: the application's part is new and whole, too.
        case news(row: Bool)
        case violation(String)
    }

    static func bytes(rowBytes: Int) -> Int { RowPrefix.size + rowBytes }
    static func keptBytes(rowBytes: Int) -> Int { 2 * rowBytes + RowPrefix.size }

    /// - kept: `keptBytes` that only this side writes.
    init(_ memory: Memory, kept: Memory, rowBytes: Int) {
        self.memory = memory
        self.kept = kept
        self.rowBytes = rowBytes
    }

    /// The application row kept last; in place until the next `read`.
    var row: ByteView { rowBytes == 0 ? .empty : kept.view(current * rowBytes, length) }

    /// The peer has written since it was read last, or is about to: the beat is another.
    var hasNews: Bool { memory.load(RowPrefix.beatPlace, as: UInt64.self) != prefix.beat }

    /// Copies what the peer has written, once, and judges the copy.
    mutating func read() -> Result {
        let scratch = 2 * rowBytes
        kept.copy(memory.view(0, RowPrefix.size), to: scratch)
        guard let new = RowPrefix(kept.view(scratch, RowPrefix.size)) else { return .torn }
        guard new != prefix || new.version != version else { return .none }
        guard new.beat >= prefix.beat, new.version >= prefix.version, new.consumed >= prefix.consumed, new.tail >= prefix.tail,
            Int(new.length) <= rowBytes, new.flags & ~RowPrefix.knownFlags == 0
        else { return .violation("a row that takes back, or is over its size") }
        prefix = new
        guard new.version != version else { return .news(row: false) }
        // The row was there before what says so.
        atomicMemoryFence(ordering: .acquiring)
        let spare = (1 - current) * rowBytes
        kept.copy(memory.view(RowPrefix.size, Int(new.length)), to: spare)
        guard kept.view(spare, Int(new.length)).crc32c() == new.rowCRC else { return .torn }
        version = new.version
        current = 1 - current
        length = Int(new.length)
        return .news(row: true)
    }
}
