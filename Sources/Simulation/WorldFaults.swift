internal import Broker
internal import Storage
internal import Wire

/// What goes wrong.
extension World {
    /// The next fault of the world's own clock.
    func fault() {
        guard !isHealing else { return }
        var gap = faults.scale(temper.faultGap / 8 + 1, 2 * temper.faultGap)
        if faults.chance(temper.onTheHeels) { gap = faults.scale(100 * Span.microsecond, 20 * Span.millisecond) }
        queue.add(.fault, at: now + gap)
        // One thing at a time, mostly: a second fault would undo what was set on a view change.
        guard now >= ambushedUntil || faults.chance(20) else { return }
        counts.faults += 1
        strike(counts.faults)
    }

    /// The group is changing its view, and `host` has just accepted or begun the next: the time for a fault to hurt.
    func changing(_ host: Host) {
        guard !isHealing, now >= ambushedUntil, temper.faultGap > 0, counts.faults > 0, faults.chance(temper.onChange) else { return }
        queue.add(.strike(near: host.index), at: now + faults.scale(Span.microsecond, 5 * Span.millisecond))
    }

    /// `host` begins to save what decides on the next view: the leader, with others or alone, may not be heard any more before it can
    /// tell what was decided, while it hears the rest; and the disk may take its time. How much longer.
    func ambush(_ host: Host, _ jobs: [DiskJob]) -> UInt64 {
        var token: SaveToken?
        for case .save(_, let one) in jobs { token = one }
        guard let token, !isHealing, now >= ambushedUntil, temper.faultGap > 0, counts.faults > 0, faults.chance(temper.onChange) else { return 0 }
        // The leader accepts first; worse it is once others have its proposal.
        if case .accepted(let acceptance) = token, host.node!.view.members[Int(acceptance.ballot.rank)] == host.id, faults.chance(80) { return 0 }
        counts.faults += 1
        if plan.skip.contains(counts.faults) { return 0 }
        struck.append(counts.faults)
        if coup(host, token) { return faults.chance(50) ? 2 * temper.suspectAfter : 0 }
        if case .installed = token {
            queue.add(.strike(near: host.index), at: now + faults.scale(Span.microsecond, temper.diskMost))
            return 0
        }
        let leader = hosts.filter(\.isRunning).first { $0.node!.isLive && $0.node!.view.members.first == $0.id } ?? host
        let others = faults.pick([0, 20, 40])
        if faults.chance(40) {
            ambushedUntil = now + 2 * temper.suspectAfter
            partition(isOneWay: faults.chance(80), side: hosts.map { $0 === leader || faults.chance(others) }, atLeast: 2 * temper.suspectAfter)
        }
        return faults.chance(50) ? 2 * temper.suspectAfter : 0
    }

    /// Cuts that make two leaders of one change: the first node to install what was agreed on is cut off before it has told anybody, so
    /// that the others agree once more; or the leader and the next in line lose one another, so that those between them are led by the
    /// second while they accept what the first has asked. True: it was done.
    private func coup(_ host: Host, _ token: SaveToken) -> Bool {
        let running = hosts.filter(\.isRunning)
        guard running.count > 3, faults.chance(60) else { return false }
        switch token {
        case .installed(let proposal, _):
            guard !running.contains(where: { $0 !== host && $0.node!.view.number >= proposal.view.number }) else { return false }
            partition(isOneWay: faults.chance(50), side: hosts.map { $0 === host }, atLeast: 2 * temper.suspectAfter)
        case .accepted(let acceptance):
            let members = host.node!.view.members
            let leader = members[Int(acceptance.ballot.rank)]
            let others = members.filter { member in running.contains { $0.id == member && $0.node!.view.number == host.node!.view.number } }
            guard leader != host.id, others.count > 3, let place = others.firstIndex(of: leader), place + 1 < others.count else { return false }
            let pair = [Int(leader.raw) - 1, Int(others[place + 1].raw) - 1]
            partition(between: { pair.contains($0) && pair.contains($1) }, "\(leader) and \(others[place + 1]) lose one another", atLeast: 2 * temper.suspectAfter)
            for id in peerLinks.keys.sorted() where peerLinks[id]!.hosts.allSatisfy({ pair.contains($0) }) {
                for end in 0...1 { queue.add(.linkDown(link: id, end: end, why: "cut"), at: now + faults.scale(1, 5 * Span.millisecond)) }
            }
        default: return false
        }
        ambushedUntil = now + 2 * temper.suspectAfter
        return true
    }

