import Foundation
import Testing
import Wire

@testable import Transport

extension Links {
    @Suite(.serialized) struct ConnectionTests {
        @Test func bothSidesLearnWhoIsThere() throws {
            let pair = try Pair(nodeOptions(1, incarnation: 11), nodeOptions(2, incarnation: 22))
            #expect(pair.a.transport.peer(of: pair.atA)?.identity == .node(NodeID(2), Incarnation(22)))
            #expect(pair.b.transport.peer(of: pair.atB)?.identity == .node(NodeID(1), Incarnation(11)))
            #expect(pair.a.transport.peer(of: pair.atA)?.isOutgoing == false)
            #expect(pair.b.transport.peer(of: pair.atB)?.isOutgoing == true)
            let client = try Pair(nodeOptions(1), clientOptions(5, name: "dpub"))
            #expect(client.a.transport.peer(of: client.atA)?.identity == .client(5, name: "dpub"))
        }

        @Test(.enabled(if: overTCP)) func noSocketOfALinkIsPaced() throws {
            let alone = try Station(nodeOptions(1))
            let listening = (0..<1024).compactMap { Pacing.control(Int32($0)) }
            #expect(alone.transport.listeningPort > 0 && !listening.contains { $0.hasPrefix("bbr") }, "\(listening)")
            let pair = try Pair(nodeOptions(1), nodeOptions(2))
            let client = try Station(clientOptions())
            _ = try client.transport.connect(host: firstHost, port: pair.a.transport.listeningPort)
            #expect(pump([pair.a, client]) { !client.ups.isEmpty })
            let controls = (0..<1024).compactMap { Pacing.control(Int32($0)) }
            // Two ends of two links, and two listeners.
            #expect(controls.count >= 6 && !controls.contains { $0.hasPrefix("bbr") }, "\(controls)")
        }

        /// Those of a program that uses the client library, whatever they are for.
        @Test(.enabled(if: overTCP)) func otherSocketsStayAsTheyAre() throws {
            let node = try Station(nodeOptions(1))
            let client = try Station(clientOptions())
            func connect(_ count: Int) throws {
                _ = try client.transport.connect(host: firstHost, port: node.transport.listeningPort)
                #expect(pump([node, client]) { client.ups.count == count })
            }
            // The first link opens libfabric, and with it much else.
            try connect(1)
            var others = (0..<8).map { _ in socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0) }
            defer { for file in others { close(file) } }
            // A number below the others', for the socket of the second link.
            close(others.removeFirst())
            let before = others.map { Pacing.control($0) }
            try connect(2)
            #expect(others.map { Pacing.control($0) } == before)
        }

        /// Whatever this machine's own choice is: as if `reno` paced.
        @Test func aSocketThatWouldBePacedIsAskedNotTo() throws {
            let file = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            defer { close(file) }
            Pacing.turnOff(file, pacing: [Pacing.control(file)!], unpaced: ["no such control", "reno"])
            #expect(Pacing.control(file) == "reno")
            Pacing.turnOff(file, pacing: ["ren"], unpaced: ["no such control"])
            #expect(Pacing.control(file) == "reno")
            Pacing.turnOff(file, pacing: ["other"], unpaced: ["cubic"])
            #expect(Pacing.control(file) == "reno")
        }

        @Test func aClusterWithoutASecretWorksAmongItself() throws {
            var (first, second) = (nodeOptions(1), clientOptions())
            (first.secret, second.secret) = ([], [])
            _ = try Pair(first, second)
        }

        static let refusals: [(word: String, change: @Sendable (inout TransportOptions) -> Void)] = [
            ("secret", { $0.secret = [1] }),
            ("secret", { $0.secret = [] }),
            ("cluster", { $0.cluster = "another" }),
            ("node 1", { $0.identity = .node(NodeID(1), Incarnation(5)) }),
        ]
        @Test(arguments: refusals.indices)
        func whoDoesNotBelongIsRefusedAndBothSidesSayWhy(_ index: Int) throws {
            let (word, change) = Self.refusals[index]
            let a = try Station(nodeOptions(1))
            var options = nodeOptions(2)
            change(&options)
            let b = try Station(options)
            let link = try b.transport.connect(host: firstHost, port: a.transport.listeningPort)
            #expect(pump([a, b]) { !a.refusals.isEmpty && !b.downs.isEmpty })
            #expect(a.ups.isEmpty && b.ups.isEmpty)
            #expect(a.refusals.first?.contains(word) == true, "\(a.refusals)")
            guard case .refused(let words) = b.downs.first else {
                Issue.record("\(b.downs)")
                return
            }
            #expect(words.contains(word))
            #expect(!b.transport.isUp(link))
            // The listening side is none the worse for it.
            let c = try Station(nodeOptions(3))
            _ = try c.transport.connect(host: firstHost, port: a.transport.listeningPort)
            #expect(pump([a, c]) { !a.ups.isEmpty && !c.ups.isEmpty })
        }

