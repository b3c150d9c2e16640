package import Wire

/// Topics of a made-up plant: rates after Zipf, interests by area. The same numbers always give the same topics.
///
/// The nodes are those of `areas` areas; an area's topics interest its nodes, each of them with 15 chances in 16, and once in 32 times
/// some other node too. A topic has the level of its kind. Topic k of n by rate has 1/k of the first one's records.
package struct SyntheticWorkload: Equatable, Sendable {
    package let topics: Int
    package let nodes: Int
    package let seed: UInt64
    package let names: [String]
    package let demands: [TopicDemand]

    /// Records a second of the first topic.
    package static let fastest = 10_000

    /// `nodes`: 1 ... 64; `areas`: by default half as many again, so that with as many groups as nodes not each area has one.
    /// `level` says a name's level; nil: not admitted, left out.
    package init(topics: Int, nodes: Int, areas count: Int? = nil, seed: UInt64, level: (String) -> Level?) {
        precondition(topics >= 0 && (1...FoldLimits.nodes).contains(nodes))
        self.topics = topics
        self.nodes = nodes
        self.seed = seed
        var numbers = Draw(seed: seed)
        let areas = (0..<(count ?? max(2, nodes * 3 / 2))).map { _ in Self.area(nodes, &numbers) }
        // Which topic is the k-th by rate: a shuffle, so that rate has nothing to do with area or name.
        var rank = Array(1...max(topics, 1))
        for index in stride(from: rank.count - 1, to: 0, by: -1) { rank.swapAt(index, numbers.below(index + 1)) }
        var names: [String] = []
        var demands: [TopicDemand] = []
        for topic in 0..<topics {
            let area = numbers.below(areas.count)
            let kind = numbers.below(8)
            let name = kind == 0 ? "metrics/area-\(area)/\(topic)" : kind == 1 ? "sensors/\(topic)/raw" : "sensors/area-\(area)/\(topic)"
            var interest = RankSet()
            for rank in 0..<nodes {
                let isMine = areas[area].contains(rank)
                if isMine ? numbers.below(16) != 0 : numbers.below(32 * nodes) == 0 { interest.insert(rank) }
            }
            if interest.isEmpty, let first = areas[area].first { interest.insert(first) }
            let records = Rate(thousandths: Self.fastest * 1000 / rank[topic])
            let size = 16 << numbers.below(5)
            guard let level = level(name) else { continue }
            names.append(name)
            demands.append(TopicDemand(bytes: Rate(thousandths: records.thousandths * size), records: records, interest: interest, level: level))
        }
        self.names = names
        self.demands = demands
    }

    /// Two nodes to a third of all.
    private static func area(_ nodes: Int, _ numbers: inout Draw) -> RankSet {
        var area = RankSet()
        let size = min(nodes, 2 + numbers.below(max(1, nodes / 3 - 1)))
        while area.count < size { area.insert(numbers.below(nodes)) }
        return area
    }

    /// Numbers from a seed and nothing else (SplitMix64; Steele, Lea and Flood, 2014).
    private struct Draw {
        private var state: UInt64
        init(seed: UInt64) { state = seed }
        mutating func below(_ limit: Int) -> Int {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return Int((z ^ (z >> 31)) % UInt64(limit))
        }
    }
}
