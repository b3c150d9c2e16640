internal import Wire

/// What clients of the store were told, against the one history that all subscribers saw. Shares no decision with the system: it knows
/// only records, in order, and what was asked and answered when.
///
/// Linearizable, topic by topic: an answer is the last version at some place of the order, and that place lies behind all that was
/// answered, to anyone, before the question was asked.
struct StoreChecker {
    /// A search for the last records of some topics: where they begin, asked when the log had been delivered up to `from` at least, and to `to` at most.
    struct Tail {
        let client: UInt32
        let topics: [String]
        let count: Int
        let place: UInt64
        let from: UInt64
        let to: UInt64
    }
    var tails: [Tail] = []

    /// Each search found as many records as were asked for, where there are as many, and no more. `topics`: by offset.
    func finishTails(topics: [String?], gone: Set<UInt64>) -> String? {
        for tail in tails {
            let all = topics.indices.filter { topics[$0].map(tail.topics.contains) ?? false }.map { UInt64($0) }
            let found = all.count { $0 >= tail.place && $0 < tail.to }
            let there = all.count { $0 < tail.from && !gone.contains($0) }
            let name = "the last \(tail.count) records of \(tail.topics), of which client \(tail.client) hears that they begin at \(tail.place)"
            if found < min(tail.count, there) { return "\(name), are \(found) only" }
            let behind = all.count { $0 > tail.place && $0 < tail.from && !gone.contains($0) }
            if behind >= tail.count { return "\(name), are \(behind + 1)" }
        }
        return nil
    }

    enum Condition: Equatable { case always, absent, version(UInt64) }
    struct Entry: Equatable {
        let topic: String
        let client: UInt32
        let operation: UInt32
        let isRemoved: Bool
        let time: UInt64
    }
    struct Put {
        let client: UInt32
        let operation: UInt32
        let topic: String
        let condition: Condition
        /// Nil: refused; `found` is then the version that stood in its way.
        let version: UInt64?
        let time: UInt64?
        let found: UInt64?
        /// What of the topic was known to all when it was asked.
        let known: UInt64?
    }
    struct Read {
        let client: UInt32
        let topics: [String]
        /// Nil: the latest.
        let time: UInt64?
        let cut: UInt64
        let found: [String: UInt64]
        let known: [String: UInt64]
    }
    private var log: [UInt64: Entry] = [:]
    private var puts: [Put] = []
    private var reads: [Read] = []
    /// The highest version of each topic in any answer so far.
    private(set) var known: [String: UInt64] = [:]
    var count: Int { puts.count + reads.count }
    var conflicts: Int { puts.count { $0.version == nil } }

    mutating func saw(_ entry: Entry, at offset: UInt64) { log[offset] = entry }
    mutating func answered(_ put: Put) {
        puts.append(put)
        if let version = put.version ?? put.found { known[put.topic] = max(known[put.topic] ?? 0, version) }
    }
    mutating func answered(_ read: Read) {
        reads.append(read)
        guard read.time == nil else { return }
        for (topic, version) in read.found { known[topic] = max(known[topic] ?? 0, version) }
    }

    /// All is quiet, the history is whole. What is wrong first, or nil.
    /// - gone: what cleaning may have taken, a remove that was a topic's last among it.
    func finish(end: UInt64, gone: Set<UInt64>) -> String? {
        var versions: [String: [UInt64]] = [:]
        var operations: [UInt64: UInt64] = [:]
        for offset in log.keys.sorted() {
            let entry = log[offset]!
            versions[entry.topic, default: []].append(offset)
            let operation = UInt64(entry.client) << 32 | UInt64(entry.operation)
            if let other = operations[operation] { return "operation \(entry.operation) of store client \(entry.client) is at \(other) and at \(offset)" }
            operations[operation] = offset
        }
        func last(_ topic: String, before cut: UInt64) -> UInt64? { versions[topic]?.last { $0 < cut } }
        for put in puts {
            let who = "put \(put.operation) of store client \(put.client) to \(put.topic) if \(put.condition)"
            let place = operations[UInt64(put.client) << 32 | UInt64(put.operation)]
            guard let version = put.version else {
                if let place { return "\(who) was refused, and is at \(place)" }
                if let found = put.found, log[found]?.topic != put.topic { return "\(who) was refused for version \(found), which is no version of it" }
                if put.found == nil, let known = put.known { return "\(who) was refused as if there were no version; \(known) was known" }
                if let found = put.found, let known = put.known, found < known { return "\(who) was refused for version \(found); \(known) was known" }
                if holds(put.condition, put.found) { return "\(who) was refused for version \(String(describing: put.found)), which it asks for" }
                continue
            }
            guard place == version else { return "\(who) is at \(String(describing: place)), and was told \(version)" }
            if let time = put.time, log[version]?.time != time { return "\(who) was told the time \(time), and has \(log[version]?.time ?? 0)" }
            if let known = put.known, version <= known { return "\(who) got version \(version) after \(known) was known" }
            let before = last(put.topic, before: version)
            if !holds(put.condition, before) { return "\(who) was accepted at \(version), after version \(String(describing: before))" }
        }
        for read in reads {
            let who = "a read of store client \(read.client) \(read.time.map { "as of \($0)" } ?? "of the latest") at the cut \(read.cut)"
            if read.cut > end { return "\(who): the history ends at \(end)" }
            for topic in read.topics {
                let due = last(topic, before: read.cut)
                let isGone = read.found[topic] == nil && due.map { log[$0]?.isRemoved ?? false && gone.contains($0) } ?? false
                if read.found[topic] != due, !isGone { return "\(who) found \(topic) at \(String(describing: read.found[topic])), not at \(String(describing: due))" }
                if read.time == nil, let known = read.known[topic], (due ?? 0) < known || due == nil { return "\(who) found \(topic) at \(String(describing: due)); \(known) was known" }
            }
        }
        return nil
    }
    /// As-of cuts are the same everywhere, for ever: the count of records stamped by then, but for those that are gone.
    func finishCuts(times: [UInt64], gone: Set<UInt64>) -> String? {
        for read in reads {
            guard let time = read.time else { continue }
            var low = 0
            var high = times.count
            while low < high {
                let middle = (low + high) / 2
                if times[middle] <= time { low = middle + 1 } else { high = middle }
            }
            let isIt = read.cut <= UInt64(low) && (read.cut..<UInt64(low)).allSatisfy { gone.contains($0) }
            if !isIt { return "as of \(time) store client \(read.client) was given the cut \(read.cut); \(low) records are stamped by then" }
        }
        return nil
    }

    private func holds(_ condition: Condition, _ version: UInt64?) -> Bool {
        switch condition {
        case .always: true
        case .version(let wanted): version == wanted
        case .absent: version.map { log[$0]?.isRemoved ?? false } ?? true
        }
    }
}
