import CSystem
import Foundation
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
            let share = try #require(Neighbour.share(file))
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
        }
    }
}
