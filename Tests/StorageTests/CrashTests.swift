import Storage
import TestClock
import Testing
import Wire

/// A random life of a log over a disk whose power is cut: what the log must hold after each crash is kept in plain lists.
private struct World {
    let disk = MemoryDisk()
    var random: Seeded
    var samples: Samples
    var options: LogOptions
    /// All that may be there, in order: written, or about to be when the power went.
    var entries: [Sample] = []
    /// How many of them must be there.
    var atLeast = 0
    /// Where the log may begin.
    var firsts: Set<Int> = [0]
    /// The newest checkpoint that must be there.
    var checkpoint = 0
    var torn = 0
    var crashes = 0
    /// Segments that began in a file that had been another's.
    var reused = 0

    /// Segments are small, and are rewritten again and again.
    let rewrites: Bool

    init(seed: UInt64, rewrites: Bool) {
        random = Seeded(seed)
        samples = Samples(seed: seed &+ 77)
        self.rewrites = rewrites
        let segment = 1024 << random.below(3)
        options = small(rewrites ? 256 : segment, zeroAhead: [0, 256, 1024][random.below(3)])
    }

    /// Opens, and compares with what must and may be there; nil if all is well.
    mutating func open() throws(StorageError) -> (Log<MemoryDisk>, String?) {
        let (log, recovery) = try Log.open(disk, group: GroupID(3), options: options)
        log.checkInvariants()
        if !recovery.damage.isEmpty { return (log, "a mere crash is called damage: \(recovery.damage)") }
        if !recovery.lost.isEmpty { return (log, "lost \(recovery.lost)") }
        let end = Int(log.end.number.raw)
        if end < atLeast { return (log, "\(atLeast) entries were synced, \(end) are there") }
        if end > entries.count { return (log, "\(end) entries of \(entries.count)") }
        let first = Int(log.first.raw)
        if !firsts.contains(first) { return (log, "begins with \(first), not one of \(firsts)") }
        if recovery.torn != nil { torn += 1 }
        if let what = try difference(log, entries, from: first) { return (log, what) }
        if let (number, state) = try log.checkpoint() {
            if state != Self.state(Int(number.raw)) { return (log, "checkpoint \(number.raw) holds another state") }
            if number.raw < checkpoint { return (log, "checkpoint \(number.raw) is older than \(checkpoint)") }
            var count = 0
            try log.replay(from: number) { _, _ throws(StorageError) in count += 1 }
            if count != end - Int(number.raw) { return (log, "replays \(count) entries") }
        } else if checkpoint > 0 {
            return (log, "checkpoint \(checkpoint) is gone")
        }
        // Opening has made all that it found durable.
        entries.removeLast(entries.count - end)
        (atLeast, firsts) = (end, [first])
        return (log, nil)
    }

    static func state(_ number: Int) -> [UInt8] { Array("state after \(number)".utf8) + [UInt8](repeating: 7, count: number % 900) }

    /// One random call; throws when the power goes, or the disk is full.
    mutating func act(_ log: Log<MemoryDisk>) throws(StorageError) {
        if rewrites, random.chance(40) { return try random.chance(50) ? roll(log) : rewrite(log) }
        switch random.below(100) {
        case 0..<62: try append(log)
        case 62..<78: atLeast = Int(try log.sync().raw)
        case 78..<86: try roll(log)
        case 86..<92: try cut(log)
        case 92..<96:
            let first = Int(log.first.raw)
            firsts.formUnion(first...max(first, entries.count))
            try log.retain(bytes: 1500)
            firsts = [Int(log.first.raw)]
        default:
            if try !log.verify().isEmpty { Issue.record("verify finds damage where there is none") }
        }
    }

