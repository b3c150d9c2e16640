import Foundation
import Testing
import Wire

@testable import Transport

@Suite struct LinkRowTests {
    @Test func aPrefixIsFortyEightBytesAndSurvivesARoundTrip() throws {
        let memory = try LinkMemory(bytes: 4096)
        var prefix = RowPrefix()
        (prefix.tail, prefix.consumed, prefix.beat, prefix.version) = (8, 16, 3, 4)
        (prefix.length, prefix.rowCRC, prefix.flags) = (5, 6, 1)
        prefix.write(to: memory.memory.part(0, RowPrefix.size))
        #expect(RowPrefix(memory.memory.view(0, RowPrefix.size)) == prefix)
        for place in 0..<RowPrefix.size {
            let old = memory.memory.load(place, as: UInt8.self)
            memory.memory.store(old ^ 1, at: place)
            #expect(RowPrefix(memory.memory.view(0, RowPrefix.size)) == nil, "byte \(place)")
            memory.memory.store(old, at: place)
        }
    }

    @Test func aTornRowLeavesTheOneBeforeInPlace() throws {
        let out = try LinkMemory(bytes: 1 << 16)
        let line = try LinkMemory(bytes: 4096)
        let kept = try LinkMemory(bytes: 1 << 16)
        var writer = RowWriter(out.memory, rowBytes: 100)
        var reader = RowReader(line.memory, kept: kept.memory, rowBytes: 100)
        func carry(_ bytes: Int? = nil) {
            let row = writer.prepare(tail: 0, consumed: 0, flags: 0)
            line.memory.copy(out.memory.view(row.offset, min(bytes ?? row.length, row.length)), to: 0)
            if bytes == nil { writer.took(); writer.complete(UInt8(truncatingIfNeeded: writer.posted)) }
        }
        pattern(1, 100).withView { writer.set($0) }
        carry()
        #expect(reader.read() == .news(row: true) && reader.row.array == pattern(1, 100))
        pattern(2, 90).withView { writer.set($0) }
        for landed in [20, 47, 48, 100, 137] {
            carry(landed)
            #expect(reader.read() == .torn, "\(landed) bytes of the row had landed")
            #expect(reader.row.array == pattern(1, 100))
        }
        carry()
        #expect(reader.read() == .news(row: true) && reader.row.array == pattern(2, 90))
        #expect(reader.read() == .none)
        carry()
        #expect(reader.read() == .news(row: false), "a beat without a change of the row")
    }
}

