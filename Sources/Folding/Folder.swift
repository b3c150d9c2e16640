internal import Wire

/// The search as a whole: classes, light ones bundled, several starts, the best of them made better class by class.
///
///      topics ──▶ classes ──▶ bundles ──┬─ from below: greedy mergers ─┐
///                                       ├─ from above: one for all ────┼─▶ descend, regroup ──▶ cheapest ──▶ classes, descend
///                                       └─ from unicast ───────────────┘
///
/// From above begins with one group for all, and nothing but a lower cost is ever taken: no folding costs more than that.
struct Folder {
    let options: FoldOptions

    /// The cheapest arrangement found of `classes`, within the limits.
    func fold(_ classes: [FoldItem]) throws(FoldError) -> Arrangement {
        try check(classes)
        let (bundles, bundleOfClass) = Self.bundle(classes)
        var best: Arrangement?
        for start in starts(bundles) {
            var arrangement = start
            arrangement.descend()
            arrangement.regroup()
            if arrangement.cost < best?.cost ?? .max { best = arrangement }
        }
        guard let best else { throw .tooFewGroups(max: options.maxGroups, needed: options.maxGroups + 1) }
        var result = Arrangement(
            classes, place: bundleOfClass.map { best.place[Int($0)] }, slots: options.maxGroups, groupsPerNode: options.groupsPerNode)
        result.descend()
        result.checkInvariants()
        return result
    }

    /// Throws where no folding keeps the limits: levels that need a group of their own are more than there may be.
    private func check(_ classes: [FoldItem]) throws(FoldError) {
        var nodes = [UInt64](repeating: 0, count: Level.allCases.count)
        for item in classes where item.unicast == nil { nodes[Int(item.level.rawValue)] |= item.needs }
        let needed = nodes.count { $0 != 0 }
        guard needed <= options.maxGroups else { throw .tooFewGroups(max: options.maxGroups, needed: needed) }
        for rank in 0..<FoldLimits.nodes {
            let here = nodes.count { $0 >> UInt64(rank) & 1 == 1 }
            guard here <= options.groupsPerNode else { throw .tooFewGroupsAtNode(rank: rank, max: options.groupsPerNode, needed: here) }
        }
    }

    private func starts(_ items: [FoldItem]) -> [Arrangement] {
        var found = [fromAbove(items, alone: false)]
        if items.contains(where: { $0.unicast != nil }) { found.append(fromAbove(items, alone: true)) }
        if let places = GreedyMerge.places(items, maxGroups: options.maxGroups, groupsPerNode: options.groupsPerNode) {
            found.append(arrangement(items, places))
        }
        return found
    }
    private func arrangement(_ items: [FoldItem], _ places: [Int32]) -> Arrangement {
        Arrangement(items, place: places, slots: options.maxGroups, groupsPerNode: options.groupsPerNode)
    }

    /// One group for each level; a level that need not have one goes by unicast where that costs less or the limits say so, or
    /// in any case (`alone`).
    private func fromAbove(_ items: [FoldItem], alone: Bool) -> Arrangement {
        var result = arrangement(items, [Int32](repeating: Arrangement.unicast, count: items.count))
        let levels = Set(items.map(\.level)).sorted()
        // Those that must have a group come first.
        for must in alone ? [true] : [true, false] {
            for level in levels where items.contains(where: { $0.level == level && ($0.unicast == nil) == must }) {
                guard let slot = result.freeSlot else { continue }
                var trial = result
                for item in items.indices where items[item].level == level { trial.move(item, to: Int32(slot)) }
                if must || (trial.cost < result.cost && trial.overfull == 0) { result = trial }
            }
        }
        return result
    }

    /// The heaviest classes as they are; each lighter one joined to the nearest of them: the one with the least added cost.
    static func bundle(_ classes: [FoldItem]) -> (items: [FoldItem], ofClass: [Int32]) {
        guard classes.count > FoldLimits.bundles else { return (classes, classes.indices.map { Int32($0) }) }
        let order = classes.indices.sorted { classes[$0].load == classes[$1].load ? $0 < $1 : classes[$0].load > classes[$1].load }
        var items: [FoldItem] = []
        var ofClass = [Int32](repeating: 0, count: classes.count)
        for (rank, index) in order.enumerated() {
            let own = classes[index]
            var best = (bundle: -1, added: Int.max)
            if rank >= FoldLimits.bundles {
                let ownSize = own.needs.nonzeroBitCount
                for bundle in items.indices where items[bundle].level == own.level {
                    let size = (items[bundle].needs | own.needs).nonzeroBitCount
                    let added = items[bundle].load * (size - items[bundle].needs.nonzeroBitCount) + own.load * (size - ownSize)
                    if added < best.added { best = (bundle, added) }
                }
            }
            if best.bundle < 0 {
                best.bundle = items.count
                items.append(own)
            } else {
                items[best.bundle].join(own)
            }
            ofClass[index] = Int32(best.bundle)
        }
        return (items, ofClass)
    }
}
