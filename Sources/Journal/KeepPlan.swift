internal import Store
internal import Topics
internal import Wire

/// Which records the rules keep, of those in the closed part of a log: found out by a look at all of them, from the newest to the oldest.
///
///      topic's records:   gone | gone | gone | kept | kept | kept = last          floor: the oldest that is kept
///
/// Time, bytes and history part a topic's records at its floor. Compaction takes, above the floor, those that a later one with the same
/// record key has replaced. The last one is always kept, but for a remove of a day ago in a compacted topic: it goes once nothing older is
/// left, and only the heads know of it.
///
/// Memory: 33 bytes a topic that has a rule, and some 40 a record key of compacted topics, at most `mostKeys`; of further keys all
/// records stay.
struct KeepPlan {
    /// Where the closed part ends.
    let end: LogEnd
    private let heads: HeadTable
    /// By topic: its rule, 0 is none.
    private let ruleOf: [UInt16]
    private let rules: [Keeping]
    /// By topic: records below it are held by others, and go here, but for the last; 0: none.
    private let goesBelow: [UInt64]
    /// What others alone will hold.
    let dropped: [Holdings.Line]
    private var topics: [Survey]
    private var keys: [RecordKey: UInt64] = [:]
    /// Topics of which a segment that is not rewritten has records that should go.
    private var lingering: Set<UInt32> = []

    static let mostKeys = 1 << 22
    /// A remove is kept for so long after it was made, nanoseconds: who follows the topic has seen it by then.
    private let removesStay: UInt64

    private struct Survey {
        var records: UInt64 = 0
        var bytes: UInt64 = 0
        /// The oldest record that is kept, so far.
        var lowest: UInt64 = .max
        /// Records below this one go.
        var floor: UInt64 = 0
        /// What comes now is older than the floor.
        var isOver = false
        /// Some record above the floor was replaced by one of its key.
        var isThinned = false
    }
    /// A topic and a record key, hashed twice with this process's own seeds: two keys are never taken for one.
    private struct RecordKey: Hashable {
        let low: Int
        let high: Int
        init(_ record: RecordView) {
            var first = Hasher()
            var second = Hasher()
            second.combine(1)
            first.combine(record.header.topic.raw)
            second.combine(record.header.topic.raw)
            // The view's memory stays in place during the call: its caller holds it.
            unsafe first.combine(bytes: record.key.buffer)
            unsafe second.combine(bytes: record.key.buffer)
            (low, high) = (first.finalize(), second.finalize())
        }
    }

    init(
        end: LogEnd, heads: HeadTable, ruleOf: [UInt16], rules: [Keeping], removesStay: UInt64, replicasOf: [UInt8] = [], drop: [Holdings.Line] = []
    ) {
        // Where no topic is nothing goes, and nobody needs to be asked.
        let places = Set(replicasOf.indices.map { Int(replicasOf[$0]) << 6 | BucketSet.bucket(of: TopicID(UInt32($0))) })
        dropped = drop.filter { places.contains($0.replicas << 6 | $0.bucket) }.map { Holdings.Line(replicas: $0.replicas, bucket: $0.bucket, from: $0.from, to: min($0.to, end.offset)) }
            .filter { $0.from < $0.to }
        var ends: [Int: UInt64] = [:]
        for line in dropped { ends[line.replicas << 6 | line.bucket] = line.to.raw }
        goesBelow = ends.isEmpty ? [] : replicasOf.indices.map { ends[Int(replicasOf[$0]) << 6 | BucketSet.bucket(of: TopicID(UInt32($0)))] ?? 0 }
        (self.end, self.heads, self.ruleOf, self.rules, self.removesStay) = (end, heads, ruleOf, rules, removesStay)
        topics = Array(repeating: Survey(), count: ruleOf.count)
        // What lies before a remove is replaced, also where the remove itself is gone.
        for topic in ruleOf.indices {
            guard let rule = rule(topic), rule.compact, let head = heads.head(of: TopicID(UInt32(topic))), head.isRemoved else { continue }
            topics[topic].floor = head.offset.raw
        }
    }

    private func rule(_ topic: Int) -> Keeping? { topic < ruleOf.count && ruleOf[topic] > 0 ? rules[Int(ruleOf[topic]) - 1] : nil }
    private func isLast(_ topic: TopicID, _ offset: UInt64) -> Bool { heads.head(of: topic)?.offset.raw == offset }

    private func goesBelow(_ topic: Int) -> UInt64 { topic < goesBelow.count ? goesBelow[topic] : 0 }
    /// Others hold it, and nobody asks this node for it first.
    private func isDropped(_ topic: TopicID, _ offset: UInt64) -> Bool { offset < goesBelow(topic.index) && (!isLast(topic, offset) || planted(.lastNotKept)) }

    // MARK: the look at all of them

