internal import Wire

/// What cleaning may take, and whether it took no more: kept beside the system, from what nodes gave their disks to append before anything
/// was cleaned. Shares no decision with it, and reads logs by the byte offsets of their drawings.
struct CleanChecker {
    /// What one rule lets go, in the words of topics.yaml.
    struct Rule {
        let prefix: String
        var time: UInt64?
        var bytes: UInt64?
        var records: UInt64?
        var compact = false
        /// How many disks keep its records, 0: all.
        var replicas = 0
    }
    struct Record {
        let offset: UInt64
        let topic: Int
        let time: UInt64
        let sender: UInt16
        let isRemove: Bool
        let key: [UInt8]
        let length: UInt64
        /// Payload, as clients lay it out: who, operation, sequence.
        let client: UInt32
        let operation: UInt32
        let sequence: UInt64
    }
    private struct Entry {
        var records: [Record] = []
        var names: [String] = []
        var time: UInt64 = 0
    }
    let rules: [Rule]
    let removesStay: UInt64
    /// By host: entries on their way.
    private var pending: [[UInt64: Entry]]
    private(set) var placed: [Record] = []
    private(set) var names: [String] = []
    /// When the last entry was ordered, whether it has records or not: the log's time.
    private(set) var time: UInt64 = 0
    private var next: UInt64 = 0
    private var cached: (end: UInt64, time: UInt64, gone: Set<UInt64>)?

    init(_ rules: [Rule], removesStay: UInt64, hosts: Int) {
        (self.rules, self.removesStay) = (rules, removesStay)
        pending = Array(repeating: [:], count: hosts)
    }

    // MARK: what was written

    mutating func appended(_ host: Int, _ header: EntryHeader, _ body: [UInt8]) {
        guard !header.isCleaned else {
            // Whoever delivered it had it whole.
            for number in header.number.raw..<header.endNumber.raw { pending[host][number] = nil }
            return
        }
        pending[host][header.number.raw] = Self.read(header, body)
    }
    mutating func cut(_ host: Int, from number: UInt64) { pending[host] = pending[host].filter { $0.key < number } }

    /// Entries below `end` are what they are for good.
    mutating func delivered(_ host: Int, below end: UInt64) {
        guard next < end else { return }
        while next < end, let entry = pending[host][next] {
            placed += entry.records
            names += entry.names
            time = entry.time
            next += 1
        }
        pending[host] = pending[host].filter { $0.key >= next }
    }

    private static func int(_ bytes: [UInt8], _ at: Int, _ width: Int) -> UInt64 {
        at + width <= bytes.count ? (0..<width).reversed().reduce(0) { $0 << 8 | UInt64(bytes[at + $1]) } : 0
    }
    /// Where the key and the payload of the record at `at` lie.
    private static func parts(_ bytes: [UInt8], _ at: Int) -> (key: Range<Int>, payload: Range<Int>) {
        if bytes[at + 4] & 8 != 0 { return (at + 16..<at + 16, at + 16..<at + 16 + Int(int(bytes, at + 5, 3))) }
        let key = at + 24..<at + 24 + Int(int(bytes, at + 16, 2))
        let start = key.upperBound + Int(int(bytes, at + 18, 2))
        return (key, start..<start + Int(int(bytes, at + 20, 4)))
    }
    private static func padded(_ length: Int) -> Int { (length + 7) / 8 * 8 }
    private static func read(_ header: EntryHeader, _ body: [UInt8]) -> Entry {
        var entry = Entry()
        entry.time = header.timestamp.raw
        var offset = header.baseOffset.raw
        var at = 0
        while at + 40 <= body.count {
            let end = at + Int(int(body, at, 4))
            let kind = body[at + 34]
            var record = at + 40
            while record + 16 <= end, kind < 2 {
                let (key, payload) = parts(body, record)
                if kind == 1 {
                    entry.names.append(String(decoding: body[payload], as: UTF8.self))
                } else {
                    entry.records.append(
                        Record(
                            offset: offset, topic: Int(int(body, record, 4)), time: header.timestamp.raw, sender: header.sender.raw,
                            isRemove: body[record + 4] & 2 != 0, key: Array(body[key]),
                            length: UInt64(padded(payload.upperBound - record)), client: UInt32(int(body, payload.lowerBound, 4)),
                            operation: UInt32(int(body, payload.lowerBound + 4, 4)), sequence: int(body, payload.lowerBound + 8, 8)))
                    offset += 1
                }
                record += padded(payload.upperBound - record)
            }
            at = max(end, at + 40)
        }
        return entry
    }

    // MARK: what may go

    private func rule(_ topic: Int) -> Rule? {
        guard topic < names.count else { return nil }
        return rules.first { names[topic].hasPrefix($0.prefix) }
    }

