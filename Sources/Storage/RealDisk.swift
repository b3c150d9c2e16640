internal import CSystem
internal import Glibc
package import Wire

/// Files under one directory, which it holds for itself by a lock file as long as it lives.
package final class RealDisk: Disk, Sendable {
    package struct File: Sendable {
        fileprivate let descriptor: Int32
        fileprivate let path: String
    }

    package let path: String
    private let root: Int32
    /// -1 where there is no lock file to hold.
    private let lock: Int32
    private let isReadOnly: Bool
    private let appends = DirectAppends()

    /// Opens the data directory, creates it if need be, and locks it. Throws `.locked` while another disk has it. flock(2)
    package init(root path: String) throws(StorageError) {
        self.path = path
        isReadOnly = false
        try Self.createPath(path)
        root = unsafe Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard root >= 0 else { throw StorageError(.system(errno), "open", path) }
        lock = unsafe openat(root, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        // From here on all is set, and `deinit` closes what is open, also when this throws.
        guard lock >= 0 else { throw StorageError(.system(errno), "open", path + "/lock") }
        try Self.hold(lock, LOCK_EX, path)
        try Self.sign(lock, path)
    }

    /// Opens a data directory for reading; nothing in it is changed, and every call that would fails. Throws `.locked` while a node has it.
    package init(reading path: String) throws(StorageError) {
        self.path = path
        isReadOnly = true
        root = unsafe Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard root >= 0 else { throw StorageError(.system(errno), "open", path) }
        // A copy need not have the lock file.
        lock = unsafe openat(root, "lock", O_RDONLY | O_CLOEXEC)
        guard lock >= 0 || errno == ENOENT else { throw StorageError(.system(errno), "open", path + "/lock") }
        if lock >= 0 { try Self.hold(lock, LOCK_SH, path) }
    }

    deinit {
        if lock >= 0 { _ = Glibc.close(lock) }
        _ = Glibc.close(root)
    }

    package var isVolatile: Bool { false }

    package func list(_ directory: String) throws(StorageError) -> [String] {
        let name = directory.isEmpty ? "." : directory
        let descriptor = unsafe openat(root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("open", directory) }
        guard let stream = unsafe fdopendir(descriptor) else {
            let error = failure("fdopendir", directory)
            _ = Glibc.close(descriptor)
            throw error
        }
        defer { _ = unsafe closedir(stream) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = unsafe readdir(stream) else {
                if errno != 0 { throw failure("readdir", directory) }
                break
            }
            // d_name is a terminated text inside the entry, which stands until the next readdir.
            let text = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if text != "." && text != ".." { names.append(text) }
        }
        return names.sorted()
    }

    package func createDirectory(_ path: String) throws(StorageError) {
        guard !isReadOnly else { throw StorageError(.system(EROFS), "mkdir", self.path + "/" + path) }
        guard unsafe mkdirat(root, path, 0o700) == 0 || errno == EEXIST else { throw failure("mkdir", path) }
    }

    package func open(_ path: String, create: Bool) throws(StorageError) -> File {
        guard !isReadOnly || !create else { throw StorageError(.system(EROFS), "open", self.path + "/" + path) }
        let flags = (isReadOnly ? O_RDONLY : O_RDWR) | O_CLOEXEC | (create ? O_CREAT | O_EXCL : 0)
        while true {
            let descriptor = unsafe openat(root, path, flags, 0o600)
            if descriptor >= 0 {
                // What the kernel would read ahead by itself is as much as the device is set to, 8 MiB on some, and syncs wait for it.
                _ = posix_fadvise(descriptor, 0, 0, POSIX_FADV_RANDOM)
                return File(descriptor: descriptor, path: path)
            }
            guard errno == EINTR else { throw failure("open", path) }
        }
    }

    package func exists(_ path: String) throws(StorageError) -> Bool {
        if unsafe faccessat(root, path, F_OK, 0) == 0 { return true }
        guard errno == ENOENT else { throw failure("faccessat", path) }
        return false
    }

    package func size(_ file: File) throws(StorageError) -> Int {
        var status = stat()
        guard unsafe fstat(file.descriptor, &status) == 0 else { throw failure("fstat", file.path) }
        return Int(status.st_size)
    }

    package func allocate(_ file: File, bytes: Int) throws(StorageError) -> Bool {
        let before = try size(file)
        guard before < bytes else { return true }
        while true {
            if squall_fallocate(file.descriptor, 0, off_t(bytes)) == 0 { return true }
            if errno != EINTR { break }
        }
        // A reservation is a comfort, not a need: without one the file grows as it is written. What a failed one left
        // behind is given back.
        let number = errno
        try truncate(file, to: before)
        switch number {
        case EOPNOTSUPP, ENOSYS, ENOSPC, EDQUOT, EFBIG, EINVAL: return false
        default: throw StorageError(.system(number), "fallocate", self.path + "/" + file.path)
        }
    }

    package func append(_ file: File, at position: Int, parts: [ByteView], zeros: ByteView, space: Int) throws(StorageError) {
        do throws(DirectAppends.Failure) {
            if try appends.append(file.descriptor, at: position, parts: parts, zeros: zeros.count, space: space) { return }
        } catch {
            appends.restore(file.descriptor)
            throw StorageError(.system(error.number), "pwritev", path + "/" + file.path)
        }
        try write(file, at: position, parts: zeros.isEmpty ? parts : parts + [zeros])
    }

    /// Whether appends go past the page cache where this file lies, of which the first `bytes`, 4 KiB at least, are there: tried with zeros.
    package static func appendsDirectly(to descriptor: Int32, bytes: Int) -> Bool {
        do throws(DirectAppends.Failure) {
            return try DirectAppends().append(descriptor, at: 0, parts: [], zeros: 4096, space: bytes)
        } catch { return false }
    }

    package func write(_ file: File, at position: Int, parts: [ByteView]) throws(StorageError) {
        appends.changed(file.descriptor)
        var next = 0
        var skip = 0
        var position = position
        while true {
            while next < parts.count, parts[next].count == skip { (next, skip) = (next + 1, 0) }
            guard next < parts.count else { return }
            let (written, number) = gather(file.descriptor, position, parts, next, skip)
            if written < 0 {
                if number == EINTR { continue }
                throw StorageError(.system(number), "pwritev", path + "/" + file.path)
            }
            // A write of nothing where there was something to write would loop for ever.
            guard written > 0 else { throw StorageError(.system(ENOSPC), "pwritev", path + "/" + file.path) }
            position += written
            var rest = written
            while rest > 0 {
                let step = min(rest, parts[next].count - skip)
                rest -= step
                skip += step
                if skip == parts[next].count { (next, skip) = (next + 1, 0) }
            }
        }
    }

    package func read(_ file: File, at position: Int, count: Int, into bytes: inout [UInt8]) throws(StorageError) -> Int {
        let start = bytes.count
        bytes.append(contentsOf: zeros(count))
        var got = 0
        while got < count {
            // Bounds: start + got ..< start + count lies within the array, which was just grown to that end.
            let n = unsafe bytes.withUnsafeMutableBytes { buffer in
                unsafe pread(
                    file.descriptor, buffer.baseAddress.unsafelyUnwrapped + start + got, count - got, off_t(position + got))
            }
            if n == 0 { break }
            if n < 0 {
                if errno == EINTR { continue }
                let error = failure("pread", file.path)
                bytes.removeLast(bytes.count - start)
                throw error
            }
            got += n
        }
        bytes.removeLast(count - got)
        // Whoever reads so much reads on.
        if got >= Self.bulk {
            // Not where the next append goes: it would wait for that, and throw it away.
            let ahead = min(count, (appends.end(of: file.descriptor) ?? .max) - position - got)
            if ahead > 0 { _ = posix_fadvise(file.descriptor, off_t(position + got), off_t(ahead), POSIX_FADV_WILLNEED) }
        }
        return got
    }
    private static var bulk: Int { 128 << 10 }

    package func startWriting(_ file: File, at position: Int, count: Int) {
        squall_start_writing(file.descriptor, off_t(position), off_t(count))
    }

    package func release(_ file: File, at position: Int, count: Int) {
        _ = posix_fadvise(file.descriptor, off_t(position), off_t(count), POSIX_FADV_DONTNEED)
    }

    package func sync(_ file: File) throws(StorageError) {
        while fdatasync(file.descriptor) != 0 {
            guard errno == EINTR else { throw failure("fdatasync", file.path) }
        }
    }

    package func syncDirectory(_ path: String) throws(StorageError) {
        let descriptor = unsafe openat(root, path.isEmpty ? "." : path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        // Whatever stops it, the names are not known to be on the disk: a failed sync.
        guard descriptor >= 0 else { throw failure("fsync", path) }
        defer { _ = Glibc.close(descriptor) }
        while fsync(descriptor) != 0 {
            guard errno == EINTR else { throw failure("fsync", path) }
        }
    }

    package func truncate(_ file: File, to bytes: Int) throws(StorageError) {
        appends.changed(file.descriptor)
        while ftruncate(file.descriptor, off_t(bytes)) != 0 {
            guard errno == EINTR else { throw failure("ftruncate", file.path) }
        }
    }

    package func rename(_ from: String, to: String) throws(StorageError) {
        guard !isReadOnly else { throw StorageError(.system(EROFS), "rename", self.path + "/" + from) }
        guard unsafe renameat(root, from, root, to) == 0 else { throw failure("rename", from) }
    }

    package func link(_ path: String, as other: String) throws(StorageError) -> Bool {
        guard !isReadOnly else { throw StorageError(.system(EROFS), "link", self.path + "/" + path) }
        if unsafe linkat(root, path, root, other, 0) == 0 { return true }
        switch errno {
        case EPERM, EOPNOTSUPP, ENOSYS, EMLINK, ENOSPC, EDQUOT: return false
        default: throw failure("link", path)
        }
    }

    package func blank(_ file: File) throws(StorageError) -> Bool {
        appends.changed(file.descriptor)
        let bytes = try size(file)
        guard bytes > 0 else { return true }
        while squall_zero_range(file.descriptor, off_t(bytes)) != 0 {
            switch errno {
            case EINTR: continue
            case EOPNOTSUPP, ENOSYS, EINVAL: return false
            default: throw failure("fallocate", file.path)
            }
        }
        return true
    }

    package func remove(_ path: String) throws(StorageError) {
        guard !isReadOnly else { throw StorageError(.system(EROFS), "unlink", self.path + "/" + path) }
        guard unsafe unlinkat(root, path, 0) == 0 else { throw failure("unlink", path) }
    }

    package func close(_ file: File) {
        appends.closed(file.descriptor)
        _ = Glibc.close(file.descriptor)
    }

    private func failure(_ operation: String, _ path: String) -> StorageError {
        StorageError(.system(errno), operation, path.isEmpty ? self.path : self.path + "/" + path)
    }

    /// One pwritev of as many parts as the system takes, from `skip` bytes into part `next`; bytes written or -1, and errno.
    private func gather(_ descriptor: Int32, _ position: Int, _ parts: [ByteView], _ next: Int, _ skip: Int) -> (Int, Int32) {
        let most = 1024  // IOV_MAX on Linux
        let count = min(parts.count - next, most)
        return unsafe withUnsafeTemporaryAllocation(of: iovec.self, capacity: count) { vectors in
            for i in 0..<count {
                // The parts' owners keep them in place during this call; pwritev only reads them.
                let part = i == 0 ? parts[next].from(skip) : parts[next + i]
                unsafe vectors.initializeElement(
                    at: i, to: iovec(iov_base: UnsafeMutableRawPointer(mutating: part.pointer), iov_len: part.count))
            }
            let n = unsafe pwritev(descriptor, vectors.baseAddress, Int32(count), off_t(position))
            return (n, n < 0 ? errno : 0)
        }
    }

    /// mkdir -p
    private static func createPath(_ path: String) throws(StorageError) {
        var prefix = path.hasPrefix("/") ? "/" : ""
        for part in path.split(separator: "/") {
            prefix += part
            guard unsafe mkdir(prefix, 0o700) == 0 || errno == EEXIST else { throw StorageError(.system(errno), "mkdir", prefix) }
            prefix += "/"
        }
    }

    /// What the lock file says about who holds it.
    private static func holder(_ lock: Int32) -> String {
        var bytes = zeros(32)
        let n = unsafe bytes.withUnsafeMutableBytes { unsafe pread(lock, $0.baseAddress, $0.count, 0) }
        let digits = bytes.prefix(max(0, n)).prefix { $0 >= 48 && $0 <= 57 }
        return digits.isEmpty ? "another node" : "another node, process \(String(decoding: digits, as: UTF8.self))"
    }

    /// flock(2)
    private static func hold(_ lock: Int32, _ kind: Int32, _ path: String) throws(StorageError) {
        guard flock(lock, kind | LOCK_NB) != 0 else { return }
        let number = errno
        throw number == EWOULDBLOCK ? StorageError(.locked(by: holder(lock)), "flock", path) : StorageError(.system(number), "flock", path + "/lock")
    }

    /// Writes this process's number into the lock file, for people.
    private static func sign(_ lock: Int32, _ path: String) throws(StorageError) {
        let text = Array("\(getpid())\n".utf8)
        let n = unsafe text.withUnsafeBytes { unsafe Glibc.pwrite(lock, $0.baseAddress, $0.count, 0) }
        // A full disk must not keep a node from starting: it may be what frees the space. The lock holds without the text.
        guard n >= 0 || errno == ENOSPC || errno == EDQUOT else { throw StorageError(.system(errno), "write", path + "/lock") }
        guard ftruncate(lock, off_t(max(0, n))) == 0 else { throw StorageError(.system(errno), "ftruncate", path + "/lock") }
    }
}
