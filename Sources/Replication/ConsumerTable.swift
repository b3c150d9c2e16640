package import Wire

/// The consumer groups of a cluster: members, assignment, and what is done with. Part of the replicated state of the durable
/// group: it changes only in the group's order. A copy shares what has not changed since.
package struct ConsumerTable: Equatable, Sendable {
    private var groups: [String: ConsumerGroup] = [:]
    package init() {}

    package var isEmpty: Bool { groups.isEmpty }
    package var count: Int { groups.count }
    /// In the order of their bytes.
    package var names: [String] { groups.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) } }
    package subscript(name: String) -> ConsumerGroup? { groups[name] }

    /// Why a change cannot be: nil where it can.
    package func obstacle(to change: ConsumerChange) -> ConsumerObstacle? {
        let group = groups[change.name]
        switch change.kind {
        case .join(let last, _, _, let interest):
            guard !change.name.isEmpty else { return .nameless }
            guard let group else { return groups.count < Limits.consumerGroups ? nil : .tooManyGroups }
            let others = group.members.filter { $0.id != last.member }
            if others.count >= Limits.consumerMembers { return .tooManyMembers(change.name) }
            if !others.isEmpty, group.interest != interest { return .otherInterest(change.name, group.interest) }
        case .reset: if group == nil { return .unknown(change.name) }
        case .remove:
            guard let group else { return .unknown(change.name) }
            if !group.members.isEmpty { return .hasMembers(change.name, group.members.count) }
        case .leave, .commit, .release: break
        }
        return nil
    }

    /// Applies a change that `node` proposed, at the place `end` of the log. False: it changes nothing, and leaves no trace.
    package mutating func apply(_ change: ConsumerChange, by node: NodeID, at end: Offset) -> Bool {
        guard obstacle(to: change) == nil else { return false }
        switch change.kind {
        case .join(let last, let client, let start, let interest):
            groups[change.name, default: ConsumerGroup(interest: interest, at: Self.place(start, end))]
                .join(last, client: client, node: node, interest: interest, below: end)
            return true
        case .leave(let commit): return groups[change.name]?.leave(commit, below: end) ?? false
        case .commit(let commits):
            var isNew = false
            for commit in commits where groups[change.name]?.commit(commit, below: end) ?? false { isNew = true }
            return isNew
        case .release(let commit, let partitions): return groups[change.name]?.release(commit, partitions, below: end) ?? false
        case .reset(let start):
            groups[change.name]?.reset(to: Self.place(start, end))
            return true
        case .remove:
            groups[change.name] = nil
            return true
        }
    }

    private static func place(_ start: ConsumerStart, _ end: Offset) -> Offset {
        switch start {
        case .beginning: Offset(0)
        case .end: end
        case .offset(let offset): min(offset, end)
        }
    }

    package func checkInvariants() { for group in groups.values { group.checkInvariants() } }

    /// `| count u32 | count × ( name text, group ) |`, in the order of names.
    package func encode(into bytes: inout [UInt8]) {
        bytes.append(int: UInt32(groups.count))
        for name in names {
            bytes.append(text: name)
            groups[name]!.encode(into: &bytes)
        }
    }
    package init(_ decoder: inout Decoder) throws(DecodeError) {
        for _ in 0..<(try decoder.count(limit: Limits.consumerGroups, size: 2 + 18 + 16 * Partition.count)) {
            let name = try decoder.text(limit: Limits.consumerName)
            guard !name.isEmpty, groups[name] == nil else { throw .value(what: "consumer group's name", value: UInt64(name.utf8.count)) }
            groups[name] = try ConsumerGroup(&decoder)
        }
    }
}

/// Why a consumer group cannot be what is asked for.
package enum ConsumerObstacle: Error, Equatable, CustomStringConvertible {
    case nameless
    case tooManyGroups
    case tooManyMembers(String)
    case otherInterest(String, ConsumerInterest)
    case unknown(String)
    case hasMembers(String, Int)

    package var description: String {
        switch self {
        case .nameless: return "a consumer group needs a name"
        case .tooManyGroups:
            return "there are \(Limits.consumerGroups) consumer groups, which is the limit; remove one with dbroker consumers rm NAME"
        case .tooManyMembers(let name): return "consumer group \"\(name)\" has \(Limits.consumerMembers) members, which is the limit"
        case .otherInterest(let name, let interest):
            var what = interest.patterns.prefix(8).map { "\"\($0)\"" }.joined(separator: " ")
            if interest.patterns.count > 8 { what += " and \(interest.patterns.count - 8) more" }
            if !interest.exclusions.isEmpty { what += " without " + interest.exclusions.prefix(8).map { "\"\($0)\"" }.joined(separator: " ") }
            if !interest.filter.isEmpty { what += " where \(interest.filter)" }
            return "the members of consumer group \"\(name)\" read \(what); all of them must read the same"
        case .unknown(let name): return "there is no consumer group \"\(name)\""
        case .hasMembers(let name, let count): return "consumer group \"\(name)\" has \(count) members; end them first"
        }
    }
}
