/// The header of an entry of a group's log; the entry's batches follow it, as their publishers laid them out.
///
///      0        4        8        12       16               24               32
///      | magic  | length | crc    | batches| number         | base offset    | timestamp      |
///      40               48     50     52       56               64               72
///      | view           |sender|group | records| synced         | chain          | batches…
///
/// `length` counts the whole entry, a multiple of 8. `crc` is CRC-32C of bytes 12 ..< 72, continued over the first 8 bytes
/// (length and checksum) of each batch in order: with the batches' own checksums every byte is covered once. `number` and
/// `base offset` bind the entry to its place, so a misdirected write shows. `synced` is how many entries of this log its
/// writer knew to be on its disk when it wrote this one: what lies below a later entry's `synced` and does not read back
/// is damage; what lies above and does not read back is a torn tail. `records` counts what subscribers count: batches of
/// kind `records` only. `chain` is `nextChain` of the chain before and this entry: two logs whose chains are equal at an entry are
/// equal up to it, that entry included.
///
/// What cleaning has made (`Cleaned.swift`) has another magic, and in the place of `batches` two numbers of 16 bits: the batches, and
/// how many entries it stands for, less one. It stands for those from `number` on, and for `records` offsets from `base offset` on,
/// whatever of them is left; key, view and chain are those of the last of them.
package struct EntryHeader: Equatable, Sendable {
    package static let size = 72
    package static let magic: UInt32 = 0x3145_4C53  // "SLE1"
    package static let cleanedMagic: UInt32 = 0x3143_4C53  // "SLC1"
    package static let crcStart = 12
    /// Entries that one may stand for.
    package static let longestSpan = 1 << 16

    package var length: Int
    package var batches: Int
    package var number: EntryNumber
    package var baseOffset: Offset
    package var timestamp: Timestamp
    package var view: ViewNumber
    package var sender: NodeID
    package var group: GroupID
    package var records: Int
    package var synced: EntryNumber
    package var chain: UInt64
    /// How many entries it stands for: 1, unless cleaning has made one of many.
    package var span = 1
    /// Records of it may be gone.
    package var isCleaned = false

    package init(
        length: Int, batches: Int, number: EntryNumber, baseOffset: Offset, timestamp: Timestamp, view: ViewNumber,
        sender: NodeID, group: GroupID, records: Int, synced: EntryNumber = .zero, chain: UInt64 = 0
    ) {
        self.length = length
        self.batches = batches
        self.number = number
        self.baseOffset = baseOffset
        self.timestamp = timestamp
        self.view = view
        self.sender = sender
        self.group = group
        self.records = records
        self.synced = synced
        self.chain = chain
    }

    package var key: OrderKey { OrderKey(timestamp, sender) }
    /// The offset after this entry's last record.
    package var endOffset: Offset { Offset(baseOffset.raw &+ UInt64(records)) }
    /// The entry after the last one that this stands for.
    package var endNumber: EntryNumber { EntryNumber(number.raw &+ UInt64(span)) }

    /// Reads the fields; checks magic and limits, not the checksum (`checkEntry` does).
    package init(_ view: ByteView) throws(DecodeError) {
        guard view.count >= Self.size else { throw .short(what: "log entry", needed: Self.size, got: view.count) }
        isCleaned = view.u32(0) == Self.cleanedMagic
        guard isCleaned || view.u32(0) == Self.magic else { throw .value(what: "log entry magic", value: UInt64(view.u32(0))) }
        length = Int(view.u32(4))
        guard length >= Self.size, length & 7 == 0 else { throw .value(what: "log entry length", value: UInt64(length)) }
        guard length <= Limits.entry else { throw .limit(what: "log entry length", value: UInt64(length), limit: UInt64(Limits.entry)) }
        batches = isCleaned ? Int(view.u16(12)) : Int(view.u32(12))
        span = isCleaned ? Int(view.u16(14)) + 1 : 1
        guard batches <= (length - Self.size) / BatchHeader.size else { throw .value(what: "log entry batches", value: UInt64(batches)) }
        number = EntryNumber(view.u64(16))
        guard number.raw <= .max - UInt64(Self.longestSpan) else { throw .value(what: "log entry number", value: number.raw) }
        baseOffset = Offset(view.u64(24))
        timestamp = Timestamp(view.u64(32))
        self.view = ViewNumber(view.u64(40))
        sender = NodeID(view.u16(48))
        group = GroupID(view.u16(50))
        records = Int(view.u32(52))
        synced = EntryNumber(view.u64(56))
        chain = view.u64(64)
    }

    /// The header's 72 bytes; `batchesCRC` continues a checksum over the first 8 bytes of each batch.
    package func encode(into bytes: inout [UInt8], batchesCRC: (UInt32) -> UInt32) {
        let start = bytes.count
        bytes.append(int: isCleaned ? Self.cleanedMagic : Self.magic)
        bytes.append(int: UInt32(length))
        bytes.append(int: UInt32(0))
        bytes.append(int: isCleaned ? UInt32(batches) | UInt32(span - 1) << 16 : UInt32(batches))
        bytes.append(int: number.raw)
        bytes.append(int: baseOffset.raw)
        bytes.append(int: timestamp.raw)
        bytes.append(int: view.raw)
        bytes.append(int: sender.raw)
        bytes.append(int: group.raw)
        bytes.append(int: UInt32(records))
        bytes.append(int: synced.raw)
        bytes.append(int: chain)
        let own = bytes.withView { $0[start + Self.crcStart..<start + Self.size].crc32c() }
        bytes.store(batchesCRC(own), at: start + 8)
    }
}

