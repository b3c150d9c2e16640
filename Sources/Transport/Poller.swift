internal import CSystem
internal import Glibc

/// The descriptors that a sleeping transport waits for (epoll).
@safe final class Poller {
    private let epoll: Int32
    private let ready: UnsafeMutablePointer<epoll_event>
    private static let capacity = 32

    init() throws(TransportError) {
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard epoll >= 0 else { throw .failed(call: "epoll_create1", why: unsafe String(cString: strerror(errno))) }
        unsafe ready = .allocate(capacity: Self.capacity)
    }
    deinit {
        close(epoll)
        unsafe ready.deallocate()
    }

    func add(_ file: Int32) throws(TransportError) {
        var event = unsafe epoll_event()
        unsafe event.events = EPOLLIN.rawValue
        unsafe event.data.fd = file
        guard unsafe epoll_ctl(epoll, EPOLL_CTL_ADD, file, &event) == 0 else {
            throw .failed(call: "epoll_ctl", why: unsafe String(cString: strerror(errno)))
        }
    }
    /// No effect on a descriptor that is not there, or closed already.
    func remove(_ file: Int32) { _ = epoll_ctl(epoll, EPOLL_CTL_DEL, file, nil) }

    /// Waits for up to `nanoseconds` (0: looks only) and calls `body` for each descriptor that can be read. An interrupting
    /// signal ends the wait (epoll_pwait2).
    func wait(_ nanoseconds: UInt64, _ body: (Int32) -> Void) {
        var limit = timespec(tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
        let count =
            nanoseconds == 0
            ? unsafe epoll_wait(epoll, ready, Int32(Self.capacity), 0)
            : unsafe epoll_pwait2(epoll, ready, Int32(Self.capacity), &limit, nil)
        // Bounds: the kernel fills at most `capacity` events.
        for i in 0..<max(0, Int(count)) { unsafe body(ready[i].data.fd) }
    }
}

/// CLOCK_MONOTONIC in nanoseconds (clock_gettime).
package func monotonicNow() -> UInt64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
