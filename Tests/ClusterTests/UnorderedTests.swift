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
        let wrong = try Program("dbroker", ["groups", "--explain", "a/+", "-b", cluster.address(1)], in: cluster.url)
        #expect(try await wrong.status(within: 10) == 64)
    }
}
