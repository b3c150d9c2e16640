/// A numbered, ordered list of members; a member's rank is its place in the list.
package struct View: Equatable, Sendable, CustomStringConvertible {
    package var number: ViewNumber
    package var members: [NodeID]

    package init(_ number: ViewNumber, _ members: [NodeID]) {
        self.number = number
        self.members = members
    }

    package func rank(of node: NodeID) -> Int? { members.firstIndex(of: node) }
    package func contains(_ node: NodeID) -> Bool { members.contains(node) }

    /// Dynamic-linear voting (Jajodia and Mutchler, 1990): more than half of the members, or exactly half with the lowest
    /// rank among them; so a pair survives the loss of its second member, and never splits.
    package func isQuorum(_ present: RankSet) -> Bool {
        let got = present.intersection(.all(members.count)).count
        return 2 * got > members.count || (2 * got == members.count && (present.contains(0) || planted(.quorumOfHalf)))
    }
    /// The least number of members, the first among them or not, that is always a quorum.
    package var quorumSize: Int { members.count / 2 + 1 }

    package var description: String { "\(number) [\(members.map { "\($0.raw)" }.joined(separator: " "))]" }

    package func encode(into bytes: inout [UInt8]) {
        bytes.append(int: number.raw)
        bytes.append(int: UInt32(members.count))
        for member in members { bytes.append(int: member.raw) }
    }
    package init(_ decoder: inout Decoder) throws(DecodeError) {
        number = ViewNumber(try decoder.int())
        members = []
        for _ in 0..<(try decoder.count(limit: Limits.members, size: 2)) { members.append(NodeID(try decoder.int())) }
        guard !members.isEmpty, Set(members).count == members.count else { throw .value(what: "members of a view", value: UInt64(members.count)) }
    }
}

/// A set of ranks of one view.
package struct RankSet: Equatable, Sendable {
    package var bits: UInt64
    package init(bits: UInt64 = 0) { self.bits = bits }
    package init(_ ranks: some Sequence<Int>) {
        bits = 0
        for rank in ranks { insert(rank) }
    }
    /// Whoever there is.
    package static let everyone = RankSet(bits: .max)
    package static func all(_ count: Int) -> RankSet { RankSet(bits: count >= 64 ? .max : (1 << UInt64(count)) - 1) }
    package func contains(_ rank: Int) -> Bool { bits >> UInt64(rank) & 1 == 1 }
    package mutating func insert(_ rank: Int) { bits |= 1 << UInt64(rank) }
    package mutating func remove(_ rank: Int) { bits &= ~(1 << UInt64(rank)) }
    package var count: Int { bits.nonzeroBitCount }
    package var isEmpty: Bool { bits == 0 }
    package func intersection(_ other: RankSet) -> RankSet { RankSet(bits: bits & other.bits) }
    package func union(_ other: RankSet) -> RankSet { RankSet(bits: bits | other.bits) }
    package func subtracting(_ other: RankSet) -> RankSet { RankSet(bits: bits & ~other.bits) }
    package func isSuperset(of other: RankSet) -> Bool { other.bits & ~bits == 0 }
    /// The lowest rank in the set.
    package var first: Int? { bits == 0 ? nil : bits.trailingZeroBitCount }
}

/// A ballot of the agreement on a next view: rounds above 0 are those of a total restart; within a round the leader's rank
/// in the closing view decides (PROTOCOL.md R8, R9).
package struct Ballot: Hashable, Comparable, Sendable {
    package var round: UInt32
    package var rank: UInt16
    package init(round: UInt32, rank: UInt16) {
        self.round = round
        self.rank = rank
    }
    package init(_ decoder: inout Decoder) throws(DecodeError) {
        round = try decoder.int()
        rank = try decoder.int()
        guard round <= Limits.rounds else { throw .limit(what: "ballot round", value: UInt64(round), limit: UInt64(Limits.rounds)) }
    }
    package static func < (a: Ballot, b: Ballot) -> Bool { a.round == b.round ? a.rank < b.rank : a.round < b.round }
}

