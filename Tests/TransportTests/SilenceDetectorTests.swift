@testable import Transport
import Testing

private let millisecond: UInt64 = 1_000_000

struct SilenceDetectorTests {
    private func detector() -> SilenceDetector {
        SilenceDetector(heartbeat: 200 * millisecond, ceiling: 1000 * millisecond, now: 0)
    }
    /// Heard each `gap` for `seconds`; the time afterwards.
    private func run(_ detector: inout SilenceDetector, from start: UInt64, every gap: UInt64, seconds: UInt64) -> UInt64 {
        var now = start
        while now < start + seconds * 1000 * millisecond {
            now += gap
            detector.heard(after: gap, now: now)
        }
        return now
    }

    @Test func aNewPeerIsGivenTheConfiguredTime() {
        var detector = detector()
        #expect(detector.limit == 1000 * millisecond)
        _ = run(&detector, from: 0, every: 200 * millisecond, seconds: 9)
        #expect(detector.limit == 1000 * millisecond)
    }

    @Test func aPunctualPeerIsGivenLittleMoreThanTwoHeartbeats() {
        var detector = detector()
        _ = run(&detector, from: 0, every: 205 * millisecond, seconds: 25)
        #expect(detector.limit == 440 * millisecond)
    }

    @Test func onePauseIsRememberedForAWindowAndForgottenAfterTwo() {
        var detector = detector()
        var now = run(&detector, from: 0, every: 200 * millisecond, seconds: 25)
        #expect(detector.limit == 400 * millisecond)
        now += 250 * millisecond
        detector.heard(after: 250 * millisecond, now: now)
        #expect(detector.limit == 800 * millisecond)
        now = run(&detector, from: now, every: 200 * millisecond, seconds: 9)
        #expect(detector.limit == 800 * millisecond)
        now = run(&detector, from: now, every: 200 * millisecond, seconds: 12)
        #expect(detector.limit == 400 * millisecond)
    }

    @Test func aPeerThatIsAlwaysLateIsGivenTheConfiguredTimeAndNoMore() {
        var detector = detector()
        _ = run(&detector, from: 0, every: 700 * millisecond, seconds: 60)
        #expect(detector.limit == 1000 * millisecond)
    }
}
