package import Wire

/// Where a topic's records go.
package enum Place: Hashable, Sendable {
    case group(GroupID)
    /// From the broker that got a record to each node that needs it, one by one.
    case unicast
    /// Nobody needs the topic.
    case nowhere
}

/// A group of a folding.
package struct FoldGroup: Equatable, Sendable {
    package let id: GroupID
    package let level: Level
    /// Every node that some topic of it needs.
    package internal(set) var members: RankSet
    package internal(set) var topics = 0
    /// What its topics bring, at each member.
    package internal(set) var bytes = Rate.zero
    package internal(set) var records = Rate.zero
    /// Thousandths of a byte a second, headers of records among them: what its topics bring, and what of it is needed, summed over the
    /// nodes that need it.
    package internal(set) var load = 0
    var needed = 0

    /// What arrives at members that did not need it, summed over them; headers of records are in it.
    package var unwanted: Rate { Rate(thousandths: load * members.count - needed) }
}

/// A folding: each topic's place, the groups with their members, and what it all costs. Equal input gives an equal plan on every
/// node, whatever order the topics' sets are met in.
///
/// Topics are known by their index in `demands`. Invariants (`checkInvariants`): groups in the order of their numbers, none without
/// topics; a topic's group has its level and all nodes that it needs; limits hold; the cost is that of its definition.
package struct FoldPlan: Equatable, Sendable {
    package let options: FoldOptions
    package internal(set) var demands: [TopicDemand]
    package internal(set) var places: [Place]
    package internal(set) var groups: [FoldGroup]
    package internal(set) var cost: FoldCost
    /// Different sets of needs, by level, when it was folded.
    package let classes: Int

    /// Folds `topics` from scratch. Groups are numbered from 0, the heaviest first.
    ///
    /// Time: for n topics of c classes into k groups about n + c × (`FoldLimits.bundles` + k × rounds); 100,000 topics of 16 nodes
    /// take well under two seconds.
    package init(_ topics: [TopicDemand], _ options: FoldOptions) throws(FoldError) {
        options.checkRanges()
        let classes = try FoldClasses(topics, options)
        let arrangement = try Folder(options: options).fold(classes.items)
        self.init(topics, options, classes, arrangement, ids: Self.byLoad(arrangement))
    }

    /// What `arrangement` says; `ids`: each slot's number. `countsAs`: classes, where those given are kept apart by hints.
    init(_ topics: [TopicDemand], _ options: FoldOptions, _ classes: FoldClasses, _ arrangement: Arrangement, ids: [GroupID?], countsAs count: Int? = nil) {
        let places = classes.ofTopic.map { index -> Place in
            guard index >= 0 else { return .nowhere }
            let slot = arrangement.place[Int(index)]
            return slot < 0 ? .unicast : ids[Int(slot)].map { .group($0) } ?? .nowhere
        }
        self.init(topics, options, places: places, classes: count ?? classes.items.count)
        precondition(cost.total == arrangement.cost)
    }

    /// The plan in which each topic is where `places` says.
    init(_ topics: [TopicDemand], _ options: FoldOptions, places: [Place], classes: Int) {
        precondition(topics.count == places.count)
        self.options = options
        self.classes = classes
        self.places = places
        demands = topics
        groups = Self.groups(topics, options, places)
        cost = FoldCost(topics, options, places, groups)
    }

    private static func groups(_ topics: [TopicDemand], _ options: FoldOptions, _ places: [Place]) -> [FoldGroup] {
        var index: [GroupID: Int] = [:]
        var groups: [FoldGroup] = []
        for (topic, place) in zip(topics, places) {
            guard case .group(let id) = place else { continue }
            let at = index[id] ?? groups.count
            if at == groups.count {
                index[id] = at
                groups.append(FoldGroup(id: id, level: topic.level, members: RankSet()))
            }
            groups[at].add(topic, options)
        }
        return groups.sorted { $0.id < $1.id }
    }

    private static func byLoad(_ arrangement: Arrangement) -> [GroupID?] {
        let order = arrangement.slots.indices.filter { !arrangement.slots[$0].isFree }.sorted {
            let (a, b) = (arrangement.slots[$0], arrangement.slots[$1])
            return a.load == b.load ? (a.level, a.members) < (b.level, b.members) : a.load > b.load
        }
        var ids = [GroupID?](repeating: nil, count: arrangement.slots.count)
        for (number, slot) in order.enumerated() { ids[slot] = GroupID(UInt16(number)) }
        return ids
    }

    package func group(_ id: GroupID) -> FoldGroup? { groups.first { $0.id == id } }

    /// Groups that each of the nodes that any topic needs is a member of, by rank.
    package var groupsOfNode: [Int] {
        let all = demands.reduce(RankSet()) { $0.union($1.needs) }
        return (0..<FoldLimits.nodes - all.bits.leadingZeroBitCount).map { rank in groups.count { $0.members.contains(rank) } }
    }

    package func checkInvariants() {
        precondition(zip(groups, groups.dropFirst()).allSatisfy { $0.id < $1.id } && groups.allSatisfy { $0.topics > 0 })
        precondition(groups.count <= options.maxGroups && groupsOfNode.allSatisfy { $0 <= options.groupsPerNode })
        for (topic, place) in zip(demands, places) {
            switch place {
            case .nowhere: precondition(topic.needs.isEmpty)
            case .unicast: precondition(!topic.needs.isEmpty && options.unicast.map { topic.level <= $0 } ?? false)
            case .group(let id):
                guard let group = group(id) else { preconditionFailure("a topic's group is one of the plan's") }
                precondition(group.level == topic.level && group.members.isSuperset(of: topic.needs) && !topic.needs.isEmpty)
            }
        }
        precondition(self == FoldPlan(demands, options, places: places, classes: classes))
    }
}

extension FoldGroup {
    mutating func add(_ topic: TopicDemand, _ options: FoldOptions) {
        members = members.union(topic.needs)
        topics += 1
        bytes = Rate(thousandths: bytes.thousandths + topic.bytes.thousandths)
        records = Rate(thousandths: records.thousandths + topic.records.thousandths)
        let own = topic.load(options) ?? 0
        load += own
        needed += own * topic.needs.count
    }
}

extension FoldOptions {
    func checkRanges() {
        precondition((1...FoldLimits.groups).contains(maxGroups) && groupsPerNode >= 1)
        precondition((0...FoldLimits.weight).contains(unwantedWeight) && (0...FoldLimits.weight).contains(copyWeight))
        precondition((0...FoldLimits.recordBytes).contains(recordBytes) && (0...99).contains(hysteresis))
    }
}
