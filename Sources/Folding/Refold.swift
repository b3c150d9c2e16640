internal import Wire

/// A new look at a folding that runs.
package struct Refolding: Equatable, Sendable {
    package enum Choice: Equatable, Sendable {
        /// Every topic stays; new ones have been placed.
        case kept
        /// Moves of single classes, from the folding that runs.
        case adjusted
        /// A folding made from scratch.
        case folded
    }
    package let plan: FoldPlan
    package let choice: Choice
    /// Topics that were somewhere and are now elsewhere.
    package let moved: Int
    /// Costs of leaving all as it is (nil: the limits do not admit it any more), and of the cheapest folding found.
    package let kept: Int?
    package let cheapest: Int
}

extension FoldPlan {
    /// The folding for `topics`, the present rates and needs: this plan's topics at their indexes, new ones behind them.
    ///
    /// Of "leave everything", "move some classes" and "fold again" the first is taken that the cheapest one would not undercut by
    /// more than `hysteresis` percent: a move costs a fence in two logs, and rates waver. Groups keep their numbers: each new
    /// group gets that of the old one with which it shares most topics; one that shares none, a number that no old group has.
    package func refold(_ topics: [TopicDemand], options fresh: FoldOptions? = nil) throws(FoldError) -> Refolding {
        precondition(topics.count >= demands.count, "a topic keeps its index")
        let options = fresh ?? self.options
        options.checkRanges()
        let classes = try FoldClasses(topics, options)
        let scratch = try Folder(options: options).fold(classes.items)
        var found: [(plan: FoldPlan, choice: Refolding.Choice)] = []
        if let carried = carried(topics, options, classes.items.count) {
            found.append((carried, .kept))
            found.append((try adjusted(carried, topics, options), .adjusted))
        }
        let kept = found.first?.plan.cost.total
        found.append((FoldPlan(topics, options, classes, scratch, ids: ids(for: classes, scratch)), .folded))
        let cheapest = found.map(\.plan.cost.total).min() ?? 0
        // The cheapest is one of them: there is always a first.
        for (plan, choice) in found where Self.isWithin(plan.cost.total, cheapest, percent: options.hysteresis) {
            return Refolding(plan: plan, choice: choice, moved: moved(to: plan), kept: kept, cheapest: cheapest)
        }
        preconditionFailure("the cheapest folding is within any share of itself")
    }

    /// Whether `cheapest` saves at most `percent` of `cost`.
    private static func isWithin(_ cost: Int, _ cheapest: Int, percent: Int) -> Bool {
        Int128(cost) * Int128(100 - percent) <= Int128(cheapest) * 100
    }

    private func moved(to plan: FoldPlan) -> Int {
        places.indices.count { places[$0] != .nowhere && plan.places[$0] != .nowhere && places[$0] != plan.places[$0] }
    }

    /// Each topic where it is, as far as its level still admits that; others placed like new ones. Nil: against the limits.
    private func carried(_ topics: [TopicDemand], _ options: FoldOptions, _ classes: Int) -> FoldPlan? {
        var places = topics.map { _ in Place.nowhere }
        var homeless: [Int] = []
        for (index, topic) in topics.enumerated() where !topic.needs.isEmpty {
            let old = index < self.places.count ? self.places[index] : .nowhere
            switch old {
            case .group(let id) where group(id)?.level == topic.level: places[index] = old
            case .unicast where options.unicast.map({ topic.level <= $0 }) ?? false: places[index] = old
            default: homeless.append(index)
            }
        }
        var known = topics
        for index in homeless { known[index].interest = RankSet(); known[index].replicas = RankSet() }
        var plan = FoldPlan(known, options, places: places, classes: classes)
        do throws(FoldError) {
            for index in homeless { places[index] = try plan.place(topics[index]) }
        } catch { return nil }
        plan = FoldPlan(topics, options, places: places, classes: classes)
        let isAllowed = plan.groups.count <= options.maxGroups && plan.groupsOfNode.allSatisfy { $0 <= options.groupsPerNode }
        return isAllowed ? plan : nil
    }

    /// `carried`, after moves that each lower the cost. Topics of one class that are at different places move apart.
    private func adjusted(_ carried: FoldPlan, _ topics: [TopicDemand], _ options: FoldOptions) throws(FoldError) -> FoldPlan {
        var slotOf: [GroupID: Int32] = [:]
        for (slot, group) in carried.groups.enumerated() { slotOf[group.id] = Int32(slot) }
        let slots = carried.places.map { place -> Int32 in
            if case .group(let id) = place { slotOf[id] ?? Arrangement.unicast } else { Arrangement.unicast }
        }
        let classes = try FoldClasses(topics, hints: slots, options)
        var start = [Int32](repeating: Arrangement.unicast, count: classes.items.count)
        for (topic, index) in classes.ofTopic.enumerated() where index >= 0 { start[Int(index)] = slots[topic] }
        var arrangement = Arrangement(classes.items, place: start, slots: options.maxGroups, groupsPerNode: options.groupsPerNode)
        arrangement.descend()
        return FoldPlan(topics, options, classes, arrangement, ids: ids(for: classes, arrangement), countsAs: carried.classes)
    }

    /// A number for each slot in use: greatest overlap first; equal ones: the lower old number, then the lower slot.
    private func ids(for classes: FoldClasses, _ arrangement: Arrangement) -> [GroupID?] {
        var overlap: [[GroupID: Int]] = arrangement.slots.map { _ in [:] }
        for (topic, place) in places.enumerated() where classes.ofTopic[topic] >= 0 {
            let slot = arrangement.place[Int(classes.ofTopic[topic])]
            guard slot >= 0, case .group(let id) = place, group(id)?.level == arrangement.slots[Int(slot)].level else { continue }
            overlap[Int(slot)][id, default: 0] += 1
        }
        let pairs = overlap.enumerated().flatMap { slot, shared in shared.map { (slot: slot, id: $0.key, topics: $0.value) } }
            .sorted { ($1.topics, $0.id, $0.slot) < ($0.topics, $1.id, $1.slot) }
        var ids = [GroupID?](repeating: nil, count: arrangement.slots.count)
        var taken: Set<GroupID> = []
        for pair in pairs where ids[pair.slot] == nil && taken.insert(pair.id).inserted { ids[pair.slot] = pair.id }
        let nameless = ids.indices.filter { ids[$0] == nil && !arrangement.slots[$0].isFree }
        for (slot, id) in zip(nameless, Self.unused(groups.map(\.id), nameless.count)) { ids[slot] = id }
        return ids
    }
}
