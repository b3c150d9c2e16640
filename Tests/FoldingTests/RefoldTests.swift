import Folding
import Testing
import Wire

/// A folding over time: new topics, rates that waver, interests that move.
@Suite struct RefoldTests {
    private static let options = { () -> FoldOptions in
        var options = FoldOptions()
        options.recordBytes = 0
        options.maxGroups = 2
        options.unicast = nil
        return options
    }()
    private func group(_ number: UInt16) -> Place { .group(GroupID(number)) }

    // MARK: New topics

    @Test func aNewTopicGoesToTheSmallestGroupThatHasItsNodes() throws {
        var plan = try FoldPlan([topic(100, 1, 2, 3, 4), topic(10, 1, 2)], Self.options)
        #expect(try plan.place(topic(5, 2)) == group(1))
        #expect(try plan.place(topic(5, 3, 4)) == group(0))
        #expect(plan.cost.unwanted == Rate(perSecond: 5 + 10))
        plan.checkInvariants()
    }
    @Test func aNewTopicGrowsTheGroupToWhichThatBringsLeast() throws {
        var plan = try FoldPlan([topic(100, 1, 2), topic(10, 3, 4)], Self.options)
        // At 1-2: 100 to node 5 and 1 to node 2; at 3-4: 10 to nodes 1 and 5, 1 to nodes 3 and 4.
        #expect(try plan.place(topic(1, 1, 5)) == group(1))
        #expect(plan.group(GroupID(1))?.members == RankSet([1, 3, 4, 5]))
        #expect(plan.cost.unwanted == Rate(perSecond: 22))
        plan.checkInvariants()
    }
    @Test func aNewTopicGetsAGroupOfItsOwnWhileThereAreSome() throws {
        var plan = try FoldPlan([topic(100, 1, 2)], Self.options)
        #expect(try plan.place(topic(1, 1, 2)) == group(0))
        #expect(try plan.place(topic(1, 3)) == group(1))
        #expect(try plan.place(topic(1, 3, 9)) == group(1))
        #expect(try plan.place(topic(1)) == .nowhere)
        plan.checkInvariants()
    }
    @Test func aNewTopicForWhichThereIsNoGroupIsRefused() throws {
        var plan = try FoldPlan([topic(100, 1, 2), topic(10, 3, 4)], Self.options)
        let before = plan
        #expect(throws: FoldError.tooFewGroups(max: 2, needed: 3)) { try plan.place(topic(1, 1, level: .ordered)) }
        var tight = Self.options
        tight.groupsPerNode = 1
        tight.maxGroups = 9
        var other = try FoldPlan(plan.demands, tight)
        #expect(try other.place(topic(1, 2, 5)) == group(0))
        #expect(throws: FoldError.tooFewGroupsAtNode(rank: 1, max: 1, needed: 2)) { try other.place(topic(1, 1, 3)) }
        #expect(plan == before)
        other.checkInvariants()
    }
    @Test func topicsPlacedOneByOneCostLittleMoreThanAFoldingOfAll() throws {
        let work = SyntheticWorkload(topics: 20_000, nodes: 16, seed: 9) { _ in .durable }
        let first = Array(work.demands.prefix(10_000))
        var plan = try FoldPlan(first, FoldOptions())
        for topic in work.demands.dropFirst(10_000) { _ = try plan.place(topic) }
        plan.checkInvariants()
        let all = try FoldPlan(work.demands, FoldOptions())
        #expect(Double(plan.cost.total) < 1.5 * Double(all.cost.total), "\(plan.cost.total) \(all.cost.total)")
    }

    // MARK: Hysteresis

