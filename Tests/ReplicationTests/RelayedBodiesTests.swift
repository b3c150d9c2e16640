import Replication
import Testing
import Wire

@Suite struct RelayedBodiesTests {
    @Test func aBodyIsThereWhenAllOfItsBlocksAre() {
        var bodies = RelayedBodies()
        #expect(add(&bodies, 0..<100, of: 100..<300))
        #expect(take(&bodies, 100..<300) == nil)
        #expect(add(&bodies, 100..<200, of: 100..<300))
        // Only as a whole, and once.
        #expect(take(&bodies, 100..<299) == nil && take(&bodies, 101..<300) == nil)
        #expect(take(&bodies, 100..<300) == pattern(100..<300))
        #expect(take(&bodies, 100..<300) == nil && bodies.isEmpty)
    }
    @Test func framesForDifferentMembersComeInAnyOrder() {
        var bodies = RelayedBodies()
        #expect(add(&bodies, 0..<100, of: 500..<700))
        #expect(add(&bodies, 0..<100, of: 100..<250))
        #expect(add(&bodies, 100..<200, of: 500..<700))
        #expect(add(&bodies, 0..<150, of: 300..<450))
        #expect(add(&bodies, 100..<150, of: 100..<250))
        #expect(take(&bodies, 100..<250) == pattern(100..<250))
        #expect(take(&bodies, 300..<450) == pattern(300..<450))
        #expect(take(&bodies, 500..<700) == pattern(500..<700) && bodies.isEmpty)
    }
    @Test func whatTheRingWasReadBeyondGoes() {
        var bodies = RelayedBodies()
        #expect(add(&bodies, 0..<10, of: 100..<200))
        #expect(add(&bodies, 0..<100, of: 200..<300))
        #expect(add(&bodies, 0..<10, of: 300..<400))
        #expect(take(&bodies, 200..<300) == pattern(200..<300))
        #expect(!add(&bodies, 10..<20, of: 100..<200) && add(&bodies, 10..<100, of: 300..<400))
        #expect(take(&bodies, 300..<400) == pattern(300..<400) && bodies.isEmpty)
    }
    /// Bytes that were there before, that leave some out, that begin in the midst, and bodies across others.
    @Test(arguments: [
        (0..<50, 100..<200), (49..<60, 100..<200), (51..<60, 100..<200), (0..<50, 100..<201), (0..<50, 99..<200), (0..<10, 150..<160), (0..<10, 199..<300),
        (0..<10, 0..<400), (10..<20, 200..<300), (0..<0, 200..<200),
    ] as [(Range<Int>, Range<UInt64>)])
    func whatDoesNotComeNextIsRefused(_ part: Range<Int>, _ place: Range<UInt64>) {
        var bodies = RelayedBodies()
        #expect(add(&bodies, 0..<50, of: 100..<200))
        #expect(!add(&bodies, part, of: place))
        #expect(add(&bodies, 50..<100, of: 100..<200))
        #expect(take(&bodies, 100..<200) == pattern(100..<200))
    }
    @Test func soManyAndNoMore() {
        var bodies = RelayedBodies()
        for body in 0..<UInt64(Limits.relayedBodies) {
            let place = body * 2..<body * 2 + 2
            #expect(add(&bodies, 0..<1, of: place))
        }
        let place = UInt64(Limits.relayedBodies) * 2..<UInt64(Limits.relayedBodies) * 2 + 2
        #expect(!add(&bodies, 0..<1, of: place))
    }

    /// Bytes that tell their places in the ring.
    private func pattern(_ place: Range<UInt64>) -> [UInt8] { place.map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) } }
    private func add(_ bodies: inout RelayedBodies, _ part: Range<Int>, of place: Range<UInt64>) -> Bool {
        let bytes = pattern(place.lowerBound + UInt64(part.lowerBound)..<place.lowerBound + UInt64(part.upperBound))
        return bytes.withView { bodies.add($0, part, of: place, isOnlyKept: place.lowerBound % 4 == 0) } != nil
    }
    private func take(_ bodies: inout RelayedBodies, _ place: Range<UInt64>) -> [UInt8]? {
        guard let body = bodies.take(place) else { return nil }
        return withExtendedLifetime(body) { body.view.array }
    }
}

@Suite struct PromiseOfAPendingBodyTests {
    @Test func aPromiseCountsToBelowTheFrameThatIsNotWhole() {
        var matrix = ClockMatrix(view: view(of: 3), me: 0, base: Timestamp(10))
        let row = times([10, 90, 10])[...]
        #expect(taken(matrix.receive(from: 1, clocks: row, durable: .zero, holds: Timestamp(49))))
        #expect(matrix.own(1) == Timestamp(49) && matrix.clock(1, 1) == Timestamp(90))
        #expect(taken(matrix.hold(frame(1, 50))))
        _ = matrix.receive(from: 1, clocks: row, durable: .zero)
        #expect(matrix.own(1) == Timestamp(90))
    }
}

/// The value itself: keeps a mutating call whole inside an expectation.
private func taken(_ value: Bool) -> Bool { value }
