internal import CFabric
internal import CSystem
internal import Glibc

/// Takes a completion queue's signal to itself out of what is waited for.
///
/// The tcp provider of libfabric 1.17 writes a byte to a socket pair whenever a completion comes (tcpx_report_success), so that another thread
/// that sleeps sees it, and takes it back before the next wait: two system calls a turn, a tenth of a node's time at 1,000 records a second.
/// Here one thread does it all, and reads the queue last of all before it sleeps. Once nobody is told that the byte is there, it stays, and no
/// other follows.
enum QuietQueue {
    /// Later versions have threads of their own, whose word is needed.
    static var isKnown: Bool { fi_version() == 1 << 16 | 17 }

    /// - queue: an epoll descriptor in which nothing is yet but the signal, a Unix stream socket. False: it is otherwise, and was left alone.
    static func silence(_ queue: Int32) -> Bool {
        let members = members(of: queue)
        guard members.count == 1, let signal = members.first, option(SO_DOMAIN, of: signal) == AF_UNIX,
            option(SO_TYPE, of: signal) == Int32(SOCK_STREAM.rawValue)
        else { return false }
        return epoll_ctl(queue, EPOLL_CTL_DEL, signal, nil) == 0
    }

    /// The descriptors that an epoll descriptor waits for (proc(5), fdinfo: lines `tfd: number …`).
    private static func members(of queue: Int32) -> [Int32] {
        let file = unsafe open("/proc/self/fdinfo/\(queue)", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return [] }
        defer { close(file) }
        let text = unsafe String(unsafeUninitializedCapacity: 4096) { unsafe max(0, read(file, $0.baseAddress, $0.count)) }
        return text.split(separator: "\n").filter { $0.hasPrefix("tfd:") }.compactMap { line in
            line.dropFirst(4).split(separator: " ").first.flatMap { Int32($0) }
        }
    }
    private static func option(_ name: Int32, of socket: Int32) -> Int32? {
        var value: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        return unsafe getsockopt(socket, SOL_SOCKET, name, &value, &size) == 0 ? value : nil
    }
}
