internal import Storage
internal import Wire

/// From where on the past of each topic is exact in this node's log, kept beside it: written before anything goes.
///
///      0                8        12       16
///      | copied         | count  | flags  | count × u64: by topic, the first offset at which a cut finds what it found before
///
/// `copied`: where the other node's log ended when the last entry came from it that had been cleaned there: of what lies below only that node knows
/// whether it is exact.
/// `flags`: 1 where another node's log came without what only others hold (`hasGaps`).
struct CleanMarks: Equatable {
    static let name = "cleaned"
    var copied: UInt64 = 0
    /// Checkpoints that were made in the midst of a copy do not know of all records before them: some are others' to hold, or were put back.
    var hasGaps = false
    private(set) var exact: [UInt64] = []

    init() {}
    /// Nil where the bytes are not those of marks.
    init?(_ bytes: [UInt8]) {
        guard bytes.count >= 16 else { return nil }
        let isWhole = bytes.withView { view -> Bool in
            guard view.count == 16 + Int(view.u32(8)) * 8 else { return false }
            copied = view.u64(0)
            hasGaps = view.u32(12) & 1 == 1
            exact = (0..<Int(view.u32(8))).map { view.u64(16 + $0 * 8) }
            return true
        }
        guard isWhole else { return nil }
    }
    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(int: copied)
        bytes.append(int: UInt32(exact.count))
        bytes.append(int: UInt32(hasGaps ? 1 : 0))
        for offset in exact { bytes.append(int: offset) }
        return bytes
    }

    /// What the plan lets go; marks never fall.
    mutating func raise(by plan: KeepPlan) {
        while exact.count < plan.topicCount { exact.append(0) }
        for topic in 0..<plan.topicCount { exact[topic] = max(exact[topic], plan.exact(topic)) }
    }

    /// Whether a cut at `offset` finds of a topic what it found before anything was cleaned; `isRuled`: some rule may let its records go.
    func isExact(_ topic: TopicID, at offset: Offset, isRuled: Bool) -> Bool {
        if planted(.cleanedReadAsThere) { return true }
        let own = topic.index < exact.count ? exact[topic.index] : 0
        return offset.raw >= own && (!isRuled || offset.raw >= copied)
    }
}
