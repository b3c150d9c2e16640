internal import Broker
internal import Storage
internal import Wire

/// What goes wrong.
extension World {
    /// The next fault of the world's own clock.
    func fault() {
        guard !isMended else { return }
        var gap = faults.scale(temper.faultGap / 8 + 1, 2 * temper.faultGap)
        if faults.chance(temper.onTheHeels) { gap = faults.scale(100 * Span.microsecond, 20 * Span.millisecond) }
        queue.add(.fault, at: now + gap)
        // One thing at a time, mostly: a second fault would undo what was set on a view change.
        guard now >= ambushedUntil || faults.chance(20), !temper.isDuel || plan.isUnlimited || isWhole else { return }
        counts.faults += 1
        strike(counts.faults)
    }

    /// All are members of the same view.
    var isWhole: Bool {
        hosts.allSatisfy { host in host.node.map { $0.isLive && $0.view.members.count == hosts.count } ?? false }
    }

    /// Fault `number` of the plan, unless the plan leaves it out.
    func strike(_ number: Int, near: Host? = nil) {
        guard !isMended else { return }
        let kind = faults.pick(temper.faults)
        let isAimed = near != nil && faults.chance(50)
        let running = hosts.filter(\.isRunning)
        note(UInt64(running.count))
        if plan.skip.contains(number) { return }
        struck.append(number)
        if let near, isAimed { return aim(near, running) }
        switch kind {
        case .clockStep:
            let host = faults.pick(hosts)
            host.wallOffset = Int64(clocks.below(20_000)) * 1_000_000 - 10_000_000_000
            say("\(host.id)'s clock is set by \(host.wallOffset / 1_000_000) ms")
        case .cutLink:
            guard let id = peerLinks.keys.sorted().randomElement(using: &faults) else { return }
            say("link \(id) is cut")
            for end in 0...1 { queue.add(.linkDown(link: id, end: end, isCut: true), at: now + faults.scale(1, 5 * Span.millisecond)) }
        case .partition, .oneWay: partition(isOneWay: kind == .oneWay)
        case .leave: letLeave()
        case .rot: letRot()
        case .clientHop:
            let index = faults.below(publishers.count + subscribers.count)
            if index < publishers.count { publishers[index].leave(self) } else { subscribers[index - publishers.count].leave(self) }
        default: if !running.isEmpty { strike(kind, running) }
        }
    }

    /// On the heels of a change of view: at the node that made it, or at the first.
    private func aim(_ near: Host, _ running: [Host]) {
        let leader = running.first { $0.node!.isLive && $0.node!.view.members.first == $0.id } ?? near
        let target = faults.chance(60) ? near : leader
        // What it has just said may not have left it.
        if faults.chance(40) { return partition(isOneWay: faults.chance(50), side: hosts.map { $0 === target }) }
        bring(down: target, power: temper.hasPowerCuts && faults.chance(50))
    }

    /// What befalls nodes that run.
    private func strike(_ kind: Temper.Fault, _ running: [Host]) {
        switch kind {
        case .crashMost:
            guard running.count > 1 else { return }
            let spared = faults.pick(running)
            for host in running where host !== spared && faults.chance(80) { bring(down: host, power: temper.hasPowerCuts && faults.chance(50)) }
        case .crashAll:
            guard faults.chance(30) else { return }
            say("all go down")
            for host in running { bring(down: host, power: temper.hasPowerCuts) }
        case .crashLeader:
            guard let leader = running.first(where: { $0.node!.isLive && $0.node!.view.members.first == $0.id }) else { return }
            bring(down: leader, power: temper.hasPowerCuts && faults.chance(50))
        default: strike(kind, faults.pick(running))
        }
    }