        @Test func aPortWhereNobodyListensIsUnreachable() throws {
            let port = try Station(nodeOptions(1)).transport.listeningPort
            let b = try Station(nodeOptions(2))
            _ = try b.transport.connect(host: firstHost, port: port)
            #expect(pump([b]) { !b.downs.isEmpty })
            guard case .unreachable = b.downs.first else {
                Issue.record("\(b.downs)")
                return
            }
        }

        @Test(.disabled(if: overTCP, "tcp does not wait for anybody"))
        func anAddressWithoutAMachineHoldsNobodyUp() throws {
            let pair = try Pair()
            let start = monotonicNow()
            let link = try pair.b.transport.connect(host: "10.77.0.9", port: 7421)
            #expect(monotonicNow() - start < 100_000_000)
            var longest: UInt64 = 0
            var before = monotonicNow()
            #expect(pump(pair.stations) {
                longest = max(longest, monotonicNow() - before)
                before = monotonicNow()
                return !pair.b.downs.isEmpty
            })
            #expect(longest < 500_000_000, "one turn took \(longest / 1_000_000) ms")
            #expect(!pair.b.transport.isUp(link) && pair.a.downs.isEmpty && pair.b.downs.count == 1)
            try exchange(pair)
        }

        @Test(.disabled(if: overTCP, "nothing is looked up beside the loop"), arguments: [0, 100] as [UInt32])
        func aProcessMayEndWhileAnAddressIsLookedUp(_ milliseconds: UInt32) async {
            await #expect(processExitsWith: .success) { [milliseconds = milliseconds as UInt32] in
                let station = try Station(clientOptions())
                _ = try station.transport.connect(host: "10.77.0.9", port: 7421)
                usleep(milliseconds * 1000)
                exit(0)
            }
        }

        @Test(.disabled(if: overTCP, "there is nothing to choose between"))
        func whatWasChosenForAnAddressWithoutAMachineIsChosenAnewForTheNext() throws {
            let a = try Station(nodeOptions(1))
            var options = clientOptions()
            options.provider = "auto"
            let b = try Station(options)
            _ = try b.transport.connect(host: "10.77.0.9", port: 7421)
            #expect(pump([a, b], for: 12) { !b.downs.isEmpty })
            _ = try b.transport.connect(host: firstHost, port: a.transport.listeningPort)
            #expect(pump([a, b]) { !b.ups.isEmpty })
            #expect(b.transport.providerName == testProvider)
        }

        @Test func closingIsSeenAtBothEndsOnceAndFreesThePlace() throws {
            let pair = try Pair()
            pair.b.transport.close(pair.atB)
            pair.b.transport.close(pair.atB)
            #expect(pump(pair.stations) { !pair.a.downs.isEmpty && !pair.b.downs.isEmpty })
            pump(pair.stations, for: 0.05) { false }
            #expect(pair.a.downs == [.closed] && pair.b.downs == [.local])
            #expect(!pair.a.transport.isUp(pair.atA) && pair.a.transport.space(pair.atA) == 0)
            #expect(!pair.b.transport.send(pair.atB, kind: 1, .empty))
        }

        @Test func placesReturnWithAnotherGeneration() throws {
            var options = nodeOptions(1)
            options.maximumLinks = 1
            let a = try Station(options)
            var seen: Set<LinkID> = []
            for round in 0..<(overTCP ? 50 : 10) {
                let b = try Station(clientOptions(UInt64(round)))
                let link = try b.transport.connect(host: firstHost, port: a.transport.listeningPort)
                try #require(pump([a, b]) { a.ups.count == round + 1 && !b.ups.isEmpty })
                seen.insert(a.ups[round])
                b.transport.close(link)
                try #require(pump([a, b]) { a.downs.count == round + 1 })
            }
            #expect(seen.count == (overTCP ? 50 : 10))
        }

        @Test func oneLinkTooManyIsTurnedAway() throws {
            var options = nodeOptions(1)
            options.maximumLinks = 2
            let a = try Station(options)
            let clients = try (0..<3).map { try Station(clientOptions(UInt64($0))) }
            for client in clients { _ = try client.transport.connect(host: firstHost, port: a.transport.listeningPort) }
            #expect(pump([a] + clients) { a.ups.count == 2 && clients.contains { !$0.downs.isEmpty } })
            #expect(clients.filter { $0.downs.isEmpty }.count == 2)
        }

        // Strangers at the port.

        @Test(.enabled(if: overTCP), arguments: 0..<40)
        func garbageAtThePortHarmsNobody(_ seed: UInt64) throws {
            let pair = try Pair()
            var random = SeededGenerator(seed)
            let stranger = try RawSocket(port: pair.a.transport.listeningPort)
            var bytes = pattern(seed, Int.random(in: 1...3000, using: &random))
            // Some begin as a connection request of the provider would: version 3, type 0, then what follows is noise.
            if seed % 2 == 0 { bytes.replaceSubrange(0..<min(2, bytes.count), with: [3, 0].prefix(min(2, bytes.count))) }
            stranger.write(bytes)
            pump(pair.stations, for: 0.03) { false }
            stranger.close()
            try exchange(pair)
        }

        @Test(.enabled(if: overTCP), .timeLimit(.minutes(1)), arguments: [1, 2, 8, 31, 32, 33])
        func aConnectionRequestThatAnnouncesMoreThanItSendsDoesNotHoldTheLoopUp(_ sent: Int) throws {
            let pair = try Pair()
            let stranger = try RawSocket(port: pair.a.transport.listeningPort)
            // Version 3, request, 256 bytes of private data to follow that never come.
            stranger.write(Array(([3, 0, 1, 0] + [UInt8](repeating: 0, count: 60)).prefix(sent)))
            let start = monotonicNow()
            try exchange(pair)
            #expect(monotonicNow() - start < 3_000_000_000)
            pump(pair.stations, for: 0.05) { false }
            stranger.close()
            try exchange(pair)
        }

        @Test(.enabled(if: overTCP), arguments: [1, 20, 32])
        func aStrangerWhoIsGoneLeavesNothingThatKeepsTheLoopAwake(_ sent: Int) throws {
            let a = try Station(nodeOptions(1))
            let stranger = try RawSocket(port: a.transport.listeningPort)
            stranger.write(Array(([3, 0, 1, 0] + [UInt8](repeating: 0, count: 60)).prefix(sent)))
            pump([a], for: 0.05) { false }
            stranger.close()
            pump([a], for: 0.05) { false }
            let before = a.transport.counters.sleeps
            let end = monotonicNow() + 200_000_000
            while monotonicNow() < end {
                a.transport.sleep(until: end, mode: .sleep, into: &a.events)
                a.transport.poll(now: monotonicNow(), into: &a.events)
            }
            #expect(a.transport.counters.sleeps - before <= 4)
        }

        @Test(.enabled(if: overTCP), arguments: [
            // A software acknowledgement of nothing; a write of 200 parts; a message nobody expects; an answer to no read.
            [3, 0, 0, 0, 2, 0, 16, 0, 16, 0, 0, 0, 0, 0, 0, 0],
            [3, 9, 0, 0, 0, 200, 120, 0, 0, 1, 0, 0, 0, 0, 0, 0],
            [3, 0, 0, 0, 0, 0, 16, 0, 200, 0, 0, 0, 0, 0, 0, 0],
            [3, 3, 0, 0, 0, 0, 16, 0, 16, 0, 0, 0, 0, 0, 0, 0],
        ] as [[UInt8]])
        func aStrangerDoesNotReachTheProvidersDataPath(_ header: [UInt8]) throws {
            let pair = try Pair()
            let stranger = try RawSocket(port: pair.a.transport.listeningPort)
            // A well-formed request without a knock, and then a header of the data path.
            var request: [UInt8] = [3, 0, 0, 0, 0, 0, 0, 0]
            request.append(int: UInt64(1))
            request.append(contentsOf: [UInt8](repeating: 0, count: 16))
            stranger.write(request)
            #expect(pump(pair.stations) { pair.a.refusals == [Knock.words(.malformed)] })
            stranger.write(header + [UInt8](repeating: 7, count: 256))
            pump(pair.stations, for: 0.02) { false }
            try exchange(pair)
        }

        @Test(.enabled(if: overTCP)) func aSilentConnectionNeitherHoldsTheLoopUpNorStaysForever() throws {
            let pair = try Pair()
            let silent = try (0..<8).map { _ in try RawSocket(port: pair.a.transport.listeningPort) }
            try exchange(pair)
            for stranger in silent { stranger.close() }
        }

        @Test func aPeerThatStopsInTheMiddleOfItsHelloIsClosedAtTheDeadline() throws {
            var options = nodeOptions(1)
            options.helloDeadline = 200_000_000
            let a = try Station(options)
            let b = try Station(nodeOptions(2))
            _ = try b.transport.connect(host: firstHost, port: a.transport.listeningPort)
            // b makes the connection and sends its hello, then goes quiet.
            #expect(pump([a, b]) { a.transport.halfOpen == 1 })
            let start = monotonicNow()
            #expect(pump([a]) { !a.refusals.isEmpty })
            #expect(monotonicNow() - start < 3_000_000_000)
            #expect(a.refusals.first?.contains("hello") == true || a.refusals.first?.contains("answer") == true, "\(a.refusals)")
            #expect(a.transport.halfOpen == 0)
        }

        func exchange(_ pair: Pair) throws {
            let text = Array("still here".utf8)
            #expect(text.withView { pair.b.transport.send(pair.atB, kind: 9, $0) })
            var got: [UInt8]?
            let arrived = pump(pair.stations) {
                guard let message = pair.a.transport.receive(pair.atA) else { return false }
                got = message.body.array
                pair.a.transport.release(pair.atA)
                return true
            }
            #expect(arrived && got == text)
        }
    }
}

/// A plain TCP connection to a port on this machine.
@safe final class RawSocket {
    private var file: Int32
    init(port: UInt16) throws {
        file = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let status = unsafe withUnsafePointer(to: &address) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe connect(file, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(status == 0)
    }
    func write(_ bytes: [UInt8]) { _ = unsafe bytes.withUnsafeBytes { unsafe send(file, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) } }
    func close() {
        if file >= 0 { _ = Foundation.close(file) }
        file = -1
    }
    deinit { close() }
}
