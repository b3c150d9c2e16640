import Foundation
import Testing

extension ClusterTests {
    private static let rules = """
        topics:
          - {pattern: history/#, level: durable, history: 10}
          - {pattern: slow/#, level: durable, max_rate: 5/min}
          - {pattern: brief/#, level: durable, lifespan: 1s}
          - {pattern: fleeting/#, level: ordered, lifespan: 1s}
        """

    @Test func whatTheRulesDoNotKeepGoesFromEveryDiskAndAJoinerCopiesTheRest() async throws {
        let cluster = try Cluster(topics: Self.rules) { _ in "segment: 1MiB\n" }
        try await cluster.untilLive()
        let count = 200_000
        let kept = try cluster.program("dpub", ["other/first", "-m", "stays"], at: [1])
        try await kept.succeeds(within: 20)
        let publisher = try cluster.program("dpub", ["history/seq", "-f", numbers(count, in: cluster), "-l"], at: [1])
        try await publisher.succeeds(within: 60)
        let closed = 6 << 20
        try await until("every node has cleaned its log", within: 60) {
            for node in 1...3 {
                guard let group = try await cluster.status(node)?.groups.first, let cleaned = group.cleaned_bytes, cleaned > closed / 2,
                    let disk = group.disk_bytes, disk < 3 << 20
                else { return false }
            }
            return true
        }
        func expectTheRest(_ node: Int) async throws {
            let held = String(decoding: try await cluster.contents("#", format: "%t %s\\n", at: node), as: UTF8.self).split(separator: "\n")
            #expect(held.first == "other/first stays", "node \(node)")
            let numbers = held.compactMap { $0.hasPrefix("history/seq ") ? Int($0.dropFirst(12)) : nil }
            #expect(numbers.last == count && numbers.count >= 10 && numbers.count < count / 3, "node \(node): \(numbers.count)")
            #expect(numbers == numbers.sorted() && Set(numbers).count == numbers.count)
        }
        for node in 1...3 { try await expectTheRest(node) }

        // A disk that was lost is filled from a log with holes; and what was said a while ago counts still.
        try await cluster.kill(3)
        try FileManager.default.removeItem(at: cluster.data(3))
        try cluster.start(3)
        try await cluster.untilLive(settled: true)
        try await expectTheRest(3)
        for node in 1...3 { try await cluster.kill(node) }
        for node in 1...3 { try cluster.start(node) }
        try await cluster.untilLive(settled: true)
        for node in 1...3 { try await expectTheRest(node) }

        let past = try Program(
            "dbroker", ["get", "history/seq", "--as-of", "-1h", "-b", cluster.addresses([1])], in: cluster.url, label: "past")
        #expect(try await past.status(within: 20) == 77)
        #expect(past.errorText.contains("what topic \"history/seq\" was before offset 0 is cleaned"), "\(past.errorText)")
    }

    @Test func aRecordBeyondItsTopicsRateIsRefusedByName() async throws {
        let cluster = try Cluster(nodes: 1, topics: Self.rules)
        try await cluster.untilLive([1])
        try await cluster.program("dpub", ["slow/a", "-m", "one"], at: [1]).succeeds(within: 20)
        let second = try cluster.program("dpub", ["slow/a", "-m", "two"], at: [1])
        #expect(try await second.status(within: 20) == 77)
        #expect(second.errorText.contains("record 1, for topic \"slow/a\", is one too many; its max_rate is 5/min"), "\(second.errorText)")
        // Others are not held back.
        try await cluster.program("dpub", ["slow/b", "-m", "one"], at: [1]).succeeds(within: 20)
        let held = try await cluster.contents("slow/#", format: "%t %s\\n", at: 1)
        #expect(String(decoding: held, as: UTF8.self) == "slow/a one\nslow/b one\n")
    }

    @Test(arguments: ["brief/a", "fleeting/a"]) func aRecordIsNotDeliveredLateBeyondItsLifespan(topic: String) async throws {
        let cluster = try Cluster(nodes: 1, topics: Self.rules)
        try await cluster.untilLive([1])
        let live = try cluster.program("dsub", [topic, "-c", "1"], at: [1])
        try await until("it watches") { try await cluster.status(1)?.watches == 1 }
        try await cluster.program("dpub", [topic, "-m", "soon over"], at: [1]).succeeds(within: 20)
        try await live.succeeds(within: 20)
        #expect(live.outputText == "soon over\n")
        try await until("its time is over", within: 20) { try await cluster.contents("#", format: "%s\\n", at: 1).isEmpty }
        // The topic's value is what it was.
        if topic.hasPrefix("brief") {
            let value = try Program("dbroker", ["get", topic, "-b", cluster.addresses([1])], in: cluster.url, label: "value")
            try await value.succeeds(within: 20)
            #expect(value.outputText == "soon over\n")
        }
    }
}
