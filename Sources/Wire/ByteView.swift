internal import CSystem

/// Bytes that somebody else owns: a ring, a file's buffer, an array for the length of a call.
///
/// The one reader helper of the code: every access is checked against `count`, so a wrong length in the bytes ends in a
/// trap of ours or a typed error of the decoder, never outside. The owner keeps the memory in place until it has been told
/// that the view is no longer used (a ring's release, a closure's end).
@usableFromInline @frozen @safe package struct ByteView: @unchecked Sendable {
    @usableFromInline let base: UnsafeRawPointer?
    @usableFromInline package let count: Int

    @inlinable @unsafe package init(base: UnsafeRawPointer?, count: Int) {
        unsafe self.base = unsafe base
        self.count = count
    }
    @inlinable @unsafe package init(_ buffer: UnsafeRawBufferPointer) {
        unsafe self.init(base: buffer.baseAddress, count: buffer.count)
    }
    @inlinable package static var empty: ByteView { unsafe ByteView(base: nil, count: 0) }
    @inlinable package var isEmpty: Bool { count == 0 }

    /// The memory itself, for the C boundary: valid as long as the owner keeps it.
    @inlinable @unsafe package var pointer: UnsafeRawPointer? { unsafe base }
    @inlinable @unsafe package var buffer: UnsafeRawBufferPointer { unsafe UnsafeRawBufferPointer(start: base, count: count) }

    /// A little-endian integer at `offset`, aligned or not.
    @inlinable package func load<T: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, as type: T.Type = T.self) -> T {
        // Bounds: offset and its end lie within count, checked here.
        precondition(offset >= 0 && offset &+ MemoryLayout<T>.size <= count, "read outside of a byte view")
        return unsafe T(littleEndian: base.unsafelyUnwrapped.loadUnaligned(fromByteOffset: offset, as: T.self))
    }
    @inlinable package func u8(_ offset: Int) -> UInt8 { load(offset) }
    @inlinable package func u16(_ offset: Int) -> UInt16 { load(offset) }
    @inlinable package func u32(_ offset: Int) -> UInt32 { load(offset) }
    @inlinable package func u64(_ offset: Int) -> UInt64 { load(offset) }
    @inlinable package func i64(_ offset: Int) -> Int64 { load(offset) }

    /// The part `range`; traps when it is not within.
    @inlinable package subscript(range: Range<Int>) -> ByteView {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "slice outside of a byte view")
        guard range.lowerBound < range.upperBound else { return .empty }
        return unsafe ByteView(base: base.unsafelyUnwrapped + range.lowerBound, count: range.count)
    }
    @inlinable package func from(_ offset: Int) -> ByteView { self[offset..<count] }

    /// CRC-32C of these bytes, continued from `seed`.
    package func crc32c(_ seed: UInt32 = 0) -> UInt32 { unsafe squall_crc32c(seed, base, count) }

    /// A copy in an array of its own.
    package var array: [UInt8] { unsafe [UInt8](buffer) }
    /// As text; malformed UTF-8 is repaired with U+FFFD.
    package var text: String { unsafe String(decoding: buffer, as: UTF8.self) }
    /// As text, or nil where it is not valid UTF-8.
    package var validText: String? { unsafe String(validating: buffer, as: UTF8.self) }

    package static func == (a: ByteView, b: ByteView) -> Bool {
        guard a.count == b.count else { return false }
        return unsafe a.buffer.elementsEqual(b.buffer)
    }
}

extension [UInt8] {
    /// Calls `body` with a view of this array's bytes, valid during the call.
    @inlinable package func withView<R, E: Error>(_ body: (ByteView) throws(E) -> R) throws(E) -> R {
        try unsafe withUnsafeBufferPointer { bytes throws(E) -> R in try unsafe body(ByteView(UnsafeRawBufferPointer(bytes))) }
    }
    package func crc32c(_ seed: UInt32 = 0) -> UInt32 { withView { $0.crc32c(seed) } }

