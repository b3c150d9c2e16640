package import Wire

/// Who watches each topic of a group: topics with the same watchers share one set, so a topic costs four bytes and a look at
/// an array.
///
///     setOf   | 1 | 1 | 0 | 2 |            by topic: the number of its set; 0 is the empty one
///     sets    | {} | {3, 8} | {3} |        watchers, rising; found again by the sum of their mixed numbers
///
/// Invariants: each set in use has its topics counted; sets differ, but for such as fell out of the hash table by collision.
package struct WatcherSets: Sendable {
    private struct Members {
        var watchers: [WatcherID]
        var hash: UInt64
        var topics: Int
    }
    private var setOf: [UInt32] = []
    private var sets = [Members(watchers: [], hash: 0, topics: 0)]
    private var free: [UInt32] = []
    private var byHash: [UInt64: UInt32] = [0: 0]

    package init() {}

    /// Topics that have a set: all below this id.
    package var count: TopicID { TopicID(UInt32(setOf.count)) }
    /// Sets in use, without the empty one.
    package var setCount: Int { sets.count - free.count - 1 }
    /// Whether any topic is watched.
    package var isWatched: Bool { setCount > 0 }
    package var footprint: Int {
        sets.reduce((setOf.capacity + free.capacity) * 4) { $0 + 48 + $1.watchers.capacity * 4 } + byHash.capacity * 17
    }

    /// The number of the set of `topic`, the same for topics with the same watchers; 0 for nobody, and for a topic that has
    /// no set yet.
    package func set(of topic: TopicID) -> Int { topic.index < setOf.count ? Int(setOf[topic.index]) : 0 }
    /// Rising.
    package func watchers(inSet number: Int) -> [WatcherID] { sets[number].watchers }

    package func contains(_ watcher: WatcherID, inSet number: Int) -> Bool {
        let all = sets[number].watchers
        var (low, high) = (0, all.count)
        while low < high {
            let middle = (low + high) / 2
            if all[middle] < watcher { low = middle + 1 } else { high = middle }
        }
        return low < all.count && all[low] == watcher
    }

    /// The next topic, with its watchers, rising.
    package mutating func append(_ watchers: [WatcherID]) {
        let number = number(of: watchers, hash: watchers.reduce(0) { $0 &+ Self.hash($1) })
        sets[Int(number)].topics += 1
        setOf.append(number)
    }

    /// `watcher` watches `topics` too, which have sets and which it does not watch yet.
    package mutating func add(_ watcher: WatcherID, to topics: [TopicID]) {
        move(topics, hash: Self.hash(watcher)) { old in
            let index = old.firstIndex { $0 > watcher } ?? old.count
            precondition(index == 0 || old[index - 1] < watcher, "a watcher is entered twice for a topic")
            var new = old
            new.insert(watcher, at: index)
            return new
        }
    }

    /// `watcher` no longer watches anything. Cost: a look at each set, and where it stands in one, at each topic's number.
    package mutating func remove(_ watcher: WatcherID) {
        let its = sets.indices.map { contains(watcher, inSet: $0) }
        guard its.contains(true) else { return }
        let topics = setOf.indices.filter { its[Int(setOf[$0])] }.map { TopicID(UInt32($0)) }
        move(topics, hash: 0 &- Self.hash(watcher)) { $0.filter { $0 != watcher } }
    }

    /// Moves each topic from its set to the one that `change` makes of it, made once for each set.
    private mutating func move(_ topics: [TopicID], hash: UInt64, _ change: ([WatcherID]) -> [WatcherID]) {
        var made: [UInt32: UInt32] = [:]
        var last: (old: UInt32, new: UInt32)?
        for topic in topics {
            let old = setOf[topic.index]
            let new: UInt32
            if let last, last.old == old { new = last.new } else if let known = made[old] { new = known } else {
                new = number(of: change(sets[Int(old)].watchers), hash: sets[Int(old)].hash &+ hash)
                made[old] = new
            }
            last = (old, new)
            setOf[topic.index] = new
            sets[Int(old)].topics -= 1
            sets[Int(new)].topics += 1
        }
        for old in made.keys { release(old) }
    }

    private mutating func number(of watchers: [WatcherID], hash: UInt64) -> UInt32 {
        if let known = byHash[hash], sets[Int(known)].watchers == watchers { return known }
        let members = Members(watchers: watchers, hash: hash, topics: 0)
        let number: UInt32
        if let old = free.popLast() {
            number = old
            sets[Int(number)] = members
        } else {
            number = UInt32(sets.count)
            sets.append(members)
        }
        if byHash[hash] == nil { byHash[hash] = number }
        return number
    }

    private mutating func release(_ number: UInt32) {
        guard number != 0, sets[Int(number)].topics == 0 else { return }
        if byHash[sets[Int(number)].hash] == number { byHash[sets[Int(number)].hash] = nil }
        sets[Int(number)] = Members(watchers: [], hash: 0, topics: 0)
        free.append(number)
    }

    private static func hash(_ watcher: WatcherID) -> UInt64 { mix(UInt64(watcher.raw) &+ 0x9E37_79B9_7F4A_7C15) }

    /// Traps where an invariant does not hold; tests call it after each step.
    package func checkInvariants() {
        var counts = [Int](repeating: 0, count: sets.count)
        for number in setOf { counts[Int(number)] += 1 }
        for (number, members) in sets.enumerated() {
            precondition(counts[number] == members.topics)
            precondition(members.topics > 0 || number == 0 || free.contains(UInt32(number)), "a set without topics is kept")
            precondition(zip(members.watchers, members.watchers.dropFirst()).allSatisfy { $0 < $1 })
        }
        precondition(Set(sets.map(\.watchers)).count == setCount + 1 || byHash.count < setCount + 1, "two sets are the same")
    }
}
