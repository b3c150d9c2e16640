import Foundation
import Testing

extension ClusterTests {
    /// Which of three nodes stays off.
    @Test(arguments: 1...3) func afterAllWereOffAnyTwoServeAndOneAloneSaysWhomItWaitsFor(absent: Int) async throws {
        let cluster = try Cluster()
        try await cluster.untilLive()
        let count = 20_000
        try await cluster.program("dpub", ["t/seq", "-f", numbers(count, in: cluster), "-l"]).succeeds()
        for node in 1...3 { cluster.nodes[node]?.send(SIGKILL) }
        for node in 1...3 { try await cluster.kill(node) }

        let pair = [1, 2, 3].filter { $0 != absent }
        try cluster.start(pair[0])
        let others = [1, 2, 3].filter { $0 != pair[0] }
        let why = "is no quorum (2); waiting for "
        try await until("node \(pair[0]) says whom it waits for", within: 20) { cluster.log(pair[0]).contains(why) }
        for other in others { #expect(cluster.log(pair[0]).contains("node \(other) (not linked)"), "\(cluster.log(pair[0]))") }
        // A client is told the same.
        let refused = try cluster.program("dpub", ["t/seq", "-m", "alone", "--patience", "3"], at: [pair[0]])
        #expect(try await refused.status(within: 30) == 69)
        #expect(refused.errorText.contains("not serving: 1 of view") && refused.errorText.contains("node \(others[0]) (not linked)"), "\(refused.errorText)")

        try cluster.start(pair[1])
        try await cluster.untilLive(pair)
        try await cluster.program("dpub", ["t/more", "-f", numbers(100, in: cluster), "-l"], at: pair).succeeds()
        for node in pair {
            let held = try await cluster.contents("t/seq", format: "%s\\n", at: node)
            #expect(flaw(String(decoding: held, as: UTF8.self).split(separator: "\n"), upTo: count) == nil, "node \(node)")
        }
        try cluster.start(absent)
        try await cluster.untilLive(settled: true)
        let all = try await cluster.contents(at: pair[0])
        #expect(try await cluster.contents(at: absent) == all)
    }
}
