internal import Folding
internal import Topics
internal import Wire

/// To whom this node sends the records of unordered topics, by what the members of one view have said that they want.
///
///      wanted    | 011 | 001 | 110 |      by topic: a bit for each rank that wants it, this node's among them; behind the end: everybody
///      sent      | 011 | 011 | 110 |      by topic: the members of its group, who are never fewer
///
/// Topics that the same members want are a class. As long as the classes are few each is a group; where they are more than there may be groups,
/// the heaviest are folded by the rates at which they pass here (`FoldPlan`), and each lighter one goes to the smallest group that has all of its
/// members, or to everybody. A group is a sender's own affair: each frame says whom it is for, and nobody need agree.
struct Routing: Sendable {
    struct Group: Sendable {
        let ranks: UInt16
        var topics = 0
        /// Bytes that pass here in a second, headers of records among them; and what of them, over all members, nobody there asked for.
        var rate = 0
        var unwanted = 0
        /// The same, if it were sent to all members.
        var unwantedByAll = 0
    }
    private let me: Int
    private let all: UInt16
    private let mostGroups: Int
    private var wanted: [UInt16] = []
    private var sent: [UInt16] = []
    /// By rank: how many topics, from the first on, it has spoken of.
    private var spoken: [Int]
    /// By topic: bytes since the last look.
    private var passed: [UInt32] = []
    private(set) var groups: [Group] = []
    /// Different sets of members that want a topic.
    private(set) var classes = 0
    /// Topics that have changed their group, in all.
    private(set) var moves = 0
    private var isStale = false
    private var hasPassed = false
    private var isFolded = false
    private var at: UInt64 = 0
    private var since: UInt64 = 0
    /// What the folding before this one was made of: by class its members, and a rate that falls by half from look to look.
    private var plan: FoldPlan?
    private var planned: [UInt16] = []
    private var rates: [UInt16: Int] = [:]

    /// Between two looks, where somebody's wants have changed and no rates are weighed; nanoseconds.
    private static var pause: UInt64 { 20_000_000 }
    /// Classes that are folded by their rates; lighter ones follow.
    private var heaviest: Int { max(48, mostGroups) }

    init(members: Int, me: Int, mostGroups: Int) {
        precondition(members <= UInt16.bitWidth)
        (self.me, self.mostGroups) = (me, mostGroups)
        all = .max >> UInt16(UInt16.bitWidth - members)
        spoken = Array(repeating: 0, count: members)
    }

    /// What the member of `rank` has said. Throws where a page begins beyond those before it: memory grows with what was spoken of, a page at a
    /// time.
    mutating func take(_ page: WantsPage, from rank: Int) throws(DecodeError) {
        let known = page.wantsEverything ? 0 : spoken[rank]
        guard page.first.index <= known else { throw .limit(what: "first topic of wants", value: UInt64(page.first.raw), limit: UInt64(known)) }
        spoken[rank] = max(known, page.first.index + page.count)
        let bit: UInt16 = 1 << UInt16(rank)
        isStale = true
        // Where nothing is to be weighed there is nothing to wait for.
        if !isFolded { at = min(at, since + Self.pause) }
        if page.wantsEverything { for topic in wanted.indices { want(topic, bit, true) } }
        guard page.count > 0 else { return }
        let first = page.first.index
        let more = first + page.count - wanted.count
        if more > 0 {
            wanted += Array(repeating: all, count: more)
            sent += Array(repeating: all, count: more)
            passed += Array(repeating: 0, count: more)
        }
        for index in 0..<page.count { want(first + index, bit, page.wants(index)) }
    }
    /// What is wanted goes there from now on; what is not, until the next look.
    private mutating func want(_ topic: Int, _ bit: UInt16, _ isWanted: Bool) {
        if isWanted {
            wanted[topic] |= bit
            sent[topic] |= bit
        } else {
            wanted[topic] &= ~bit
        }
    }

    // MARK: a batch

    struct Route: Equatable {
        /// All members that want something of it.
        let ranks: RankSet
        /// Bytes that would go to members which do not want them, were it sent to all of these.
        let waste: Int
    }

    /// The way of a batch of `records`, which are counted as passed.
    mutating func route(_ records: ByteView) -> Route {
        guard !sent.isEmpty else { return Route(ranks: .everyone, waste: 0) }
        hasPassed = true
        var (ranks, total, due) = (UInt16(0), 0, 0)
        let unknown = planted(.newTopicUnwanted) ? 1 << UInt16(me) : all
        var cursor = RecordCursor(records)
        while let record = cursor.next() {
            let topic = record.header.topic.index
            let length = record.header.length
            var mine = unknown
            if topic < sent.count {
                mine = sent[topic]
                passed[topic] &+= UInt32(truncatingIfNeeded: length)
            }
            ranks |= mine
            total += length
            due += length * mine.nonzeroBitCount
        }
        return Route(ranks: set(ranks), waste: total * ranks.nonzeroBitCount - due)
    }
    /// Topics of which some member has said whether it wants them.
    var count: Int { wanted.count }
    /// Who wants a topic, this node aside; nil: nobody has said.
    func wants(of topic: TopicID) -> RankSet? { topic.index < wanted.count ? RankSet(bits: UInt64(wanted[topic.index] & all & ~(1 << UInt16(me)))) : nil }
    /// Whom a record of `topic` is for.
    func ranks(of topic: TopicID) -> RankSet { set(topic.index < sent.count ? sent[topic.index] : all) }
    private func set(_ ranks: UInt16) -> RankSet { ranks & all == all ? .everyone : RankSet(bits: UInt64(ranks & all)) }

