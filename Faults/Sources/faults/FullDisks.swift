/// A disk filled up under a node to a drawn rest: it says so and leaves with status 73, and comes back when there is space.
final class FullDisks: Fault {
    let cluster: Cluster
    private let disks: [SmallDisk]

    init(_ stage: Stage, nodes: Int, _ board: Board) throws(Trouble) {
        var disks: [SmallDisk] = []
        for number in 1...nodes { disks.append(try SmallDisk("disk\(number)", in: stage.folder, stage.watch)) }
        self.disks = disks
        cluster = try stage.cluster(nodes, disks: disks.map(\.path))
        if let why = disks[0].complaint { board.noteImpossible("full", "\(why); on tmpfs instead") }
    }

    func cycle() throws(Trouble) -> Int {
        cluster.watch.pass(cluster.draw.int(0...50))
        let victim = cluster.draw.pick(cluster.nodes)
        let disk = disks[victim.number - 1]
        try disk.fill(leaving: cluster.draw.once(in: 3) ? 0 : cluster.draw.int(0...600) << 10)
        try cluster.watch.until("node \(victim.number) on a full disk is gone", within: 60) { !victim.isRunning || !cluster.isPublishing }
        guard !victim.isRunning else {
            // The lines have run out, and with them what fills a disk.
            disk.empty()
            return 0
        }
        let word = victim.words.last ?? ""
        guard victim.child?.end == .exit(73), word.contains("No space left on device") else {
            throw .broken("node \(victim.number) on a full disk: \(victim.child?.end.map { "\($0)" } ?? ""): \(word)")
        }
        // On a disk that is still full it may start, but says so again or serves; either way nothing is lost.
        if cluster.draw.once(in: 3) {
            try cluster.start(victim)
            cluster.watch.pass(cluster.draw.int(0...600)) { !victim.isRunning }
            if victim.isRunning { try cluster.kill([victim]) }
        }
        disk.empty()
        try cluster.start(victim)
        try cluster.live()
        try cluster.serves()
        return 1
    }
}