/// The chain after an entry of `key` stamped in `view`, given the chain before it (0 before the first): a 64-bit mix, so
/// that equal chains mean equal histories. Not a defence against forgery.
package func nextChain(_ chain: UInt64, _ key: OrderKey, _ view: ViewNumber) -> UInt64 {
    var x = chain &+ 0x9E37_79B9_7F4A_7C15
    x = mix(x ^ key.timestamp.raw)
    x = mix(x ^ UInt64(key.sender.raw))
    return mix(x ^ view.raw)
}

/// A bijective scrambling of 64 bits (xor-shift and multiply).
package func mix(_ value: UInt64) -> UInt64 {
    var x = value
    x ^= x >> 32
    x = x &* 0xD6E8_FEB8_6659_FD93
    x ^= x >> 32
    x = x &* 0xD6E8_FEB8_6659_FD93
    return x ^ (x >> 32)
}

/// Walks the batches of a run of whole batches, each checked as it is met.
package struct BatchCursor {
    private let view: ByteView
    private var position = 0
    package init(_ view: ByteView) { self.view = view }

    /// The next batch: its header and all of its bytes (header included); nil at the end. `verify` compares the checksum.
    package mutating func next(verify: Bool) throws(DecodeError) -> (header: BatchHeader, whole: ByteView)? {
        guard position < view.count else { return nil }
        let rest = view.from(position)
        let header = try BatchHeader(rest)
        let whole = rest[0..<header.length]
        if verify, whole.from(BatchHeader.crcStart).crc32c() != header.crc { throw .checksum(what: "batch") }
        position += header.length
        return (header, whole)
    }
}

/// Checks the entry at the start of `view`: header, checksum, and each batch's checksum. Every byte of it is covered.
package func checkEntry(_ view: ByteView) throws(DecodeError) -> EntryHeader {
    let header = try EntryHeader(view)
    guard header.length <= view.count else { throw .short(what: "log entry", needed: header.length, got: view.count) }
    var crc = view[EntryHeader.crcStart..<EntryHeader.size].crc32c()
    var cursor = BatchCursor(view[EntryHeader.size..<header.length])
    var batches = 0
    var records = 0
    while let batch = try cursor.next(verify: true) {
        crc = batch.whole[0..<BatchHeader.crcStart].crc32c(crc)
        batches += 1
        if batch.header.kind.hasRecords { records += batch.header.count }
        try header.admit(batch.header.kind, batch.whole.from(BatchHeader.size), count: batch.header.count)
    }
    // Of a hole nothing is left that could be counted.
    let isHole = header.isCleaned && records == 0
    guard crc == view.u32(8), batches == header.batches, records == header.records || isHole, header.span == 1 || isHole else {
        throw .checksum(what: "log entry")
    }
    return header
}
