import Foundation

/// The failover table: every way of failing in turn, each figure from one process's publisher; default settings.
struct Latency {
    private let options: Options
    private let tools: Tools
    private let rounds: Int
    /// A cluster serves so many rounds, then its logs are read and a fresh one begins.
    private static let perCluster = 20

    init(_ options: Options, _ tools: Tools, rounds: Int) throws(Trouble) { (self.options, self.tools, self.rounds) = (options, tools, rounds) }

    func run() throws(Trouble) -> Int32 {
        var table = Table(["fault", "rounds", "p50 ms", "p99 ms", "max ms", "back p50 ms", "back max ms", "lost", "duplicated", "reordered"])
        var notes: [String] = []
        var failed = 0
        var passed = 0
        for (index, way) in Failover.allCases.enumerated() {
            // What waits for seconds by itself gets a quarter of the rounds.
            let count = way == .leader || way == .any ? rounds : max(3, rounds / 4)
            var series = Series()
            do throws(Trouble) { try measure(way, count, seed: options.seed &+ UInt64(index) &* 7_919, &series) } catch {
                if case .impossible(let why) = error { notes.append("\(way.rawValue): not possible here: \(why)") } else {
                    failed += 1
                    notes.append("FAILED \(way.rawValue): \(error)")
                }
            }
            passed += series.figures.count
            table.add(series.cells(way.rawValue))
            say(series.cells(way.rawValue).joined(separator: " · "))
        }
        let text = conditions() + "\n" + table.text + notes.map { "\n\($0)\n" }.joined()
        print(text)
        if let path = options.write { try Self.write(text, to: path) }
        print("\(passed) passed, \(failed) failed")
        return failed == 0 ? 0 : 1
    }

    private func measure(_ way: Failover, _ count: Int, seed: UInt64, _ series: inout Series) throws(Trouble) {
        var done = 0
        while done < count {
            let stage = try Stage(tools, folder: "\(options.work)/latency-\(way)-\(done)", draw: Draw(seed: seed &+ UInt64(done)))
            let cluster = try stage.cluster(3, isBridged: way == .cut, settings: "")
            do throws(Trouble) { try play(way, min(Self.perCluster, count - done), cluster, &series) } catch {
                if case .impossible = error { throw error }
                let place = Evidence(options.evidence).save("latency-\(way)-\(done)", "\(error)", Account(), cluster, seed: seed)
                throw .broken("\(error); see \(place)")
            }
            done += Self.perCluster
        }
    }

    private func play(_ way: Failover, _ count: Int, _ cluster: Cluster, _ series: inout Series) throws(Trouble) {
        for node in cluster.nodes { try cluster.start(node) }
        try cluster.live()
        try cluster.follow()
        for number in 1...count { series.figures.append(try way.round(cluster, topic: "m/\(number)")) }
        try cluster.live()
        let account = try Account.take(of: cluster, exact: true)
        series.add(account)
        guard account.isClean else { throw .broken(account.flaws.joined(separator: "; ")) }
    }

    private func conditions() -> String {
        let load = (try? String(contentsOfFile: "/proc/loadavg", encoding: .utf8))?.split(separator: " ").first.map(String.init) ?? "?"
        let nice = getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0)
        let date = ISO8601DateFormatter.string(from: Date(), timeZone: .gmt, formatOptions: [.withFullDate])
        return """
            # Failover

            Three nodes with default settings and a publisher of 1,000 records/s (64 bytes, durable) at a survivor, all on one machine of
            \(ProcessInfo.processInfo.activeProcessorCount) cores (load \(load) at the end\(nice == 0 ? "" : ", other work there; these processes at nice \(nice)")), \(date), seed \(options.seed): `scripts/faults latency \(rounds)`.

            p50, p99, max: from the fault to the end of the longest time without an acknowledgement; of two nodes at once, from the start of the
            process that returns, there being none while one node is left. back: the longest such time while the node is taken in again.
            A node that is killed is seen at once; one that stops or is cut off, after `suspect_after` (1 s).

            """
    }

    private static func write(_ text: String, to path: String) throws(Trouble) {
        do { try text.write(toFile: path, atomically: true, encoding: .utf8) } catch { throw .impossible("\(path): \(error)") }
    }
}

/// The figures of one way of failing.
private struct Series {
    var figures: [Failover.Figure] = []
    private var account = Account()

    mutating func add(_ one: Account) {
        account.lost += one.lost
        account.duplicated += one.duplicated
        account.reordered += one.reordered
    }

    func cells(_ name: String) -> [String] {
        let outages = figures.map(\.outage).sorted()
        let backs = figures.map(\.back).sorted()
        return [name, "\(figures.count)", at(outages, 0.5), at(outages, 0.99), at(outages, 1), at(backs, 0.5), at(backs, 1)]
            + [account.lost, account.duplicated, account.reordered].map(grouped)
    }
    private func at(_ sorted: [Double], _ share: Double) -> String {
        guard !sorted.isEmpty else { return "–" }
        let place = min(sorted.count - 1, max(0, Int((share * Double(sorted.count)).rounded(.up)) - 1))
        return String(Int(sorted[place].rounded()))
    }
}
