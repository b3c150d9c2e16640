@testable import Client
import Testing
import Wire

/// What a member of a consumer group keeps of records in its hands.
@Suite final class ReceiptsTests {
    private var receipts = Receipts(
        name: "g", client: "c", member: ConsumerID(9), start: .end, interest: ConsumerInterest(patterns: ["#"]))
    private let topic = TopicID(5)
    private var partition: Int { Partition.of(topic) }

    private func assign(since: UInt32 = 1, epoch: UInt32 = 1, _ partitions: PartitionSet = .all) {
        receipts.assigned(ConsumerAssignment(epoch: epoch, generation: since, isSettled: true, lines: [.init(since: since, partitions: partitions)]))
    }

    private func take(_ offset: UInt64) -> Bool { receipts.take(topic, offset) }
    private func confirm() -> ConsumerConfirm { receipts.confirm() }

    @Test func onlyWhatIsDoneWithIsSaidAndOnce() {
        _ = receipts.request(1)
        assign()
        #expect(take(7) && take(9) && receipts.open == 2 && !receipts.isDirty)
        receipts.acknowledge(1)
        #expect(receipts.isDirty)
        let said = confirm()
        #expect(said.places == [PartitionPlace(PartitionSet(bits: 1 << UInt64(partition)), Offset(8))] && said.done == 1 && said.generation == 1)
        #expect(confirm().places.isEmpty && !receipts.isDirty && receipts.open == 1)
    }
    @Test func whatIsInHandIsNotHandedOverAgainAfterAFailover() {
        _ = receipts.request(1)
        assign()
        #expect(take(7) && take(9))
        receipts.acknowledge(1)
        let again = receipts.request(1)
        #expect(again.last.epoch == 1 && again.last.places == [PartitionPlace(PartitionSet(bits: 1 << UInt64(partition)), Offset(8))])
        assign(epoch: 4)
        #expect(!take(9) && take(11) && receipts.open == 2)
        receipts.acknowledge(2)
        #expect(confirm().places.map(\.offset) == [Offset(12)])
    }
    @Test func whatBecameAnothersAndCameBackIsHandedOverAgain() {
        _ = receipts.request(1)
        assign()
        #expect(take(7))
        assign(since: 5)
        #expect(take(7) && receipts.open == 2)
        receipts.acknowledge(1)
        #expect(confirm().places.isEmpty, "of before: it does not count any more")
        receipts.acknowledge(1)
        #expect(confirm().places.map(\.offset) == [Offset(8)])
    }
    @Test func aLongQueueIsTakenFromItsFront() {
        _ = receipts.request(1)
        assign()
        for offset in 0..<20_000 as Range<UInt64> { #expect(take(offset)) }
        for _ in 0..<1_999 { receipts.acknowledge(10) }
        #expect(receipts.open == 10 && confirm().places.map(\.offset) == [Offset(19_990)])
        receipts.acknowledge(10)
        #expect(receipts.open == 0 && confirm().done == 20_000)
    }
}
