import Foundation
import Testing

extension ClusterTests {
    /// Which of a log's segments is hit: a closed one is found by reading through them, the open one when the node starts.
    enum Hit: CaseIterable { case closed, open }

    @Test(arguments: Hit.allCases) func aByteThatTurnedOverWhileTheNodeWasStoppedIsRepairedFromAnother(hit: Hit) async throws {
        let (cluster, count) = try await filled()
        cluster.nodes[3]?.send(SIGTERM)
        #expect(try await cluster.nodes[3]?.status(within: 10) == 0)
        let place = try flip(cluster.data(3), hit)
        try cluster.start(3)
        try await until("node 3 repairs \(place)", within: 30) {
            try await cluster.status(3).map { $0.entries_repaired > 0 && $0.damage.isEmpty && $0.phase == "live" } ?? false
        }
        #expect(cluster.log(3).contains("damage: group-0/") && cluster.log(3).contains(" entries of group-0/"), "\(cluster.log(3))")
        try await expectSame(cluster, count)
    }

    @Test func aByteThatTurnsOverUnderALiveNodeIsRepairedAndTheReaderWaits() async throws {
        let (cluster, count) = try await filled()
        let place = try flip(cluster.data(2), .closed)
        // History through the damaged node, and appends to it meanwhile.
        let publisher = try cluster.program("dpub", ["t/more", "-f", numbers(20_000, in: cluster), "-l"], at: [2])
        let held = try await cluster.contents("t/seq", format: "%s\\n", at: 2)
        #expect(flaw(String(decoding: held, as: UTF8.self).split(separator: "\n"), upTo: count) == nil, "\(place)")
        try await publisher.succeeds()
        let status = try #require(try await cluster.status(2))
        #expect(status.entries_repaired > 0 && status.damage.isEmpty && status.phase == "live")
        #expect(cluster.log(2).contains("the log reads back whole") && !cluster.log(2).contains("starting again"), "\(cluster.log(2))")
        try await expectSame(cluster, count)
    }

    /// What a view that runs is held up by: three quarters of a MiB at 256 KiB a second, asked for in pieces of 256 KiB.
    @Test func aRepairOfALiveNodeKeepsToTheRateOfCopies() async throws {
        let (cluster, count) = try await filled(extra: "copy_rate: 256KiB\n")
        let segment = try Segment.oldest(in: cluster.data(2))
        try segment.wipe(segment.size / 8..<segment.size * 7 / 8)
        let reader = try cluster.program("dsub", ["t/seq", "-o", "beginning", "-e", "-f", "%s\\n"], at: [2])
        try await until("node 2 finds the damage") { cluster.log(2).contains("damage: group-0/") }
        let found = ContinuousClock.now
        try await until("node 2 has repaired it", within: 30) { cluster.log(2).contains("the log reads back whole") }
        let took = ContinuousClock.now - found
        #expect(took >= .seconds(1.5), "three quarters of a MiB came within \(took)")
        try await reader.succeeds()
        try await expectSame(cluster, count)
    }

    /// Three nodes with some megabytes in small segments; how many records.
    private func filled(extra: String = "") async throws -> (Cluster, Int) {
        let cluster = try Cluster { _ in "segment: 1MiB\n" + extra }
        try await cluster.untilLive()
        let count = 120_000
        let publisher = try cluster.program("dpub", ["t/seq", "-f", numbers(count, in: cluster), "-l", "--rate", "60000"])
        try await publisher.succeeds()
        try await cluster.untilLive(settled: true)
        return (cluster, count)
    }

    /// Turns a byte over in the middle of the oldest segment, or in the first entry of the open one.
    private func flip(_ data: URL, _ hit: Hit) throws -> String {
        try #require(Segment.all(in: data).count > 2)
        let segment = try hit == .open ? Segment.newest(in: data) : Segment.oldest(in: data)
        let position = hit == .open ? 100 : segment.size / 2
        try segment.flip(position)
        return "\(segment.file.lastPathComponent): byte \(position)"
    }

    private func expectSame(_ cluster: Cluster, _ count: Int) async throws {
        try await cluster.untilLive(settled: true)
        let first = try await cluster.contents(at: 1)
        for node in 2...3 { #expect(try await cluster.contents(at: node) == first, "node \(node)") }
        let held = try await cluster.contents("t/seq", format: "%s\\n", at: 3)
        #expect(flaw(String(decoding: held, as: UTF8.self).split(separator: "\n"), upTo: count) == nil)
    }
}
