import Glibc

/// The power of a drawn number of nodes cut at once: their file systems stop without writing their journals out, the processes
/// die, and what comes back is what was synced.
final class PowerCuts: Fault {
    let cluster: Cluster
    private let disks: [Ext4Disk]
    /// The disks say that they have synced and have not: what the checkers must find.
    private let disksLie: Bool

    init(_ stage: Stage, nodes: Int, disksLie: Bool = false) throws(Trouble) {
        self.disksLie = disksLie
        disks = try stage.disks(nodes)
        cluster = try stage.cluster(nodes, disks: disks)
    }

    func cycle() throws(Trouble) -> Int {
        // While it recovers, too.
        cluster.watch.pass(cluster.draw.int(0...(cluster.nodes.count == 1 ? 450 : 150)))
        let count = cluster.nodes.count
        // One of them mostly; all of them one time in three.
        let hit = cluster.draw.some(cluster.draw.once(in: 3) ? count : 1, of: cluster.nodes)
        for node in hit { try disks[node.number - 1].cutPower() }
        try cluster.kill(hit)
        for node in hit { try disks[node.number - 1].bringBack() }
        for node in hit { try cluster.start(node, disksLie ? .lyingDisk : nil) }
        guard count > 1 || cluster.draw.once(in: 4) else { return hit.count }
        try cluster.live()
        try cluster.serves()
        return hit.count
    }

    func restore() throws(Trouble) {
        for node in cluster.nodes where !node.isRunning { try cluster.start(node, disksLie ? .lyingDisk : nil) }
        try cluster.live()
    }
}
