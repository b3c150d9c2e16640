internal import Replication
internal import Topics
internal import Wire

/// A session that is a member of a consumer group: which partitions it is served, and how far each of them has come.
///
///      joining ──registered──▶ serving ──its last word──▶ leaving        by partition: owned ──passes on──▶ frozen ──drained──▶ releasing
///
///      by partition:  place ≤ confirmed;   floor ≤ what is handed next;   confirmed < last: something is in the member's hands
struct ConsumerShare: Sendable {
    enum Phase { case joining, serving, leaving }
    private struct Line: Sendable {
        /// The generation in which the partition became this member's, or was set back.
        var since: UInt32 = 0
        /// Records below this have been handed over, or were done with before.
        var floor: UInt64 = 0
        /// Behind the last record that was handed over.
        var last: UInt64 = 0
        /// The member has done with all that it was handed below this.
        var confirmed: UInt64 = 0
        /// The place that was proposed last.
        var told: UInt64 = 0
    }
    let name: String
    let member: ConsumerID
    /// What it asked for.
    let change: ConsumerChange
    /// What it has received by another node, under its registration before.
    private let held: [PartitionPlace]
    /// The generation that it knew then.
    private let knew: UInt32
    let interest: Interest
    let filter: Filter?
    var phase = Phase.joining
    /// Its registration.
    var epoch: UInt32 = 0
    /// The group's, as far as the member has been told.
    private(set) var generation: UInt32 = 0
    private(set) var owned = PartitionSet()
    /// Those of `owned` of which nothing more is handed over: they pass on to others.
    private(set) var frozen = PartitionSet()
    /// Those of `frozen` that were let go of: the log will say so.
    private(set) var releasing = PartitionSet()
    /// The log has said that some of those stay: they are served again from the next `take` on.
    private(set) var isKeeping = false
    private var lines = Array(repeating: Line(), count: Partition.count)
    /// While the session is not live: all of the log below this has been looked at.
    var scan: UInt64 = 0
    private var handed: UInt64 = 0
    private var done: UInt64 = 0
    /// The member has done with records that have not been proposed.
    var isDirty = false
    /// Monotonic time of the member's last sign of progress.
    private(set) var movedAt: UInt64 = 0
    /// When places are proposed though the member has nothing in hand: others' records have gone by.
    var idleAt: UInt64 = 0

    init(_ change: ConsumerChange, _ request: ConsumeRequest, interest: Interest, filter: Filter?) {
        name = change.name
        self.change = change
        member = request.last.member
        held = request.held
        knew = request.last.generation
        self.interest = interest
        self.filter = filter
    }

    private var active: PartitionSet { phase == .serving ? owned.subtracting(frozen) : PartitionSet() }
    var hasRoom: Bool { handed - done < Limits.consumerAhead }

    // MARK: what it is handed

    /// What of `runs` goes to this member.
    func wanted(_ runs: [RecordRun], _ header: EntryHeader, _ body: ByteView) -> [RecordRun] {
        let active = active
        var left: [RecordRun] = []
        for run in runs {
            var at = run.at
            var isOpen = false
            for delta in run.delta..<run.delta + run.count {
                let record = RecordHeader(body.from(at))
                let partition = Partition.of(record.topic)
                let isWanted = active.contains(partition) && header.baseOffset.raw + UInt64(delta) >= lines[partition].floor
                if isWanted, isOpen {
                    left[left.count - 1].count += 1
                } else if isWanted {
                    left.append(RecordRun(at: at, delta: delta, count: 1))
                }
                isOpen = isWanted
                at += record.length
            }
        }
        return left
    }

    mutating func hand(_ runs: [RecordRun], _ header: EntryHeader, _ body: ByteView) {
        for run in runs {
            var at = run.at
            for delta in run.delta..<run.delta + run.count {
                let record = RecordHeader(body.from(at))
                lines[Partition.of(record.topic)].last = header.baseOffset.raw + UInt64(delta) + 1
                at += record.length
            }
            handed += UInt64(run.count)
        }
    }

    // MARK: what it has done with

    /// What the member says counts for partitions that it has known as its own since then.
    mutating func confirm(_ confirm: ConsumerConfirm, now: UInt64) {
        if confirm.done > done {
            done = min(confirm.done, handed)
            movedAt = now
        }
        for place in confirm.places {
            for partition in place.partitions where owned.contains(partition) && lines[partition].since <= confirm.generation {
                let offset = min(place.offset.raw, lines[partition].last)
                guard offset > lines[partition].confirmed else { continue }
                lines[partition].confirmed = offset
                isDirty = true
            }
        }
    }

