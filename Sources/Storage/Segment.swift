internal import Wire

extension LogEnd {
    /// Where the log stands after `entry`.
    init(after entry: EntryHeader) {
        self.init(number: entry.endNumber, offset: entry.endOffset, key: entry.key, view: entry.view, chain: entry.chain)
    }
    init(number: EntryNumber, offset: Offset, key: OrderKey, view: ViewNumber = ViewNumber(0), chain: UInt64 = 0) {
        self.init()
        self.number = number
        self.offset = offset
        self.key = key
        self.view = view
        self.chain = chain
    }
    /// `entry` can stand here.
    func admits(_ entry: EntryHeader, group: GroupID) -> Bool {
        entry.number == number && entry.baseOffset == offset && entry.group == group && entry.key > key
            && entry.synced <= entry.number
    }
}

/// A file of a log: its header, whole entries one after the other, and, in the last one, zeros up to its reserved size.
///
///     group-3/
///       0000000000000000-0000000000000000.log         entries 0 ..< 0x1a2, closed: as long as its entries
///       00000000000001a2-0000000000004c00.log         entries 0x1a2 …, open
///       00000000000001a2-0000000000004c00.checkpoint  the state after the first 0x1a2 entries
///       mark                                          what was last known about the log's two ends
///
/// The name is the first entry's number and its base offset. The header, written and synced before the name appears:
///
///      0        4        8      10     12       16               24               32
///      | magic  | crc    |group |sender| cleaned| first number   | base offset    | last timestamp |
///      40               48               56               64               72
///      | last view      | file before    | its first      | last chain     | entries…
///
/// sender and the last timestamp, view and chain are those of the entry before the first; `file before` is the length in
/// bytes of the closed segment before this one (0: none) when that was closed, and `its first` its first entry's number. `cleaned`: this
/// file's own length in units of 8 bytes, where it was rewritten after it had been closed (`LogClean.swift`); else 0. `crc` is CRC-32C of
/// bytes 8 ..< 72.
package struct SegmentHeader: Equatable {
    package static let size = 72
    static let magic: UInt32 = 0x3147_4C53  // "SLG1"

    var group: GroupID
    var start: LogEnd
    var bytesBefore: Int
    var firstBefore: EntryNumber
    /// Bytes of this file, where it was rewritten; else 0.
    var cleanedBytes = 0

    init(group: GroupID, start: LogEnd, bytesBefore: Int, firstBefore: EntryNumber, cleanedBytes: Int = 0) {
        self.cleanedBytes = cleanedBytes
        self.group = group
        self.start = start
        self.bytesBefore = bytesBefore
        self.firstBefore = firstBefore
    }

    /// nil when it does not read back.
    init?(_ view: ByteView) {
        guard view.count >= Self.size, view.u32(0) == Self.magic, view.u32(4) == view[8..<Self.size].crc32c() else { return nil }
        guard let before = Int(exactly: view.u64(48)) else { return nil }
        group = GroupID(view.u16(8))
        start = LogEnd(
            number: EntryNumber(view.u64(16)), offset: Offset(view.u64(24)),
            key: OrderKey(Timestamp(view.u64(32)), NodeID(view.u16(10))), view: ViewNumber(view.u64(40)), chain: view.u64(64))
        cleanedBytes = Int(view.u32(12)) * 8
        bytesBefore = before
        firstBefore = EntryNumber(view.u64(56))
    }

    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.size)
        bytes.append(int: Self.magic)
        bytes.append(int: UInt32(0))
        bytes.append(int: group.raw)
        bytes.append(int: start.key.sender.raw)
        bytes.append(int: UInt32(cleanedBytes / 8))
        bytes.append(int: start.number.raw)
        bytes.append(int: start.offset.raw)
        bytes.append(int: start.key.timestamp.raw)
        bytes.append(int: start.view.raw)
        bytes.append(int: UInt64(bytesBefore))
        bytes.append(int: firstBefore.raw)
        bytes.append(int: start.chain)
        bytes.store(bytes.withView { $0.from(8).crc32c() }, at: 4)
        return bytes
    }
}

/// What a log remembers of one of its segments.
struct Segment {
    /// The place before its first entry.
    let start: LogEnd
    /// Where its entries end: the file's length when closed, the tail when open.
    var bytes: Int
    /// Points into it, or nil when forgotten: it can be built again.
    var index: SegmentIndex?
    /// It was rewritten after it had been closed: its own header says how long it is.
    var isCleaned = false

    var name: String { SegmentName.text(start.number, start.offset) + SegmentName.log }
}

/// Names of a log's files: two 64-bit numbers in hexadecimal of fixed width, so that a listing sorts them.
enum SegmentName {
    static let log = ".log"
    static let checkpoint = ".checkpoint"

    static func text(_ number: EntryNumber, _ offset: Offset) -> String {
        let digits: StaticString = "0123456789abcdef"
        return unsafe String(unsafeUninitializedCapacity: 33) { text in
            // Bounds: 16 + 1 + 16 bytes of the 33 that are there; the digits are 16.
            for i in 0..<16 {
                let shift = UInt64(60 - 4 * i)
                unsafe text[i] = digits.utf8Start[Int(number.raw >> shift & 15)]
                unsafe text[17 + i] = digits.utf8Start[Int(offset.raw >> shift & 15)]
            }
            unsafe text[16] = 45
            return 33
        }
    }

    /// The numbers in `name`, if it is one of ours and ends in `suffix`.
    static func parse(_ name: String, _ suffix: String) -> (number: EntryNumber, offset: Offset)? {
        guard name.hasSuffix(suffix) else { return nil }
        let parts = name.dropLast(suffix.count).split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ $0.utf8.count == 16 }) else { return nil }
        guard let number = UInt64(parts[0], radix: 16), let offset = UInt64(parts[1], radix: 16) else { return nil }
        return (EntryNumber(number), Offset(offset))
    }
}

/// Points into a segment, one about every `LogOptions.indexBytes`: where to begin to walk.
struct SegmentIndex {
    struct Point {
        let number: EntryNumber
        let offset: Offset
        let timestamp: Timestamp
        let position: Int
    }
    private(set) var points: [Point] = []

    /// Notes an entry if it lies `spacing` bytes or more behind the last point.
    mutating func note(number: EntryNumber, offset: Offset, timestamp: Timestamp, position: Int, spacing: Int) {
        if let last = points.last, position - last.position < spacing { return }
        points.append(Point(number: number, offset: offset, timestamp: timestamp, position: position))
    }
    mutating func note(_ entry: EntryHeader, position: Int, spacing: Int) {
        note(number: entry.number, offset: entry.baseOffset, timestamp: entry.timestamp, position: position, spacing: spacing)
    }
    /// Forgets the points at `position` and behind.
    mutating func cut(to position: Int) {
        while let last = points.last, last.position >= position { points.removeLast() }
    }
    /// The last point that `isBefore` holds for, or the first; it holds for a first part of them.
    func last(where isBefore: (Point) -> Bool) -> Point? {
        var low = 0
        var high = points.count
        while low < high {
            let middle = (low + high) / 2
            if isBefore(points[middle]) { low = middle + 1 } else { high = middle }
        }
        return points.isEmpty ? nil : points[max(0, low - 1)]
    }
}
