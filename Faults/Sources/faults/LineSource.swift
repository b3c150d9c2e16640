import Glibc

/// The lines that come out of a pipe; never waits.
struct LineSource {
    let file: Int32
    private var bytes: [UInt8] = []

    init(file: Int32) {
        self.file = file
        _ = fcntl(file, F_SETFL, fcntl(file, F_GETFL) | O_NONBLOCK)
    }

    /// Passes on each whole line that has come, without its end. False: nothing more will come.
    mutating func read(_ each: (ArraySlice<UInt8>) -> Void) -> Bool {
        for _ in 0..<16 {
            let got = fill()
            if got > 0 { cut(each) }
            if got <= 0 { return got < 0 }
        }
        return true
    }

    /// How many bytes came; 0: the end; -1: none now.
    private mutating func fill() -> Int {
        let start = bytes.count
        let chunk = 65_536
        bytes.append(contentsOf: repeatElement(0, count: chunk))
        // Bounds: start ..< start + chunk lies within the array, which was just grown to that end.
        let got = unsafe bytes.withUnsafeMutableBytes { unsafe Glibc.read(file, $0.baseAddress.unsafelyUnwrapped + start, chunk) }
        let isLater = got < 0 && (errno == EAGAIN || errno == EINTR)
        bytes.removeLast(chunk - max(got, 0))
        return got < 0 ? (isLater ? -1 : 0) : got
    }

    private mutating func cut(_ each: (ArraySlice<UInt8>) -> Void) {
        var start = 0
        while let end = bytes[start...].firstIndex(of: 10) {
            each(bytes[start..<end])
            start = end + 1
        }
        bytes.removeFirst(start)
    }

    func close() { _ = Glibc.close(file) }
}
