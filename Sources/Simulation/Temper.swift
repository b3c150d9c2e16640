internal import Wire

/// What kind of world a seed makes: swarm testing, each seed leaves some faults out and leans on others.
struct Temper {
    private(set) var nodes: Int
    let isDuel: Bool
    /// A world for unordered topics: subscribers come and go, topics are made, ways between nodes are slow; nothing fails.
    let isNewsroom: Bool
    private(set) var ringBytes: Int
    let segmentBytes: Int
    /// A node's state is saved behind so many times its bytes of log, 0: where each segment begins. Of the seed itself: no draw is moved.
    let stateShare: Int
    /// A client's receive ring has this much room, bytes.
    let clientBytes: Int
    let publishers: Int
    let subscribers: Int
    /// Clients that get and put.
    let stores: Int
    /// Members of consumer groups; by client, its group.
    let consumers: [Int]
    /// Somebody sets their groups back to their starts now and then.
    let hasResets: Bool
    /// Nanoseconds between a publisher's batches, about.
    private(set) var publishGap: UInt64
    private(set) var recordBytes: Int
    /// Of a hundred records so many are for a topic that takes none of their size; 0: the topic is not there.
    let slips: Int
    /// Nanoseconds that a message, or the disk, takes at most.
    private(set) var networkMost: UInt64
    private(set) var diskMost: UInt64
    /// Nanoseconds that the way from one node to another takes besides, [from][to]; empty: none.
    private(set) var lags: [[UInt64]]
    /// Nanoseconds between faults, at most; 0: none.
    private(set) var faultGap: UInt64
    /// When the first comes: mostly once all have met.
    let firstFault: UInt64
    private(set) var faults: [Fault]
    /// How often, in a hundred, a fault follows on the heels of another.
    let onTheHeels: Int
    /// How often, in a hundred, a fault follows a wedge or the first node's beginning of a view.
    private(set) var onChange: Int
    /// Nanoseconds that a node stays down, at most.
    private(set) var downMost: UInt64
    private(set) var restartWait: UInt64
    let holdUp: UInt64
    let stuckAfter: UInt64
    private(set) var suspectAfter: UInt64
    let hasPowerCuts: Bool
    /// Bytes a second that a node copies, at most.
    let copyRate: Int
    /// When all else is mended, the disk of this node answers nothing for a while.
    private(set) var hungDisk: Int?
    /// Some topics are kept by some nodes only.
    let parting: Parting?
    /// What the rules keep, by the beginning of topics' names; empty: everything.
    let keeping: [CleanChecker.Rule]
    /// Nanoseconds for which removes stay in compacted topics.
    let removesStay: UInt64
    /// Bytes of a slice of cleaning.
    let cleanBytes: Int
    /// The view's first member publishes views and missed deadlines, among what clients publish.
    let announces: Bool
    /// Clients that publish to unordered topics, and that watch them.
    let news: (publishers: Int, subscribers: Int)
    /// The most groups of unordered topics, how often they are folded, nanoseconds, and for how many bytes a batch is parted.
    let mostGroups: Int
    let foldEvery: UInt64
    let worthParting: Int
    /// Frames of so many bytes go from member to member, in blocks of so many.
    private(set) var relayFrom: Int
    let relayBlock: Int
    /// Bytes that a power cut keeps or loses as a whole.
    let tear: Int
    /// Bytes that a node reads of its log for a subscriber that is behind, at a time, and keeps in memory for it.
    let pageBytes: Int
    let keptBytes: Int
    /// A node's disk is lost, once: it comes back on an empty one.
    let losesDisk: Bool
    var isParted: Bool { parting != nil }
    var cleans: Bool { !keeping.isEmpty }

    enum Fault {
        case kill, powerCut, crashAll, cutLink, partition, oneWay, stall, clockStep, clientHop, crashLeader
        /// Killed between two of the things that one turn of its loop does.
        case crashMidTurn
        /// A sync fails and forgets what it should have written; the disk has no room for a while; it is slow for a while.
        case syncError, diskFull, slowDisk
        /// All nodes but a few go down, and come back with what their disks hold.
        case crashMost
        /// Drawn after all else, so that the worlds without them stay as they were.
        case leave, rot
        static let first: [Fault] = [
            .kill, .powerCut, .crashAll, .cutLink, .partition, .oneWay, .stall, .clockStep, .clientHop, .crashLeader, .crashMidTurn,
            .syncError, .diskFull, .slowDisk, .crashMost,
        ]
    }

