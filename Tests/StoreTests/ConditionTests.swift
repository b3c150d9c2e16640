import Broker
import Replication
import Store
import Testing
import Wire

/// Conditional records, decided in the group's order.
@Suite struct ConditionTests {
    private var state: GroupState
    private var time: UInt64 = 0

    init() {
        state = GroupState(group: .durable)
        var builder = BatchBuilder()
        var frame: [UInt8] = []
        for name in ["a", "b"] {
            Array(name.utf8).withView { builder.append(topic: TopicID(0), time: 0, payload: $0) }
            frame += builder.finish(publisher: PublisherID(0), epoch: 0, sequence: 0, group: .durable, kind: .declare)
        }
        for publisher in [1, 2] {
            frame += builder.finish(publisher: PublisherID(UInt64(publisher)), epoch: 0, sequence: 0, group: .durable, kind: .open)
        }
        _ = admit(frame)
    }
    private mutating func admit(_ frame: [UInt8]) -> GroupState.Admission {
        time += 1
        return frame.withView { state.admit($0, key: OrderKey(Timestamp(time), NodeID(1)), view: ViewNumber(1)) }
    }
    private func batch(_ publisher: UInt64, _ sequence: UInt64, _ records: [(topic: UInt32, condition: VersionCondition?, isRemoved: Bool)]) -> [UInt8] {
        var builder = BatchBuilder()
        for record in records {
            var headers: [UInt8] = []
            record.condition?.encode(into: &headers)
            let flags = (record.condition == nil ? 0 : RecordHeader.conditional) | (record.isRemoved ? RecordHeader.tombstone : 0)
            headers.withView { builder.append(topic: TopicID(record.topic), flags: flags, time: 0, headers: $0, payload: .empty) }
        }
        return builder.finish(publisher: PublisherID(publisher), epoch: 1, sequence: sequence, group: .durable)
    }

    @Test mutating func ofTwoThatExpectTheSameVersionOneIsAccepted() {
        #expect(admit(batch(1, 1, [(0, .absent, false)])).verdicts == [.accepted])
        let race = admit(batch(1, 2, [(0, .version(Offset(0)), false)]) + batch(2, 1, [(0, .version(Offset(0)), false)]))
        #expect(race.verdicts == [.accepted, .conflict])
        #expect(race.versions == [Offset(1), Offset(1)], "the loser is told what is there")
        #expect(race.header?.records == 1)
    }

    @Test mutating func aConflictUsesUpNoNumber() {
        #expect(admit(batch(1, 1, [(0, .version(Offset(9)), false)])).verdicts == [.conflict])
        #expect(admit(batch(1, 1, [(0, .absent, false)])).verdicts == [.accepted])
        #expect(admit(batch(1, 1, [(0, .absent, false)])).verdicts == [.duplicate], "asked again it is the same put, not a conflict")
        #expect(admit(batch(1, 1, [(0, .absent, false)])).versions == [Offset(0)])
    }

    @Test mutating func aRemovedTopicIsAbsentAndHasAVersion() {
        _ = admit(batch(1, 1, [(0, nil, false)]))
        #expect(admit(batch(1, 2, [(0, .absent, false)])).verdicts == [.conflict])
        #expect(admit(batch(1, 2, [(0, .version(Offset(0)), true)])).verdicts == [.accepted])
        #expect(state.heads.head(of: TopicID(0)) == HeadTable.Head(offset: Offset(1), isRemoved: true))
        #expect(admit(batch(2, 1, [(0, .version(Offset(1)), false)])).verdicts == [.accepted])
    }

    @Test mutating func aBatchIsAcceptedWholeOrNotAtAll() {
        let before = state.heads
        #expect(admit(batch(1, 1, [(0, nil, false), (0, nil, false), (1, .version(Offset(5)), false)])).verdicts == [.conflict])
        #expect(state.heads.head(of: TopicID(0)) == before.head(of: TopicID(0)))
        #expect(admit(batch(1, 1, [(0, nil, false), (0, .version(Offset(0)), false), (1, .absent, false)])).verdicts == [.accepted])
    }

    @Test mutating func whatIsTakenBackLeavesTheHeadsAsTheyWere() {
        var undos: [GroupState.Undo] = []
        var heads: [HeadTable] = []
        var dice = Dice(5)
        for sequence in 1...200 {
            heads.append(state.heads)
            let records = (0...dice.below(3)).map { _ in (UInt32(dice.below(2)), VersionCondition?.none, dice.below(4) == 0) }
            undos.append(admit(batch(1, state.publishers.line(of: PublisherID(1))!.last + 1, records)).undo)
            _ = sequence
        }
        while let undo = undos.popLast() {
            state.takeBack(undo)
            let then = heads.removeLast()
            for topic in 0..<2 { #expect(state.heads.head(of: TopicID(UInt32(topic))) == then.head(of: TopicID(UInt32(topic)))) }
        }
    }

    @Test mutating func headsThatLieFarApartAreTakenBackToo() {
        var table = HeadTable()
        let far = [HeadTable.Head(offset: Offset(3), isRemoved: true), HeadTable.Head(offset: Offset(1 << 40), isRemoved: false)]
        for (topic, head) in far.enumerated() { table.set(TopicID(UInt32(topic)), head) }
        let before = table
        var builder = BatchBuilder()
        for topic: UInt32 in [0, 1, 2, 1, 0, 0, 3] { builder.append(topic: TopicID(topic), time: 0, payload: .empty) }
        let batch = builder.finish(publisher: PublisherID(1), epoch: 1, sequence: 1, group: .durable)
        let undo = batch.withView { table.apply($0.from(BatchHeader.size), base: Offset(1 << 40 + 7), count: 7, topics: 3) }
        #expect(table.head(of: TopicID(0))?.offset == Offset(1 << 40 + 12) && table.head(of: TopicID(1))?.offset == Offset(1 << 40 + 10))
        #expect(table.head(of: TopicID(3)) == nil, "there are three topics")
        if let undo { table.takeBack(undo) }
        #expect(table == before)
    }

    @Test func whetherSomeHeadLiesInAStretch() {
        var table = HeadTable()
        table.set(TopicID(2), HeadTable.Head(offset: Offset(7), isRemoved: true))
        for (from, to, isThere) in [(0, 7, false), (0, 8, true), (7, 8, true), (6, 7, false), (8, 9, false), (7, 7, false)] {
            #expect(table.isAny(in: Offset(UInt64(from))..<Offset(UInt64(to))) == isThere, "\(from)..<\(to)")
        }
    }

    @Test mutating func aCheckpointKeepsTheHeadsAndTheVersionsOfPublishers() throws {
        _ = admit(batch(1, 1, [(0, nil, false), (1, nil, true)]))
        let again = try state.encode().withView { view throws(DecodeError) in try GroupState(group: .durable, decoding: view) }
        #expect(again.heads == state.heads && again.publishers == state.publishers)
        #expect(try state.encode().withView { view throws(DecodeError) in try GroupState.heads(decoding: view) } == state.heads)
    }
}
