internal import Broker
internal import Journal
internal import Storage
internal import Topics
internal import Wire

/// Worlds in which topics have rules and logs are cleaned; what may be gone is judged by `CleanChecker`.
extension World {
    func note(_ job: DiskJob, of host: Host) {
        guard temper.cleans else { return }
        switch job {
        case .append(.durable, let entries):
            for entry in entries { clean.appended(host.index, entry.header, entry.body.array) }
        case .appendCopy(_, let bytes, _):
            var at = 0
            while at < bytes.view.count, let header = try? EntryHeader(bytes.view.from(at)) {
                clean.appended(host.index, header, bytes.view[at + EntryHeader.size..<at + header.length].array)
                at += header.length
            }
        case .truncate(.durable, let number): clean.cut(host.index, from: number.raw)
        default: break
        }
    }

    /// A node says that it has cleaned its log.
    func noteCleaned(_ results: [DiskResult], _ host: Host) {
        for case .cleaned(let report, _, _) in results where report.passes > host.passes {
            host.passes = report.passes
            counts.passes += 1
            checkCleaned(host)
        }
    }

    /// What may be gone from some log by now: no log is cleaned beyond what was delivered.
    func mayBeGone() -> Set<UInt64> {
        guard temper.cleans, let last = clean.placed.last else { return [] }
        return clean.mayGo(below: last.offset + 1, at: clean.time)
    }

    func checkCleaned(_ host: Host) {
        guard checker.violation == nil, let log = host.work?.durable, log.damage.isEmpty, let delivered = host.node?.delivered(in: .durable)
        else { return }
        var bytes: [UInt8] = []
        do throws(StorageError) {
            var next = log.first
            while next < log.end.number { next = try log.read(from: next, maximumBytes: 1 << 20, into: &bytes).next }
        } catch {
            guard isDamage(error) else { return checker.fail("\(host.id)'s log does not read back: \(error)") }
            return
        }
        var others: [[UInt64: Int]]?
        let (missing, problem) = clean.judge(bytes, gone: mayBeGone(), delivered: delivered.offset.raw, spoilt: counts.rots > 0 ? 1 : 0) { offset in
            if others == nil { others = hosts.filter { $0 !== host }.map { CleanChecker.records(written(on: $0)).present } }
            return others!.count { $0[offset] != nil }
        }
        counts.gone = max(counts.gone, missing)
        if let problem { checker.fail("\(host.id): \(problem)") }
    }

    /// All entries on a disk, synced or not, whether its node runs or not.
    private func written(on host: Host) -> [UInt8] {
        var bytes: [UInt8] = []
        for place in entries(on: host) {
            guard let file = host.files.contents(place.path) else { continue }
            bytes += file[place.position..<place.position + place.entry.length]
        }
        return bytes
    }

    /// What nobody saw because it went before anyone came by is as it was written.
    func fillFromWhatWasWritten() {
        guard temper.cleans else { return }
        let gone = mayBeGone()
        for record in clean.placed where gone.contains(record.offset) {
            guard record.topic < clean.names.count else { continue }
            let name = clean.names[record.topic]
            checker.saw(
                Checker.Record(publisher: record.client, sequence: record.sequence, topic: name, time: record.time, sender: record.sender),
                at: record.offset, by: -1)
            guard name.hasPrefix("s/") else { continue }
            store.saw(
                StoreChecker.Entry(topic: name, client: record.client, operation: record.operation, isRemoved: record.isRemove, time: record.time),
                at: record.offset)
        }
    }
}
