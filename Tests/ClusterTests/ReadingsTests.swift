import Foundation
import Testing

/// Real brokers, publishers and subscribers; one test after another, for their deadlines are real.
@Suite(.serialized, .timeLimit(.minutes(60))) struct ClusterTests {}

extension ClusterTests {
    @Test func twoPublishersAndThreeSubscribersSeeOneOrderAndNothingIsMissing() async throws {
        let cluster = try Cluster()
        let readings = try await Readings(in: cluster.folder)
        try await cluster.untilLive()
        let subscribers = try subscribe(to: cluster, readings.count)
        let publishers = try publish(readings, to: cluster)
        for (publisher, count) in zip(publishers, readings.counts) {
            try await publisher.succeeds()
            #expect(publisher.tally?.acknowledged == count)
        }
        try await check(subscribers, readings, cluster)
    }

    @Test func afterAKillOfAllNodesInTheMiddleEveryAcknowledgedRecordIsThereOnce() async throws {
        let cluster = try Cluster()
        let readings = try await Readings(in: cluster.folder)
        try await cluster.untilLive()
        let subscribers = try subscribe(to: cluster, readings.count)
        let publishers = try publish(readings, to: cluster, ["--rate", "12000"])
        // A line has about 55 bytes: a third of the way.
        try await until("a third of the records have come") { subscribers.allSatisfy { $0.outputSize > 55 * readings.count / 3 } }
        #expect(publishers.allSatisfy { $0.isRunning }, "the publishers were done before the kill")
        for node in 1...3 { cluster.nodes[node]?.send(SIGKILL) }
        for node in 1...3 { try await cluster.kill(node) }
        for node in 1...3 { try cluster.start(node) }
        for (publisher, count) in zip(publishers, readings.counts) {
            try await publisher.succeeds()
            let tally = try #require(publisher.tally)
            #expect(tally.acknowledged == count && tally.failed == 0, "\(publisher.errorText)")
        }
        try await check(subscribers, readings, cluster)
    }

    private func subscribe(to cluster: Cluster, _ count: Int) throws -> [Program] {
        try [[1, 2, 3], [2, 3, 1], [3, 1, 2]].map {
            try cluster.program("dsub", ["#", "-o", "beginning", "-c", "\(count)", "-f", "%o %t %T %s\\n", "--patience", "60"], at: $0)
        }
    }
    private func publish(_ readings: Readings, to cluster: Cluster, _ more: [String] = []) throws -> [Program] {
        try readings.halves.enumerated().map { half, file in
            try cluster.program(
                "dpub", ["--csv", "--value-column", "value", "-f", file.path, "--id", "half-\(half)", "--patience", "60"] + more,
                at: half == 0 ? [1, 2, 3] : [2, 3, 1])
        }
    }
    /// The three live outputs are equal and right, and so is what each node holds afterwards.
    private func check(_ subscribers: [Program], _ readings: Readings, _ cluster: Cluster) async throws {
        for subscriber in subscribers { try await subscriber.succeeds() }
        let first = subscribers[0].output
        #expect(readings.flaw(in: first) == nil)
        for (index, subscriber) in subscribers.enumerated().dropFirst() {
            #expect(subscriber.output == first, "subscribers 1 and \(index + 1) differ")
        }
        try await cluster.untilLive(settled: true)
        for node in 1...3 {
            let held = try await cluster.contents(at: node)
            #expect(held == first, "node \(node) holds something else than was delivered: \(readings.flaw(in: held) ?? "an other order")")
        }
    }
}
