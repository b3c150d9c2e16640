package import Wire

/// What a folding may use and what it is charged for.
package struct FoldOptions: Equatable, Sendable {
    /// Groups at most, 1 ... `FoldLimits.groups`.
    package var maxGroups: Int = Limits.groups
    /// Groups that one node may be a member of.
    package var groupsPerNode: Int = FoldLimits.groups
    /// What a byte costs at a node that did not need it. Whole, 0 ... `FoldLimits.weight`, as the next one.
    package var unwantedWeight = 1
    /// What a byte costs that unicast sends once more than a group would.
    package var copyWeight = 1
    /// Bytes that a record costs beside its contents: its header in a batch.
    package var recordBytes = RecordHeader.shortSize
    /// The highest level whose topics may go by unicast; nil: none. Order and durability are a group's, so by default only
    /// what has neither.
    package var unicast: Level? = .unordered
    /// A cheaper folding is taken in place of one that runs if it saves more than this, in percent; 0 ... 99.
    package var hysteresis = 10

    package init() {}

    /// The most that all topics' loads may be together.
    var mostLoad: Int { FoldLimits.cost / FoldLimits.nodes / max(unwantedWeight, copyWeight, 1) }
}

package enum FoldLimits {
    /// A group's number is 16 bits wide; the search's time grows with the square.
    package static let groups = 256
    package static let weight = 1000
    package static let recordBytes = 65_536
    /// Width of `RankSet`.
    package static let nodes = 64
    /// Costs stay below 2^61, so that sums and differences of two of them fit into 64 bits:
    /// load of all topics × nodes × the larger weight.
    package static let cost = 1 << 61
    /// Classes that the search looks at one by one; lighter ones are joined to the nearest of these before it, and looked at
    /// one by one after it. Greedy merging takes the square of it.
    package static let bundles = 384
    /// Rounds of moves over all classes; each lowers the cost, most foldings settle within ten.
    package static let rounds = 40
    /// Rounds of "merge two groups, split another", and how many pairs each tries.
    package static let regroupings = 32
    package static let pairs = 20
    /// Ways to split that are tried in earnest, of those that promise most.
    package static let splits = 4
    /// Classes among which all exchanges of two are tried: half the square of it.
    package static let exchanges = 48
}

/// Why there is no folding.
package enum FoldError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Levels do not share a group, and what has an order needs one.
    case tooFewGroups(max: Int, needed: Int)
    /// The same for one node.
    case tooFewGroupsAtNode(rank: Int, max: Int, needed: Int)
    /// Costs would not fit into 64 bits.
    case tooMuchLoad

    package var description: String {
        switch self {
        case .tooFewGroups(let max, let needed):
            "at most \(max) group\(max == 1 ? "" : "s"), but the topics are of \(needed) levels that need one each"
        case .tooFewGroupsAtNode(let rank, let max, let needed):
            "at most \(max) group\(max == 1 ? "" : "s") a node, but rank \(rank) needs topics of \(needed) levels that need one each"
        case .tooMuchLoad: "the topics' rates together are too large to be weighed"
        }
    }
}
