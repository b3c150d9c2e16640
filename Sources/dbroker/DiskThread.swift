import Broker
import CSystem
import Glibc
import Storage
import Synchronization
import Wire

/// The thread that writes and syncs: takes jobs in order, writes what waits in one go, syncs once for all of it, answers.
///
///      loop ── jobs ──▶ queue ── eventfd ──▶ this thread:  stage … write, sync once ──▶ results ── eventfd ──▶ loop
///
/// The durable group's log lies on the real disk; the ordered group's in memory, bounded.
final class DiskThread: @unchecked Sendable {
    // Sendable: `shared` is locked; everything else belongs to the thread after `start`.
    private struct Shared {
        var jobs: [DiskJob] = []
        var results: [DiskResult] = []
        var isStopping = false
    }
    private let shared = Mutex(Shared())
    private let wake: EventFile
    /// Readable when there are results.
    let ready: EventFile
    private var thread = pthread_t()
    private let durable: Log<RealDisk>
    private let ordered: Log<MemoryDisk>
    private let states: StateFile<RealDisk>
    /// How far the loop has been told. A roll and a cut sync by themselves, so the log's own mark does not tell.
    private var durableTold: EntryNumber = .zero
    private var orderedTold: EntryNumber = .zero
    private var failed = false

    /// Memory that the ordered group's history may take.
    static let orderedBytes = 16 << 20
    static let stateName = "member"

    init(durable: Log<RealDisk>, ordered: Log<MemoryDisk>, states: StateFile<RealDisk>) throws(StorageError) {
        self.durable = durable
        self.ordered = ordered
        self.states = states
        guard let wake = EventFile(blocks: true), let ready = EventFile(blocks: false) else {
            throw StorageError(.system(errno), "eventfd", "the disk thread")
        }
        self.wake = wake
        self.ready = ready
    }
    deinit {
        wake.close()
        ready.close()
    }

    func start() {
        // The thread holds this object until it ends; `stop` waits for that.
        let box = unsafe Unmanaged.passRetained(self)
        let status = unsafe pthread_create(
            &thread, nil,
            { argument in
                let disk = unsafe Unmanaged<DiskThread>.fromOpaque(argument!).takeRetainedValue()
                disk.run()
                return nil
            }, box.toOpaque())
        precondition(status == 0, "no thread for the disk: errno \(status)")
    }

    /// Finishes the jobs given so far and ends the thread.
    func stop() {
        shared.withLock { $0.isStopping = true }
        wake.signal()
        _ = pthread_join(thread, nil)
    }

    // MARK: the loop's side

    /// Hands over jobs; once a turn.
    func give(_ jobs: inout [DiskJob]) {
        guard !jobs.isEmpty else { return }
        let wasEmpty = shared.withLock { shared in
            let wasEmpty = shared.jobs.isEmpty
            shared.jobs += jobs
            return wasEmpty
        }
        jobs.removeAll(keepingCapacity: true)
        if wasEmpty { wake.signal() }
    }

    /// What has been done since the last call.
    func take(_ results: inout [DiskResult]) {
        ready.take()
        shared.withLock { shared in
            results += shared.results
            shared.results.removeAll(keepingCapacity: true)
        }
    }

    // MARK: the thread's side

    private func run() {
        var jobs: [DiskJob] = []
        while true {
            wake.take()
            let isStopping = shared.withLock { shared in
                swap(&jobs, &shared.jobs)
                return shared.isStopping
            }
            var results: [DiskResult] = []
            if !failed { work(jobs, into: &results) }
            jobs.removeAll(keepingCapacity: true)
            if !results.isEmpty {
                shared.withLock { $0.results += results }
                ready.signal()
            }
            if isStopping { return close() }
        }
    }

    /// The log's clean end: what is found missing behind it at the next start is damage, not a torn tail.
    private func close() {
        guard !failed else { return }
        do throws(StorageError) {
            try durable.close()
            try ordered.close()
        } catch { Console.say("closing the log: \(error)") }
    }

