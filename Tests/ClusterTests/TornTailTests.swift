import Foundation
import Testing

extension ClusterTests {
    /// Rounds of: kill -9 of any node at any moment under load, the end of its newest log segment torn off or garbled, start
    /// again. SQUALL_ROUNDS sets how many; 1,000 is the full bar.
    @Test func aKilledNodeWithATornLogStartsAndTheClusterHoldsAllThatWasAcknowledged() async throws {
        let rounds = ProcessInfo.processInfo.environment["SQUALL_ROUNDS"].flatMap { Int($0) } ?? 30
        let cluster = try Cluster { _ in "segment: 1MiB\n" }
        try await cluster.untilLive()
        let source = try Program("/usr/bin/seq", ["1", "1000000000"], in: cluster.url, output: .pipe)
        let publisher = try cluster.program(
            "dpub", ["t/seq", "--id", "rounds", "--rate", "4000", "--patience", "60"], input: source.pipe!.fileHandleForReading)
        var seed = UInt64.random(in: .min ... .max)
        print("note: torn tails, seed \(seed)")
        func draw(_ range: ClosedRange<Int>) -> Int {
            seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return range.lowerBound + Int(seed >> 33) % (range.upperBound - range.lowerBound + 1)
        }
        for round in 1...rounds {
            let node = draw(1...3)
            // A random moment, nothing to wait for.
            try await Task.sleep(for: .milliseconds(draw(0...150)))
            try await cluster.kill(node)
            // What the dead node alone had on its disk is in the other two's memory: they must have agreed before it returns.
            let others = [1, 2, 3].filter { $0 != node }
            try await cluster.untilLive(others, asking: [others[draw(0...1)]])
            let torn = try tear(cluster.data(node), bytes: draw(1...4096), garbles: draw(0...1) == 1) { UInt8(truncatingIfNeeded: draw(0...255)) }
            try cluster.start(node)
            do { try await cluster.untilLive(asking: [node]) } catch {
                throw Overdue(description: "round \(round), node \(node), \(torn): \(error)")
            }
            #expect(publisher.isRunning, "round \(round): \(publisher.errorText)")
        }
        publisher.send(SIGINT)
        try await publisher.succeeds()
        let tally = try #require(publisher.tally)
        #expect(tally.acknowledged == tally.sent && tally.acknowledged > 0)
        try await cluster.untilLive(settled: true)
        for node in 1...3 {
            let held = try await cluster.contents("t/seq", format: "%s\\n", at: node)
            #expect(flaw(String(decoding: held, as: UTF8.self).split(separator: "\n"), upTo: tally.acknowledged) == nil, "node \(node)")
        }
    }

    /// Zeroes or garbles the last `count` bytes that were written to the newest segment; returns what was done.
    private func tear(_ data: URL, bytes count: Int, garbles: Bool, _ byte: () -> UInt8) throws -> String {
        let folder = data.appendingPathComponent("group-0")
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".log") }.sorted()
        let name = try #require(names.last, "no log segment in \(folder.path)")
        let file = try FileHandle(forUpdating: folder.appendingPathComponent(name))
        defer { try? file.close() }
        let content = try file.readToEnd() ?? Data()
        // The file is laid out ahead, in zeros.
        let end = content.lastIndex { $0 != 0 }.map { $0 + 1 } ?? 0
        // The segment's header is written and synced before the first entry.
        let start = max(end - count, min(end, 4096))
        guard start < end else { return "nothing torn: \(name) holds \(end) bytes" }
        try file.seek(toOffset: UInt64(start))
        try file.write(contentsOf: garbles ? Data((start..<end).map { _ in byte() }) : Data(count: end - start))
        return "\(name): bytes \(start)..<\(end) \(garbles ? "garbled" : "zeroed")"
    }
}
