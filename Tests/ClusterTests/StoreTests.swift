import Foundation
import Testing

/// What `dbroker put -J` answers.
private struct Answer: Decodable {
    let version: UInt64?
    let ordered: String?
    let conflict: UInt64?
}

extension ClusterTests {
    @Test func ofTwoRacingWritersOneWinsAndEveryNodeTellsTheSamePast() async throws {
        let cluster = try Cluster()
        try await cluster.untilLive()
        let first = try await put(cluster, ["plan/limit", "80", "--if-version", "none"], at: [1])
        let version = try #require(first.version)

        // Both expect the same version, at two nodes.
        let racers = try (1...2).map { try dbroker(cluster, "put", ["plan/limit", "racer-\($0)", "--if-version", "\(version)", "-J"], at: [$0]) }
        let statuses = [try await racers[0].status(within: 20), try await racers[1].status(within: 20)]
        #expect(statuses.sorted() == [0, 1], "\(racers[0].errorText) \(racers[1].errorText)")
        let winner = statuses[0] == 0 ? 0 : 1
        let won = try JSONDecoder().decode(Answer.self, from: racers[winner].output)
        let lost = try JSONDecoder().decode(Answer.self, from: racers[1 - winner].output)
        #expect(lost.conflict == won.version && won.version ?? 0 > version)
        for node in 1...3 { #expect(try await get(cluster, ["plan/limit"], at: [node]) == "racer-\(winner + 1)\n", "node \(node)") }

        for topic in 0..<20 { _ = try await put(cluster, ["plan/t\(topic)", "old-\(topic)"], at: [1 + topic % 3]) }
        let then = try #require(try await put(cluster, ["plan/last", "x"], at: [2]).ordered)
        try await cluster.kill(3)
        for topic in 0..<10 { _ = try await put(cluster, ["plan/t\(topic)", "new-\(topic)"], at: [1, 2]) }
        try await dbroker(cluster, "rm", ["plan/t19"], at: [2]).succeeds(within: 20)
        let removed = try dbroker(cluster, "get", ["plan/t19"], at: [1])
        #expect(try await removed.status(within: 20) == 1)
        try cluster.start(3)
        try await cluster.untilLive(settled: true)

        let past = try await list(cluster, ["plan/#", "--as-of", then], at: [1])
        #expect(past.split(separator: "\n").count == 22)
        #expect(past.contains("old-3\n") && past.contains("old-19\n") && !past.contains("new-"))
        let now = try await list(cluster, ["plan/#"], at: [1])
        #expect(now.split(separator: "\n").count == 21 && now.contains("new-3\n") && !now.contains("plan/t19"))
        for node in 2...3 {
            #expect(try await list(cluster, ["plan/#", "--as-of", then], at: [node]) == past, "node \(node)")
            #expect(try await list(cluster, ["plan/#"], at: [node]) == now, "node \(node)")
        }
        // And after a restart of all.
        for node in 1...3 { try await cluster.kill(node) }
        for node in 1...3 { try cluster.start(node) }
        try await cluster.untilLive(settled: true)
        for node in 1...3 { #expect(try await list(cluster, ["plan/#", "--as-of", then], at: [node]) == past, "node \(node), again") }
        #expect(try await get(cluster, ["plan/t3", "--as-of", then], at: [3]) == "old-3\n")
    }

    @Test func aSubscriptionBeginsWithTheLastValuesAndGoesOnWithoutGapOrDuplicate() async throws {
        let cluster = try Cluster()
        try await cluster.untilLive()
        let count = 20_000
        let publisher = try cluster.program("dpub", ["t/seq", "-f", numbers(count, in: cluster), "-l", "--rate", "8000"], at: [1])
        try await until("records are there") {
            let waiting = try cluster.program("dsub", ["t/seq", "-o", "last", "-e"], at: [2])
            return try await waiting.status(within: 20) == 0 && waiting.outputSize > 0
        }
        let last = try cluster.program("dsub", ["t/#", "-o", "last", "-W", "30", "-c", "5000"], at: [3])
        let tail = try cluster.program("dsub", ["t/#", "-o", "-100", "-W", "30", "-c", "5000"], at: [2])
        try await publisher.succeeds()
        for reader in [last, tail] {
            try await reader.succeeds(within: 40)
            let lines = reader.outputLines.compactMap { Int($0) }
            #expect(lines.count == 5000 && lines == Array(lines[0]..<lines[0] + 5000), "begins with \(lines.prefix(3))")
        }
        try await dbroker(cluster, "put", ["live/x", "warm"], at: [1]).succeeds(within: 20)
        let live = try cluster.program("dsub", ["live/#", "-o", "last", "-e", "-v"], at: [2])
        try await live.succeeds(within: 20)
        #expect(live.outputText == "live/x warm\n")
        let ends = try cluster.program("dsub", ["#", "-o", "-3", "-e"], at: [3])
        try await ends.succeeds(within: 20)
        #expect(ends.outputText == "\(count - 1)\n\(count)\nwarm\n")
        let past = try cluster.program("dsub", ["t/#", "--as-of", "now", "-v"], at: [1])
        try await past.succeeds(within: 20)
        #expect(past.outputText == "t/seq \(count)\n")
    }

    @Test func aNodeThatComesBackTakesPartInTopicsOfMemory() async throws {
        let cluster = try Cluster()
        try await cluster.untilLive()
        for value in 1...3 { _ = try await put(cluster, ["live/a", "\(value)"], at: [value]) }
        try await cluster.kill(3)
        let before = try #require(try await put(cluster, ["live/a", "4"], at: [1, 2]).version)
        try cluster.start(3)
        try await cluster.untilLive(settled: true)
        // What the cluster says of itself lies among the versions.
        #expect(try await put(cluster, ["live/a", "5", "--if-version", "\(before)"], at: [3]).version ?? 0 > before)
        for node in 1...3 { #expect(try await get(cluster, ["live/a"], at: [node]) == "5\n", "node \(node)") }
        #expect(cluster.nodes[3]?.isRunning == true, "\(cluster.log(3))")
    }

    private func dbroker(_ cluster: Cluster, _ command: String, _ arguments: [String], at nodes: [Int]) throws -> Program {
        try Program("dbroker", [command] + arguments + ["-b", cluster.addresses(nodes)], in: cluster.url)
    }
    private func put(_ cluster: Cluster, _ arguments: [String], at nodes: [Int]) async throws -> Answer {
        let putting = try dbroker(cluster, "put", arguments + ["-J"], at: nodes)
        try await putting.succeeds(within: 20)
        return try JSONDecoder().decode(Answer.self, from: putting.output)
    }
    private func get(_ cluster: Cluster, _ arguments: [String], at nodes: [Int]) async throws -> String {
        let getting = try dbroker(cluster, "get", arguments, at: nodes)
        try await getting.succeeds(within: 20)
        return getting.outputText
    }
    private func list(_ cluster: Cluster, _ arguments: [String], at nodes: [Int]) async throws -> String {
        let listing = try dbroker(cluster, "list", arguments, at: nodes)
        try await listing.succeeds(within: 20)
        return listing.outputText
    }
}
