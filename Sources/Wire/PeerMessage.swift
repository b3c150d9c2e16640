/// Kinds of messages between nodes, and between node and client: the `kind` of a link's message header.
package enum MessageKind: UInt32, Sendable {
    // Between nodes.
    case memberRow = 1
    case summary = 2
    case prepare = 3
    case promise = 4
    case apply = 5
    case applied = 6
    case propose = 7
    case accepted = 8
    case commit = 9
    case compare = 10
    case matched = 11
    case fetch = 12
    case entries = 13
    case admit = 14
    case welcome = 15
    case leave = 16
    case wants = 17
    case wantsHeld = 18
    case relay = 19
    case holding = 20
    case excerpt = 21
    case excerpted = 22
    case values = 23
    case valuesFound = 24
    case offsets = 25
    case offsetsFound = 26
    // From a client.
    case declare = 32
    case publish = 33
    case open = 34
    case subscribe = 35
    case inquire = 36
    case release = 37
    case storeRead = 38
    case storePut = 39
    case storeTail = 40
    case consume = 41
    case confirm = 42
    case consumerOrder = 43
    case giveUp = 44
    // To a client.
    case cluster = 64
    case declared = 65
    case acknowledge = 66
    case opened = 67
    case refused = 68
    case subscribed = 69
    case topicNames = 70
    case entry = 71
    case records = 72
    case position = 73
    case answer = 74
    case skipped = 75
    case released = 76
    case storePage = 77
    case storeDone = 78
    case storePlace = 79
    case assigned = 80
    case consumerDone = 81
    case gaveUp = 82
}

/// A member's row of the agreement on the next view; pushed whole when it changes, last value wins (PROTOCOL.md R6–R8).
package struct MemberRow: Equatable, Sendable {
    package var view: ViewNumber
    package var suspected = RankSet()
    package var wedged = false
    /// Per group, per rank: the frozen clock vectors; empty until wedged and frozen.
    package var clocks: [[Timestamp]] = []
    package var accepted: Acceptance?
    package var committed: Proposal?
    /// The proposal that made this view: who has not installed it yet learns here that it was chosen.
    package var origin: Proposal?

    package struct Acceptance: Equatable, Sendable {
        package var ballot: Ballot
        package var proposal: Proposal
        package init(_ ballot: Ballot, _ proposal: Proposal) {
            self.ballot = ballot
            self.proposal = proposal
        }
    }

    package init(view: ViewNumber, origin: Proposal?) {
        self.view = view
        self.origin = origin
    }

    package func encode(into bytes: inout [UInt8]) {
        bytes.append(int: view.raw)
        bytes.append(int: suspected.bits)
        bytes.append((wedged ? 1 : 0) | (accepted != nil ? 2 : 0) | (committed != nil ? 4 : 0) | (origin != nil ? 8 : 0))
        bytes.append(int: UInt32(clocks.count))
        for vector in clocks {
            bytes.append(int: UInt32(vector.count))
            for time in vector { bytes.append(int: time.raw) }
        }
        if let accepted {
            bytes.append(int: accepted.ballot.round)
            bytes.append(int: accepted.ballot.rank)
            accepted.proposal.encode(into: &bytes)
        }
        committed?.encode(into: &bytes)
        origin?.encode(into: &bytes)
    }
    package init(_ view: ByteView) throws(DecodeError) {
        var decoder = Decoder(view, "member row")
        self.view = ViewNumber(try decoder.int())
        suspected = RankSet(bits: try decoder.int())
        let flags = try decoder.int(UInt8.self)
        wedged = flags & 1 != 0
        for _ in 0..<(try decoder.count(limit: Limits.groups, size: 4)) {
            var vector: [Timestamp] = []
            for _ in 0..<(try decoder.count(limit: Limits.members, size: 8)) { vector.append(Timestamp(try decoder.int())) }
            clocks.append(vector)
        }
        if flags & 2 != 0 {
            let ballot = try Ballot(&decoder)
            accepted = Acceptance(ballot, try Proposal(&decoder))
        }
        if flags & 4 != 0 { committed = try Proposal(&decoder) }
        if flags & 8 != 0 { origin = try Proposal(&decoder) }
        try decoder.end()
    }
}

