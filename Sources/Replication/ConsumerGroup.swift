package import Wire

/// One consumer group: its members, whose each partition is, and up to where each is done with.
///
///      free ──a member is there──▶ owned by its target ──the target changes──▶ owned, passing on
///       ▲                               ▲                                          │ released, or the owner goes
///       └─── no member is left ─────────┴──────────────────────────────────────────┘
///
/// Invariants: an owner and a target are members; a partition with an owner has a target; every partition has one while there are
/// members; places rise but for a reset.
package struct ConsumerGroup: Equatable, Sendable {
    package struct Member: Equatable, Sendable {
        package let id: ConsumerID
        /// Who serves it.
        package var node: NodeID
        package var client: String
        /// The generation in which it was registered there.
        package var epoch: UInt32
    }
    package struct Line: Equatable, Sendable {
        /// All records of the partition below this are done with.
        package var place: Offset
        /// Who may be given its records.
        package internal(set) var owner: ConsumerID?
        /// Who is to have it.
        package internal(set) var target: ConsumerID?
        /// The generation in which it became its owner's, or was set back.
        package internal(set) var since: UInt32 = 0
    }
    /// Rises with every change of members, owners and targets, and with a reset.
    package private(set) var generation: UInt32 = 0
    package private(set) var interest: ConsumerInterest
    /// In the order in which they came.
    package private(set) var members: [Member] = []
    /// By partition.
    package private(set) var lines: [Line]

    package init(interest: ConsumerInterest, at place: Offset) {
        self.interest = interest
        lines = Array(repeating: Line(place: place, owner: nil, target: nil), count: Partition.count)
    }

    package func member(_ id: ConsumerID) -> Member? { members.first { $0.id == id } }
    /// The partitions whose owner, or whose target, is `id`.
    package func owned(by id: ConsumerID) -> PartitionSet { set { $0.owner == id } }
    package func meant(for id: ConsumerID) -> PartitionSet { set { $0.target == id } }
    private func set(_ isWanted: (Line) -> Bool) -> PartitionSet {
        var found = PartitionSet()
        for (partition, line) in lines.enumerated() where isWanted(line) { found.insert(partition) }
        return found
    }
    /// The oldest place.
    package var place: Offset { lines.map(\.place).min() ?? Offset(0) }

    // MARK: changes

    mutating func join(_ last: ConsumerCommit, client: String, node: NodeID, interest: ConsumerInterest, below end: Offset) {
        _ = commit(last, below: end)
        generation &+= 1
        if members.allSatisfy({ $0.id == last.member }) { self.interest = interest }
        let member = Member(id: last.member, node: node, client: client, epoch: generation)
        guard let index = members.firstIndex(where: { $0.id == last.member }) else {
            members.append(member)
            return assign()
        }
        // It goes on with what it has where it knows of that; else it is given all of it anew.
        let goesOn = members[index].epoch == last.epoch
        members[index] = member
        if !goesOn { for partition in owned(by: last.member) { lines[partition].since = generation } }
    }

    /// False: there is no such registration.
    mutating func leave(_ commit: ConsumerCommit, below end: Offset) -> Bool {
        guard member(commit.member)?.epoch == commit.epoch else { return false }
        _ = self.commit(commit, below: end)
        members.removeAll { $0.id == commit.member }
        generation &+= 1
        for partition in owned(by: commit.member) { lines[partition].owner = nil }
        assign()
        return true
    }

    /// False: nothing that counts.
    mutating func commit(_ commit: ConsumerCommit, below end: Offset) -> Bool {
        guard member(commit.member)?.epoch == commit.epoch || planted(.generationUnchecked) else { return false }
        var isNew = false
        for place in commit.places where place.offset <= end {
            for partition in place.partitions where isHeld(partition, by: commit) {
                guard place.offset > lines[partition].place || planted(.placesFall) && place.offset != lines[partition].place else { continue }
                lines[partition].place = place.offset
                isNew = true
            }
        }
        return isNew
    }
    private func isHeld(_ partition: Int, by commit: ConsumerCommit) -> Bool {
        if planted(.generationUnchecked) { return true }
        return lines[partition].owner == commit.member && lines[partition].since <= commit.generation
    }

    mutating func release(_ commit: ConsumerCommit, _ partitions: PartitionSet, below end: Offset) -> Bool {
        guard member(commit.member)?.epoch == commit.epoch else { return false }
        var isNew = self.commit(commit, below: end)
        var passed = PartitionSet()
        for partition in partitions where isHeld(partition, by: commit) && lines[partition].target != commit.member { passed.insert(partition) }
        guard !passed.isEmpty else { return isNew }
        isNew = true
        generation &+= 1
        for partition in passed {
            lines[partition].owner = lines[partition].target
            lines[partition].since = generation
        }
        return isNew
    }

    mutating func reset(to place: Offset) {
        generation &+= 1
        for partition in lines.indices {
            lines[partition].place = place
            lines[partition].since = generation
        }
    }

    // MARK: who is to have what

    /// Gives every partition a target: as many to each member as to any other, give or take one, with as few changes as can be.
    /// Free partitions are their target's at once; the others pass on when their owner has let go of them.
    ///
    /// Deterministic: those who have most keep the odd ones, of equals who came first; each gives up its highest.
    private mutating func assign() {
        guard !members.isEmpty else {
            for partition in lines.indices { lines[partition].target = nil }
            return
        }
        var room: [ConsumerID: Int] = [:]
        let held = members.map { meant(for: $0.id).count }
        let order = members.indices.sorted { (held[$1], $0) < (held[$0], $1) }
        for (rank, index) in order.enumerated() {
            room[members[index].id] = Partition.count / members.count + (rank < Partition.count % members.count ? 1 : 0)
        }
        for partition in lines.indices {
            guard let target = lines[partition].target else { continue }
            if let left = room[target], left > 0 { room[target] = left - 1 } else { lines[partition].target = nil }
        }
        var takers = members.map(\.id)[...]
        for partition in lines.indices where lines[partition].target == nil {
            while let first = takers.first, room[first] == 0 { takers.removeFirst() }
            guard let taker = takers.first else { preconditionFailure("partitions are more than there is room for") }
            room[taker]! -= 1
            lines[partition].target = taker
        }
        for partition in lines.indices where lines[partition].owner == nil || planted(.partitionGivenToTwo) {
            guard lines[partition].owner != lines[partition].target else { continue }
            lines[partition].owner = lines[partition].target
            lines[partition].since = generation
        }
    }

    package func checkInvariants() {
        for line in lines {
            precondition((line.target == nil) == members.isEmpty, "a partition without a target, or a target without members")
            precondition(line.owner == nil || line.target != nil, "an owner without a target")
            for id in [line.owner, line.target] { if let id { precondition(member(id) != nil, "a partition of a stranger") } }
            precondition(line.since <= generation)
        }
        precondition(members.count <= Limits.consumerMembers)
    }

    // MARK: bytes

    ///      | generation u32 | interest | members u32 × ( id u64, node u16, epoch u32, client text ) |
    ///      | 64 × ( place u64, owner u16, target u16, since u32 ) |      owner, target: the member's index and one; 0: none
    package func encode(into bytes: inout [UInt8]) {
        bytes.append(int: generation)
        interest.encode(into: &bytes)
        bytes.append(int: UInt32(members.count))
        for member in members {
            bytes.append(int: member.id.raw)
            bytes.append(int: member.node.raw)
            bytes.append(int: member.epoch)
            bytes.append(text: member.client)
        }
        for line in lines {
            bytes.append(int: planted(.placesLostInCheckpoint) ? 0 : line.place.raw)
            bytes.append(int: number(of: line.owner))
            bytes.append(int: number(of: line.target))
            bytes.append(int: line.since)
        }
    }
    private func number(of id: ConsumerID?) -> UInt16 {
        guard let id, let index = members.firstIndex(where: { $0.id == id }) else { return 0 }
        return UInt16(index + 1)
    }
    package init(_ decoder: inout Decoder) throws(DecodeError) {
        generation = try decoder.int()
        interest = try ConsumerInterest(&decoder)
        lines = []
        for _ in 0..<(try decoder.count(limit: Limits.consumerMembers, size: 16)) {
            let id = ConsumerID(try decoder.int())
            let node = NodeID(try decoder.int())
            let epoch = try decoder.int(UInt32.self)
            let member = Member(id: id, node: node, client: try decoder.text(limit: Limits.consumerName), epoch: epoch)
            guard member.epoch <= generation, self.member(member.id) == nil else { throw .value(what: "consumer", value: member.id.raw) }
            members.append(member)
        }
        for _ in 0..<Partition.count {
            var line = Line(place: Offset(try decoder.int()), owner: nil, target: nil)
            let owner = try decoder.int(UInt16.self)
            let target = try decoder.int(UInt16.self)
            line.since = try decoder.int()
            guard owner <= members.count, target <= members.count, (target == 0) == members.isEmpty, line.since <= generation else {
                throw .value(what: "partition's owner", value: UInt64(owner) << 16 | UInt64(target))
            }
            line.owner = owner == 0 ? nil : members[Int(owner) - 1].id
            line.target = target == 0 ? nil : members[Int(target) - 1].id
            lines.append(line)
        }
    }
}
