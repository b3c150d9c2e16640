import Foundation
import Testing
import Wire

@testable import Transport

@Suite struct MessageRingTests {
    /// Both ends over one memory: what is written is there at once.
    static func ends(_ size: Int) throws -> (LinkMemory, SendRing, ReceiveRing) {
        let memory = try LinkMemory(bytes: size)
        return (memory, SendRing(memory.memory), ReceiveRing(memory.memory))
    }

    @Test func randomMessagesComeOutAsTheyWentInAcrossManyTurnsOfTheRing() throws {
        let (memory, sender, receiver) = try Self.ends(4096)
        var (sending, receiving) = (sender, receiver)
        var random = SeededGenerator(1)
        var (sent, got) = (UInt64(0), UInt64(0))
        var refused = 0
        while got < 20_000 {
            let length = Int.random(in: 0...(got % 3 == 0 ? 2040 : 100), using: &random)
            let space = sending.space
            let room = sent < 20_000 ? sending.reserve(length) : nil
            #expect(sent >= 20_000 || (room != nil) == (align8(length) <= space), "space is a promise")
            if let room {
                pattern(sent, length).withView { room.copy($0, to: 0) }
                sending.commit(kind: UInt32(truncatingIfNeeded: sent), length: length)
                sent += 1
                sending.posted = sending.tail
                #expect(holds(receiving.advance(to: sending.tail)))
                if Bool.random(using: &random) { continue }
            } else {
                refused += 1
            }
            while case .message(let kind, let body) = receiving.next() {
                #expect(kind == UInt32(truncatingIfNeeded: got))
                #expect(body.array == pattern(got, body.count))
                got += 1
            }
            receiving.release()
            #expect(holds(sending.acknowledge(receiving.released)))
        }
        #expect(refused > 0 && sending.tail > 100 * 4096)
        withExtendedLifetime(memory) {}
    }

    @Test func aRingThatIsEmptyTakesItsLargestMessageWhereverItStands() throws {
        let (memory, sender, receiver) = try Self.ends(4096)
        var (sending, receiving) = (sender, receiver)
        for step in 0..<1000 {
            #expect(holds(sending.reserve(step % 57) != nil))
            sending.commit(kind: 0, length: step % 57)
            sending.posted = sending.tail
            #expect(holds(receiving.advance(to: sending.tail)))
            while case .message = receiving.next() {}
            receiving.release()
            #expect(holds(sending.acknowledge(receiving.released)))
            #expect(sending.space >= sending.largest)
        }
        withExtendedLifetime(memory) {}
    }

    @Test func whatAPeerClaimsAgainstTheRulesIsNotTaken() throws {
        let (memory, sender, receiver) = try Self.ends(4096)
        var (sending, receiving) = (sender, receiver)
        #expect(holds(!sending.acknowledge(8)), "more than was sent")
        #expect(holds(!receiving.advance(to: 4104)), "more than the ring holds")
        #expect(holds(!receiving.advance(to: 12)), "not a multiple of eight")
        #expect(holds(receiving.advance(to: 4096)))
        #expect(holds(!receiving.advance(to: 4088)), "backwards")
        for length: UInt32 in [4089, 0x7fff_ffff, 0xffff_fffe, UInt32(Limits.message) + 1] {
            memory.memory.store(length, at: 0)
            var copy = receiving
            guard case .violation = copy.next() else {
                Issue.record("a length of \(length) was taken")
                return
            }
        }
        var short = ReceiveRing(memory.memory)
        #expect(holds(short.advance(to: 8)))
        memory.memory.store(MessageFrame.pad, at: 0)
        guard case .violation = short.next() else {
            Issue.record("a pad beyond the tail was taken")
            return
        }
    }
}

extension Links {
    @Suite(.serialized) struct MessageTests {
        /// One direction of a link under load: what is next to be sent, and to be received.
        struct Stream {
            var sent: UInt64 = 0
            var got: UInt64 = 0
            var random: SeededGenerator
            var sum: UInt32 = 0
            var expected: UInt32 = 0
            let bodies: [UInt8]

