internal import Glibc

/// Keeps the kernel from pacing the sockets of the tcp provider.
///
/// BBR spaces out what a connection sends by a timer of its own. Between nodes side by side that is work for nothing: it costs
/// them a quarter of the rate, and adds half to the latency (docs/BENCHMARKS.md). libfabric has no option for it, so its sockets are
/// found among this process's descriptors, and before they connect: one that has been paced once stays so (`sk_pacing_status`).
/// Accepted sockets inherit it from the one that listens.
enum Pacing {
    /// Of the congestion controls (TCP_CONGESTION) those that pace, by the beginning of their names, and what is asked for instead.
    private static let pacing = ["bbr"], unpaced = ["cubic", "reno"]
    /// Descriptors looked at, from the one on that the next one would be.
    private static let searched: Int32 = 64

    /// Asks for a congestion control that does not pace, where the socket has one that does. A refusal leaves what there was.
    static func turnOff(_ file: Int32, pacing: [String] = pacing, unpaced: [String] = unpaced) {
        guard let name = control(file), pacing.contains(where: name.hasPrefix) else { return }
        for other in unpaced {
            if unsafe setsockopt(file, Int32(IPPROTO_TCP), TCP_CONGESTION, other, socklen_t(other.utf8.count)) == 0 { return }
        }
    }
    /// The numbers that the system gives to descriptors next, and the sockets among them that are there already and are none of ours: a program that
    /// uses the client library has its own.
    struct Places {
        private let next: Int32
        private let others: [Int32]

        /// - spare: any descriptor of this process.
        init?(spare: Int32) {
            next = fcntl(spare, F_DUPFD_CLOEXEC, 0)
            guard next >= 0 else { return nil }
            Glibc.close(next)
            others = Pacing.unconnected(from: next)
        }
        /// Turns pacing off for the TCP socket that was made since, and is not connected yet.
        func turnOffNew() {
            for file in Pacing.unconnected(from: next) where !others.contains(file) { turnOff(file) }
        }
    }
    private static func unconnected(from next: Int32) -> [Int32] { (next..<next + searched).filter(isUnconnected) }

    /// The name of a TCP socket's congestion control; nil where it is none.
    static func control(_ file: Int32) -> String? {
        unsafe withUnsafeTemporaryAllocation(byteCount: 16, alignment: 1) { name in
            var size = socklen_t(name.count)
            guard unsafe getsockopt(file, Int32(IPPROTO_TCP), TCP_CONGESTION, name.baseAddress, &size) == 0 else { return nil }
            return unsafe String(decoding: name.prefix(Int(size)).prefix { $0 != 0 }, as: UTF8.self)
        }
    }
    private static func isUnconnected(_ file: Int32) -> Bool {
        var type: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        guard unsafe getsockopt(file, SOL_SOCKET, SO_PROTOCOL, &type, &size) == 0, type == Int32(IPPROTO_TCP) else { return false }
        var peer = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return unsafe withUnsafeMutablePointer(to: &peer) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe getpeername(file, $0, &length) }
        } != 0
    }
}