    @Test func whatHasNotChangedIsLeftAsItIs() throws {
        let work = SyntheticWorkload(topics: 5000, nodes: 16, seed: 3) { _ in .durable }
        let plan = try FoldPlan(work.demands, FoldOptions())
        let again = try plan.refold(work.demands)
        #expect(again.choice == .kept && again.moved == 0 && again.plan == plan)
    }
    @Test func ratesThatWaverMoveNothing() throws {
        let work = SyntheticWorkload(topics: 5000, nodes: 16, seed: 3) { _ in .durable }
        let plan = try FoldPlan(work.demands, FoldOptions())
        var numbers = SeededNumbers(seed: 1)
        let wavering = work.demands.map { topic in
            var topic = topic
            topic.bytes = Rate(thousandths: topic.bytes.thousandths * (90 + numbers.below(21)) / 100)
            return topic
        }
        let again = try plan.refold(wavering)
        #expect(again.choice == .kept && again.moved == 0 && again.plan.places == plan.places)
        #expect(again.plan.cost != plan.cost)
    }
    @Test func aCheaperFoldingIsTakenOnlyIfItSavesMoreThanTheShare() throws {
        // Two groups of three classes: 1-2 and 1-2-3 together cost the rate of 1-2 at node 3.
        func topics(_ pair: Int, _ far: Int) -> [TopicDemand] { [topic(pair, 1, 2), topic(50, 1, 2, 3), topic(far, 2, 3)] }
        let plan = try FoldPlan(topics(40, 100), Self.options)
        #expect(plan.cost.unwanted == Rate(perSecond: 40))
        // Now 100 against 92 for 2-3 beside 1-2-3: eight percent; then 100 against 80.
        let small = try plan.refold(topics(100, 92))
        #expect(small.choice == .kept && small.plan.cost.unwanted == Rate(perSecond: 100))
        #expect(small.kept == 100_000 && small.cheapest == 92_000)
        let large = try plan.refold(topics(100, 80))
        #expect(large.choice != .kept && large.plan.cost.unwanted == Rate(perSecond: 80))
        #expect(large.moved == 1)
    }
    /// Numbers given anew would move nine topics of ten. How many do move goes from 4 to 27% with the plant.
    @Test func groupsKeepTheirNumbersThroughAFreshFolding() throws {
        let shares = try (UInt64(1)...8).map { seed in
            let work = SyntheticWorkload(topics: 20_000, nodes: 16, seed: seed) { _ in .durable }
            var demands = Array(work.demands)
            let plan = try FoldPlan(demands, FoldOptions())
            // A shift changes: one topic in twenty is wanted where another one was.
            for index in stride(from: 0, to: demands.count - 1, by: 20) { demands[index].interest = work.demands[index + 1].interest }
            let again = try plan.refold(demands)
            again.plan.checkInvariants()
            let fresh = try FoldPlan(demands, FoldOptions())
            #expect(again.plan.cost.total * 90 <= fresh.cost.total * 100, "\(again.plan.cost.total) \(fresh.cost.total)")
            #expect(again.choice != .kept, "too small a change to see anything")
            return Double(again.moved) / Double(demands.count)
        }
        #expect(shares.allSatisfy { $0 < 0.35 } && shares.reduce(0, +) / 8 < 0.2, "\(shares)")
    }
    @Test func aGroupThatSharesNoTopicWithAnOldOneGetsANewNumber() throws {
        let plan = try FoldPlan([topic(10, 1, 2), topic(5, 3, 4)], Self.options)
        let again = try plan.refold([topic(10), topic(5, 3, 4), topic(7, 5, 6)])
        #expect(again.plan.places == [.nowhere, group(1), group(0)] || again.plan.places == [.nowhere, group(1), group(2)])
        again.plan.checkInvariants()
    }
    @Test func fewerGroupsThanThereAreMakeANewFolding() throws {
        let plan = try FoldPlan([topic(10, 1, 2), topic(5, 3, 4)], Self.options)
        var one = Self.options
        one.maxGroups = 1
        let again = try plan.refold(plan.demands, options: one)
        #expect(again.choice == .folded && again.kept == nil && again.moved == 1)
        #expect(again.plan.places == [group(0), group(0)])
    }
    @Test func aTopicThatMustNowHaveAnOrderLeavesUnicast() throws {
        var options = Self.options
        options.unicast = .unordered
        let plan = try FoldPlan([topic(10, 1, 2, level: .unordered), topic(1, 3, level: .unordered)], options)
        #expect(plan.places[1] == .unicast)
        let again = try plan.refold([plan.demands[0], topic(1, 3)])
        #expect(again.plan.places == [group(0), group(1)])
        again.plan.checkInvariants()
    }
    @Test func twoHundredRandomChangesKeepEveryInvariant() throws {
        for seed in UInt64(1)...200 {
            let (now, later) = (Instance.random(seed), Instance.random(seed + 5000))
            guard let plan = try? FoldPlan(now.topics, now.options) else { continue }
            let topics = later.topics + now.topics.dropFirst(later.topics.count)
            do throws(FoldError) {
                let again = try plan.refold(topics, options: later.options)
                again.plan.checkInvariants()
                #expect(again.cheapest <= again.plan.cost.total)
            } catch { #expect(throws: FoldError.self) { try FoldPlan(topics, later.options) } }
        }
    }
}
