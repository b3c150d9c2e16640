import Foundation
import TestClock
import Testing
import Wire

@testable import Transport

@Suite struct HelloTests {
    static func introduction(_ identity: LinkIdentity = .node(NodeID(1), Incarnation(9)), cluster: String = "c", ring: Int = 0) -> Introduction {
        Introduction(nonce: pattern(UInt64(cluster.utf8.count) + 3, 32), identity: identity, rowBytes: 100, dataRing: ring, cluster: cluster)
    }
    static func offer(rowBytes: Int = 4096, data: Int = 0) -> MemoryOffer {
        var offer = MemoryOffer()
        offer.link = 3
        offer.row = .init(address: 0, key: 77, bytes: rowBytes)
        offer.ring = .init(address: 4096, key: 77, bytes: 65_536)
        offer.data = .init(address: 69_632, key: 77, bytes: data)
        return offer
    }
    static let messages: [HelloMessage] = [
        .hello(introduction()), .challenge(introduction(.client(5, name: "sensor"))), .proof(mac: pattern(1, 32)),
        .welcome(offer(), mac: pattern(2, 32)), .memory(offer(data: 4096), mac: pattern(3, 32)), .refuse(.cluster, "another cluster"),
    ]

    @Test(arguments: messages)
    func everyMessageSurvivesARoundTrip(_ message: HelloMessage) throws {
        let bytes = message.bytes
        #expect(bytes.count <= HelloMessage.limit)
        #expect(try bytes.withView { try HelloMessage($0) } == message)
    }

    @Test func layoutsHaveTheirDrawnSizes() {
        #expect(HelloMessage.proof(mac: pattern(1, 32)).bytes.count == 16 + 32)
        #expect(HelloMessage.welcome(Self.offer(), mac: pattern(1, 32)).bytes.count == 16 + MemoryOffer.size + 32)
        #expect(HelloMessage.hello(Self.introduction(cluster: "abc")).bytes.count == 16 + 64 + 2 + 3 + 2)
        #expect(Array(HelloMessage.proof(mac: pattern(1, 32)).bytes.prefix(4)) == Array("SQLL".utf8))
    }

    @Test(arguments: messages)
    func everyTruncationAndEveryExtensionIsRefused(_ message: HelloMessage) {
        let bytes = message.bytes
        for length in 0..<bytes.count {
            #expect(throws: DecodeError.self) { try Array(bytes.prefix(length)).withView { try HelloMessage($0) } }
        }
        #expect(throws: DecodeError.self) { try (bytes + [0]).withView { try HelloMessage($0) } }
    }

