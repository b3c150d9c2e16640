internal import Tooling
internal import Wire

/// `--ack manual`: each line on standard input says that one more record is done with, in the order in which they were printed.
final class Confirmations {
    private(set) var isAtEnd = false
    private var isWithinLine = false
    private let file: Int32
    private var buffer = ByteBuffer(capacity: 4096)

    init(_ file: Int32) { self.file = file }

    /// Lines that have come since the last call; does not wait. A last line without an end counts too.
    func take() throws(SystemFault) -> Int {
        var lines = 0
        while !isAtEnd, Descriptor.canRead(file, within: 0) {
            buffer.removeAll()
            let got = try buffer.fill(from: file, atLeast: 1)
            if got == 0 {
                isAtEnd = true
                if isWithinLine { lines += 1 }
                break
            }
            let bytes = buffer.view.array
            lines += bytes.count { $0 == UInt8(ascii: "\n") }
            isWithinLine = bytes.last != UInt8(ascii: "\n")
        }
        return lines
    }
}