/// What a node says of its disk when it is not a member of a running view, or that it is one (PROTOCOL.md R9).
package struct Summary: Equatable, Sendable {
    /// The node runs in `view`; otherwise it has come back and `view` is the last it installed.
    package var live: Bool
    package var view: View
    package var promised: Ballot
    package var accepted: MemberRow.Acceptance?
    /// Its log is not, and the disk has not what makes it, the one that the acceptance is of.
    package var isUnbacked = false
    /// Per group: where its log ends.
    package var ends: [LogEnd]

    package init(live: Bool, view: View, promised: Ballot, accepted: MemberRow.Acceptance?, ends: [LogEnd]) {
        self.live = live
        self.view = view
        self.promised = promised
        self.accepted = accepted
        self.ends = ends
    }

    package func encode(into bytes: inout [UInt8]) {
        bytes.append((live ? 1 : 0) | (accepted != nil ? 2 : 0) | (isUnbacked ? 4 : 0))
        view.encode(into: &bytes)
        bytes.append(int: promised.round)
        bytes.append(int: promised.rank)
        if let accepted {
            bytes.append(int: accepted.ballot.round)
            bytes.append(int: accepted.ballot.rank)
            accepted.proposal.encode(into: &bytes)
        }
        bytes.append(int: UInt32(ends.count))
        for end in ends { end.encode(into: &bytes) }
    }
    package init(_ bytes: ByteView) throws(DecodeError) {
        var decoder = Decoder(bytes, "summary")
        let flags = try decoder.int(UInt8.self)
        live = flags & 1 != 0
        isUnbacked = flags & 4 != 0
        view = try View(&decoder)
        promised = try Ballot(&decoder)
        if flags & 2 != 0 {
            let ballot = try Ballot(&decoder)
            accepted = MemberRow.Acceptance(ballot, try Proposal(&decoder))
        }
        ends = []
        for _ in 0..<(try decoder.count(limit: Limits.groups, size: 8)) { ends.append(try LogEnd(&decoder)) }
        try decoder.end()
    }
}

/// A step of the agreement of a total restart: one ballot on the view after `after`.
package struct RestartStep: Equatable, Sendable {
    package var ballot: Ballot
    package var after: ViewNumber
    /// `propose`, `commit`: the value. `apply`: the acceptance whose cut the receiver is to bring its log to.
    package var proposal: Proposal?
    /// `propose`: per group, the node that has the log. `applied`, `promise`: none.
    package var sources: [NodeID] = []
    /// `commit`: the view begins at once; otherwise it is only installed and the restart goes on from it.
    package var live = false

    package init(ballot: Ballot, after: ViewNumber) {
        self.ballot = ballot
        self.after = after
    }

    package func encode(into bytes: inout [UInt8]) {
        bytes.append(int: ballot.round)
        bytes.append(int: ballot.rank)
        bytes.append(int: after.raw)
        bytes.append((live ? 1 : 0) | (proposal != nil ? 2 : 0))
        bytes.append(int: UInt32(sources.count))
        for source in sources { bytes.append(int: source.raw) }
        proposal?.encode(into: &bytes)
    }
    package init(_ view: ByteView) throws(DecodeError) {
        var decoder = Decoder(view, "restart step")
        ballot = try Ballot(&decoder)
        after = ViewNumber(try decoder.int())
        let flags = try decoder.int(UInt8.self)
        live = flags & 1 != 0
        for _ in 0..<(try decoder.count(limit: Limits.groups, size: 2)) { sources.append(NodeID(try decoder.int())) }
        if flags & 2 != 0 { proposal = try Proposal(&decoder) }
        try decoder.end()
    }
}

