internal import Wire

/// Key ranges by where they begin, each node knowing how far its subtree reaches: an interval tree (Cormen et al.,
/// chapter 14.3) on a treap (Seidel and Aragon, 1996).
///
/// Order: by low bound, then by watch. `furthest` is the node of the subtree whose high bound is the last. Visited for a
/// name: the search path, and subtrees that hold at least one match. 0 is no node.
struct IntervalTree: Sendable {
    private struct Node {
        let interval: KeyInterval
        /// The pattern that the bounds are slices of.
        let pattern: UInt32
        let watch: UInt32
        let priority: UInt32
        var left: UInt32 = 0
        var right: UInt32 = 0
        var furthest: UInt32
    }
    private static let nobody = Node(
        interval: KeyInterval(low: KeyBound(0..<0), high: KeyBound(0..<0)), pattern: 0, watch: 0, priority: 0, furthest: 0)
    private var nodes = [nobody]
    private var free: [UInt32] = []
    private var patterns: [TopicPattern?] = []
    private var freePatterns: [UInt32] = []
    private var root: UInt32 = 0

    var footprint: Int {
        // An array's own header has 32 bytes.
        let texts = patterns.reduce(0) { $0 + ($1.map { $0.bytes.capacity + 32 } ?? 0) }
        return nodes.capacity * MemoryLayout<Node>.stride + patterns.capacity * MemoryLayout<TopicPattern?>.stride
            + (free.capacity + freePatterns.capacity) * 4 + texts
    }

    /// Enters `watch` for all that the range `pattern` holds; the number returned takes it out again.
    mutating func insert(_ pattern: TopicPattern, watch: UInt32) -> UInt32 {
        let number: UInt32
        if let old = freePatterns.popLast() {
            number = old
            patterns[Int(number)] = pattern
        } else {
            number = UInt32(patterns.count)
            patterns.append(pattern)
        }
        for interval in pattern.keyIntervals {
            // Drawn from a seed of this process, so that nobody can choose ranges that make a chain.
            var hasher = Hasher()
            hasher.combine(watch)
            hasher.combine(interval.low.tail)
            let priority = UInt32(truncatingIfNeeded: hasher.finalize())
            let index = add(Node(interval: interval, pattern: number, watch: watch, priority: priority, furthest: 0))
            nodes[Int(index)].furthest = index
            root = insert(index, under: root)
        }
        return number
    }

    mutating func remove(_ number: UInt32, watch: UInt32) {
        guard let pattern = patterns[Int(number)] else { preconditionFailure("a range is taken out twice") }
        for interval in pattern.keyIntervals { root = remove(interval.low, number, watch, under: root) }
        patterns[Int(number)] = nil
        freePatterns.append(number)
    }

    /// Calls `report` with each watch whose range holds `name`; returns how many nodes were visited.
    func match(_ name: ByteView, _ report: (_ watch: UInt32) -> Void) -> Int { visit(root, name, report) }

    private func visit(_ index: UInt32, _ name: ByteView, _ report: (UInt32) -> Void) -> Int {
        guard index != 0 else { return 0 }
        let node = nodes[Int(index)]
        guard isBefore(name, highOf: node.furthest) else { return 1 }
        var visited = 1 + visit(node.left, name, report)
        let isHere = withText(node.pattern) { node.interval.low.compare($0, KeyBound(name: name), name) <= 0 }
        guard isHere else { return visited }
        if isBefore(name, highOf: index) { report(node.watch) }
        visited += visit(node.right, name, report)
        return visited
    }
    private func isBefore(_ name: ByteView, highOf index: UInt32) -> Bool {
        let node = nodes[Int(index)]
        return withText(node.pattern) { KeyBound(name: name).compare(name, node.interval.high, $0) < 0 }
    }
    private func withText<R>(_ pattern: UInt32, _ body: (ByteView) -> R) -> R {
        // Bounds such as "everything" have no text, but every node has its pattern.
        patterns[Int(pattern)]!.bytes.withView(body)
    }
}

// MARK: The treap

extension IntervalTree {
    private mutating func add(_ node: Node) -> UInt32 {
        if let old = free.popLast() {
            nodes[Int(old)] = node
            return old
        }
        nodes.append(node)
        return UInt32(nodes.count - 1)
    }

