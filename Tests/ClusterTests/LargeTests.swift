import Foundation
import Testing

extension ClusterTests {
    private func publishLarge(_ count: Int, topic: String, rate: Int, _ cluster: Cluster) throws -> Program {
        let words = ["pub", "--records", "\(count)", "--topic", topic, "--size", "1000000", "--rate", "\(rate)", "-b", cluster.address(1)]
        return try Program("dbench", words, in: cluster.url)
    }

    /// The sender writes each body once, to the next in the chain; all but the last pass it on.
    @Test(arguments: [3, 5]) func largeRecordsGoFromMemberToMember(_ nodes: Int) async throws {
        let cluster = try Cluster(nodes: nodes)
        try await cluster.untilLive(Array(1...nodes))
        let count = 30
        try await publishLarge(count, topic: "live/long", rate: 0, cluster).succeeds()
        let chain = try #require(try await cluster.status(1)?.view.members)
        for node in 1...nodes {
            let status = try #require(try await cluster.status(node))
            let share = Double(node == 1 ? status.posted_bytes : status.relayed_bytes) / Double(count * 1_000_000)
            let isLast = chain[(chain.firstIndex(of: 1)! + nodes - 1) % nodes] == node
            #expect(isLast ? share < 0.1 : (1.0..<1.2).contains(share), "node \(node): \(share) of the records' bytes")
        }
    }

    @Test func theMemberThatPassesLargeRecordsOnIsKilledAndNothingIsLostOrTwice() async throws {
        let cluster = try Cluster()
        try await cluster.untilLive()
        let count = 300
        let subscriber = try Program("dbench", ["sub", "--records", "\(count)", "--topic", "t/more", "-b", cluster.address(3)], in: cluster.url)
        try await until("the subscription stands") { try await cluster.status(3)?.watches == 1 }
        let publisher = try publishLarge(count, topic: "t/more", rate: 60, cluster)
        try await until("large records flow") { try await cluster.status(2).map { $0.relayed_bytes > 50_000_000 } ?? false }
        try await cluster.kill(2)
        try await publisher.succeeds()
        // It checks that every number comes once and in order.
        try await subscriber.succeeds()
        try cluster.start(2)
        try await cluster.untilLive(settled: true)
        for node in [2, 3] {
            let sizes = String(decoding: try await cluster.contents("t/more", format: "%S\\n", at: node), as: UTF8.self)
            #expect(sizes.split(separator: "\n").count { $0 == "1000000" } == count, "node \(node)")
        }
    }

    /// Records that are a batch each, and small ones between them, have one numbering: a stream of them that is published again goes on at its end.
    @Test func aStreamWithLargeRecordsGoesOnWhereItEnded() async throws {
        let cluster = try Cluster()
        try await cluster.untilLive()
        func publish(_ count: Int) async throws -> UInt64 {
            let lines = (1...count).map { "\($0)-" + String(repeating: "x", count: $0 % 3 == 0 ? 10 : 100_000) }
            let file = try cluster.folder.write(lines.joined(separator: "\n") + "\n", to: "lines-\(count)").path
            let publisher = try cluster.program("dpub", ["t/mixed", "-f", file, "-l", "--id", "mixed"])
            try await publisher.succeeds()
            return UInt64(try #require(publisher.tally).duplicates)
        }
        #expect(try await publish(13) == 0)
        #expect(try await publish(20) == 13)
        let numbers = String(decoding: try await cluster.contents("t/mixed", format: "%s\\n", at: 2), as: UTF8.self)
            .split(separator: "\n").map { String($0.prefix { $0 != "-" }) }
        #expect(numbers == (1...20).map { "\($0)" })
    }
}
