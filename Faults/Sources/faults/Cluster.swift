import Glibc

/// Brokers, one publisher and one reader that follows all along; driven by one thread.
final class Cluster {
    let watch: Watch
    let ground: Ground
    let tools: Tools
    let folder: String
    let nodes: [Node]
    var draw: Draw
    private(set) var publisher: Publisher?
    private(set) var follower: Follower?
    /// Records of each topic that have been acknowledged, by the topic's name.
    private(set) var acknowledged: [String: Int] = [:]
    /// The longest that a record took to go through once all nodes were live again, milliseconds.
    private(set) var longestWait = 0
    var acknowledgedInAll: Int { acknowledged.values.reduce(0, +) }

    /// Writes the nodes' files; starts nothing. `data[n - 1]` is where node n keeps its data.
    init(
        _ tools: Tools, _ ground: Ground, _ watch: Watch, folder: String, data: [String], settings: String = "segment: 1MiB\n", draw: Draw
    ) throws(Trouble) {
        (self.tools, self.ground, self.watch, self.folder, self.draw) = (tools, ground, watch, folder, draw)
        nodes = data.indices.map { Node(number: $0 + 1, address: ground.addresses[$0]) }
        let members = nodes.map { "  - {node: \($0.number), address: \($0.address)}\n" }.joined()
        for node in nodes {
            let text = """
                node: \(node.number)
                cluster: faults
                listen: \(node.address)
                data: \(data[node.number - 1])
                \(settings)members:
                \(members)
                """
            try write(text, to: "\(folder)/n\(node.number).yaml")
        }
    }

    func node(_ number: Int) -> Node { nodes[number - 1] }
    var numbers: [Int] { nodes.map(\.number) }

    // MARK: nodes

    func start(_ node: Node, _ injection: Injection? = nil) throws(Trouble) {
        watch.forget(node.child)
        let words = (injection?.words ?? []) + [tools.path("dbroker"), "run", "--config", "n\(node.number).yaml"]
        let child = try Child(words, in: folder, net: ground.net(node.number))
        node.begin(child)
        watch.add(child)
    }

    /// kill -9 of all of them at once, and the wait until the system has taken them away.
    func kill(_ victims: [Node]) throws(Trouble) {
        for node in victims { node.child?.send(SIGKILL) }
        try gone(victims)
    }
    func gone(_ victims: [Node], within seconds: Double = 10) throws(Trouble) {
        try watch.until("nodes \(victims.map(\.number)) are gone", within: seconds) { victims.allSatisfy { !$0.isRunning } }
    }

    /// Each of `members` runs one view of exactly them.
    func areLive(_ members: [Int]) -> Bool {
        let view = node(members[0]).view
        return view > 0 && members.allSatisfy { node($0).isRunning && node($0).view == view && node($0).members.sorted() == members }
    }
    func live(_ members: [Int]? = nil, within seconds: Double = 60) throws(Trouble) {
        let members = members ?? numbers
        try watch.until("nodes \(members) are live together", within: seconds) {
            areLive(members) || members.contains { node($0).child?.end != nil }
        }
        for member in members {
            if let end = node(member).child?.end { throw .broken("node \(member) ended by itself: \(end): \(node(member).words.last ?? "")") }
        }
    }

    // MARK: clients

    func addresses(from first: Int = 1) -> String {
        nodes.indices.map { nodes[($0 + first - 1) % nodes.count].address }.joined(separator: ",")
    }

    func follow() throws(Trouble) {
        follower = try Follower(self, from: draw.pick(numbers))
    }

    /// A fresh topic and a fresh identity.
    func publish(rate: Int, linger: Int) throws(Trouble) {
        let topic = "t/\(acknowledged.count)"
        acknowledged[topic] = 0
        publisher = try Publisher(self, topic: topic, rate: rate, linger: linger, from: draw.pick(numbers))
    }

    /// The publisher has not come to the end of its lines.
    var isPublishing: Bool { publisher?.isRunning ?? false }

    /// Ends publishing; all that was taken is acknowledged now.
    func stopPublishing() throws(Trouble) {
        guard let publisher else { return }
        defer { acknowledged[publisher.topic] = publisher.acknowledged }
        try publisher.finish()
        self.publisher = nil
    }

    /// Counts what another publisher had acknowledged into the account.
    func expect(_ count: Int, in topic: String) { acknowledged[topic] = count }

    /// A record goes all the way again: the reader gets one that it did not have.
    func serves(within seconds: Double = 60) throws(Trouble) {
        guard let follower, let publisher, publisher.isRunning else { return }
        let before = follower.history.records
        let since = monotonic()
        defer { longestWait = max(longestWait, Int((monotonic() - since) / 1_000_000)) }
        try watch.until("a record goes through", within: seconds) {
            follower.history.records > before || follower.child.end != nil || !publisher.isRunning
        }
        try follower.mustRun()
    }
}

func write(_ text: String, to path: String) throws(Trouble) {
    guard let file = unsafe fopen(path, "we") else { throw .impossible("\(path): \(reason(errno))") }
    defer { unsafe fclose(file) }
    guard unsafe fputs(text, file) >= 0 else { throw .impossible("\(path): \(reason(errno))") }
}
