internal import Wire

/// Walks the entries of one file, front to back, through a window of its bytes.
struct SegmentWalker<D: Disk> {
    enum Step {
        case entry(EntryHeader)
        /// `end` is reached.
        case end
        /// What stands here is no entry.
        case bad(String)
    }
    private let disk: D
    private let file: D.File
    private let end: Int
    /// Bytes read at a time, unless an entry is larger.
    private let window: Int
    private var bytes: [UInt8] = []
    /// The file's position of the window's first byte.
    private var start: Int
    /// Where the next entry is expected.
    private(set) var position: Int
    /// Where the entry lies that `next` gave last.
    private(set) var current: Range<Int>

    init(_ disk: D, _ file: D.File, from position: Int, end: Int, window: Int = 1 << 20) {
        self.disk = disk
        self.file = file
        self.end = end
        self.window = window
        start = position
        self.position = position
        current = position..<position
    }

    /// Goes to `position`, which need not be an entry's.
    mutating func seek(_ position: Int) { self.position = position }

    /// The next entry, with every checksum compared if `verify` is set; else only its header is looked at.
    mutating func next(verify: Bool) throws(StorageError) -> Step {
        guard position < end else { return .end }
        guard try fill(EntryHeader.size) >= EntryHeader.size else { return .bad("cut off") }
        var header: EntryHeader
        do throws(DecodeError) { header = try look { view throws(DecodeError) in try EntryHeader(view) } } catch {
            return .bad(error.description)
        }
        guard header.length <= end - position else { return .bad("cut off") }
        if verify {
            guard try fill(header.length) >= header.length else { return .bad("cut off") }
            do throws(DecodeError) { header = try look { view throws(DecodeError) in try checkEntry(view) } } catch {
                return .bad(error.description)
            }
        }
        current = position..<position + header.length
        position += header.length
        return .entry(header)
    }

    /// Calls `body` with the bytes of the entry that `next` gave last, verified.
    func withCurrent<E: Error>(_ body: (ByteView) throws(E) -> Void) throws(E) {
        let range = current.lowerBound - start..<current.upperBound - start
        try bytes.withView { view throws(E) in try body(view[range]) }
    }

    /// The first multiple of 8 at or behind the position whose 4 bytes are `magic`, or nil; moves there.
    mutating func find(magic: UInt32) throws(StorageError) -> Int? {
        while position < end {
            let have = try fill(8)
            guard have >= 8 else { return nil }
            let offset = position - start
            let (at, found) = bytes.withView { view in
                var at = offset
                while at + 8 <= view.count {
                    if view.u32(at) == magic { return (at, true) }
                    at += 8
                }
                return (at, false)
            }
            position = start + at
            if found { return position }
        }
        return nil
    }

    /// The end of the last byte that is not zero, from the position on; the position if there is none.
    mutating func lastNonZero() throws(StorageError) -> Int {
        var last = position
        var at = position
        while at < end {
            position = at
            let have = try fill(1)
            guard have > 0 else { break }
            if let end = bytes.withView({ Self.lastNonZero($0, from: at - start) }) { last = start + end }
            at = start + bytes.count
        }
        position = last
        return last
    }

    /// The end of the last byte at or behind `from` that is not zero.
    private static func lastNonZero(_ view: ByteView, from: Int) -> Int? {
        var end = view.count
        while end - 8 >= from, view.u64(end - 8) == 0 { end -= 8 }
        while end > from, view.u8(end - 1) == 0 { end -= 1 }
        return end > from ? end : nil
    }

    private func look<R>(_ body: (ByteView) throws(DecodeError) -> R) throws(DecodeError) -> R {
        let from = position - start
        return try bytes.withView { view throws(DecodeError) in try body(view.from(from)) }
    }

    /// Brings `count` bytes from the position on into the window; how many there are.
    private mutating func fill(_ count: Int) throws(StorageError) -> Int {
        let have = start + bytes.count - position
        if position >= start, have >= count { return have }
        if position >= start, have > 0 {
            bytes.removeFirst(position - start)
        } else {
            bytes.removeAll(keepingCapacity: true)
        }
        start = position
        let wanted = min(end - start, max(count, window)) - bytes.count
        if wanted > 0 { _ = try disk.read(file, at: start + bytes.count, count: wanted, into: &bytes) }
        return bytes.count
    }
}
