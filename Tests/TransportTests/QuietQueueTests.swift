import CSystem
import Foundation
import Glibc
import Synchronization
import Testing
import Wire

@testable import Transport

@Suite struct QuietQueueTests {
    /// An epoll descriptor that waits for `files`, and which of them it says are ready to be read.
    private static func queue(of files: [Int32]) throws -> Int32 {
        let queue = epoll_create1(Int32(EPOLL_CLOEXEC))
        try #require(queue >= 0)
        for file in files {
            var event = unsafe epoll_event()
            unsafe event.events = EPOLLIN.rawValue
            try #require(unsafe epoll_ctl(queue, EPOLL_CTL_ADD, file, &event) == 0)
        }
        return queue
    }
    private static func isReady(_ queue: Int32) -> Bool {
        var event = unsafe epoll_event()
        return unsafe epoll_wait(queue, &event, 1, 0) == 1
    }
    private static func pair(_ kind: __socket_type) throws -> [Int32] {
        var ends: [Int32] = [-1, -1]
        try #require(unsafe socketpair(AF_UNIX, Int32(kind.rawValue), 0, &ends) == 0)
        return ends
    }

    @Test func theOnlySignalIsTakenOut() throws {
        let ends = try Self.pair(SOCK_STREAM)
        let queue = try Self.queue(of: [ends[0]])
        defer { for file in ends + [queue] { close(file) } }
        _ = unsafe write(ends[1], "x", 1)
        #expect(Self.isReady(queue))
        #expect(QuietQueue.silence(queue))
        #expect(!Self.isReady(queue))
        #expect(!QuietQueue.silence(queue), "nothing is left")
    }

    /// Whatever else waits there, or is no such signal, goes on.
    @Test func whatIsNotKnownIsLeftAlone() throws {
        let (stream, datagram) = (try Self.pair(SOCK_STREAM), try Self.pair(SOCK_DGRAM))
        var pipeEnds: [Int32] = [-1, -1]
        try #require(unsafe pipe(&pipeEnds) == 0)
        defer { for file in stream + datagram + pipeEnds { close(file) } }
        for file in [stream[1], datagram[1], pipeEnds[1]] { _ = unsafe write(file, "x", 1) }
        for files in [[datagram[0]], [pipeEnds[0]], [stream[0], pipeEnds[0]]] {
            let queue = try Self.queue(of: files)
            #expect(!QuietQueue.silence(queue) && Self.isReady(queue), "\(files)")
            close(queue)
        }
        #expect(!QuietQueue.silence(stream[0]), "no epoll descriptor")
        #expect(!QuietQueue.silence(-1))
    }
}

extension Links {
    @Suite struct SleepTests {
        private final class Shared: Sendable {
            /// Ends that have all.
            let done = Atomic(0)
            let there = Atomic(0)
        }

        /// Runs one end of a link until both have sent and received all, asleep whenever there is nothing to do; whatever it missed ends a sleep
        /// only when its time is over. Returns how often that was so; below zero: the link ended, or messages came out of order.
        private static func exchange(_ station: Station, _ link: LinkID, _ total: UInt64, _ seeds: (UInt64, UInt64), _ shared: Shared) -> Int {
            var (mine, theirs) = (MessageTests.Stream(seed: seeds.0), MessageTests.Stream(seed: seeds.1))
            var (overslept, isDone) = (0, false)
            let largest = min(station.transport.largestMessage(link), mine.bodies.count)
            while shared.done.load(ordering: .sequentiallyConsistent) < 2 {
                let before = theirs.got
                // In turns, and now and then by more than the ring holds: each waits for the other again and again.
                let ahead: UInt64 = theirs.got % 400 < 390 ? (seeds.0 < seeds.1 ? 1 : 0) : 2000
                var sent = mine.sent
                repeat {
                    sent = mine.sent
                    mine.send(station, link, min(total, theirs.got + ahead), largest: largest)
                } while mine.sent != sent
                let isInOrder = theirs.receive(station, link)
                if !isDone, mine.sent == total, theirs.got == total {
                    isDone = true
                    shared.done.add(1, ordering: .sequentiallyConsistent)
                }
                guard isInOrder, station.downs.isEmpty else {
                    shared.done.add(2, ordering: .sequentiallyConsistent)
                    return -1
                }
                // What was just sent goes out with the sleep, the last thing before it.
                guard before == theirs.got else { continue }
                let start = monotonicNow()
                station.transport.sleep(until: start + 2_000_000_000, mode: .sleep, into: &station.events)
                if monotonicNow() - start >= 2_000_000_000, !isDone { overslept += 1 }
                station.transport.poll(now: monotonicNow(), into: &station.events)
                station.events.removeAll { if case .down = $0 { false } else { true } }
            }
            return overslept
        }

        /// A message goes through a socket in many pieces then.
        private static func narrow() {
            for file in Int32(0)..<1024 where Pacing.control(file) != nil {
                for option in [SO_SNDBUF, SO_RCVBUF] {
                    var bytes: Int32 = 16_384
                    _ = unsafe setsockopt(file, SOL_SOCKET, option, &bytes, socklen_t(MemoryLayout<Int32>.size))
                }
            }
        }

        @Test(.timeLimit(.minutes(3)), arguments: overTCP ? [false, true] : [false])
        func whoSleepsWakesForWhateverComes(hasNarrowSockets: Bool) throws {
            var (first, second) = (nodeOptions(1), nodeOptions(2))
            // The longest are more than the kernel takes at once where sockets are narrow. No heartbeat ends a sleep.
            (first.messageRing, second.messageRing) = (256 << 10, 256 << 10)
            (first.heartbeat, first.deadline, second.heartbeat, second.deadline) = (40_000_000_000, 200_000_000_000, 40_000_000_000, 200_000_000_000)
            let pair = try Pair(first, second)
            #expect(pair.a.transport.fabric?.isQuiet == (overTCP && FabricOffer.version == "1.17"))
            if hasNarrowSockets { Self.narrow() }
            let (shared, ended) = (Shared(), DispatchSemaphore(value: 0))
            nonisolated(unsafe) let other = (station: pair.b, link: pair.atB)
            let total = UInt64(amount(hasNarrowSockets ? 500 : 50_000))
            Thread {
                let there = unsafe Self.exchange(other.station, other.link, total, (2, 1), shared)
                shared.there.store(there, ordering: .sequentiallyConsistent)
                ended.signal()
            }.start()
            let here = Self.exchange(pair.a, pair.atA, total, (1, 2), shared)
            ended.wait()
            #expect(here == 0 && shared.there.load(ordering: .sequentiallyConsistent) == 0)
            #expect(pair.a.transport.counters.sleeps > total / 10 || !overTCP, "it slept \(pair.a.transport.counters.sleeps) times")
        }
    }
}
