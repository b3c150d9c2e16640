import Glibc

/// SIGSTOP for a drawn time, shorter or longer than the others' patience, then SIGCONT.
final class Pauses: Fault {
    let cluster: Cluster

    init(_ stage: Stage) throws(Trouble) { cluster = try stage.cluster(3) }

    func cycle() throws(Trouble) -> Int {
        cluster.watch.pass(cluster.draw.int(0...50))
        let victim = cluster.draw.pick(cluster.nodes)
        victim.child?.send(SIGSTOP)
        // Most are short; one in five is long enough to be cut out for.
        let isLong = cluster.draw.once(in: 5)
        cluster.watch.pass(isLong ? cluster.draw.int(900...2500) : cluster.draw.int(5...400))
        victim.child?.send(SIGCONT)
        try cluster.live()
        try cluster.serves()
        return 1
    }
}
