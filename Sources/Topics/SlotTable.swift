/// Open addressing over things that stand elsewhere under an index: a slot holds index + 1, 0 is free.
///
/// Invariants: a power of two of slots, at most three quarters taken; from the slot of its hash to its own there is no free
/// one. What is taken out is followed by those behind it, so no tombstones gather.
struct SlotTable: Sendable {
    private var slots: [UInt32] = []
    private(set) var taken = 0
    private static let smallest = 16

    var footprint: Int { slots.capacity * MemoryLayout<UInt32>.size }

    /// The index of hash `hash` for which `isIt` holds, or nil.
    func find(_ hash: Int, _ isIt: (UInt32) -> Bool) -> UInt32? {
        guard !slots.isEmpty else { return nil }
        var at = hash & (slots.count - 1)
        while slots[at] != 0 {
            if isIt(slots[at] - 1) { return slots[at] - 1 }
            at = (at + 1) & (slots.count - 1)
        }
        return nil
    }

    /// Enters `index`, which is not there yet; `hashOf` tells the hash of every index entered.
    mutating func insert(_ index: UInt32, _ hashOf: (UInt32) -> Int) {
        if (taken + 1) * 4 > slots.count * 3 { grow(hashOf) }
        taken += 1
        place(index, hashOf(index))
    }

    /// Takes `index` out, which is there.
    mutating func remove(_ index: UInt32, _ hashOf: (UInt32) -> Int) {
        let mask = slots.count - 1
        var hole = hashOf(index) & mask
        while slots[hole] != index + 1 { hole = (hole + 1) & mask }
        var at = (hole + 1) & mask
        while slots[at] != 0 {
            let home = hashOf(slots[at] - 1) & mask
            // It may move up unless its own slot lies behind the hole.
            if (at - home) & mask >= (at - hole) & mask {
                slots[hole] = slots[at]
                hole = at
            }
            at = (at + 1) & mask
        }
        slots[hole] = 0
        taken -= 1
    }

    private mutating func place(_ index: UInt32, _ hash: Int) {
        var at = hash & (slots.count - 1)
        while slots[at] != 0 { at = (at + 1) & (slots.count - 1) }
        slots[at] = index + 1
    }

    private mutating func grow(_ hashOf: (UInt32) -> Int) {
        let old = slots
        slots = [UInt32](repeating: 0, count: max(Self.smallest, old.count * 2))
        for slot in old where slot != 0 { place(slot - 1, hashOf(slot - 1)) }
    }
}
