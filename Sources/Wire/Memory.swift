internal import CSystem

/// Memory of fixed size that its owner writes and others read through views: freed when the last owner lets go.
@safe package final class OwnedBytes: @unchecked Sendable {
    // Sendable: written before it is handed over, read only afterwards.
    private let memory: UnsafeMutableRawBufferPointer

    package init(count: Int) { unsafe memory = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 8) }
    /// The parts of `view` one after another.
    package convenience init(_ view: ByteView, parts: [Range<Int>]) {
        self.init(count: parts.reduce(0) { $0 + $1.count })
        var at = 0
        for part in parts {
            store.write(view[part], at: at)
            at += part.count
        }
    }
    /// Two views' bytes, one after the other.
    package convenience init(_ first: ByteView, _ second: ByteView) {
        self.init(count: first.count + second.count)
        store.write(first, at: 0)
        store.write(second, at: first.count)
    }
    package convenience init(_ bytes: [UInt8]) {
        self.init(count: bytes.count)
        bytes.withView { store.write($0, at: 0) }
    }
    deinit { unsafe memory.deallocate() }

    /// Whether `part`, some of these bytes, is half of them or more: then it may hold all of them for its own sake.
    package func isMostly(_ part: ByteView) -> Bool { unsafe part.count >= memory.count / 2 }

    /// Valid as long as this object is held.
    package var view: ByteView { unsafe ByteView(UnsafeRawBufferPointer(memory)) }
    package var store: ByteStore { unsafe ByteStore(memory) }
}

/// An array's bytes where they lie: as long as this is held they stay there as they are, since whoever changes the array gets a copy.
@safe package final class HeldArray: Sendable {
    private let bytes: [UInt8]

    package init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// Valid as long as this object is held.
    package var view: ByteView {
        // An array of Swift's own has one buffer, which neither moves nor changes while it has an owner besides the one who would write to it.
        unsafe bytes.withUnsafeBytes { unsafe ByteView($0) }
    }
}

/// Memory of fixed size that can be written: a data ring. Every write is checked against `count`.
@safe package struct ByteStore: @unchecked Sendable {
    // Sendable: one thread writes; readers of other threads are told of a range after it was written, by a queue.
    private let memory: UnsafeMutableRawBufferPointer
    package var count: Int { unsafe memory.count }

    @unsafe package init(_ memory: UnsafeMutableRawBufferPointer) { unsafe self.memory = unsafe memory }

    package func write(_ bytes: ByteView, at offset: Int) {
        precondition(offset >= 0 && offset + bytes.count <= count, "write outside of memory")
        guard let source = unsafe bytes.pointer, bytes.count > 0 else { return }
        unsafe memory.baseAddress.unsafelyUnwrapped.advanced(by: offset).copyMemory(from: source, byteCount: bytes.count)
    }
    /// The same for what is not read again soon: it is left out of the processor's caches.
    package func writePastCaches(_ bytes: ByteView, at offset: Int) {
        precondition(offset >= 0 && offset + bytes.count <= count, "write outside of memory")
        guard let source = unsafe bytes.pointer, bytes.count > 0 else { return }
        unsafe squall_copy_past_caches(memory.baseAddress.unsafelyUnwrapped.advanced(by: offset), source, bytes.count)
    }
    package var view: ByteView { unsafe ByteView(UnsafeRawBufferPointer(memory)) }
}
