/// EIO and ENOSPC from a drawn write, sync or rename: the node says so and leaves with status 73, and a restart finds all there.
final class DiskErrors: Fault {
    let cluster: Cluster

    init(_ stage: Stage, nodes: Int) throws(Trouble) { cluster = try stage.cluster(nodes) }

    func cycle() throws(Trouble) -> Int {
        let victim = cluster.draw.pick(cluster.nodes)
        if victim.isRunning { try cluster.kill([victim]) }
        var count = 0
        for _ in 1...cluster.draw.int(1...3) { count += try once(victim) }
        try cluster.start(victim)
        try cluster.live()
        try cluster.serves()
        return count
    }

    private func once(_ victim: Node) throws(Trouble) -> Int {
        let injection = Injection.drawFailure(&cluster.draw)
        try cluster.start(victim, injection)
        cluster.watch.pass(2000) { !victim.isRunning }
        if victim.isRunning {
            // The call did not come so often.
            try cluster.kill([victim])
            return 0
        }
        try judge(victim, injection)
        return 1
    }

    private func judge(_ victim: Node, _ injection: Injection) throws(Trouble) {
        let word = victim.words.last ?? ""
        let says = word.contains("Input/output error") || word.contains("No space left on device")
        guard victim.child?.end == .exit(73), says else {
            throw .broken("node \(victim.number) with \(injection.deed) from \(injection.call) \(injection.when): \(victim.child?.end.map { "\($0)" } ?? ""): \(word)")
        }
    }
}
