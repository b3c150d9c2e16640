/// What a reading of every node shows, against what was acknowledged.
struct Account: Equatable {
    var lost = 0
    var duplicated = 0
    var reordered = 0
    /// What is wrong besides, in words.
    var flaws: [String] = []
    var isClean: Bool { lost == 0 && duplicated == 0 && reordered == 0 && flaws.isEmpty }

    /// Reads every node from the beginning and holds it against `acknowledged` and against the reader that followed.
    static func take(of cluster: Cluster, exact: Bool) throws(Trouble) -> Account {
        var account = Account()
        let expected = cluster.acknowledgedInAll
        var histories: [(String, History)] = []
        for (number, history) in try readAll(cluster, expected) {
            histories.append(("node \(number)", history))
            account.add(history, "node \(number)", cluster.acknowledged, exact: exact)
        }
        if exact, account.isClean, let follower = cluster.follower {
            try cluster.watch.until("the reader that follows has all", within: 20) { follower.history.records >= expected || follower.child.end != nil }
            try follower.mustRun()
            histories.append(("the reader that follows", follower.history))
            account.add(follower.history, "the reader that follows", cluster.acknowledged, exact: true)
        }
        if exact { account.compare(histories) }
        return account
    }

    /// Every node at once; one that has not caught up is read again.
    private static func readAll(_ cluster: Cluster, _ expected: Int) throws(Trouble) -> [(Int, History)] {
        var found: [Int: History] = [:]
        for _ in 0..<5 {
            var readers: [(Int, Follower)] = []
            for node in cluster.nodes where node.isRunning && (found[node.number]?.records ?? -1) < expected {
                readers.append((node.number, try Follower(cluster, from: node.number, toEnd: true)))
            }
            if readers.isEmpty { break }
            try cluster.watch.until("every node is read", within: 60) { readers.allSatisfy { $0.1.child.isDone } }
            for (number, reader) in readers {
                guard reader.child.end == .exit(0) else {
                    throw .broken("reading node \(number) ended with \(reader.child.end.map { "\($0)" } ?? ""): \(reader.said.suffix(2).joined(separator: " / "))")
                }
                found[number] = reader.history
            }
        }
        return found.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    private mutating func add(_ history: History, _ who: String, _ acknowledged: [String: Int], exact: Bool) {
        var lost = history.garbled
        for (name, count) in acknowledged {
            let topic = history.topics.first { $0.name == Array(name.utf8) }
            let missing = topic?.missing.count { $0 <= count } ?? 0
            let short = max(0, count - ((topic?.next ?? 1) - 1))
            lost += missing + short
            if exact, let topic, topic.next - 1 > count { flaws.append("\(who): topic \(name) holds \(topic.next - 1), published were \(count)") }
        }
        // Readers of one log see the same loss: it is counted once.
        self.lost = max(self.lost, lost)
        duplicated = max(duplicated, history.duplicated)
        reordered = max(reordered, history.reordered)
        if lost > 0 || history.duplicated > 0 || history.reordered > 0 {
            flaws.append("\(who): lost \(lost), duplicated \(history.duplicated), reordered \(history.reordered), of \(history.records)")
        }
    }

    private mutating func compare(_ histories: [(String, History)]) {
        guard let first = histories.first else { return }
        for (who, history) in histories.dropFirst() where history.records != first.1.records || history.hash != first.1.hash {
            flaws.append("\(who) and \(first.0) differ: \(history.records) and \(first.1.records) records; \(History.difference(history, first.1))")
        }
    }
}