    init(seed: UInt64, kind: Plan.Kind = .mixed) {
        let isUnlimited = kind == .unlimited
        var random = SplitMix64(seed: seed, .temper)
        // A world in which one of five goes down at a time, and each change of the view is fallen upon: two leaders meet nowhere else as often.
        var duel = SplitMix64(seed: seed, .duel)
        isDuel = duel.chance(6) && kind != .moving && kind != .crooked
        var newsroom = SplitMix64(seed: seed, .newsroom)
        isNewsroom = newsroom.chance(4) && !isDuel && kind != .moving && kind != .crooked
        let isPlain = !isDuel && !isNewsroom
        let few = random.pick([2, 3, 3, 3, 4, 5, 5])
        ringBytes = random.pick([4, 16, 16, 64]) << 10
        var cleaning = SplitMix64(seed: seed, .cleaning)
        let rules = isPlain && cleaning.chance(35) && kind != .crooked ? Self.rules(&cleaning) : []
        parting = isPlain && kind != .crooked ? Parting(seed: seed, isSure: kind == .moving) : nil
        var loss = SplitMix64(seed: seed, .newDisk)
        // Quiet but for its faults: there has to be time for all to go down and come back.
        losesDisk = isUnlimited && isPlain && parting == nil && few > 2 && loss.chance(40)
        keeping = parting?.rules(with: rules) ?? rules
        removesStay = cleaning.pick([50, 500, 5_000]) * Span.millisecond
        cleanBytes = cleaning.pick([1, 4, 64]) << 10
        let drawnSegment = random.pick([4, 16, 64]) << 10
        let smallSegment = cleaning.pick([1, 2, 4, 8]) << 10
        segmentBytes = parting?.segmentBytes ?? (keeping.isEmpty ? drawnSegment : smallSegment)
        stateShare = seed.isMultiple(of: 12) ? 4 << Int(2 * (seed / 12 % 4)) : 0
        let clientRoom = random.pick([1, 4, 64]) << 10
        // In a newsroom nobody is without room.
        clientBytes = isNewsroom ? 1 << 20 : 2 * ringBytes + clientRoom
        let drawn = (publishers: 1 + random.below(3), subscribers: 2 + random.below(2))
        (publishers, subscribers) = isNewsroom ? (1, 1) : drawn
        let publishing = random.pick([500, 2_000, 10_000, 40_000]) * Span.microsecond
        publishGap = !isPlain || losesDisk ? 20 * Span.millisecond : parting?.publishGap ?? publishing
        // Three records fit into the largest batch that the ring takes.
        recordBytes = min(random.pick([16, 64, 400]), ringBytes / 14)
        let most = (network: random.pick([100, 1_000, 20_000] as [UInt64]), disk: random.pick([200, 2_000, 50_000] as [UInt64]))
        networkMost = (!isPlain ? 200 : most.network) * Span.microsecond
        diskMost = (!isPlain ? 500 : most.disk) * Span.microsecond
        let gap = random.pick([0, 10, 20, 50, 50, 100, 100, 200, 500]) * Span.millisecond
        var kinds = Fault.first.filter { _ in random.chance(40) }
        if kinds.isEmpty { kinds = [.kill] }
        let heels = random.pick([0, 20, 60])
        onTheHeels = isDuel ? 0 : heels
        let change = random.pick([0, 20, 60])
        onChange = isDuel ? 100 : change
        var unlimited = SplitMix64(seed: seed, .unlimited)
        let wildGap = unlimited.pick([5, 20, 60, 150]) * Span.millisecond
        faultGap = isDuel ? 60 * Span.millisecond : isNewsroom ? 0 : losesDisk ? 40 * Span.millisecond : isUnlimited ? wildGap : kind == .moving ? 40 * Span.millisecond : gap
        var early = SplitMix64(seed: seed, .early)
        firstFault = isDuel ? 80 * Span.millisecond : early.chance(10) ? early.scale(Span.millisecond, 120 * Span.millisecond) : 300 * Span.millisecond
        let down = random.pick([50, 300, 3_000] as [UInt64])
        downMost = (isDuel ? 50 : down) * Span.millisecond
        restartWait = random.pick([20, 200]) * Span.millisecond
        holdUp = random.pick([500, 3_000]) * Span.millisecond
        stuckAfter = random.pick([200, 1_000]) * Span.millisecond
        let patience = random.pick([20, 100, 400] as [UInt64])
        suspectAfter = (isDuel ? 20 : patience) * Span.millisecond
        let isCut = random.chance(70)
        hasPowerCuts = isCut && !isNewsroom
        copyRate = random.pick([64 << 10, 1 << 20, 64 << 20])
        if random.chance(40) { kinds += [.leave, .leave] }
        if random.chance(40) { kinds += [.rot, .rot] }
        kinds = parting?.faults(of: kinds) ?? kinds
        let wild = Fault.first + [.leave] + (unlimited.chance(50) ? [.rot, .rot] : [])
        let usual = isDuel ? [.kill] : isNewsroom ? [] : isUnlimited ? parting?.faults(of: wild) ?? wild : kinds
        nodes = isDuel ? 5 : isNewsroom ? newsroom.pick([2, 3, 3, 4]) : random.chance(6) ? 6 + random.below(2) : few
        let members = nodes
        // What nobody else has is gone with a disk: the past of topics that few keep, and what rots elsewhere.
        faults = losesDisk ? usual.filter { $0 != .rot } + [.crashAll, .crashMost] : usual
        var slip = SplitMix64(seed: seed, .slips)
        slips = isPlain && slip.chance(20) ? slip.pick([1, 5, 20]) : 0
        var hang = SplitMix64(seed: seed, .hang)
        // Half a minute of records a millisecond apart would be a tenth of all that is simulated.
        hungDisk = isPlain && members > 2 && publishGap >= 10 * Span.millisecond && hang.chance(2) ? hang.below(members) : nil
        lags = isNewsroom ? (0..<members).map { _ in (0..<members).map { _ in newsroom.pick([0, 0, 4, 20]) * Span.millisecond } } : []
        // By a stream of its own: worlds without them stay as they were.
        var store = SplitMix64(seed: seed, .store)
        stores = !isPlain || losesDisk ? 0 : store.pick([0, 0, 1, 2, 3])
        var groups = SplitMix64(seed: seed, .consumers)
        consumers = isPlain && !losesDisk && groups.chance(40) ? (0...groups.below(4)).map { _ in groups.pick([0, 0, 1]) } : []
        hasResets = groups.chance(40)
        var status = SplitMix64(seed: seed, .status)
        announces = isPlain && status.chance(30)
        var pages = SplitMix64(seed: seed, .pages)
        pageBytes = pages.pick([1, 8, 1024]) << 10
        keptBytes = pages.pick([1, 8, 1024]) << 10
        tear = pages.pick([64, 512, 512])
        var casts = SplitMix64(seed: seed, .news)
        let cast = isPlain && !losesDisk && (casts.chance(8) || kind == .moving) ? (1 + casts.below(2), 1 + casts.below(4)) : (0, 0)
        news = isNewsroom ? (2, 5 + newsroom.below(3)) : cast
        mostGroups = casts.pick([1, 2, 3, 8])
        foldEvery = casts.pick([1, 20, 200]) * Span.millisecond
        worthParting = casts.pick([0, 64, 4096])
        var relay = SplitMix64(seed: seed, .relay)
        relayFrom = nodes > 2 && relay.chance(35) ? relay.pick([1, 200, 600]) : .max
        relayBlock = relay.pick([24, 100, 400, 4096])
        var crooked = SplitMix64(seed: seed, .crooked)
        let mayBend = kind == .mixed && isPlain && parting == nil && keeping.isEmpty && nodes > 2 && !faults.contains(.rot)
        if mayBend && crooked.chance(14) || kind == .crooked { bend(&crooked) }
    }

