internal import Wire

/// A node's sessions by their numbers: a look at a small array of numbers finds one, and what is changed is changed where it lies. Thousands of
/// them are met for each entry that all of them want.
///
///      keys, places: open addressing, at most half full; a key is a number and 1, 0: free      items: in no order, with holes; the first is one
struct SessionTable: Sendable {
    private var keys: [UInt64] = Array(repeating: 0, count: 16)
    private var places: [Int] = Array(repeating: 0, count: 16)
    private var items: [Session?] = [nil]
    private var holes: [Int] = []

    var count: Int { items.count - holes.count - 1 }
    var values: some Sequence<Session> { items.lazy.compactMap { $0 } }

    /// A session that is there may be changed, nothing else: `insert` and `remove` do that.
    ///
    /// Addresses and no coroutines: one that may yield so large a value has a frame that is allocated, and copies what it yields. Each is used within
    /// one access to the table, which keeps the memory of `items` in its place.
    subscript(id: SessionID) -> Session? {
        unsafeAddress {
            let place = place(of: id)
            // Bounds: places are those of items, and 0.
            return unsafe items.withUnsafeBufferPointer { unsafe UnsafePointer($0.baseAddress! + place) }
        }
        unsafeMutableAddress {
            let place = place(of: id)
            // Bounds: the same.
            return unsafe items.withUnsafeMutableBufferPointer { unsafe $0.baseAddress! + place }
        }
    }
    private func place(of id: SessionID) -> Int { slot(of: id).map { places[$0] } ?? 0 }

    /// In the place of one that has the number already.
    mutating func insert(_ session: Session) {
        precondition(items[0] == nil, "a session was set that is not there")
        if let slot = slot(of: session.id) {
            items[places[slot]] = session
            return
        }
        if 2 * (count + 1) > keys.count { grow() }
        let place = holes.popLast() ?? items.count
        if place == items.count { items.append(session) } else { items[place] = session }
        enter(Self.key(session.id), place)
    }
    mutating func remove(_ id: SessionID) {
        guard let slot = slot(of: id) else { return }
        items[places[slot]] = nil
        vacate(slot)
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
    private mutating func vacate(_ slot: Int) {
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
