import Foundation
import Testing

extension ClusterTests {
    /// Subscribers come and go at one node, so that topics change their groups several times a second: each gets what it asks for at once, and one
    /// that stays misses nothing. SQUALL_SECONDS sets for how long; 120 is the full bar.
    @Test func topicsChangeTheirGroupsUnderLoad() async throws {
        let cluster = try Cluster(topics: "topics:\n  - {pattern: \"#\", level: unordered}\n")
        try await cluster.untilLive()
        let seconds = ProcessInfo.processInfo.environment["SQUALL_SECONDS"].flatMap { Int($0) } ?? 12
        let (count, topics) = (2_000 * seconds, 8)
        let steady = try cluster.program("dsub", ["bench/run/#", "-c", "\(count)", "-f", "%t %s\\n"], at: [2])
        try await until("the subscription stands") { try await cluster.status(2)?.watches == 1 }
        let words = ["pub", "--records", "\(count)", "--topics", "\(topics)", "--rate", "2000", "--size", "40", "--text", "-b", cluster.address(1)]
        let publisher = try Program("dbench", words, in: cluster.url)
        var rounds = 0
        while publisher.isRunning {
            let brief = try cluster.program("dsub", ["bench/run/\(rounds % topics)", "-c", "5", "-f", "%t\\n"], at: [3])
            try await until("it is served, or no more is published", within: 20) { !brief.isRunning || !publisher.isRunning }
            guard !brief.isRunning else {
                // The last one came too late.
                try await brief.destroy()
                break
            }
            try await brief.succeeds()
            #expect(brief.outputText == String(repeating: "bench/run/\(rounds % topics)\n", count: 5))
            rounds += 1
        }
        try await publisher.succeeds()
        try await steady.succeeds(within: 60)
        var last: [Substring: Int] = [:]
        for line in steady.outputText.split(separator: "\n") {
            let words = line.split(separator: " ")
            let number = try #require(Int(words[1].prefix { $0 != "a" }))
            #expect(number > last[words[0]] ?? 0)
            last[words[0]] = number
        }
        #expect(last.count == topics && rounds > 2 * seconds, "\(last), \(rounds) rounds")

        let groups = try Program("dbroker", ["groups", "-J", "-b", cluster.address(1)], in: cluster.url)
        try await groups.succeeds()
        struct Answer: Decodable {
            let withheld: Int
            let moves: Int
        }
        let answer = try JSONDecoder().decode(Answer.self, from: Data(groups.outputText.utf8))
        #expect(answer.withheld > count / 2 * 40 && answer.moves >= rounds, "\(groups.outputText)")
        let shown = try Program("dbroker", ["groups", "--explain", "bench/run/0", "-b", cluster.address(1)], in: cluster.url)
        try await shown.succeeds()
        #expect(shown.outputText.hasPrefix("bench/run/0 is unordered: "), "\(shown.outputText)")
        #expect(shown.outputText.contains("\nsent to everybody: "), "\(shown.outputText)")
        let wrong = try Program("dbroker", ["groups", "--explain", "a/+", "-b", cluster.address(1)], in: cluster.url)
        #expect(try await wrong.status(within: 10) == 64)
    }

    /// A ring that is full is freed in the midst of a turn: whoever waits for room is asked again at once, not with the next heartbeat a fifth of a second
    /// later.
    @Test func aPublisherAsFastAsItGoesIsNeverHeldUpForLong() async throws {
        let cluster = try Cluster(topics: "topics:\n  - {pattern: \"#\", level: unordered}\n")
        try await cluster.untilLive()
        // It misses some, which is the level's promise, and ends when no more comes.
        let subscriber = try Program("dbench", ["sub", "--records", "4000000", "--idle", "2", "-b", cluster.address(2)], in: cluster.url)
        try await until("the subscription stands") { try await cluster.status(2)?.watches == 1 }
        let words = ["pub", "--records", "4000000", "--size", "100", "-b", cluster.address(1)]
        let publisher = try Program("dbench", words, in: cluster.url)
        try await publisher.succeeds(within: 120)
        struct Figures: Decodable { let p99_us: Double }
        let line = try #require(publisher.outputLines.last { $0.hasPrefix("{") })
        let figures = try JSONDecoder().decode(Figures.self, from: Data(line.utf8))
        #expect(figures.p99_us < 100_000, "\(line)")
        try await until("the subscriber ends", within: 30) { !subscriber.isRunning }
    }

    /// In the status of the node that would have sent it, and nowhere else.
    @Test func whatIsKeptFromMembersThatDoNotWantItIsCounted() async throws {
        let cluster = try Cluster { _ in "max_groups: 3\n" }
        try await cluster.untilLive()
        func publish(_ count: Int) async throws {
            let words = ["pub", "--records", "\(count)", "--topic", "fast/one", "--size", "100", "-b", cluster.address(1)]
            try await Program("dbench", words, in: cluster.url).succeeds()
        }
        func withheld(_ node: Int) async throws -> Int { try #require(await cluster.status(node)).unordered_withheld_bytes }
        try await until("both others have said that nobody there wants it") {
            let before = try await withheld(1)
            try await publish(10)
            return try await withheld(1) - before >= 2 * 10 * 100
        }
        // Each record takes less than as much again beside its 100 bytes.
        var before = try await withheld(1)
        try await publish(1_000)
        var kept = try await withheld(1) - before
        #expect(kept >= 2 * 1_000 * 100 && kept < 2 * 1_000 * 200, "\(kept)")

        let watching = try cluster.program("dsub", ["fast/#", "-c", "1000"], at: [2])
        try await until("the subscription stands") { try await cluster.status(2)?.watches == 1 }
        before = try await withheld(1)
        try await publish(1_000)
        try await watching.succeeds(within: 20)
        kept = try await withheld(1) - before
        #expect(kept >= 1_000 * 100 && kept < 1_000 * 200, "\(kept)")
        for node in 2...3 { #expect(try await withheld(node) == 0) }
        let groups = try Program("dbroker", ["groups", "-b", cluster.address(1)], in: cluster.url)
        try await groups.succeeds()
        #expect(groups.outputText.contains("; at most 3 groups\n"), "\(groups.outputText)")
    }

    /// The smallest ring: topics that fit are declared in a quiet cluster too; what never fits is refused, and nobody falls.
    @Test func aSmallRingTakesTheTopicsThatFit() async throws {
        let cluster = try Cluster { _ in "ring: 64KiB\n" }
        try await cluster.untilLive()
        func declare(_ topic: String, _ count: Int) throws -> Program {
            let words = ["pub", "--topic", topic, "--topics", "\(count)", "--records", "\(count)", "--size", "16", "-b", cluster.address(1)]
            return try Program("dbench", words, in: cluster.url, label: topic.replacing("/", with: "-"))
        }
        for round in 1...4 { try await declare("fast/\(round)", 100).succeeds(within: 20) }
        let before = try #require(await cluster.status(1)).view.number
        let many = try declare("fast/many", 4_000)
        #expect(try await many.status(within: 20) != 0)
        #expect(many.errorText.contains("new topics"), "\(many.errorText)")
        try await cluster.untilLive(settled: true)
        #expect(try await cluster.status(1)?.view.number == before)
    }
}