    /// Up to where a partition is done with; `position`: all of the log below it has been looked at.
    private func place(_ partition: Int, _ position: UInt64) -> UInt64 {
        let line = lines[partition]
        let open = frozen.contains(partition) ? line.floor : max(line.floor, position)
        return line.confirmed >= line.last || planted(.committedBeforeDone) ? open : line.confirmed
    }

    /// All that is done with, whether it was proposed or not.
    func commit(_ position: UInt64) -> ConsumerCommit {
        ConsumerCommit(
            member: member, epoch: epoch, generation: generation, places: PartitionPlace.gather(owned) { place($0, position) })
    }

    /// What has come to be done with since the last time; nil where that is nothing.
    func nextCommit(_ position: UInt64) -> ConsumerCommit? {
        var risen = PartitionSet()
        for partition in owned where place(partition, position) > lines[partition].told { risen.insert(partition) }
        guard !risen.isEmpty else { return nil }
        return ConsumerCommit(
            member: member, epoch: epoch, generation: generation, places: PartitionPlace.gather(risen) { place($0, position) })
    }
    /// It was proposed.
    mutating func told(_ commit: ConsumerCommit) {
        for place in commit.places { for partition in place.partitions { lines[partition].told = place.offset.raw } }
        isDirty = false
    }

    // MARK: what it owns

    /// The group has changed: takes over what is this member's now. True: some of it lies behind `position`, the log is to be read
    /// from `scan` on.
    mutating func take(_ group: ConsumerGroup, _ position: UInt64, now: UInt64) -> Bool {
        for partition in active { lines[partition].floor = max(lines[partition].floor, position) }
        let mine = group.owned(by: member)
        for partition in mine where !owned.contains(partition) || lines[partition].since != group.lines[partition].since {
            var place = group.lines[partition].place.raw
            if planted(.partitionForgotten) { place = max(place, position) }
            lines[partition] = Line(since: group.lines[partition].since, floor: place, last: place, confirmed: place, told: place)
            if generation == 0, lines[partition].since <= knew, let known = held.first(where: { $0.partitions.contains(partition) })?.offset.raw {
                // It goes on: what it has in hand is not given to it again, nor let go of before it is done with.
                lines[partition].floor = max(place, known)
                lines[partition].last = max(place, known)
            }
            releasing.remove(partition)
        }
        owned = mine
        releasing = releasing.intersection(mine)
        let before = frozen
        frozen = mine.subtracting(group.meant(for: member)).union(releasing)
        if !frozen.subtracting(before).isEmpty { movedAt = now }
        generation = group.generation
        isKeeping = false
        scan = active.map { lines[$0].floor }.min() ?? position
        return scan < position
    }

    /// Partitions that pass on, and of which nothing is in the member's hands; from here on they count as let go of.
    mutating func letGo() -> PartitionSet {
        var drained = PartitionSet()
        for partition in frozen.subtracting(releasing) where lines[partition].confirmed >= lines[partition].last { drained.insert(partition) }
        releasing = releasing.union(drained)
        return drained
    }
    /// The log has said what became of partitions that were let go of.
    mutating func released(_ partitions: PartitionSet, _ group: ConsumerGroup) {
        releasing = releasing.subtracting(partitions)
        // They stay frozen until `take`, which knows from where to go on.
        if !partitions.intersection(owned).intersection(group.meant(for: member)).isEmpty { isKeeping = true }
    }
    /// It holds others up: partitions pass on, and it has shown no progress for `patience`.
    func isStuck(_ patience: UInt64, now: UInt64) -> Bool {
        !frozen.subtracting(releasing).isEmpty && now > movedAt && now - movedAt > patience
    }

    /// What the member is told.
    func assignment(_ group: ConsumerGroup) -> ConsumerAssignment {
        var assigned: [ConsumerAssignment.Line] = []
        for partition in owned {
            if let known = assigned.firstIndex(where: { $0.since == lines[partition].since }) {
                assigned[known].partitions.insert(partition)
            } else {
                assigned.append(.init(since: lines[partition].since, partitions: PartitionSet(bits: 1 << UInt64(partition))))
            }
        }
        let isSettled = group.meant(for: member).subtracting(owned).isEmpty && frozen.isEmpty
        return ConsumerAssignment(epoch: epoch, generation: generation, isSettled: isSettled, lines: assigned)
    }
}
