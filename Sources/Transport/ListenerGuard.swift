internal import Glibc

/// Protects the loop from strangers at the tcp provider's port.
///
/// libfabric 1.17 reads a connection request from an accepted socket with blocking calls: 24 bytes that announce private
/// data which never comes would stop the process for as long as the stranger likes. Accepted sockets inherit options of
/// the listening one, so it is given a short receive time-out; by the time an endpoint uses the socket it does not block
/// any more, and the time-out means nothing. Connections that say nothing at all stay in the kernel until they do, and
/// those of machines that have vanished are found out by keep-alive.
enum ListenerGuard {
    /// Descriptors looked at; a process listens early, when it has few.
    private static let searched: Int32 = 4096

    /// Finds the listening socket bound to `address` (as getsockname gives it) and sets its options; false when there is none.
    static func protect(_ address: UnsafeRawBufferPointer) -> Bool {
        for file in 0..<searched where unsafe isListener(file, address) {
            var timeout = timeval(tv_sec: 0, tv_usec: 1000)
            let size = socklen_t(MemoryLayout<timeval>.size)
            guard unsafe setsockopt(file, SOL_SOCKET, SO_RCVTIMEO, &timeout, size) == 0 else { return false }
            set(file, Int32(IPPROTO_TCP), TCP_DEFER_ACCEPT, 3)
            set(file, SOL_SOCKET, SO_KEEPALIVE, 1)
            set(file, Int32(IPPROTO_TCP), TCP_KEEPIDLE, 10)
            set(file, Int32(IPPROTO_TCP), TCP_KEEPINTVL, 5)
            set(file, Int32(IPPROTO_TCP), TCP_KEEPCNT, 3)
            Pacing.turnOff(file)
            return true
        }
        return false
    }

    private static func isListener(_ file: Int32, _ address: UnsafeRawBufferPointer) -> Bool {
        var listens: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        guard unsafe getsockopt(file, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0, listens != 0 else { return false }
        var own = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let status = unsafe withUnsafeMutablePointer(to: &own) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe getsockname(file, $0, &length) }
        }
        guard status == 0, Int(length) >= address.count else { return false }
        // Family, port and IPv4 address, or family, port and flow: enough to tell listeners of one process apart.
        return unsafe withUnsafeBytes(of: &own) { unsafe $0.prefix(8).elementsEqual(address.prefix(8)) }
    }
    /// A refused option leaves the default: nothing depends on these.
    private static func set(_ file: Int32, _ level: Int32, _ option: Int32, _ value: Int32) {
        var value = value
        _ = unsafe setsockopt(file, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
    }
}