    /// Fault `number` of the plan, unless the plan leaves it out.
    func strike(_ number: Int, near: Host? = nil) {
        guard !isHealing else { return }
        let kind = faults.pick(temper.faults)
        let isAimed = near != nil && faults.chance(50)
        let running = hosts.filter(\.isRunning)
        note(UInt64(running.count))
        if plan.skip.contains(number) { return }
        struck.append(number)
        if let near, isAimed {
            let leader = running.first { $0.node!.isLive && $0.node!.view.members.first == $0.id } ?? near
            let target = faults.chance(60) ? near : leader
            // What it has just said may not have left it.
            if faults.chance(40) { return partition(isOneWay: faults.chance(50), side: hosts.map { $0 === target }) }
            return bring(down: target, power: temper.hasPowerCuts && faults.chance(50))
        }
        switch kind {
        case .crashMidTurn:
            guard !running.isEmpty else { return }
            let host = faults.pick(running)
            host.crashAfter = 1 + faults.below(6)
            host.crashesPower = temper.hasPowerCuts && faults.chance(50)
        case .syncError:
            guard !running.isEmpty else { return }
            let host = faults.pick(running)
            say("a sync of \(host.id)'s will fail")
            host.files.syncsUntilError = faults.below(4)
            host.syncFails = true
        case .diskFull:
            guard !running.isEmpty else { return }
            let host = faults.pick(running)
            host.files.capacity = host.files.used + faults.below(4 * temper.segmentBytes)
            say("\(host.id)'s disk is nearly full")
            queue.add(.relief(host: host.index), at: now + faults.scale(10 * Span.millisecond, temper.downMost))
        case .slowDisk:
            guard !running.isEmpty else { return }
            let host = faults.pick(running)
            host.isSlow = true
            say("\(host.id)'s disk is slow")
            queue.add(.relief(host: host.index), at: now + faults.scale(10 * Span.millisecond, temper.downMost))
        case .crashMost:
            guard running.count > 1 else { return }
            let spared = faults.pick(running)
            for host in running where host !== spared && faults.chance(80) { bring(down: host, power: temper.hasPowerCuts && faults.chance(50)) }
        case .kill, .powerCut:
            guard !running.isEmpty else { return }
            bring(down: faults.pick(running), power: kind == .powerCut && temper.hasPowerCuts)
        case .crashLeader:
            guard let leader = running.filter({ $0.node!.isLive && $0.node!.view.members.first == $0.id }).first else { return }
            bring(down: leader, power: temper.hasPowerCuts && faults.chance(50))
        case .crashAll:
            guard faults.chance(30) else { return }
            say("all go down")
            for host in running { bring(down: host, power: temper.hasPowerCuts) }
        case .cutLink:
            guard let id = peerLinks.keys.sorted().randomElement(using: &faults), let link = peerLinks[id] else { return }
            say("link \(id) is cut")
            for end in 0...1 { queue.add(.linkDown(link: id, end: end, why: "cut"), at: now + faults.scale(1, 5 * Span.millisecond)) }
            _ = link
        case .partition, .oneWay: partition(isOneWay: kind == .oneWay)
        case .stall:
            guard !running.isEmpty else { return }
            stall(faults.pick(running))
        case .clockStep:
            let host = faults.pick(hosts)
            host.wallOffset = Int64(clocks.below(20_000)) * 1_000_000 - 10_000_000_000
            say("\(host.id)'s clock is set by \(host.wallOffset / 1_000_000) ms")
        case .leave: letLeave()
        case .rot: letRot()
        case .clientHop:
            let index = faults.below(publishers.count + subscribers.count)
            if index < publishers.count { publishers[index].leave(self) } else { subscribers[index - publishers.count].leave(self) }
        }
    }

    func bring(down host: Host, power: Bool) {
        crash(host, power: power)
        queue.add(.boot(host: host.index), at: now + faults.scale(Span.millisecond, temper.downMost))
    }

    private func partition(isOneWay: Bool, side given: [Bool]? = nil, atLeast: UInt64 = 0) {
        let side = given ?? hosts.map { _ in faults.chance(50) }
        partition(between: { side[$0] && !side[$1] || !isOneWay && !side[$0] && side[$1] }, "\(side)\(isOneWay ? ", one way" : "")", atLeast: atLeast)
    }
    private func partition(between isBlocked: (Int, Int) -> Bool, _ what: String, atLeast: UInt64) {
        partitions += 1
        say("partition \(partitions): \(what)")
        for from in hosts.indices {
            for to in hosts.indices where from != to { blocked[from][to] = isBlocked(from, to) }
        }
        releaseHeld()
        for id in peerLinks.keys.sorted() {
            let link = peerLinks[id]!
            for end in 0...1 where blocked[link.hosts[1 - end]][link.hosts[end]] {
                queue.add(.silence(link: id, end: end), at: now + temper.suspectAfter + faults.next() % (temper.suspectAfter / 2))
            }
        }
        queue.add(.heal(partition: partitions), at: now + atLeast + faults.scale(5 * Span.millisecond, temper.downMost))
    }
    func unblock() {
        say("partition \(partitions) heals")
        for from in hosts.indices { for to in hosts.indices { blocked[from][to] = false } }
        releaseHeld()
    }

    /// A node that makes no progress for a while; its links may be given up for silent.
    private func stall(_ host: Host) {
        let span = faults.scale(Span.millisecond, 2 * Span.second)
        say("\(host.id) stalls for \(span / Span.millisecond) ms")
        host.stalledUntil = now + span
        host.turnAt = .max
        wake(host, after: span)
        for id in peerLinks.keys.sorted() {
            let link = peerLinks[id]!
            guard link.hosts.contains(host.index) else { continue }
            queue.add(.silence(link: id, end: 1 - link.end(of: host.index)), at: now + temper.suspectAfter + faults.next() % (temper.suspectAfter / 2))
        }
    }
}
