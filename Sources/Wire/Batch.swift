public import CSystem

/// What a batch carries.
package enum BatchKind: UInt8, Sendable {
    /// Records of any topics of the group.
    case records = 0
    /// A topic's declaration: one record whose payload is the name. Its id is the next free index of the group.
    case declare = 1
    /// A publisher begins, or begins again: its epoch rises by one and fences what it sent before.
    case open = 2
    /// A change of the consumer groups: one record whose payload is a `ConsumerChange`.
    case consumers = 3
    /// What cleaning has left of a batch of records (`SparseCursor`). Only in entries that were cleaned.
    case sparse = 4
    /// What the batches that cleaning took away had changed (`KeptState`). Only in entries that were cleaned.
    case state = 5

    /// Its records have offsets.
    package var hasRecords: Bool { self == .records || self == .sparse }
}

/// A batch: records laid out once by the client and carried unchanged to rings, disks and subscribers.
///
///      0        4        8                16               24       28       32    34 35   36       40
///      | length | crc    | publisher      | sequence       | epoch  | count  |group|k |0  | 0      | records…
///
/// `length` counts the whole batch and is a multiple of 8; `crc` is CRC-32C of bytes 8 ..< length; `sequence` numbers the
/// first record among all that its publisher sends to the group, from 1; `epoch` is the publisher's (PROTOCOL.md R13);
/// `k` is the `BatchKind`.
@usableFromInline package struct BatchHeader: Equatable, Sendable {
    @inlinable package static var size: Int { 40 }
    package static let crcStart = 8
    /// Copied bytes that are summed up at once: they are in the processor's first cache.
    static let piece = 16 << 10

    package var length: Int
    package var crc: UInt32
    package var publisher: PublisherID
    package var sequence: UInt64
    package var epoch: UInt32
    package var count: Int
    package var group: GroupID
    package var kind: BatchKind

    /// Reads the header and checks what it claims against the limits and against the bytes that are there.
    package init(_ view: ByteView) throws(DecodeError) {
        guard view.count >= Self.size else { throw .short(what: "batch", needed: Self.size, got: view.count) }
        length = Int(view.u32(0))
        guard length <= Limits.batch else { throw .limit(what: "batch length", value: UInt64(length), limit: UInt64(Limits.batch)) }
        guard length >= Self.size, length & 7 == 0 else { throw .value(what: "batch length", value: UInt64(length)) }
        guard length <= view.count else { throw .short(what: "batch", needed: length, got: view.count) }
        crc = view.u32(4)
        publisher = PublisherID(view.u64(8))
        sequence = view.u64(16)
        epoch = view.u32(24)
        count = Int(view.u32(28))
        group = GroupID(view.u16(32))
        guard let kind = BatchKind(rawValue: view.u8(34)) else { throw .value(what: "batch kind", value: UInt64(view.u8(34))) }
        self.kind = kind
        // A sparse one counts what it had.
        let most = (kind == .sparse ? Limits.batch : length) - Self.size
        guard count <= most / RecordHeader.shortSize else { throw .value(what: "batch count", value: UInt64(count)) }
        guard view.u8(35) == 0, view.u32(36) == 0 else { throw .value(what: "batch reserved bytes", value: UInt64(view.u32(36))) }
    }

    /// The last record's sequence number.
    package var lastSequence: UInt64 { sequence &+ UInt64(count) &- 1 }
}

