import Foundation
import Synchronization
import Testing
import Wire

@testable import Transport

/// A transport on a thread of its own that sleeps in the kernel and notes when it hears what.
final class Watch: Sendable {
    struct Notes {
        var port: UInt16 = 0
        var failure: String?
        var ups: [(at: UInt64, identity: LinkIdentity)] = []
        var downs: [(at: UInt64, reason: DownReason)] = []
        /// The first eight bytes of each message.
        var numbers: [UInt64] = []
        var sleeps: UInt64 = 0
        var stop = false
        var hasEnded = false
    }
    let notes = Mutex(Notes())

    init(_ options: TransportOptions, onSilent: @escaping @Sendable (LinkIdentity) -> Void = { _ in }) throws {
        let thread = Thread { [self] in
            do { try run(options, onSilent) } catch { notes.withLock { $0.failure = "\(error)" } }
            notes.withLock { $0.hasEnded = true }
        }
        thread.start()
        try #require(wait { $0.port != 0 || $0.failure != nil })
        try #require(notes.withLock { $0.failure } == nil)
    }
    var port: UInt16 { notes.withLock { $0.port } }

    @discardableResult
    func wait(for seconds: Double = 5, until condition: (Notes) -> Bool) -> Bool {
        let end = monotonicNow() + UInt64(seconds * 1e9)
        while monotonicNow() < end {
            if notes.withLock({ condition($0) }) { return true }
            usleep(200)
        }
        return notes.withLock { condition($0) }
    }
    func stop() {
        notes.withLock { $0.stop = true }
        wait { $0.hasEnded }
    }

    private func run(_ options: TransportOptions, _ onSilent: @Sendable (LinkIdentity) -> Void) throws {
        let transport = try Transport(options)
        notes.withLock { $0.port = transport.listeningPort }
        var events: [TransportEvent] = []
        while !notes.withLock({ $0.stop }) {
            transport.sleep(until: monotonicNow() + 20_000_000, mode: .sleep, into: &events)
            transport.poll(now: monotonicNow(), into: &events)
            let now = monotonicNow()
            for event in events {
                switch event {
                case .up(_, let peer): notes.withLock { $0.ups.append((now, peer.identity)) }
                case .down(let link, let reason):
                    notes.withLock { $0.downs.append((now, reason)) }
                    if reason == .silent, let identity = transport.peer(of: link)?.identity { onSilent(identity) }
                case .message(let link):
                    while let message = transport.receive(link) { notes.withLock { $0.numbers.append(message.body.u64(0)) } }
                    transport.release(link)
                default: break
                }
            }
            events.removeAll()
            notes.withLock { $0.sleeps = transport.counters.sleeps }
        }
    }
}

/// In a child process: connects to `port` as a client whose number is its process id, and sends the time.
func connectAndTellTheTime(_ port: UInt16) throws -> Station {
    var options = clientOptions(UInt64(getpid()))
    options.helloDeadline = 20_000_000_000
    let station = try Station(options)
    let link = try station.transport.connect(host: firstHost, port: port)
    try #require(pump([station], for: 20) { !station.ups.isEmpty })
    pump([station], for: 0.05) { false }
    var time: [UInt8] = []
    time.append(int: monotonicNow())
    _ = time.withView { station.transport.send(link, kind: 0, $0) }
    station.transport.flush()
    station.turn()
    return station
}

extension Links {
    @Suite(.serialized) struct PeerDeathTests {
        @Test func aKilledPeerIsSeenLongBeforeTheDeadline() async throws {
            var options = nodeOptions(1)
            options.helloDeadline = 20_000_000_000
            options.deadline = 5_000_000_000
            let watch = try Watch(options)
            let port = watch.port
            await #expect(processExitsWith: .signal(SIGKILL)) { [port = port as UInt16] in
                let station = try connectAndTellTheTime(port)
                kill(getpid(), SIGKILL)
                // The signal may take another thread first.
                while true { pause() }
                _ = station
            }
            #expect(watch.wait { !$0.downs.isEmpty })
            let notes = watch.notes.withLock { $0 }
            let died = try #require(notes.numbers.first)
            let seen = try #require(notes.downs.first)
            #expect(seen.reason == .closed)
            // On an idle machine 1 to 6 ms; the rest is for busy neighbours.
            #expect(seen.at - died < 500_000_000, "\((seen.at - died) / 1000) µs")
            print("death of a killed peer seen after \((seen.at - died) / 1000) µs")
            watch.stop()
        }

