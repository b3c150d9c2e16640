import Foundation
import Testing

extension ClusterTests {
    @Test(arguments: [1, 3]) func aNodeThatIsAskedToLeaveGoesWithoutSuspicionAndNothingIsLostOrTwice(leaver: Int) async throws {
        let cluster = try Cluster()
        try await cluster.untilLive()
        let rest = [1, 2, 3].filter { $0 != leaver }
        let count = 30_000
        let publisher = try cluster.program(
            "dpub", ["t/seq", "-f", numbers(count, in: cluster), "-l", "--id", "leave", "--rate", "8000", "--patience", "60"], at: [leaver] + rest)
        let subscriber = try cluster.program(
            "dsub", ["t/#", "-o", "beginning", "-c", "\(count)", "-f", "%s\\n", "--patience", "60"], at: [leaver] + rest)
        try await until("records flow") { subscriber.outputSize > 20_000 }

        // Asked at another node; the answer comes when the process has ended its work.
        let leaving = try asking(cluster, ["\(leaver)"], at: [2])
        try await leaving.succeeds(within: 20)
        #expect(leaving.outputText.hasPrefix("node \(leaver) has left: view 2 [\(rest[0]) \(rest[1])] goes on without it"))
        let node = try #require(cluster.nodes[leaver])
        #expect(try await node.status(within: 5) == 0)
        #expect(node.errorText.contains("left: view 2"))
        for other in rest { #expect(!cluster.log(other).contains("suspecting"), "\(cluster.log(other))") }
        try await cluster.untilLive(rest)

        // Asked again it is so already.
        let again = try asking(cluster, ["\(leaver)"], at: rest)
        try await again.succeeds(within: 20)
        let more = try cluster.program("dpub", ["more/seq", "-f", numbers(500, in: cluster), "-l"], at: rest)
        try await more.succeeds(within: 20)
        #expect(more.tally?.acknowledged == 500)

        try cluster.start(leaver)
        try await publisher.succeeds()
        #expect(publisher.tally?.acknowledged == count)
        try await subscriber.succeeds(within: 30)
        #expect(flaw(subscriber.outputLines, upTo: count) == nil)
        try await cluster.untilLive(settled: true)
        for node in 1...3 {
            let held = try await cluster.contents("t/seq", format: "%s\\n", at: node)
            #expect(flaw(String(decoding: held, as: UTF8.self).split(separator: "\n"), upTo: count) == nil, "node \(node)")
        }
    }

    @Test func whatCannotLeaveIsToldSoInWords() async throws {
        let cluster = try Cluster(nodes: 2)
        try await cluster.untilLive([1, 2])
        for (arguments, status, says) in [
            (["1"], 77, "dbroker: node 1 cannot leave view 1 [1 2]: the rest would be no quorum of it; start another node first, or let another one leave\n"),
            (["9"], 64, "dbroker: node 9 is not of this cluster; its nodes are 1, 2\nTry 'dbroker --help'.\n"),
            ([], 64, "dbroker: more than one broker is named: say which node is to leave\nTry 'dbroker --help'.\n"),
        ] as [([String], Int32, String)] {
            let refused = try asking(cluster, arguments, at: [1, 2])
            #expect(try await refused.status(within: 20) == status)
            #expect(refused.errorText == says)
        }
        // Without a number: the broker that is asked.
        let second = try asking(cluster, [], at: [2])
        try await second.succeeds(within: 20)
        #expect(second.outputText == "node 2 has left: view 2 [1] goes on without it\n")
        let last = try asking(cluster, [], at: [1])
        #expect(try await last.status(within: 20) == 77)
        #expect(last.errorText == "dbroker: node 1 is the last member of view 2 [1]: nobody could go on; stop it instead\n")
    }

    private func asking(_ cluster: Cluster, _ arguments: [String], at nodes: [Int]) throws -> Program {
        try Program("dbroker", ["leave"] + arguments + ["-b", cluster.addresses(nodes)], in: cluster.url)
    }
}