/// One record within a batch. One with neither key nor headers has the short form:
///
///      0        4  5     8                16
///      | topic  |f | size| time           | payload… zeros to a multiple of 8
///
/// any other, and any in a log from before there was the short one, the full one:
///
///      0        4        8                16     18     20       24
///      | topic  | flags  | time           | key  | hdrs | size   | key… headers… payload… zeros to a multiple of 8
///
/// `time` is the publisher's, nanoseconds since 1970, signed; `key`, `hdrs`, `size` are lengths in bytes. Headers are a run
/// of (u16 length, name, u16 length, value). `f` is the flags' low byte, in which `short` says which form this is.
@usableFromInline @frozen package struct RecordHeader: Sendable {
    /// Bytes of the header alone, in either form.
    @inlinable package static var shortSize: Int { 16 }
    @inlinable package static var fullSize: Int { 24 }
    /// Keep as the topic's last value.
    package static let retain: UInt32 = 1
    /// The topic has no value from here on: a remove. The payload is empty by custom, not by rule.
    package static let tombstone: UInt32 = 2
    /// Only where the topic is as the record's `VersionCondition` says; its batch is accepted whole or not at all.
    @inlinable package static var conditional: UInt32 { 4 }
    package static let knownFlags: UInt32 = 7
    /// The form, not one of `flags`: the three bytes behind it are the payload's length.
    @inlinable static var short: UInt32 { 8 }

    @usableFromInline package let topic: TopicID
    @usableFromInline package let flags: UInt32
    @usableFromInline package let time: Int64
    /// Bytes of the header alone.
    @usableFromInline package let size: Int
    @usableFromInline package let keyLength: Int
    @usableFromInline package let headersLength: Int
    @usableFromInline package let payloadLength: Int

    /// Reads the header at the start of `view`, which a check has found whole.
    @inlinable package init(_ view: ByteView) {
        topic = TopicID(view.u32(0))
        time = view.i64(8)
        let word = view.u32(4)
        if word & Self.short != 0 {
            flags = word & (0xFF ^ Self.short)
            size = Self.shortSize
            keyLength = 0
            headersLength = 0
            payloadLength = Int(word >> 8)
        } else {
            flags = word
            size = Self.fullSize
            keyLength = Int(view.u16(16))
            headersLength = Int(view.u16(18))
            payloadLength = Int(view.u32(20))
        }
    }
    /// Whether a header lies at the start of `view`, to its end; its record may not.
    @inlinable package static func isThere(_ view: ByteView) -> Bool {
        view.count >= fullSize || view.count >= shortSize && view.u32(4) & short != 0
    }
    /// The header of the record at the start of `view`; nil where `view` ends before the record does.
    @inlinable package static func ofWhole(_ view: ByteView) -> RecordHeader? {
        guard isThere(view) else { return nil }
        let header = RecordHeader(view)
        return header.length <= view.count ? header : nil
    }
    /// The same, that says what is short; `what` names the record.
    package static func ofWhole(_ view: ByteView, _ what: String) throws(DecodeError) -> RecordHeader {
        let header = try opening(view, what)
        guard header.length <= view.count else { throw .short(what: what, needed: header.length, got: view.count) }
        return header
    }
    /// The header at the start of `view`, whose record may end behind it.
    static func opening(_ view: ByteView, _ what: String) throws(DecodeError) -> RecordHeader {
        guard isThere(view) else { throw .short(what: what, needed: view.count < shortSize ? shortSize : fullSize, got: view.count) }
        return RecordHeader(view)
    }
    @inlinable package var length: Int { align8(size + keyLength + headersLength + payloadLength) }

    /// Bytes of the header that a record with these has.
    @inlinable static func size(key: Int, headers: Int) -> Int { key | headers == 0 ? shortSize : fullSize }
    /// Bytes that a record takes in a batch.
    @inlinable package static func length(key: Int, headers: Int, payload: Int) -> Int {
        align8(size(key: key, headers: headers) + key + headers + payload)
    }
}

/// How a walk over records steps: where each begins its own length tells, and mostly it is the last one's. To take it for that lets
/// the processor read ahead, instead of one record at a time.
@usableFromInline @frozen package struct Stride {
    @usableFromInline var last = 0
    @inlinable package init() {}
    /// `length`, of the record at hand.
    @inlinable package mutating func over(_ length: Int) -> Int {
        last = squall_foreseen(length, last)
        return last
    }
}

