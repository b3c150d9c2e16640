import Storage
import Testing
import Wire

@Suite struct RoundTripTests {
    @Test(arguments: [0, 4096])
    func whatIsAppendedReadsBackAfterReopeningARealDisk(zeroAhead: Int) throws {
        let scratch = try Scratch()
        var samples = Samples(seed: 1)
        let entries = (0..<400).map { _ in samples.next() }
        do {
            let disk = try RealDisk(root: scratch.path)
            let (log, recovery) = try Log.open(disk, group: GroupID(3), options: small(16_384, zeroAhead: zeroAhead))
            #expect(recovery.end == LogEnd() && recovery.torn == nil && recovery.checkpoint == nil)
            for (i, entry) in entries.enumerated() {
                try log.append(entry)
                if i % 7 == 0 { #expect(try log.sync().raw == UInt64(i + 1)) }
                if log.shouldRoll { try log.roll(checkpoint: [UInt8](repeating: 9, count: i)) }
            }
            #expect(try difference(log, entries, from: 0) == nil)
            #expect(log.segmentCount > 5)
            try log.close()
        }
        let disk = try RealDisk(root: scratch.path)
        let (log, recovery) = try Log.open(disk, group: GroupID(3), options: small(16_384, zeroAhead: zeroAhead))
        #expect(recovery.damage.isEmpty && recovery.torn == nil)
        #expect(log.synced.raw == 400)
        #expect(try difference(log, entries, from: 0) == nil)
        #expect(try log.verify() == [])
        let (number, state) = try #require(try log.checkpoint())
        #expect(state.count == Int(number.raw) - 1 && number == recovery.checkpoint)
    }

    @Test func manyStagedEntriesBecomeOneWrite() throws {
        let disk = MemoryDisk()
        let log = try Log.open(disk, group: GroupID(3)).log
        var samples = Samples(seed: 2)
        let entries = (0..<100).map { _ in samples.next() }
        let before = disk.operations
        for entry in entries {
            try entry.batches.withView { view throws(StorageError) in try log.stage(log.header(entry), parts: [.empty, view]) }
        }
        #expect(log.next.raw == 100 && log.end.number.raw == 0 && log.stagedCount == 100)
        try log.write()
        #expect(disk.operations == before + 1)
        try log.sync()
        try log.sync()
        #expect(disk.operations == before + 2, "a sync with nothing new costs nothing")
        #expect(try difference(log, entries, from: 0) == nil)
    }

    @Test func moreThanAThousandPartsReachTheDiskInOrder() throws {
        let scratch = try Scratch()
        let disk = try RealDisk(root: scratch.path)
        let parts = (0..<3000).map { i in [UInt8](repeating: UInt8(i & 255), count: i % 4) }
        let file = try disk.open("many", create: true)
        defer { disk.close(file) }
        let flat = parts.flatMap { $0 }
        try flat.withView { view throws(StorageError) in
            var views: [ByteView] = []
            var at = 0
            for part in parts {
                views.append(view[at..<at + part.count])
                at += part.count
            }
            try disk.write(file, at: 5, parts: views)
        }
        #expect(try scratch.read("many") == [0, 0, 0, 0, 0] + flat)
    }

    @Test func anEntryOfAnotherReplicaIsTakenWholeOrNotAtAll() throws {
        var samples = Samples(seed: 3)
        let entries = (0..<20).map { _ in samples.next() }
        let source = try Log.open(MemoryDisk(), group: GroupID(3)).log
        try source.append(all: entries)
        var bytes: [UInt8] = []
        #expect(try source.read(from: .zero, maximumBytes: .max, into: &bytes).count == 20)
        let copy = try Log.open(MemoryDisk(), group: GroupID(3)).log
        var at = 0
        while let entry = Reference.entry(bytes, at) {
            let whole = Array(bytes[at..<at + entry.length])
            var spoilt = whole
            spoilt[20] ^= 1
            #expect(throws: StorageError.self) {
                try spoilt.withView { view throws(StorageError) in _ = try copy.stage(entry: view) }
            }
            try whole.withView { view throws(StorageError) in
                try copy.stage(entry: view)
                try copy.write()
            }
            #expect(throws: StorageError.self) {
                try whole.withView { view throws(StorageError) in _ = try copy.stage(entry: view) }
            }
            at += entry.length
        }
        #expect(try difference(copy, entries, from: 0) == nil)
    }

    @Test func corruptInputIsRefusedAndNothingIsWritten() throws {
        let disk = MemoryDisk()
        let log = try Log.open(disk, group: GroupID(3)).log
        var samples = Samples(seed: 4)
        var first = samples.next()
        while first.batches.isEmpty { first = samples.next() }
        try log.append(first)
        let before = disk.operations
        var bad = samples.next()
        while bad.batches.isEmpty { bad = samples.next() }
        for i in bad.batches.indices {
            var spoilt = bad
            spoilt.batches[i] ^= 0x10
            let error = #expect(throws: StorageError.self) { try log.append(spoilt) }
            guard case .corruptInput = error?.kind else {
                Issue.record("byte \(i): \(String(describing: error))")
                continue
            }
        }
        #expect(throws: StorageError.self, "a key that is not above the last") { try log.append(first) }
        #expect(disk.operations == before && log.stagedCount == 0)
        try log.append(bad)
        #expect(try difference(log, [first, bad], from: 0) == nil)
    }

    @Test func placesAreFoundAsInANaiveList() throws {
        let log = try Log.open(MemoryDisk(), group: GroupID(3), options: small()).log
        var samples = Samples(seed: 5)
        let entries = (0..<300).map { _ in samples.next() }
        try log.append(all: entries)
        #expect(log.segmentCount > 10)
        var base: UInt64 = 0
        for (i, entry) in entries.enumerated() {
            for record in 0..<UInt64(entry.records) {
                let found = try log.entry(at: Offset(base + record))
                #expect(found?.number.raw == UInt64(i))
            }
            #expect(try log.header(of: EntryNumber(UInt64(i)))?.key == entry.key)
            base += UInt64(entry.records)
        }
        #expect(try log.entry(at: Offset(base)) == nil)
        #expect(try log.header(of: EntryNumber(300)) == nil)
        for time in UInt64(990)...(entries[299].key.timestamp.raw + 2) {
            let naive = entries.firstIndex { $0.key.timestamp.raw >= time }
            #expect(try log.entry(atOrAfter: Timestamp(time))?.number.raw == naive.map(UInt64.init))
        }
        var replayed: [[UInt8]] = []
        try log.replay(from: EntryNumber(137)) { _, batches throws(StorageError) in replayed.append(batches.array) }
        #expect(replayed == entries[137...].map(\.batches))
    }

    @Test func aReadGivesAtLeastOneEntryAndNoMoreThanAsked() throws {
        let log = try Log.open(MemoryDisk(), group: GroupID(3), options: small(1 << 20)).log
        var samples = Samples(seed: 6)
        let entries = (0..<100).map { _ in samples.next(payload: 2000) }
        try log.append(all: entries)
        for limit in [1, 64, 200, 1000, 5000, 1 << 20] {
            #expect(try difference(log, entries, from: 0, chunk: limit) == nil)
            for from in stride(from: 0, to: 100, by: 9) {
                var bytes: [UInt8] = []
                let (count, _) = try log.read(from: EntryNumber(UInt64(from)), maximumBytes: limit, into: &bytes)
                #expect(bytes.count <= limit || count == 1)
                if from + count < 100 { #expect(bytes.count + entries[from + count].batches.count + 72 > limit) }
            }
        }
    }

    /// Across segments, and with a cut in between.
    @Test func whatLiesFarBehindTheTailIsLetGoOnce() throws {
        let disk = MemoryDisk()
        var options = LogOptions()
        (options.segmentBytes, options.zeroAhead, options.cachedBytes) = (200 << 10, 0, 512 << 10)
        let log = try Log.open(disk, group: GroupID(3), options: options).log
        var samples = Samples(seed: 11)
        func write(_ bytes: Int) throws {
            let end = log.bytes + bytes
            while log.bytes < end {
                for _ in 0..<20 { try log.append(samples.next()) }
                try log.sync()
                if log.shouldRoll { try log.roll(checkpoint: [1]) }
            }
        }
        try write(400 << 10)
        #expect(disk.released == 0)
        try write(2 << 20)
        let behind = log.bytes - disk.released
        #expect(behind > 400 << 10 && behind < 700 << 10, "\(behind) bytes of \(log.bytes) are held")
        try log.truncate(to: EntryNumber(log.end.number.raw / 2))
        let (before, released) = (log.bytes, disk.released)
        try write(2 << 20)
        #expect(log.bytes - before - (disk.released - released) < 700 << 10)
    }

    @Test func aVolatileLogKeepsItsNewestBytesOnly() throws {
        let log = try Log.open(VolatileDisk(), group: GroupID(3), options: small()).log
        var samples = Samples(seed: 7)
        var entries: [Sample] = []
        for _ in 0..<1000 {
            entries.append(samples.next())
            try log.append(entries[entries.count - 1])
            try log.retain(bytes: 10_000)
            #expect(log.bytes < 10_000 + 2 * 4096 + 1024)
        }
        #expect(log.first.raw > 800)
        #expect(try difference(log, entries, from: Int(log.first.raw)) == nil)
        let error = #expect(throws: StorageError.self) {
            var bytes: [UInt8] = []
            _ = try log.read(from: .zero, maximumBytes: 100, into: &bytes)
        }
        guard case .outside = error?.kind else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test func aSegmentWithoutACheckpointIsReadBehindTheOneBefore() throws {
        let disk = MemoryDisk()
        var samples = Samples(seed: 8)
        var entries: [Sample] = []
        do {
            let log = try Log.open(disk, group: GroupID(3), options: small()).log
            for i in 0..<60 {
                entries.append(samples.next())
                try log.append(entries[i])
                if i % 20 == 19 { try log.roll(checkpoint: i == 19 ? [1] : nil) }
            }
            try log.write()
            try log.sync()
        }
        var random = Seeded(3)
        disk.crash(using: &random)
        let (log, recovery) = try Log.open(disk, group: GroupID(3), options: small())
        #expect(recovery.checkpoint?.raw == 20 && recovery.end.number.raw == 60)
        #expect(try log.checkpoint()?.state == [1])
        #expect(try log.checkpoint(at: EntryNumber(40)) == nil)
        #expect(try difference(log, entries, from: 0) == nil)
    }

    @Test func retentionKeepsWhatTheNewestCheckpointNeeds() throws {
        let log = try Log.open(MemoryDisk(), group: GroupID(3), options: small()).log
        var samples = Samples(seed: 8)
        var entries: [Sample] = []
        for i in 0..<200 {
            entries.append(samples.next())
            try log.append(entries[i])
            if i == 99 { try log.roll(checkpoint: [1]) }
        }
        try log.retain(bytes: 0)
        #expect(log.first.raw == 100)
        #expect(try log.checkpoint()?.number.raw == 100)
        #expect(try difference(log, entries, from: 100) == nil)
        #expect(try log.entry(atOrAfter: Timestamp(0))?.number.raw == 100)
    }
}
