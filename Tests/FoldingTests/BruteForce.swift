import Folding
import Wire

/// The cheapest folding by trying every one: each topic in any of the groups so far, in a new one, or by unicast. Shares nothing
/// with the search: a cost is computed from the definition, topic by topic.
struct BruteForce {
    private let instance: Instance
    private var groups: [[Int]] = []
    private var alone: [Int] = []
    private(set) var best: Int?

    /// Nil: the limits leave no folding.
    static func optimum(_ instance: Instance) -> Int? {
        var search = BruteForce(instance)
        search.extend(0)
        return search.best
    }
    private init(_ instance: Instance) { self.instance = instance }

    private mutating func extend(_ next: Int) {
        guard next < instance.topics.count else {
            if let cost = Self.cost(of: groups, unicast: alone, instance), cost < best ?? .max { best = cost }
            return
        }
        for index in groups.indices where instance.topics[groups[index][0]].level == instance.topics[next].level {
            groups[index].append(next)
            extend(next + 1)
            groups[index].removeLast()
        }
        if groups.count < instance.options.maxGroups {
            groups.append([next])
            extend(next + 1)
            groups.removeLast()
        }
        alone.append(next)
        extend(next + 1)
        alone.removeLast()
    }

    /// Thousandths, weighted; nil: not allowed.
    static func cost(of groups: [[Int]], unicast: [Int], _ instance: Instance) -> Int? {
        let topics = instance.topics
        guard groups.count <= instance.options.maxGroups else { return nil }
        var cost = 0
        for index in unicast {
            guard let highest = instance.options.unicast, topics[index].level <= highest else { return nil }
            cost += topics[index].bytes.thousandths * (nodes(topics[index]).count - 1) * instance.options.copyWeight
        }
        let members = groups.map { Set($0.flatMap { nodes(topics[$0]) }) }
        for (group, members) in zip(groups, members) {
            for index in group {
                guard topics[index].level == topics[group[0]].level else { return nil }
                let strangers = members.subtracting(nodes(topics[index]))
                cost += topics[index].bytes.thousandths * strangers.count * instance.options.unwantedWeight
            }
        }
        for node in 0..<64 where members.count(where: { $0.contains(node) }) > instance.options.groupsPerNode { return nil }
        return cost
    }

    static func nodes(_ topic: TopicDemand) -> [Int] {
        (0..<64).filter { topic.interest.contains($0) || topic.replicas.contains($0) }
    }
}
