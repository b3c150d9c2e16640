internal import Broker
internal import Storage
internal import Wire

/// What a node's disk thread does with its jobs, without the thread: in order, written in one go, synced once for all of it.
struct DiskWork<D: Disk> {
    let durable: Log<D>
    let ordered: Log<MemoryDisk>
    private let states: StateFile<D>
    private var orderedEnd: EntryNumber = .zero
    private var durableTold: EntryNumber

    static var stateName: String { "member" }
    static var orderedBytes: Int { 16 << 20 }

    struct Opened {
        var state: MemberState
        var states: [GroupState]
        var work: DiskWork<D>
    }

    private init(durable: Log<D>, ordered: Log<MemoryDisk>, states: StateFile<D>) {
        self.durable = durable
        self.ordered = ordered
        self.states = states
        durableTold = durable.synced
    }

    /// A new life from the disk: its incarnation has risen. Throws what the disk, or what is on it, does not allow.
    static func open(_ disk: D, members: [NodeID], segmentBytes: Int) throws(StorageError) -> Opened {
        let files = StateFile(disk)
        var state = MemberState(incarnation: Incarnation(0), installed: View(ViewNumber(0), members))
        if let bytes = try files.load(stateName) {
            do throws(DecodeError) {
                state = try bytes.withView { view throws(DecodeError) in try MemberState(view) }
            } catch { throw StorageError(.corruptInput("\(error)"), "load", stateName) }
        }
        state.incarnation = Incarnation(state.incarnation.raw + 1)
        try files.save(stateName, state.encode())
        var options = LogOptions()
        options.segmentBytes = segmentBytes
        options.zeroAhead = 1 << 10
        options.indexBytes = 1 << 10
        let (durable, recovery) = try Log<D>.open(disk, group: .durable, options: options)
        if let damage = recovery.damage.first { throw StorageError(.damage(damage), "open", "group-0") }
        let (ordered, _) = try Log<MemoryDisk>.open(MemoryDisk(isVolatile: true), group: .ordered, options: options)
        let states = [try group(of: durable), GroupState(group: .ordered), GroupState(group: .unordered)]
        return Opened(state: state, states: states, work: DiskWork(durable: durable, ordered: ordered, states: files))
    }

    mutating func work(_ jobs: [DiskJob], into results: inout [DiskResult]) throws(StorageError) {
        for job in jobs { try work(job, into: &results) }
        try settle(into: &results)
    }

    private mutating func settle(into results: inout [DiskResult]) throws(StorageError) {
        if durable.stagedCount > 0 { try durable.write() }
        try durable.sync()
        // A roll or a cut syncs too: what has been told counts, not what this call has synced.
        if durableTold != durable.synced {
            durableTold = durable.synced
            results.append(.synced(.durable, end: durableTold))
        }
        if ordered.stagedCount > 0 { try ordered.write() }
        if orderedEnd != ordered.end.number {
            orderedEnd = try ordered.sync()
            results.append(.synced(.ordered, end: orderedEnd))
        }
    }

    private func flush() throws(StorageError) {
        if durable.stagedCount > 0 { try durable.write() }
        if ordered.stagedCount > 0 { try ordered.write() }
    }

    private mutating func work(_ job: DiskJob, into results: inout [DiskResult]) throws(StorageError) {
        switch job {
        case .append(let group, let entries):
            if group == .durable {
                for entry in entries { try durable.stage(entry.header, entry.body) }
            } else {
                for entry in entries { try ordered.stage(entry.header, entry.body) }
                try ordered.write()
            }
        case .appendCopy(_, let bytes):
            var at = 0
            while at < bytes.view.count { at += try durable.stage(entry: bytes.view.from(at)).length }
            try durable.write()
        case .truncate(let group, let number):
            try flush()
            if group == .durable { try durable.truncate(to: number) } else { try ordered.truncate(to: number) }
            orderedEnd = min(orderedEnd, ordered.end.number)
            durableTold = min(durableTold, durable.end.number)
        case .roll(let group, let checkpoint):
            try flush()
            if group == .durable { try durable.roll(checkpoint: checkpoint) } else {
                try ordered.roll(checkpoint: [])
                _ = try ordered.retain(bytes: Self.orderedBytes)
            }
        case .save(let bytes, let token):
            try settle(into: &results)
            try states.save(Self.stateName, bytes)
            results.append(.saved(token))
        case .recover(let group):
            try settle(into: &results)
            results.append(.recovered(group == .durable ? try Self.group(of: durable) : GroupState(group: group)))
        case .read, .locate, .samples, .compare:
            try flush()
            try look(job, into: &results)
        }
    }

