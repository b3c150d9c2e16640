package import Broker
package import Storage
internal import Store
package import Topics
package import Wire

/// A node's disk: does its jobs in order, writes what waits in one go, syncs once for all of it, answers.
///
///     jobs ─▶ stage … ─▶ write (one pwritev) ─▶ sync (one fdatasync) ─▶ results
///
/// The durable group's log lies on `D`; the ordered group's in memory, bounded. `dbroker` calls it on a thread of its own; the
/// simulator calls it in virtual time. After an error nothing more is done: what is on the disk is told by the next `open` alone.
package struct Journal<D: Disk> {
    package let durable: Log<D>
    /// Reads that met damage, until it is repaired.
    var parked: [DiskJob] = []
    package private(set) var ordered: Log<VolatileDisk>
    private let orderedOptions: LogOptions
    private let states: TwinFile<D>
    /// Versions of topics, made when they are asked for.
    var durableValues = ValueIndex()
    var orderedValues = ValueIndex(budget: 8 << 20)
    private var orderedLeft = OrderedLeft()
    var cleaner: Cleaner<D>
    /// The durable log's signatures, where topics are signed.
    let signatures: SignedHistory<D>?
    /// From where on each topic's past is exact.
    var marks: CleanMarks
    /// What of the log others hold.
    var holdings: Holdings
    /// Below which place this node gives nothing up (`AgreedPlace`).
    var agreedFile: TwinFile<D>
    /// A segment that gets back what was missing.
    var filling: SegmentDraft<D>?
    /// How far the node has been told. A roll and a cut sync by themselves, so the log's own mark does not tell.
    private var durableTold: EntryNumber = .zero
    private var orderedTold: EntryNumber = .zero
    /// Bytes of copied entries that were written and not synced; nothing else was since.
    private var copied = 0

    /// Memory that the ordered group's history may take.
    static var orderedBytes: Int { 16 << 20 }
    static var orderedSegment: Int { 4 << 20 }
    /// Bytes that are written before all jobs of a turn have been staged.
    static var writeAt: Int { 1 << 20 }
    /// So many bytes of copied entries are synced at once: nobody counts on them before a view does, and each sync holds up whoever
    /// shares the disk.
    static var copyAhead: Int { 16 << 20 }
    package static var stateName: String { "member" }
    /// Of the member state's file, what a power cut can take nothing of.
    package var stateBytes: Range<Int> { states.syncedBytes }

    /// A life's beginning: what the disk says, and the journal to go on with.
    package struct Opened {
        /// What of the durable log does not read back; then its state is only where it ends.
        package let holes: [LogHole]
        package let state: MemberState
        package let states: [GroupState]
        package let recovery: Recovery
        package let holdings: Holdings
        package let agreed: AgreedPlace
        package let journal: Journal<D>
    }

    private init(
        durable: Log<D>, ordered: Log<VolatileDisk>, options: LogOptions, states: TwinFile<D>, cleaner: Cleaner<D>, marks: CleanMarks,
        holdings: Holdings, agreedFile: TwinFile<D>, signatures: SignedHistory<D>?
    ) {
        self.holdings = holdings
        self.agreedFile = agreedFile
        self.signatures = signatures
        self.cleaner = cleaner
        self.marks = marks
        durableValues.trustsHoles = !marks.hasGaps && holdings.isEmpty
        self.durable = durable
        self.ordered = ordered
        orderedOptions = options
        self.states = states
    }

    /// Begins a life from the disk: its incarnation has risen. `members`: of the first view, where there is none yet; `verifies`:
    /// the whole log is read; `topics`: what is kept of the log; `removesStay`: nanoseconds for which a remove is kept in a compacted
    /// topic; `signer`: the log is signed. Throws what the disk does not allow, and damage that no other node's entries mend.
    package static func open(
        _ disk: D, members: [NodeID], options: LogOptions, verifies: Bool = false, topics: TopicsConfiguration = .standard,
        removesStay: UInt64 = 86_400_000_000_000, signer: Signer? = nil
    ) throws(StorageError) -> Opened {
        let files = TwinFile(disk, stateName, leastBytes: options.stateBytes)
        var state = MemberState(incarnation: Incarnation(0), installed: View(ViewNumber(0), members))
        if let bytes = try files.load() {
            do throws(DecodeError) {
                state = try bytes.withView { view throws(DecodeError) in try MemberState(view) }
            } catch { throw StorageError(.corruptInput("\(error)"), "load", stateName) }
        }
        state.incarnation = Incarnation(state.incarnation.raw + 1)
        try files.save(state.encode())
        var signatures: SignedHistory<D>?
        if let signer { signatures = try SignedHistory(disk, group: .durable, signer: signer) }
        var durableOptions = options
        durableOptions.isReadBack = signer != nil
        let (durable, recovery) = try Log<D>.open(disk, group: .durable, options: durableOptions, known: signatures?.end ?? .zero)
        if verifies || !recovery.damage.isEmpty { _ = try durable.verify() }
        if let damage = durable.damage.first(where: { $0.bytes.isEmpty && $0.segment == "group-0" }) {
            throw StorageError(.damage(damage), "open", "group-0")
        }
        try signatures?.begin(durable)
        var volatile = options
        volatile.segmentBytes = min(options.segmentBytes, orderedSegment)
        let (ordered, _) = try Log<VolatileDisk>.open(VolatileDisk(), group: .ordered, options: volatile)
        let states = [try stateOrEnd(of: durable), GroupState(group: .ordered), GroupState(group: .unordered)]
        let agreedFile = agreedFile(disk)
        let agreed = try agreed(agreedFile)
        let journal = Journal(
            durable: durable, ordered: ordered, options: volatile, states: files,
            cleaner: Cleaner(topics: topics, removesStay: removesStay), marks: try marks(disk, durable),
            holdings: try holdings(disk, durable, topics), agreedFile: agreedFile, signatures: signatures)
        return Opened(
            holes: try journal.holes(), state: state, states: states, recovery: recovery, holdings: journal.holdings,
            agreed: agreed, journal: journal)
    }

    /// The group's state; with damage only where the log ends.
    private static func stateOrEnd(of log: Log<D>) throws(StorageError) -> GroupState {
        if log.damage.isEmpty {
            do throws(StorageError) { return try state(of: log) } catch {
                guard case .damage(let damage) = error.kind, try !log.inspect(damage.entries.lowerBound).isEmpty else { throw error }
            }
        }
        var state = GroupState(group: log.group)
        state.end = log.end
        return state
    }

    /// The log's clean end: what is found missing behind it at the next start is damage, not a torn tail.
    package func close() throws(StorageError) {
        try durable.close()
        try ordered.close()
    }

    package mutating func work(_ jobs: [DiskJob], into results: inout [DiskResult]) throws(StorageError) {
        for job in jobs { try work(job, into: &results) }
        // What is signed is signed as it is synced.
        if copied == 0 || copied > Self.copyAhead || signatures != nil { try settle(into: &results) }
    }

    /// Writes what is staged and syncs once for everything since the last time.
    mutating func settle(into results: inout [DiskResult]) throws(StorageError) {
        if durable.stagedCount > 0 { try durable.write() }
        copied = 0
        let synced = try durable.sync()
        try signatures?.sign(durable, below: synced)
        if synced != durableTold {
            durableTold = synced
            results.append(.synced(.durable, end: synced))
        }
        if ordered.stagedCount > 0 { try ordered.write() }
        if orderedTold != ordered.end.number {
            orderedTold = try ordered.sync()
            results.append(.synced(.ordered, end: orderedTold))
        }
    }

    func flush() throws(StorageError) {
        if durable.stagedCount > 0 { try durable.write() }
        if ordered.stagedCount > 0 { try ordered.write() }
    }

    private mutating func work(_ job: DiskJob, into results: inout [DiskResult]) throws(StorageError) {
        switch job {
        case .append(let group, let entries): try append(entries, to: group)
        case .appendCopy(_, let bytes, let shown):
            var at = 0
            while at < bytes.view.count {
                let header = try durable.stage(entry: bytes.view.from(at))
                cleaner.append(header, bytes.view[at + EntryHeader.size..<at + header.length], durable)
                at += header.length
            }
            try noteCopied(bytes.view, upTo: planted(.copyExactTooSoon) ? Offset(0) : shown)
            // A small piece is the log's end: the view that takes this node in waits for what is not synced by then.
            copied = at >= durable.options.segmentBytes >> 10 && (copied > 0 || durableTold == durable.end.number) ? copied + at : 0
            try durable.write()
            durable.startWriting(at)
        case .truncate(let group, let number):
            try flush()
            try truncate(group, to: number)
            try unpark(into: &results)
        case .begin(let group, let end):
            precondition(group == .ordered, "only a log in memory begins anew")
            (ordered, _) = try Log<VolatileDisk>.open(VolatileDisk(), group: .ordered, options: orderedOptions, from: end)
            orderedTold = end.number
            orderedValues = ValueIndex(budget: 8 << 20)
            orderedLeft = OrderedLeft()
        case .roll(let group, let state):
            try flush()
            switch (group, state) {
            case (.durable, .saved(let checkpoint)):
                try durable.roll(checkpoint: checkpoint)
                cleaner.rolled(durable)
            case (_, .told(let heads, let isSure)):
                precondition(group == .durable, "of the ordered group's log the state is what tells which of its values stay")
                try durable.roll(checkpoint: nil)
                cleaner.rolled(durable)
                durableValues.learn(heads, isSure: isSure, at: durable.openFirst)
            case (_, .saved(let checkpoint)):
                try ordered.roll(checkpoint: [])
                try saveLastValues(checkpoint)
                _ = try ordered.retain(bytes: Self.orderedBytes)
            }
        case .save(let bytes, let token):
            if !planted(.installedBeforeLog) { try settle(into: &results) }
            try durable.withRoom { () throws(StorageError) in try states.save(bytes) }
            results.append(.saved(token))
        case .recover:
            try settle(into: &results)
            try attempt(job, into: &results)
        case .read, .locate, .samples, .compare, .values, .tail, .cut:
            try flush()
            try attempt(job, into: &results)
        case .repair(let hole, let source, let bytes, let shown):
            try flush()
            try cleaner.cancel(durable)
            try cancelFill()
            cleaner.repaired()
            try repair(hole, from: source, bytes, shown: shown, into: &results)
        case .scrub(_, let bytes):
            try flush()
            try scrub(bytes: bytes, into: &results)
        case .clean(_, let limit, let bytes, let drop):
            try flush()
            // One that was under way in an older view is not finished any more.
            try cancelFill()
            try clean(below: limit, bytes: bytes, drop: drop, into: &results)
        case .withhold, .held, .agree, .stretch, .fill: try workOnHoldings(job, into: &results)
        }
    }

    private mutating func truncate(_ group: GroupID, to number: EntryNumber) throws(StorageError) {
        if group == .durable {
            try cleaner.cancel(durable)
            try cancelFill()
            try signatures?.cut(durable, to: number)
            cleaner.cut(to: number)
            try durable.truncate(to: number)
            durableValues.cut(to: durable.end.number)
        } else {
            try ordered.truncate(to: number)
            orderedValues.cut(to: number)
        }
        durableTold = min(durableTold, durable.end.number)
        orderedTold = min(orderedTold, ordered.end.number)
    }

    private mutating func append(_ entries: [PendingEntry], to group: GroupID) throws(StorageError) {
        copied = 0
        if group == .durable {
            for entry in entries {
                try durable.stage(entry.header, entry.body)
                cleaner.append(entry.header, entry.body, durable)
            }
            if durable.stagedBytes > Self.writeAt { try durable.write() }
        } else {
            for entry in entries { try ordered.stage(entry.header, entry.body, owner: entry.owner) }
            // The entries' memory is a ring's: it is let go when this turn's results are told.
            try ordered.write()
        }
    }

    // MARK: looking

    mutating func look(_ job: DiskJob, into results: inout [DiskResult]) throws(StorageError) {
        switch job {
        case .read(let token, let group, let from, let below, let maximum, let topics):
            results.append(group == .durable
                ? try Self.read(durable, token, group, topics.isEmpty ? from : durableValues.pass(durable, from, below, topics), below, maximum)
                : try Self.read(ordered, token, group, from, below, maximum))
        case .locate(let token, let group, let place):
            let entry = group == .durable ? try Self.locate(durable, place) : try Self.locate(ordered, place)
            results.append(.located(token, group, entry))
        case .recover(let group):
            results.append(.recovered(group == .durable ? try Self.state(of: durable) : GroupState(group: group)))
        case .values(let query):
            results.append(.values(
                query.group == .durable
                    ? try durableValues.values(query, durable) { marks.isExact($0, at: $1, isRuled: cleaner.isRuled($0)) } : try orderedValues.values(query, ordered, kept: orderedLeft)))
        case .tail(let query):
            results.append(.tail(query.group == .durable ? try durableValues.tail(query, durable) : try orderedValues.tail(query, ordered)))
        case .cut(let id, let time, let below):
            let entry = time < Timestamp(.max) ? try durable.entry(atOrAfter: Timestamp(time.raw + 1)) : nil
            let offset = min(entry?.baseOffset ?? below.offset, below.offset)
            results.append(.cut(id, offset, isExact: entry.map { $0.span == 1 || $0.baseOffset >= below.offset } ?? true))
        case .samples(let group, let gap): results.append(.samples(group, try samples(in: gap)))
        case .compare(let node, let group, let samples): results.append(.matched(node, group, try match(samples)))
        default: return
        }
    }

    /// The ordered group's oldest segments are about to go.
    private mutating func saveLastValues(_ checkpoint: [UInt8]) throws(StorageError) {
        let first = ordered.firstRetained(bytes: Self.orderedBytes)
        guard first > ordered.first else { return }
        let heads: HeadTable
        do throws(DecodeError) {
            heads = try checkpoint.withView { view throws(DecodeError) in try GroupState.heads(decoding: view) }
        } catch { throw StorageError(.corruptInput("state: \(error)"), "roll", "group-1") }
        try orderedLeft.save(from: ordered, below: first, heads: heads)
    }

    private static func read<E: Disk>(
        _ log: Log<E>, _ token: ReadToken, _ group: GroupID, _ from: EntryNumber, _ below: EntryNumber, _ maximum: Int
    ) throws(StorageError) -> DiskResult {
        let first = max(from, log.first)
        var bytes: [UInt8] = []
        let next = try log.read(from: first, below: below, maximumBytes: maximum, into: &bytes).next
        return .read(token, group, first: first, next: next, OwnedBytes(bytes))
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
        while samples.count < Int(Self.sampleCount), back < durable.end.number.raw {
            let number = EntryNumber(durable.end.number.raw - back)
            guard number > durable.first else { break }
            if let chain = try chain(before: number) { samples.append(ChainSample(number: number, chain: chain)) }
            back = back == 0 ? 1 : back * 2
        }
        return samples
    }

    private func samples(in gap: ChainGap?) throws(StorageError) -> [ChainSample] {
        guard let gap else { return try samples() }
        let step = (gap.below.raw - gap.above.raw - 1) / Self.sampleCount + 1
        var samples: [ChainSample] = []
        for number in stride(from: gap.above.raw + step, to: gap.below.raw, by: Int(step)) where number > durable.first.raw && number <= durable.end.number.raw {
            if let chain = try chain(before: EntryNumber(number)) { samples.append(ChainSample(number: EntryNumber(number), chain: chain)) }
        }
        return samples
    }
    private static var sampleCount: UInt64 { 128 }

    /// Equal chains mean equal histories up to there, so the first sample that matches from the end is the place.
    private func match(_ samples: [ChainSample]) throws(StorageError) -> EntryNumber {
        for sample in samples.sorted(by: { $0.number > $1.number }) {
            guard sample.number > durable.first, sample.number <= durable.end.number else { continue }
            if try chain(before: sample.number) == sample.chain { return sample.number }
        }
        return durable.first
    }

    /// The chain of the entry before `number`, which is read whole: a damaged one must not pass for another history. Nil in the midst of
    /// a hole, whose chain is that of the last entry that it stands for.
    private func chain(before number: EntryNumber) throws(StorageError) -> UInt64? {
        var bytes: [UInt8] = []
        let read = try durable.read(from: EntryNumber(number.raw - 1), below: number, maximumBytes: 1, into: &bytes)
        return read.next == number ? bytes.withView { $0.u64(64) } : nil
    }

    /// The group's state: the newest checkpoint and the entries behind it.
    private static func state(of log: Log<D>) throws(StorageError) -> GroupState {
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
                throw StorageError(.corruptInput("entry \(header.number.raw) does not follow the one before it"), "recover", "group-\(log.group.raw)")
            }
        }
        return state
    }
}