    /// Appends `value`, little-endian.
    @inlinable package mutating func append<T: FixedWidthInteger & BitwiseCopyable>(int value: T) {
        unsafe Swift.withUnsafeBytes(of: value.littleEndian) { unsafe append(contentsOf: $0) }
    }
    /// Appends integers one after another, little-endian.
    package mutating func append<T: FixedWidthInteger & BitwiseCopyable>(ints values: [T]) {
        guard T(littleEndian: 1) == 1 else { return values.forEach { append(int: $0) } }
        unsafe values.withUnsafeBytes { unsafe append(contentsOf: $0) }
    }
    /// Overwrites the bytes at `offset` with `value`, little-endian.
    @inlinable package mutating func store<T: FixedWidthInteger & BitwiseCopyable>(_ value: T, at offset: Int) {
        precondition(offset >= 0 && offset &+ MemoryLayout<T>.size <= count, "write outside of an array")
        unsafe withUnsafeMutableBytes { unsafe $0.storeBytes(of: value.littleEndian, toByteOffset: offset, as: T.self) }
    }
    package mutating func append(view: ByteView) { unsafe append(contentsOf: view.buffer) }
    /// Appends zeros up to the next multiple of eight.
    /// A count, and each text.
    package mutating func append(texts: [String]) {
        append(int: UInt32(texts.count))
        for text in texts { append(text: text) }
    }
    @inlinable package mutating func pad8() { while count & 7 != 0 { append(0) } }
    /// Appends a 16-bit length and the UTF-8 bytes of `text`, cut at `limit` bytes or before the character that crosses it.
    package mutating func append(text: String, limit: Int = 65_535) {
        precondition(limit <= 65_535)
        let bytes = text.utf8
        var end = bytes.count
        if end > limit {
            end = limit
            // A byte 10xxxxxx continues a character: what stays must be UTF-8, or its reader refuses it.
            while end > 0, bytes[bytes.index(bytes.startIndex, offsetBy: end)] & 0xC0 == 0x80 { end -= 1 }
        }
        append(int: UInt16(end))
        append(contentsOf: bytes.prefix(end))
    }
}

/// Why bytes from outside were refused.
package enum DecodeError: Error, Equatable, CustomStringConvertible {
    case short(what: String, needed: Int, got: Int)
    case limit(what: String, value: UInt64, limit: UInt64)
    case checksum(what: String)
    case value(what: String, value: UInt64)
    case text(what: String)
    case trailing(what: String, bytes: Int)

    package var description: String {
        switch self {
        case .short(let what, let needed, let got): "\(what): \(needed) bytes needed, \(got) there"
        case .limit(let what, let value, let limit): "\(what): \(value) is over the limit of \(limit)"
        case .checksum(let what): "\(what): checksum does not match"
        case .value(let what, let value): "\(what): \(value) is not a value it can have"
        case .text(let what): "\(what): not UTF-8"
        case .trailing(let what, let bytes): "\(what): \(bytes) bytes too many"
        }
    }
}

/// Reads a message field by field; each read checks what is left.
package struct Decoder {
    private let view: ByteView
    private let what: String
    package private(set) var position = 0

    package init(_ view: ByteView, _ what: String) {
        self.view = view
        self.what = what
    }
    package var left: Int { view.count - position }

    package mutating func int<T: FixedWidthInteger & BitwiseCopyable>(_ type: T.Type = T.self) throws(DecodeError) -> T {
        let size = MemoryLayout<T>.size
        guard left >= size else { throw .short(what: what, needed: size, got: left) }
        defer { position += size }
        return view.load(position, as: T.self)
    }
    package mutating func bytes(_ count: Int) throws(DecodeError) -> ByteView {
        guard count >= 0, left >= count else { throw .short(what: what, needed: count, got: left) }
        defer { position += count }
        return view[position..<position + count]
    }
    package mutating func text(limit: Int) throws(DecodeError) -> String {
        let count = Int(try int(UInt16.self))
        guard count <= limit else { throw .limit(what: what, value: UInt64(count), limit: UInt64(limit)) }
        guard let text = try bytes(count).validText else { throw .text(what: what) }
        return text
    }
    /// A count of things of at least `size` bytes each, checked against `limit` and against what is left, before memory is taken.
    package mutating func count(limit: Int, size: Int) throws(DecodeError) -> Int {
        let count = Int(try int(UInt32.self))
        guard count <= limit else { throw .limit(what: what, value: UInt64(count), limit: UInt64(limit)) }
        guard count * size <= left else { throw .short(what: what, needed: count * size, got: left) }
        return count
    }
    package func end() throws(DecodeError) {
        guard left == 0 else { throw .trailing(what: what, bytes: left) }
    }
}

@inlinable package func align8(_ n: Int) -> Int { (n &+ 7) & ~7 }
