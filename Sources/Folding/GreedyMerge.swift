internal import Wire

/// From below: each item a group of its own; then, again and again, the cheapest of all mergers of two groups, or the cheapest
/// dissolution of one into unicast, until there are few enough groups and no node is in too many (Vigfusson et al., 2010).
///
/// A merger puts no node into more groups than before, so every step leads towards the limits. Each group remembers its
/// cheapest partner; only those whose partner has gone look through all again. Time: about the square of the items.
struct GreedyMerge {
    private struct Cluster {
        var members: UInt64
        var level: Level
        var load: Int
        /// Cost now; and if all of it went by unicast, nil: it must not.
        var cost: Int
        var unicast: Int?
        var partner = -1
        var added = Int.max
    }
    private var clusters: [Cluster]
    private var owner: [Int32]
    private var alive: [Int]
    private var groupsOfNode = [Int](repeating: 0, count: FoldLimits.nodes)
    private let maxGroups: Int
    private let groupsPerNode: Int

    /// A place for each item; nil where the limits leave none.
    static func places(_ items: [FoldItem], maxGroups: Int, groupsPerNode: Int) -> [Int32]? {
        var merge = GreedyMerge(items, maxGroups, groupsPerNode)
        return merge.run()
    }

    private init(_ items: [FoldItem], _ maxGroups: Int, _ groupsPerNode: Int) {
        self.maxGroups = maxGroups
        self.groupsPerNode = groupsPerNode
        clusters = items.map { item in
            Cluster(members: item.needs, level: item.level, load: item.load, cost: item.load * item.needs.nonzeroBitCount - item.wanted, unicast: item.unicast)
        }
        owner = items.indices.map { Int32($0) }
        alive = Array(items.indices)
        for item in items { count(item.needs, 1) }
        for cluster in alive { seekPartner(of: cluster) }
    }
    private mutating func count(_ members: UInt64, _ step: Int) {
        var left = members
        while left != 0 {
            groupsOfNode[left.trailingZeroBitCount] += step
            left &= left - 1
        }
    }

    private func added(_ a: Cluster, _ b: Cluster) -> Int {
        guard a.level == b.level else { return .max }
        let size = (a.members | b.members).nonzeroBitCount
        return a.load * (size - a.members.nonzeroBitCount) + b.load * (size - b.members.nonzeroBitCount)
    }
    private mutating func seekPartner(of cluster: Int) {
        var best = (partner: -1, added: Int.max)
        let own = clusters[cluster]
        for other in alive where other != cluster {
            let added = added(own, clusters[other])
            if added < best.added { best = (other, added) }
        }
        (clusters[cluster].partner, clusters[cluster].added) = best
    }

    private mutating func run() -> [Int32]? {
        while true {
            var overfull: UInt64 = 0
            for (node, count) in groupsOfNode.enumerated() where count > groupsPerNode { overfull |= 1 << UInt64(node) }
            if alive.count <= maxGroups, overfull == 0 { break }
            // With few enough groups left, only what relieves a node helps.
            guard step(relieving: alive.count > maxGroups ? nil : overfull) else { return nil }
        }
        var slot: [Int: Int32] = [:]
        for (index, cluster) in alive.enumerated() { slot[cluster] = Int32(index) }
        return owner.map { $0 < 0 ? Arrangement.unicast : slot[Int($0)] ?? Arrangement.unicast }
    }

    private mutating func step(relieving nodes: UInt64?) -> Bool {
        var best = (cluster: -1, partner: -1, added: Int.max)
        for cluster in alive {
            let own = clusters[cluster]
            if let nodes {
                guard own.members & nodes != 0 else { continue }
                for other in alive where other > cluster && own.members & clusters[other].members & nodes != 0 {
                    let added = added(own, clusters[other])
                    if added < best.added { best = (cluster, other, added) }
                }
            } else if own.added < best.added {
                best = (cluster, own.partner, own.added)
            }
            if let unicast = own.unicast, unicast - own.cost < best.added { best = (cluster, -1, unicast - own.cost) }
        }
        guard best.cluster >= 0, best.added < .max else { return false }
        if best.partner < 0 { dissolve(best.cluster) } else { join(best.cluster, best.partner, best.added) }
        return true
    }

    private mutating func dissolve(_ cluster: Int) {
        count(clusters[cluster].members, -1)
        for item in owner.indices where owner[item] == Int32(cluster) { owner[item] = -1 }
        alive.removeAll { $0 == cluster }
        for other in alive where clusters[other].partner == cluster { seekPartner(of: other) }
    }

    private mutating func join(_ a: Int, _ b: Int, _ added: Int) {
        let other = clusters[b]
        count(clusters[a].members & other.members, -1)
        clusters[a].members |= other.members
        clusters[a].load += other.load
        clusters[a].cost += other.cost + added
        if let mine = clusters[a].unicast, let more = other.unicast { clusters[a].unicast = mine + more } else { clusters[a].unicast = nil }
        for item in owner.indices where owner[item] == Int32(b) { owner[item] = Int32(a) }
        alive.removeAll { $0 == b }
        seekPartner(of: a)
        for cluster in alive where cluster != a {
            let partner = clusters[cluster].partner
            if partner == a || partner == b {
                seekPartner(of: cluster)
                continue
            }
            let added = self.added(clusters[cluster], clusters[a])
            if added < clusters[cluster].added { (clusters[cluster].partner, clusters[cluster].added) = (a, added) }
        }
    }
}
