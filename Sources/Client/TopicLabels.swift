internal import Wire

/// Names of topics by their ids. A record refers to all of them and not to its own: nothing is counted, and no name's memory touched, for a
/// record whose name nobody asks for.
final class TopicLabels {
    private var names: [String] = []
    /// Whose names are known; a byte each, looked at once a record.
    private var known: [Bool] = []

    init() {}
    init(_ names: [String]) {
        self.names = names
        known = names.map { _ in true }
    }

    subscript(_ index: Int) -> String { names[index] }
    func knows(_ index: Int) -> Bool { index < known.count && known[index] }

    func learn(_ name: String, of topic: TopicID) throws(DecodeError) {
        guard topic.index < Limits.topics else { throw .limit(what: "topic id", value: UInt64(topic.raw), limit: UInt64(Limits.topics)) }
        let missing = topic.index + 1 - names.count
        if missing > 0 {
            names.append(contentsOf: repeatElement("", count: missing))
            known.append(contentsOf: repeatElement(false, count: missing))
        }
        names[topic.index] = name
        known[topic.index] = true
    }
}
