import Replication
import Testing
import Wire

@Suite struct RelayedBodiesTests {
    @Test func aBodyIsThereWhenAllOfItsBlocksAre() {
        var bodies = RelayedBodies()
        #expect(taken(bodies.add(100..<200)))
        #expect(bodies.holds(100..<200) && !bodies.holds(100..<300) && bodies.holds(120..<180))
        #expect(taken(bodies.add(200..<300)))
        #expect(bodies.holds(100..<300) && !bodies.holds(99..<300))
    }
    @Test func framesForDifferentMembersComeInAnyOrder() {
        var bodies = RelayedBodies()
        #expect(taken(bodies.add(500..<600)))
        #expect(taken(bodies.add(100..<200)))
        #expect(taken(bodies.add(600..<700)))
        #expect(taken(bodies.add(200..<250)))
        #expect(bodies.holds(100..<250) && bodies.holds(500..<700) && !bodies.holds(200..<500))
        bodies.passed(250)
        #expect(!bodies.holds(100..<250) && bodies.holds(500..<700))
        bodies.passed(700)
        #expect(bodies.isEmpty)
    }
    @Test(arguments: [50..<101, 100..<200, 150..<160, 199..<300, 50..<400] as [Range<UInt64>])
    func whatWasThereBeforeIsRefused(_ again: Range<UInt64>) {
        var bodies = RelayedBodies()
        #expect(taken(bodies.add(100..<200)))
        #expect(!taken(bodies.add(again)))
        #expect(bodies.holds(100..<200))
    }
    @Test func anEmptyBodyIsAlwaysThere() { #expect(RelayedBodies().holds(7..<7)) }
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
