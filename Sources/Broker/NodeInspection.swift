internal import Membership
internal import Replication
internal import Store
internal import Topics
package import Wire

/// What a caller that checks may look at after each step; nothing here changes anything.
extension Node {
    /// Where the view that runs here began in `group`, as long as that has not been delivered.
    package func origin(of group: GroupID) -> LogEnd? { live?.groups[group.index].carried }
    /// Up to where `group` has been shown to sessions; nil while no view runs here.
    package func delivered(in group: GroupID) -> LogEnd? {
        guard let group = live?.groups[group.index] else { return nil }
        return group.carried == nil ? group.deliveredEnd : nil
    }
    /// Where `group`'s log ends, delivered or not.
    package func end(of group: GroupID) -> LogEnd { live?.groups[group.index].state.end ?? states[group.index].end }

    /// Whether the view that runs here was begun by a restart, and whether another one counts as a member of it here.
    package var hasBegunByRestart: Bool { live?.isByRestart ?? false }
    package func counts(on node: NodeID) -> Bool {
        guard let live, let rank = live.view.rank(of: node) else { return false }
        return live.present.contains(rank) && !live.membership.suspected.contains(rank)
    }
    /// A digest of all that `group` is where the view begins: its log's end, topics with their heads, and publishers. Nil once more has come, and where no view runs.
    package func beginning(of group: GroupID) -> UInt64? {
        guard let state = live?.groups[group.index].state, live?.groups[group.index].carried == state.end else { return nil }
        var digest = mix(mix(state.end.number.raw ^ state.end.chain) ^ state.end.offset.raw) ^ state.publishers.digest
        state.topics.forEach { (topic, name) in
            for at in 0..<name.count { digest = mix(digest ^ UInt64(name.u8(at))) }
            guard let head = state.heads.head(of: topic) else { return }
            digest = mix(digest ^ (head.offset.raw << 1 | (head.isRemoved ? 1 : 0)))
        }
        return mix(digest ^ UInt64(state.topics.count))
    }
    /// A digest of `group`'s publishers at its log's end: equal ends, equal publishers.
    package func publishers(of group: GroupID) -> UInt64 { (live?.groups[group.index].state ?? states[group.index]).publishers.digest }

    /// A consumer group as the delivered log has it: its places by partition, and a digest of all that it is; nil where there is none,
    /// or no view runs.
    package func consumers(in name: String) -> (places: [UInt64], digest: UInt64)? {
        guard let durable = live?.groups[GroupID.durable.index], durable.carried == nil, let group = durable.consumers[name] else { return nil }
        var digest = UInt64(group.generation)
        for member in group.members { digest = mix(mix(digest ^ member.id.raw) ^ UInt64(member.node.raw) << 32 ^ UInt64(member.epoch)) }
        for line in group.lines {
            digest = mix(mix(digest ^ line.place.raw) ^ (line.owner?.raw ?? 0))
            digest = mix(mix(digest ^ (line.target?.raw ?? 0)) ^ UInt64(line.since))
        }
        return (group.lines.map(\.place.raw), digest)
    }

    /// Where a group stands here, for people: what this node holds and has promised, what is on whose disk.
    package func stand(of group: GroupID) -> String {
        guard let live else { return "no view runs" }
        let one = live.groups[group.index]
        let ranks = 0..<live.view.members.count
        let clocks = ranks.map { member in "[" + ranks.map { "\(one.matrix.clock(member, $0).raw)" }.joined(separator: " ") + "]" }
        let durable = ranks.map { "\(one.matrix.durableKey(of: $0).timestamp.raw)" }
        return "entries \(one.state.end.number.raw), delivered \(one.deliveredEnd.number.raw), clocks \(clocks.joined(separator: " ")), "
            + "last here \(one.state.end.key.timestamp.raw), durable \(durable.joined(separator: " "))"
    }

    /// Where a running member stands in a group. Nil before it delivers or where it has no view.
    package struct Standing: Sendable {
        package let view: View
        package let origin: LogEnd?
        package let end: LogEnd
        package let delivered: LogEnd?
    }

    /// Checks the invariants, traps on a broken one, and tells where the member stands; nil where it runs no view.
    package func inspect(_ group: GroupID) -> Standing? {
        guard live != nil else { return nil }
        for index in live!.groups.indices { live!.groups[index].checkInvariants() }
        let ends = live!.groups[group.index].ends()
        return Standing(view: view, origin: ends.carried, end: ends.log, delivered: ends.carried == nil ? ends.delivered : nil)
    }
    /// Topics that have changed their group in this view, by this node's own word.
    package var topicMoves: Int { live?.routing.moves ?? 0 }
    /// What this node is a holder of, as far as not everybody is.
    package var heldBuckets: BucketSet { holders.held }

    /// What this node holds in memory beyond what it has room for; nil: nothing. Every member's frames lie in a ring of so many bytes, and
    /// what is kept for sessions that are behind has a limit of its own.
    /// - ringBytes: of each member's data ring.
    package func excess(ringBytes: Int) -> String? {
        for (group, recent) in recent.enumerated() where !recent.isWithin(settings.keptMost) {
            return "more than \(settings.keptMost) bytes of group \(group) are kept for sessions"
        }
        for cursor in sessions.values.flatMap(\.cursors) {
            let bytes = [cursor.page, cursor.ahead].compactMap { $0 }.reduce(0) { $0 + $1.end - $1.at }
            if bytes > 2 * (max(settings.pageMost, settings.keptMost) + Limits.entry) { return "\(bytes) bytes are read ahead for one session" }
        }
        guard live != nil else { return nil }
        for rank in live!.view.members.indices {
            var held = 0
            for index in live!.groups.indices { held += live!.groups[index].heldBytes(of: rank) }
            if held > ringBytes { return "\(held) bytes of frames of member \(rank) are held, whose ring has \(ringBytes)" }
        }
        return nil
    }
    /// The same for watches and consumers, which is a walk over all topics.
    package func checkWatches() {
        guard let live else { return }
        live.groups[GroupID.durable.index].consumers.checkInvariants()
        for id in consumers.members { precondition(sessions[id]?.share != nil, "a member without a share") }
        precondition(sessions.values.allSatisfy { ($0.share != nil) == consumers.members.contains($0.id) }, "a share without a member")
        watches.checkInvariants()
        for (group, sets) in watches.sets.enumerated() {
            precondition(sets.count.index <= live.groups[group].deliveredTopics, "topics are watched that are not delivered")
        }
    }
}
