package import Wire

/// What a log needs of a file system. Paths are relative to the disk's root; one thread at a time.
///
/// Nothing is durable before `sync` (a file's bytes and size) or `syncDirectory` (names: create, rename, remove) has
/// returned; until then a crash may keep any subset, in sectors of 512 bytes.
package protocol Disk: AnyObject {
    associatedtype File

    /// The disk forgets everything when its process ends.
    var isVolatile: Bool { get }
    /// Names in a directory, sorted by their bytes.
    func list(_ directory: String) throws(StorageError) -> [String]
    /// Creates the directory if it is not there; its parent is not synced. mkdirat(2)
    func createDirectory(_ path: String) throws(StorageError)
    /// Opens for reading and writing; with `create`, an empty new file that must not exist yet. openat(2)
    func open(_ path: String, create: Bool) throws(StorageError) -> File
    func exists(_ path: String) throws(StorageError) -> Bool
    func size(_ file: File) throws(StorageError) -> Int
    /// Reserves space up to `bytes` and grows the file with zeros; false where that is not to be had. fallocate(2)
    func allocate(_ file: File, bytes: Int) throws(StorageError) -> Bool
    /// Writes all parts one after the other at `position`. On an error any part may have been written. pwritev(2)
    func write(_ file: File, at position: Int, parts: [ByteView]) throws(StorageError)
    /// The same at the end of a log whose file reaches to `space`, with `zeros` zeros behind the parts, and perhaps some more up to `space`.
    func append(_ file: File, at position: Int, parts: [ByteView], zeros: ByteView, space: Int) throws(StorageError)
    /// The same: where `owners` has one for a part, it keeps those bytes as they are, and a disk in memory may hold it in place of a copy.
    func append(_ file: File, at position: Int, parts: [ByteView], owners: [OwnedBytes?], zeros: ByteView, space: Int) throws(StorageError)
    /// Appends up to `count` bytes from `position` to `bytes`; returns how many, fewer only at the file's end. pread(2)
    func read(_ file: File, at position: Int, count: Int, into bytes: inout [UInt8]) throws(StorageError) -> Int
    /// Begins to write what was changed, so that a later sync has less to do; promises nothing. sync_file_range(2)
    func startWriting(_ file: File, at position: Int, count: Int)
    /// Bytes that are on the disk need not be held in memory any longer; promises nothing. posix_fadvise(2)
    func release(_ file: File, at position: Int, count: Int)
    /// fdatasync(2)
    func sync(_ file: File) throws(StorageError)
    /// fsync(2) of a directory.
    func syncDirectory(_ path: String) throws(StorageError)
    /// Cuts or grows (with zeros). ftruncate(2)
    func truncate(_ file: File, to bytes: Int) throws(StorageError)
    /// Replaces `to` at once. renameat(2)
    func rename(_ from: String, to: String) throws(StorageError)
    /// One more name for a file; false where that is not to be had. linkat(2)
    func link(_ path: String, as other: String) throws(StorageError) -> Bool
    /// Turns the file's bytes into zeros and leaves its size and its space as they are; false where that is not to be had, and then
    /// nothing has changed. fallocate(2) with FALLOC_FL_ZERO_RANGE
    func blank(_ file: File) throws(StorageError) -> Bool
    /// unlinkat(2)
    func remove(_ path: String) throws(StorageError)
    /// Lets the handle go; whoever wants the bytes kept has synced before. close(2)
    func close(_ file: File)
}

extension Disk {
    package func append(_ file: File, at position: Int, parts: [ByteView], zeros: ByteView, space: Int) throws(StorageError) {
        try write(file, at: position, parts: zeros.isEmpty ? parts : parts + [zeros])
    }
    package func append(
        _ file: File, at position: Int, parts: [ByteView], owners: [OwnedBytes?], zeros: ByteView, space: Int
    ) throws(StorageError) { try append(file, at: position, parts: parts, zeros: zeros, space: space) }
    /// Writes an array's bytes.
    func write(_ file: File, at position: Int, bytes: [UInt8]) throws(StorageError) {
        try bytes.withView { view throws(StorageError) in try write(file, at: position, parts: [view]) }
    }
}
