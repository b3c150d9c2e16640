/// A cluster at full load to which nothing happens: how often a member is suspected all the same. Default settings.
struct Calm {
    private let options: Options
    private let tools: Tools
    private let minutes: Double

    init(_ options: Options, _ tools: Tools, minutes: Double) { (self.options, self.tools, self.minutes) = (options, tools, minutes) }

    func run() throws(Trouble) -> Int32 {
        let stage = try Stage(tools, folder: "\(options.work)/calm", draw: Draw(seed: options.seed))
        let cluster = try stage.cluster(3, settings: "")
        for node in cluster.nodes { try cluster.start(node) }
        try cluster.live()
        let before = suspicions(cluster)
        let end = monotonic() + UInt64(minutes * 60e9)
        var records = 0
        var round = 0
        while monotonic() < end {
            round += 1
            let count = 10_000_000
            let words = [
                cluster.tools.path("dbench"), "pub", "--text", "--records", "\(count)", "--topic", "m/\(round)", "--patience", "60", "-b", cluster.addresses(from: 1 + round % 3),
            ]
            let child = try Child(words, in: cluster.folder, net: cluster.ground.clients)
            cluster.watch.add(child)
            try cluster.watch.until("the load is published", within: 600) { child.isDone || monotonic() > end }
            guard child.isDone else { break }
            guard child.end == .exit(0) else { throw .broken("the load ended with \(child.end.map { "\($0)" } ?? "")") }
            records += count
            say("\(grouped(records)) records, \(suspicions(cluster) - before) suspicions")
        }
        let found = suspicions(cluster) - before
        // Each of three watches two others.
        let hours = minutes / 60 * 6
        print("\(minutes) minutes at full load (100-byte records, as fast as they are taken), nothing wrong: \(found) suspicions in \(hours) hours of one node watching another")
        for node in cluster.nodes { for line in node.words where line.contains(": suspecting ") { print("  \(line)") } }
        print("\(found == 0 ? 1 : 0) passed, \(found == 0 ? 0 : 1) failed")
        return found == 0 ? 0 : 1
    }

    private func suspicions(_ cluster: Cluster) -> Int { cluster.nodes.reduce(0) { $0 + $1.suspicions } }
}