    private func work(_ jobs: [DiskJob], into results: inout [DiskResult]) {
        do throws(StorageError) {
            for job in jobs { try work(job, into: &results) }
            try settle(into: &results)
        } catch {
            failed = true
            results.append(.failed("\(error)"))
        }
    }

    /// Writes what is staged and syncs once for everything since the last time.
    private func settle(into results: inout [DiskResult]) throws(StorageError) {
        if durable.stagedCount > 0 { try durable.write() }
        let synced = try durable.sync()
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

    private func flush() throws(StorageError) {
        if durable.stagedCount > 0 { try durable.write() }
        if ordered.stagedCount > 0 { try ordered.write() }
    }

    private func work(_ job: DiskJob, into results: inout [DiskResult]) throws(StorageError) {
        switch job {
        case .append(let group, let entries):
            if group == .durable {
                for entry in entries { try durable.stage(entry.header, entry.body) }
                if durable.stagedBytes > 1 << 20 { try durable.write() }
            } else {
                for entry in entries { try ordered.stage(entry.header, entry.body) }
                // The entries' memory is a ring's: it is let go when this turn's results are told.
                try ordered.write()
            }
        case .appendCopy(_, let bytes):
            var at = 0
            while at < bytes.view.count {
                at += try durable.stage(entry: bytes.view.from(at)).length
            }
            try durable.write()
        case .truncate(let group, let number):
            try flush()
            if group == .durable { try durable.truncate(to: number) } else { try ordered.truncate(to: number) }
            durableTold = min(durableTold, durable.end.number)
            orderedTold = min(orderedTold, ordered.end.number)
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
            results.append(.recovered(group == .durable ? try Self.state(of: durable) : GroupState(group: group)))
        case .read, .locate, .samples, .compare:
            try flush()
            try look(job, into: &results)
        }
    }

    private func look(_ job: DiskJob, into results: inout [DiskResult]) throws(StorageError) {
        switch job {
        case .read(let token, let group, let from, let below, let maximum):
            results.append(group == .durable
                ? try Self.readLog(durable, token, group, from, below, maximum)
                : try Self.readLog(ordered, token, group, from, below, maximum))
        case .locate(let token, let group, let place):
            let entry = group == .durable ? try Self.locate(durable, place) : try Self.locate(ordered, place)
            results.append(.located(token, group, entry))
        case .samples(let group): results.append(.samples(group, try samples()))
        case .compare(let node, let group, let samples): results.append(.matched(node, group, try match(samples)))
        default: return
        }
    }

    private static func readLog<D: Disk>(
        _ log: Log<D>, _ token: ReadToken, _ group: GroupID, _ from: EntryNumber, _ below: EntryNumber, _ maximum: Int
    ) throws(StorageError) -> DiskResult {
        let first = max(from, log.first)
        var bytes: [UInt8] = []
        _ = try log.read(from: first, below: below, maximumBytes: maximum, into: &bytes)
        return .read(token, group, first: first, OwnedBytes(bytes))
    }

    private static func locate<D: Disk>(_ log: Log<D>, _ place: LogPlace) throws(StorageError) -> EntryNumber {
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
        while samples.count < 128 {
            guard back < durable.end.number.raw else { break }
            let number = EntryNumber(durable.end.number.raw - back)
            guard number > durable.first, let entry = try durable.header(of: EntryNumber(number.raw - 1)) else { break }
            samples.append(ChainSample(number: number, chain: entry.chain))
            back = back == 0 ? 1 : back * 2
        }
        return samples
    }

    /// Equal chains mean equal histories up to there, so the first sample that matches from the end is the place.
    private func match(_ samples: [ChainSample]) throws(StorageError) -> EntryNumber {
        for sample in samples.sorted(by: { $0.number > $1.number }) {
            guard sample.number > durable.first, sample.number <= durable.end.number else { continue }
            guard let entry = try durable.header(of: EntryNumber(sample.number.raw - 1)) else { continue }
            if entry.chain == sample.chain { return sample.number }
        }
        return durable.first
    }

    /// The group's state: the newest checkpoint and the entries behind it.
    static func state(of log: Log<RealDisk>) throws(StorageError) -> GroupState {
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
