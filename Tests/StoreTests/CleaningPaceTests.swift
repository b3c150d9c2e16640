import Testing
import Topics
import Wire

@testable import Broker

/// How much a slice of cleaning may read and write, and when the next one may begin.
@Suite struct CleaningPaceTests {
    private static let millisecond: UInt64 = 1_000_000
    private static let settings = {
        var settings = NodeSettings(node: NodeID(1), cluster: "c", members: [], topics: TopicsConfiguration(rules: [], defaultLevel: .durable, admit: .all), segmentBytes: 1 << 20)
        settings.cleanRate = 32 << 20
        return settings
    }()

    /// Bytes of the slices of two seconds, each of which takes the disk as long as said.
    private func bytes(isBehind: Bool, took: UInt64) -> (bytes: Int, disk: UInt64) {
        var pace = CleaningPace()
        var report = CleanReport()
        (report.isBehind, report.took) = (isBehind, took)
        var (now, end) = (10 * UInt64(1_000_000_000), 12 * UInt64(1_000_000_000))
        pace.report = report
        pace.asked = now
        var (bytes, disk) = (0, UInt64(0))
        while now < end {
            pace.begin(Self.settings, in: ViewNumber(1), now: now)
            bytes += pace.bytes
            now += took
            disk += took
            end = max(end, now)
            pace.end(report, isDone: false, Self.settings, now: now)
            now = max(now, pace.nextAt)
        }
        return (bytes, disk)
    }

    @Test func aQuickDiskIsGivenTheRateAndEightTimesOfItWhereTheLogGrowsFaster() {
        let (calm, hurried) = (bytes(isBehind: false, took: Self.millisecond), bytes(isBehind: true, took: Self.millisecond))
        #expect(abs(calm.bytes - 64 << 20) < 4 << 20, "\(calm.bytes >> 20) MiB")
        #expect(abs(hurried.bytes - 512 << 20) < 32 << 20, "\(hurried.bytes >> 20) MiB")
    }

    @Test func aSlowDiskGivesAQuarterOfItsTimeAndHalfOfItWhereTheLogGrowsFaster() {
        let (calm, hurried) = (bytes(isBehind: false, took: 50 * Self.millisecond), bytes(isBehind: true, took: 50 * Self.millisecond))
        #expect(calm.disk == 500 * Self.millisecond)
        #expect(hurried.disk == 1000 * Self.millisecond)
    }
}
