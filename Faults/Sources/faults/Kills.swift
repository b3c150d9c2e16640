import Glibc

/// SIGKILL at drawn moments: of one node, of two at once, of all at once, of the publisher.
final class Kills: Fault {
    enum Victims { case nodes(Int), publisher }
    let cluster: Cluster
    private let victims: Victims

    init(_ stage: Stage, _ victims: Victims, of count: Int = 3) throws(Trouble) {
        cluster = try stage.cluster(count)
        self.victims = victims
    }

    func cycle() throws(Trouble) -> Int {
        cluster.watch.pass(cluster.draw.int(0...100))
        switch victims {
        case .publisher:
            try cluster.publisher?.killAndRestart()
            // Half of the time it is killed again at its start, or while it passes over what is there.
            if cluster.draw.once(in: 2) { cluster.watch.pass(cluster.draw.int(0...900)) } else { try cluster.publisher?.catchUp() }
            return 1
        case .nodes(let count):
            let hit = cluster.draw.some(count, of: cluster.nodes)
            try cluster.kill(hit)
            // Half of the time the others have agreed before it returns.
            if count == 1, cluster.nodes.count == 3, cluster.draw.once(in: 2) {
                try cluster.live(cluster.numbers.filter { $0 != hit[0].number })
            }
            for node in hit { try cluster.start(node) }
            try cluster.live()
        }
        try cluster.serves()
        return 1
    }
}
