import Simulation
import Testing

/// Many small worlds; `simulate` runs more and larger ones.
@Suite struct SimulationTests {
    @Test(arguments: 0..<4) func noWorldShowsAViolation(part: Int) {
        for seed in UInt64(part * 100 + 1)...UInt64(part * 100 + 100) {
            // A trap ends the process: the last seed printed is the one.
            print("seed \(seed)")
            let report = Simulation.run(Plan(seed: seed, steps: 2_000))
            #expect(report.violation == nil, "seed \(seed)")
        }
    }

    @Test(arguments: [3, 17, 42] as [UInt64]) func theSameSeedRunsTheSame(seed: UInt64) {
        #expect(Simulation.run(Plan(seed: seed, steps: 3_000)) == Simulation.run(Plan(seed: seed, steps: 3_000)))
    }

    @Test func twoSeedsDiffer() {
        #expect(Simulation.run(Plan(seed: 1, steps: 1_000)).digest != Simulation.run(Plan(seed: 2, steps: 1_000)).digest)
    }

    @Test func theFoundSeedsAreThere() { #expect(!FoundSeed.all.isEmpty) }

    /// Worlds that once showed a bug.
    @Test(arguments: FoundSeed.all) func aWorldThatOnceFailedIsSound(found: FoundSeed) {
        print("seed \(found.name)")
        #expect(Simulation.run(found.plan).violation == nil, "\(found.name): \(found.what)")
    }
}
