internal import Broker
internal import Wire

/// Two leaders of one change of view, kept from hearing what would spare them the quarrel: the first and the next in line do not hear
/// one another in time, nor do those between them, who hear both.
struct Duel {
    let leader: Int
    let second: Int
    /// What the first leader proposes bears it.
    let ballot: Ballot
    let until: UInt64
    /// How much longer messages take between those who are not to hear one another, nanoseconds.
    let lag: UInt64
    /// How much longer the others' disks take to save what the first leader proposes, and the second's what it proposes itself;
    /// nanoseconds.
    let hold: UInt64
    let secondHold: UInt64
    /// The first leader is killed as soon as it has begun the view that it proposed; else the second loses it before.
    let isToFall: Bool
    /// How many have its proposal before nobody hears from the first leader any more.
    var toHear: Int

    /// How much longer a message takes from one host to another.
    func lag(_ from: Int, _ to: Int) -> UInt64 {
        if from == leader && toHear == 0 { return lag }
        let isBetween = [from, to].allSatisfy { $0 != leader && $0 != second }
        let isPair = [from, to].allSatisfy { $0 == leader || $0 == second }
        return isBetween || isPair ? lag : 0
    }
}

/// Faults that wait for a change of view.
extension World {
    private var canAmbush: Bool { !isMended && now >= ambushedUntil && temper.faultGap > 0 && counts.faults > 0 && faults.chance(temper.onChange) }

    /// The group is changing its view, and `host` has just accepted or begun the next: the time for a fault to hurt.
    func changing(_ host: Host, hasBegun: Bool = false) {
        if hasBegun, let duel, duel.isToFall, now < duel.until, host.index == duel.leader {
            queue.add(.fall(host: host.index, life: host.life), at: now + 1)
        }
        guard canAmbush, !temper.isDuel else { return }
        queue.add(.strike(near: host.index), at: now + faults.scale(Span.microsecond, 5 * Span.millisecond))
    }

    /// `host` begins to save what decides on the next view. How much longer its disk takes for it.
    func ambush(_ host: Host, _ jobs: [DiskJob]) -> UInt64 {
        var token: SaveToken?
        for case .save(_, let one) in jobs { token = one }
        guard let token else { return 0 }
        if let more = hold(host, token) { return more }
        guard canAmbush else { return 0 }
        var proposed: Ballot?
        if case .accepted(let acceptance) = token, host.node!.view.members[Int(acceptance.ballot.rank)] == host.id { proposed = acceptance.ballot }
        // The leader accepts first; worse it is once others have its proposal, but for a duel.
        if proposed != nil, !temper.isDuel, faults.chance(80) { return 0 }
        counts.faults += 1
        if plan.skip.contains(counts.faults) { return 0 }
        struck.append(counts.faults)
        if let proposed, let more = startDuel(host, proposed) { return more }
        guard !temper.isDuel else { return 0 }
        switch token {
        case .installed(let proposal, _): cutOff(host, from: proposal)
        default:
            let leader = hosts.filter(\.isRunning).first { $0.node!.isLive && $0.node!.view.members.first == $0.id } ?? host
            let others = faults.pick([0, 20, 40])
            if faults.chance(40) { partition(isOneWay: faults.chance(80), side: hosts.map { $0 === leader || faults.chance(others) }, seenThrough: true) }
            return faults.chance(50) ? 2 * temper.suspectAfter : 0
        }
        return 0
    }

    /// A duel is on, and `host` saves what one of its leaders proposes.
    private func hold(_ host: Host, _ token: SaveToken) -> UInt64? {
        guard let duel, now < duel.until, host.index != duel.leader, case .accepted(let acceptance) = token else { return nil }
        if acceptance.ballot != duel.ballot { return host.index == duel.second ? duel.secondHold : nil }
        self.duel!.toHear = max(0, duel.toHear - 1)
        return duel.hold
    }

    /// The first to install what was agreed on may be cut off before it has told anybody, so that the others agree once more.
    private func cutOff(_ host: Host, from proposal: Proposal) {
        let isFirst = !hosts.contains { $0 !== host && $0.isRunning && $0.node!.view.number >= proposal.view.number }
        if isFirst, faults.chance(50) { return partition(isOneWay: faults.chance(50), side: hosts.map { $0 === host }, seenThrough: true) }
        queue.add(.strike(near: host.index), at: now + faults.scale(Span.microsecond, temper.diskMost))
    }

    /// `host` leads the change and begins to save what it proposes. How much longer that takes; nil: there are too few for a duel.
    private func startDuel(_ host: Host, _ ballot: Ballot) -> UInt64? {
        let view = host.node!.view
        let others = view.members.filter { member in hosts[Int(member.raw) - 1].isRunning && hosts[Int(member.raw) - 1].node!.view.number == view.number }
        guard others.count > 3, let place = others.firstIndex(of: host.id), place + 1 < others.count, faults.chance(80) else { return nil }
        let second = Int(others[place + 1].raw) - 1
        let pauses = [0, 1, 3, 8].map { UInt64($0) * Span.millisecond }
        ambushedUntil = now + 2 * temper.suspectAfter
        duel = Duel(
            leader: host.index, second: second, ballot: ballot, until: ambushedUntil, lag: faults.scale(5 * Span.millisecond, 40 * Span.millisecond),
            hold: faults.pick(pauses), secondHold: faults.pick(pauses), isToFall: faults.chance(50), toHear: others.count - 2)
        say("a duel: \(duel!)")
        guard !duel!.isToFall else { return 0 }
        let more = faults.pick(pauses)
        for id in peerLinks.keys.sorted() where peerLinks[id]!.hosts.sorted() == [host.index, second].sorted() {
            let end = peerLinks[id]!.end(of: second)
            queue.add(.linkDown(link: id, end: end, isCut: true), at: now + faults.scale(Span.microsecond, 5 * Span.millisecond))
            queue.add(.linkDown(link: id, end: 1 - end, isCut: true), at: now + faults.scale(Span.millisecond, 40 * Span.millisecond))
        }
        return more
    }

    /// What a leader had to tell besides what it has sent goes with it.
    func fall(_ host: Host, _ life: Int) {
        guard host.isRunning, host.life == life else { return }
        bring(down: host, power: temper.hasPowerCuts && faults.chance(50))
    }
}
