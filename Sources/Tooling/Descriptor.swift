internal import Glibc
package import Wire

/// What may go wrong while writing.
package enum WriteFault: Error, Equatable {
    /// The reader has gone (`| head`).
    case closed
    case failed(SystemFault)
}

/// Calls on file descriptors, each repeated when a signal breaks into it.
package enum Descriptor {
    /// Opens a file for reading; open(2).
    package static func open(_ path: String) throws(SystemFault) -> Int32 {
        while true {
            let file = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC)
            if file >= 0 { return file }
            if errno != EINTR { throw SystemFault("open", errno) }
        }
    }
    package static func close(_ file: Int32) { _ = Glibc.close(file) }

    /// Reads up to `count` bytes to `start`, which the caller owns; 0 at the end; read(2).
    @unsafe package static func read(_ file: Int32, to start: UnsafeMutableRawPointer, count: Int) throws(SystemFault) -> Int {
        while true {
            let got = unsafe Glibc.read(file, start, count)
            if got >= 0 { return got }
            switch errno {
            case EINTR: continue
            case EAGAIN: _ = wait(file, for: Int16(POLLIN), milliseconds: -1)
            default: throw SystemFault("read", errno)
            }
        }
    }

    /// Writes all of `bytes`, waiting where the reader is slow; write(2).
    package static func write(_ bytes: ByteView, to file: Int32) throws(WriteFault) {
        var left = bytes
        while !left.isEmpty {
            let put = unsafe Glibc.write(file, left.pointer, left.count)
            if put >= 0 {
                left = left.from(put)
                continue
            }
            switch errno {
            case EINTR: continue
            case EAGAIN: _ = wait(file, for: Int16(POLLOUT), milliseconds: -1)
            case EPIPE, ECONNRESET: throw .closed
            default: throw .failed(SystemFault("write", errno))
            }
        }
    }
    /// Writes as much of `bytes` as a reader takes within `milliseconds`; how many bytes that was. `waits`: `isWaitable`. write(2).
    package static func write(_ bytes: ByteView, to file: Int32, within milliseconds: Int32, waits: Bool) throws(WriteFault) -> Int {
        guard waits else {
            try write(bytes, to: file)
            return bytes.count
        }
        // So much a pipe that can be written takes at once; pipe(7).
        guard wait(file, for: Int16(POLLOUT), milliseconds: milliseconds) != 0 else { return 0 }
        let piece = bytes[0..<min(bytes.count, Int(PIPE_BUF))]
        try write(piece, to: file)
        return piece.count
    }
    /// Writes a line of text; false when nobody can read it.
    package static func writeLine(_ text: String, to file: Int32) -> Bool { writeText(text + "\n", to: file) }
    package static func writeText(_ text: String, to file: Int32) -> Bool {
        do throws(WriteFault) {
            try Array(text.utf8).withView { bytes throws(WriteFault) in try write(bytes, to: file) }
            return true
        } catch {
            return false
        }
    }

    /// Waits until one of `events` is there, or an error, or the time has passed; what was seen; poll(2).
    package static func wait(_ file: Int32, for events: Int16, milliseconds: Int32) -> Int16 {
        var entry = pollfd(fd: file, events: events, revents: 0)
        let ready = unsafe poll(&entry, 1, milliseconds)
        return ready > 0 ? entry.revents : 0
    }
    /// Whether `file` can be read, or is at its end, within `seconds`.
    package static func canRead(_ file: Int32, within seconds: Double) -> Bool {
        wait(file, for: Int16(POLLIN), milliseconds: Int32((max(0, min(seconds, 3600)) * 1000).rounded(.up))) != 0
    }
    /// Whether the other end of a pipe or socket has gone.
    package static func readerIsGone(_ file: Int32) -> Bool { wait(file, for: 0, milliseconds: 0) & Int16(POLLERR) != 0 }

    /// Whether waiting for `file` means anything: pipes, sockets and terminals; regular files and the like never wait. fstat(2).
    package static func isWaitable(_ file: Int32) -> Bool {
        var status = stat()
        guard unsafe fstat(file, &status) == 0 else { return false }
        switch status.st_mode & S_IFMT {
        case S_IFIFO, S_IFSOCK: return true
        case S_IFCHR: return isatty(file) == 1
        default: return false
        }
    }
    /// Goes back to the start; lseek(2).
    package static func rewind(_ file: Int32) throws(SystemFault) {
        if lseek(file, 0, SEEK_SET) != 0 { throw SystemFault("lseek", errno) }
    }
    /// Whether `file` is of the kind that can be read again from its start; lseek(2).
    package static func canRewind(_ file: Int32) -> Bool { lseek(file, 0, SEEK_CUR) >= 0 }

    /// All bytes of the file at `path`, at most `limit` (more is an error of its own: EFBIG).
    package static func contents(of path: String, limit: Int) throws(SystemFault) -> [UInt8] {
        let file = try open(path)
        defer { close(file) }
        var buffer = ByteBuffer(capacity: 4096)
        while try buffer.fill(from: file, atLeast: 4096) > 0 {
            guard buffer.count <= limit else { throw SystemFault("read", EFBIG) }
        }
        return buffer.view.array
    }
}
