internal import Broker
internal import Wire

/// What goes wrong.
extension World {
    func fault() {
        guard !isHealing else { return }
        var gap = faults.scale(temper.faultGap / 8 + 1, 2 * temper.faultGap)
        if faults.chance(temper.onTheHeels) { gap = faults.scale(100 * Span.microsecond, 20 * Span.millisecond) }
        queue.add(.fault, at: now + gap)
        counts.faults += 1
        let kind = faults.pick(temper.faults)
        let running = hosts.filter(\.isRunning)
        note(UInt64(running.count))
        switch kind {
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
        case .clientHop:
            let index = faults.below(publishers.count + subscribers.count)
            if index < publishers.count { publishers[index].leave(self) } else { subscribers[index - publishers.count].leave(self) }
        }
    }

    private func bring(down host: Host, power: Bool) {
        crash(host, power: power)
        queue.add(.boot(host: host.index), at: now + faults.scale(Span.millisecond, 3 * Span.second))
    }

    private func partition(isOneWay: Bool) {
        let side = hosts.map { _ in faults.chance(50) }
        partitions += 1
        say("partition \(partitions): \(side)\(isOneWay ? ", one way" : "")")
        for from in hosts.indices {
            for to in hosts.indices where from != to { blocked[from][to] = side[from] && !side[to] || !isOneWay && !side[from] && side[to] }
        }
        releaseHeld()
        for id in peerLinks.keys.sorted() {
            let link = peerLinks[id]!
            for end in 0...1 where blocked[link.hosts[1 - end]][link.hosts[end]] {
                queue.add(.silence(link: id, end: end), at: now + temper.suspectAfter + faults.next() % (temper.suspectAfter / 2))
            }
        }
        queue.add(.heal(partition: partitions), at: now + faults.scale(5 * Span.millisecond, 3 * Span.second))
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
