import Folding
import Testing
import Wire

/// How good foldings are, on instances small enough to know the best.
@Suite struct QualityTests {
    @Test func twoThousandSmallFoldingsAreNearTheBestAndNeverWorseThanSimpleOnes() throws {
        var ratios: [Double] = []
        var worst = (ratio: 1.0, seed: UInt64(0))
        var exact = 0
        var impossible = 0
        for seed in UInt64(1)...2000 {
            let instance = Instance.random(seed)
            guard let optimum = BruteForce.optimum(instance) else {
                #expect(throws: FoldError.self, "seed \(seed): \(instance)") { try FoldPlan(instance.topics, instance.options) }
                impossible += 1
                continue
            }
            let plan = try FoldPlan(instance.topics, instance.options)
            plan.checkInvariants()
            let cost = plan.cost.total
            #expect(cost >= optimum, "seed \(seed): cheaper than the cheapest: \(instance)")
            #expect(cost == BruteForce.cost(of: groups(plan), unicast: unicast(plan), instance), "seed \(seed): \(instance)")
            if let simple = simple(instance) { #expect(cost <= simple, "seed \(seed): \(instance)") }
            if optimum == 0 { #expect(cost == 0, "seed \(seed): \(instance)") } else {
                let ratio = Double(cost) / Double(optimum)
                ratios.append(ratio)
                if ratio > worst.ratio { worst = (ratio, seed) }
            }
            if cost == optimum { exact += 1 }
        }
        let mean = ratios.reduce(0, +) / Double(ratios.count)
        print("2000 small instances: \(impossible) without a folding, \(exact) at the optimum, mean cost \(mean) of it, worst \(worst.ratio) (seed \(worst.seed))")
        #expect(mean <= 1.10)
        #expect(ratios.count > 1000, "too few instances that cost anything")
    }

    private func groups(_ plan: FoldPlan) -> [[Int]] {
        plan.groups.map { group in plan.places.indices.filter { plan.places[$0] == .group(group.id) } }
    }
    private func unicast(_ plan: FoldPlan) -> [Int] { plan.places.indices.filter { plan.places[$0] == .unicast } }

    /// The cheaper of one group for each level, and the best of: two topics share a group, every other has its own or goes by unicast.
    private func simple(_ instance: Instance) -> Int? {
        let all = instance.topics.indices
        let levels = Level.allCases.map { level in all.filter { instance.topics[$0].level == level } }.filter { !$0.isEmpty }
        var costs = [BruteForce.cost(of: levels, unicast: [], instance)]
        for a in all {
            for b in all where b > a {
                let others = all.filter { $0 != a && $0 != b }
                for chosen in 0..<(1 << others.count) {
                    let own = others.enumerated().filter { chosen >> $0.offset & 1 == 1 }.map { [$0.element] }
                    let alone = others.enumerated().filter { chosen >> $0.offset & 1 == 0 }.map(\.element)
                    costs.append(BruteForce.cost(of: [[a, b]] + own, unicast: alone, instance))
                }
            }
        }
        return costs.compactMap { $0 }.min()
    }
}
