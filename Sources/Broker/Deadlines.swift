internal import HeapModule
internal import Topics
internal import Wire

/// Which topics have gone longer without a record than their rule's `deadline` allows (OMG DDS 1.4, 2.2.3.7 DEADLINE). Counted by the
/// first member of a view, from its beginning on or from the topic's; a topic whose last record is a remove owes nothing.
struct Deadlines: Sendable {
    private struct Line: Sendable {
        /// Nanoseconds; 0: no deadline.
        let span: UInt64
        /// When the last record came, monotonic nanoseconds.
        var seen: UInt64
        var state = State.met
        /// Whether it stands in `due`.
        var isQueued = false
    }
    private enum State: Sendable { case met, missed, removed }
    private struct Due: Comparable, Sendable {
        let at: UInt64
        let topic: Place
        static func < (a: Due, b: Due) -> Bool { a.at < b.at }
    }
    struct Place: Hashable, Sendable {
        let group: Int
        let topic: TopicID
    }
    struct Change: Sendable {
        let place: Place
        let isMissed: Bool
        /// How long the topic has been silent, and how long it may be; nanoseconds.
        let silent: UInt64
        let span: UInt64
    }

    /// Whether some rule has a deadline at all.
    let isWanted: Bool
    private let topics: TopicsConfiguration
    private var lines: [[Line]] = Array(repeating: [], count: GroupID.count)
    /// One for each topic that owes a record; looked at again when its deadline may have passed.
    private var due = Heap<Due>()
    /// What has come to be since the last look.
    private var changes: [Change] = []

    init(_ topics: TopicsConfiguration) {
        self.topics = topics
        isWanted = (topics.rules + [topics.defaults]).contains { $0.deadline != nil }
    }

    /// When a topic may have been silent for too long, .max: none.
    var dueAt: UInt64 { due.min?.at ?? .max }
    /// Whether somebody is to be told.
    var hasChanges: Bool { !changes.isEmpty }

    /// Counts anew: another view, another member that counts.
    mutating func reset() {
        guard isWanted else { return }
        lines = Array(repeating: [], count: GroupID.count)
        due = Heap()
        changes = []
    }

    func count(of group: GroupID) -> Int { lines[group.index].count }
    /// Whether records of the topic are to be seen here: it has a deadline, or that is not known yet.
    func mayCount(_ topic: TopicID, of group: GroupID) -> Bool {
        topic.index >= lines[group.index].count || lines[group.index][topic.index].span > 0
    }

    /// Topics of `table` below `count` that are new begin now.
    mutating func learn(_ table: TopicTable, upTo count: Int, of group: GroupID, now: UInt64) {
        while lines[group.index].count < count {
            let topic = TopicID(UInt32(lines[group.index].count))
            // What the cluster says itself comes when there is something to be said.
            let span = table.withName(of: topic) { $0.u8(0) == UInt8(ascii: "$") ? nil : topics.rule(for: $0)?.deadline } ?? nil
            lines[group.index].append(Line(span: span ?? 0, seen: now))
            if span != nil { enqueue(Place(group: group.index, topic: topic)) }
        }
    }

    /// Records have come, in batches as they lie in a frame.
    mutating func note(_ body: ByteView, of group: GroupID, now: UInt64) {
        let group = group.index
        var batches = BatchCursor(body)
        while let (header, whole) = (try? batches.next(verify: false)) ?? nil {
            guard header.kind == .records else { continue }
            var records = RecordCursor(whole.from(BatchHeader.size))
            while let record = records.next() {
                let topic = record.header.topic
                guard topic.index < lines[group].count, lines[group][topic.index].span > 0 else { continue }
                let line = lines[group][topic.index]
                let isRemove = record.header.flags & RecordHeader.tombstone != 0
                lines[group][topic.index].seen = now
                lines[group][topic.index].state = isRemove ? .removed : .met
                let place = Place(group: group, topic: topic)
                if line.state == .missed, !isRemove {
                    changes.append(Change(place: place, isMissed: false, silent: now - min(now, line.seen), span: line.span))
                }
                if !line.isQueued, !isRemove { enqueue(place) }
            }
        }
    }

    private mutating func enqueue(_ place: Place) {
        let line = lines[place.group][place.topic.index]
        lines[place.group][place.topic.index].isQueued = true
        due.insert(Due(at: line.seen + line.span, topic: place))
    }

    /// What has been missed, and what has come after all, since the last call.
    mutating func changes(now: UInt64) -> [Change] {
        while let first = due.min, first.at <= now {
            due.removeMin()
            lines[first.topic.group][first.topic.topic.index].isQueued = false
            let line = lines[first.topic.group][first.topic.topic.index]
            guard line.state == .met else { continue }
            if line.seen + line.span > now {
                enqueue(first.topic)
            } else {
                lines[first.topic.group][first.topic.topic.index].state = .missed
                changes.append(Change(place: first.topic, isMissed: true, silent: now - line.seen, span: line.span))
            }
        }
        defer { changes = [] }
        return changes
    }
}
