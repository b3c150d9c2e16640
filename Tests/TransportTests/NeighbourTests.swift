import CSystem
import Foundation
import Synchronization
import Testing
import Wire

@testable import Transport

extension Links {
    @Suite struct NeighbourTests {
        /// Descriptors of shared rings that this process has open.
        private static func openRings() -> Int {
            let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
            return names.count { ((try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)")) ?? "").hasPrefix("/memfd:squall-ring") }
        }

        /// Sends `count` messages from one end to the other; returns the bytes that the fabric carried for them.
        private static func send(_ count: Int, _ pair: Pair, from sender: Station, _ link: LinkID, to receiver: Station, _ other: LinkID) -> UInt64 {
            let before = sender.transport.counters.bytesWritten
            var (sent, got) = (0, 0)
            pump(pair.stations, for: 20) {
                while sent < count {
                    let body = pattern(UInt64(sent), sent % 3000)
                    guard body.withView({ sender.transport.send(link, kind: 5, $0) }) else { break }
                    sent += 1
                }
                while let (kind, body) = receiver.transport.receive(other) {
                    guard kind == 5, body.array == pattern(UInt64(got), got % 3000) else { return true }
                    got += 1
                    receiver.transport.release(other)
                }
                return got == count
            }
            #expect(got == count)
            return sender.transport.counters.bytesWritten - before
        }

        @Test func messagesBetweenAClientAndANodeOfOneMachineGoThroughMemory() throws {
            let before = Self.openRings()
            let pair = try Pair(nodeOptions(1), clientOptions())
            #expect(pair.a.transport.counters.neighbours == 1 && pair.b.transport.counters.neighbours == 1)
            let count = 3000
            let bytes = UInt64(count * 1500)
            let up = Self.send(count, pair, from: pair.b, pair.atB, to: pair.a, pair.atA)
            let down = Self.send(count, pair, from: pair.a, pair.atA, to: pair.b, pair.atB)
            #expect(up < bytes / 4 && down < bytes / 4, "the fabric carried \(up) and \(down) of \(bytes) bytes")
            #expect(Self.openRings() <= before, "descriptors stay open")
        }

        @Test func whoSharesNoMemoryIsServedByTheFabric() throws {
            var options = clientOptions()
            options.sharesMemory = false
            let pair = try Pair(nodeOptions(1), options)
            #expect(pair.a.transport.counters.neighbours == 0 && pair.b.transport.counters.neighbours == 0)
            #expect(Self.send(500, pair, from: pair.b, pair.atB, to: pair.a, pair.atA) > 500 * 250)
        }

        @Test func nodesDoNotShareMemory() throws {
            let pair = try Pair()
            #expect(pair.a.transport.counters.neighbours == 0 && pair.b.transport.counters.neighbours == 0)
        }

        @Test func onlyWhatWasSaidAndCannotShrinkIsOpened() throws {
            let file = try #require(Neighbour.makeFile(bytes: 8192))
            defer { close(file) }
            let bell = try #require(Bell())
            let share = try #require(Neighbour.share(file, bell))
            let opened = try #require(Neighbour.open(share, bytes: 8192))
            close(opened)
            #expect(Neighbour.open(share, bytes: 8193) == nil, "longer than the file")
            var other = share
            other.inode += 1
            #expect(Neighbour.open(other, bytes: 8192) == nil, "another file")
            other = share
            other.token ^= 1
            #expect(Neighbour.open(other, bytes: 8192) == nil, "a file that was not shared with us")
            other = share
            other.process = 4_000_000
            #expect(Neighbour.open(other, bytes: 8192) == nil, "no such process")
            other = share
            other.file = 4_000_000
            #expect(Neighbour.open(other, bytes: 8192) == nil, "no such descriptor")
            let null = unsafe open("/dev/null", O_RDWR)
            defer { close(null) }
            other = share
            other.file = UInt32(null)
            #expect(Neighbour.open(other, bytes: 0) == nil, "a device")
            #expect(ftruncate(file, 4096) != 0, "the file can be made shorter")
            close(try #require(Neighbour.openBell(share)))
            other = share
            other.bellInode += 1
            #expect(Neighbour.openBell(other) == nil, "another pipe")
            other.bell = share.file
            #expect(Neighbour.openBell(other) == nil, "no pipe")
        }

        @Test func whoIsAwakeIsNotRungAndWhoSleepsIs() throws {
            var (options, other) = (nodeOptions(1), clientOptions())
            // No heartbeat ends the sleep.
            (options.heartbeat, options.deadline, other.heartbeat, other.deadline) = (20_000_000_000, 60_000_000_000, 20_000_000_000, 60_000_000_000)
            let pair = try Pair(options, other)
            let writes = [pair.a.transport.counters.writes, pair.b.transport.counters.writes]
            _ = Self.send(2000, pair, from: pair.b, pair.atB, to: pair.a, pair.atA)
            #expect(pair.a.transport.counters.rings == 0 && pair.b.transport.counters.rings == 0)
            // The node blocks unless it is woken, and blocks again where it was something else that woke it.
            let (slept, rung) = (DispatchSemaphore(value: 0), Flag())
            let node = Handed(pair.a.transport)
            let began = monotonicNow()
            node.transport.nextTimer = began + 60_000_000_000
            let sleeper = Thread {
                var events: [TransportEvent] = []
                while !rung.isSet { node.transport.sleep(until: began + 60_000_000_000, mode: .sleep, into: &events) }
                slept.signal()
            }
            sleeper.start()
            // Whoever writes rings once the word is set, and only then.
            let place = try #require(pair.b.transport.place(pair.atB))
            let row = try #require(pair.b.transport.links[place].neighbour?.row)
            let word = row.part(Neighbour.sleepWord(rowBytes: row.count), 4)
            // It has looked for news for the last time: only the bell wakes it.
            func sendToSleeper() {
                guard word.load(0, as: UInt32.self) != 0, node.transport.counters.sleeps > 0 else { return }
                _ = pair.b.transport.send(pair.atB, kind: 5, .empty)
            }
            #expect(pump([pair.b], for: 20) {
                sendToSleeper()
                return pair.b.transport.counters.rings > 0
            })
            rung.set()
            #expect(pump([pair.b]) {
                sendToSleeper()
                return slept.wait(timeout: .now()) == .success
            }, "nobody woke it")
            #expect([pair.a.transport.counters.writes, pair.b.transport.counters.writes] == writes, "the fabric carried rows")
        }

