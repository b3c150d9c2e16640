/// A client becomes a member of a consumer group, or goes on as one at another node.
///
///      | request u32 | name text | client text | last: ConsumerCommit | held: places | start: ConsumerStart | interest: ConsumerInterest |
///
/// `last` names the member, its registration at the node before and what it has done with; of epoch 0 where it is new. `held`: what
/// it has received, done with or not. `start` counts where the group is new.
package struct ConsumeRequest: Equatable, Sendable {
    package var request: UInt32
    package var name: String
    package var client: String
    package var last: ConsumerCommit
    package var held: [PartitionPlace]
    package var start: ConsumerStart
    package var interest: ConsumerInterest
    package init(
        request: UInt32, name: String, client: String, last: ConsumerCommit, held: [PartitionPlace] = [], start: ConsumerStart,
        interest: ConsumerInterest
    ) {
        self.request = request
        self.name = name
        self.client = client
        self.last = last
        self.held = held
        self.start = start
        self.interest = interest
    }
    package func encode() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(int: request)
        bytes.append(text: name)
        bytes.append(text: client)
        last.encode(into: &bytes)
        PartitionPlace.encode(held, into: &bytes)
        start.encode(into: &bytes)
        interest.encode(into: &bytes)
        return bytes
    }
    package init(_ view: ByteView) throws(DecodeError) {
        var decoder = Decoder(view, "consume")
        request = try decoder.int()
        name = try decoder.text(limit: Limits.consumerName)
        client = try decoder.text(limit: Limits.consumerName)
        last = try ConsumerCommit(&decoder)
        held = try PartitionPlace.decode(&decoder)
        start = try ConsumerStart(&decoder)
        interest = try ConsumerInterest(&decoder)
        try decoder.end()
    }
}

/// What a member is served from here on, before the first record of it.
///
///      | epoch u32 | generation u32 | settled u8 | count u32 × ( since u32, partitions u64 ) |
///
/// `since`: the generation in which these partitions became the member's, or were set back; what the member knows of records of
/// an earlier one is void. `settled`: no more is on its way to this member from others.
package struct ConsumerAssignment: Equatable, Sendable {
    package struct Line: Equatable, Sendable {
        package var since: UInt32
        package var partitions: PartitionSet
        package init(since: UInt32, partitions: PartitionSet) {
            self.since = since
            self.partitions = partitions
        }
    }
    package var epoch: UInt32
    package var generation: UInt32
    package var isSettled: Bool
    package var lines: [Line]
    package init(epoch: UInt32, generation: UInt32, isSettled: Bool, lines: [Line]) {
        self.epoch = epoch
        self.generation = generation
        self.isSettled = isSettled
        self.lines = lines
    }
    package var partitions: PartitionSet { lines.reduce(PartitionSet()) { $0.union($1.partitions) } }

    package func encode() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(int: epoch)
        bytes.append(int: generation)
        bytes.append(isSettled ? 1 : 0)
        bytes.append(int: UInt32(lines.count))
        for line in lines {
            bytes.append(int: line.since)
            bytes.append(int: line.partitions.bits)
        }
        return bytes
    }
    package init(_ view: ByteView) throws(DecodeError) {
        var decoder = Decoder(view, "assigned")
        epoch = try decoder.int()
        generation = try decoder.int()
        let flags = try decoder.int(UInt8.self)
        guard flags <= 1 else { throw .value(what: "assignment's flags", value: UInt64(flags)) }
        isSettled = flags == 1
        lines = []
        for _ in 0..<(try decoder.count(limit: Partition.count, size: 12)) {
            lines.append(Line(since: try decoder.int(), partitions: PartitionSet(bits: try decoder.int())))
        }
        try decoder.end()
    }
}

/// A member has done with records: in each of these partitions with all below the place.
///
///      | request u32 | generation u32 | done u64 | places |
///
/// `generation`: of the last assignment that the member has seen; `done`: records of this subscription that it has done with, in
/// all. With a request's number, not 0, it is the member's last word: it leaves, and is answered by `consumerDone`.
package struct ConsumerConfirm: Equatable, Sendable {
    package var request: UInt32
    package var generation: UInt32
    package var done: UInt64
    package var places: [PartitionPlace]
    package init(request: UInt32 = 0, generation: UInt32, done: UInt64, places: [PartitionPlace]) {
        self.request = request
        self.generation = generation
        self.done = done
        self.places = places
    }
    package func encode() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(int: request)
        bytes.append(int: generation)
        bytes.append(int: done)
        PartitionPlace.encode(places, into: &bytes)
        return bytes
    }
    package init(_ view: ByteView) throws(DecodeError) {
        var decoder = Decoder(view, "confirm")
        request = try decoder.int()
        generation = try decoder.int()
        done = try decoder.int()
        places = try PartitionPlace.decode(&decoder)
        try decoder.end()
    }
}

/// An operator's word on a consumer group: `| request u32 | kind u8 | name text | start: ConsumerStart |`; kind 0: its places
/// become `start`; 1: it is removed.
package struct ConsumerOrder: Equatable, Sendable {
    package enum Kind: Equatable, Sendable {
        case reset(ConsumerStart)
        case remove
    }
    package var request: UInt32
    package var name: String
    package var kind: Kind
    package init(request: UInt32, name: String, kind: Kind) {
        self.request = request
        self.name = name
        self.kind = kind
    }
    package func encode() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(int: request)
        bytes.append(kind == .remove ? 1 : 0)
        bytes.append(text: name)
        if case .reset(let start) = kind { start.encode(into: &bytes) } else { ConsumerStart.beginning.encode(into: &bytes) }
        return bytes
    }
    package init(_ view: ByteView) throws(DecodeError) {
        var decoder = Decoder(view, "consumer order")
        request = try decoder.int()
        let code = try decoder.int(UInt8.self)
        name = try decoder.text(limit: Limits.consumerName)
        let start = try ConsumerStart(&decoder)
        switch code {
        case 0: kind = .reset(start)
        case 1: kind = .remove
        default: throw .value(what: "consumer order", value: UInt64(code))
        }
        try decoder.end()
    }
}

/// What was asked of a consumer group is part of the replicated state now: `| request u32 |`.
package struct ConsumerDone: Equatable, Sendable {
    package var request: UInt32
    package init(request: UInt32) { self.request = request }
    package func encode() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(int: request)
        return bytes
    }
    package init(_ view: ByteView) throws(DecodeError) {
        var decoder = Decoder(view, "consumer done")
        request = try decoder.int()
        try decoder.end()
    }
}
