import Testing
import Wire

@testable import Folding

@Suite struct ReasonTests {
    @Test func aReasonSaysWhatEveryOtherPlaceWouldCost() throws {
        var options = FoldOptions()
        options.maxGroups = 2
        options.recordBytes = 0
        let plan = try FoldPlan([topic(100, 1, 2), topic(50, 1, 2, 3), topic(60, 7, 8), topic(1, 1, 2)], options)
        let reason = plan.reason(of: 0)
        #expect(reason.place == .group(GroupID(0)))
        #expect(reason.classTopics == 2)
        #expect(reason.strangers == RankSet([3]))
        #expect(reason.classCost == 101_000)
        // With 7-8: 101 bytes to two nodes, 60 to two, and none to node 3 any more.
        let wanted: [Reason.Alternative] = [
            Reason.Alternative(choice: .group(GroupID(1)), change: 221_000, barrier: nil),
            Reason.Alternative(choice: .newGroup, change: -101_000, barrier: .noGroupLeft),
            // One copy more of 101 bytes in place of the same to node 3.
            Reason.Alternative(choice: .unicast, change: 0, barrier: .needsOrder),
        ]
        #expect(reason.alternatives == wanted)
    }
    @Test func aTopicByUnicastHasTheCostOfItsCopies() throws {
        var options = FoldOptions()
        options.maxGroups = 1
        options.recordBytes = 0
        let plan = try FoldPlan([topic(1000, 1, 2, 3, level: .unordered), topic(1, 4, 5, level: .unordered)], options)
        let reason = plan.reason(of: 1)
        #expect(reason.place == .unicast && reason.classCost == 1000 && reason.strangers.isEmpty)
        // 1,000 bytes to two nodes more, 1 byte to three; and no copy.
        #expect(reason.alternatives.first == Reason.Alternative(choice: .group(GroupID(0)), change: 2_002_000, barrier: nil))
    }
    @Test func nothingCheaperIsLeftOpenInAFolding() throws {
        for seed in UInt64(1)...300 {
            let instance = Instance.random(seed)
            guard let plan = try? FoldPlan(instance.topics, instance.options) else { continue }
            for index in plan.demands.indices {
                let cheaper = plan.reason(of: index).alternatives.filter { $0.barrier == nil && $0.change < 0 }
                #expect(cheaper.isEmpty, "seed \(seed), topic \(index): \(cheaper): \(instance)")
            }
        }
    }
    @Test func whatAReasonSaysOfAnotherPlaceIsWhatItWouldCost() throws {
        var compared = 0
        for seed in UInt64(1)...300 {
            let instance = Instance.random(seed)
            guard let plan = try? FoldPlan(instance.topics, instance.options) else { continue }
            for index in plan.demands.indices {
                for alternative in plan.reason(of: index).alternatives where alternative.barrier == nil {
                    let cost = cost(of: plan, instance, index, at: alternative.choice)
                    #expect(cost == plan.cost.total + alternative.change, "seed \(seed), topic \(index), \(alternative)")
                    compared += 1
                }
            }
        }
        #expect(compared > 1000)
    }

    /// By definition, with the whole class of `topic` at `choice`.
    private func cost(of plan: FoldPlan, _ instance: Instance, _ topic: Int, at choice: Reason.Choice) -> Int? {
        var places = plan.places
        for other in places.indices where plan.places[other] == plan.places[topic] {
            guard plan.demands[other].needs == plan.demands[topic].needs, plan.demands[other].level == plan.demands[topic].level else { continue }
            switch choice {
            case .group(let id): places[other] = .group(id)
            case .newGroup: places[other] = .group(GroupID(999))
            case .unicast: places[other] = .unicast
            }
        }
        var groups: [Place: [Int]] = [:]
        for (index, place) in places.enumerated() where place != .unicast { groups[place, default: []].append(index) }
        return BruteForce.cost(of: Array(groups.values), unicast: places.indices.filter { places[$0] == .unicast }, instance)
    }
}
