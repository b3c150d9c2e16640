import Foundation
import Testing

extension ClusterTests {
    /// A pair's lowest rank is a quorum by itself (so that a pair survives the loss of its second member): node 1 goes first.
    @Test("Publishing goes on with a quorum and stops without one", arguments: [true, false])
    func publishingNeedsAQuorum(nodesFallInTurn: Bool) async throws {
        let cluster = try Cluster()
        try await cluster.untilLive()
        if nodesFallInTurn {
            try await cluster.kill(1)
        }
        let first = try cluster.program("dpub", ["t/seq", "-f", numbers(1000, in: cluster), "-l", "--id", "one"], at: [3, 2])
        try await first.succeeds(within: 20)
        #expect(first.tally?.acknowledged == 1000)

        for node in [1, 2] { cluster.nodes[node]?.send(SIGKILL) }
        for node in [1, 2] { try await cluster.kill(node) }
        let patient = try cluster.program(
            "dpub", ["t/more", "-f", numbers(500, in: cluster), "-l", "--id", "two", "--patience", "60", "--progress", "always"], at: [3, 2])
        let impatient = try cluster.program("dpub", ["t/never", "-m", "x", "--patience", "3"], at: [3])
        let status = try await impatient.status(within: 20)
        #expect([3, 69].contains(status), "\(status): \(impatient.errorText)")
        #expect((impatient.tally?.acknowledged ?? 0) == 0)
        #expect(patient.isRunning)
        #expect((patient.tally?.acknowledged ?? 0) == 0, "acknowledged without a quorum: \(patient.errorText)")

        try cluster.start(2)
        try await patient.succeeds(within: 30)
        #expect(patient.tally?.acknowledged == 500)
        try cluster.start(1)
        try await cluster.untilLive(settled: true)
        for node in 1...3 {
            let seq = try await cluster.contents("t/seq", format: "%s\\n", at: node)
            #expect(flaw(String(decoding: seq, as: UTF8.self).split(separator: "\n"), upTo: 1000) == nil)
            let more = try await cluster.contents("t/more", format: "%s\\n", at: node)
            #expect(flaw(String(decoding: more, as: UTF8.self).split(separator: "\n"), upTo: 500) == nil)
        }
    }

    @Test func theNodeOfAPublisherAndASubscriberIsKilledAndNothingIsLostOrTwice() async throws {
        let cluster = try Cluster()
        try await cluster.untilLive()
        let count = 40_000
        let subscribers = try startSubscribers(cluster, count, [[1, 2, 3], [3, 2, 1]])
        try await attached(cluster, 1, 1)
        try await attached(cluster, 3, 1)
        let publisher = try cluster.program(
            "dpub", ["t/seq", "-f", numbers(count, in: cluster), "-l", "--id", "b3", "--rate", "8000", "--patience", "60"])
        try await until("records flow") { subscribers.allSatisfy { $0.outputSize > 40_000 } }
        try await attached(cluster, 1, 2)
        try await cluster.kill(1)
        let before = subscribers.map(\.outputSize)
        try await until("records flow again") { zip(subscribers, before).allSatisfy { $0.outputSize > $1 + 10_000 } }
        try cluster.start(1)
        try await finish(cluster, publisher, subscribers, count)
    }

    @Test func aPublisherThatIsKilledGoesOnAtAnotherNodeWithTheSameInputAndNothingIsTwice() async throws {
        let cluster = try Cluster()
        try await cluster.untilLive()
        let count = 20_000
        let subscribers = try startSubscribers(cluster, count, [[3, 1, 2]])
        let words = try ["t/seq", "-f", numbers(count, in: cluster), "-l", "--id", "again"]
        let killed = try cluster.program("dpub", words + ["--rate", "8000"], at: [1, 2, 3])
        try await until("records flow") { subscribers[0].outputSize > 20_000 }
        try await killed.destroy()
        let second = try cluster.program("dpub", words, at: [2, 3, 1])
        try await finish(cluster, second, subscribers, count)
        let tally = try #require(second.tally)
        #expect(tally.duplicates > 3_000 && tally.duplicates < count, "the second run sent what the first one had: \(second.errorText)")
    }

    @Test func aNodeThatStandsStillIsMovedOutComesBackAndNothingIsLostOrTwice() async throws {
        let cluster = try Cluster()
        try await cluster.untilLive()
        let count = 60_000
        let subscribers = try startSubscribers(cluster, count, [[2, 3, 1], [1, 2, 3]])
        try await attached(cluster, 2, 1)
        let publisher = try cluster.program(
            "dpub", ["t/seq", "-f", numbers(count, in: cluster), "-l", "--id", "stop", "--rate", "8000", "--patience", "60"])
        try await until("records flow") { subscribers.allSatisfy { $0.outputSize > 40_000 } }
        let stopped = ContinuousClock.now
        cluster.nodes[2]?.send(SIGSTOP)
        try await until("node 2 is moved out") { try await cluster.status(1)?.view.members.sorted() == [1, 3] }
        let before = subscribers[1].outputSize
        try await until("records flow without node 2") { subscribers[1].outputSize > before + 10_000 }
        try await until("three seconds have gone by") { ContinuousClock.now - stopped > .seconds(3) }
        cluster.nodes[2]?.send(SIGCONT)
        try await finish(cluster, publisher, subscribers, count)
    }

    @Test func publishingDoesNotStopWhereLogSegmentsAreFull() async throws {
        let cluster = try Cluster { _ in "segment: 1MiB\n" }
        try await cluster.untilLive()
        let count = 500_000
        let publisher = try cluster.program("dpub", ["t/seq", "-l", "-f", numbers(count, in: cluster)])
        try await publisher.succeeds(within: 30)
        #expect(publisher.tally?.acknowledged == count)
        let held = try await cluster.contents("t/seq", format: "%s\\n", at: 3)
        #expect(flaw(String(decoding: held, as: UTF8.self).split(separator: "\n"), upTo: count) == nil)
    }

    private func startSubscribers(_ cluster: Cluster, _ count: Int, _ places: [[Int]]) throws -> [Program] {
        try places.map {
            try cluster.program("dsub", ["t/#", "-o", "beginning", "-c", "\(count)", "-f", "%s\\n", "--patience", "60"], at: $0)
        }
    }
    /// Waits until so many clients are attached to the node, besides the one that asks.
    private func attached(_ cluster: Cluster, _ node: Int, _ count: Int) async throws {
        try await until("\(count) clients are attached to node \(node)") { try await cluster.status(node)?.sessions == count + 1 }
    }
    private func finish(_ cluster: Cluster, _ publisher: Program, _ subscribers: [Program], _ count: Int) async throws {
        try await publisher.succeeds()
        #expect(publisher.tally?.acknowledged == count, "\(publisher.errorText)")
        for subscriber in subscribers {
            // One that lacks records never ends by itself: what it has says more than that it is late.
            let status = try? await subscriber.status(within: 20)
            #expect(flaw(subscriber.outputLines, upTo: count) == nil, "\(subscriber.errorText)")
            #expect(status == 0, "\(subscriber.errorText)")
        }
        try await cluster.untilLive(settled: true)
        for node in 1...3 {
            let held = try await cluster.contents("t/seq", format: "%s\\n", at: node)
            #expect(flaw(String(decoding: held, as: UTF8.self).split(separator: "\n"), upTo: count) == nil, "node \(node)")
        }
    }
}
