import Foundation
import Testing

/// Topics that two of three nodes keep.
extension ClusterTests {
    private static let replicas = """
        topics:
          - {pattern: parted/#, level: durable, replicas: 2}
          - {pattern: lone/#, level: durable, replicas: 1}
        """

    private struct Holding: Decodable {
        let lacking: Int
        let elsewhere: Int
    }
    private struct Report: Decodable { let holdings: Holding }
    private func holding(_ cluster: Cluster, _ node: Int) async throws -> Holding? {
        let ask = try Program("dbroker", ["status", "--json", "-b", cluster.addresses([node])], in: cluster.url, label: "holding-\(UUID())")
        guard try await ask.status(within: 20) == 0 else { return nil }
        return try JSONDecoder().decode(Report.self, from: ask.output).holdings
    }

    @Test func whatSomeNodesKeepIsReadAtAll() async throws {
        let cluster = try Cluster(topics: Self.replicas) { _ in "segment: 1MiB\nrefill_after: 500ms\n" }
        try await cluster.untilLive()
        let count = 60_000
        for topic in ["parted/a", "parted/b", "parted/c", "lone/a", "lone/b", "all/a"] {
            let file = try numbers(count, in: cluster)
            try await cluster.program("dpub", [topic, "-f", file, "-l"], at: [1 + topic.utf8.count % 3]).succeeds(within: 60)
        }
        // What fills the last segment is more than what is asked for below.
        try await cluster.program("dpub", ["all/b", "-f", numbers(count, in: cluster), "-l"], at: [1]).succeeds(within: 60)
        // A record is 32 bytes, header and padding.
        let whole = 7 * count * 32
        try await until("each node has let go of what it does not hold", within: 60) {
            var bytes = 0
            for node in 1...3 {
                guard let group = try await cluster.status(node)?.groups.first, let disk = group.disk_bytes, let kept = group.kept_bytes else { return false }
                // Beside what is kept: segments that are open, and the files of two that are to be used again.
                guard disk < kept + (5 << 20) else { return false }
                bytes += kept
            }
            // Of seven topics two are kept by all, three by two, two by one: 14 of 21.
            return bytes < whole * 3 * 7 / 10
        }
        func expectAll(_ nodes: [Int] = [1, 2, 3]) async throws {
            for node in nodes {
                let held = String(decoding: try await cluster.contents("#", format: "%t %s\n", at: node), as: UTF8.self).split(separator: "\n")
                for topic in ["parted/a", "parted/b", "parted/c", "lone/a", "lone/b", "all/a"] {
                    let lines = held.lazy.filter { $0.hasPrefix(topic + " ") }.map { $0.dropFirst(topic.utf8.count + 1) }
                    #expect(flaw(Array(lines), upTo: count) == nil, "node \(node), \(topic)")
                }
                // The last records, and what was, are found wherever one asks.
                let last = try cluster.program("dsub", ["parted/#", "-o", "-10", "-e", "-f", "%s\n", "-W", "20"], at: [node])
                try await last.succeeds(within: 30)
                #expect(last.outputText == (count - 9...count).map { "\($0)\n" }.joined(), "node \(node)")
            }
        }
        try await expectAll()
        let place = try Program("dbroker", ["groups", "--explain", "parted/a", "-b", cluster.addresses([2])], in: cluster.url, label: "place")
        try await place.succeeds(within: 20)
        #expect(place.outputText.wholeMatch(of: /parted\/a is durable: to all members \(1 2 3\); its past stays at [123] [123] \(replicas: 2\)\n/) != nil, "\(place.outputText)")

        // A node that was away holds again what it held; one whose disk was lost gets it back from the others.
        try await cluster.kill(3)
        try FileManager.default.removeItem(at: cluster.data(3))
        try cluster.start(3)
        try await cluster.untilLive(settled: true)
        try await until("no node lacks what another has", within: 60) {
            // Topics that node 3 alone had are gone with its disk.
            let lacking = try await holding(cluster, 3)?.lacking
            return lacking == 0 || cluster.log(3).contains("no node that is here has all records")
        }
        for node in 1...3 {
            let done = try Program("dbroker", ["give-up", "-b", cluster.addresses([node])], in: cluster.url, label: "give-up-\(node)")
            try await done.succeeds(within: 20)
            #expect(try await holding(cluster, node)?.lacking == 0)
        }
        // Every other topic is whole at every node, and nobody waits for what is gone.
        for node in 1...3 { _ = try await cluster.contents("#", format: "%t %s\n", at: node) }
        let lone = String(decoding: try await cluster.contents("parted/#", format: "%t %s\n", at: 3), as: UTF8.self).split(separator: "\n")
        for topic in ["parted/a", "parted/b", "parted/c"] {
            #expect(flaw(lone.filter { $0.hasPrefix(topic + " ") }.map { $0.dropFirst(topic.utf8.count + 1) }, upTo: count) == nil, "\(topic)")
        }

        // Whoever is away may have what nobody else has: nothing is given up without a word for that.
        try await cluster.kill(2)
        try await cluster.untilLive([1, 3])
        let refused = try Program("dbroker", ["give-up", "-b", cluster.addresses([1])], in: cluster.url, label: "refused")
        #expect(try await refused.status(within: 20) == 77)
        #expect(refused.errorText.contains("node 2 may have the records, and is not here"), "\(refused.errorText)")
    }

