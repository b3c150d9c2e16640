import Wire

/// A world in which some topics are kept by some nodes only: small segments that close soon, words that come soon, many records.
struct Parting {
    /// Nanoseconds that a node waits before it fetches the past of topics that it has come to hold, and between two words of what it has.
    let fillAfter: UInt64
    let sayHoldingEvery: UInt64
    let segmentBytes: Int
    let publishGap: UInt64
    /// By the beginning of topics' names.
    private let replicas: [(prefix: String, count: Int)]
    let leansOnPowerCuts: Bool
    /// A node whose disk is slow until all heals.
    let slowDisk: Int?
    /// What one disk alone keeps may not rot.
    var mayRot: Bool { replicas.allSatisfy { $0.count > 1 } }

    /// Nil: all nodes keep all topics; never where that `isSure`.
    init?(seed: UInt64, isSure: Bool) {
        var random = SplitMix64(seed: seed, .parting)
        guard random.chance(9) || isSure else { return nil }
        replicas = ["t0/", "t1/", "t3/", "s/"].filter { _ in random.chance(70) }.map { ($0, random.pick([1, 2, 2, 3])) }
        fillAfter = random.pick([1, 10, 100]) * Span.millisecond
        sayHoldingEvery = random.pick([1, 5, 20]) * Span.millisecond
        segmentBytes = random.pick([512, 1024, 2048])
        publishGap = random.pick([200, 1_000, 5_000]) * Span.microsecond
        leansOnPowerCuts = random.chance(40)
        slowDisk = random.chance(40) ? random.below(2) : nil
    }

    /// The rules of a world, whatever else they say of the topics.
    func rules(with rules: [CleanChecker.Rule]) -> [CleanChecker.Rule] {
        var rules = rules
        for (prefix, count) in replicas {
            if let i = rules.firstIndex(where: { $0.prefix == prefix }) { rules[i].replicas = count } else {
                rules.append(CleanChecker.Rule(prefix: prefix, replicas: count))
            }
        }
        return rules
    }

    /// Its kinds of faults, of those drawn for any world.
    func faults(of kinds: [Temper.Fault]) -> [Temper.Fault] {
        kinds.filter { $0 != .rot || mayRot } + (leansOnPowerCuts ? [.powerCut, .powerCut] : [])
    }
}
