internal import Glibc
package import Wire

/// Bytes of our own in one piece of memory that stays in place until more room is asked for.
///
///      0 ........ count ........ capacity
///      | bytes    | room         |
///
/// Views of it are valid until the next call that appends, fills or drops.
@safe package struct ByteBuffer: ~Copyable {
    private var base: UnsafeMutableRawPointer
    package private(set) var count = 0
    package private(set) var capacity: Int

    package init(capacity: Int) {
        self.capacity = max(capacity, 64)
        unsafe base = UnsafeMutableRawPointer.allocate(byteCount: self.capacity, alignment: 16)
    }
    package init(copying bytes: [UInt8]) {
        self.init(capacity: bytes.count)
        bytes.withView { append($0) }
    }
    deinit { unsafe base.deallocate() }

    package var isEmpty: Bool { count == 0 }
    // Bounds: `count` never exceeds `capacity`, the size of the memory.
    package var view: ByteView { unsafe ByteView(base: base, count: count) }

    /// Makes room for `more` bytes behind `count`.
    package mutating func reserve(_ more: Int) {
        guard capacity - count < more else { return }
        let larger = max(capacity * 2, count + more)
        let fresh = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 16)
        unsafe fresh.copyMemory(from: base, byteCount: count)
        unsafe base.deallocate()
        unsafe base = fresh
        capacity = larger
    }
    package mutating func append(_ byte: UInt8) {
        reserve(1)
        unsafe base.storeBytes(of: byte, toByteOffset: count, as: UInt8.self)
        count += 1
    }
    /// Appends a copy; `bytes` may not lie in this buffer.
    package mutating func append(_ bytes: ByteView) {
        guard !bytes.isEmpty, let from = unsafe bytes.pointer else { return }
        reserve(bytes.count)
        unsafe (base + count).copyMemory(from: from, byteCount: bytes.count)
        count += bytes.count
    }
    package mutating func append(_ text: StaticString) {
        precondition(text.hasPointerRepresentation)
        unsafe append(ByteView(base: text.utf8Start, count: text.utf8CodeUnitCount))
    }
    package mutating func append(text: String) {
        var text = text
        text.withUTF8 { unsafe append(ByteView(UnsafeRawBufferPointer($0))) }
    }
    /// Appends decimal digits.
    package mutating func append<T: BinaryInteger>(number: T) { append(text: String(number)) }

    package mutating func removeAll() { count = 0 }
    /// Forgets all behind `length`.
    package mutating func truncate(to length: Int) {
        precondition(length >= 0 && length <= count)
        count = length
    }
    /// Forgets the first `bytes` and moves the rest to the front.
    package mutating func dropFirst(_ bytes: Int) {
        precondition(bytes >= 0 && bytes <= count)
        guard bytes > 0 else { return }
        unsafe memmove(base, base + bytes, count - bytes)
        count -= bytes
    }
    /// Reads once into the room behind `count`, which is at least `room` bytes; 0 at the end of the file; read(2).
    package mutating func fill(from file: Int32, atLeast room: Int) throws(SystemFault) -> Int {
        reserve(room)
        let got = try unsafe Descriptor.read(file, to: base + count, count: capacity - count)
        count += got
        return got
    }
}

extension ByteView {
    /// Where `byte` stands first at or behind `start`; memchr(3).
    package func firstIndex(of byte: UInt8, from start: Int = 0) -> Int? {
        guard start < count else { return nil }
        let rest = from(start)
        guard let base = unsafe rest.pointer, let hit = unsafe memchr(base, Int32(byte), rest.count) else { return nil }
        return unsafe start + (UnsafeRawPointer(hit) - base)
    }
    /// Whether these are the bytes of `other`; memcmp(3).
    package func matches(_ other: ByteView) -> Bool {
        guard count == other.count else { return false }
        guard count > 0 else { return true }
        return unsafe memcmp(pointer.unsafelyUnwrapped, other.pointer.unsafelyUnwrapped, count) == 0
    }
    package func matches(_ other: [UInt8]) -> Bool { other.withView { matches($0) } }
    /// A hash that differs from run to run, so input cannot aim at collisions.
    package var hash: Int {
        var hasher = Hasher()
        unsafe hasher.combine(bytes: buffer)
        return hasher.finalize()
    }
}
