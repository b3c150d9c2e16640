import Testing
import Wire

@testable import Transport

/// Both ends of a ring over memories of their own, and a fabric that carries pieces over.
private struct CarriedRing {
    static let size = 2 << 20
    let here: LinkMemory
    let there: LinkMemory
    var sending: SendRing
    var receiving: ReceiveRing
    /// Bytes that were carried, and the place after the last of them that was ever written.
    var carried = 0, reach = 0
    var framed = 0, sent: UInt64 = 0, got: UInt64 = 0

    init() throws {
        (here, there) = (try LinkMemory(bytes: Self.size), try LinkMemory(bytes: Self.size))
        (sending, receiving) = (SendRing(here.memory), ReceiveRing(there.memory))
    }

    mutating func send(_ length: Int) -> Bool {
        guard let room = sending.reserve(length) else { return false }
        pattern(sent, length).withView { room.copy($0, to: 0) }
        sending.commit(kind: UInt32(truncatingIfNeeded: sent), length: length)
        framed += MessageFrame.bytes(length)
        sent += 1
        return true
    }
    mutating func carry() {
        while sending.posted < sending.tail {
            let piece = sending.piece(from: sending.posted)
            there.memory.part(piece.place, piece.length).copy(here.memory.view(piece.place, piece.length), to: 0)
            carried += piece.length
            reach = max(reach, piece.place + piece.length)
            sending.posted = piece.next
        }
    }
    mutating func take() {
        #expect(holds(receiving.advance(to: sending.tail)))
        while case .message(let kind, let body) = receiving.next() {
            #expect(kind == UInt32(truncatingIfNeeded: got) && body.array == pattern(got, body.count))
            got += 1
        }
        receiving.release()
        #expect(holds(sending.acknowledge(receiving.released)))
    }
}

@Suite struct RewindTests {
    @Test func whatIsConsumedAtOnceStaysAtTheRingsStart() throws {
        var ring = try CarriedRing()
        for step in 0..<400 {
            #expect(holds(ring.send(step % 7 * 10_000)))
            ring.carry()
            ring.take()
        }
        #expect(ring.got == 400 && ring.sending.tail > 4 * UInt64(CarriedRing.size))
        #expect(ring.reach <= SendRing.rewindAt + MessageFrame.bytes(60_000))
    }

    @Test func whoIsSlowHasTheWholeRing() throws {
        var ring = try CarriedRing()
        for length in [60_000, 700_000] {
            let before = ring.got
            while ring.send(length) { ring.carry() }
            ring.take()
            #expect(Int(ring.got - before) >= CarriedRing.size / MessageFrame.bytes(length) - 1)
        }
        #expect(ring.reach > CarriedRing.size - 60_000)
    }

    @Test func whatABudgetAllowsFits() throws {
        var ring = try CarriedRing()
        var random = SeededGenerator(3)
        var rewound = 0
        for _ in 0..<2000 {
            // One of the largest that fits, or small ones up to the budget, which is more than the room at the ring's start for that one's sake alone.
            let (place, largest) = (ring.sending.tail % UInt64(CarriedRing.size), min(ring.sending.space, Limits.message))
            let atStart = Int(place) - Int(ring.sending.tail - ring.sending.consumed)
            var left = ring.sending.budget
            #expect(left >= largest && (atStart < SendRing.rewindAt || left == max(atStart, largest)))
            if Int.random(in: 0..<4, using: &random) == 0 {
                #expect(largest == 0 || holds(ring.send(largest)))
            } else {
                if atStart >= SendRing.rewindAt { left = atStart }
                for _ in 0..<Int.random(in: 1...200, using: &random) {
                    let length = Int.random(in: 0...20_000, using: &random)
                    guard MessageFrame.bytes(length) <= left else { break }
                    #expect(holds(ring.send(length)))
                    left -= MessageFrame.bytes(length)
                }
            }
            if ring.sending.tail % UInt64(CarriedRing.size) < place { rewound += 1 }
            ring.carry()
            if Bool.random(using: &random) { ring.take() }
        }
        #expect(rewound > 100)
    }

    @Test func ofAPadNoMoreThanItsHeaderIsCarried() throws {
        var ring = try CarriedRing()
        var random = SeededGenerator(7)
        while ring.got < 3000 {
            let fits = ring.send(Int.random(in: 0...(Bool.random(using: &random) ? 300_000 : 3000), using: &random))
            if Bool.random(using: &random) { ring.carry() }
            guard !fits || Int.random(in: 0..<8, using: &random) == 0 else { continue }
            ring.carry()
            ring.take()
        }
        let pads = ring.carried - ring.framed
        #expect(pads > 0 && pads % MessageFrame.header == 0 && pads < 3000 * MessageFrame.header)
        #expect(UInt64(ring.carried) < ring.sending.tail)
    }
}