    private mutating func roll(_ log: Log<MemoryDisk>) throws(StorageError) {
        let spare = log.spareBytes
        try log.roll(checkpoint: Self.state(entries.count))
        if log.spareBytes < spare { reused += 1 }
        (atLeast, checkpoint) = (entries.count, entries.count)
    }
    private mutating func append(_ log: Log<MemoryDisk>) throws(StorageError) {
        let group = (0..<1 + random.below(4)).map { _ in samples.next() }
        let before = entries.count
        entries += group
        do throws(StorageError) {
            // The views outlive the write because the samples stand in `group`.
            try stage(log, group[...])
        } catch {
            if error.isFull { entries.removeLast(entries.count - before) }
            throw error
        }
    }
    private func stage(_ log: Log<MemoryDisk>, _ rest: ArraySlice<Sample>) throws(StorageError) {
        guard let sample = rest.first else { return try log.write() }
        try sample.batches.withView { view throws(StorageError) in
            try log.stage(sample, view)
            try stage(log, rest.dropFirst())
        }
    }
    /// Closed segments are rewritten as they are, some at once: their files serve the segments to come.
    private mutating func rewrite(_ log: Log<MemoryDisk>) throws(StorageError) {
        let spans = log.closedSpans(below: log.end.number).shuffled(using: &random).prefix(1 + random.below(3))
        var drafts: [SegmentDraft<MemoryDisk>] = []
        do throws(StorageError) {
            for span in spans {
                if let draft = try log.copied(span) { drafts.append(draft) }
            }
            let placed = try log.finish(drafts)
            if placed.count != drafts.count { Issue.record("\(placed.count) of \(drafts.count) drafts took their places") }
        } catch {
            if error.isFull {
                for draft in drafts { try log.discard(draft) }
                if random.chance(50) { try log.dropSpares() }
            }
            throw error
        }
    }
    private mutating func cut(_ log: Log<MemoryDisk>) throws(StorageError) {
        let first = Int(log.first.raw)
        let number = max(first, entries.count - random.below(9))
        // Cut off part-way, any end between the two is right.
        atLeast = min(atLeast, number)
        checkpoint = min(checkpoint, first)
        try log.truncate(to: EntryNumber(UInt64(number)))
        // A cut syncs what it leaves; one at the very end has nothing to do.
        if number < entries.count { atLeast = number }
        entries.removeLast(entries.count - number)
    }
}

/// Runs one life of several crashes; what went wrong, or nil.
private func live(seed: UInt64, fullDisk: Bool = false, rewrites: Bool = false) -> (problem: String?, crashes: Int, torn: Int, reused: Int) {
    var world = World(seed: seed, rewrites: rewrites)
    do throws(StorageError) {
        for _ in 0..<3 {
            world.disk.capacity = nil
            let (log, problem) = try world.open()
            if let problem { return ("seed \(seed), after \(world.crashes) crashes: \(problem)", world.crashes, world.torn, world.reused) }
            if fullDisk { world.disk.capacity = world.disk.used + world.random.below(3000) }
            world.disk.operationsUntilPowerCut = world.random.below(rewrites ? 200 : 60)
            while true {
                do throws(StorageError) { try world.act(log) } catch {
                    if error.isFull {
                        log.checkInvariants()
                        // Space returns now and then.
                        if world.random.chance(30) { world.disk.capacity = nil }
                        continue
                    }
                    break
                }
            }
            world.crashes += 1
            world.disk.crash(using: &world.random)
            // The power may go again while the log is being opened.
            if world.random.chance(40) {
                world.disk.operationsUntilPowerCut = world.random.below(12)
                do throws(StorageError) { _ = try Log.open(world.disk, group: GroupID(3), options: world.options) } catch {
                    if case .system = error.kind {} else { return ("seed \(seed): \(error)", world.crashes, world.torn, world.reused) }
                }
                world.crashes += 1
                world.disk.crash(using: &world.random)
            }
        }
        world.disk.capacity = nil
        let (_, problem) = try world.open()
        return (problem.map { "seed \(seed), after \(world.crashes) crashes: \($0)" }, world.crashes, world.torn, world.reused)
    } catch {
        return ("seed \(seed), after \(world.crashes) crashes: \(error)", world.crashes, world.torn, world.reused)
    }
}

@Suite struct CrashTests {
    @Test(arguments: 0..<8)
    func aCrashKeepsAPrefixWithEverythingSynced(block: Int) {
        var (crashes, torn) = (0, 0)
        for i in 0..<scaled(500) {
            let life = live(seed: UInt64(block * 500 + i))
            crashes += life.crashes
            torn += life.torn
            if let problem = life.problem { Issue.record("\(problem)") }
        }
        #expect(crashes >= scaled(1500) && torn > scaled(20), "\(crashes) crashes, \(torn) torn tails: too tame to prove anything")
    }

    @Test(arguments: 0..<4)
    func aCrashKeepsWhatWasRewrittenAndWhatTookItsFile(block: Int) {
        var reused = 0
        for i in 0..<scaled(500) {
            let life = live(seed: UInt64(200_000 + block * 500 + i), fullDisk: i % 4 == 0, rewrites: true)
            reused += life.reused
            if let problem = life.problem { Issue.record("\(problem)") }
        }
        #expect(reused > scaled(50), "\(reused) files were used again: too tame to prove anything")
    }

    @Test(arguments: 0..<4)
    func aFullDiskAndACrashKeepAPrefixWithEverythingSynced(block: Int) {
        for i in 0..<scaled(500) {
            if let problem = live(seed: UInt64(100_000 + block * 500 + i), fullDisk: true).problem { Issue.record("\(problem)") }
        }
    }

