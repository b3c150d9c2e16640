internal import Tooling
internal import Wire

/// One record as its input had it; the views lie in the input's buffer and hold until the next is asked for.
struct InputRecord {
    /// Nil where the record names none: the command line's topic.
    var topic: ByteView?
    var key: ByteView?
    /// Nanoseconds since 1970; nil: now.
    var time: Int64?
    var payload: ByteView
}

/// What a format finds at the start of the bytes it is shown.
enum InputStep {
    /// A record that takes the first `consumed` bytes.
    case record(InputRecord, consumed: Int)
    /// No record there (an empty line, a header).
    case skip(consumed: Int)
    /// The bytes end within a record.
    case more
    /// All is read.
    case end
}

/// Input that is not understood, and where; lines and columns (bytes) count from 1, 0 where there are none.
struct InputFault: Error, Equatable {
    var line = 0
    var column = 0
    var message: String

    /// `stdin:17:5: message`.
    func text(source: String) -> String {
        var place = source
        if line > 0 { place += ":\(line)" }
        if line > 0, column > 0 { place += ":\(column)" }
        return "\(place): \(message)"
    }
}

/// A way to cut input into records.
protocol InputFormat: ~Copyable {
    /// The line on which the last record began, from 1; 0 where lines mean nothing.
    var line: Int { get }
    /// Looks at `bytes`, all that is there and not yet consumed; `atEnd`: no more will come.
    mutating func next(_ bytes: ByteView, atEnd: Bool) throws(InputFault) -> InputStep
    /// Begins again at the start of the input.
    mutating func restart()
}

/// Everything is one message.
struct WholeFormat: InputFormat {
    var line: Int { 0 }
    private var isDone = false

    mutating func next(_ bytes: ByteView, atEnd: Bool) throws(InputFault) -> InputStep {
        if isDone { return .end }
        guard bytes.count <= Limits.record else { throw InputFault(message: tooLong("message")) }
        guard atEnd else { return .more }
        isDone = true
        return .record(InputRecord(payload: bytes), consumed: bytes.count)
    }
    mutating func restart() { isDone = false }
}

func tooLong(_ what: String) -> String { "\(what) is longer than the limit of \(Numbers.grouped(Limits.record)) bytes" }