    private func strike(_ kind: Temper.Fault, _ host: Host) {
        switch kind {
        case .kill, .powerCut: bring(down: host, power: kind == .powerCut && temper.hasPowerCuts)
        case .stall: stall(host)
        case .crashMidTurn:
            host.crashAfter = 1 + faults.below(6)
            host.crashesPower = temper.hasPowerCuts && faults.chance(50)
        case .syncError:
            say("a sync of \(host.id)'s will fail")
            host.files.syncsUntilError = faults.below(4)
            host.syncFails = true
        case .diskFull:
            host.files.capacity = host.files.used + faults.below(4 * temper.segmentBytes)
            say("\(host.id)'s disk is nearly full")
            if !isForGood(30) { queue.add(.relief(host: host.index), at: now + faults.scale(10 * Span.millisecond, temper.downMost)) }
        case .slowDisk:
            host.isSlow = true
            say("\(host.id)'s disk is slow")
            if !isForGood(30) { queue.add(.relief(host: host.index), at: now + faults.scale(10 * Span.millisecond, temper.downMost)) }
        default: preconditionFailure("\(kind) befalls no single node")
        }
    }

    /// Where nothing is limited, some faults last.
    private func isForGood(_ chance: Int) -> Bool { plan.isUnlimited && faults.chance(chance) }

    func bring(down host: Host, power: Bool) {
        crash(host, power: power)
        if isForGood(4) { return say("\(host.id) never comes back") }
        queue.add(.boot(host: host.index), at: now + faults.scale(Span.millisecond, temper.downMost))
    }

    /// Once in a world. Where a node has never had a view, it and an empty disk could begin the cluster anew: no disk says otherwise.
    func canLoseDisk(of host: Host) -> Bool {
        temper.losesDisk && checker.canSpare(host.id) && hosts.allSatisfy { $0.lost == nil && $0.view > ViewNumber(0) }
    }

    /// It is down, and comes back on an empty one.
    func loseDisk(of host: Host) {
        say("\(host.id) loses its disk")
        host.loseDisk()
        words.forget(host.index)
    }

    /// All go down, `host` to lose its disk; of the others the one with the longest log may be away for long.
    func bringAllDown(losing host: Host) {
        guard host.isRunning, canLoseDisk(of: host) else { return }
        let running = hosts.filter(\.isRunning)
        let longest = running.filter { $0 !== host }.max { ($0.peak, $1.index) < ($1.peak, $0.index) }
        crash(host, power: temper.hasPowerCuts)
        if host.lost == nil { loseDisk(of: host) }
        for one in running {
            crash(one, power: temper.hasPowerCuts)
            queue.add(.boot(host: one.index), at: now + faults.scale(Span.millisecond, one === longest ? 2 * Span.second : 50 * Span.millisecond))
        }
    }

    /// `seenThrough`: nothing else happens and it does not heal before the nodes have noticed.
    func partition(isOneWay: Bool, side given: [Bool]? = nil, seenThrough: Bool = false) {
        let side = given ?? hosts.map { _ in faults.chance(50) }
        partitions += 1
        say("partition \(partitions): \(side)\(isOneWay ? ", one way" : "")")
        for from in hosts.indices {
            for to in hosts.indices where from != to { blocked[from][to] = side[from] && !side[to] || !isOneWay && !side[from] && side[to] }
        }
        let atLeast = seenThrough ? 2 * temper.suspectAfter : 0
        if seenThrough { ambushedUntil = now + atLeast }
        releaseHeld()
        for id in peerLinks.keys.sorted() {
            let link = peerLinks[id]!
            for end in 0...1 where blocked[link.hosts[1 - end]][link.hosts[end]] {
                queue.add(.silence(link: id, end: end), at: now + temper.suspectAfter + faults.next() % (temper.suspectAfter / 2))
            }
        }
        // The next one takes its place.
        if isForGood(25) { return }
        queue.add(.heal(partition: partitions), at: now + atLeast + faults.scale(5 * Span.millisecond, temper.downMost))
    }
    func unblock() {
        say("partition \(partitions) heals")
        for from in hosts.indices { for to in hosts.indices { blocked[from][to] = false } }
        releaseHeld()
    }

    /// A node that makes no progress for a while; its links may be given up for silent.
    private func stall(_ host: Host) {
        let span = faults.scale(Span.millisecond, (isForGood(20) ? 60 : 2) * Span.second)
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
