import Testing

@testable import Transport

extension Links {
    /// Each heartbeat to each of 600 clients would be 30,000 rows a second and side. Nobody is given up for keeping to what was said; who says nothing
    /// at all is, later than one of few would be.
    @Test(.enabled(if: overTCP)) func rowsThatSayNothingNewBecomeRarerWithTheNumberOfClients() throws {
        let clients = 600
        let heartbeat: UInt64 = 20_000_000
        var options = (nodeOptions(1), clientOptions())
        (options.0.heartbeat, options.0.deadline, options.0.maximumLinks) = (heartbeat, 100_000_000, clients + 8)
        (options.1.heartbeat, options.1.deadline, options.1.maximumLinks) = (heartbeat, 100_000_000, clients)
        options.1.sharesMemory = false
        let (node, crowd) = (try Station(options.0), try Station(options.1))
        for begun in 1...clients {
            _ = try crowd.transport.connect(host: firstHost, port: node.transport.listeningPort)
            try #require(pump([node, crowd]) { begun - crowd.ups.count < 32 })
        }
        try #require(pump([node, crowd]) { crowd.ups.count == clients && node.ups.count == clients })
        // What is said first holds for the next row.
        pump([node, crowd], for: 0.3) { false }
        let before = (node.transport.counters.rows, crowd.transport.counters.rows)
        pump([node, crowd], for: 1) { false }
        let rows = (node.transport.counters.rows - before.0, crowd.transport.counters.rows - before.1)
        #expect(node.downs.isEmpty && crowd.downs.isEmpty)
        // Every 120 ms one to each, less the third of a heartbeat that they may come sooner.
        #expect((2_500...7_500).contains(rows.0) && (2_500...7_500).contains(rows.1), "\(rows)")

        let start = monotonicNow()
        #expect(pump([node], for: 3) { node.downs.count == clients })
        #expect(node.downs.allSatisfy { $0 == .silent })
        #expect(monotonicNow() - start > 300_000_000)
    }
}
