/// What unordered topics promise: nothing that was not asked for, no record twice nor before an older one of its publisher's and topic while the view
/// is the same, and, where nothing fails, every record that was published after the subscriber had been told that it is one.
struct NewsChecker {
    enum Phase { case storm, calm, over }
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
    private var watching: [Int: Watching] = [:]
    /// By publisher: what it sent before may be lost.
    private var disturbed: [Int: UInt64] = [:]

    static func topics(_ random: inout SplitMix64) -> [String] { (0...random.below(4)).map { "u/\($0)/\(random.below(3))" } }
    static func interest(_ random: inout SplitMix64) -> Wanted {
        switch random.below(6) {
        case 0: return .everything
        case 1: return Wanted(patterns: ["u/#"], exclusions: ["u/0/#"])
        case 2: return Wanted(patterns: ["u/+/\(random.below(3))"], exclusions: [])
        case 3: return Wanted(patterns: ["nothing/of/this"], exclusions: [])
        default: return Wanted(patterns: ["u/\(random.below(4))/#"], exclusions: [])
        }
    }

    mutating func sent(_ record: Record) { if phase == .calm { records.append(record) } }
    mutating func isDisturbed(publisher: Int, at time: UInt64) { disturbed[publisher] = time }
    mutating func subscribed(_ client: Int, _ wanted: Wanted, view: UInt64, at time: UInt64) {
        watching[client] = Watching(wanted: wanted, view: view, since: time)
    }
    mutating func left(_ client: Int) { watching[client] = nil }
    mutating func misses(_ client: Int) { watching[client]?.isWhole = false }

    mutating func saw(_ publisher: Int, _ sequence: UInt64, topic: String, by client: Int, view: UInt64) -> String? {
        guard let one = watching[client], one.view == view else {
            watching[client]?.isWhole = false
            return nil
        }
        let key = "\(publisher) \(topic)"
        if let last = one.last[key], last >= sequence {
            return "news subscriber \(client) receives record \(sequence) of publisher \(publisher) for \(topic) behind \(last)"
        }
        watching[client]!.last[key] = sequence
        watching[client]!.seen.insert(sequence << 8 | UInt64(publisher & 255))
        return nil
    }

    /// - view: of each subscriber's node now; nil where it has none.
    func missing(_ view: (Int) -> UInt64?) -> String? {
        for client in watching.keys.sorted() {
            guard let one = watching[client], one.isWhole, view(client) == one.view else { continue }
            for record in records where record.at > max(one.since, disturbed[record.publisher] ?? 0) && one.wanted.matches(record.topic) {
                guard !one.seen.contains(record.sequence << 8 | UInt64(record.publisher & 255)) else { continue }
                return "news subscriber \(client), subscribed at \(one.since / 1000) µs, does not have record \(record.sequence) of \(record.publisher) "
                    + "for \(record.topic), published at \(record.at / 1000) µs"
            }
        }
        return nil
    }
}
