package import Wire

/// How much there is of something per second, in whole thousandths: a sensor that speaks once a minute still counts, and sums
/// are the same in whatever order they are taken. At least 0.
package struct Rate: Hashable, Comparable, Sendable {
    package let thousandths: Int

    package init(thousandths: Int) {
        precondition(thousandths >= 0)
        self.thousandths = thousandths
    }
    package init(perSecond: Int) { self.init(thousandths: perSecond * 1000) }

    package static let zero = Rate(thousandths: 0)
    package static func < (a: Self, b: Self) -> Bool { a.thousandths < b.thousandths }
    /// The largest that a topic may have: 10^12 a second.
    package static let most = Rate(thousandths: 1_000_000_000_000_000)
}

/// What folding has to know of one topic.
package struct TopicDemand: Equatable, Sendable {
    /// Keys, headers and payloads.
    package var bytes: Rate
    package var records: Rate
    /// Nodes with a subscriber, by rank.
    package var interest: RankSet
    /// Nodes that must hold it whether or not anybody there wants it.
    package var replicas: RankSet
    package var level: Level

    package init(bytes: Rate, records: Rate, interest: RankSet, replicas: RankSet = RankSet(), level: Level) {
        self.bytes = bytes
        self.records = records
        self.interest = interest
        self.replicas = replicas
        self.level = level
    }

    /// Nodes to which each record has to go. Empty: nobody needs the topic, and it has no place.
    package var needs: RankSet { interest.union(replicas) }
}

