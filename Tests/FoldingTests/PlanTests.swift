import Folding
import Testing
import Wire

@Suite struct PlanTests {
    private func options(_ groups: Int, unicast: Level? = nil, perNode: Int = 16) -> FoldOptions {
        var options = FoldOptions()
        options.maxGroups = groups
        options.groupsPerNode = perNode
        options.recordBytes = 0
        options.unicast = unicast
        return options
    }
    private func group(_ number: UInt16) -> Place { .group(GroupID(number)) }

    @Test func topicsOfOneInterestShareAGroupAndCostNothing() throws {
        let plan = try FoldPlan([topic(5, 1, 2), topic(9, 3), topic(7, 1, 2)], options(2))
        #expect(plan.places == [group(0), group(1), group(0)])
        #expect(plan.groups.map(\.members) == [RankSet([1, 2]), RankSet([3])])
        #expect(plan.cost.total == 0)
        #expect(plan.classes == 2)
    }

    @Test func theTwoInterestsThatCostLeastTogetherAreMerged() throws {
        // 1-2 with 1-2-3 brings 100 bytes to node 3; with 7-8 it would bring them to two nodes and theirs to two.
        let plan = try FoldPlan([topic(100, 1, 2), topic(50, 1, 2, 3), topic(60, 7, 8)], options(2))
        #expect(plan.places == [group(0), group(0), group(1)])
        #expect(plan.cost.unwanted == Rate(perSecond: 100))
        #expect(plan.groups[0].unwanted == Rate(perSecond: 100))
        #expect(plan.cost.wanted == Rate(perSecond: 200 + 150 + 120))
    }

    @Test func aReplicaIsWantedWithoutASubscriber() throws {
        var durable = topic(10, 1)
        durable.replicas = RankSet([2, 3])
        let plan = try FoldPlan([durable, topic(10, 1, 2, 3)], options(1))
        #expect(plan.cost.total == 0)
        #expect(plan.groups[0].members == RankSet([1, 2, 3]))
    }

    @Test func aClassThatIsCheaperByUnicastStaysUnicastIfItsLevelMay() throws {
        let topics = [topic(1000, 1, 2, 3, level: .unordered), topic(1, 4, 5, level: .unordered)]
        let plan = try FoldPlan(topics, options(1, unicast: .unordered))
        #expect(plan.places == [group(0), .unicast])
        #expect(plan.cost.copies == Rate(perSecond: 1))
        #expect(try FoldPlan(topics, options(1)).places == [group(0), group(0)])
    }

    @Test func whatOnlyOneNodeNeedsIsSentToItByUnicastForNothing() throws {
        let plan = try FoldPlan([topic(1000, 3, level: .unordered), topic(10, 1, 2, level: .unordered)], options(1, unicast: .unordered))
        #expect(plan.places == [.unicast, group(0)])
        #expect(plan.cost.total == 0)
    }

    @Test func levelsDoNotShareAGroup() throws {
        let plan = try FoldPlan([topic(10, 1, 2), topic(10, 1, 2, level: .ordered)], options(2))
        #expect(plan.groups.count == 2)
        #expect(throws: FoldError.tooFewGroups(max: 1, needed: 2)) { try FoldPlan(plan.demands, options(1)) }
        #expect(throws: FoldError.tooFewGroupsAtNode(rank: 1, max: 1, needed: 2)) { try FoldPlan(plan.demands, options(4, perNode: 1)) }
    }

    @Test func noNodeIsInMoreGroupsThanItMay() throws {
        let topics = [topic(10, 1, 2), topic(10, 1, 3), topic(10, 1, 4), topic(10, 5, 6)]
        let free = try FoldPlan(topics, options(4))
        #expect(free.groupsOfNode == [0, 3, 1, 1, 1, 1, 1])
        let limited = try FoldPlan(topics, options(4, perNode: 2))
        limited.checkInvariants()
        #expect(limited.groupsOfNode[1] == 2)
        #expect(limited.cost.unwanted == Rate(perSecond: 20))
        #expect(try FoldPlan(topics, options(4, perNode: 1)).cost.unwanted == Rate(perSecond: 60))
    }

    @Test func aTopicThatNobodyNeedsIsNowhere() throws {
        let plan = try FoldPlan([topic(10)], options(1))
        #expect(plan.places == [.nowhere] && plan.groups.isEmpty && plan.cost.total == 0)
        #expect(try FoldPlan([], options(1)).groups.isEmpty)
    }

    @Test func headersOfRecordsAndWeightsCount() throws {
        var weighed = options(1)
        weighed.recordBytes = 24
        weighed.unwantedWeight = 3
        var quick = topic(100, 1)
        quick.records = Rate(perSecond: 10)
        let plan = try FoldPlan([quick, topic(0, 1, 2)], weighed)
        #expect(plan.cost.unwanted == Rate(perSecond: 340))
        #expect(plan.cost.total == 3 * 340_000)
    }

    @Test func loadsThatDoNotFitAreRefused() throws {
        let one = options(1)
        let largest = TopicDemand(bytes: .most, records: .zero, interest: RankSet([0, 1]), level: .durable)
        _ = try FoldPlan([largest], one)
        #expect(throws: FoldError.tooMuchLoad) { try FoldPlan([TopicDemand](repeating: largest, count: 100), one) }
        let records = TopicDemand(bytes: .zero, records: .most, interest: RankSet([0]), level: .durable)
        var large = one
        large.recordBytes = 65_536
        #expect(throws: FoldError.tooMuchLoad) { try FoldPlan([records], large) }
    }

    @Test func theFoldingDoesNotDependOnTheOrderOfTopics() throws {
        for seed in UInt64(1)...20 {
            let work = SyntheticWorkload(topics: 3000, nodes: 12, seed: seed) { $0.hasSuffix("raw") ? .unordered : .durable }
            var options = FoldOptions()
            options.maxGroups = 8
            let plan = try FoldPlan(work.demands, options)
            #expect(try FoldPlan(work.demands, options) == plan)
            var order = Array(work.demands.indices)
            var numbers = SeededNumbers(seed: seed)
            numbers.shuffle(&order)
            let other = try FoldPlan(order.map { work.demands[$0] }, options)
            #expect(other.groups == plan.groups, "seed \(seed)")
            #expect(order.indices.allSatisfy { other.places[$0] == plan.places[order[$0]] }, "seed \(seed)")
        }
    }

    @Test func theBaselinesAreThoseOfTheirNames() throws {
        let topics = [topic(10, 1, 2), topic(100, 3), topic(1, 1, level: .ordered)]
        let lines = FoldBaselines(topics, options(1))
        #expect(lines.levels == 2)
        #expect(lines.oneForAll.unwanted == Rate(perSecond: 10 + 200))
        #expect(lines.onePerTopic.total == 0)
        #expect(lines.allUnicast.copies == Rate(perSecond: 10))
        #expect(lines.mostGroupsPerTopic == 2)
    }
}