            init(seed: UInt64) {
                random = SeededGenerator(seed)
                bodies = pattern(seed, 80_000)
            }
            /// Sends up to `count` more, of random lengths; stops where there is no room.
            mutating func send(_ station: Station, _ link: LinkID, _ limit: UInt64, largest: Int) {
                for _ in 0..<16 where sent < limit {
                    var trial = random
                    let length = Int.random(in: 0...(sent % 97 == 0 ? largest : 200), using: &trial)
                    let start = Int.random(in: 0...(bodies.count - length), using: &trial)
                    let taken = bodies.withView { bytes in
                        let body = bytes[start..<start + length]
                        let cut = length / 3
                        return length % 2 == 0
                            ? station.transport.send(link, kind: UInt32(truncatingIfNeeded: sent), body)
                            : station.transport.send(link, kind: UInt32(truncatingIfNeeded: sent), body[0..<cut], body[cut..<2 * cut], body.from(2 * cut))
                    }
                    guard taken else { return }
                    expected = bodies.withView { $0[start..<start + length].crc32c(expected) }
                    random = trial
                    sent += 1
                }
            }
            mutating func receive(_ station: Station, _ link: LinkID) -> Bool {
                var inOrder = true
                var count = 0
                while count < 24, let message = station.transport.receive(link) {
                    inOrder = inOrder && message.kind == UInt32(truncatingIfNeeded: got)
                    sum = message.body.crc32c(sum)
                    got += 1
                    count += 1
                }
                if count > 0 { station.transport.release(link) }
                return inOrder
            }
        }

        @Test func halfAMillionMessagesEachWayArriveWholeAndInOrder() throws {
            let pair = try Pair()
            let total = UInt64(amount(500_000))
            var there = Stream(seed: 1)
            var back = Stream(seed: 2)
            var inOrder = true
            let largest = pair.a.transport.largestMessage(pair.atA)
            #expect(largest > 32_000)
            let done = pump(pair.stations, for: 120) {
                there.send(pair.a, pair.atA, total, largest: largest)
                back.send(pair.b, pair.atB, total, largest: largest)
                inOrder = inOrder && there.receive(pair.b, pair.atB) && back.receive(pair.a, pair.atA)
                pair.a.events.removeAll { if case .down = $0 { false } else { true } }
                pair.b.events.removeAll { if case .down = $0 { false } else { true } }
                return !inOrder || there.got == total && back.got == total
            }
            #expect(done && inOrder && pair.a.downs.isEmpty && pair.b.downs.isEmpty)
            #expect(there.sum == there.expected && back.sum == back.expected)
            #expect(there.got == total && back.got == total)
        }

        @Test func aSlowReceiverHoldsTheSenderUpAndIsHeardWhenItHasRoom() throws {
            let pair = try Pair()
            let body = pattern(4, 1000)
            var sent = 0
            pump(pair.stations, for: 0.3) {
                while body.withView({ pair.b.transport.send(pair.atB, kind: 0, $0) }) { sent += 1 }
                return false
            }
            #expect(sent == 65, "a ring of 64 KiB holds 65 frames of 1,008 bytes")
            #expect(!pair.b.events.contains(.space(pair.atB)))
            var got = 0
            var whole = true
            let hasRoom = pump(pair.stations) {
                if let message = pair.a.transport.receive(pair.atA) {
                    whole = whole && message.body.array == body
                    got += 1
                    pair.a.transport.release(pair.atA)
                }
                return pair.b.events.contains(.space(pair.atB))
            }
            #expect(hasRoom && whole)
            #expect(got < 10, "the report came after \(got) messages, not after a quarter of the ring")
            #expect(body.withView { pair.b.transport.send(pair.atB, kind: 0, $0) })
        }

