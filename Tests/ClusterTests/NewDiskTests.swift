import Foundation
import Testing

extension ClusterTests {
    /// Nodes 1 and 3 may have acknowledged what node 2 has not. Node 3 comes back on an empty disk, node 1 not yet: nobody serves.
    @Test func anEmptyDiskCountsForNobodyWhileAnotherNodeIsAway() async throws {
        let cluster = try await clusterThatLosesADisk()
        try cluster.start(2)
        try cluster.start(3)
        try await until("node 3 says that its disk is new", within: 20) { cluster.log(3).contains("not serving: its disk has nothing of view") }
        try await until("node 2 says the same of it", within: 20) { cluster.log(2).contains("if anything, is not on its disk") }
        #expect(cluster.log(3).contains("node 1 (not linked)"), "\(cluster.log(3))")
        let refused = try cluster.program("dpub", ["t/seq", "-m", "x", "--patience", "3"], at: [2, 3])
        #expect(try await refused.status(within: 30) == 69, "\(refused.errorText)")

        try cluster.start(1)
        try await cluster.untilLive(settled: true)
        for node in 1...3 {
            let held = try await cluster.contents("t/seq", format: "%s\\n", at: node)
            #expect(flaw(String(decoding: held, as: UTF8.self).split(separator: "\n"), upTo: 5_000) == nil, "node \(node)")
        }
    }

    @Test func whereTheOthersWillNotComeBackAnOperatorLetsItCount() async throws {
        let cluster = try await clusterThatLosesADisk()
        try cluster.start(2)
        try cluster.start(3, ["--accept-loss"])
        try await cluster.untilLive([2, 3])
        try await cluster.program("dpub", ["t/more", "-f", numbers(100, in: cluster), "-l"], at: [2, 3]).succeeds()
        let held = try await cluster.contents("t/seq", format: "%s\\n", at: 3)
        #expect(flaw(String(decoding: held, as: UTF8.self).split(separator: "\n"), upTo: 5_000) == nil)
        try cluster.start(1)
        try await cluster.untilLive(settled: true)
        let all = try await cluster.contents(at: 2)
        #expect(try await cluster.contents(at: 1) == all)
    }

    /// All nodes off; node 3's disk empty.
    private func clusterThatLosesADisk() async throws -> Cluster {
        let cluster = try Cluster()
        try await cluster.untilLive()
        try await cluster.program("dpub", ["t/seq", "-f", numbers(5_000, in: cluster), "-l"]).succeeds()
        // An acknowledgement is two disks: node 2's is to be one of them.
        try await cluster.untilLive(settled: true)
        for node in 1...3 { cluster.nodes[node]?.send(SIGKILL) }
        for node in 1...3 { try await cluster.kill(node) }
        try FileManager.default.removeItem(at: cluster.data(3))
        return cluster
    }
}
