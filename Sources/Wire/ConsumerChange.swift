/// A consumer's identity, drawn at random by its client: the same at every node that it attaches to.
package struct ConsumerID: Hashable, Sendable {
    package let raw: UInt64
    package init(_ raw: UInt64) { self.raw = raw }
}

/// What a consumer group reads: the same for all of its members.
///
///      | patterns u32 × text | exclusions u32 × text | filter text |      at most `Limits.consumerInterest` bytes in all
package struct ConsumerInterest: Equatable, Sendable {
    package var patterns: [String]
    package var exclusions: [String]
    package var filter: String
    package init(patterns: [String], exclusions: [String] = [], filter: String = "") {
        self.patterns = patterns
        self.exclusions = exclusions
        self.filter = filter
    }
    package func encode(into bytes: inout [UInt8]) {
        for list in [patterns, exclusions] {
            bytes.append(int: UInt32(list.count))
            for pattern in list { bytes.append(text: pattern) }
        }
        bytes.append(text: filter)
    }
    package init(_ decoder: inout Decoder) throws(DecodeError) {
        let start = decoder.position
        patterns = try StoreRead.texts(&decoder)
        exclusions = try StoreRead.texts(&decoder)
        filter = try decoder.text(limit: Limits.filter)
        let size = decoder.position - start
        guard size <= Limits.consumerInterest else {
            throw .limit(what: "consumer group's patterns", value: UInt64(size), limit: UInt64(Limits.consumerInterest))
        }
    }
    /// Bytes when encoded.
    package var size: Int { 10 + filter.utf8.count + (patterns + exclusions).reduce(0) { $0 + 2 + $1.utf8.count } }
}

/// What a member has done with, told by the node that serves it. It counts for those partitions that are the member's since
/// `generation` or an earlier one, under the registration `epoch`; for the others it is void.
///
///      | member u64 | epoch u32 | generation u32 | places |
package struct ConsumerCommit: Equatable, Sendable {
    package var member: ConsumerID
    package var epoch: UInt32
    package var generation: UInt32
    package var places: [PartitionPlace]
    package init(member: ConsumerID, epoch: UInt32, generation: UInt32, places: [PartitionPlace]) {
        self.member = member
        self.epoch = epoch
        self.generation = generation
        self.places = places
    }
    package func encode(into bytes: inout [UInt8]) {
        bytes.append(int: member.raw)
        bytes.append(int: epoch)
        bytes.append(int: generation)
        PartitionPlace.encode(places, into: &bytes)
    }
    package init(_ decoder: inout Decoder) throws(DecodeError) {
        member = ConsumerID(try decoder.int())
        epoch = try decoder.int()
        generation = try decoder.int()
        places = try PartitionPlace.decode(&decoder)
    }
}

/// Where a new consumer group begins, or an old one goes on: `| kind u8 | offset u64 |`.
package enum ConsumerStart: Equatable, Sendable {
    case beginning
    case end
    case offset(Offset)

    package func encode(into bytes: inout [UInt8]) {
        switch self {
        case .beginning: bytes += [0] + [UInt8](repeating: 0, count: 8)
        case .end: bytes += [1] + [UInt8](repeating: 0, count: 8)
        case .offset(let offset):
            bytes.append(2)
            bytes.append(int: offset.raw)
        }
    }
    package init(_ decoder: inout Decoder) throws(DecodeError) {
        let kind = try decoder.int(UInt8.self)
        let offset = Offset(try decoder.int())
        switch kind {
        case 0: self = .beginning
        case 1: self = .end
        case 2: self = .offset(offset)
        default: throw .value(what: "consumer start", value: UInt64(kind))
        }
    }
}

/// A change of the consumer groups, ordered in the durable group's log: the payload of the only record of a batch of kind
/// `consumers`. Proposed by a node, judged alike by every replica (`ConsumerTable`).
///
///      | kind u8 | name text | what the kind has… |
package struct ConsumerChange: Equatable, Sendable {
    package enum Kind: Equatable, Sendable {
        /// A member comes, or comes again by another node: `last` is its registration before, with what it has done with (of
        /// epoch 0: it is new). Served by the node that sent the frame.
        case join(last: ConsumerCommit, client: String, start: ConsumerStart, interest: ConsumerInterest)
        /// A member goes, having done with so much.
        case leave(ConsumerCommit)
        /// Members of one node have done with so much.
        case commit([ConsumerCommit])
        /// A member is no longer served these partitions, having done with so much of them: they pass on.
        case release(ConsumerCommit, PartitionSet)
        /// All of the group's places become this one.
        case reset(ConsumerStart)
        /// The group is forgotten; only where it has no members.
        case remove
    }
    package var name: String
    package var kind: Kind
    package init(_ name: String, _ kind: Kind) {
        self.name = name
        self.kind = kind
    }

    package func encode() -> [UInt8] {
        var bytes: [UInt8] = []
        let code: UInt8 =
            switch kind {
            case .join: 0
            case .leave: 1
            case .commit: 2
            case .release: 3
            case .reset: 4
            case .remove: 5
            }
        bytes.append(code)
        bytes.append(text: name)
        switch kind {
        case .join(let last, let client, let start, let interest):
            last.encode(into: &bytes)
            bytes.append(text: client)
            start.encode(into: &bytes)
            interest.encode(into: &bytes)
        case .leave(let commit): commit.encode(into: &bytes)
        case .commit(let commits):
            bytes.append(int: UInt32(commits.count))
            for commit in commits { commit.encode(into: &bytes) }
        case .release(let commit, let partitions):
            commit.encode(into: &bytes)
            bytes.append(int: partitions.bits)
        case .reset(let start): start.encode(into: &bytes)
        case .remove: break
        }
        return bytes
    }
    package init(_ view: ByteView) throws(DecodeError) {
        var decoder = Decoder(view, "consumer change")
        let code = try decoder.int(UInt8.self)
        name = try decoder.text(limit: Limits.consumerName)
        switch code {
        case 0:
            let last = try ConsumerCommit(&decoder)
            let client = try decoder.text(limit: Limits.consumerName)
            kind = .join(last: last, client: client, start: try ConsumerStart(&decoder), interest: try ConsumerInterest(&decoder))
        case 1: kind = .leave(try ConsumerCommit(&decoder))
        case 2:
            var commits: [ConsumerCommit] = []
            for _ in 0..<(try decoder.count(limit: Limits.consumerMembers, size: 20)) { commits.append(try ConsumerCommit(&decoder)) }
            kind = .commit(commits)
        case 3: kind = .release(try ConsumerCommit(&decoder), PartitionSet(bits: try decoder.int()))
        case 4: kind = .reset(try ConsumerStart(&decoder))
        case 5: kind = .remove
        default: throw .value(what: "kind of a consumer change", value: UInt64(code))
        }
        try decoder.end()
    }
}