/// A record as it lies in a batch: the header and views of its parts.
@usableFromInline @frozen package struct RecordView: Sendable {
    @usableFromInline package let header: RecordHeader
    /// Header and all.
    @usableFromInline package let whole: ByteView

    /// `view` starts at a record that a check has found whole.
    @inlinable package init(_ view: ByteView) { self.init(RecordHeader(view), view) }
    @inlinable init(_ header: RecordHeader, _ view: ByteView) {
        self.header = header
        whole = view[0..<header.length]
    }
    @inlinable package var body: ByteView { whole.from(header.size) }
    @inlinable package var key: ByteView { body[0..<header.keyLength] }
    @inlinable package var headers: ByteView { body[header.keyLength..<header.keyLength + header.headersLength] }
    /// The publisher's own: without the condition of a conditional record.
    package var plainHeaders: ByteView {
        header.flags & RecordHeader.conditional != 0 && headers.count >= VersionCondition.size ? headers.from(VersionCondition.size) : headers
    }
    @inlinable @inline(__always) package var payload: ByteView {
        let start = header.size + header.keyLength + header.headersLength
        return whole[start..<start + header.payloadLength]
    }
}

/// Walks the records of a batch's body, or of any run of whole records.
@usableFromInline @frozen package struct RecordCursor {
    @usableFromInline package let body: ByteView
    @usableFromInline package var position = 0
    @usableFromInline var stride = Stride()

    @inlinable package init(_ body: ByteView) { self.body = body }

    /// The next record as it lies in memory, or nil at the end. Whole records only: `checkRecords` has found so of what came from
    /// a client; where another node's bytes break the rule, walking ends there instead of in a trap at every replica.
    @inlinable package mutating func next() -> RecordView? {
        let rest = body.from(position)
        guard let header = RecordHeader.ofWhole(rest) else { return nil }
        position += stride.over(header.length)
        return RecordView(header, rest)
    }
}

/// Checks that `body` is exactly `count` whole records within the limits; `admit` judges each record's topic, flags and length.
package func checkRecords(
    _ body: ByteView, count: Int, admit: (_ topic: TopicID, _ length: Int) throws(DecodeError) -> Void
) throws(DecodeError) {
    var position = 0
    var stride = Stride()
    for _ in 0..<count {
        let header = try checkRecord(body, at: position)
        try admit(header.topic, header.length)
        position += stride.over(header.length)
    }
    guard position == body.count else { throw .trailing(what: "batch", bytes: body.count - position) }
}
/// The same where nothing more is to be judged.
package func checkRecords(_ body: ByteView, count: Int) throws(DecodeError) {
    var position = 0
    var stride = Stride()
    for _ in 0..<count { position += stride.over(try checkRecord(body, at: position).length) }
    guard position == body.count else { throw .trailing(what: "batch", bytes: body.count - position) }
}
@inline(__always) private func checkRecord(_ body: ByteView, at position: Int) throws(DecodeError) -> RecordHeader {
    let header = try RecordHeader.opening(body.from(position), "record")
    guard header.payloadLength <= Limits.record else {
        throw .limit(what: "record payload", value: UInt64(header.payloadLength), limit: UInt64(Limits.record))
    }
    let length = header.length
    guard length <= body.count - position else { throw .short(what: "record", needed: length, got: body.count - position) }
    guard length <= Limits.record else { throw .limit(what: "record", value: UInt64(length), limit: UInt64(Limits.record)) }
    guard header.flags & ~RecordHeader.knownFlags == 0 else { throw .value(what: "record flags", value: UInt64(header.flags)) }
    if header.flags & RecordHeader.conditional != 0 {
        guard VersionCondition(of: RecordView(body.from(position))) != nil else { throw .value(what: "record condition", value: 0) }
    }
    return header
}

/// A header of a record: a name and a value.
package struct HeaderCursor {
    private var decoder: Decoder
    package init(_ headers: ByteView) { decoder = Decoder(headers, "record headers") }
    package mutating func next() throws(DecodeError) -> (name: ByteView, value: ByteView)? {
        guard decoder.left > 0 else { return nil }
        let name = try decoder.bytes(Int(try decoder.int(UInt16.self)))
        let value = try decoder.bytes(Int(try decoder.int(UInt16.self)))
        return (name, value)
    }
}

