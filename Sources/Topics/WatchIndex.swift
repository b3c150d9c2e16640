package import Wire

/// Who watches: a number that the index's owner gives, small and used again.
package struct WatcherID: Hashable, Comparable, Sendable {
    package let raw: UInt32
    package init(_ raw: UInt32) { self.raw = raw }
    package static func < (a: Self, b: Self) -> Bool { a.raw < b.raw }
    package var index: Int { Int(raw) }
}

/// A pattern of a watcher in an index; takes it out again.
package struct WatchID: Hashable, Sendable {
    let raw: UInt32
}

/// Watches on the key space: who asked for a name, found in time that grows with the patterns that match it, exclusions
/// included, and not with the patterns that there are.
///
///     names, filters ──▶ PatternTrie       ranges ──▶ IntervalTree       each pattern: a list of watches
///
/// Cost of adding or taking out a pattern: its levels, or for a range the logarithm of the ranges.
package struct WatchIndex: Sendable {
    private enum Place {
        case free
        case levels(PatternTrie.Place)
        case range(UInt32)
    }
    private struct Watch {
        let watcher: WatcherID
        let excludes: Bool
        var place: Place
        /// The others of the same name or filter: watch + 1, or 0.
        var next: UInt32 = 0
        var previous: UInt32 = 0
    }
    private var watches: [Watch] = []
    private var free: [UInt32] = []
    private var trie = PatternTrie()
    private var ranges = IntervalTree()

    package init() {}

    /// Patterns and exclusions that are in.
    package var count: Int { watches.count - free.count }
    /// Bytes of memory that the index has taken.
    package var footprint: Int {
        watches.capacity * MemoryLayout<Watch>.stride + free.capacity * 4 + trie.footprint + ranges.footprint
    }

    /// Enters all of an interest; what is returned takes it out again.
    package mutating func add(_ interest: Interest, for watcher: WatcherID) -> [WatchID] {
        var ids: [WatchID] = []
        ids.reserveCapacity(interest.patterns.count + interest.exclusions.count)
        for pattern in interest.patterns { ids.append(add(pattern, for: watcher)) }
        for pattern in interest.exclusions { ids.append(add(pattern, for: watcher, excludes: true)) }
        return ids
    }

    /// Enters one pattern; with `excludes`, what it matches is not for this watcher whatever else it asks for.
    package mutating func add(_ pattern: TopicPattern, for watcher: WatcherID, excludes: Bool = false) -> WatchID {
        let watch = Watch(watcher: watcher, excludes: excludes, place: .free)
        let index: UInt32
        if let old = free.popLast() {
            index = old
            watches[Int(index)] = watch
        } else {
            index = UInt32(watches.count)
            watches.append(watch)
        }
        if pattern.kind == .range {
            watches[Int(index)].place = .range(ranges.insert(pattern, watch: index))
        } else {
            let place = trie.place(of: pattern)
            watches[Int(index)].place = .levels(place)
            link(index, at: place)
        }
        return WatchID(raw: index)
    }

    package mutating func remove(_ id: WatchID) {
        switch watches[Int(id.raw)].place {
        case .free: preconditionFailure("a watch is taken out twice")
        case .range(let number): ranges.remove(number, watch: id.raw)
        case .levels(let place): unlink(id.raw, at: place)
        }
        watches[Int(id.raw)].place = .free
        free.append(id.raw)
    }

    /// Finds who asked for `name`, a topic's name in UTF-8; `matches` then holds them, rising.
    package func match(_ name: ByteView, into matches: inout WatchMatches) {
        matches.begin()
        guard !name.isEmpty, count > 0 else { return }
        let inTrie = trie.match(name) { head in
            var next = head
            while next != 0 {
                let watch = watches[Int(next - 1)]
                matches.note(watch.watcher, excludes: watch.excludes)
                next = watch.next
            }
        }
        let inRanges = ranges.match(name) { index in
            matches.note(watches[Int(index)].watcher, excludes: watches[Int(index)].excludes)
        }
        matches.end(visited: inTrie + inRanges)
    }

    // MARK: lists

    private mutating func link(_ index: UInt32, at place: PatternTrie.Place) {
        let head = trie[place]
        watches[Int(index)].next = head
        if head != 0 { watches[Int(head - 1)].previous = index + 1 }
        trie[place] = index + 1
    }
    private mutating func unlink(_ index: UInt32, at place: PatternTrie.Place) {
        let (next, previous) = (watches[Int(index)].next, watches[Int(index)].previous)
        if next != 0 { watches[Int(next - 1)].previous = previous }
        if previous != 0 {
            watches[Int(previous - 1)].next = next
        } else {
            trie[place] = next
            if next == 0 { trie.prune(place.node) }
        }
    }

    /// Traps where an invariant does not hold; tests call it after each step.
    package func checkInvariants() {
        ranges.checkInvariants()
        precondition(count > 0 || trie.nodeCount == 1, "nodes of patterns that are gone")
    }
}

/// Who asked for a name: what `WatchIndex.match` found. Keep one and use it again, it keeps its memory.
package struct WatchMatches: Sendable {
    /// Rising, each once.
    package private(set) var watchers: [WatcherID] = []
    /// Nodes and watches looked at for the last name: the measure of its cost.
    package private(set) var visited = 0
    /// By watcher: twice the round in which it was last met, and 1 where an exclusion was met.
    private var marks: [UInt64] = []
    private var round: UInt64 = 0

    package init() {}

    mutating func begin() {
        watchers.removeAll(keepingCapacity: true)
        visited = 0
        round += 1
    }
    mutating func note(_ watcher: WatcherID, excludes: Bool) {
        visited += 1
        if watcher.index >= marks.count {
            marks.append(contentsOf: repeatElement(0, count: watcher.index + 1 - marks.count))
        }
        let mark = marks[watcher.index]
        if excludes {
            guard !planted(.exclusionForgotten) else { return }
            marks[watcher.index] = 2 * round + 1
        } else if mark < 2 * round {
            marks[watcher.index] = 2 * round
            watchers.append(watcher)
        }
    }
    mutating func end(visited nodes: Int) {
        visited += nodes
        let marks = marks
        watchers.removeAll { marks[$0.index] & 1 == 1 }
        watchers.sort()
    }
}