    @Test func aHundredThousandMutationsAreDecodedOrRefusedAndNeverTrap() {
        var random = SeededGenerator(42)
        var accepted = 0
        for _ in 0..<scaled(100_000) {
            var bytes = Self.messages.randomElement(using: &random)!.bytes
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.removeLast(Int.random(in: 0..<bytes.count, using: &random))
                default: bytes.append(contentsOf: pattern(random.next(), Int.random(in: 0..<64, using: &random)))
                }
                if bytes.isEmpty { bytes = [0] }
            }
            do {
                _ = try bytes.withView { try HelloMessage($0) }
                accepted += 1
            } catch { #expect(error is DecodeError) }
            // The handshake as a whole takes them, too, in whatever state it is.
            var shake = Handshake(isInitiator: false, own: Self.introduction(.node(NodeID(2), Incarnation(1))), secret: [1])
            _ = bytes.withView { shake.receive($0) }
            _ = bytes.withView { shake.receive($0) }
        }
        #expect(accepted < scaled(100_000))
    }

    @Test func aKnockIsTakenFromWhoHoldsTheSecretOnly() {
        let knock = Knock.make(cluster: "c", secret: [1], nonce: pattern(1, 32))
        #expect(knock.count == Knock.bytes)
        #expect(knock.withView { Knock.judge($0, cluster: "c", secret: [1]) } == nil)
        #expect((knock + [0, 0, 0]).withView { Knock.judge($0, cluster: "c", secret: [1]) } == nil, "zeros that the provider added")
        #expect(knock.withView { Knock.judge($0, cluster: "c", secret: [2]) } == .secret)
        #expect(knock.withView { Knock.judge($0, cluster: "d", secret: [1]) } == .cluster)
        for place in knock.indices {
            var changed = knock
            changed[place] ^= 1
            #expect(changed.withView { Knock.judge($0, cluster: "c", secret: [1]) } != nil, "byte \(place)")
            #expect(knock.prefix(place).map { $0 }.withView { Knock.judge($0, cluster: "c", secret: [1]) } != nil, "\(place) bytes")
        }
        let answer = Knock.answer(to: knock, secret: [1])
        #expect(answer.withView { Knock.isAnswer($0, to: knock, secret: [1]) })
        #expect(!answer.withView { Knock.isAnswer($0, to: knock, secret: [2]) })
        #expect(!knock.withView { Knock.isAnswer($0, to: knock, secret: [1]) }, "a knock sent back is no answer")
        #expect(Knock.refusal(.busy).withView { Knock.refusal($0) } == .busy)
    }

    // The handshake as such.

    struct Ends {
        var dialling: Handshake
        var listening: Handshake
        init(
            _ a: Introduction = introduction(.node(NodeID(1), Incarnation(9))), _ b: Introduction = introduction(.node(NodeID(2), Incarnation(9))),
            secrets: ([UInt8], [UInt8]) = ([1, 2], [1, 2])
        ) {
            dialling = Handshake(isInitiator: true, own: a, secret: secrets.0)
            listening = Handshake(isInitiator: false, own: b, secret: secrets.1)
        }
        /// Runs to the end; returns the last outcome at each side. `meddle` may change the n-th message on its way.
        mutating func run(meddle: (Int, inout [UInt8]) -> Void = { _, _ in }) -> (dialling: Handshake.Outcome?, listening: Handshake.Outcome?) {
            var message = dialling.start()
            var outcomes: (dialling: Handshake.Outcome?, listening: Handshake.Outcome?) = (nil, nil)
            for step in 0..<8 {
                meddle(step, &message)
                let toListening = step % 2 == 0
                var outcome = message.withView { toListening ? listening.receive($0) : dialling.receive($0) }
                if outcome == .needsMemory {
                    let bytes = toListening ? listening.offer(offer()) : dialling.offer(offer())
                    if !toListening { outcomes.dialling = .done }
                    outcome = .reply(bytes)
                    if toListening { outcomes.listening = .needsMemory }
                } else if toListening {
                    outcomes.listening = outcome
                } else {
                    outcomes.dialling = outcome
                }
                switch outcome {
                case .reply(let bytes), .refuse(let bytes, _): message = bytes
                case .done, .refused, .needsMemory: return outcomes
                }
            }
            return outcomes
        }
    }

    @Test func equalSecretsAndClustersEndInMemoryAtBothSides() {
        var ends = Ends()
        let outcome = ends.run()
        #expect(outcome.dialling == .done && outcome.listening == .done)
        #expect(ends.dialling.peer?.identity == .node(NodeID(2), Incarnation(9)))
        #expect(ends.listening.offer == Self.offer() && ends.dialling.offer == Self.offer())
    }

    @Test func aWrongSecretIsRefusedAndBothSidesSaySo() {
        var ends = Ends(secrets: ([1], [2]))
        let outcome = ends.run()
        guard case .refuse(_, let mine) = outcome.listening, case .refused(let told) = outcome.dialling else {
            Issue.record("\(outcome)")
            return
        }
        #expect(mine == told && mine.contains("secret"))
    }

    @Test func nodesWithOneNumberClientsAmongThemselvesAndOtherClustersAreRefused() {
        let one = Self.introduction(.node(NodeID(1), Incarnation(1)))
        let client = Self.introduction(.client(1, name: ""))
        let other = Self.introduction(.node(NodeID(2), Incarnation(1)), cluster: "elsewhere")
        for (a, b, word) in [(one, one, "node 1"), (client, client, "neither"), (one, other, "elsewhere")] {
            var ends = Ends(a, b)
            guard case .refuse(_, let words) = ends.run().listening else {
                Issue.record("accepted")
                return
            }
            #expect(words.contains(word))
        }
    }

    @Test func anyByteChangedOnTheWayEndsTheHello() {
        for step in 0..<5 {
            var length = 0
            do {
                var ends = Ends()
                _ = ends.run { n, bytes in if n == step { length = bytes.count } }
            }
            for place in 0..<length {
                var ends = Ends()
                let outcome = ends.run { n, bytes in if n == step { bytes[place] ^= 0x20 } }
                // The last message leaves the dialling side up already: the listening side is who must refuse.
                #expect(outcome.listening != .done, "byte \(place) of message \(step)")
            }
        }
    }

    @Test func aReflectedProofIsNotAProof() {
        // The same introduction on both sides of a relay, and each message sent back where it came from.
        var listening = Handshake(isInitiator: false, own: Self.introduction(.node(NodeID(2), Incarnation(1))), secret: [5])
        let hello = HelloMessage.hello(Self.introduction(.node(NodeID(1), Incarnation(1)))).bytes
        guard case .reply(let challenge) = hello.withView({ listening.receive($0) }) else {
            Issue.record("no challenge")
            return
        }
        guard case .refuse = challenge.withView({ listening.receive($0) }) else {
            Issue.record("a challenge was taken for a proof")
            return
        }
    }
}
