import Glibc

/// One way in which nodes fail, and how long a publisher at a survivor waits for its next acknowledgement.
enum Failover: String, CaseIterable {
    case leader = "leader, SIGKILL"
    case any = "any node, SIGKILL"
    case stop = "any node, SIGSTOP for 5 s"
    case cut = "one-way cut between two nodes"
    case two = "two nodes at once, SIGKILL"

    /// What is measured, milliseconds.
    struct Figure {
        /// From the fault (of two nodes: from the start of the process that returns) to the end of the longest gap.
        let outage: Double
        /// The longest gap while the node is taken back in.
        let back: Double
    }

    func round(_ cluster: Cluster, topic: String) throws(Trouble) -> Figure {
        try cluster.live()
        let ranks = cluster.node(1).members
        var order = cluster.draw.some(3, of: ranks)
        if self == .leader { order = [ranks[0]] + order.filter { $0 != ranks[0] } }
        // The publisher is at the last one, which stays.
        let meter = try Meter(cluster, topic: topic, at: order.reversed())
        try meter.flows()
        // A view may have changed meanwhile; the order was drawn from this one.
        guard cluster.areLive(cluster.numbers), cluster.node(1).members == ranks else {
            try meter.finish()
            return try round(cluster, topic: topic + "a")
        }
        cluster.watch.pass(cluster.draw.int(0...200))
        let figure =
            switch self {
            case .leader, .any: try kill(order, cluster, meter)
            case .stop: try stop(order, cluster, meter)
            case .cut: try cut(order, cluster, meter)
            case .two: try killTwo(order, cluster, meter)
            }
        try meter.finish()
        return figure
    }

    private func kill(_ order: [Int], _ cluster: Cluster, _ meter: Meter) throws(Trouble) -> Figure {
        let victim = cluster.node(order[0])
        let hit = monotonic()
        victim.child?.send(SIGKILL)
        try cluster.gone([victim])
        try cluster.live(order.dropFirst().sorted())
        let outage = try outage(since: hit, cluster, meter)
        try cluster.start(victim)
        return Figure(outage: outage, back: try back(cluster, meter))
    }

    private func stop(_ order: [Int], _ cluster: Cluster, _ meter: Meter) throws(Trouble) -> Figure {
        let victim = cluster.node(order[0])
        let hit = monotonic()
        victim.child?.send(SIGSTOP)
        cluster.watch.pass(5000)
        guard cluster.areLive(order.dropFirst().sorted()) else {
            throw .broken("node \(order[0]) stopped for 5 s, and the others have no view of their own")
        }
        let outage = try outage(since: hit, cluster, meter)
        victim.child?.send(SIGCONT)
        return Figure(outage: outage, back: try back(cluster, meter))
    }

    private func cut(_ order: [Int], _ cluster: Cluster, _ meter: Meter) throws(Trouble) -> Figure {
        try Drops.deafen(cluster, order[0], to: order[1])
        let hit = monotonic()
        let views = order.map { cluster.node($0).view }
        try cluster.watch.until("a view of two begins", within: 30) {
            zip(order, views).count { cluster.node($0).members.count == 2 && cluster.node($0).view > $1 } == 2
        }
        let outage = try outage(since: hit, cluster, meter)
        try Drops.heal(cluster, order[0])
        return Figure(outage: outage, back: try back(cluster, meter))
    }

    private func killTwo(_ order: [Int], _ cluster: Cluster, _ meter: Meter) throws(Trouble) -> Figure {
        let victims = order.prefix(2).map { cluster.node($0) }
        for node in victims { node.child?.send(SIGKILL) }
        try cluster.gone(victims)
        // What was on its way when they died may still come in.
        cluster.watch.pass(100)
        let silent = monotonic()
        cluster.watch.pass(cluster.draw.int(500...5000))
        if let last = meter.times.last, last > silent { throw .broken("acknowledged with one node of three left") }
        let returned = monotonic()
        try cluster.start(victims[0])
        try meter.answers(after: returned, within: 60)
        let outage = Double((meter.times.first { $0 > returned } ?? 0) - returned) / 1e6
        try cluster.start(victims[1])
        return Figure(outage: outage, back: try back(cluster, meter))
    }

    /// Until the end of the longest gap; some acknowledgements of before may come first.
    private func outage(since hit: UInt64, _ cluster: Cluster, _ meter: Meter) throws(Trouble) -> Double {
        try meter.answers(after: monotonic() + 50_000_000, within: 30)
        guard let gap = meter.longestGap(from: hit, to: monotonic()) else { throw .broken("no gap around the fault") }
        return Double(gap.ended - min(gap.ended, hit)) / 1e6
    }
    private func back(_ cluster: Cluster, _ meter: Meter) throws(Trouble) -> Double {
        let from = monotonic()
        try cluster.live(within: 60)
        try meter.answers(after: monotonic() + 20_000_000, within: 30)
        return meter.longestGap(from: from, to: monotonic()).map { Double($0.ended - $0.began) / 1e6 } ?? 0
    }
}
