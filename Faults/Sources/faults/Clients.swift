import Glibc

/// Where the programs under test are.
struct Tools: Sendable {
    let folder: String
    let lines: String
    func path(_ name: String) -> String { "\(folder)/\(name)" }
}

/// A dpub that publishes the lines under an identity until it is asked to end.
final class Publisher {
    let topic: String
    private(set) var acknowledged = 0
    private(set) var sent = 0
    private(set) var said: [String] = []
    private var lives = 1
    private var child: Child
    private let cluster: Cluster
    private let words: [String]

    init(_ cluster: Cluster, topic: String, rate: Int, linger: Int, from node: Int) throws(Trouble) {
        self.cluster = cluster
        self.topic = topic
        words = [
            cluster.tools.path("dpub"), topic, "-l", "-f", cluster.tools.lines, "--id", "faults-\(topic)", "--rate", "\(rate)",
            "--linger", "\(linger)", "--patience", "60", "--progress", "always", "-b", cluster.addresses(from: node),
        ]
        child = try Child(words, in: cluster.folder, net: cluster.ground.clients)
        listen()
    }

    var isRunning: Bool { child.isRunning }

    private func listen() {
        child.onError = { [weak self] in self?.hear(String(decoding: $0, as: UTF8.self)) }
        cluster.watch.add(child)
    }
    /// `sent 63,676 · acknowledged 63,676 …`
    private func hear(_ line: String) {
        said.append(line)
        if said.count > 200 { said.removeFirst(100) }
        guard line.hasPrefix("sent "), let place = line.firstRange(of: "acknowledged ") else { return }
        func number(_ text: Substring) -> Int { Int(text.prefix { $0.isNumber || $0 == "," }.filter { $0 != "," }) ?? 0 }
        sent = number(line.dropFirst(5))
        acknowledged = max(acknowledged, number(line[place.upperBound...]))
    }

    /// kill -9, and the same identity with the same input again.
    func killAndRestart() throws(Trouble) {
        lives += 1
        sent = 0
        child.send(SIGKILL)
        let old = child
        try cluster.watch.until("the publisher is gone", within: 10) { old.end != nil }
        child = try Child(words, in: cluster.folder, net: cluster.ground.clients)
        listen()
    }

    /// Nothing more is to come from it.
    func abandon() { child.send(SIGKILL) }

    /// It goes on behind what its last life has published, or has come to the input's end.
    func catchUp() throws(Trouble) {
        guard lives > 1 else { return }
        // Its first word comes half a second after its start: all of its earlier lives has been ordered and read by then.
        try cluster.watch.until("the publisher says something", within: 60) { sent > 0 || !child.isRunning }
        let there = cluster.follower?.history.seen(topic) ?? 0
        try cluster.watch.until("the publisher goes on where it stopped", within: 60) { sent > there || !child.isRunning }
    }

    /// Interrupted, it waits for its acknowledgements and ends.
    func finish() throws(Trouble) {
        try catchUp()
        child.send(SIGINT)
        let child = child
        try cluster.watch.until("the publisher has its acknowledgements and ends", within: 60) { child.end != nil }
        guard child.end == .exit(0), sent == acknowledged else {
            throw .broken("the publisher ended with \(child.end.map { "\($0)" } ?? "nothing"): \(said.suffix(2).joined(separator: " / "))")
        }
    }
}

/// A dsub that reads everything from the beginning, to the end of what is there or on and on.
final class Follower {
    private(set) var history = History()
    private(set) var said: [String] = []
    let child: Child

    init(_ cluster: Cluster, from node: Int, toEnd: Bool = false) throws(Trouble) {
        let words = [
            cluster.tools.path("dsub"), "#", "-o", "beginning", "-f", "%o %t %T %n %s\\n", "--patience", "60",
            "-b", cluster.addresses(from: node),
        ]
        child = try Child(words + (toEnd ? ["-e", "-W", "60"] : []), in: cluster.folder, net: cluster.ground.clients)
        child.onOutput = { [weak self] in self?.history.take($0) }
        child.onError = { [weak self] in self?.said.append(String(decoding: $0, as: UTF8.self)) }
        cluster.watch.add(child)
    }

    func mustRun() throws(Trouble) {
        if let end = child.end { throw .broken("the reader ended by itself: \(end): \(said.suffix(2).joined(separator: " / "))") }
    }
}
