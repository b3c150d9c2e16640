import CFaults
import Glibc

/// Where a cluster's processes stand: the network namespace of each node and of the clients, and the nodes' addresses.
///
///      one namespace, loopback                 bridged: a namespace each, joined in the clients' one
///      127.0.0.1:7420+n                        10.77.0.n:7420, clients at 10.77.0.254
final class Ground {
    /// Of node n at n; of the clients at 0. -1 is the namespace of this program.
    let nets: [Int32]
    let addresses: [String]
    let isBridged: Bool
    private let owned: [Int32]

    func net(_ node: Int) -> Int32 { nets[node] }
    var clients: Int32 { nets[0] }

    /// All on one loopback; where no namespace can be had, on this machine's own, at ports that are free.
    init(loopback count: Int, _ watch: Watch) throws(Trouble) {
        let net = faults_new_network()
        isBridged = false
        guard net >= 0 else {
            nets = Array(repeating: -1, count: count + 1)
            addresses = freePorts(count).map { "127.0.0.1:\($0)" }
            owned = []
            return
        }
        nets = Array(repeating: net, count: count + 1)
        addresses = (1...count).map { "127.0.0.1:\(7420 + $0)" }
        owned = [net]
        try watch.run(["/usr/sbin/ip", "link", "set", "lo", "up"], net: net)
    }

    init(bridged count: Int, _ watch: Watch) throws(Trouble) {
        var made: [Int32] = []
        for _ in 0...count {
            let net = faults_new_network()
            guard net >= 0 else { throw .impossible("a network namespace: \(reason(-net))") }
            made.append(net)
        }
        (nets, owned, isBridged) = (made, made, true)
        addresses = (1...count).map { "10.77.0.\($0):7420" }
        let hub = made[0]
        func ip(_ words: String, in net: Int32) throws(Trouble) {
            try watch.run(["/usr/sbin/ip"] + words.split(separator: " ").map(String.init), net: net)
        }
        try ip("link add hub type bridge", in: hub)
        try ip("link set hub up", in: hub)
        try ip("addr add 10.77.0.254/24 dev hub", in: hub)
        for node in 1...count {
            try ip("link add up\(node) type veth peer name node netns /proc/\(getpid())/fd/\(made[node])", in: hub)
            try ip("link set up\(node) master hub up", in: hub)
            try ip("link set lo up", in: made[node])
            try ip("addr add 10.77.0.\(node)/24 dev node", in: made[node])
            try ip("link set node up", in: made[node])
        }
    }

    deinit { for net in owned { close(net) } }
}

/// Ports of the loopback address that nothing listens at, below those that outgoing connections get; bind(2).
private func freePorts(_ count: Int) -> [Int] {
    var ports: [Int] = []
    while ports.count < count {
        let port = Int.random(in: 12_000..<31_000)
        let file = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let isFree = unsafe withUnsafePointer(to: &address) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(file, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        close(file)
        if isFree, !ports.contains(port) { ports.append(port) }
    }
    return ports
}