    /// What was seen at the last look of the topics that the same members want, and of their group; nil: nobody has spoken of this one.
    func seen(of topic: TopicID) -> (rate: Int, members: Int, group: Group)? {
        guard topic.index < wanted.count, let group = groups.first(where: { $0.ranks == sent[topic.index] }) else { return nil }
        let ranks = wanted[topic.index] & all | 1 << UInt16(me)
        return (rates[ranks] ?? 0, ranks.nonzeroBitCount, group)
    }

    // MARK: folding

    /// Gives topics their groups anew, where somebody's wants have changed, or rates may have.
    mutating func fold(now: UInt64, every: UInt64) {
        guard isStale || hasPassed, now >= at else { return }
        let span = since == 0 ? 0 : now - since
        (at, since, isStale, hasPassed) = (now + every, now, false, false)
        let own: UInt16 = 1 << UInt16(me)
        var numbers = [Int32](repeating: -1, count: Int(all) + 1)
        var found: [(ranks: UInt16, topics: Int, bytes: Int)] = []
        for topic in wanted.indices {
            let ranks = wanted[topic] & all | own
            if numbers[Int(ranks)] < 0 {
                numbers[Int(ranks)] = Int32(found.count)
                found.append((ranks, 0, 0))
            }
            found[Int(numbers[Int(ranks)])].topics += 1
            found[Int(numbers[Int(ranks)])].bytes += Int(passed[topic])
            passed[topic] = 0
        }
        classes = found.count
        var rate: [UInt16: Int] = [:]
        for one in found {
            let fresh = span == 0 ? 0 : Int(UInt64(one.bytes) * 1_000_000_000 / span)
            rate[one.ranks] = rates[one.ranks].map { ($0 + fresh) / 2 } ?? fresh
        }
        rates = rate
        let groupOf = classes <= mostGroups ? Dictionary(uniqueKeysWithValues: found.map { ($0.ranks, $0.ranks) }) : folded(found.map(\.ranks))
        isFolded = classes > mostGroups
        var place: [UInt16: Int] = [:]
        groups = []
        for one in found {
            let ranks = groupOf[one.ranks] ?? all
            let number = place[ranks] ?? groups.count
            if number == groups.count { groups.append(Group(ranks: ranks)) }
            place[ranks] = number
            groups[number].topics += one.topics
            groups[number].rate += rate[one.ranks] ?? 0
            groups[number].unwantedByAll += (rate[one.ranks] ?? 0) * (all.nonzeroBitCount - one.ranks.nonzeroBitCount)
            groups[number].unwanted += (rate[one.ranks] ?? 0) * (ranks.nonzeroBitCount - one.ranks.nonzeroBitCount)
        }
        groups.sort { ($1.rate, $0.ranks) < ($0.rate, $1.ranks) }
        for topic in wanted.indices {
            let ranks = groupOf[wanted[topic] & all | own] ?? all
            if sent[topic] != ranks { moves += 1 }
            sent[topic] = ranks
        }
    }

    /// The members of the group of each class.
    private mutating func folded(_ classes: [UInt16]) -> [UInt16: UInt16] {
        // A class keeps its place in the plan, so that the plan of now is held against that of before.
        let known = Set(planned)
        let fresh = classes.filter { !known.contains($0) }.sorted { (rates[$1] ?? 0, $0) < (rates[$0] ?? 0, $1) }
        if planned.count > 4 * heaviest { (plan, planned) = (nil, []) }
        planned += fresh.prefix(max(0, heaviest - planned.count(where: { rates[$0] ?? 0 > 0 })))
        var options = FoldOptions()
        (options.maxGroups, options.recordBytes, options.unicast) = (mostGroups, 0, nil)
        let demands = planned.map { ranks in
            TopicDemand(bytes: Rate(perSecond: min(rates[ranks] ?? 0, 1 << 40)), records: .zero, interest: RankSet(bits: UInt64(ranks)), level: .unordered)
        }
        plan = (try? plan?.refold(demands, options: options).plan) ?? (try? FoldPlan(demands, options))
        guard let plan else { return [:] }
        var groupOf: [UInt16: UInt16] = [:]
        let members = plan.groups.map { UInt16(truncatingIfNeeded: $0.members.bits) }
        for (ranks, place) in zip(planned, plan.places) {
            if case .group(let id) = place, let group = plan.groups.first(where: { $0.id == id }) { groupOf[ranks] = UInt16(truncatingIfNeeded: group.members.bits) }
        }
        for ranks in classes where groupOf[ranks] == nil {
            groupOf[ranks] = members.filter { $0 & ranks == ranks }.min { ($0.nonzeroBitCount, $0) < ($1.nonzeroBitCount, $1) }
        }
        return groupOf
    }
}
