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

    @Test func howeverLargeEachEighthSegmentBeginsWithIt() {
        var saving = StateSaving()
        #expect(saved(state: 100 * Self.segment, segments: 20, &saving) == [0, 8, 16])
    }

    @Test func whereItIsWantedTheNextSegmentBeginsWithIt() {
        var saving = StateSaving()
        #expect(saved(state: Self.segment, segments: 3, &saving) == [0])
        saving.forget()
        #expect(saved(state: Self.segment, segments: 3, &saving) == [0])
    }
}
