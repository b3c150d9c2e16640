import CSystem
import Glibc

/// An eventfd(2): one thread signals, another waits or finds it readable.
struct EventFile: Sendable {
    let file: Int32

    /// - blocks: whether `take` waits for a signal.
    init?(blocks: Bool) {
        file = eventfd(0, Int32(blocks ? EFD_CLOEXEC : EFD_CLOEXEC | EFD_NONBLOCK))
        guard file >= 0 else { return nil }
    }
    func signal() {
        var one: UInt64 = 1
        // It fails only where 2^64 − 2 signals wait.
        _ = unsafe write(file, &one, 8)
    }
    func take() {
        var count: UInt64 = 0
        // EAGAIN and EINTR: nothing to take, the caller looks at its queue anyway.
        _ = unsafe read(file, &count, 8)
    }
    func close() { _ = Glibc.close(file) }
}
