internal import Wire

/// Names and filters by their levels; `+` is a child of its own, `#` a list at the node that it stands behind.
///
///     root ─ plant ─┬─ m1 ─ temperature      ending: plant/m1/temperature
///                   ├─ +  ─ humidity         ending: plant/+/humidity
///                   └┄ #                     below:  plant/#
///
/// A name goes down by its level and by `+`: nodes visited are those whose path the name's first levels match.
/// Children are found by one table over (parent, level) for all nodes. A node lives while it has a list or a child.
struct PatternTrie: Sendable {
    struct Node {
        let parent: UInt32
        /// A number of the level table; `plusLevel` for `+`.
        let level: UInt32
        /// The child for `+`; 0: none, for the root is nobody's child.
        var plus: UInt32 = 0
        var children: UInt32 = 0
        /// Heads of the lists of watches that end here, and of those that go on with `#`: watch + 1, or 0.
        var ending: UInt32 = 0
        var below: UInt32 = 0
    }
    /// Where a pattern's watches stand.
    struct Place: Equatable {
        let node: UInt32
        let isBelow: Bool
    }
    private static let plusLevel = UInt32.max

    private var nodes = [Node(parent: 0, level: plusLevel)]
    private var free: [UInt32] = []
    private var levels = LevelTable()
    private var children = SlotTable()

    var nodeCount: Int { nodes.count - free.count }
    var footprint: Int {
        nodes.capacity * MemoryLayout<Node>.stride + free.capacity * 4 + children.footprint + levels.footprint
    }

    /// The head of the list at `place`: watch + 1, or 0.
    subscript(place: Place) -> UInt32 {
        get { place.isBelow ? nodes[Int(place.node)].below : nodes[Int(place.node)].ending }
        set {
            if place.isBelow { nodes[Int(place.node)].below = newValue } else { nodes[Int(place.node)].ending = newValue }
        }
    }

    /// The place of a name or filter, made where it is not there yet; `prune` it when its list has become empty.
    mutating func place(of pattern: TopicPattern) -> Place {
        pattern.bytes.withView { text in
            var node: UInt32 = 0
            for level in Levels(text) {
                if pattern.kind == .filter, level.count == 1, level.u8(0) == TopicText.hash { return Place(node: node, isBelow: true) }
                let isPlus = pattern.kind == .filter && level.count == 1 && level.u8(0) == TopicText.plus
                node = isPlus ? plusChild(of: node) : child(of: node, level)
            }
            return Place(node: node, isBelow: false)
        }
    }

    /// Lets go of `node` and of those above it that nothing needs any more.
    mutating func prune(_ node: UInt32) {
        var node = node
        while node != 0 {
            let gone = nodes[Int(node)]
            guard gone.ending == 0, gone.below == 0, gone.children == 0 else { return }
            if gone.level == Self.plusLevel {
                nodes[Int(gone.parent)].plus = 0
            } else {
                takeOutOfChildren(node)
                levels.release(gone.level)
            }
            nodes[Int(gone.parent)].children -= 1
            free.append(node)
            node = gone.parent
        }
    }

    /// Calls `report` with the head of each list whose pattern matches `name`; returns how many nodes were visited.
    func match(_ name: ByteView, _ report: (_ head: UInt32) -> Void) -> Int {
        // Level numbers first, once each: a level that no pattern has is met by wildcards alone.
        let numbers = Levels(name).map { levels.lookup($0) }
        return visit(0, 0, numbers, isHidden: name.u8(0) == TopicText.dollar, report)
    }

    private func visit(
        _ index: UInt32, _ depth: Int, _ numbers: [UInt32?], isHidden: Bool, _ report: (UInt32) -> Void
    ) -> Int {
        let node = nodes[Int(index)]
        // A wildcard in the first level does not match names that begin with "$".
        let admitsWildcards = depth > 0 || !isHidden
        if node.below != 0, admitsWildcards { report(node.below) }
        guard depth < numbers.count else {
            if node.ending != 0 { report(node.ending) }
            return 1
        }
        var visited = 1
        if let level = numbers[depth], let child = find(index, level) {
            visited += visit(child, depth + 1, numbers, isHidden: isHidden, report)
        }
        if node.plus != 0, admitsWildcards { visited += visit(node.plus, depth + 1, numbers, isHidden: isHidden, report) }
        return visited
    }
}

// MARK: Children

extension PatternTrie {
    private static func hash(_ parent: UInt32, _ level: UInt32) -> Int {
        Int(truncatingIfNeeded: mix(UInt64(parent) << 32 | UInt64(level)))
    }
    private func find(_ parent: UInt32, _ level: UInt32) -> UInt32? {
        children.find(Self.hash(parent, level)) { nodes[Int($0)].parent == parent && nodes[Int($0)].level == level }
    }

    private mutating func child(of parent: UInt32, _ level: ByteView) -> UInt32 {
        if let number = levels.lookup(level), let known = find(parent, number) { return known }
        let index = add(Node(parent: parent, level: levels.retain(level)))
        enterIntoChildren(index)
        return index
    }
    // Each by itself: the second reference to the nodes must be gone before they change, or all of them are copied.
    private mutating func enterIntoChildren(_ index: UInt32) {
        let nodes = nodes
        children.insert(index) { Self.hash(nodes[Int($0)].parent, nodes[Int($0)].level) }
    }
    private mutating func takeOutOfChildren(_ index: UInt32) {
        let nodes = nodes
        children.remove(index) { Self.hash(nodes[Int($0)].parent, nodes[Int($0)].level) }
    }
    private mutating func plusChild(of parent: UInt32) -> UInt32 {
        if nodes[Int(parent)].plus != 0 { return nodes[Int(parent)].plus }
        let index = add(Node(parent: parent, level: Self.plusLevel))
        nodes[Int(parent)].plus = index
        return index
    }
    private mutating func add(_ node: Node) -> UInt32 {
        nodes[Int(node.parent)].children += 1
        if let old = free.popLast() {
            nodes[Int(old)] = node
            return old
        }
        nodes.append(node)
        return UInt32(nodes.count - 1)
    }
}

/// The levels of a name or filter, in order: `a//b` has three.
struct Levels: Sequence, IteratorProtocol {
    private let text: ByteView
    /// Where the next one begins; behind the end there is none.
    private var at = 0

    init(_ text: ByteView) { self.text = text }

    mutating func next() -> ByteView? {
        guard at <= text.count else { return nil }
        let start = at
        while at < text.count, text.u8(at) != TopicText.slash { at += 1 }
        defer { at += 1 }
        return text[start..<at]
    }
}
