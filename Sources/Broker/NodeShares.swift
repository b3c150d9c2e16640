internal import Membership
internal import Replication
internal import Topics
internal import Wire

/// Members of consumer groups as this node serves them: the partitions that are theirs by the delivered log, and what of them is
/// done with.
///
/// A partition that passes on is frozen first: nothing more of it is handed over; when the member has done with what it has in hand,
/// the node lets go of it, and only the log's word makes it another's. A member whose session ends, or whose node is out of the view,
/// is put out, and what it had in hand comes again to others.
extension Node {
    /// Whether records go to members now: a node that does not know that it is in the view keeps what it has.
    var servesConsumers: Bool { live.map { !$0.isFrozen && !$0.membership.isWedged } ?? false }

    /// Up to where all of the durable log has been looked at for a member.
    func position(of id: SessionID) -> UInt64 {
        guard let session = sessions[id], session.isSubscribed else { return 0 }
        let isLive = session.cursors[GroupID.durable.index].isLive
        return isLive ? live?.groups[GroupID.durable.index].deliveredEnd.offset.raw ?? 0 : session.share?.scan ?? 0
    }

    // MARK: who owns what

    /// The delivered consumer groups have changed.
    func refreshShares(into out: inout [Directive]) {
        guard live!.groups[GroupID.durable.index].takeConsumersChanged(), !consumers.members.isEmpty else { return }
        let table = live!.groups[GroupID.durable.index].consumers
        for id in consumers.members where sessions[id]!.share!.phase != .joining { refresh(id, table[sessions[id]!.share!.name], into: &out) }
    }

    private func refresh(_ id: SessionID, _ group: ConsumerGroup?, into out: inout [Directive]) {
        let share = sessions[id]!.share!
        guard let group, group.member(share.member)?.epoch == share.epoch else {
            // On its way out by its own word, it is answered for that.
            guard share.phase == .serving else { return }
            endShare(id)
            let why = "this consumer is no longer a member of \"\(share.name)\": it was put out, or came back by another node"
            return refuse(id, .fenced, 0, why, into: &out)
        }
        guard group.generation != share.generation || share.isKeeping else { return }
        goOn(id, group, into: &out)
    }

    /// Serves what is the member's now, from where it stands.
    private func goOn(_ id: SessionID, _ group: ConsumerGroup, into out: inout [Directive]) {
        let durable = GroupID.durable.index
        let end = live!.groups[durable].deliveredEnd
        let isBehind = sessions[id]!.share!.take(group, position(of: id), now: lastSeen)
        let share = sessions[id]!.share!
        send(id, .assigned, share.assignment(group).encode(), into: &out)
        if isBehind {
            // Whatever is being read for it is no longer wanted.
            sessions[id]!.generation &+= 1
            sessions[id]!.cursors[durable].dropPages()
            sessions[id]!.cursors[durable].isLive = false
            sessions[id]!.cursors[durable].isReading = true
            sessions[id]!.cursors[durable].next = end.number
            let token = ReadToken.session(id, generation: sessions[id]!.generation)
            out.append(.disk(.locate(token, .durable, .offset(Offset(share.scan)))))
        } else if sessions[id]!.cursors[durable].isLive {
            // Once more as one that has just caught up: it is told its position.
            sessions[id]!.cursors[durable].isLive = false
            sessions[id]!.cursors[durable].next = end.number
        }
        noteLagging(id)
    }

    // MARK: what goes into the log

    /// Before this turn's frame is sealed.
    func stepConsumers(now: Instant) {
        guard isOpen, !consumers.members.isEmpty || !consumers.departed.isEmpty || !live!.groups[GroupID.durable.index].consumers.isEmpty
        else { return }
        while let (name, last) = consumers.departed.first {
            guard putOut(name, last, now: now) else { return }
            consumers.departed.removeFirst()
        }
        releaseDrained(now: now)
        guard now.monotonic >= consumers.commitAt else { return }
        consumers.commitAt = now.monotonic + ConsumerDesk.commitEvery
        commitPlaces(now: now)
        putOutLost(now: now)
    }

    func consumersDue() -> UInt64 {
        isOpen && consumers.members.contains { sessions[$0]!.share!.isDirty } ? consumers.commitAt : .max
    }

    private func putOut(_ name: String, _ last: ConsumerCommit, now: Instant) -> Bool {
        let registration = Registration(name: name, member: last.member, epoch: last.epoch)
        guard !consumers.leaving.contains(registration) else { return true }
        guard propose(ConsumerChange(name, .leave(last)), .putOut(registration), now: now) else { return false }
        consumers.leaving.insert(registration)
        return true
    }

    private func releaseDrained(now: Instant) {
        for id in consumers.members where sessions[id]!.share!.phase == .serving && !sessions[id]!.share!.frozen.isEmpty {
            var share = sessions[id]!.share!
            let drained = share.letGo()
            guard !drained.isEmpty else { continue }
            let change = ConsumerChange(share.name, .release(share.commit(position(of: id)), drained))
            guard propose(change, .release(id, epoch: share.epoch, drained), now: now) else { return }
            sessions[id]!.share = share
        }
    }

    /// One commit for each group with members here, at most every `commitEvery`. What finds no room in the ring is due once more.
    private func commitPlaces(now: Instant) {
        var names: [String] = []
        var commits: [String: [(id: SessionID, commit: ConsumerCommit)]] = [:]
        for id in consumers.members where sessions[id]!.share!.phase == .serving && !consumers.committing.contains(sessions[id]!.share!.name) {
            let share = sessions[id]!.share!
            guard share.isDirty || now.monotonic >= share.idleAt else { continue }
            guard let commit = share.nextCommit(position(of: id)) else {
                (sessions[id]!.share!.isDirty, sessions[id]!.share!.idleAt) = (false, now.monotonic + ConsumerDesk.idleEvery)
                continue
            }
            if commits[share.name] == nil { names.append(share.name) }
            commits[share.name, default: []].append((id, commit))
        }
        for name in names {
            guard propose(ConsumerChange(name, .commit(commits[name]!.map(\.commit))), .commit(name), now: now) else { continue }
            consumers.committing.insert(name)
            for (id, commit) in commits[name]! {
                sessions[id]!.share!.told(commit)
                sessions[id]!.share!.idleAt = now.monotonic + ConsumerDesk.idleEvery
            }
        }
    }

    /// Members that nobody serves: of nodes that are out of the view, by its first member; of this node's, those without a session. A
    /// moment is left to them to come back by another node, with what they have. And those that keep others waiting.
    private func putOutLost(now: Instant) {
        for id in consumers.members where sessions[id]!.share!.phase == .serving {
            let share = sessions[id]!.share!
            if share.isStuck(settings.consumerPatience, now: now.monotonic) { _ = putOut(share.name, share.commit(position(of: id)), now: now) }
        }
        guard let began = live?.began, now.monotonic - min(now.monotonic, began) >= settings.consumerGrace else { return }
        let (table, view, isFirst) = (live!.groups[GroupID.durable.index].consumers, live!.view, live!.me == 0)
        var here: Set<ConsumerID> = []
        for id in consumers.members { here.insert(sessions[id]!.share!.member) }
        for name in table.names {
            for member in table[name]!.members {
                guard member.node == me ? !here.contains(member.id) : isFirst && !view.contains(member.node) else { continue }
                let last = ConsumerCommit(member: member.id, epoch: member.epoch, generation: 0, places: [])
                guard putOut(name, last, now: now) else { return }
            }
        }
    }
}
