internal import Glibc

/// Host and port of a socket address (sockaddr_in, sockaddr_in6), for people.
struct SocketAddress: CustomStringConvertible {
    let host: String
    let port: UInt16

    /// Reads `bytes` as the system lays a socket address out; anything else is "unknown".
    init(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= 16 else {
            (host, port) = ("unknown", 0)
            return
        }
        // Bounds: 16 bytes hold a sockaddr_in, 28 a sockaddr_in6; both checked here.
        let family = unsafe Int32(bytes.loadUnaligned(as: UInt16.self))
        let place = family == AF_INET ? 4 : 8
        guard family == AF_INET || (family == AF_INET6 && bytes.count >= 28) else {
            (host, port) = ("unknown", 0)
            return
        }
        port = unsafe UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
        let text = unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(INET6_ADDRSTRLEN)) { room in
            unsafe inet_ntop(family, bytes.baseAddress! + place, room.baseAddress, socklen_t(room.count)) == nil
                ? "unknown" : String(cString: room.baseAddress!)
        }
        host = family == AF_INET6 ? "[\(text)]" : text
    }
    /// The same address without its port; empty for one that stands for all, or that cannot be read.
    static func source(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        let host = unsafe SocketAddress(bytes).host
        guard host != "unknown", host != "0.0.0.0", host != "[::]" else { return [] }
        var copy = unsafe Array(bytes)
        (copy[2], copy[3]) = (0, 0)
        return copy
    }
    var description: String { "\(host):\(port)" }
}
