internal import Wire

/// Larger steps, each followed by a descent: split a group; merge two (or send one by unicast) and split another.
extension Arrangement {
    /// From above: splits while that saves anything and groups are left.
    mutating func splitWhileItPays() {
        while let better = bestSplit() { self = better }
    }

    /// Until nothing is gained or the rounds are used up.
    mutating func regroup() {
        for _ in 0..<FoldLimits.regroupings {
            splitWhileItPays()
            guard let better = bestExchangeOfGroups() else { return }
            self = better
        }
    }

    // MARK: Merge and split

    /// The first of the cheapest mergers that, with the split and the moves that it makes room for, lowers the cost.
    private func bestExchangeOfGroups() -> Arrangement? {
        for (from, to) in mergers() {
            var trial = self
            trial.merge(from, into: to)
            trial.descend(rounds: 2)
            trial.splitWhileItPays()
            guard trial.cost < cost + cost / 64 else { continue }
            trial.descend()
            if trial.cost < cost, trial.overfull == 0 { return trial }
        }
        return nil
    }

    /// Pairs of groups, and groups to send by unicast, the least added cost first.
    private func mergers() -> [(from: Int, to: Int32)] {
        var found: [(added: Int, from: Int, to: Int32)] = []
        var unicasts = [Int?](repeating: 0, count: slots.count)
        var wanted = [Int](repeating: 0, count: slots.count)
        for (item, slot) in place.enumerated() where slot >= 0 {
            wanted[Int(slot)] += items[item].wanted
            if let sum = unicasts[Int(slot)], let more = items[item].unicast { unicasts[Int(slot)] = sum + more } else { unicasts[Int(slot)] = nil }
        }
        for a in slots.indices where !slots[a].isFree {
            if let unicast = unicasts[a] { found.append((unicast + wanted[a] - slots[a].load * slots[a].size, a, Self.unicast)) }
            for b in slots.indices where b > a && !slots[b].isFree && slots[b].level == slots[a].level {
                found.append((added(slots[a], slots[b]), b, Int32(a)))
            }
        }
        found.sort { a, b in
            if a.added != b.added { return a.added < b.added }
            return a.from == b.from ? a.to < b.to : a.from < b.from
        }
        return found.prefix(FoldLimits.pairs).map { ($0.from, $0.to) }
    }
    private func added(_ a: Slot, _ b: Slot) -> Int {
        let size = (a.members | b.members).nonzeroBitCount
        return a.load * (size - a.size) + b.load * (size - b.size)
    }

    // MARK: Split

    /// A group with a free slot's place: members that it may have, and what moving all items to it saves for which it is better.
    private struct Candidate {
        struct Shape: Hashable {
            var members: UInt64
            var level: Level
        }
        var shape: Shape
        var saving = 0
        var members: UInt64 { shape.members }
        var level: Level { shape.level }
    }

    /// The cheapest arrangement with one group more, descended; nil: none is cheaper.
    private func bestSplit() -> Arrangement? {
        guard let slot = freeSlot else { return nil }
        var best: Arrangement?
        for candidate in candidates().prefix(FoldLimits.splits) {
            var trial = self
            for item in items.indices where items[item].level == candidate.level && items[item].needs & ~candidate.members == 0 {
                if costNow(item) > items[item].load * candidate.members.nonzeroBitCount - items[item].wanted { trial.move(item, to: Int32(slot)) }
            }
            guard trial.overfull == 0 else { continue }
            trial.descend(rounds: 2)
            if trial.cost < best?.cost ?? cost { best = trial }
        }
        return best
    }

    private func costNow(_ item: Int) -> Int {
        let it = items[item]
        return place[item] < 0 ? it.unicast ?? 0 : it.load * slots[Int(place[item])].size - it.wanted
    }

    /// Sets that a new group might have, those that save most first: each group without one of its nodes; the needs of the
    /// items that cost most; unions of two of these.
    private func candidates() -> [Candidate] {
        var found: [Candidate] = []
        var seen: Set<Candidate.Shape> = []
        func add(_ members: UInt64, _ level: Level) {
            let shape = Candidate.Shape(members: members, level: level)
            if members != 0, seen.insert(shape).inserted { found.append(Candidate(shape: shape)) }
        }
        for slot in slots.indices where !slots[slot].isFree {
            var without = [UInt64](repeating: 0, count: FoldLimits.nodes)
            for item in items.indices where place[item] == Int32(slot) {
                forEachNode(slots[slot].members & ~items[item].needs) { without[$0] |= items[item].needs }
            }
            forEachNode(slots[slot].members) { add(without[$0], slots[slot].level) }
        }
        let costs = items.indices.map { costNow($0) }
        let costly = items.indices.filter { costs[$0] > 0 }.sorted { costs[$0] == costs[$1] ? $0 < $1 : costs[$0] > costs[$1] }.prefix(24)
        for (index, a) in costly.enumerated() {
            add(items[a].needs, items[a].level)
            for b in costly[..<min(index, 8)] where items[b].level == items[a].level { add(items[a].needs | items[b].needs, items[a].level) }
        }
        for item in items.indices {
            let it = items[item]
            let now = costs[item]
            guard now > 0 else { continue }
            for index in found.indices where found[index].level == it.level && it.needs & ~found[index].members == 0 {
                found[index].saving += max(0, now - (it.load * found[index].members.nonzeroBitCount - it.wanted))
            }
        }
        return found.filter { $0.saving > 0 }.sorted { a, b in
            if a.saving != b.saving { return a.saving > b.saving }
            return a.members == b.members ? a.level < b.level : a.members < b.members
        }
    }
}