/// Where a group's log stands.
package struct LogEnd: Equatable, Sendable {
    package var number: EntryNumber = .zero
    package var offset = Offset(0)
    package var key: OrderKey = .zero
    package var view = ViewNumber(0)
    package var chain: UInt64 = 0
    package init() {}

    package func encode(into bytes: inout [UInt8]) {
        bytes.append(int: number.raw)
        bytes.append(int: offset.raw)
        bytes.append(int: key.timestamp.raw)
        bytes.append(int: key.sender.raw)
        bytes.append(int: view.raw)
        bytes.append(int: chain)
    }
    package init(_ decoder: inout Decoder) throws(DecodeError) {
        number = EntryNumber(try decoder.int())
        offset = Offset(try decoder.int())
        key = OrderKey(Timestamp(try decoder.int()), NodeID(try decoder.int()))
        view = ViewNumber(try decoder.int())
        chain = try decoder.int()
    }
}

/// A next view and the log it begins with (PROTOCOL.md R7–R9).
package struct Proposal: Equatable, Sendable {
    package enum Basis: Equatable, Sendable {
        /// Per group, per rank of the closing view: the last timestamp of that sender that is kept (the ragged trim).
        case cut([[Timestamp]])
        /// Per group: the end of the log that a total restart goes on from.
        case ends([LogEnd])
    }
    package var view: View
    package var basis: Basis
    /// The members of the closing view that hold everything the next one begins with.
    package var sources: [NodeID]
    /// Whoever begins the view by it has nothing in memory.
    package var isByRestart: Bool { if case .ends = basis { true } else { false } }

    package init(view: View, basis: Basis, sources: [NodeID]) {
        self.view = view
        self.basis = basis
        self.sources = sources
    }

    /// Every member's clocks of `group` begin here in the new view: nothing of the old one lies above.
    package func base(of group: Int) -> Timestamp {
        switch basis {
        case .cut(let cuts): cuts[group].max() ?? .zero
        case .ends(let ends): ends[group].key.timestamp
        }
    }

    package func encode(into bytes: inout [UInt8]) {
        view.encode(into: &bytes)
        bytes.append(int: UInt32(sources.count))
        for source in sources { bytes.append(int: source.raw) }
        switch basis {
        case .cut(let cuts):
            bytes.append(0)
            bytes.append(int: UInt32(cuts.count))
            for cut in cuts {
                bytes.append(int: UInt32(cut.count))
                for time in cut { bytes.append(int: time.raw) }
            }
        case .ends(let ends):
            bytes.append(1)
            bytes.append(int: UInt32(ends.count))
            for end in ends { end.encode(into: &bytes) }
        }
    }
    package init(_ decoder: inout Decoder) throws(DecodeError) {
        view = try View(&decoder)
        sources = []
        for _ in 0..<(try decoder.count(limit: Limits.members, size: 2)) { sources.append(NodeID(try decoder.int())) }
        let kind = try decoder.int(UInt8.self)
        let groups = try decoder.count(limit: Limits.groups, size: 4)
        guard groups == GroupID.count else { throw .value(what: "groups of a proposal", value: UInt64(groups)) }
        switch kind {
        case 0:
            var cuts: [[Timestamp]] = []
            for _ in 0..<groups {
                var cut: [Timestamp] = []
                for _ in 0..<(try decoder.count(limit: Limits.members, size: 8)) { cut.append(Timestamp(try decoder.int())) }
                cuts.append(cut)
            }
            basis = .cut(cuts)
        case 1:
            var ends: [LogEnd] = []
            for _ in 0..<groups { ends.append(try LogEnd(&decoder)) }
            basis = .ends(ends)
        default: throw .value(what: "proposal basis", value: UInt64(kind))
        }
    }
}
