import Storage
import TestClock
import Testing
import Wire

@Suite struct TornTailTests {
    /// What a crash can do to bytes that had not been synced.
    private enum Tear: CaseIterable { case cutOff, garbled, hole, zeroed }

    @Test(arguments: 0..<4)
    func aTornTailIsCutToExactlyTheLongestWholePrefix(block: Int) throws {
        var kinds = 0
        for i in 0..<scaled(250) {
            let seed = UInt64(block * 250 + i)
            if try tear(seed: seed) { kinds += 1 }
        }
        #expect(kinds > scaled(100), "\(kinds) tails were torn at all")
    }

    /// One log on a real disk, torn once beyond what was synced; whether an entry was lost.
    private func tear(seed: UInt64) throws -> Bool {
        let scratch = try Scratch()
        var random = Seeded(seed)
        var samples = Samples(seed: seed)
        var entries: [Sample] = []
        var position = 72
        var synced = 0
        var starts: [Int] = []
        let options = small(16_384, zeroAhead: random.chance(50) ? 0 : 2048)
        do {
            let log = try Log.open(RealDisk(root: scratch.path), group: GroupID(3), options: options).log
            for _ in 0..<2 + random.below(12) {
                let entry = samples.next(payload: 300)
                entries.append(entry)
                try log.append(entry)
                starts.append(position)
                position += 72 + entry.batches.count
                if random.chance(25) { synced = Int(try log.sync().raw) }
            }
        }
        starts.append(position)
        let name = "group-3/0000000000000000-0000000000000000.log"
        var bytes = try scratch.read(name)
        let intact = bytes
        let from = starts[synced] + random.below(max(1, min(bytes.count, position + 100) - starts[synced]))
        let to = min(bytes.count, from + 1 + random.below(600))
        switch Tear.allCases[random.below(4)] {
        case .cutOff: bytes.removeLast(bytes.count - from)
        case .garbled: for i in from..<to { bytes[i] = UInt8(random.below(256)) }
        case .zeroed: for i in from..<bytes.count { bytes[i] = 0 }
        case .hole: for i in from..<to { bytes[i] = 0 }
        }
        try scratch.write(name, bytes)
        // Whole are the entries whose bytes are as they were.
        var whole = 0
        while whole < entries.count, starts[whole + 1] <= bytes.count,
            bytes[starts[whole]..<starts[whole + 1]] == intact[starts[whole]..<starts[whole + 1]]
        { whole += 1 }

        let disk = try RealDisk(root: scratch.path)
        do {
            let (log, recovery) = try Log.open(disk, group: GroupID(3), options: options)
            if let damage = recovery.damage.first { Issue.record("seed \(seed): \(damage)") }
            #expect(Int(log.end.number.raw) == whole, "seed \(seed): \(synced) synced of \(entries.count)")
            #expect(try difference(log, entries, from: 0) == nil)
            if let torn = recovery.torn { #expect(torn.position == starts[whole]) }
            entries.removeLast(entries.count - whole)
            for _ in 0..<2 {
                entries.append(samples.next())
                try log.append(entries[entries.count - 1])
            }
        }
        let again = try Log.open(disk, group: GroupID(3), options: options)
        #expect(again.recovery.damage.isEmpty && again.recovery.torn == nil)
        #expect(Int(again.log.end.number.raw) == entries.count)
        #expect(try difference(again.log, entries, from: 0) == nil, "seed \(seed)")
        return whole < starts.count - 1
    }
}
