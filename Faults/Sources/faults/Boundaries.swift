import Glibc

/// SIGKILL at a drawn system call, again and again while the node comes back: between any two steps that change a disk or tell
/// another of it.
final class Boundaries: Fault {
    let cluster: Cluster
    private let board: Board

    init(_ stage: Stage, nodes: Int, _ board: Board) throws(Trouble) {
        cluster = try stage.cluster(nodes)
        self.board = board
    }

    func cycle() throws(Trouble) -> Int {
        let victim = cluster.draw.pick(cluster.nodes)
        if victim.isRunning { try cluster.kill([victim]) }
        let times = cluster.draw.int(1...4)
        for _ in 1...times {
            let injection = Injection.drawKill(&cluster.draw)
            try cluster.start(victim, injection)
            cluster.watch.pass(2000) { !victim.isRunning }
            if victim.isRunning {
                // The call did not come so often: a plain kill then.
                try cluster.kill([victim])
            } else {
                guard victim.child?.end == .signal(SIGKILL) else {
                    throw .broken("node \(victim.number), to be killed at \(injection.call) \(injection.when): \(victim.child?.end.map { "\($0)" } ?? ""): \(victim.words.last ?? "")")
                }
                board.noteBoundary(injection.call)
            }
        }
        try cluster.start(victim)
        try cluster.live()
        try cluster.serves()
        return times
    }
}
