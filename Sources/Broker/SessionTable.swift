internal import Wire

/// A node's sessions by their numbers: a look at a small array of numbers finds one, and what is changed is changed where it lies. Thousands of
/// them are met for each entry that all of them want.
///
///      keys, places: open addressing, at most half full; a key is a number and 1, 0: free      items: in no order, with holes
struct SessionTable: Sendable {
    private var keys: [UInt64] = Array(repeating: 0, count: 16)
    private var places: [Int] = Array(repeating: 0, count: 16)
    private var items: [Session?] = []
    private var holes: [Int] = []

    var count: Int { items.count - holes.count }
    var values: some Sequence<Session> { items.lazy.compactMap { $0 } }

    subscript(id: SessionID) -> Session? {
        _read {
            if let slot = slot(of: id) { yield items[places[slot]] } else { yield nil }
        }
        _modify {
            if let slot = slot(of: id) {
                yield &items[places[slot]]
                if items[places[slot]] == nil { remove(slot) }
            } else {
                var fresh: Session?
                yield &fresh
                if let fresh { insert(fresh, id) }
            }
        }
    }

    private static func key(_ id: SessionID) -> UInt64 { UInt64(id.raw) + 1 }
    /// Where a key is looked for first (Knuth, The Art of Computer Programming 3, 6.4: multiplicative hashing).
    private func home(_ key: UInt64) -> Int { Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> 32) & (keys.count - 1) }
    private func slot(of id: SessionID) -> Int? {
        let key = Self.key(id)
        var at = home(key)
        while keys[at] != 0 {
            if keys[at] == key { return at }
            at = (at + 1) & (keys.count - 1)
        }
        return nil
    }

    private mutating func insert(_ session: Session, _ id: SessionID) {
        if 2 * (count + 1) > keys.count { grow() }
        let place = holes.popLast() ?? items.count
        if place == items.count { items.append(session) } else { items[place] = session }
        enter(Self.key(id), place)
    }
    private mutating func enter(_ key: UInt64, _ place: Int) {
        var at = home(key)
        while keys[at] != 0 { at = (at + 1) & (keys.count - 1) }
        (keys[at], places[at]) = (key, place)
    }
    private mutating func grow() {
        let known = zip(keys, places).filter { $0.0 != 0 }
        keys = Array(repeating: 0, count: 2 * keys.count)
        places = Array(repeating: 0, count: keys.count)
        for (key, place) in known { enter(key, place) }
    }
    /// What stands behind in the same run moves up where its home allows it (the same, algorithm R).
    private mutating func remove(_ slot: Int) {
        holes.append(places[slot])
        let mask = keys.count - 1
        var (gap, at) = (slot, (slot + 1) & mask)
        while keys[at] != 0 {
            if (at - home(keys[at])) & mask >= (at - gap) & mask {
                (keys[gap], places[gap]) = (keys[at], places[at])
                gap = at
            }
            at = (at + 1) & mask
        }
        keys[gap] = 0
    }
}