        @Test func aStoppedPeerIsGivenUpAtTheDeadline() async throws {
            var options = nodeOptions(1)
            options.heartbeat = 50_000_000
            options.deadline = 800_000_000
            options.helloDeadline = 20_000_000_000
            let watch = try Watch(options) { identity in
                if case .client(let process, _) = identity { kill(Int32(process), SIGKILL) }
            }
            let port = watch.port
            await #expect(processExitsWith: .signal(SIGKILL)) { [port = port as UInt16] in
                let station = try connectAndTellTheTime(port)
                kill(getpid(), SIGSTOP)
                // The signal may take another thread first.
                while true { pause() }
                _ = station
            }
            #expect(watch.wait { !$0.downs.isEmpty })
            let notes = watch.notes.withLock { $0 }
            let stopped = try #require(notes.numbers.first)
            let seen = try #require(notes.downs.first)
            #expect(seen.reason == .silent)
            let after = Double(seen.at - stopped) / 1e6
            #expect(after > 700 && after < 3000, "\(after) ms")
            watch.stop()
        }

        @Test func aLinkWithNothingToSayStaysUpByItsHeartbeatsAndSleeps() throws {
            var options = nodeOptions(1)
            options.heartbeat = 50_000_000
            options.deadline = 1_000_000_000
            let a = try Watch(options)
            var second = nodeOptions(2)
            second.heartbeat = 50_000_000
            second.deadline = 1_000_000_000
            let b = try Station(second)
            let link = try b.transport.connect(host: firstHost, port: a.port)
            try #require(pump([b]) { !b.ups.isEmpty })
            let sleeps = a.notes.withLock { $0.sleeps }
            let end = monotonicNow() + 2_000_000_000
            while monotonicNow() < end {
                b.transport.sleep(until: end, mode: .sleep, into: &b.events)
                b.transport.poll(now: monotonicNow(), into: &b.events)
            }
            #expect(b.transport.isUp(link) && b.downs.isEmpty)
            let turns = a.notes.withLock { $0.sleeps } - sleeps
            // 100 turns of its own 20 ms, 40 heartbeats out and 40 in.
            #expect(turns < 300, "\(turns) turns in two seconds")
            a.stop()
            #expect(pump([b]) { b.downs == [.closed] })
        }

        @Test func aPauseOfOurOwnIsNotThePeersSilence() throws {
            var first = nodeOptions(1)
            var second = nodeOptions(2)
            for change in [{ (o: inout TransportOptions) in (o.heartbeat, o.deadline) = (20_000_000, 100_000_000) }] {
                change(&first)
                change(&second)
            }
            let pair = try Pair(first, second)
            // Neither is turned for longer than the deadline.
            let end = monotonicNow() + 300_000_000
            while monotonicNow() < end { sched_yield() }
            pump(pair.stations, for: 0.3) { false }
            #expect(pair.a.downs.isEmpty && pair.b.downs.isEmpty)
        }

        @Test func wakeupsEndTheSleep() throws {
            let a = try Station(nodeOptions(1))
            let pipe = Pipe()
            let file = pipe.fileHandleForReading.fileDescriptor
            try a.transport.addWakeup(file)
            var before = monotonicNow()
            a.transport.sleep(until: before + 30_000_000, mode: .sleep, into: &a.events)
            #expect(monotonicNow() - before >= 29_000_000 && a.events.isEmpty)
            try pipe.fileHandleForWriting.write(contentsOf: [1])
            for mode in [WaitMode.sleep, .adaptive, .busy] {
                a.events.removeAll()
                before = monotonicNow()
                a.transport.sleep(until: before + 5_000_000_000, mode: mode, into: &a.events)
                #expect(monotonicNow() - before < 1_000_000_000 && a.events == [.wakeup(file)])
            }
            a.transport.removeWakeup(file)
            a.events.removeAll()
            a.transport.sleep(until: monotonicNow() + 1_000_000, mode: .sleep, into: &a.events)
            #expect(a.events.isEmpty)
        }

        @Test func twoHundredLinksOfWhichOneIsActiveCostThatOne() throws {
            var options = nodeOptions(1)
            options.heartbeat = 20_000_000_000
            options.deadline = 60_000_000_000
            options.maximumHalfOpen = 300
            let a = try Station(options)
            var second = clientOptions()
            second.heartbeat = 20_000_000_000
            second.deadline = 60_000_000_000
            let b = try Station(second)
            let count = overTCP ? 200 : 20
            var links: [LinkID] = []
            for _ in 0..<count { links.append(try b.transport.connect(host: firstHost, port: a.transport.listeningPort)) }
            try #require(pump([a, b], for: 20) { a.ups.count == count && b.ups.count == count })
            pump([a, b], for: 0.1) { false }
            let before = a.transport.counters
            var got = 0
            let body = pattern(1, 64)
            let all = pump([a, b], for: 20) {
                _ = body.withView { b.transport.send(links[count / 2], kind: 0, $0) }
                for event in a.events {
                    if case .message(let link) = event {
                        while a.transport.receive(link) != nil { got += 1 }
                        a.transport.release(link)
                    }
                }
                a.events.removeAll()
                return got >= 1000
            }
            #expect(all)
            #expect(a.transport.counters.rowsRead - before.rowsRead <= 1100, "rows read are those of the active link")
            for link in links { b.transport.close(link) }
            #expect(pump([a, b], for: 20) { b.downs.count == count && a.downs.count == count })
        }
    }
}

extension Links {
    /// Frames of the peer's may lie in its memory until whoever holds them has heard of the end, whatever part of the transport met it.
    @Test func theMemoryOfALinkThatEndsDuringASleepIsThereWhenItsEndIsTold() throws {
        var first = nodeOptions(1)
        var second = nodeOptions(2)
        (first.dataRing, second.dataRing) = (64 << 10, 64 << 10)
        var b: Station? = try Station(second)
        let a = try Station(first)
        _ = try b!.transport.connect(host: firstHost, port: a.transport.listeningPort)
        try #require(pump([a, b!]) { !a.ups.isEmpty && !b!.ups.isEmpty })
        let link = try #require(a.ups.first)
        a.events.removeAll()
        b = nil
        let end = monotonicNow() + 5_000_000_000
        while a.downs.isEmpty, monotonicNow() < end {
            // As a sleep does between arming and blocking.
            a.transport.readCompletions(into: &a.events)
            a.transport.readEvents(into: &a.events)
        }
        a.transport.poll(now: monotonicNow(), into: &a.events)
        #expect(a.downs.count == 1 && a.transport.memory(of: link) != nil)
        a.transport.poll(now: monotonicNow(), into: &a.events)
        #expect(a.transport.memory(of: link) == nil)
    }
}
