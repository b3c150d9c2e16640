internal import Glibc

/// `count` zero bytes. memset(3): the library's own way is element by element where it is not specialised.
func zeros(_ count: Int) -> [UInt8] {
    // The empty array is one for all threads, and the initializer below writes its count.
    guard count > 0 else { return [] }
    return unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
        // Bounds: the buffer has room for `count` bytes; none are written where there is no memory.
        if let base = buffer.baseAddress { unsafe memset(base, 0, count) }
        initialized = count
    }
}