extension Links {
    @Suite(.serialized) struct RowAndDataTests {
        @Test func rowsUnderLoadAreWholeAndTheLastOneArrives() throws {
            let pair = try Pair()
            let rounds = UInt64(amount(20_000))
            var set: UInt64 = 0
            var last: UInt64 = 0
            var whole = true
            // A row of one number over and over, of changing length: a mixture of two would show.
            func row(_ n: UInt64) -> [UInt8] {
                var bytes: [UInt8] = []
                for _ in 0..<(1 + n % 128) { bytes.append(int: n) }
                return bytes
            }
            let body = pattern(1, 500)
            #expect(pump(pair.stations, for: 300) {
                if set < rounds {
                    set += 1
                    row(set).withView { pair.b.transport.setRow(pair.atB, $0) }
                    _ = body.withView { pair.b.transport.send(pair.atB, kind: 0, $0) }
                }
                while pair.a.transport.receive(pair.atA) != nil {}
                pair.a.transport.release(pair.atA)
                let seen = pair.a.transport.row(pair.atA)
                if !seen.isEmpty, seen.u64(0) != last {
                    let n = seen.u64(0)
                    whole = whole && n >= last && row(n).withView { seen == $0 }
                    last = n
                }
                pair.a.events.removeAll()
                return !whole || last == rounds
            })
            #expect(whole && last == rounds)
        }

        @Test func theDataRingIsMirroredAtTheSamePlacesAcrossItsEndAheadOfTheRow() throws {
            var first = nodeOptions(1)
            var second = nodeOptions(2)
            first.dataRing = 64 << 10
            second.dataRing = 128 << 10
            let pair = try Pair(first, second)
            #expect(unsafe pair.a.transport.data(of: pair.atA).count == 128 << 10)
            #expect(unsafe pair.b.transport.data(of: pair.atB).count == 64 << 10)
            let ring = unsafe pair.b.transport.dataSource
            let size = UInt64(ring.count)
            var random = SeededGenerator(3)
            var position: UInt64 = 0
            var seen: UInt64 = 0
            while position < UInt64(overTCP ? 40 : 4) * size {
                // Several stretches, some with gaps, then a row that says how far.
                let start = position
                var stretches: [(from: UInt64, to: UInt64)] = []
                for _ in 0..<Int.random(in: 1...90, using: &random) {
                    let from = position + UInt64(Int.random(in: 0...3, using: &random))
                    let to = from + UInt64(Int.random(in: 1...700, using: &random))
                    guard to - start <= size else { break }
                    for p in from..<to { unsafe ring[Int(p % size)] = UInt8(truncatingIfNeeded: p &* 31 &+ p >> 8) }
                    pair.b.transport.postData(pair.atB, from: from, to: to)
                    stretches.append((from, to))
                    position = to
                }
                var row: [UInt8] = []
                row.append(int: position)
                row.withView { pair.b.transport.setRow(pair.atB, $0) }
                let arrived = pump(pair.stations) {
                    let now = pair.a.transport.row(pair.atA)
                    if now.count == 8 { seen = now.u64(0) }
                    return seen == position
                }
                try #require(arrived)
                let mirror = unsafe pair.a.transport.data(of: pair.atA)
                var right = true
                for stretch in stretches {
                    for p in stretch.from..<stretch.to { unsafe right = right && mirror[Int(p % size)] == UInt8(truncatingIfNeeded: p &* 31 &+ p >> 8) }
                }
                try #require(right)
            }
            #expect(pair.a.downs.isEmpty && pair.b.downs.isEmpty)
        }

        @Test(.enabled(if: overTCP)) func oneFlushIsOneGatheredWrite() throws {
            var options = nodeOptions(2)
            options.dataRing = 64 << 10
            let pair = try Pair(nodeOptions(1), options)
            pump(pair.stations, for: 0.05) { false }
            let before = pair.b.transport.counters
            unsafe pair.b.transport.dataSource[0] = 77
            pair.b.transport.postData(pair.atB, from: 0, to: 100)
            _ = pattern(1, 64).withView { pair.b.transport.send(pair.atB, kind: 0, $0) }
            _ = pattern(2, 64).withView { pair.b.transport.send(pair.atB, kind: 0, $0) }
            pattern(3, 64).withView { pair.b.transport.setRow(pair.atB, $0) }
            pair.b.transport.flush()
            #expect(pair.b.transport.counters.writes - before.writes == 1)
            #expect(pair.b.transport.counters.bytesWritten - before.bytesWritten == 100 + 2 * 72 + 48 + 64)
            #expect(pump([pair.a]) { pair.a.events.contains(.row(pair.atA)) && pair.a.events.contains(.message(pair.atA)) })
            #expect(unsafe pair.a.transport.data(of: pair.atA)[0] == 77)
        }

        @Test func aClientLinkHasNoMirror() throws {
            var options = nodeOptions(1)
            options.dataRing = 64 << 10
            let pair = try Pair(options, clientOptions())
            #expect(unsafe pair.a.transport.data(of: pair.atA).isEmpty && pair.b.transport.data(of: pair.atB).isEmpty)
            pair.a.transport.postData(pair.atA, from: 0, to: 10)
            pump(pair.stations, for: 0.02) { false }
            #expect(pair.a.downs.isEmpty && pair.b.downs.isEmpty)
        }
    }
}
