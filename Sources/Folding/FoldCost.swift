internal import Wire

/// What a folding costs, in its parts. Headers of records count as bytes.
package struct FoldCost: Equatable, Sendable {
    /// Bytes that arrive at nodes that did not need them, all groups together.
    package private(set) var unwanted = Rate.zero
    /// Bytes that unicast sends beyond the one copy that a group would be sent.
    package private(set) var copies = Rate.zero
    /// Bytes that arrive where they are needed, however they get there.
    package private(set) var wanted = Rate.zero
    /// Both, times their weights: what folding keeps low.
    package private(set) var total = 0
    /// Load of all topics that have a place: what is checked against the limit of sums.
    private(set) var load = 0

    init() {}

    init(_ topics: [TopicDemand], _ options: FoldOptions, _ places: [Place], _ groups: [FoldGroup]) {
        for (topic, place) in zip(topics, places) where place != .nowhere { add(topic, place, options) }
        unwanted = Rate(thousandths: groups.reduce(0) { $0 + $1.unwanted.thousandths })
        weigh(options)
    }

    /// One topic more at `place`; what it changes at its group is said by `unwanted`, the new sum.
    mutating func add(_ topic: TopicDemand, _ place: Place, unwanted sum: Rate, _ options: FoldOptions) {
        add(topic, place, options)
        unwanted = sum
        weigh(options)
    }

    private mutating func add(_ topic: TopicDemand, _ place: Place, _ options: FoldOptions) {
        let own = topic.load(options) ?? 0
        let needed = own * topic.needs.count
        load += own
        wanted = Rate(thousandths: wanted.thousandths + needed)
        if place == .unicast { copies = Rate(thousandths: copies.thousandths + needed - own) }
    }
    private mutating func weigh(_ options: FoldOptions) {
        total = unwanted.thousandths * options.unwantedWeight + copies.thousandths * options.copyWeight
    }
}

/// What other foldings of the same topics would cost, for comparison; limits are not looked at.
package struct FoldBaselines: Equatable, Sendable {
    /// One group for each level, with every node that needs a topic of it: `groups` of them.
    package private(set) var oneForAll: FoldCost
    package private(set) var levels: Int
    /// A group for each topic: nothing is unwanted, nothing sent twice; but a log, a ring and a sync for each topic.
    package private(set) var onePerTopic: FoldCost
    /// Every topic by unicast, those too that have an order and so cannot.
    package private(set) var allUnicast: FoldCost
    /// The most groups that a node is in with a group for each topic.
    package private(set) var mostGroupsPerTopic: Int
    /// The same with one group for each level.
    package private(set) var mostGroupsForAll: Int

    package init(_ topics: [TopicDemand], _ options: FoldOptions) {
        func places(_ place: (Int, TopicDemand) -> Place) -> [Place] {
            topics.enumerated().map { $1.needs.isEmpty ? .nowhere : place($0, $1) }
        }
        let one = FoldPlan(topics, options, places: places { .group(GroupID($1.level)) }, classes: 0)
        oneForAll = one.cost
        levels = one.groups.count
        mostGroupsForAll = one.groupsOfNode.max() ?? 0
        allUnicast = FoldPlan(topics, options, places: places { _, _ in .unicast }, classes: 0).cost
        onePerTopic = allUnicast.withoutCopies
        var counts = [Int](repeating: 0, count: FoldLimits.nodes)
        for topic in topics { forEachNode(topic.needs.bits) { counts[$0] += 1 } }
        mostGroupsPerTopic = counts.max() ?? 0
    }
}

extension FoldCost {
    /// As if each topic had a group with just its needs.
    var withoutCopies: FoldCost {
        var cost = FoldCost()
        cost.wanted = wanted
        return cost
    }
}
