import Glibc

/// The power of a drawn number of nodes cut at once: the processes die, their file systems stop without writing their journals
/// out, and what comes back is what was synced.
///
/// The signal comes first: to a process that lived on, an fdatasync(2) under way may return 0 after the cut although nothing of
/// it is kept (Linux 6.18, one cut in fifteen), which no power cut can do.
final class PowerCuts: Fault {
    let cluster: Cluster
    private let disks: [Ext4Disk]
    /// The disks say that they have synced and have not: what the checkers must find.
    private let disksLie: Bool

    init(_ stage: Stage, nodes: Int, disksLie: Bool = false) throws(Trouble) {
        self.disksLie = disksLie
        disks = try stage.disks(nodes)
        cluster = try stage.cluster(nodes, disks: disks.map(\.path))
    }

    func cycle() throws(Trouble) -> Int {
        // While it recovers, too.
        cluster.watch.pass(cluster.draw.int(0...(cluster.nodes.count == 1 ? 450 : 150)))
        let count = cluster.nodes.count
        // One of them mostly; all of them one time in three.
        let hit = cluster.draw.some(cluster.draw.once(in: 3) ? count : 1, of: cluster.nodes)
        for node in hit {
            node.child?.send(SIGKILL)
            try disks[node.number - 1].cutPower()
        }
        try cluster.gone(hit)
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
