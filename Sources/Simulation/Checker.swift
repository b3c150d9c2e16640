internal import Wire

/// What everybody must agree on, kept beside the system and sharing no decision with it.
struct Checker {
    struct Record: Equatable {
        let publisher: UInt32
        let sequence: UInt64
        let topic: String
        let time: UInt64
        let sender: UInt16
    }
    private(set) var violation: String?
    /// By offset in the durable group: what some subscriber was the first to see there.
    private(set) var history: [Record?] = []
    /// By view number: its members and where its durable log begins.
    private struct Beginning: Hashable {
        let view: ViewNumber
        let byRestart: Bool
        let group: GroupID
    }
    /// What all began with, and who was the first.
    /// Views that were begun in both ways.
    private(set) var mixed: Set<ViewNumber> = []
    private var beginnings: [Beginning: (UInt64, NodeID)] = [:]
    private var views: [UInt64: (members: [NodeID], number: UInt64, chain: UInt64)] = [:]
    /// By entries delivered: the chain after them.
    private var delivered: [UInt64: UInt64] = [:]
    /// By view: the most entries that anyone delivered in it.
    private var deliveredIn: [UInt64: UInt64] = [:]
    private var places: [UInt32: [UInt64: Int]] = [:]
    private(set) var acknowledged: [UInt32: UInt64] = [:]
    private(set) var viewCount = 0
    private(set) var recordCount = 0
    private var topics: [String: UInt32] = [:]

    mutating func fail(_ what: String) { if violation == nil { violation = what } }

    /// True where nobody had begun the view before.
    @discardableResult
    mutating func began(_ view: View, number: UInt64, chain: UInt64, at node: NodeID) -> Bool {
        if let known = views[view.number.raw] {
            if known.members != view.members { fail("two views of number \(view.number.raw): \(known.members) and, at \(node), \(view.members)") }
            if known.number != number || known.chain != chain {
                fail("\(view) begins at entry \(known.number) (\(known.chain)) and, at \(node), at \(number) (\(chain))")
            }
            return false
        }
        views[view.number.raw] = (view.members, number, chain)
        viewCount += 1
        for (earlier, most) in deliveredIn where earlier < view.number.raw && most > number {
            fail("\(view) begins with \(number) entries; in view \(earlier) \(most) had been delivered")
        }
        if let known = delivered[number], known != chain { fail("\(view) begins with another history of \(number) entries than was delivered") }
        return true
    }

    /// What a group is where the view begins, by a digest: the same for all that began it in the same way. A view that some run may be brought back
    /// by others: then the ways are two.
    mutating func began(_ view: View, byRestart: Bool, _ group: GroupID, _ digest: UInt64, at node: NodeID) {
        let way = Beginning(view: view.number, byRestart: byRestart, group: group)
        let known = beginnings[way] ?? (digest, node)
        beginnings[way] = known
        if beginnings[Beginning(view: view.number, byRestart: !byRestart, group: group)] != nil { mixed.insert(view.number) }
        if known.0 != digest { fail("\(view) begins with other topics, publishers or entries of \(group) at \(node) than at \(known.1)") }
    }

    /// Whether the newest view that anyone has begun can go on without the node.
    func canSpare(_ node: NodeID) -> Bool {
        guard let newest = views.keys.max(), newest > 0, let members = views[newest]?.members else { return false }
        let others = members.filter { $0 != node }
        return 2 * others.count > members.count || (2 * others.count == members.count && others.first == members[0])
    }

    /// What a node's disk says of its view and its log when it begins a life. Once there is a later view, it may have dropped what it had for that one's.
    mutating func hasInstalled(_ view: View, entries: UInt64, at node: NodeID) {
        guard let known = views[view.number.raw], entries < known.number, !views.keys.contains(where: { $0 > view.number.raw }) else { return }
        fail("\(node) has \(view) installed, which began with \(known.number) entries, and has only \(entries)")
    }

    /// `peak`: how many entries have ever been on a node's disk. True where nobody had delivered anything of the view before.
    mutating func delivered(_ number: UInt64, chain: UInt64, view: View, at node: NodeID, peak: (NodeID) -> UInt64) -> Bool {
        let begin = views[view.number.raw]?.number ?? 0
        let isFirst = number > begin && deliveredIn[view.number.raw] ?? 0 <= begin
        if deliveredIn[view.number.raw] ?? 0 < number {
            deliveredIn[view.number.raw] = number
            for (later, begin) in views where later > view.number.raw && begin.number < number {
                fail("\(node) delivers \(number) entries in \(view); view \(later) began with \(begin.number)")
            }
        }
        if let known = delivered[number] {
            if known != chain { fail("\(node) delivered another history of \(number) entries") }
            return isFirst
        }
        delivered[number] = chain
        let have = view.members.filter { peak($0) >= number }
        let isQuorum = 2 * have.count > view.members.count || (2 * have.count == view.members.count && have.contains(view.members[0]))
        if !isQuorum { fail("\(node) delivered \(number) entries in \(view), which only \(have) have on disk") }
        return isFirst
    }

    mutating func declared(_ topic: String, _ id: UInt32) {
        if let known = topics[topic], known != id { fail("topic \(topic) was \(known) and is \(id)") }
        topics[topic] = id
    }

    mutating func acknowledged(_ publisher: UInt32, upTo last: UInt64) {
        acknowledged[publisher] = max(acknowledged[publisher] ?? 0, last)
    }

    mutating func saw(_ record: Record, at offset: UInt64, by client: Int) {
        let index = Int(offset)
        guard index < 1 << 24 else { return fail("offset \(offset)") }
        while history.count <= index { history.append(nil) }
        if let known = history[index] {
            if known != record { fail("client \(client) received \(record) at \(offset), where another received \(known)") }
            return
        }
        history[index] = record
        recordCount += 1
        if let other = places[record.publisher]?[record.sequence] {
            fail("record \(record.sequence) of publisher \(record.publisher) is at \(other) and at \(index)")
        }
        places[record.publisher, default: [:]][record.sequence] = index
        if let before = places[record.publisher]?[record.sequence - 1], before > index {
            fail("publisher \(record.publisher): record \(record.sequence) at \(index) comes before \(record.sequence - 1) at \(before)")
        }
        if let after = places[record.publisher]?[record.sequence + 1], after < index {
            fail("publisher \(record.publisher): record \(record.sequence) at \(index) comes after \(record.sequence + 1) at \(after)")
        }
        if index > 0, let before = history[index - 1], before.time > record.time { fail("time falls at offset \(index)") }
        if index + 1 < history.count, let after = history[index + 1], after.time < record.time { fail("time falls behind offset \(index)") }
    }

    /// All is quiet and everybody is level: what was acknowledged is there, without a hole.
    mutating func finish() {
        for (index, record) in history.enumerated() where record == nil { return fail("nobody received offset \(index)") }
        for publisher in acknowledged.keys.sorted() {
            for sequence in 1...max(1, acknowledged[publisher]!) where acknowledged[publisher]! > 0 {
                guard places[publisher]?[sequence] == nil else { continue }
                return fail("record \(sequence) of publisher \(publisher) was acknowledged and is nowhere")
            }
        }
    }
    /// Offsets below `end` whose topic `wants`.
    func offsets(below end: UInt64, _ wants: (String) -> Bool) -> Int {
        history.prefix(Int(end)).count { $0.map { wants($0.topic) } ?? false }
    }
}