    /// The same short story, cut at each of its operations in turn, with many a subset lost each time.
    @Test func everyBoundaryOfARollACutAndARetentionSurvives() {
        var boundary = 0
        var isFinished = false
        while !isFinished {
            for seed in 0..<scaled(12) {
                let (problem, finished) = story(cutAt: boundary, seed: UInt64(boundary * 1000 + seed))
                if let problem { Issue.record("cut at \(boundary), seed \(seed): \(problem)") }
                isFinished = finished
            }
            boundary += 1
        }
        #expect(boundary > 60)
    }

    private func story(cutAt boundary: Int, seed: UInt64) -> (problem: String?, finished: Bool) {
        var world = World(seed: 5, rewrites: false)
        world.options = small(2048)
        var random = Seeded(seed)
        var finished = false
        do throws(StorageError) {
            world.disk.operationsUntilPowerCut = boundary
            do throws(StorageError) {
                try tell(&world)
                finished = true
            } catch {
                guard case .system = error.kind else { return ("\(error)", false) }
            }
            world.disk.crash(using: &random)
            let (log, problem) = try world.open()
            if let problem { return (problem, finished) }
            // And it goes on from there.
            let sample = world.samples.next()
            world.entries.append(sample)
            try log.append(sample)
            world.atLeast = Int(try log.sync().raw)
            world.disk.crash(using: &random)
            return (try world.open().1, finished)
        } catch { return ("\(error)", finished) }
    }

    private func tell(_ world: inout World) throws(StorageError) {
        let log = try Log.open(world.disk, group: GroupID(3), options: world.options).log
        func add(_ world: inout World, _ count: Int) throws(StorageError) {
            for _ in 0..<count {
                world.entries.append(world.samples.next())
                try log.append(world.entries[world.entries.count - 1])
            }
        }
        func roll(_ world: inout World) throws(StorageError) {
            try log.roll(checkpoint: World.state(world.entries.count))
            (world.atLeast, world.checkpoint) = (world.entries.count, world.entries.count)
        }
        func cut(_ world: inout World, _ number: Int) throws(StorageError) {
            world.atLeast = min(world.atLeast, number)
            world.checkpoint = 0
            try log.truncate(to: EntryNumber(UInt64(number)))
            world.entries.removeLast(world.entries.count - number)
            world.atLeast = number
        }
        try add(&world, 3)
        world.atLeast = Int(try log.sync().raw)
        try add(&world, 2)
        try roll(&world)
        try add(&world, 9)
        world.atLeast = Int(try log.sync().raw)
        try roll(&world)
        try add(&world, 4)
        world.atLeast = Int(try log.sync().raw)
        try cut(&world, 8)
        try add(&world, 6)
        try roll(&world)
        world.firsts = Set(0...world.entries.count)
        try log.retain(bytes: 1)
        world.firsts = [Int(log.first.raw)]
        try add(&world, 2)
        try log.close()
        world.atLeast = world.entries.count
    }

    @Test(arguments: 0..<scaled(300))
    func aCutTailNeverComesBackBehindShorterEntries(seed: Int) throws {
        var random = Seeded(UInt64(seed))
        let disk = MemoryDisk()
        var samples = Samples(seed: UInt64(seed))
        // Entries of one length, so that an old follower would fit exactly behind a new entry.
        func next() -> Sample {
            var sample = samples.next()
            var builder = BatchBuilder()
            [UInt8](repeating: UInt8(random.below(256)), count: 100).withView {
                builder.append(topic: TopicID(0), time: 0, payload: $0)
            }
            sample.batches = builder.finish(publisher: PublisherID(1), epoch: 1, sequence: 1, group: GroupID(3))
            (sample.count, sample.records) = (1, 1)
            return sample
        }
        let log = try Log.open(disk, group: GroupID(3), options: small(8192)).log
        var entries = (0..<12).map { _ in next() }
        try log.append(all: entries)
        try log.sync()
        let cut = 3 + random.below(6)
        try log.truncate(to: EntryNumber(UInt64(cut)))
        entries.removeLast(12 - cut)
        let more = (0..<1 + random.below(2)).map { _ in next() }
        try log.append(all: more)
        disk.crash(using: &random)
        let (again, recovery) = try Log.open(disk, group: GroupID(3), options: small(8192))
        #expect(recovery.damage.isEmpty)
        #expect(again.end.number.raw >= UInt64(cut))
        #expect(try difference(again, entries + more, from: 0) == nil)
    }
}
