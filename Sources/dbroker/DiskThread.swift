import Broker
import CSystem
import Glibc
import Journal
import Storage
import Synchronization
import Transport
import Wire

/// The thread that writes and syncs: takes jobs in order, writes what waits in one go, syncs once for all of it, answers.
///
///      loop ── jobs ──▶ queue ── eventfd ──▶ this thread:  stage … write, sync once ──▶ results ── eventfd ──▶ loop
///
/// What is done is the journal's (`Journal`), which the simulator calls too.
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
    private var journal: Journal<RealDisk>
    private var failed = false

    init(_ journal: Journal<RealDisk>) throws(StorageError) {
        self.journal = journal
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
            // Cleaning comes after all that somebody waits for.
            let cleaning = jobs.filter(\.isCleaning)
            if !cleaning.isEmpty { jobs.removeAll(where: \.isCleaning) }
            if !jobs.isEmpty { tell { work(jobs, into: &$0) } }
            if !cleaning.isEmpty { tell { clean(cleaning, into: &$0) } }
            jobs.removeAll(keepingCapacity: true)
            if isStopping { return close() }
        }
    }

    private func tell(_ work: (inout [DiskResult]) -> Void) {
        var results: [DiskResult] = []
        if !failed { work(&results) }
        guard !results.isEmpty else { return }
        shared.withLock { $0.results += results }
        ready.signal()
    }

    private func clean(_ jobs: [DiskJob], into results: inout [DiskResult]) {
        let begun = monotonicNow()
        work(jobs, into: &results)
        let took = monotonicNow() - begun
        for index in results.indices {
            guard case .cleaned(var report, let isDone, let withheld) = results[index] else { continue }
            report.took = took
            results[index] = .cleaned(report, isDone: isDone, withheld: withheld)
        }
    }

    /// The log's clean end: what is found missing behind it at the next start is damage, not a torn tail.
    private func close() {
        guard !failed else { return }
        do throws(StorageError) { try journal.close() } catch { Console.say("closing the log: \(error)") }
    }

    private func work(_ jobs: [DiskJob], into results: inout [DiskResult]) {
        do throws(StorageError) { try journal.work(jobs, into: &results) } catch {
            failed = true
            // What another node can put right begins a new life; what the device does ends the process.
            if case .damage = error.kind { results.append(.spoilt("\(error)")) } else { results.append(.failed("\(error)")) }
        }
    }
}

extension DiskJob {
    fileprivate var isCleaning: Bool { if case .clean = self { true } else { false } }
    /// Of entries for the log in memory; nil: a job that somebody waits for.
    var bytesInMemory: Int? {
        if case .append(.ordered, let entries) = self { entries.reduce(0) { $0 + $1.header.length } } else { nil }
    }
}
