internal import Topics
internal import Wire

/// What this node has told the others, in one view, that it wants of the unordered topics.
///
///      told      | 1 | 0 | 0 |            by topic: what the others know; behind `judged`: that it wants it
///
/// What it comes to want it says, and waits until all have heard it, before its subscriber is told; what it no longer wants it says when it comes
/// to it. What was never spoken of counts as wanted.
struct Telling: Sendable {
    private let me: Int
    private var told: [UInt64] = []
    /// This node has said something of the topics below.
    private(set) var judged = 0
    private(set) var tellsEverything = true
    private var number: UInt64 = 0
    /// By rank: what of this node's numbers it has heard.
    private var held: [UInt64]
    /// Subscriptions that wait until what they want is known.
    private var presses: [SessionID: Press] = [:]
    /// What this node wants may have changed since it was said; it is worked out again at `at`, at once where `isPressing`.
    var isStale = true
    private var at: UInt64 = 0
    private var isPressing = false

    private struct Press: Sendable {
        let everything: Bool
        let topics: [TopicID]
        var number: UInt64?
    }
    /// What is wanted no more is said at most this often; nanoseconds.
    private static var every: UInt64 { 50_000_000 }

    init(members: Int, me: Int) {
        self.me = me
        held = Array(repeating: 0, count: members)
    }

    /// Whether the others know that this node wants the topic.
    func isTold(_ topic: TopicID) -> Bool {
        tellsEverything || topic.index >= judged || told[topic.index >> 6] >> UInt64(topic.index & 63) & 1 == 1
    }
    mutating func heard(_ number: UInt64, by rank: Int) { held[rank] = max(held[rank], number) }
    private func isHeld(_ number: UInt64) -> Bool { held.indices.allSatisfy { $0 == me || held[$0] >= number } }

    /// Whether all members know what a subscription wants: they were told, and have heard that or all that was ever said.
    func isHeard(_ session: SessionID, everything: Bool, topics: [TopicID]) -> Bool {
        guard everything ? tellsEverything : topics.allSatisfy(isTold) else { return false }
        // What it waited for stood in all that was said since.
        if let press = presses[session], press.everything == everything, press.topics == topics { return !isWaiting(session) }
        return isHeld(number) || planted(.toldTakenForHeard)
    }
    /// Whether some member has not heard yet what a subscription wants.
    func isWaiting(_ session: SessionID) -> Bool {
        guard let press = presses[session] else { return false }
        return press.number.map { !isHeld($0) } ?? true
    }
    /// A subscription wants what the others do not know of.
    mutating func press(_ session: SessionID, everything: Bool, topics: [TopicID]) {
        presses[session] = Press(everything: everything, topics: topics)
        (isStale, isPressing) = (true, true)
    }
    mutating func forget(_ session: SessionID) { if presses.removeValue(forKey: session) != nil { isStale = true } }

    func isDue(_ now: UInt64) -> Bool { isStale && (isPressing || now >= at) }

    /// What is to be said to all others: what has changed since the last time.
    mutating func tell(everything: Bool, below count: Int, view: ViewNumber, now: UInt64, _ isWanted: (Int) -> Bool) -> [WantsPage] {
        (isStale, isPressing, at) = (false, false, now + Self.every)
        var pages: [WantsPage] = []
        if everything || presses.values.contains(where: \.everything) {
            if !tellsEverything {
                pages = [WantsPage(view: view, number: 0, wantsEverything: true, isLast: false, first: TopicID(0), count: 0, bits: [])]
            }
            (tellsEverything, told, judged) = (true, [], 0)
        } else if count > 0 {
            var words = [UInt64](repeating: 0, count: (count + 63) / 64)
            for topic in 0..<count where isWanted(topic) { words[topic >> 6] |= 1 << UInt64(topic & 63) }
            for press in presses.values { for topic in press.topics { words[topic.index >> 6] |= 1 << UInt64(topic.index & 63) } }
            var first = 0
            while first < count {
                let end = min(first + Limits.wantsTopics, count)
                let part = first / 64..<(end + 63) / 64
                if tellsEverything || end > judged || words[part] != told[part] {
                    var bits: [UInt8] = []
                    for word in words[part] { bits.append(int: word) }
                    bits.removeLast(bits.count - (end - first + 7) / 8)
                    pages.append(
                        WantsPage(
                            view: view, number: 0, wantsEverything: false, isLast: false, first: TopicID(UInt32(first)), count: end - first, bits: bits))
                }
                first = end
            }
            (tellsEverything, told, judged) = (false, words, count)
        }
        if !pages.isEmpty { number += 1 }
        for index in pages.indices { pages[index].number = number }
        if !pages.isEmpty { pages[pages.count - 1].isLast = true }
        for session in presses.keys { presses[session]!.number = presses[session]!.number ?? number }
        return pages
    }
}