    private func look(_ job: DiskJob, into results: inout [DiskResult]) throws(StorageError) {
        switch job {
        case .read(let token, let group, let from, let below, let most):
            results.append(
                group == .durable
                    ? try Self.read(durable, token, group, from, below, most) : try Self.read(ordered, token, group, from, below, most))
        case .locate(let token, let group, let place):
            let entry = group == .durable ? try Self.locate(durable, place) : try Self.locate(ordered, place)
            results.append(.located(token, group, entry))
        case .samples(let group): results.append(.samples(group, try samples()))
        case .compare(let node, let group, let samples): results.append(.matched(node, group, try match(samples)))
        default: return
        }
    }

    private static func read<E: Disk>(
        _ log: Log<E>, _ token: ReadToken, _ group: GroupID, _ from: EntryNumber, _ below: EntryNumber, _ most: Int
    ) throws(StorageError) -> DiskResult {
        let first = max(from, log.first)
        var bytes: [UInt8] = []
        _ = try log.read(from: first, below: below, maximumBytes: most, into: &bytes)
        return .read(token, group, first: first, OwnedBytes(bytes))
    }

    private static func locate<E: Disk>(_ log: Log<E>, _ place: LogPlace) throws(StorageError) -> EntryNumber {
        switch place {
        case .offset(let offset):
            guard offset >= log.firstOffset else { return log.first }
            return try log.entry(at: offset)?.number ?? log.end.number
        case .time(let time): return try log.entry(atOrAfter: time)?.number ?? log.end.number
        }
    }

    private func samples() throws(StorageError) -> [ChainSample] {
        var samples: [ChainSample] = []
        var back: UInt64 = 0
        while samples.count < 128, back < durable.end.number.raw {
            let number = EntryNumber(durable.end.number.raw - back)
            guard number > durable.first, let entry = try durable.header(of: EntryNumber(number.raw - 1)) else { break }
            samples.append(ChainSample(number: number, chain: entry.chain))
            back = back == 0 ? 1 : back * 2
        }
        return samples
    }

    private func match(_ samples: [ChainSample]) throws(StorageError) -> EntryNumber {
        for sample in samples.sorted(by: { $0.number > $1.number }) {
            guard sample.number > durable.first, sample.number <= durable.end.number else { continue }
            guard let entry = try durable.header(of: EntryNumber(sample.number.raw - 1)) else { continue }
            if entry.chain == sample.chain { return sample.number }
        }
        return durable.first
    }

    /// The group's state: the newest checkpoint and the entries behind it.
    static func group(of log: Log<D>) throws(StorageError) -> GroupState {
        var state = GroupState(group: log.group)
        var from = log.first
        if let (number, bytes) = try log.checkpoint() {
            do throws(DecodeError) {
                state = try bytes.withView { view throws(DecodeError) in try GroupState(group: log.group, decoding: view) }
            } catch {
                throw StorageError(.corruptInput("checkpoint: \(error)"), "recover", "group-\(log.group.raw)")
            }
            from = number
        }
        try log.replay(from: from) { (header, body) throws(StorageError) in
            guard state.replay(header, body) else {
                throw StorageError(.corruptInput("entry \(header.number.raw) does not follow"), "recover", "group-\(log.group.raw)")
            }
        }
        return state
    }
}