/// Which unordered topics' records a member wants: some topics in a row. What it has said of none, it wants.
///
///      | view u64 | number u64 | flags u8 | first u32 | count u32 | ⌈count / 8⌉ bytes |     flags: 1 everything, 2 last
///
/// Bit i of the bytes, from each byte's lowest on: topic `first` + i is wanted. `everything`: as if nothing had ever been said, and no topics.
/// Pages come in order: none begins beyond what its sender has spoken of before (`Routing.take`). `last`: the answer to it, `WantsHeld`, says that all of `number` counts from then on.
package struct WantsPage: Equatable, Sendable {
    package var view: ViewNumber
    package var number: UInt64
    package var wantsEverything: Bool
    package var isLast: Bool
    package var first: TopicID
    package var count: Int
    package var bits: [UInt8]

    package init(view: ViewNumber, number: UInt64, wantsEverything: Bool, isLast: Bool, first: TopicID, count: Int, bits: [UInt8]) {
        self.view = view
        self.number = number
        self.wantsEverything = wantsEverything
        self.isLast = isLast
        self.first = first
        self.count = count
        self.bits = bits
    }
    package func wants(_ index: Int) -> Bool { bits[index >> 3] >> UInt8(index & 7) & 1 == 1 }

    package func encode() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(int: view.raw)
        bytes.append(int: number)
        bytes.append((wantsEverything ? 1 : 0) | (isLast ? 2 : 0))
        bytes.append(int: first.raw)
        bytes.append(int: UInt32(count))
        bytes.append(contentsOf: bits)
        return bytes
    }
    package init(_ view: ByteView) throws(DecodeError) {
        var decoder = Decoder(view, "wants")
        self.view = ViewNumber(try decoder.int())
        number = try decoder.int()
        let flags = try decoder.int(UInt8.self)
        guard flags <= 3 else { throw .value(what: "flags of wants", value: UInt64(flags)) }
        (wantsEverything, isLast) = (flags & 1 != 0, flags & 2 != 0)
        first = TopicID(try decoder.int())
        let count = try decoder.int(UInt32.self)
        guard count <= Limits.wantsTopics else { throw .limit(what: "topics of wants", value: UInt64(count), limit: UInt64(Limits.wantsTopics)) }
        guard Int(first.raw) + Int(count) <= Limits.topics else { throw .value(what: "topic of wants", value: UInt64(first.raw)) }
        self.count = Int(count)
        bits = try decoder.bytes((self.count + 7) / 8).array
        try decoder.end()
    }
}

/// All of `number` counts at the sender from here on: whoever wants a topic gets what this node publishes to it.
package struct WantsHeld: Equatable, Sendable {
    package var view: ViewNumber
    package var number: UInt64

    package init(view: ViewNumber, number: UInt64) {
        self.view = view
        self.number = number
    }
    package func encode() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(int: view.raw)
        bytes.append(int: number)
        return bytes
    }
    package init(_ view: ByteView) throws(DecodeError) {
        var decoder = Decoder(view, "wants held")
        self.view = ViewNumber(try decoder.int())
        number = try decoder.int()
        try decoder.end()
    }
}

/// What a node keeps on disk of views and agreements, beside its logs.
package struct MemberState: Equatable, Sendable {
    package var incarnation: Incarnation
    package var installed: View
    package var promised = Ballot(round: 0, rank: 0)
    package var accepted: MemberRow.Acceptance?
    /// With an accepted cut: per group the entry from which the log is replaced, and the frames that replace it, in order.
    package var tails: [Tail] = []
    /// The log's end that the acceptance needs is gone: for another's log, which does not tell whether it shares it. A quorum may have chosen what was
    /// accepted by this node's voice: it goes on saying so, and leaves it to others to bring a log there.
    package var isUnbacked = false

    package struct Tail: Equatable, Sendable {
        package var from: EntryNumber
        package var frames: [UInt8]
        package init(from: EntryNumber, frames: [UInt8]) {
            self.from = from
            self.frames = frames
        }
    }

    package init(incarnation: Incarnation, installed: View) {
        self.incarnation = incarnation
        self.installed = installed
    }

    package func encode() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(int: incarnation.raw)
        installed.encode(into: &bytes)
        bytes.append(int: promised.round)
        bytes.append(int: promised.rank)
        bytes.append((accepted == nil ? 0 : 1) | (isUnbacked ? 2 : 0))
        if let accepted {
            bytes.append(int: accepted.ballot.round)
            bytes.append(int: accepted.ballot.rank)
            accepted.proposal.encode(into: &bytes)
        }
        bytes.append(int: UInt32(tails.count))
        for tail in tails {
            bytes.append(int: tail.from.raw)
            bytes.append(int: UInt32(tail.frames.count))
            bytes.append(contentsOf: tail.frames)
        }
        return bytes
    }
    package init(_ view: ByteView) throws(DecodeError) {
        var decoder = Decoder(view, "member state")
        incarnation = Incarnation(try decoder.int())
        installed = try View(&decoder)
        promised = try Ballot(&decoder)
        let flags = try decoder.int(UInt8.self)
        guard flags & ~3 == 0 else { throw .value(what: "member state flags", value: UInt64(flags)) }
        isUnbacked = flags & 2 != 0
        if flags & 1 != 0 {
            let ballot = try Ballot(&decoder)
            accepted = MemberRow.Acceptance(ballot, try Proposal(&decoder))
        }
        for _ in 0..<(try decoder.count(limit: Limits.groups, size: 12)) {
            let from = EntryNumber(try decoder.int())
            let count = Int(try decoder.int(UInt32.self))
            tails.append(Tail(from: from, frames: try decoder.bytes(count).array))
        }
        try decoder.end()
    }
}