    /// Whether (`low`, `watch`) stands before node `index`; nil where it is that node.
    private func precedes(_ low: KeyBound, _ pattern: UInt32, _ watch: UInt32, _ index: UInt32) -> Bool? {
        let node = nodes[Int(index)]
        let order = withText(pattern) { text in withText(node.pattern) { low.compare(text, node.interval.low, $0) } }
        if order != 0 { return order < 0 }
        return watch == node.watch ? nil : watch < node.watch
    }

    private mutating func insert(_ new: UInt32, under top: UInt32) -> UInt32 {
        guard top != 0 else { return new }
        let node = nodes[Int(new)]
        guard let isLeft = precedes(node.interval.low, node.pattern, node.watch, top) else {
            preconditionFailure("a watch has two ranges that begin alike")
        }
        if isLeft {
            let child = insert(new, under: nodes[Int(top)].left)
            nodes[Int(top)].left = child
            if nodes[Int(child)].priority > nodes[Int(top)].priority { return turnRight(top) }
        } else {
            let child = insert(new, under: nodes[Int(top)].right)
            nodes[Int(top)].right = child
            if nodes[Int(child)].priority > nodes[Int(top)].priority { return turnLeft(top) }
        }
        refresh(top)
        return top
    }

    private mutating func remove(_ low: KeyBound, _ pattern: UInt32, _ watch: UInt32, under top: UInt32) -> UInt32 {
        precondition(top != 0, "a range to be taken out is not there")
        guard let isLeft = precedes(low, pattern, watch, top) else {
            let rest = join(nodes[Int(top)].left, nodes[Int(top)].right)
            free.append(top)
            return rest
        }
        if isLeft {
            nodes[Int(top)].left = remove(low, pattern, watch, under: nodes[Int(top)].left)
        } else {
            nodes[Int(top)].right = remove(low, pattern, watch, under: nodes[Int(top)].right)
        }
        refresh(top)
        return top
    }

    /// One tree of two, all of `a` before all of `b`.
    private mutating func join(_ a: UInt32, _ b: UInt32) -> UInt32 {
        if a == 0 { return b }
        if b == 0 { return a }
        if nodes[Int(a)].priority > nodes[Int(b)].priority {
            nodes[Int(a)].right = join(nodes[Int(a)].right, b)
            refresh(a)
            return a
        }
        nodes[Int(b)].left = join(a, nodes[Int(b)].left)
        refresh(b)
        return b
    }

    private mutating func turnRight(_ top: UInt32) -> UInt32 {
        let child = nodes[Int(top)].left
        nodes[Int(top)].left = nodes[Int(child)].right
        nodes[Int(child)].right = top
        refresh(top)
        refresh(child)
        return child
    }
    private mutating func turnLeft(_ top: UInt32) -> UInt32 {
        let child = nodes[Int(top)].right
        nodes[Int(top)].right = nodes[Int(child)].left
        nodes[Int(child)].left = top
        refresh(top)
        refresh(child)
        return child
    }

    private mutating func refresh(_ index: UInt32) {
        let node = nodes[Int(index)]
        var furthest = index
        for child in [node.left, node.right] where child != 0 {
            let other = nodes[Int(child)].furthest
            if reaches(other, beyond: furthest) { furthest = other }
        }
        nodes[Int(index)].furthest = furthest
    }
    private func reaches(_ a: UInt32, beyond b: UInt32) -> Bool {
        let (one, other) = (nodes[Int(a)], nodes[Int(b)])
        return withText(one.pattern) { text in
            withText(other.pattern) { one.interval.high.compare(text, other.interval.high, $0) > 0 }
        }
    }

    /// Traps where an invariant of the tree does not hold; tests call it after each step.
    func checkInvariants() {
        var last: UInt32 = 0
        check(root, &last)
    }
    private func check(_ index: UInt32, _ last: inout UInt32) {
        guard index != 0 else { return }
        let node = nodes[Int(index)]
        check(node.left, &last)
        precondition(last == 0 || precedes(nodes[Int(last)].interval.low, nodes[Int(last)].pattern, nodes[Int(last)].watch, index) == true)
        last = index
        check(node.right, &last)
        for child in [node.left, node.right] where child != 0 {
            precondition(nodes[Int(child)].priority <= node.priority)
            precondition(!reaches(nodes[Int(child)].furthest, beyond: node.furthest))
        }
    }
}
