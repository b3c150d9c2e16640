internal import Wire

extension FoldPlan {
    /// Takes in a new topic where it adds least, without a look at the others: as a rule the smallest group that has all of
    /// its nodes. A group may grow by it; where there are fewer groups than there may be, it may get its own. Its index is the next one.
    ///
    /// Equal ones: unicast, then the lowest number. Time: linear in the groups. Throws, and changes nothing, where limits
    /// leave no place.
    package mutating func place(_ topic: TopicDemand) throws(FoldError) -> Place {
        let choice = try choose(topic)
        demands.append(topic)
        places.append(choice)
        if case .group(let id) = choice {
            let at = groups.firstIndex { $0.id >= id } ?? groups.count
            if at == groups.count || groups[at].id != id {
                groups.insert(FoldGroup(id: id, level: topic.level, members: RankSet()), at: at)
            }
            groups[at].add(topic, options)
        }
        if choice != .nowhere {
            let unwanted = Rate(thousandths: groups.reduce(0) { $0 + $1.unwanted.thousandths })
            cost.add(topic, choice, unwanted: unwanted, options)
        }
        return choice
    }

    private func choose(_ topic: TopicDemand) throws(FoldError) -> Place {
        guard !topic.needs.isEmpty else { return .nowhere }
        guard let load = topic.load(options), load <= options.mostLoad - cost.load else { throw .tooMuchLoad }
        let item = topic.item(load, options)
        var full: UInt64 = 0
        for (rank, count) in groupsOfNode.enumerated() where count >= options.groupsPerNode { full |= 1 << UInt64(rank) }
        var best: (place: Place, added: Int)? = item.unicast.map { (.unicast, $0) }
        for group in groups where group.level == topic.level && item.needs & ~group.members.bits & full == 0 {
            let before = group.load * options.unwantedWeight
            let size = (group.members.bits | item.needs).nonzeroBitCount
            let added = (before + item.load) * size - before * group.members.count - item.wanted
            if added < best?.added ?? .max { best = (.group(group.id), added) }
        }
        if best?.added ?? 1 > 0, groups.count < options.maxGroups, item.needs & full == 0 {
            return .group(Self.unused(groups.map(\.id), 1)[0])
        }
        guard let best else { throw noPlace(for: topic, full) }
        return best.place
    }

    private func noPlace(for topic: TopicDemand, _ full: UInt64) -> FoldError {
        guard groups.count < options.maxGroups else { return .tooFewGroups(max: options.maxGroups, needed: groups.count + 1) }
        let rank = (topic.needs.bits & full).trailingZeroBitCount
        return .tooFewGroupsAtNode(rank: rank, max: options.groupsPerNode, needed: options.groupsPerNode + 1)
    }

    /// The `count` lowest numbers that are not among `taken`.
    static func unused(_ taken: [GroupID], _ count: Int) -> [GroupID] {
        let taken = Set(taken)
        return (0...UInt16.max).lazy.map { GroupID($0) }.filter { !taken.contains($0) }.prefix(count).map { $0 }
    }
}
