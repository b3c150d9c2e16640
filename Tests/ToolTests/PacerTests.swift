import Testing

@testable import dpub

/// Seconds between equal times may differ in the last bits.
private func near(_ a: Double, _ b: Double) -> Bool { abs(a - b) < 1e-9 }

@Test func aRateSpacesRecordsEvenly() {
    var pacer = Pacer(.rate(4))
    var now = 100.0
    var times: [Double] = []
    for _ in 0..<5 {
        now += pacer.delay(now: now, time: 0)
        times.append(now)
        pacer.sent(now: now)
    }
    #expect(times == [100, 100.25, 100.5, 100.75, 101])
}

@Test func aRateCatchesUpAfterAShortStallOnly() {
    // Eighths of a second are exact in binary.
    var pacer = Pacer(.rate(8))
    pacer.sent(now: 0)
    // Half a second late: four records at once, then on time again.
    var sentAtOnce = 0
    while pacer.delay(now: 0.5625, time: 0) == 0 {
        pacer.sent(now: 0.5625)
        sentAtOnce += 1
    }
    #expect(sentAtOnce == 4)
    // A minute late: what lies more than a second back is let go.
    sentAtOnce = 0
    while pacer.delay(now: 60, time: 0) == 0 {
        pacer.sent(now: 60)
        sentAtOnce += 1
    }
    #expect(sentAtOnce == 9)
}

@Test func aSpeedFollowsTheRecordsTimes() {
    var pacer = Pacer(.speed(10))
    let second: Int64 = 1_000_000_000
    #expect(pacer.delay(now: 50, time: 1000 * second) == 0)
    #expect(near(pacer.delay(now: 50, time: 1005 * second), 0.5))
    #expect(near(pacer.delay(now: 50.2, time: 1005 * second), 0.3))
    #expect(pacer.delay(now: 50.5, time: 1005 * second) == 0)
    #expect(pacer.delay(now: 60, time: 1010 * second) == 0)
}

@Test func aSmallStepBackIsJitterALargeOneBeginsAgain() {
    var pacer = Pacer(.speed(1))
    let second: Int64 = 1_000_000_000
    #expect(pacer.delay(now: 0, time: 100 * second) == 0)
    #expect(pacer.delay(now: 5, time: 105 * second) == 0)
    #expect(pacer.delay(now: 5, time: 96 * second) == 0)
    #expect(near(pacer.delay(now: 5, time: 106 * second), 1))
    // More than ten seconds back: another series.
    #expect(pacer.delay(now: 6, time: 20 * second) == 0)
    #expect(near(pacer.delay(now: 6, time: 22 * second), 2))
}

@Test func withoutAPaceNothingWaits() {
    var pacer = Pacer(.unlimited)
    pacer.sent(now: 1)
    #expect(pacer.delay(now: 0, time: .max) == 0)
}

@Test func timesAtTheEndsOfTheirRangeDoNotTrap() {
    var pacer = Pacer(.speed(1))
    _ = pacer.delay(now: 0, time: .max)
    #expect(pacer.delay(now: 0, time: .min) == 0)
    #expect(pacer.delay(now: 0, time: .max) > 0)
}
