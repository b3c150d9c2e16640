import Glibc

/// Packets dropped in one direction by iptables, for a drawn time: one node does not hear another, hears nobody, or is not heard.
final class Drops: Fault {
    let cluster: Cluster

    init(_ stage: Stage) throws(Trouble) {
        cluster = try stage.cluster(3, isBridged: true)
        try Self.table(cluster, 1, "-S")
    }

    func cycle() throws(Trouble) -> Int {
        cluster.watch.pass(cluster.draw.int(0...50))
        let order = cluster.draw.some(3, of: cluster.numbers)
        let (a, b, c) = (order[0], order[1], order[2])
        switch cluster.draw.int(1...4) {
        case 1: try Self.deafen(cluster, a, to: b)
        case 2: try Self.table(cluster, b, "-A OUTPUT -d \(host(a)) -j DROP")
        case 3:
            try Self.deafen(cluster, a, to: b)
            try Self.deafen(cluster, a, to: c)
        default:
            try Self.deafen(cluster, b, to: a)
            try Self.deafen(cluster, c, to: a)
        }
        cluster.watch.pass(cluster.draw.once(in: 3) ? cluster.draw.int(900...2500) : cluster.draw.int(20...700))
        for node in order { try Self.heal(cluster, node) }
        try cluster.live()
        try cluster.serves()
        return 1
    }

    private func host(_ node: Int) -> String { String(cluster.node(node).address.prefix { $0 != ":" }) }

    /// Nothing from `b` comes in at `a`.
    static func deafen(_ cluster: Cluster, _ a: Int, to b: Int) throws(Trouble) {
        try table(cluster, a, "-A INPUT -s \(cluster.node(b).address.prefix { $0 != ":" }) -j DROP")
    }
    static func heal(_ cluster: Cluster, _ node: Int) throws(Trouble) { try table(cluster, node, "-F") }

    static func table(_ cluster: Cluster, _ node: Int, _ words: String) throws(Trouble) {
        try cluster.watch.run(["/usr/sbin/iptables", "-w"] + words.split(separator: " ").map(String.init), net: cluster.ground.net(node))
    }
}
