internal import Glibc
internal import Wire

/// A run of mapped memory that its owner keeps in place. Every access is checked against `count`, so a wrong offset ends
/// in a trap of ours and never outside.
@safe struct Memory {
    let base: UnsafeMutableRawPointer
    let count: Int

    @unsafe init(base: UnsafeMutableRawPointer, count: Int) {
        unsafe self.base = base
        self.count = count
    }
    /// No memory: every access traps.
    static var none: Memory { unsafe Memory(base: UnsafeMutableRawPointer(bitPattern: 8)!, count: 0) }

    private func check(_ offset: Int, _ length: Int) {
        precondition(offset >= 0 && length >= 0 && offset <= count - length, "access outside of mapped memory")
    }
    func part(_ offset: Int, _ length: Int) -> Memory {
        check(offset, length)
        return unsafe Memory(base: base + offset, count: length)
    }
    func view(_ offset: Int, _ length: Int) -> ByteView {
        check(offset, length)
        return unsafe ByteView(base: UnsafeRawPointer(base + offset), count: length)
    }
    func buffer(_ offset: Int, _ length: Int) -> UnsafeMutableRawBufferPointer {
        check(offset, length)
        return unsafe UnsafeMutableRawBufferPointer(start: base + offset, count: length)
    }
    func load<T: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, as type: T.Type = T.self) -> T {
        check(offset, MemoryLayout<T>.size)
        return unsafe T(littleEndian: base.loadUnaligned(fromByteOffset: offset, as: T.self))
    }
    func store<T: FixedWidthInteger & BitwiseCopyable>(_ value: T, at offset: Int) {
        check(offset, MemoryLayout<T>.size)
        unsafe base.storeBytes(of: value.littleEndian, toByteOffset: offset, as: T.self)
    }
    func copy(_ view: ByteView, to offset: Int) {
        check(offset, view.count)
        guard let source = unsafe view.pointer else { return }
        unsafe memcpy(base + offset, source, view.count)
    }
    /// The address of the byte at `offset`, for the C boundary.
    @unsafe func address(_ offset: Int) -> UnsafeMutableRawPointer { unsafe base + offset }
}
