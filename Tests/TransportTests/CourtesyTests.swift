import Foundation
import Glibc
import Testing
@testable import Transport

@Suite struct CourtesyTests {
    /// Runs `body` on a thread of its own, which is scheduled like any other, and returns what it found.
    private func onItsOwn<T: Sendable>(_ body: @escaping @Sendable () -> T) async -> T {
        await withCheckedContinuation { done in Thread { done.resume(returning: body()) }.start() }
    }
    private static let usual = SCHED_OTHER
    /// SCHED_BATCH, by its number: the header has it only for GNU's own.
    private static let waits: Int32 = 3

    @Test func aThreadWaitsItsTurnUntilSomebodyComputesAndAgainAfterAWhile() async {
        let found = await onItsOwn {
            var courtesy = Courtesy(isOn: true)
            var policies = [sched_getscheduler(0)]
            for step in [0, 1, 2, 3] as [UInt64] {
                switch step {
                case 0: courtesy.begin(now: 5)
                case 1: courtesy.end(now: 10)
                case 2: courtesy.begin(now: 1_000_000_009)
                default: courtesy.begin(now: 1_000_000_010)
                }
                policies.append(sched_getscheduler(0))
            }
            return policies
        }
        #expect(found == [Self.usual, Self.waits, Self.usual, Self.usual, Self.waits])
    }

    @Test func aThreadThatIsScheduledOtherwiseIsLeftAlone() async {
        let found = await onItsOwn {
            var none = sched_param()
            let idle: Int32 = 5
            guard unsafe sched_setscheduler(0, idle, &none) == 0 else { return [idle] }
            var courtesy = Courtesy(isOn: true)
            courtesy.begin(now: 5)
            return [sched_getscheduler(0)]
        }
        #expect(found == [5])
    }

    @Test func aThreadThatWasNotToldToStaysAsItIs() async {
        let found = await onItsOwn {
            var courtesy = Courtesy(isOn: false)
            courtesy.begin(now: 5)
            return sched_getscheduler(0)
        }
        #expect(found == Self.usual)
    }
}
