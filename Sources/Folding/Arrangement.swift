internal import Wire

/// Where each item is, and what that costs.
///
///      item   0  1  2  3  4        slot        0          1
///      slot   0  0  1 -1  1        members     1 2 5      3 4 5       union of its items' needs
///                      |           load        L(0)+L(1)  L(2)+L(4)
///                      unicast     once        1 2        3           members that only one item needs
///
/// Cost: Σ slots load × |members|, less Σ grouped items wanted, plus Σ other items unicast. Slots are as many as there may be
/// groups; one without items is free.
///
/// A value: the search copies it, tries, and keeps the cheaper one.
struct Arrangement {
    /// A group in the making.
    struct Slot {
        var level = Level.unordered
        var members: UInt64 = 0
        var once: UInt64 = 0
        var load = 0
        var items = 0
        var isFree: Bool { items == 0 }
        var size: Int { members.nonzeroBitCount }
    }
    static let unicast: Int32 = -1

    let items: [FoldItem]
    let groupsPerNode: Int
    private(set) var place: [Int32]
    private(set) var slots: [Slot]
    /// Items of a slot that need a node: `slot * 64 + node`.
    private var needing: [Int32]
    /// Groups that each node is a member of.
    private(set) var groupsOfNode = [Int](repeating: 0, count: FoldLimits.nodes)
    private(set) var cost = 0
    private(set) var used = 0

    /// `place`: a slot of the item's level or `unicast` for each item.
    init(_ items: [FoldItem], place: [Int32], slots count: Int, groupsPerNode: Int) {
        self.items = items
        self.groupsPerNode = groupsPerNode
        self.place = [Int32](repeating: Self.unicast, count: items.count)
        slots = [Slot](repeating: Slot(), count: count)
        needing = [Int32](repeating: 0, count: count * FoldLimits.nodes)
        for (item, slot) in place.enumerated() {
            self.place[item] = slot
            if slot == Self.unicast { cost += items[item].unicast ?? 0 } else { enter(item, Int(slot)) }
        }
    }

    /// Nodes that are in more groups than they may be.
    var overfull: UInt64 { nodes { $0 > groupsPerNode } }
    /// Nodes that may not be in one more.
    var full: UInt64 { nodes { $0 >= groupsPerNode } }
    private func nodes(where test: (Int) -> Bool) -> UInt64 {
        var bits: UInt64 = 0
        for node in groupsOfNode.indices where test(groupsOfNode[node]) { bits |= 1 << UInt64(node) }
        return bits
    }

    /// The first slot without items.
    var freeSlot: Int? { used < slots.count ? slots.firstIndex { $0.isFree } : nil }

    /// What the cost changes by when `item` leaves where it is, and the nodes that its group is rid of with it.
    func leaving(_ item: Int) -> (change: Int, lost: UInt64) {
        let it = items[item]
        guard place[item] >= 0 else { return (-(it.unicast ?? 0), 0) }
        let slot = slots[Int(place[item])]
        let lost = it.needs & slot.once
        let change = (slot.load - it.load) * (slot.members & ~lost).nonzeroBitCount - slot.load * slot.size + it.wanted
        return (change, lost)
    }
    /// What it changes by when `item` comes to `slot`, of its level or free.
    func entering(_ item: Int, _ slot: Int) -> Int {
        let it = items[item]
        let s = slots[slot]
        return (s.load + it.load) * (s.members | it.needs).nonzeroBitCount - s.load * s.size - it.wanted
    }
    /// Nodes that would be members of one group more if `item` came to `slot`.
    func gained(_ item: Int, _ slot: Int) -> UInt64 { items[item].needs & ~slots[slot].members }

    /// Moves an item to a slot of its level, a free one or `unicast`, whatever the nodes' limits say.
    mutating func move(_ item: Int, to target: Int32) {
        guard place[item] != target else { return }
        leave(item)
        place[item] = target
        if target == Self.unicast { cost += items[item].unicast ?? 0 } else { enter(item, Int(target)) }
    }
    /// Moves all that is in `from` to `to`.
    mutating func merge(_ from: Int, into to: Int32) {
        for item in items.indices where place[item] == Int32(from) { move(item, to: to) }
    }

    private mutating func leave(_ item: Int) {
        let it = items[item]
        guard place[item] >= 0 else {
            cost -= it.unicast ?? 0
            return
        }
        let slot = Int(place[item])
        cost -= slots[slot].load * slots[slot].size - it.wanted
        forEachNode(it.needs) { node in
            let count = needing[slot * FoldLimits.nodes + node] - 1
            needing[slot * FoldLimits.nodes + node] = count
            let bit: UInt64 = 1 << UInt64(node)
            if count == 1 { slots[slot].once |= bit }
            if count == 0 {
                slots[slot].once &= ~bit
                slots[slot].members &= ~bit
                groupsOfNode[node] -= 1
            }
        }
        slots[slot].load -= it.load
        slots[slot].items -= 1
        if slots[slot].isFree { used -= 1 }
        cost += slots[slot].load * slots[slot].size
    }

    private mutating func enter(_ item: Int, _ slot: Int) {
        let it = items[item]
        if slots[slot].isFree {
            slots[slot].level = it.level
            used += 1
        }
        precondition(slots[slot].level == it.level, "a group is of one level")
        cost -= slots[slot].load * slots[slot].size
        forEachNode(it.needs) { node in
            let count = needing[slot * FoldLimits.nodes + node] + 1
            needing[slot * FoldLimits.nodes + node] = count
            let bit: UInt64 = 1 << UInt64(node)
            if count == 1 {
                slots[slot].once |= bit
                slots[slot].members |= bit
                groupsOfNode[node] += 1
            } else if count == 2 {
                slots[slot].once &= ~bit
            }
        }
        slots[slot].load += it.load
        slots[slot].items += 1
        cost += slots[slot].load * slots[slot].size - it.wanted
    }

    /// Every sum anew, and the limits; after each search.
    func checkInvariants() {
        precondition(overfull == 0, "no node is in more groups than it may be")
        precondition(items.indices.allSatisfy { place[$0] != Self.unicast || items[$0].unicast != nil }, "what must have a group has one")
        let again = Arrangement(items, place: place, slots: slots.count, groupsPerNode: groupsPerNode)
        precondition(again.cost == cost && again.used == used && again.groupsOfNode == groupsOfNode && again.needing == needing)
        for (mine, other) in zip(slots, again.slots) where !mine.isFree {
            precondition(mine.members == other.members && mine.once == other.once && mine.load == other.load && mine.level == other.level)
        }
        precondition(cost >= 0)
    }
}

/// Calls `body` with each member of a set, lowest first.
func forEachNode(_ bits: UInt64, _ body: (Int) -> Void) {
    var left = bits
    while left != 0 {
        body(left.trailingZeroBitCount)
        left &= left - 1
    }
}
