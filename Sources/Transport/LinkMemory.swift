internal import Glibc

/// The pages behind a link's incoming rings. They stay mapped as long as anybody holds this, on whatever thread: a disk
/// thread that writes straight from a ring holds it until its write has ended, and the link may go down meanwhile.
@safe package final class LinkMemory: @unchecked Sendable {
    let memory: Memory

    /// `bytes` rounded up to whole pages; untouched ones cost nothing (mmap).
    convenience init(bytes: Int) throws(TransportError) {
        try self.init(size: LinkMemory.wholePages(bytes), flags: MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, file: -1, offset: 0)
    }
    /// Pages of a file in memory, which stay when it is closed. `bytes` and `offset` are whole pages of it.
    convenience init(file: Int32, bytes: Int, offset: Int) throws(TransportError) {
        try self.init(size: bytes, flags: MAP_SHARED, file: file, offset: offset)
    }
    private init(size: Int, flags: Int32, file: Int32, offset: Int) throws(TransportError) {
        let mapped = unsafe mmap(nil, size, PROT_READ | PROT_WRITE, flags, file, offset)
        guard let mapped = unsafe mapped, unsafe mapped != UnsafeMutableRawPointer(bitPattern: -1) else {
            throw .failed(call: "mmap of \(size) bytes", why: unsafe String(cString: strerror(errno)))
        }
        unsafe memory = Memory(base: mapped, count: size)
    }
    deinit { unsafe munmap(memory.base, memory.count) }

    static let pageBytes = 4096
    static func wholePages(_ bytes: Int) -> Int { (bytes + pageBytes - 1) / pageBytes * pageBytes }
}
