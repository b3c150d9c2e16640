import Testing
import Topics
import Wire

@testable import Broker

/// Behind how much of the log the durable group's state is saved.
@Suite struct StateSavingTests {
    private static let segment = 1 << 20
    private static let settings = NodeSettings(
        node: NodeID(1), cluster: "c", members: [], topics: TopicsConfiguration(rules: [], defaultLevel: .durable, admit: .all), segmentBytes: segment)

    private func saved(state: Int, segments: Int, _ saving: inout StateSaving) -> [Int] {
        (0..<segments).filter { _ in saving.isDue(behind: Self.segment, state: state, Self.settings) }
    }

    @Test func aSmallStateIsSavedWhereEachSegmentBegins() {
        var saving = StateSaving()
        #expect(saved(state: 1000, segments: 5, &saving) == [0, 1, 2, 3, 4])
    }

    @Test func aLargeOneOnceSoManyTimesItsBytesHaveCome() {
        var saving = StateSaving()
        #expect(saved(state: Self.segment / 10, segments: 10, &saving) == [0, 4, 8], "32 tenths of a segment")
    }

    @Test func howeverLargeEachFourthSegmentBeginsWithIt() {
        var saving = StateSaving()
        #expect(saved(state: 100 * Self.segment, segments: 10, &saving) == [0, 4, 8])
    }

    @Test(arguments: [(300 << 20, [0, 2, 4]), (4 << 30, [0, 1, 2, 3, 4])]) func noMoreThanHalfAGigabyteOrASegmentApart(segment: Int, places: [Int]) {
        var settings = Self.settings
        settings.segmentBytes = segment
        var saving = StateSaving()
        #expect((0..<5).filter { _ in saving.isDue(behind: segment, state: 1 << 35, settings) } == places)
    }

    @Test(arguments: [Keeping(bytes: 1 << 20), Keeping()]) func whereThereAreRulesToCleanByEachSegmentBeginsWithIt(_ keeping: Keeping) throws {
        // What others are to hold is cleaned too.
        let rule = TopicRule(pattern: try TopicPattern("a/#"), level: .durable, keeping: keeping, replicas: keeping.keepsAll ? 2 : 0)
        let settings = NodeSettings(
            node: NodeID(1), cluster: "c", members: [], topics: TopicsConfiguration(rules: [rule], defaultLevel: .durable, admit: .all), segmentBytes: Self.segment)
        var saving = StateSaving()
        #expect((0..<5).filter { _ in saving.isDue(behind: Self.segment, state: Self.segment, settings) } == [0, 1, 2, 3, 4])
    }

    @Test func whereItIsWantedTheNextSegmentBeginsWithIt() {
        var saving = StateSaving()
        #expect(saved(state: Self.segment, segments: 3, &saving) == [0])
        saving.forget()
        #expect(saved(state: Self.segment, segments: 3, &saving) == [0])
    }
}