    /// Some ways between nodes are slow, all else is quick, and the view changes often: what goes by another member comes long before what went
    /// straight, in an older view, to the same place of a small ring.
    private mutating func bend(_ random: inout SplitMix64) {
        nodes = max(nodes, 3)
        ringBytes = 4 << 10
        recordBytes = min(recordBytes, ringBytes / 14)
        (relayFrom, publishGap) = (random.pick([1, 200]), random.pick([300, 1_000, 3_000]) * Span.microsecond)
        (networkMost, diskMost) = (100 * Span.microsecond, random.pick([100, 100, 20_000]) * Span.microsecond)
        lags = (0..<nodes).map { _ in (0..<nodes).map { _ in random.pick([0, 0, 0, 3, 10, 30]) * Span.millisecond } }
        (suspectAfter, faultGap, downMost) = (100 * Span.millisecond, 40 * Span.millisecond, 50 * Span.millisecond)
        (onChange, restartWait) = (random.pick([0, 60]), 20 * Span.millisecond)
        (faults, hungDisk) = ([.kill, .cutLink, .leave], nil)
    }

    private static func rules(_ random: inout SplitMix64) -> [CleanChecker.Rule] {
        var rules: [CleanChecker.Rule] = []
        for prefix in ["t0/", "t1/", "t2/", "s/"] where random.chance(75) {
            var rule = CleanChecker.Rule(prefix: prefix)
            switch random.below(5) {
            case 0: rule.time = random.pick([20, 200, 2_000]) * Span.millisecond
            case 1: rule.records = random.pick([1, 5, 30])
            case 2: rule.bytes = random.pick([200, 2_000])
            case 3: (rule.time, rule.records) = (random.pick([20, 500]) * Span.millisecond, 20)
            default: rule.compact = true
            }
            rules.append(rule)
        }
        return rules
    }
}
