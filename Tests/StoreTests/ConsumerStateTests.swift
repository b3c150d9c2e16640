import Broker
import Replication
import Testing
import Wire

/// Consumer groups as part of a group's replicated state: judged in the log's order, taken back, kept in checkpoints.
@Suite struct ConsumerStateTests {
    private static func batch(_ change: ConsumerChange) -> [UInt8] {
        var builder = BatchBuilder()
        change.encode().withView { builder.append(topic: TopicID(0), time: 0, payload: $0) }
        return builder.finish(publisher: PublisherID(0), epoch: 0, sequence: 0, group: .durable, kind: .consumers)
    }
    private static func join(_ member: UInt64, _ name: String = "g") -> ConsumerChange {
        let last = ConsumerCommit(member: ConsumerID(member), epoch: 0, generation: 0, places: [])
        return ConsumerChange(name, .join(last: last, client: "c", start: .end, interest: ConsumerInterest(patterns: ["#"])))
    }
    private func admit(_ state: inout GroupState, _ body: [UInt8], time: UInt64) -> GroupState.Admission {
        body.withView { state.admit($0, key: OrderKey(Timestamp(time), NodeID(3)), view: ViewNumber(1)) }
    }

    @Test func aChangeIsAcceptedOnceAndTellsItsGeneration() {
        var state = GroupState(group: .durable)
        let first = admit(&state, Self.batch(Self.join(1)) + Self.batch(ConsumerChange("h", .remove)) + Self.batch(ConsumerChange("g", .commit([]))), time: 1)
        #expect(first.verdicts == [.accepted, .conflict, .duplicate] && first.versions[0] == Offset(1) && first.header?.batches == 1)
        #expect(first.header?.records == 0 && state.end.offset == Offset(0), "changes are no records")
        #expect(state.consumers["g"]?.member(ConsumerID(1))?.node == NodeID(3), "who sent the frame serves the member")
        let second = admit(&state, Self.batch(Self.join(2)), time: 2)
        #expect(second.versions == [Offset(2)])
    }
    @Test func whatIsTakenBackIsAsItWasBefore() {
        var state = GroupState(group: .durable)
        _ = admit(&state, Self.batch(Self.join(1)), time: 1)
        let before = state.encode()
        let admission = admit(&state, Self.batch(Self.join(2)) + Self.batch(ConsumerChange("g", .reset(.beginning))) + Self.batch(Self.join(3, "h")), time: 2)
        #expect(admission.verdicts == [.accepted, .accepted, .accepted] && state.consumers.count == 2)
        state.takeBack(admission.undo)
        #expect(state.encode() == before)
    }
    @Test func aCheckpointHasThemAndOneOfBeforeHasNone() throws {
        var state = GroupState(group: .durable)
        let old = state.encode()
        _ = admit(&state, Self.batch(Self.join(1)), time: 1)
        let again = try state.encode().withView { view throws(DecodeError) in try GroupState(group: .durable, decoding: view) }
        #expect(again.consumers == state.consumers && again.consumers.count == 1)
        let short = try Array(old.dropLast(4)).withView { view throws(DecodeError) in try GroupState(group: .durable, decoding: view) }
        #expect(short.consumers.isEmpty)
    }
    @Test func onlyTheDurableGroupHasThem() {
        var state = GroupState(group: .ordered)
        let admission = admit(&state, Self.batch(Self.join(1)), time: 1)
        #expect(admission.verdicts == [.gap] && state.consumers.isEmpty)
        var other = GroupState(group: .durable)
        _ = admit(&other, Self.batch(Self.join(1)), time: 1)
        let bytes = other.encode()
        #expect(throws: DecodeError.self) {
            _ = try bytes.withView { view throws(DecodeError) in try GroupState(group: .ordered, decoding: view) }
        }
    }
}