        @Test func aHeartbeatOnTheWayTakesNoMessagesRing() throws {
            let pair = try Pair(nodeOptions(1), clientOptions())
            _ = Self.send(10, pair, from: pair.b, pair.atB, to: pair.a, pair.atA)
            let (node, client) = (pair.a.transport, pair.b.transport)
            for round in 1...3 {
                node.setAsleep(true)
                let rings = client.counters.rings
                #expect(client.send(pair.atB, kind: 5, .empty))
                // Its heartbeat is due before the message is flushed.
                var events: [TransportEvent] = []
                client.poll(now: monotonicNow() + UInt64(round) * 200_000_000, into: &events)
                client.flush()
                #expect(client.counters.rings == rings + 1, "round \(round): the node sleeps on")
            }
        }

        @Test func aRowThatIsBeingWrittenIsReadAgain() throws {
            let (shared, kept, own) = (try LinkMemory(bytes: 4096), try LinkMemory(bytes: 4096), try LinkMemory(bytes: 4096))
            var writer = RowWriter(own.memory, rowBytes: 64)
            var reader = RowReader(shared.memory, kept: kept.memory, rowBytes: 64)
            #expect(!reader.hasNews)
            pattern(1, 64).withView { writer.set($0) }
            writer.write(to: shared.memory, tail: 8, consumed: 0, flags: 0)
            #expect(reader.hasNews && reader.read() == .news(row: true) && !reader.hasNews)
            // The next one's bytes are under way, its prefix is not there.
            pattern(2, 64).withView { shared.memory.copy($0, to: RowPrefix.size) }
            #expect(!reader.hasNews && reader.row.array == pattern(1, 64))
            // Half of a prefix.
            shared.memory.store(UInt64(9), at: RowPrefix.beatPlace)
            #expect(reader.hasNews && reader.read() == .torn && reader.hasNews)
            pattern(2, 64).withView { writer.set($0) }
            writer.write(to: shared.memory, tail: 16, consumed: 8, flags: 0)
            #expect(reader.hasNews && reader.read() == .news(row: true) && reader.prefix.tail == 16 && reader.row.array == pattern(2, 64))
        }
    }
}

/// A transport that another thread uses from here on.
private struct Handed: @unchecked Sendable {
    let transport: Transport
    init(_ transport: Transport) { self.transport = transport }
}

/// Set once, for another thread.
private final class Flag: Sendable {
    private let word = Atomic(false)
    var isSet: Bool { word.load(ordering: .acquiring) }
    func set() { word.store(true, ordering: .releasing) }
}
