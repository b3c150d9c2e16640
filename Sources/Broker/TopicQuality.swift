internal import Topics
internal import Wire

/// What topics.yaml says of the topics of each group, looked up once for each: the largest record, the lifespan, how many records, and what
/// they look like.
///
/// A rate is counted in parts of a record: a topic earns `rate` of them in a nanosecond, a record costs a minute's worth, and no more is saved
/// than a second earns, or one record costs.
struct TopicQuality: Sendable {
    private struct Purse: Sendable {
        /// Records in a minute, 0: any number.
        let rate: Int64
        var saved: Int64
        var earned: UInt64 = 0
        init(rate: Int64) {
            self.rate = rate
            saved = Self.most(rate)
        }
        static let record: Int64 = 60_000_000_000
        static func most(_ rate: Int64) -> Int64 { max(rate * 1_000_000_000, record) }

        mutating func earn(_ now: UInt64) {
            let span = Int64(clamping: now - min(now, earned))
            earned = now
            let missing = Self.most(rate) - saved
            saved += span > missing / rate ? missing : span * rate
        }
    }
    private struct Group: Sendable {
        /// Bytes of the largest record of each topic.
        var records: [Int32] = []
        var levels: [Level] = []
        /// Nanoseconds, 0: for ever. Empty where no rule has one.
        var lifespans: [UInt64] = []
        /// Empty where no rule has one.
        var purses: [Purse] = []
        /// Places in `schemas`, -1: none. Empty where no rule has one.
        var schemas: [Int32] = []
        /// How many nodes keep each topic's records, 0: all. Empty where no rule says.
        var replicas: [UInt8] = []
    }
    private let topics: TopicsConfiguration
    private var groups: [Group] = Array(repeating: Group(), count: GroupID.count)
    private let hasRates: Bool
    private let schemas: [Schema]
    private let hasReplicas: Bool
    /// The shortest of all rules, nanoseconds; nil: none has one.
    let shortestLifespan: UInt64?
    /// What the last batch has spent.
    private var spent: [Int] = []

    init(_ topics: TopicsConfiguration) {
        self.topics = topics
        let rules = topics.rules + [topics.defaults]
        hasRates = rules.contains { $0.maxRate != nil }
        schemas = rules.compactMap(\.schema)
        hasReplicas = !topics.replicas.isEmpty
        shortestLifespan = rules.compactMap(\.lifespan).min()
    }

    /// Looks up those that are new.
    mutating func learn(_ table: TopicTable, of group: GroupID) {
        // A cut may have taken topics back.
        if groups[group.index].records.count > table.count { groups[group.index] = Group() }
        while groups[group.index].records.count < table.count {
            let rule = topics.rule(for: table.name(of: TopicID(UInt32(groups[group.index].records.count))) ?? "")
            groups[group.index].records.append(Int32(rule?.maxRecord ?? Limits.record))
            groups[group.index].levels.append(rule?.level ?? group.level)
            if shortestLifespan != nil { groups[group.index].lifespans.append(rule?.lifespan ?? 0) }
            if hasRates { groups[group.index].purses.append(Purse(rate: Int64(rule?.maxRate ?? 0))) }
            if hasReplicas { groups[group.index].replicas.append(UInt8(rule?.replicas ?? 0)) }
            if !schemas.isEmpty { groups[group.index].schemas.append(Int32(rule?.schema.flatMap { schemas.firstIndex(of: $0) } ?? -1)) }
        }
    }

    /// What is known of topics from a number on is forgotten: a cut may have taken them back, and given their numbers to others.
    mutating func cut(_ group: GroupID, to count: Int) {
        guard groups[group.index].records.count > count else { return }
        groups[group.index].records.removeLast(groups[group.index].records.count - count)
        func shorten<T>(_ list: inout [T]) { if list.count > count { list.removeLast(list.count - count) } }
        shorten(&groups[group.index].levels)
        shorten(&groups[group.index].lifespans)
        shorten(&groups[group.index].purses)
        shorten(&groups[group.index].schemas)
        shorten(&groups[group.index].replicas)
    }

    func recordLimits(of group: GroupID) -> [Int32] { groups[group.index].records }

    /// As the topics file has it; the group's own where it has not been looked up.
    func level(of topic: TopicID, _ group: GroupID) -> Level {
        let levels = groups[group.index].levels
        return topic.index < levels.count ? levels[topic.index] : group.level
    }

    /// How many nodes keep the records of a topic of the durable group, 0: all.
    func replicas(of topic: TopicID) -> Int {
        let replicas = groups[GroupID.durable.index].replicas
        return topic.index < replicas.count ? Int(replicas[topic.index]) : 0
    }

    /// Whether a record of `topic` is no longer delivered late at this age, nanoseconds.
    func isOver(_ topic: TopicID, _ group: GroupID, age: UInt64) -> Bool {
        let lifespans = groups[group.index].lifespans
        return topic.index < lifespans.count && lifespans[topic.index] > 0 && age > lifespans[topic.index]
    }

    /// The first of a batch's records, which were found whole, that is not as its topic's schema says; a remove is of no schema.
    func flaw(in records: ByteView, _ group: GroupID) -> (record: Int, topic: TopicID, why: String)? {
        guard !schemas.isEmpty else { return nil }
        var cursor = RecordCursor(records)
        var number = 0
        while let record = cursor.next() {
            let topic = record.header.topic
            let place = groups[group.index].schemas[topic.index]
            if place >= 0, record.header.flags & RecordHeader.tombstone == 0, let why = schemas[Int(place)].flaw(in: record.payload) {
                return (number, topic, why)
            }
            number += 1
        }
        return nil
    }

    /// `100/s` or `30/min`.
    func rate(of topic: TopicID, _ group: GroupID) -> String {
        let rate = groups[group.index].purses[topic.index].rate
        return rate % 60 == 0 ? "\(rate / 60)/s" : "\(rate)/min"
    }

    /// Counts a batch's records, which were found whole; nil, or the first that is too many of its topic: then none is counted.
    mutating func spend(_ records: ByteView, _ group: GroupID, now: UInt64) -> (record: Int, topic: TopicID)? {
        guard hasRates else { return nil }
        spent.removeAll(keepingCapacity: true)
        var at = 0
        var number = -1
        while at < records.count {
            let header = RecordHeader(records.from(at))
            at += header.length
            number += 1
            let topic = header.topic.index
            guard groups[group.index].purses[topic].rate > 0 else { continue }
            groups[group.index].purses[topic].earn(now)
            guard groups[group.index].purses[topic].saved >= Purse.record else {
                giveBack(group)
                return (number, header.topic)
            }
            groups[group.index].purses[topic].saved -= Purse.record
            spent.append(topic)
        }
        return nil
    }
    /// The batch that was counted last was not taken.
    mutating func giveBack(_ group: GroupID) {
        for topic in spent { groups[group.index].purses[topic].saved += Purse.record }
        spent.removeAll(keepingCapacity: true)
    }
}
