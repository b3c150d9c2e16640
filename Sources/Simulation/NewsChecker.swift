/// What unordered topics promise: nothing that was not asked for, no record twice nor before an older one of its publisher's and topic while the view
/// is the same, and, where nothing fails, every record that was published after the subscriber had been told that it is one.
struct NewsChecker {
    enum Phase { case storm, calm, over }
    /// Nobody misses anything for want of room, and topics are many.
    let isNewsroom: Bool
    struct Record {
        let publisher: Int
        let topic: String
        let sequence: UInt64
        let at: UInt64
    }
    private struct Watching {
        let wanted: Wanted
        let view: UInt64
        let since: UInt64
        var isWhole = true
        var seen: Set<UInt64> = []
        var last: [String: UInt64] = [:]
    }
    var phase = Phase.storm
    private var records: [Record] = []
    /// By publisher and topic: all of them.
    private var byTopic: [String: [Record]] = [:]
    /// Who has asked to subscribe, since when, and was not answered.
    private var asking: [Int: UInt64] = [:]
    private var watching: [Int: Watching] = [:]
    /// By publisher: what it sent before may be lost.
    private var disturbed: [Int: UInt64] = [:]

    init(isNewsroom: Bool) { self.isNewsroom = isNewsroom }

    func topics(_ random: inout SplitMix64) -> [String] { (0...random.below(4)).map { "u/\($0)/\(random.below(isNewsroom ? 40 : 3))" } }
    func interest(_ random: inout SplitMix64) -> Wanted {
        if isNewsroom, random.chance(80) { return Wanted(patterns: (0...random.below(2)).map { _ in "u/\(random.below(4))/#" }, exclusions: []) }
        switch random.below(6) {
        case 0: return .everything
        case 1: return Wanted(patterns: ["u/#"], exclusions: ["u/0/#"])
        case 2: return Wanted(patterns: ["u/+/\(random.below(3))"], exclusions: [])
        case 3: return Wanted(patterns: ["nothing/of/this"], exclusions: [])
        default: return Wanted(patterns: ["u/\(random.below(4))/#"], exclusions: [])
        }
    }

    mutating func sent(_ record: Record) {
        guard phase == .calm else { return }
        records.append(record)
        byTopic[key(record.publisher, record.topic), default: []].append(record)
    }
    private func key(_ publisher: Int, _ topic: String) -> String { "\(publisher) \(topic)" }
    mutating func isDisturbed(publisher: Int, at time: UInt64) { disturbed[publisher] = time }
    mutating func asks(_ client: Int, at time: UInt64) { asking[client] = time }
    func isAsking(_ client: Int) -> Bool { asking[client] != nil }
    mutating func subscribed(_ client: Int, _ wanted: Wanted, view: UInt64, at time: UInt64) {
        asking[client] = nil
        watching[client] = Watching(wanted: wanted, view: view, since: time)
    }
    mutating func left(_ client: Int) { (watching[client], asking[client]) = (nil, nil) }
    mutating func misses(_ client: Int) { watching[client]?.isWhole = false }

    mutating func saw(_ publisher: Int, _ sequence: UInt64, topic: String, by client: Int, view: UInt64) -> String? {
        guard let one = watching[client], one.view == view else {
            watching[client]?.isWhole = false
            return nil
        }
        let key = key(publisher, topic)
        if let last = one.last[key], last >= sequence {
            return "news subscriber \(client) receives record \(sequence) of publisher \(publisher) for \(topic) behind \(last)"
        }
        watching[client]!.last[key] = sequence
        watching[client]!.seen.insert(Self.mark(publisher, sequence))
        // The one before it cannot come any more: not only at the end is it missing.
        let sent = isNewsroom ? byTopic[key] ?? [] : []
        guard let index = sent.lastIndex(where: { $0.sequence == sequence }), index > 0, isDue(sent[index - 1], one) else { return nil }
        return missing(sent[index - 1], client, one)
    }

    private static func mark(_ publisher: Int, _ sequence: UInt64) -> UInt64 { sequence << 8 | UInt64(publisher & 255) }
    /// It was published after the subscriber had heard that it is one, and it has not come.
    private func isDue(_ record: Record, _ one: Watching) -> Bool {
        record.at > max(one.since, disturbed[record.publisher] ?? 0) && one.wanted.matches(record.topic)
            && !one.seen.contains(Self.mark(record.publisher, record.sequence))
    }
    private func missing(_ record: Record, _ client: Int, _ one: Watching) -> String {
        "news subscriber \(client), subscribed at \(one.since / 1000) µs, does not have record \(record.sequence) of \(record.publisher) "
            + "for \(record.topic), published at \(record.at / 1000) µs"
    }

    /// - view: of each subscriber's node now; nil where it has none.
    func missing(_ view: (Int) -> UInt64?) -> String? {
        if let client = asking.keys.min() { return "news subscriber \(client) asked at \(asking[client]! / 1000) µs, and has no answer" }
        for client in watching.keys.sorted() {
            guard let one = watching[client], one.isWhole, view(client) == one.view else { continue }
            if let record = records.first(where: { isDue($0, one) }) { return missing(record, client, one) }
        }
        return nil
    }
}
