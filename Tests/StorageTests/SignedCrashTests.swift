import Storage
import TestClock
import Testing
import Wire

/// A life of a signed log over a disk whose power is cut.
private struct SignedWorld {
    let disk = MemoryDisk()
    var random: Seeded
    var samples: Samples
    let options: LogOptions
    /// All that may be there, in order.
    var entries: [Sample] = []
    /// How many of them the node has said it holds, signed.
    var told = 0

    init(seed: UInt64) {
        random = Seeded(seed)
        samples = Samples(seed: seed &+ 177)
        options = small(1024 << random.below(3), zeroAhead: [0, 256][random.below(2)])
    }

    /// What lies there after a crash, before anybody opens it.
    func look() throws(StorageError) -> String? {
        let report: AuditReport
        do throws(StorageError) { report = try SignedLog.audit(disk) } catch {
            guard case .outside = error.kind, told == 0 else { throw error }
            return nil
        }
        if report.problems > 0 { return "a mere crash is called a problem: \(report.findings)" }
        let signed = Int(report.signatures?.end.raw ?? 0)
        if signed < told { return "\(told) entries were told, \(signed) are signed" }
        if Int(report.end.number.raw) < signed { return "\(signed) entries are signed, \(report.end.number.raw) are there" }
        return nil
    }

    /// Opens, and compares with what must be there.
    mutating func open() throws(StorageError) -> (SignedLog, String?) {
        let node = try SignedLog(disk, options: options)
        if !node.log.damage.isEmpty { return (node, "a mere crash is called damage: \(node.log.damage)") }
        let end = Int(node.log.end.number.raw)
        if end < told || end > entries.count { return (node, "\(told) entries were told, \(end) of \(entries.count) are there") }
        if node.history.end != node.log.end.number { return (node, "open signs \(node.history.end.raw) of \(end)") }
        if let what = try difference(node.log, entries, from: 0) { return (node, what) }
        entries.removeLast(entries.count - end)
        told = end
        return (node, nil)
    }

    mutating func act(_ node: SignedLog) throws(StorageError) {
        switch random.below(100) {
        case 0..<50:
            let sample = samples.chained(1, behind: entries.last?.chain ?? 0)[0]
            entries.append(sample)
            try node.log.append(sample)
        case 50..<80: told = try node.commit()
        case 80..<90: try node.log.roll(checkpoint: [1, 2, 3])
        default:
            let number = max(0, entries.count - random.below(7))
            told = min(told, number)
            try node.cut(to: number)
            entries.removeLast(entries.count - number)
        }
    }
}

@Suite struct SignedCrashTests {
    /// Up to four lives, the power cut at any operation, also while it is opened.
    private func live(seed: UInt64) -> (problem: String?, crashes: Int) {
        var world = SignedWorld(seed: seed)
        var crashes = 0
        func say(_ problem: String) -> (String?, Int) { ("seed \(seed), after \(crashes) crashes: \(problem)", crashes) }
        do throws(StorageError) {
            for _ in 0..<4 {
                world.disk.operationsUntilPowerCut = world.random.below(70)
                do throws(StorageError) {
                    let (node, problem) = try world.open()
                    if let problem { return say(problem) }
                    while true { try world.act(node) }
                } catch {
                    guard case .system = error.kind else { return say("\(error)") }
                }
                crashes += 1
                world.disk.crash(using: &world.random)
                if let problem = try world.look() { return say(problem) }
            }
            let (node, problem) = try world.open()
            if let problem { return say(problem) }
            try node.commit()
            return try world.look().map { say($0) } ?? (nil, crashes)
        } catch { return say("\(error)") }
    }

    @Test(arguments: 0..<4) func whatWasToldIsSignedWhereverThePowerGoes(block: Int) {
        var crashes = 0
        for i in 0..<scaled(500) {
            let life = live(seed: UInt64(block * 500 + i))
            crashes += life.crashes
            if let problem = life.problem { Issue.record("\(problem)") }
        }
        #expect(crashes >= scaled(1500))
    }

    /// One story of commits, a roll and a cut, its power cut at each operation in turn.
    @Test func everyBoundaryOfACommitARollAndACutComesOutRight() {
        var boundary = 0
        var isFinished = false
        while !isFinished {
            for seed in 0..<scaled(12) {
                var world = SignedWorld(seed: 5)
                var random = Seeded(UInt64(boundary * 1000 + seed))
                isFinished = false
                do throws(StorageError) {
                    world.disk.operationsUntilPowerCut = boundary
                    do throws(StorageError) {
                        try tell(&world)
                        isFinished = true
                    } catch { guard case .system = error.kind else { throw error } }
                    world.disk.crash(using: &random)
                    if let problem = try world.look() { Issue.record("cut at \(boundary), seed \(seed): \(problem)") }
                    let (node, problem) = try world.open()
                    if let problem { Issue.record("cut at \(boundary), seed \(seed): \(problem)") }
                    try node.log.append(all: world.samples.chained(2, behind: world.entries.last?.chain ?? 0))
                    try node.commit()
                    if let problem = try world.look() { Issue.record("cut at \(boundary), seed \(seed), later: \(problem)") }
                } catch { Issue.record("cut at \(boundary), seed \(seed): \(error)") }
            }
            boundary += 1
        }
        #expect(boundary > 40)
    }

    private func tell(_ world: inout SignedWorld) throws(StorageError) {
        let node = try SignedLog(world.disk, options: small(1024))
        func add(_ world: inout SignedWorld, _ count: Int) throws(StorageError) {
            let more = world.samples.chained(count, behind: world.entries.last?.chain ?? 0)
            world.entries += more
            try node.log.append(all: more)
        }
        try add(&world, 3)
        world.told = try node.commit()
        try add(&world, 2)
        try node.log.roll(checkpoint: [1])
        try add(&world, 2)
        world.told = try node.commit()
        try add(&world, 3)
        world.told = try node.commit()
        world.told = 4
        try node.cut(to: 4)
        world.entries.removeLast(world.entries.count - 4)
        try add(&world, 2)
        world.told = try node.commit()
    }

    /// A sync of the signatures that fails is not taken for one that was done, in this life or the next.
    @Test(arguments: 0..<scaled(200)) func aFailedSyncOfASignatureIsNoSignature(seed: Int) throws {
        var random = Seeded(UInt64(seed))
        let disk = MemoryDisk()
        var samples = Samples(seed: UInt64(seed))
        let node = try SignedLog(disk)
        let entries = samples.chained(8)
        try node.log.append(all: entries[..<4])
        try node.commit()
        try node.log.append(all: entries[4...])
        disk.syncsUntilError = 1
        #expect(throws: StorageError.self) { try node.commit() }
        // The process starts again, and says that it holds all of it; then the power goes.
        let again = try SignedLog(disk)
        #expect(again.history.end == EntryNumber(8))
        disk.crash(using: &random)
        let report = try SignedLog.audit(disk)
        #expect(report.problems == 0 && report.signatures?.end == EntryNumber(8), "\(report.findings)")
    }
}
