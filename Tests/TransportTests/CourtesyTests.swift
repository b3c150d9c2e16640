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

    private static func meets(_ courtesy: inout Courtesy, short: Int) { for _ in 0..<short { courtesy.yielded(900_000) } }

    @Test func aThreadWaitsItsTurnWhereYieldsAreShort() async {
        let found = await onItsOwn {
            var courtesy = Courtesy(isOn: true)
            var policies: [Int32] = []
            func note() { policies.append(sched_getscheduler(0)) }
            Self.meets(&courtesy, short: 15)
            note()
            Self.meets(&courtesy, short: 1)
            note()
            courtesy.yielded(1_000_001)
            note()
            // A long one in between counts them anew.
            Self.meets(&courtesy, short: 10)
            courtesy.yielded(2_000_000)
            Self.meets(&courtesy, short: 15)
            note()
            Self.meets(&courtesy, short: 1)
            note()
            courtesy.slept(late: 900_000)
            note()
            courtesy.slept(late: 1_000_001)
            note()
            return policies
        }
        #expect(found == [Self.usual, Self.waits, Self.usual, Self.usual, Self.waits, Self.waits, Self.usual])
    }

    @Test func aThreadThatNeverYieldsIsAskedToNowAndThen() {
        var courtesy = Courtesy(isOn: true)
        var asked: [Int] = []
        for sleep in 1...30 where courtesy.asks() {
            asked.append(sleep)
            courtesy.yielded(0)
        }
        #expect(asked == [9, 18, 27])
        // Rarely beside somebody who computes.
        for _ in 0..<20 { courtesy.yielded(2_000_000) }
        let first = (1...10_000).first { _ in courtesy.asks() }
        #expect(first == 4097)
        var off = Courtesy(isOn: false)
        let never = (0..<100).filter { _ in off.asks() }
        #expect(never.isEmpty)
    }

    @Test func aThreadThatIsScheduledOtherwiseIsLeftAlone() async {
        let found = await onItsOwn {
            var none = sched_param()
            let idle: Int32 = 5
            guard unsafe sched_setscheduler(0, idle, &none) == 0 else { return idle }
            var courtesy = Courtesy(isOn: true)
            Self.meets(&courtesy, short: 16)
            return sched_getscheduler(0)
        }
        #expect(found == 5)
    }

    @Test func aThreadThatWasNotToldToStaysAsItIs() async {
        let found = await onItsOwn {
            var courtesy = Courtesy(isOn: false)
            Self.meets(&courtesy, short: 16)
            return sched_getscheduler(0)
        }
        #expect(found == Self.usual)
    }
}
