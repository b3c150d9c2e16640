import Folding
import Testing
import Wire

/// Numbers that a seed alone decides (SplitMix64), so that a failing run can be had again.
struct SeededNumbers {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func below(_ limit: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return Int((z ^ (z >> 31)) % UInt64(limit))
    }
    mutating func shuffle<T>(_ values: inout [T]) {
        for index in stride(from: values.count - 1, to: 0, by: -1) { values.swapAt(index, below(index + 1)) }
    }
}

/// A topic of `rate` bytes a second, without records to count, that the nodes of `needs` want.
func topic(_ rate: Int, _ needs: Int..., level: Level = .durable) -> TopicDemand {
    TopicDemand(bytes: Rate(perSecond: rate), records: .zero, interest: RankSet(needs), level: level)
}

/// A small folding to be made.
struct Instance: CustomStringConvertible {
    var topics: [TopicDemand]
    var options: FoldOptions
    var description: String {
        "max \(options.maxGroups) groups, \(options.groupsPerNode) a node, weights \(options.unwantedWeight)/\(options.copyWeight): "
            + topics.map { "\($0.bytes.thousandths / 1000)@\(String($0.needs.bits, radix: 2)) \($0.level.name)" }.joined(separator: ", ")
    }

    /// 3 to 7 topics of 4 to 7 nodes; rates from 1 to 1,000; most of one level, some of two; limits tight or loose.
    static func random(_ seed: UInt64) -> Instance {
        var numbers = SeededNumbers(seed: seed)
        let nodes = 4 + numbers.below(4)
        let mixes = numbers.below(4) == 0
        var options = FoldOptions()
        options.maxGroups = 1 + numbers.below(4)
        options.groupsPerNode = numbers.below(3) == 0 ? 2 : 16
        options.unwantedWeight = 1 + numbers.below(3)
        options.copyWeight = 1 + numbers.below(3)
        options.recordBytes = 0
        options.unicast = numbers.below(2) == 0 ? nil : .ordered
        let topics = (0..<3 + numbers.below(5)).map { _ in
            let rate = [1, 10, 100][numbers.below(3)] * (1 + numbers.below(10))
            var interest = RankSet()
            let density = 2 + numbers.below(3)
            for node in 0..<nodes where numbers.below(density) == 0 { interest.insert(node) }
            if interest.isEmpty { interest.insert(numbers.below(nodes)) }
            return TopicDemand(
                bytes: Rate(perSecond: rate), records: .zero, interest: interest, level: mixes && numbers.below(3) == 0 ? .durable : .ordered)
        }
        return Instance(topics: topics, options: options)
    }
}
