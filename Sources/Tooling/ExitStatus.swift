internal import Glibc

/// What a tool leaves to its shell; the numbers of the command-line reference.
package enum ExitStatus: Int32, Sendable {
    /// Done, or interrupted after draining.
    case done = 0
    case failed = 1
    /// Some records were not acknowledged, or it is not known.
    case unacknowledged = 3
    /// The time limit ran out.
    case timeUp = 27
    case usage = 64
    /// Input that is not understood.
    case input = 65
    case unreachable = 69
    case disk = 73
    case notAllowed = 77
    case configuration = 78
}

/// Why a tool stops: a sentence for people, a status for scripts.
package struct ToolFailure: Error, Equatable, CustomStringConvertible {
    package let status: ExitStatus
    package let message: String

    package init(_ status: ExitStatus, _ message: String) {
        self.status = status
        self.message = message
    }
    /// A status that another module chose; one that is not of the list counts as failed.
    package init(status: Int32, _ message: String) {
        self.init(ExitStatus(rawValue: status) ?? .failed, message)
    }
    package static func usage(_ message: String) -> ToolFailure { ToolFailure(.usage, message) }
    package var description: String { message }
}

/// A system call that failed: its name and errno.
package struct SystemFault: Error, Equatable, CustomStringConvertible {
    package let call: String
    package let number: Int32

    package init(_ call: String, _ number: Int32) {
        self.call = call
        self.number = number
    }
    /// The system's words for the number, as strerror_r(3) gives them.
    package var reason: String {
        // Bounds: the buffer's own size is passed; the C function ends what it writes with a zero.
        unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { words in
            guard let start = words.baseAddress, unsafe strerror_r(number, start, 256) == 0 else { return "error \(number)" }
            return unsafe String(cString: start)
        }
    }
    package var description: String { "\(call): \(reason)" }
}
