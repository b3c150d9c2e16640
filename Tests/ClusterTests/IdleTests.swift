import Foundation
import Testing

extension ClusterTests {
    @Test func anIdleClusterTakesLittleTimeAndLittleMemory() async throws {
        let cluster = try Cluster()
        try await cluster.untilLive()
        try await rest(cluster, "fresh")
        let publisher = try cluster.program("dpub", ["t/seq", "-f", numbers(200_000, in: cluster), "-l"])
        let live = try cluster.program("dpub", ["live/seq", "-f", numbers(100_000, in: cluster), "-l"], at: [2])
        try await publisher.succeeds()
        try await live.succeeds()
        _ = try await cluster.contents(at: 3)
        try await cluster.untilLive(settled: true)
        try await rest(cluster, "after the load")
    }

    /// Ten seconds without clients: below 1% of one core in all, below 64 MiB each.
    private func rest(_ cluster: Cluster, _ when: String) async throws {
        let pids = try (1...3).map { try #require(cluster.nodes[$0]).pid }
        let before = try pids.map(cpuTicks).reduce(0, +)
        let start = ContinuousClock.now
        // The span of time is what is measured here.
        try await Task.sleep(for: .seconds(10))
        let ticks = try pids.map(cpuTicks).reduce(0, +) - before
        let span = (ContinuousClock.now - start) / .seconds(1)
        let share = Double(ticks) / Double(sysconf(Int32(_SC_CLK_TCK))) / span
        let memory = try pids.map(residentKiB)
        print("note: idle, \(when): \(String(format: "%.2f", share * 100))% of one core in all, \(memory.map { "\($0 / 1024) MiB" }.joined(separator: ", "))")
        #expect(share < 0.01, "\(when): \(share * 100)% of one core")
        for resident in memory { #expect(resident < 64 << 10, "\(when): \(resident) KiB resident") }
    }

    /// User and system time of /proc/PID/stat, fields 14 and 15, in clock ticks.
    private func cpuTicks(_ pid: Int32) throws -> Int {
        let text = try String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)
        // The program's name, in parentheses, may hold anything.
        let rest = try #require(text.split(separator: ")").last).split(separator: " ")
        return try #require(Int(rest[11])) + #require(Int(rest[12]))
    }
    private func residentKiB(_ pid: Int32) throws -> Int {
        let text = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
        let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("VmRSS:") })
        return try #require(Int(line.filter(\.isNumber)))
    }
}
