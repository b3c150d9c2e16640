import Foundation
import Testing

extension ClusterTests {
    @Test func theStatusIsShownAgainAndFromAnotherNodeWhenOneIsLost() async throws {
        let cluster = try Cluster()
        try await cluster.untilLive()
        let watching = try Program("dbroker", ["status", "--watch", "-b", cluster.address(3)], in: cluster.url)
        func blocks() -> [String] {
            watching.outputText.components(separatedBy: "cluster test").dropFirst().map { String($0) }
        }
        try await until("two blocks are shown") { blocks().count >= 2 }
        #expect(blocks()[0].hasPrefix(" · node 3 is live · view 1 [1 2 3] (quorum 2)"))
        try await cluster.kill(3)
        try await until("another node answers") { blocks().last?.contains("is live · view 2 [1 2] (quorum 2)") ?? false }
        #expect(blocks().last?.contains("127.0.0.1:\(cluster.ports[2])  -     away") ?? false, "\(blocks().last ?? "")")
        watching.send(SIGINT)
        #expect(try await watching.status(within: 5) == 0)
        #expect(watching.errorText.isEmpty)

        // Each change of view says why it came.
        try await until("the reason is told") { cluster.log(1).contains("node 3 lost (closed by the peer)") }
        try cluster.start(3)
        try await cluster.untilLive()
        #expect(cluster.log(1).contains("view 3 [1 2 3] begins after") && cluster.log(1).contains("ms: node 3 taken in"))
        #expect(cluster.log(3).contains("view 3 [1 2 3] begins: this node is taken in"))

        let nobody = try Program("dbroker", ["status", "--watch", "--patience", "0.2", "-b", "127.0.0.1:1"], in: cluster.url)
        #expect(try await nobody.status(within: 10) == 69)
    }
}
