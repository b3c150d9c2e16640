package import Wire

/// Why a topic is where it is: what its class costs there, and what the whole would cost with the class anywhere else.
///
/// Costs are thousandths of a byte a second, times the weights. The class: the topics of the same level and needs at the same place.
package struct Reason: Equatable, Sendable {
    package enum Barrier: Equatable, Sendable {
        /// Its level is above the highest that may go by unicast.
        case needsOrder
        /// A node would be in more groups than it may.
        case node(rank: Int)
        /// There are as many groups as there may be.
        case noGroupLeft
    }
    package enum Choice: Equatable, Sendable {
        case group(GroupID)
        case newGroup
        case unicast
    }
    /// Another place: by how much the cost of everything would rise (below 0: fall), or what stands against it.
    package struct Alternative: Equatable, Sendable {
        package let choice: Choice
        package let change: Int
        package let barrier: Barrier?
    }
    package let place: Place
    package let needs: RankSet
    package let level: Level
    package let classTopics: Int
    /// Unwanted bytes that the class brings to other members of its group; copies, where it goes by unicast.
    package let classCost: Int
    /// Members of its group that need none of it.
    package let strangers: RankSet
    /// All other places that its level admits, the best first.
    package let alternatives: [Alternative]
}

extension FoldPlan {
    /// Why `topic`, an index, is where it is. Time: linear in the topics.
    package func reason(of topic: Int) -> Reason {
        let (place, demand) = (places[topic], demands[topic])
        let same = demands.indices.filter { places[$0] == place && demands[$0].needs == demand.needs && demands[$0].level == demand.level }
        var own: FoldItem?
        var copies = 0
        for index in same where place != .nowhere {
            let load = demands[index].load(options) ?? 0
            let item = demands[index].item(load, options)
            if own == nil { own = item } else { own?.join(item) }
            copies += load * options.copyWeight * (demand.needs.count - 1)
        }
        var strangers = RankSet()
        var cost = 0
        if let own, case .group(let id) = place, let group = group(id) {
            strangers = group.members.subtracting(demand.needs)
            cost = own.load * strangers.count
        } else if place == .unicast {
            cost = copies
        }
        return Reason(
            place: place, needs: demand.needs, level: demand.level, classTopics: same.count, classCost: cost, strangers: strangers,
            alternatives: own.map { alternatives($0, place, copies) } ?? [])
    }

    private func alternatives(_ own: FoldItem, _ place: Place, _ copies: Int) -> [Reason.Alternative] {
        var leave = -copies
        var lost: UInt64 = 0
        var isAlone = false
        if case .group(let id) = place, let group = group(id) {
            let rest = members(of: id, without: own)
            isAlone = rest == 0
            lost = group.members.bits & ~rest
            let load = group.load * options.unwantedWeight
            leave = (load - own.load) * rest.nonzeroBitCount - load * group.members.count + own.wanted
        }
        var full: UInt64 = 0
        for (rank, count) in groupsOfNode.enumerated() where count >= options.groupsPerNode { full |= 1 << UInt64(rank) }
        full &= ~lost
        func barrier(_ gained: UInt64) -> Reason.Barrier? {
            gained & full == 0 ? nil : .node(rank: (gained & full).trailingZeroBitCount)
        }
        var found: [Reason.Alternative] = []
        for group in groups where group.level == own.level && place != .group(group.id) {
            let load = group.load * options.unwantedWeight
            let enter = (load + own.load) * (group.members.bits | own.needs).nonzeroBitCount - load * group.members.count - own.wanted
            found.append(.init(choice: .group(group.id), change: leave + enter, barrier: barrier(own.needs & ~group.members.bits)))
        }
        // Alone in a group, it has what a new one would be.
        if !isAlone {
            found.append(.init(
                choice: .newGroup, change: leave, barrier: groups.count >= options.maxGroups ? .noGroupLeft : barrier(own.needs)))
        }
        if place != .unicast {
            found.append(.init(choice: .unicast, change: leave + copies, barrier: own.unicast == nil ? .needsOrder : nil))
        }
        return found.enumerated().sorted { a, b in
            ((a.element.barrier == nil ? 0 : 1), a.element.change, a.offset) < ((b.element.barrier == nil ? 0 : 1), b.element.change, b.offset)
        }.map(\.element)
    }

    /// The members of a group if the class `own` were not in it.
    private func members(of id: GroupID, without own: FoldItem) -> UInt64 {
        var rest: UInt64 = 0
        for (topic, place) in zip(demands, places) where place == .group(id) && topic.needs.bits != own.needs { rest |= topic.needs.bits }
        return rest
    }
}