        /// Who looks at the room before it sends has nothing refused, and hears of room only where it says that it waits.
        @Test func whoSaysThatItWaitsForRoomIsHeardAtOnce() throws {
            let pair = try Pair()
            let body = pattern(4, 1000)
            func fill() { while pair.b.transport.space(pair.atB) >= 1000 { #expect(body.withView { pair.b.transport.send(pair.atB, kind: 0, $0) }) } }
            fill()
            pump(pair.stations, for: 0.1) { false }
            func take(_ most: Int) -> Int {
                var got = 0
                pump(pair.stations, for: 0.5) {
                    if got < most, pair.a.transport.receive(pair.atA) != nil {
                        got += 1
                        pair.a.transport.release(pair.atA)
                    }
                    return pair.b.events.contains(.space(pair.atB))
                }
                return got
            }
            #expect(take(5) == 5 && !pair.b.events.contains(.space(pair.atB)))
            fill()
            pair.b.transport.wantRoom(pair.atB, length: 1000)
            #expect(take(9) < 9 && pair.b.events.contains(.space(pair.atB)))
            // Where there is room nobody is asked.
            #expect(pair.b.transport.space(pair.atB) >= 1000)
            pair.b.transport.wantRoom(pair.atB, length: 1000)
            #expect(body.withView { pair.b.transport.send(pair.atB, kind: 0, $0) })
        }

        @Test func aReservedBodyIsBuiltInPlaceAndMayShrink() throws {
            let pair = try Pair()
            guard let room = unsafe pair.b.transport.reserve(pair.atB, length: 100) else {
                Issue.record("no room")
                return
            }
            for k in 0..<60 { unsafe room[k] = UInt8(k) }
            pair.b.transport.commit(pair.atB, kind: 3, length: 60)
            #expect(pump(pair.stations) { pair.a.events.contains(.message(pair.atA)) })
            let message = try #require(pair.a.transport.receive(pair.atA))
            #expect(message.kind == 3 && message.body.array == (0..<60).map { UInt8($0) })
            #expect(pair.a.transport.receive(pair.atA) == nil)
        }

        @Test func messagesSentRightBeforeTheCloseAreStillReceived() throws {
            let pair = try Pair()
            let body = pattern(5, 10_000)
            #expect(body.withView { pair.b.transport.send(pair.atB, kind: 1, $0) })
            pair.b.transport.flush()
            pair.b.transport.close(pair.atB)
            var received: [UInt8]?
            #expect(pump(pair.stations) {
                if pair.a.events.contains(.message(pair.atA)), received == nil {
                    received = pair.a.transport.receive(pair.atA)?.body.array
                }
                return !pair.a.downs.isEmpty
            })
            if received == nil { received = pair.a.transport.receive(pair.atA)?.body.array }
            #expect(received == body)
        }

        @Test func aWholeRingSentRightBeforeTheCloseIsStillReceived() throws {
            var options = nodeOptions(1)
            // Over RDMA more than the device sends at once: a disconnect must not overtake the rest.
            options.messageRing = overTCP ? 64 << 10 : 4 << 20
            let pair = try Pair(options)
            let body = pattern(6, options.messageRing / 17)
            var sent = 0
            while body.withView({ pair.b.transport.send(pair.atB, kind: 1, $0) }) { sent += 1 }
            pair.b.transport.flush()
            pair.b.transport.close(pair.atB)
            // The receiver does nothing meanwhile.
            #expect(pump([pair.b]) { pair.b.downs == [.local] })
            var got = 0
            func take() {
                while let message = pair.a.transport.receive(pair.atA) {
                    if message.body.array == body { got += 1 }
                }
            }
            #expect(pump(pair.stations) {
                take()
                return !pair.a.downs.isEmpty
            })
            take()
            #expect(got == sent && sent >= 16)
        }

        @Test func aPeerThatLiesAboutItsTailIsPutDown() throws {
            let pair = try Pair()
            // The row's memory is written here in the peer's place: a tail far beyond the ring.
            let i = pair.atA.index
            var prefix = RowPrefix()
            prefix.beat = 1_000
            prefix.tail = 1 << 40
            let memory = try #require(pair.a.transport.links[i].inbound).memory
            prefix.write(to: memory.part(0, RowPrefix.size))
            pair.a.transport.noteNews(i)
            #expect(pump([pair.a]) { !pair.a.downs.isEmpty })
            guard case .protocol = pair.a.downs.first else {
                Issue.record("\(pair.a.downs)")
                return
            }
            #expect(pump(pair.stations) { pair.b.downs == [.closed] })
        }
    }
}
