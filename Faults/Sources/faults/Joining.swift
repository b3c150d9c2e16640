import Foundation
import Glibc

/// A fresh node joins a cluster that has a large log and is under load: how long acknowledgements pause. Default settings.
struct Joining {
    private let options: Options
    private let tools: Tools
    private let mebibytes: Int
    private static let rounds = 3
    /// Seconds of load without a join, to compare with.
    private static let calm = 20
    /// What the pause may last beyond the calm run's p99.9, milliseconds.
    private static let allowed = 20.0

    init(_ options: Options, _ tools: Tools, mebibytes: Int) { (self.options, self.tools, self.mebibytes) = (options, tools, mebibytes) }

    func run() throws(Trouble) -> Int32 {
        let stage = try Stage(tools, folder: "\(options.work)/join", draw: Draw(seed: options.seed))
        let cluster = try stage.cluster(3, settings: "")
        for number in [1, 2] { try cluster.start(cluster.node(number)) }
        try cluster.live([1, 2])
        try fill(cluster)
        var table = Table(["join", "calm p50 ms", "calm p99.9 ms", "calm max ms", "longest pause ms", "allowed ms", "until it is in, s", "MiB/s", "records at the new node"])
        var failed = 0
        for round in 1...Self.rounds {
            let one = try measure(cluster, round)
            let limit = one.calm(0.999) + Self.allowed
            if one.pause > limit { failed += 1 }
            let cells = [
                "\(round)", text(one.calm(0.5)), text(one.calm(0.999)), text(one.calm(1)), text(one.pause), text(limit), text(one.seconds),
                text(Double(mebibytes) / one.seconds), "\(one.records) of \(one.acknowledged)",
            ]
            table.add(cells)
            say(cells.joined(separator: " · "))
            guard one.records == one.acknowledged else { throw .broken("the new node holds \(one.records) of \(one.acknowledged) records") }
        }
        print("A fresh node joins two that hold \(mebibytes) MiB, \(Meter.joinRate) records/s of 64 bytes acknowledged meanwhile, `scripts/faults join \(mebibytes)`:\n")
        print(table.text)
        print("\(Self.rounds - failed) passed, \(failed) failed")
        return failed == 0 ? 0 : 1
    }

    private struct Round {
        /// Times between two acknowledgements without a join, ascending, milliseconds.
        let gaps: [Double]
        /// The longest of them during the join.
        let pause: Double
        let seconds: Double
        let records: Int
        let acknowledged: Int
        func calm(_ share: Double) -> Double { gaps[min(gaps.count - 1, Int(share * Double(gaps.count)))] }
    }

    private func fill(_ cluster: Cluster) throws(Trouble) {
        say("filling \(mebibytes) MiB")
        let bytes = 16 << 10
        let words = [
            cluster.tools.path("dbench"), "pub", "--records", "\((mebibytes << 20) / bytes)", "--size", "\(bytes)", "--topic", "fill",
            "-b", cluster.addresses(),
        ]
        let child = try Child(words, in: cluster.folder, net: cluster.ground.clients)
        cluster.watch.add(child)
        try cluster.watch.until("the log is filled", within: 600) { child.isDone }
        guard child.end == .exit(0) else { throw .broken("filling ended with \(child.end.map { "\($0)" } ?? "")") }
    }

    private func measure(_ cluster: Cluster, _ round: Int) throws(Trouble) -> Round {
        let meter = try Meter(cluster, topic: "m/\(round)", at: [1, 2], rate: Meter.joinRate)
        try meter.flows()
        let began = monotonic()
        cluster.watch.pass(Self.calm * 1000)
        let calm = meter.gaps(from: began, to: monotonic())
        let fresh = cluster.node(3)
        let joins = monotonic()
        try cluster.start(fresh)
        try cluster.live(within: 300)
        let live = monotonic()
        cluster.watch.pass(1000)
        guard let pause = meter.longestGap(from: joins, to: monotonic()) else { throw .broken("no acknowledgements while the node joined") }
        for gap in meter.longestGaps(from: joins, to: monotonic(), count: 8) {
            say("    \(text(Double(gap.ended - gap.began) / 1e6)) ms at \(text(Double(gap.began) / 1e9 - Double(joins) / 1e9)) s of \(text(Double(live - joins) / 1e9))")
        }
        try meter.finish()
        let records = try count("m/\(round)", at: fresh, cluster)
        // Gone with all it had: the next one is as fresh.
        try cluster.kill([fresh])
        try cluster.live([1, 2])
        do { try FileManager.default.removeItem(atPath: "\(cluster.folder)/data/3") } catch { throw .impossible("\(error)") }
        return Round(
            gaps: calm.sorted(), pause: Double(pause.ended - pause.began) / 1e6, seconds: Double(live - joins) / 1e9, records: records,
            acknowledged: meter.acknowledged)
    }

    private func count(_ topic: String, at node: Node, _ cluster: Cluster) throws(Trouble) -> Int {
        let words = [cluster.tools.path("dsub"), topic, "-o", "beginning", "-e", "-W", "120", "-f", "%o\\n", "-b", node.address]
        let child = try Child(words, in: cluster.folder, net: cluster.ground.clients)
        var lines = 0
        child.onOutput = { _ in lines += 1 }
        cluster.watch.add(child)
        try cluster.watch.until("the new node's log is read", within: 200) { child.isDone }
        return lines
    }

    private func text(_ number: Double) -> String { String(format: "%.1f", number) }
}