    /// Offsets below `end` that the rules let go where the log's time is `time`.
    mutating func mayGo(below end: UInt64, at time: UInt64) -> Set<UInt64> {
        if let cached, cached.end == end, cached.time == time { return cached.gone }
        var byTopic: [Int: [Record]] = [:]
        for record in placed where record.offset < end { byTopic[record.topic, default: []].append(record) }
        var gone: Set<UInt64> = []
        for topic in byTopic.keys.sorted() {
            guard let rule = rule(topic) else { continue }
            var later = 0
            var bytes: UInt64 = 0
            var newer: UInt64?
            var keys: Set<[UInt8]> = []
            var isRemoved = false
            for record in byTopic[topic]!.reversed() {
                bytes += record.length
                var goes = false
                if let newer, let span = rule.time, newer + span <= time { goes = true }
                if let most = rule.records, later >= most { goes = true }
                if let most = rule.bytes, bytes > most { goes = true }
                if rule.compact, keys.contains(record.key) || isRemoved { goes = true }
                if later == 0 { goes = rule.compact && record.isRemove && record.time + removesStay <= time }
                if goes { gone.insert(record.offset) }
                later += 1
                newer = record.time
                keys.insert(record.key)
                isRemoved = isRemoved || record.isRemove
            }
        }
        cached = (end, time, gone)
        return gone
    }

    /// Offsets of the records in a log's bytes, with their topics, from its beginning on, and where it ends; or what is wrong with it.
    static func records(_ log: [UInt8]) -> (present: [UInt64: Int], end: UInt64, problem: String?) {
        var present: [UInt64: Int] = [:]
        var at = 0
        var number: UInt64 = 0
        var offset: UInt64 = 0
        func int(_ at: Int, _ width: Int) -> UInt64 { self.int(log, at, width) }
        while at + 72 <= log.count {
            let isCleaned = log[at + 2] == UInt8(ascii: "C")
            guard int(at + 16, 8) == number, int(at + 24, 8) == offset else {
                return (present, offset, "entry \(int(at + 16, 8)) stands where \(number) should")
            }
            number += isCleaned ? int(at + 14, 2) + 1 : 1
            var batch = at + 72
            var place = offset
            for _ in 0..<(isCleaned ? int(at + 12, 2) : int(at + 12, 4)) {
                let end = batch + Int(int(batch, 4))
                let kind = log[batch + 34]
                var record = batch + 40
                var (delta, left): (UInt64, UInt64) = (0, kind == 0 ? .max : 0)
                while record < end, kind == 0 || kind == 4 {
                    if left == 0 {
                        (delta, left) = (int(record, 4), int(record + 4, 4))
                        record += 8
                    }
                    present[place + delta] = Int(int(record, 4))
                    record += padded(parts(log, record).payload.upperBound - record)
                    (delta, left) = (delta + 1, left - 1)
                }
                if kind == 0 || kind == 4 { place += int(batch + 28, 4) }
                batch = end
            }
            offset += int(at + 52, 4)
            at += Int(int(at + 4, 4))
        }
        return (present, offset, nil)
    }

    /// How many records are missing from a log's bytes, all of its entries, and what is wrong with them: nil, or words. `gone`: what may be
    /// missing; `delivered`: records from there on may be taken back yet; `elsewhere`: on how many other disks a record is; `spoilt`: how many of
    /// its copies may be lost by rot and not be put back yet.
    func judge(_ log: [UInt8], gone: Set<UInt64>, delivered: UInt64, spoilt: Int, elsewhere: (UInt64) -> Int) -> (missing: Int, problem: String?) {
        let (present, end, problem) = Self.records(log)
        if let problem { return (0, problem) }
        var missing = 0
        var last: [Int: UInt64] = [:]
        for record in placed where record.offset < min(end, delivered) { last[record.topic] = record.offset }
        for record in placed where record.offset < min(end, delivered) {
            if let topic = present[record.offset] {
                if topic != record.topic { return (missing, "offset \(record.offset) has topic \(topic), not \(record.topic)") }
            } else {
                missing += 1
                guard !gone.contains(record.offset) else { continue }
                let name = record.topic < names.count ? names[record.topic] : "?"
                let place = "offset \(record.offset) of \(name), ordered at \(record.time)"
                guard let replicas = rule(record.topic)?.replicas, replicas > 0 else { return (missing, "\(place), is gone; the rules keep it") }
                if last[record.topic] == record.offset { return (missing, "\(place), is its topic's last and gone") }
                let copies = elsewhere(record.offset)
                if copies < replicas - spoilt { return (missing, "\(place), is gone, and \(copies) other disks have it; \(replicas) should") }
            }
        }
        return (missing, nil)
    }
}
