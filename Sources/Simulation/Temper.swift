internal import Wire

/// What kind of world a seed makes: swarm testing, each seed leaves some faults out and leans on others.
struct Temper {
    let nodes: Int
    let ringBytes: Int
    let segmentBytes: Int
    /// A client's receive ring has this much room, bytes.
    let clientBytes: Int
    let publishers: Int
    let subscribers: Int
    /// Nanoseconds between a publisher's batches, about.
    let publishGap: UInt64
    let recordBytes: Int
    /// Nanoseconds that a message, or the disk, takes at most.
    let networkMost: UInt64
    let diskMost: UInt64
    /// Nanoseconds between faults, at most; 0: none.
    let faultGap: UInt64
    let faults: [Fault]
    /// How often, in a hundred, a fault follows on the heels of another, or of a new view.
    let onTheHeels: Int
    let restartWait: UInt64
    let holdUp: UInt64
    let stuckAfter: UInt64
    let suspectAfter: UInt64
    let hasPowerCuts: Bool

    enum Fault: CaseIterable {
        case kill, powerCut, crashAll, cutLink, partition, oneWay, stall, clockStep, clientHop, crashLeader
    }

    init(seed: UInt64) {
        var random = SplitMix64(seed: seed, .temper)
        nodes = random.pick([2, 3, 3, 3, 4, 5, 5])
        ringBytes = random.pick([4, 16, 16, 64]) << 10
        segmentBytes = random.pick([4, 16, 64]) << 10
        clientBytes = 2 * ringBytes + (random.pick([1, 4, 64]) << 10)
        publishers = 1 + random.below(3)
        subscribers = 2 + random.below(2)
        publishGap = random.pick([500, 2_000, 10_000, 40_000]) * Span.microsecond
        recordBytes = random.pick([16, 64, 400])
        networkMost = random.pick([100, 1_000, 20_000]) * Span.microsecond
        diskMost = random.pick([200, 2_000, 50_000]) * Span.microsecond
        faultGap = random.pick([0, 20, 100, 500, 500, 2_000]) * Span.millisecond
        var drawn = Fault.allCases.filter { _ in random.chance(50) }
        if drawn.isEmpty { drawn = [.kill] }
        faults = drawn
        onTheHeels = random.pick([0, 20, 60])
        restartWait = random.pick([20, 200]) * Span.millisecond
        holdUp = random.pick([500, 3_000]) * Span.millisecond
        stuckAfter = random.pick([200, 1_000]) * Span.millisecond
        suspectAfter = random.pick([20, 100, 400]) * Span.millisecond
        hasPowerCuts = random.chance(70)
    }
}
