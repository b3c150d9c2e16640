internal import Wire

/// Moves that each lower the cost, until none is left or the rounds are used up. The limits of nodes hold from move to move.
extension Arrangement {
    /// Single moves and evictions in turn; with few items exchanges too.
    mutating func descend(rounds: Int = FoldLimits.rounds) {
        for _ in 0..<rounds {
            let before = cost
            moveEach()
            evictNodes()
            if cost == before, items.count <= FoldLimits.exchanges { exchange() }
            if cost == before { return }
        }
    }

    /// One look at each item: to where it costs least.
    private mutating func moveEach() {
        var full = self.full
        for item in items.indices {
            let (change, lost) = leaving(item)
            guard let (target, more) = cheapest(item, barred: full & ~lost), change + more < 0 else { continue }
            move(item, to: target)
            full = self.full
        }
    }

    /// Where `item` costs least, its own place left out, and what it costs there; nil: nowhere else. `barred`: nodes that
    /// may not become members of one more group. Equal ones: unicast, then the lowest slot.
    private func cheapest(_ item: Int, barred: UInt64) -> (target: Int32, change: Int)? {
        let it = items[item]
        var best: (target: Int32, change: Int)?
        if place[item] != Self.unicast, let unicast = it.unicast { best = (Self.unicast, unicast) }
        var hasSeenFree = false
        for slot in slots.indices where Int32(slot) != place[item] {
            if slots[slot].isFree {
                // One free slot is as good as the other.
                if hasSeenFree { continue }
                hasSeenFree = true
            } else if slots[slot].level != it.level {
                continue
            }
            let change = entering(item, slot)
            if change < best?.change ?? .max, gained(item, slot) & barred == 0 { best = (Int32(slot), change) }
        }
        return best
    }

    // MARK: Evictions

    /// Takes a node out of a group where it pays to send the items that need it elsewhere: to groups that have all of their
    /// nodes already, or by unicast. No single move finds this while several items need the node.
    private mutating func evictNodes() {
        for slot in slots.indices where !slots[slot].isFree {
            while evictOne(from: slot) {}
        }
    }

    private mutating func evictOne(from slot: Int) -> Bool {
        let state = slots[slot]
        let own = items.indices.filter { place[$0] == Int32(slot) }
        let elsewhere = own.map { holder(of: $0, but: slot) }
        var best = (change: 0, node: -1)
        forEachNode(state.members) { node in
            let bit: UInt64 = 1 << UInt64(node)
            var left: UInt64 = 0
            var load = state.load
            var change = -state.load * state.size
            for (index, item) in own.enumerated() {
                guard items[item].needs & bit != 0 else {
                    left |= items[item].needs
                    continue
                }
                guard let (_, there) = elsewhere[index] else { return }
                load -= items[item].load
                change += there + items[item].wanted
            }
            change += load * left.nonzeroBitCount
            if change < best.change { best = (change, node) }
        }
        guard best.node >= 0 else { return false }
        let bit: UInt64 = 1 << UInt64(best.node)
        for (index, item) in own.enumerated() where items[item].needs & bit != 0 {
            if let (target, _) = elsewhere[index] { move(item, to: target) }
        }
        return true
    }

    /// The cheapest place for `item` that grows no group, `slot` left out.
    private func holder(of item: Int, but slot: Int) -> (target: Int32, cost: Int)? {
        let it = items[item]
        var best: (target: Int32, cost: Int)? = it.unicast.map { (Self.unicast, $0) }
        for other in slots.indices where other != slot && slots[other].level == it.level && it.needs & ~slots[other].members == 0 {
            let cost = it.load * slots[other].size - it.wanted
            if cost < best?.cost ?? .max { best = (Int32(other), cost) }
        }
        return best
    }

    // MARK: Exchanges

    /// Lets two items change places: where limits of nodes allow neither to move first.
    private mutating func exchange() {
        for a in items.indices {
            for b in (a + 1)..<max(items.count, a + 1) where place[a] != place[b] && items[a].level == items[b].level {
                let (before, from, to) = (cost, place[a], place[b])
                if from == Self.unicast && items[b].unicast == nil || to == Self.unicast && items[a].unicast == nil { continue }
                move(a, to: to)
                move(b, to: from)
                if cost < before, overfull == 0 { continue }
                move(b, to: to)
                move(a, to: from)
            }
        }
    }
}
