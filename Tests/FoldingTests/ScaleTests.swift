import Folding
import TestClock
import Testing
import Wire

/// Many topics: how long it takes, and what is saved. Times hold for optimised code; one that was not optimised gets ten times as long.
@Suite(.serialized) struct ScaleTests {
    #if DEBUG
        private static let patience: Duration = .seconds(20)
    #else
        private static let patience: Duration = .seconds(2)
    #endif

    private func folded(_ topics: [TopicDemand], _ options: FoldOptions, _ what: String) throws -> FoldPlan {
        var plan: FoldPlan?
        let time = try processorTime { plan = try FoldPlan(topics, options) }
        let made = try #require(plan)
        made.checkInvariants()
        let one = FoldBaselines(topics, options).oneForAll
        let share = Double(made.cost.unwanted.thousandths) / Double(max(one.unwanted.thousandths, 1)) * 100
        print("\(what): \(topics.count) topics, \(made.classes) classes, \(made.groups.count) groups, in \(time); unwanted bytes \(share)% of one group's")
        #expect(time < Self.patience, "\(what)")
        return made
    }

    private func share(areas: Int, seed: UInt64) throws -> Double {
        let work = SyntheticWorkload(topics: 100_000, nodes: 16, areas: areas, seed: seed) { _ in .durable }
        let plan = try folded(work.demands, FoldOptions(), "plant of \(areas) areas, seed \(seed)")
        #expect(plan.groups.count == 16 && plan.cost.copies == .zero)
        let one = FoldBaselines(work.demands, FoldOptions()).oneForAll
        return Double(plan.cost.unwanted.thousandths) / Double(one.unwanted.thousandths)
    }

    @Test(arguments: UInt64(1)...8) func sixteenGroupsOfAPlantBringAtMostATenthOfOneGroupsUnwantedBytes(seed: UInt64) throws {
        #expect(try share(areas: 16, seed: seed) <= 0.10)
    }

    @Test func withMoreAreasThanGroupsItIsATenthOnAverage() throws {
        let shares = try (UInt64(1)...8).map { try share(areas: 24, seed: $0) }
        print("plants of 24 areas: mean \(shares.reduce(0, +) / 8 * 100)%, worst \((shares.max() ?? 1) * 100)%")
        #expect(shares.reduce(0, +) / 8 <= 0.10)
        #expect(shares.allSatisfy { $0 <= 0.12 })
    }

    @Test func aHundredThousandTopicsOfEveryKindOfInterestAreFoldedInTwoSeconds() throws {
        var numbers = SeededNumbers(seed: 7)
        let topics = (0..<100_000).map { _ in
            TopicDemand(
                bytes: Rate(perSecond: 1 + numbers.below(10_000)), records: Rate(perSecond: 1 + numbers.below(100)),
                interest: RankSet(bits: UInt64(1 + numbers.below(65_535))), level: .durable)
        }
        var options = FoldOptions()
        let plan = try folded(topics, options, "any interest")
        #expect(plan.classes > 50_000)
        // Interests without a pattern save little, but never cost more than one group.
        #expect(plan.cost.total < FoldBaselines(topics, options).oneForAll.total)
        options.groupsPerNode = 4
        _ = try folded(topics, options, "any interest, 4 groups a node")
        options.unicast = .durable
        _ = try folded(topics, options, "any interest, 4 groups a node, unicast for all")
    }

    @Test func sixtyFourNodesAndGroupsAreFoldedInTwoSeconds() throws {
        let work = SyntheticWorkload(topics: 100_000, nodes: 64, seed: 1) { _ in .durable }
        var options = FoldOptions()
        options.maxGroups = 64
        _ = try folded(work.demands, options, "64 nodes")
    }
}
