package import Wire

/// What the disk is asked of the values of topics.
package struct ValueQuery: Sendable {
    /// As the node numbers its questions.
    package let id: UInt32
    package let group: GroupID
    /// Never `latest`: that is what `below` stands for.
    package var cut: StoreCut
    /// Where the delivered part of the log ends.
    package let below: LogEnd
    /// Ascending, at most `Limits.storePageTopics`.
    package let topics: [TopicID]
    package let showsRemoved: Bool
    /// Of rows; one may take more.
    package let maximumBytes: Int
    package init(
        id: UInt32, group: GroupID, cut: StoreCut, below: LogEnd, topics: [TopicID], showsRemoved: Bool = false,
        maximumBytes: Int = Limits.storePage
    ) {
        self.id = id
        self.group = group
        self.cut = cut
        self.below = below
        self.topics = topics
        self.showsRemoved = showsRemoved
        self.maximumBytes = maximumBytes
    }
}

extension ValueQuery {
    /// The same of some of its topics.
    func of(_ topics: [TopicID]) -> ValueQuery {
        ValueQuery(id: id, group: group, cut: cut, below: below, topics: topics, showsRemoved: showsRemoved, maximumBytes: maximumBytes)
    }
}

/// What the disk answers: rows of the first `taken` topics of the query, those of them that have a value. With nothing taken more of
/// the index has been made, and the question is to be put again.
package struct ValuePage: Sendable {
    package let id: UInt32
    package let cut: Offset
    package let taken: Int
    /// Whose the rows are.
    package let topics: [TopicID]
    /// `VersionHeader` and record, topic after topic.
    package let rows: OwnedBytes
    /// A topic of which what it was at the cut may be gone from the log: there is no answer.
    package let cleaned: TopicID?
    package init(
        id: UInt32, cut: Offset, taken: Int, topics: [TopicID] = [], rows: OwnedBytes = OwnedBytes(count: 0), cleaned: TopicID? = nil
    ) {
        self.cleaned = cleaned
        self.id = id
        self.cut = cut
        self.taken = taken
        self.topics = topics
        self.rows = rows
    }
}

/// A search from the log's end back for records of some topics; it is answered with itself, further on.
package struct TailQuery: Sendable {
    package let id: UInt32
    package let group: GroupID
    /// One bit a topic.
    package let wanted: [UInt64]
    /// Records still to be found before the offset `before`; at 0 that is the place.
    package var left: Int
    package var before: Offset
    package let below: LogEnd
    /// Where each of those found lies, where they are asked for.
    package var found: [Offset]?
    package init(id: UInt32, group: GroupID, wanted: [UInt64], left: Int, before: Offset, below: LogEnd, found: [Offset]? = nil) {
        self.found = found
        self.id = id
        self.group = group
        self.wanted = wanted
        self.left = left
        self.before = before
        self.below = below
    }
    package func wants(_ topic: TopicID) -> Bool { topic.index >> 6 < wanted.count && wanted[topic.index >> 6] >> UInt64(topic.index & 63) & 1 == 1 }
}
