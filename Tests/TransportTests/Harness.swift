import Foundation
import Testing
import Wire

@testable import Transport

/// All tests that use the network run one after another: their deadlines are real.
@Suite(.serialized) struct Links {}

/// The provider under test, and an address for odd nodes and one for even ones. Verbs run in a guest: scripts/guest transport.
let testProvider = ProcessInfo.processInfo.environment["SQUALL_PROVIDER"] ?? "tcp"
let testHosts = (ProcessInfo.processInfo.environment["SQUALL_TEST_HOSTS"] ?? "127.0.0.1 127.0.0.1").split(separator: " ").map(String.init)
let firstHost = testHosts[0]
let overTCP = testProvider == "tcp"
/// How much of something to do: devices in an emulated machine are slow.
func amount(_ count: Int) -> Int { overTCP ? count : max(1, count / 50) }

func nodeOptions(_ number: UInt16, incarnation: UInt64 = 1) -> TransportOptions {
    var options = TransportOptions(cluster: "test", secret: Array("secret".utf8), identity: .node(NodeID(number), Incarnation(incarnation)))
    options.provider = testProvider
    options.listen = (host: testHosts[Int(number + 1) % testHosts.count], port: 0)
    options.messageRing = 64 << 10
    options.clientMessageRing = 64 << 10
    options.rowBytes = 1024
    if !overTCP { options.deadline = 5_000_000_000 }
    return options
}

func clientOptions(_ number: UInt64 = 7, name: String = "tester") -> TransportOptions {
    var options = TransportOptions(cluster: "test", secret: Array("secret".utf8), identity: .client(number, name: name))
    options.provider = testProvider
    options.messageRing = 64 << 10
    if !overTCP { options.deadline = 5_000_000_000 }
    return options
}

/// One transport with what it has reported so far.
final class Station {
    let transport: Transport
    var events: [TransportEvent] = []
    init(_ options: TransportOptions) throws { transport = try Transport(options) }

    func turn() {
        transport.flush()
        transport.poll(now: monotonicNow(), into: &events)
    }
    var ups: [LinkID] { events.compactMap { if case .up(let link, _) = $0 { link } else { nil } } }
    var downs: [DownReason] { events.compactMap { if case .down(_, let reason) = $0 { reason } else { nil } } }
    var refusals: [String] { events.compactMap { if case .refused(_, let reason) = $0 { reason } else { nil } } }
}

/// Turns the stations until `condition` holds; false when it does not within `seconds`.
@discardableResult
func pump(_ stations: [Station], for seconds: Double = 5, until condition: () -> Bool) -> Bool {
    let end = monotonicNow() + UInt64(seconds * 1e9)
    while monotonicNow() < end {
        for station in stations { station.turn() }
        // No yield: beside busy neighbours each one costs a time slice.
        if condition() { return true }
    }
    return condition()
}

/// Two stations and the link between them, up at both ends; `b` connects.
struct Pair {
    let a: Station
    let b: Station
    let atA: LinkID
    let atB: LinkID

    init(_ first: TransportOptions = nodeOptions(1), _ second: TransportOptions = nodeOptions(2)) throws {
        let a = try Station(first)
        let b = try Station(second)
        let link = try b.transport.connect(host: firstHost, port: a.transport.listeningPort)
        try #require(pump([a, b]) { !a.ups.isEmpty && !b.ups.isEmpty }, "the link does not come up")
        (self.a, self.b) = (a, b)
        atA = try #require(a.ups.first)
        atB = link
    }
    var stations: [Station] { [a, b] }
}

/// Bytes that depend on their place and on `seed`, so that a shift or a mix-up shows.
func pattern(_ seed: UInt64, _ count: Int) -> [UInt8] {
    var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count + 8)
    while bytes.count < count {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        bytes.append(int: state)
    }
    bytes.removeLast(bytes.count - count)
    return bytes
}

/// A small generator with a seed, the same on every run.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed &* 0x2545_F491_4F6C_DD1D | 1 }
    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state &* 0x2545_F491_4F6C_DD1D
    }
}

/// The value itself: keeps a mutating call whole inside an expectation.
func holds(_ value: Bool) -> Bool { value }
