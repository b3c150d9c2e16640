import Testing
import Wire

@testable import Broker

@Suite struct OwnRingTests {
    private static func batch(_ length: Int, _ value: UInt8) -> OwnedBytes { OwnedBytes([UInt8](repeating: value, count: length)) }

    @Test func roomIsForeseenWhereverTheRingStands() {
        let memory = OwnedBytes(count: 8 << 10)
        var ring = OwnRing(memory.store)
        var dice = Dice(1)
        var (consumed, taken, refused) = (UInt64(0), 0, 0)
        for step in 0..<5000 {
            let length = 8 + dice.below(330) * 8
            let batch = Self.batch(length, UInt8(truncatingIfNeeded: step))
            // A frame of its own follows an open one, closed or not.
            let isForeseen = ring.hasRoom(for: length, consumed: consumed)
            _ = ring.seal(Timestamp(UInt64(step) + 1), view: ViewNumber(1), sender: NodeID(1))
            #expect(ring.hasRoom(for: length, consumed: consumed) == isForeseen)
            let isTaken = ring.append(batch.view, records: 1, group: .ordered, relayedFrom: length % 16 == 0 ? 8 : .max, consumed: consumed)
            #expect(isTaken == isForeseen)
            if isTaken { taken += 1 } else { refused += 1 }
            if dice.below(3) == 0 { consumed = ring.tail - min(ring.tail - consumed, UInt64(dice.below(4096))) }
        }
        #expect(taken > 500 && refused > 500)
        withExtendedLifetime(memory) {}
    }

    @Test func aLargeBatchIsAFrameOfItsOwnOutsideOfTheRing() throws {
        let memory = OwnedBytes([UInt8](repeating: 0xEE, count: 8 << 10))
        var ring = OwnRing(memory.store)
        let (small, large) = (Self.batch(64, 1), Self.batch(1024, 2))
        #expect(taken(ring.append(small.view, records: 1, group: .ordered, relayedFrom: 1024, consumed: 0)))
        #expect(!taken(ring.append(large.view, of: large, records: 1, group: .ordered, relayedFrom: 1024, consumed: 0)), "the open frame is closed first")
        let first = try #require(value(ring.seal(Timestamp(1), view: ViewNumber(1), sender: NodeID(1), relayedFrom: 1024)))
        #expect(!first.header.isRelayed && first.owner == nil && first.body == small.view && first.end == 112)
        #expect(taken(ring.append(large.view, of: large, records: 1, group: .ordered, relayedFrom: 1024, consumed: 0)))
        #expect(!taken(ring.append(small.view, records: 1, group: .ordered, relayedFrom: 1024, consumed: 0)), "nothing comes behind it")
        let second = try #require(value(ring.seal(Timestamp(2), view: ViewNumber(1), sender: NodeID(1), relayedFrom: 1024)))
        #expect(second.header.isRelayed && second.owner === large && second.body == large.view && second.end == 112 + 48 + 1024)
        // Its place in the ring was not written to.
        #expect(memory.view[160..<1184].array == [UInt8](repeating: 0xEE, count: 1024))
        #expect(taken(ring.append(small.view, records: 1, group: .ordered, relayedFrom: 1024, consumed: 0)))
        let third = try #require(value(ring.seal(Timestamp(3), view: ViewNumber(1), sender: NodeID(1), relayedFrom: 1024)))
        #expect(third.owner == nil && third.body == small.view)
        withExtendedLifetime(memory) {}
    }

    @Test func batchesThatAreLargeTogetherAreCopiedOutOfTheRing() throws {
        let memory = OwnedBytes(count: 8 << 10)
        var ring = OwnRing(memory.store)
        let batches = (1...3).map { Self.batch(400, UInt8($0)) }
        for batch in batches { #expect(taken(ring.append(batch.view, records: 1, group: .ordered, relayedFrom: 1024, consumed: 0))) }
        let sealed = try #require(value(ring.seal(Timestamp(1), view: ViewNumber(1), sender: NodeID(1), relayedFrom: 1024)))
        let owner = try #require(sealed.owner)
        let spoil = Self.batch(8 << 10, 9)
        memory.store.write(spoil.view, at: 0)
        #expect(sealed.header.isRelayed && sealed.body == owner.view)
        #expect(owner.view.array == [UInt8](repeating: 1, count: 400) + [UInt8](repeating: 2, count: 400) + [UInt8](repeating: 3, count: 400))
        withExtendedLifetime((memory, batches, spoil)) {}
    }

    @Test func aFrameKnowsThePaddingBeforeIt() throws {
        let memory = OwnedBytes(count: 1 << 10)
        var ring = OwnRing(memory.store)
        let batch = Self.batch(400, 1)
        var found: [Range<UInt64>?] = []
        for step in 1...4 {
            #expect(taken(ring.append(batch.view, records: 1, group: .ordered, consumed: ring.tail)))
            found.append(try #require(value(ring.seal(Timestamp(UInt64(step)), view: ViewNumber(1), sender: NodeID(1)))).padding)
        }
        // Two frames of 448 bytes, the pad's header, and what nobody reads before the third.
        #expect(found == [nil, nil, 904..<1024, nil])
        let item = try RingReader(memory.view).item(at: 896, before: ring.tail)
        guard case .pad(end: 1024) = item else {
            Issue.record("\(item)")
            return
        }
        withExtendedLifetime((memory, batch)) {}
    }

    /// The value itself: keeps a mutating call whole inside an expectation.
    private func taken(_ value: Bool) -> Bool { value }
    private func value(_ sealed: OwnRing.Sealed?) -> OwnRing.Sealed? { sealed }
}
