import Foundation
import Testing

extension ClusterTests {
    /// Large records go from member to member: node 1's links carry about one copy of each, and whoever passes them on may fall.
    @Test func largeRecordsGoFromMemberToMemberAndSurviveTheOneThatPassesThemOn() async throws {
        let cluster = try Cluster()
        try await cluster.untilLive()
        let (size, first, count) = (1_000_000, 40, 300)
        func publish(_ records: Int, topic: String, rate: Int) throws -> Program {
            let words = ["pub", "--records", "\(records)", "--topic", topic, "--size", "\(size)", "--rate", "\(rate)", "-b", cluster.address(1)]
            return try Program("dbench", words, in: cluster.url)
        }
        struct Answer: Decodable {
            let posted_bytes: UInt64
            let relayed_bytes: UInt64
        }
        func counts(_ node: Int) async throws -> Answer {
            let status = try Program("dbroker", ["status", "-J", "-b", cluster.address(node)], in: cluster.url, label: "status-\(UUID().uuidString.prefix(6))")
            try await status.succeeds()
            return try JSONDecoder().decode(Answer.self, from: Data(status.outputText.utf8))
        }
        try await publish(first, topic: "t/large", rate: 0).succeeds()
        let (sender, others) = (try await counts(1), [try await counts(2), try await counts(3)])
        let bytes = UInt64(size * first)
        #expect(sender.posted_bytes > bytes && sender.posted_bytes < bytes + bytes / 5, "the sender's links carried \(sender.posted_bytes) of \(bytes) bytes")
        #expect(others.map(\.relayed_bytes).reduce(0, +) >= bytes)

        let subscriber = try Program(
            "dbench", ["sub", "--records", "\(count)", "--topic", "t/more", "-b", cluster.address(3)], in: cluster.url)
        try await until("the subscription stands") { try await cluster.status(3)?.watches == 1 }
        let publisher = try publish(count, topic: "t/more", rate: 60)
        try await until("large records flow") { try await counts(1).posted_bytes > sender.posted_bytes + UInt64(50 * size) }
        try await cluster.kill(2)
        try await publisher.succeeds()
        // It checks that every number comes once and in order.
        try await subscriber.succeeds()
        try cluster.start(2)
        try await cluster.untilLive(settled: true)
        for node in [2, 3] {
            let lines = try await cluster.contents("t/more", format: "%S\\n", at: node)
            #expect(String(decoding: lines, as: UTF8.self).split(separator: "\n").count { $0 == "\(size)" } == count, "node \(node)")
        }
    }
}
