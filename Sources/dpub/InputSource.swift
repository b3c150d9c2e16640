internal import Tooling
internal import Wire

/// Bytes from a descriptor or from the command line, and those of them not yet consumed.
///
///      buffer:  | consumed | waiting to be cut | room |
struct InputSource: ~Copyable {
    /// What one read asks for.
    static let chunk = 256 << 10

    /// For messages: `stdin` or the file's path.
    let name: String
    private let file: Int32
    private let owned: Bool
    private var buffer: ByteBuffer
    private var consumed = 0
    private(set) var atEnd: Bool
    /// The descriptor to wait for before reading; -1 where a read never blocks for long.
    let waitable: Int32

    /// Reads a descriptor; `owned`: closes it at the end.
    init(file: Int32, name: String, owned: Bool) {
        self.file = file
        self.name = name
        self.owned = owned
        buffer = ByteBuffer(capacity: Self.chunk)
        atEnd = false
        waitable = Descriptor.isWaitable(file) ? file : -1
    }
    /// These bytes and no more.
    init(bytes: [UInt8]) {
        file = -1
        name = "-m"
        owned = false
        buffer = ByteBuffer(copying: bytes)
        atEnd = true
        waitable = -1
    }
    deinit { if owned { Descriptor.close(file) } }

    /// What is there and not consumed; valid until `read` or `rewind`.
    var waiting: ByteView { buffer.view.from(consumed) }
    mutating func consume(_ bytes: Int) {
        precondition(bytes <= buffer.count - consumed)
        consumed += bytes
    }
    /// Reads once; finds the end where nothing comes.
    mutating func read() throws(SystemFault) {
        buffer.dropFirst(consumed)
        consumed = 0
        if try buffer.fill(from: file, atLeast: Self.chunk / 2) == 0 { atEnd = true }
    }
    /// Goes back to the start; `keepingBytes`: all of it is still in the buffer. Fails on a pipe.
    mutating func rewind(keepingBytes: Bool) throws(SystemFault) {
        consumed = 0
        if keepingBytes || file < 0 { return }
        try Descriptor.rewind(file)
        buffer.removeAll()
        atEnd = false
    }
    /// Whether the input can be read once more.
    var canRewind: Bool { file < 0 || Descriptor.canRewind(file) }
}
