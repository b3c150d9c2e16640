import Testing
import Wire

@testable import Transport

@Suite struct LoanPieceTests {
    @Test func piecesAreOfTheRingOrOfALoanAndNeverOfBoth() throws {
        let (memory, sender, _) = try MessageRingTests.ends(256 << 10)
        var sending = sender
        let (first, second) = (OwnedBytes(pattern(1, 40_000)), OwnedBytes(pattern(2, 40_008)))
        try #require(holds(sending.reserve(40_016) != nil))
        sending.lend(first.view, at: 16, owner: first)
        sending.commit(kind: 1, length: 40_016)
        try #require(holds(sending.reserve(24) != nil))
        sending.commit(kind: 2, length: 24)
        try #require(holds(sending.reserve(40_008) != nil))
        sending.lend(second.view, at: 0, owner: second)
        sending.commit(kind: 3, length: 40_008)
        var found: [(place: Int, length: Int, lent: ByteView?, next: UInt64)] = []
        var at: UInt64 = 0
        while at < sending.tail {
            found.append(sending.piece(from: at))
            at = found[found.count - 1].next
        }
        #expect(found.map(\.length) == [24, 40_000, 8 + 24 + 8, 40_008] && found.map(\.place) == [0, 24, 40_024, 40_064])
        #expect(found.map { $0.lent != nil } == [false, true, false, true])
        // From within a loan the rest of it.
        let rest = sending.piece(from: 24 + 39_000)
        #expect(rest.length == 1000 && rest.lent?.array == Array(pattern(1, 40_000)[39_000...]))
        withExtendedLifetime((memory, first, second)) {}
    }

    @Test func aLoanEndsWithTheWriteThatCarriesTheLastOfIt() throws {
        let (memory, sender, _) = try MessageRingTests.ends(256 << 10)
        var sending = sender
        for _ in 0..<2 {
            let bytes = OwnedBytes(pattern(1, 40_000))
            try #require(holds(sending.reserve(40_000) != nil))
            sending.lend(bytes.view, at: 0, owner: bytes)
            sending.commit(kind: 1, length: 40_000)
        }
        sending.posted = 30_000
        sending.note(write: 1)
        sending.settle(writes: 1)
        #expect(sending.loans.count == 2, "only a part of the first is posted")
        sending.posted = 60_000
        sending.note(write: 2)
        sending.posted = sending.tail
        sending.note(write: 3)
        sending.settle(writes: 1)
        #expect(sending.loans.count == 2)
        sending.settle(writes: 2)
        #expect(sending.loans.count == 1)
        sending.settle(writes: 3)
        #expect(sending.loans.isEmpty)
        withExtendedLifetime(memory) {}
    }
}

extension Links {
    @Suite(.serialized) struct LoanTests {
        /// Who is not there any more has let its bytes go.
        private struct Watch {
            weak var owner: OwnedBytes?
        }
        private static func options(shared: Bool) -> (TransportOptions, TransportOptions) {
            var (node, client) = (nodeOptions(1), clientOptions())
            (node.clientMessageRing, client.messageRing) = (256 << 10, 256 << 10)
            (node.sharesMemory, client.sharesMemory) = (shared, shared)
            return (node, client)
        }

        @Test(arguments: [false, true])
        func lentMessagesArriveAsTheyAreBetweenOthersAcrossManyTurnsOfTheRing(_ shared: Bool) throws {
            let (node, client) = Self.options(shared: shared)
            let pair = try Pair(node, client)
            var random = SeededGenerator(3)
            let count = amount(1500)
            let lengths = (0..<count).map { $0 % 3 == 0 ? Int.random(in: 0...300, using: &random) : Int.random(in: 0...120_000, using: &random) }
            var watches: [Watch] = []
            var (sent, got, wrong) = (0, 0, 0)
            let head = pattern(99, 24)
            let isDone = pump(pair.stations, for: 60) {
                while sent < count {
                    let body = OwnedBytes(pattern(UInt64(sent), lengths[sent]))
                    let isTaken = head.withView { pair.b.transport.send(pair.atB, kind: 5, $0, lending: body.view, owner: body) }
                    guard isTaken else { break }
                    if body.view.count >= Loan.least { watches.append(Watch(owner: body)) }
                    sent += 1
                }
                while let (kind, body) = pair.a.transport.receive(pair.atA) {
                    if kind != 5 || body.array != head + pattern(UInt64(got), lengths[got]) { wrong += 1 }
                    got += 1
                    pair.a.transport.release(pair.atA)
                }
                return got == count
            }
            #expect(isDone && wrong == 0, "\(got) of \(count) came, \(wrong) of them wrong")
            #expect(watches.count > count / 4)
            #expect(pump(pair.stations) { watches.allSatisfy { $0.owner == nil } }, "what was lent is held though it has gone")
        }

        @Test(.enabled(if: overTCP)) func whatIsLentIsHeldUntilItHasGoneOrItsLinkHas() throws {
            var (node, client) = Self.options(shared: false)
            // More than the sockets hold: the last of it cannot go before somebody reads.
            (node.clientMessageRing, client.messageRing) = (64 << 20, 64 << 20)
            let pair = try Pair(node, client)
            var watches: [Watch] = []
            for number in 0..<40 {
                let body = OwnedBytes(pattern(UInt64(number), 1 << 20))
                #expect(pair.b.transport.send(pair.atB, kind: 5, .empty, lending: body.view, owner: body))
                watches.append(Watch(owner: body))
            }
            for _ in 0..<200 { pair.b.turn() }
            #expect(watches[39].owner != nil, "the other side has not read it")
            var right = 0
            let isDone = pump(pair.stations, for: 30) {
                while right < 20, let (_, body) = pair.a.transport.receive(pair.atA) {
                    guard body.array == pattern(UInt64(right), 1 << 20) else { return true }
                    right += 1
                    pair.a.transport.release(pair.atA)
                }
                return right == 20
            }
            #expect(isDone && right == 20 && watches[0].owner == nil)
            // More waits than can have gone; the link's end lets it go.
            for number in 40..<100 {
                let body = OwnedBytes(pattern(UInt64(number), 1 << 20))
                guard pair.b.transport.send(pair.atB, kind: 5, .empty, lending: body.view, owner: body) else { break }
                watches.append(Watch(owner: body))
            }
            pair.b.turn()
            #expect(watches[watches.count - 1].owner != nil)
            pair.b.transport.close(pair.atB)
            #expect(pump([pair.b], for: 10) { watches.allSatisfy { $0.owner == nil } }, "a link that has gone holds what it was lent")
        }
    }
}
