internal import Broker
internal import Storage
internal import Wire

/// Damage met by a job, and its repair. A closed segment's damage stops nobody: what wanted to read it waits until it is put
/// right. Damage where entries are appended ends the life: the next one begins with the repair.
extension Journal {
    /// What is damaged, as the node knows it.
    func holes() throws(StorageError) -> [LogHole] {
        var holes: [LogHole] = []
        for damage in durable.damage {
            let isInside = try durable.hasEntryBehind(damage)
            holes.append(LogHole(file: damage.segment, bytes: damage.bytes, entries: damage.entries, what: damage.what, isInside: isInside, isCleaned: durable.isRepairedWhole(damage)))
        }
        return holes
    }

    /// Does a job that reads; one that meets damage in a closed segment waits for the repair.
    mutating func attempt(_ job: DiskJob, into results: inout [DiskResult]) throws(StorageError) {
        do throws(StorageError) { return try look(job, into: &results) } catch {
            guard case .damage(let damage) = error.kind, durable.isClosed(damage.entries.lowerBound) else { throw error }
            guard try !durable.inspect(damage.entries.lowerBound).isEmpty else { throw error }
            park(job)
            results.append(.damaged(try holes()))
            // Another node asks somebody else.
            if case .read(let token, let group, let from, _, _, _) = job, case .excerpt = token {
                results.append(.read(token, group, first: from, next: from, OwnedBytes(count: 0)))
            }
        }
    }

    /// One for each who waits: a newer wish takes the place of an older one. Nodes ask again by themselves for entries.
    private mutating func park(_ job: DiskJob) {
        guard let waiter = Waiter(job) else { return }
        parked.removeAll { Waiter($0) == waiter }
        parked.append(job)
    }

    mutating func repair(_ hole: LogHole, from source: NodeID, _ bytes: OwnedBytes, shown: Offset, into results: inout [DiskResult]) throws(StorageError) {
        var outcome = RepairOutcome(hole: hole, source: source)
        let damage = durable.damage.first { $0.segment == hole.file && $0.bytes == hole.bytes && $0.entries == hole.entries }
        do throws(StorageError) {
            if let damage {
                try durable.closeDamaged(damage, for: bytes.view.array)
                // Versions that are gone from the repaired entry may be missed by any cut as far as the next checkpoint, which knows of them. Behind the last
                // one they may be gone for anything that the other node had by then.
                let next = durable.firstCheckpoint(behind: damage.entries.lowerBound)
                try noteCopied(bytes.view, upTo: next?.offset ?? max(durable.end.offset, shown))
                try signatures?.check(damage, bytes.view, durable)
                try signatures?.willRepair(damage)
                try durable.repair(damage, with: bytes.view.array, isChained: true)
                try signatures?.finishRepair(durable)
            }
        } catch {
            guard case .corruptInput(let why) = error.kind else { throw error }
            outcome.refusal = why
            // Several damages may have become one.
            if !hole.entries.isEmpty { _ = try durable.inspect(hole.entries.lowerBound) }
        }
        outcome.left = try holes()
        let missing = outcome.left.filter { $0.file == hole.file && hole.entries.overlaps($0.entries) }.reduce(0) { $0 + $1.count }
        outcome.count = hole.count - min(hole.count, missing)
        durableValues.forget(holding: hole.entries.lowerBound)
        results.append(.repaired(outcome))
        if outcome.refusal == nil { try unpark(into: &results) }
    }

    /// Does what waited; what meets other damage waits on.
    mutating func unpark(into results: inout [DiskResult]) throws(StorageError) {
        let waiting = parked
        parked = []
        for job in waiting { try attempt(job, into: &results) }
    }

    mutating func scrub(bytes: Int, into results: inout [DiskResult]) throws(StorageError) {
        let before = durable.damage.count
        let isDone = try durable.scrub(bytes: bytes)
        if durable.damage.count > before { results.append(.damaged(try holes())) }
        results.append(.scrubbed(isDone: isDone))
    }
}

/// Who waits for a job that damage holds up.
private enum Waiter: Equatable {
    case session(SessionID, GroupID)
    case node(NodeID)
    /// One of the node's questions about values.
    case question(UInt32)
    case own
    case fill

    init?(_ job: DiskJob) {
        switch job {
        case .read(.session(let id, _), let group, _, _, _, _), .locate(.session(let id, _), let group, _): self = .session(id, group)
        case .compare(let node, _, _): self = .node(node)
        case .values(let query): self = .question(query.id)
        case .tail(let query): self = .question(query.id)
        case .cut(let id, _, _): self = .question(id)
        case .samples, .recover: self = .own
        case .read(.fill, _, _, _, _, _): self = .fill
        default: return nil
        }
    }
}