    @Test func fiveNodesKeepWhatTwoOfThemHold() async throws {
        let cluster = try Cluster(nodes: 5, topics: "topics: [{pattern: parted/#, level: durable, replicas: 2}]\n") { _ in
            "segment: 1MiB\nrefill_after: 500ms\n"
        }
        try await cluster.untilLive(Array(1...5))
        let count = 60_000
        let topics = (0..<6).map { "parted/\($0)" }
        let file = try numbers(count, in: cluster)
        for (index, topic) in topics.enumerated() {
            try await cluster.program("dpub", [topic, "-f", file, "-l"], at: [1 + index % 5]).succeeds(within: 60)
        }
        // A record is 32 bytes; two of five keep it, and some of it lies in segments that are open still.
        let whole = 5 * topics.count * count * 32
        func areParted(_ nodes: [Int]) async throws -> Bool {
            var bytes = 0
            for node in nodes {
                guard let kept = try await cluster.status(node)?.groups.first?.kept_bytes else { return false }
                bytes += kept
            }
            return bytes < whole * 6 / 10
        }
        try await until("each node has let go of what it does not hold", within: 60) { try await areParted(Array(1...5)) }
        func expectAll(_ nodes: [Int]) async throws {
            for node in nodes {
                let held = String(decoding: try await cluster.contents("#", format: "%t %s\n", at: node), as: UTF8.self).split(separator: "\n")
                for topic in topics {
                    let lines = held.lazy.filter { $0.hasPrefix(topic + " ") }.map { $0.dropFirst(topic.utf8.count + 1) }
                    #expect(flaw(Array(lines), upTo: count) == nil, "node \(node), \(topic)")
                }
            }
        }
        try await expectAll([1, 3, 5])

        // One disk of each topic may be lost, and each is whole again on two.
        try await cluster.kill(2)
        try FileManager.default.removeItem(at: cluster.data(2))
        try cluster.start(2)
        try await cluster.untilLive(Array(1...5), settled: true)
        try await until("every holder has all of its topics", within: 60) {
            for node in 1...5 where try await holding(cluster, node)?.lacking != 0 { return false }
            return true
        }
        try await cluster.kill(4)
        try await cluster.untilLive([1, 2, 3, 5])
        try await expectAll([2, 5])
    }

    /// Nodes are killed and come back under load, so that topics go from holder to holder, each time with their past. A subscriber that stays misses
    /// nothing and sees no offset go back, and in the end each node gives all of it. SQUALL_SECONDS sets for how long; 120 is the full bar.
    @Test func topicsGoFromHolderToHolderUnderLoad() async throws {
        let cluster = try Cluster(nodes: 5, topics: "topics: [{pattern: bench/#, level: durable, replicas: 2}]\n") { _ in
            "segment: 1MiB\nrefill_after: 100ms\n"
        }
        try await cluster.untilLive(Array(1...5))
        let seconds = ProcessInfo.processInfo.environment["SQUALL_SECONDS"].flatMap { Int($0) } ?? 12
        let (count, topics) = (5_000 * seconds, 6)
        let steady = try cluster.program("dsub", ["bench/run/#", "-c", "\(count)", "-f", "%t %o %s\\n"], at: [1])
        try await until("the subscription stands") { try await cluster.status(1)?.watches == 1 }
        let words = ["pub", "--records", "\(count)", "--topics", "\(topics)", "--rate", "5000", "--size", "40", "--text", "-b", cluster.addresses([2, 1])]
        let publisher = try Program("dbench", words, in: cluster.url)
        var rounds = 0
        while publisher.isRunning {
            let node = 3 + rounds % 3
            try await cluster.kill(node)
            try await cluster.untilLive([1, 2, 3, 4, 5].filter { $0 != node })
            try cluster.start(node)
            try await cluster.untilLive(Array(1...5))
            rounds += 1
        }
        try await publisher.succeeds()
        try await steady.succeeds(within: 60)
        #expect(rounds > seconds / 8, "\(rounds) rounds")

        func check(_ lines: [Substring], _ who: String) throws {
            var (last, offset, seen) = ([Substring: Int](), -1, 0)
            for line in lines {
                let words = line.split(separator: " ")
                let number = try #require(Int(words[2].prefix { $0 != "a" }))
                let place = try #require(Int(words[1]))
                // Each topic has every sixth number.
                try #require(number == last[words[0]].map { $0 + topics } ?? number && place > offset, "\(who): \(line) after \(last) at \(offset)")
                (last[words[0]], offset, seen) = (number, place, seen + 1)
            }
            #expect(seen == count && last.count == topics, "\(who): \(seen) of \(count)")
        }
        try check(steady.outputText.split(separator: "\n"), "the subscriber that stayed")
        try await until("every holder has all of its topics", within: 60) {
            for node in 1...5 where try await holding(cluster, node)?.lacking != 0 { return false }
            return true
        }
        for node in 1...5 {
            let held = try await cluster.contents("bench/run/#", format: "%t %o %s\n", at: node)
            try check(String(decoding: held, as: UTF8.self).split(separator: "\n"), "node \(node)")
        }
    }
}