/// Lays a batch out, each byte written once: what lies behind `used` is nothing yet.
package struct BatchBuilder: Sendable {
    private var bytes: [UInt8] = []
    private var used = 0
    private let capacity: Int
    package private(set) var count = 0

    package init(capacity: Int = 0) { self.capacity = capacity }

    package var isEmpty: Bool { count == 0 }
    /// Bytes of the batch if it were finished now.
    package var length: Int { max(used, BatchHeader.size) }

    /// Appends a record; the caller has checked the lengths against `Limits`.
    package mutating func append(
        topic: TopicID, flags: UInt32 = 0, time: Int64, key: ByteView = .empty, headers: ByteView = .empty, payload: ByteView
    ) {
        let body = makeRoom(topic, flags, time, key, headers, payload.count)
        write(payload, at: body)
    }

    /// Makes room for a record, and writes all of it but its payload; returns where that goes.
    private mutating func makeRoom(
        _ topic: TopicID, _ flags: UInt32, _ time: Int64, _ key: ByteView, _ headers: ByteView, _ payload: Int
    ) -> Int {
        precondition(key.count <= Limits.key && headers.count <= Limits.headers && payload <= Limits.record)
        let start = length
        let end = start + RecordHeader.length(key: key.count, headers: headers.count, payload: payload)
        let size = RecordHeader.size(key: key.count, headers: headers.count)
        makeRoom(end)
        // Bounds: room for the whole record was made above.
        unsafe bytes.withUnsafeMutableBytes { all in
            let record = unsafe all.baseAddress.unsafelyUnwrapped + start
            // The padding lies in the last eight bytes, which whatever comes before it writes over.
            unsafe record.storeBytes(of: 0, toByteOffset: end - start - 8, as: UInt64.self)
            unsafe record.storeBytes(of: topic.raw.littleEndian, as: UInt32.self)
            unsafe record.storeBytes(of: time.littleEndian, toByteOffset: 8, as: Int64.self)
            var word = flags
            if size == RecordHeader.shortSize {
                word |= RecordHeader.short | UInt32(payload) << 8
            } else {
                unsafe record.storeBytes(of: UInt16(key.count).littleEndian, toByteOffset: 16, as: UInt16.self)
                unsafe record.storeBytes(of: UInt16(headers.count).littleEndian, toByteOffset: 18, as: UInt16.self)
                unsafe record.storeBytes(of: UInt32(payload).littleEndian, toByteOffset: 20, as: UInt32.self)
            }
            unsafe record.storeBytes(of: word.littleEndian, toByteOffset: 4, as: UInt32.self)
            let body = unsafe record + size
            if key.count > 0 { unsafe body.copyMemory(from: key.pointer.unsafelyUnwrapped, byteCount: key.count) }
            if headers.count > 0 { unsafe (body + key.count).copyMemory(from: headers.pointer.unsafelyUnwrapped, byteCount: headers.count) }
        }
        used = end
        count += 1
        return start + size + key.count + headers.count
    }

    private mutating func write(_ part: ByteView, at place: Int) {
        guard part.count > 0 else { return }
        precondition(place + part.count <= used)
        // Bounds: `used` ≤ bytes.count.
        unsafe bytes.withUnsafeMutableBytes { all in
            unsafe (all.baseAddress.unsafelyUnwrapped + place).copyMemory(from: part.pointer.unsafelyUnwrapped, byteCount: part.count)
        }
    }

    /// A batch of one record, as `append` and `finish` make it of an empty builder. Its bytes are looked at once, for copy and
    /// checksum: for large records.
    package static func alone(
        topic: TopicID, flags: UInt32, time: Int64, key: ByteView, headers: ByteView, payload: ByteView, publisher: PublisherID, epoch: UInt32,
        sequence: UInt64, group: GroupID
    ) -> [UInt8] {
        var builder = BatchBuilder()
        let body = builder.makeRoom(topic, flags, time, key, headers, payload.count)
        builder.writeHeader(publisher, epoch, sequence, group, .records)
        var crc: UInt32 = 0
        var summed = BatchHeader.crcStart
        func sum(to end: Int) {
            crc = builder.bytes.withView { $0[summed..<end].crc32c(crc) }
            summed = end
        }
        sum(to: body)
        for at in stride(from: 0, to: payload.count, by: BatchHeader.piece) {
            let end = min(at + BatchHeader.piece, payload.count)
            builder.write(payload[at..<end], at: body + at)
            sum(to: body + end)
        }
        sum(to: builder.used)
        return builder.take(crc)
    }

    /// Appends a record as it lies in another batch, its header first.
    package mutating func append(_ record: ByteView) {
        precondition(record.count >= RecordHeader.shortSize)
        let start = length
        makeRoom(start + record.count)
        // Bounds: room for the whole record was made above.
        unsafe bytes.withUnsafeMutableBytes { unsafe ($0.baseAddress.unsafelyUnwrapped + start).copyMemory(from: record.pointer.unsafelyUnwrapped, byteCount: record.count) }
        used = start + record.count
        count += 1
    }

    private mutating func makeRoom(_ end: Int) {
        guard bytes.count < end else { return }
        let size = max(end, bytes.isEmpty ? capacity : 2 * bytes.count)
        let old = bytes
        let kept = used
        bytes = unsafe [UInt8](unsafeUninitializedCapacity: size) { room, count in
            // Bounds: `used` ≤ old.count < size.
            if kept > 0 { old.withView { unsafe room.baseAddress.unsafelyUnwrapped.update(from: $0.pointer.unsafelyUnwrapped.assumingMemoryBound(to: UInt8.self), count: kept) } }
            count = size
        }
    }

    /// Writes the header and hands the finished bytes over; the builder is empty afterwards.
    package mutating func finish(
        publisher: PublisherID, epoch: UInt32, sequence: UInt64, group: GroupID, kind: BatchKind = .records
    ) -> [UInt8] {
        writeHeader(publisher, epoch, sequence, group, kind)
        return take(bytes.withView { $0.from(BatchHeader.crcStart).crc32c() })
    }

    /// What the header says but for the checksum; the batch ends here.
    private mutating func writeHeader(_ publisher: PublisherID, _ epoch: UInt32, _ sequence: UInt64, _ group: GroupID, _ kind: BatchKind) {
        makeRoom(length)
        bytes.removeLast(bytes.count - length)
        bytes.store(UInt32(bytes.count), at: 0)
        bytes.store(publisher.raw, at: 8)
        bytes.store(sequence, at: 16)
        bytes.store(epoch, at: 24)
        bytes.store(UInt32(count), at: 28)
        bytes.store(group.raw, at: 32)
        bytes.store(kind.rawValue, at: 34)
        bytes.store(UInt8(0), at: 35)
        bytes.store(UInt32(0), at: 36)
    }

    private mutating func take(_ crc: UInt32) -> [UInt8] {
        bytes.store(crc, at: 4)
        let whole = bytes
        bytes = []
        used = 0
        count = 0
        return whole
    }
}

/// The batch at the start of `view`: header, body, and the checksum compared.
/// - copy: where the batch is to lie, of at least its length; its bytes are looked at once for both, and `body` is there.
package func openBatch(_ view: ByteView, into copy: OwnedBytes? = nil) throws(DecodeError) -> (header: BatchHeader, body: ByteView) {
    let header = try BatchHeader(view)
    var whole = view[0..<header.length]
    var crc: UInt32 = 0
    if let copy {
        for at in stride(from: 0, to: header.length, by: BatchHeader.piece) {
            let end = min(at + BatchHeader.piece, header.length)
            copy.store.write(whole[at..<end], at: at)
            crc = copy.view[max(at, BatchHeader.crcStart)..<end].crc32c(crc)
        }
        whole = copy.view[0..<header.length]
    } else {
        crc = whole.from(BatchHeader.crcStart).crc32c()
    }
    guard crc == header.crc else { throw .checksum(what: "batch") }
    return (header, whole.from(BatchHeader.size))
}