    /// The next older record; whether it is kept. Call it for each record once, from the newest to the oldest.
    mutating func visit(_ record: RecordView, _ offset: Offset, _ time: Timestamp) -> Bool {
        let topic = record.header.topic
        if isDropped(topic, offset.raw) { return false }
        guard let rule = rule(topic.index) else { return true }
        let isRemove = record.header.flags & RecordHeader.tombstone != 0
        var survey = topics[topic.index]
        defer { topics[topic.index] = survey }
        guard !survey.isOver, offset.raw >= survey.floor else { return false }
        let length = UInt64(record.header.length)
        let isLast = isLast(topic, offset.raw) && !planted(.lastNotKept)
        let isBeyond = survey.records >= rule.records ?? .max || survey.bytes + length > rule.bytes ?? .max
        if isBeyond, !isLast {
            survey.isOver = true
            survey.floor = survey.lowest == .max ? offset.raw + 1 : survey.lowest
            return false
        }
        if rule.compact, !isLast {
            let key = RecordKey(record)
            if keys[key] != nil {
                survey.isThinned = true
                return false
            }
            if keys.count < Self.mostKeys { keys[key] = offset.raw }
        } else if rule.compact, keys.count < Self.mostKeys {
            keys[RecordKey(record)] = offset.raw
        }
        survey.records += 1
        survey.bytes += length
        survey.lowest = offset.raw
        // It was in force at the horizon: those before it were replaced earlier.
        let horizon = horizon(rule)
        if rule.time != nil, planted(.cleanedTooEarly) ? time.raw > horizon : time.raw <= horizon { endAt(offset, &survey) }
        if rule.compact, isRemove { endAt(offset, &survey) }
        return true
    }

    // MARK: by a segment's tally

    enum Verdict {
        case stays
        case goes
        /// Some stay and some go.
        case parts
        /// That hangs on what each of them is.
        case unknown
    }

    /// What becomes of a topic's records in the segment that comes next, all of them older than those that were visited or counted.
    func verdict(of line: SegmentTally.Line) -> Verdict {
        let drops = goesBelow(line.topic.index)
        if line.lowest < drops {
            let last = heads.head(of: line.topic)?.offset.raw ?? .max
            let hasLast = (line.lowest...line.highest).contains(last)
            if line.highest < drops, !hasLast { return .goes }
            if line.records > 1 || !hasLast { return .unknown }
        }
        guard let rule = rule(line.topic.index) else { return .stays }
        let survey = topics[line.topic.index]
        if survey.isOver || line.highest < survey.floor { return .goes }
        guard !rule.compact else { return .unknown }
        let isWithin = survey.records + line.records <= rule.records ?? .max && survey.bytes + line.bytes <= rule.bytes ?? .max
        if isWithin, rule.time == nil || line.oldest.raw > horizon(rule) { return .stays }
        return planted(.tallyTakenWhole) && survey.records > 0 ? .goes : .parts
    }
    /// All of them stay; where they part, more than the rule asks for, and what is older goes.
    mutating func count(_ line: SegmentTally.Line) {
        guard rule(line.topic.index) != nil else { return }
        if verdict(of: line) == .parts {
            topics[line.topic.index].isOver = true
            topics[line.topic.index].floor = line.lowest
        }
        topics[line.topic.index].records += line.records
        topics[line.topic.index].bytes += line.bytes
        topics[line.topic.index].lowest = line.lowest
    }

    private func horizon(_ rule: Keeping) -> UInt64 { end.key.timestamp.raw - min(end.key.timestamp.raw, rule.time ?? .max) }

    private func endAt(_ offset: Offset, _ survey: inout Survey) {
        survey.isOver = true
        survey.floor = offset.raw
    }

    /// A segment stays as it is, with records of `topic` that should go.
    mutating func linger(_ topics: Set<UInt32>) { lingering.formUnion(topics) }

    // MARK: afterwards

    /// Whether a version that is gone is its topic's last still.
    func isHead(_ head: KeptState.Head) -> Bool { isLast(head.topic, head.offset.raw) }

    /// What becomes of a record of the closed part.
    func fate(_ record: RecordView, _ offset: Offset, _ time: Timestamp) -> EntryCleaner.Fate {
        let topic = record.header.topic
        if isDropped(topic, offset.raw) { return .goes }
        guard let rule = rule(topic.index) else { return .stays }
        let survey = topics[topic.index]
        if offset.raw < survey.floor { return .goes }
        guard rule.compact else { return .stays }
        if let last = keys[RecordKey(record)], offset.raw < last { return .goes }
        let isRemove = record.header.flags & RecordHeader.tombstone != 0
        guard isRemove, isLast(topic, offset.raw) else { return .stays }
        if planted(.removeGoneFirst) { return .goesAsHead }
        return isOld(time) && !lingering.contains(topic.raw) ? .goesAsHead : .stays
    }
    private func isOld(_ time: Timestamp) -> Bool { time.raw + min(removesStay, .max - time.raw) <= end.key.timestamp.raw }

    /// Whether a record that is kept is a remove that may go, if nothing older of its topic is left.
    func mayGo(_ record: RecordView, _ offset: Offset, _ time: Timestamp) -> Bool {
        record.header.flags & RecordHeader.tombstone != 0 && isOld(time) && rule(record.header.topic.index)?.compact ?? false
            && isLast(record.header.topic, offset.raw)
    }

    /// From which offset on a topic's past is exact: a cut there or behind finds what it found before.
    func exact(_ topic: Int) -> UInt64 {
        let survey = topics[topic]
        if survey.isThinned { return end.offset.raw }
        return survey.floor > 0 ? survey.floor + 1 : 0
    }
    var topicCount: Int { topics.count }
}
