internal import Broker
internal import DequeModule
internal import Wire

/// Links between nodes and with clients: delays, order, loss.
extension World {
    private func delay() -> UInt64 { network.scale(2 * Span.microsecond, temper.networkMost) }

    private func lag(from: Int, to: Int) -> UInt64 {
        if !temper.lags.isEmpty { return temper.lags[from][to] }
        guard let duel, now < duel.until, !isMended else { return 0 }
        return duel.lag(from, to)
    }

    // MARK: between nodes

    /// The higher of two ids connects to the lower.
    func connectPeers(_ host: Host) {
        for peer in 0..<host.index where host.links[peer] == nil && !host.isConnecting[peer] && now >= host.nextAttempt[peer] {
            host.nextAttempt[peer] = now + 100 * Span.millisecond
            host.isConnecting[peer] = true
            queue.add(.connect(host: host.index, life: host.life, peer: peer), at: now + 100 * Span.microsecond + 2 * delay())
        }
    }

    func connect(_ host: Host, _ life: Int, _ peer: Host) {
        guard host.isRunning, host.life == life else { return }
        guard peer.isRunning, peer.stalledUntil <= now, !blocked[host.index][peer.index], !blocked[peer.index][host.index] else {
            host.isConnecting[peer.index] = false
            return
        }
        let link = PeerLink(id: nextLink, hosts: [host.index, peer.index], lives: [host.life, peer.life], ringBytes: temper.ringBytes)
        nextLink += 1
        peerLinks[link.id] = link
        for end in 0...1 {
            link.isUp[end] = true
            tell(hosts[link.hosts[end]], .peerUp(link))
        }
    }

    func peerUp(_ host: Host, _ link: PeerLink) {
        let end = link.end(of: host.index)
        let peer = link.hosts[1 - end]
        host.isConnecting[peer] = false
        guard link.isUp[end] else { return }
        if let old = host.links[peer] {
            host.retained.append(old.mirror[old.end(of: host.index)])
            drop(old, at: old.end(of: host.index))
        }
        host.links[peer] = link
        say("\(host.id) has link \(link.id) to \(hosts[peer].id)")
        host.node!.peerUp(hosts[peer].id, into: &host.out)
        link.wasUp[end] = true
    }

    func send(_ link: PeerLink, from host: Host, _ item: PeerLink.Item) {
        let end = 1 - link.end(of: host.index)
        guard link.isUp[1 - end] else { return }
        link.queue[end].append(item)
        link.lastArrival[end] = max(link.lastArrival[end], now + delay() + lag(from: host.index, to: link.hosts[end]))
        queue.add(.arrive(link: link.id, end: end), at: link.lastArrival[end])
    }

    func arrive(_ link: PeerLink, _ end: Int) {
        guard link.isUp[end] else { return }
        guard !blocked[link.hosts[1 - end]][link.hosts[end]] else {
            link.held[end] += 1
            return
        }
        guard let item = link.queue[end].popFirst() else { return }
        let host = hosts[link.hosts[end]]
        switch item {
        case .message(let kind, let bytes): tell(host, .message(link, kind, bytes))
        case .data(let from, let to, let bytes):
            let sender = hosts[link.hosts[1 - end]]
            if bytes == nil, !link.isUp[1 - end] {
                // Its sender has gone: nothing more comes.
                link.queue[end].removeAll()
                return
            }
            let data = bytes ?? copy(sender.ring, from, to)
            let size = UInt64(temper.ringBytes)
            var at = from
            data.withView { view in
                while at < to {
                    let part = min(to - at, size - at % size)
                    link.mirror[end].store.write(view[Int(at - from)..<Int(at - from + part)], at: Int(at % size))
                    at += part
                }
            }
        case .row(let bytes):
            link.row[end] = bytes
            guard !link.isRowWaiting[end] else { return }
            link.isRowWaiting[end] = true
            tell(host, .row(link))
        }
    }

    /// This end closes the link; nobody is told here, the other end hears of it later.
    func drop(_ link: PeerLink, at end: Int) {
        guard link.isUp[end] else { return }
        link.isUp[end] = false
        if link.isUp[1 - end] {
            let isCut = blocked[link.hosts[end]][link.hosts[1 - end]]
            let pause = isCut ? temper.suspectAfter + delay() : network.chance(20) ? temper.suspectAfter : delay()
            queue.add(.linkDown(link: link.id, end: 1 - end, isCut: false), at: now + pause)
        } else {
            peerLinks[link.id] = nil
        }
    }

    func linkDown(_ link: PeerLink, _ end: Int, _ why: String) {
        guard link.isUp[end] else { return }
        let host = hosts[link.hosts[end]]
        tell(host, .peerDown(link, why))
        drop(link, at: end)
    }

    func silence(_ link: PeerLink, _ end: Int) {
        guard blocked[link.hosts[1 - end]][link.hosts[end]] || hosts[link.hosts[1 - end]].stalledUntil > now else { return }
        linkDown(link, end, "silent for \(temper.suspectAfter / Span.millisecond) ms")
    }

    /// What a partition held up goes on, where the link still stands.
    func releaseHeld() {
        for id in peerLinks.keys.sorted() {
            let link = peerLinks[id]!
            for end in 0...1 where !blocked[link.hosts[1 - end]][link.hosts[end]] {
                for _ in 0..<link.held[end] {
                    link.lastArrival[end] = max(link.lastArrival[end], now + delay())
                    queue.add(.arrive(link: id, end: end), at: link.lastArrival[end])
                }
                link.held[end] = 0
            }
        }
    }

    // MARK: clients

    /// A client reaches for a node; nil where nobody answers.
    func connectClient(_ client: Int, to host: Host) -> ClientLink? {
        guard host.isRunning, host.stalledUntil <= now else { return nil }
        let link = ClientLink(id: nextLink, client: client, host: host.index, life: host.life)
        nextLink += 1
        clientLinks[link.id] = link
        link.isUpAtNode = true
        tell(host, .sessionUp(link))
        return link
    }

    func toNode(_ link: ClientLink, _ kind: MessageKind, _ bytes: [UInt8]) {
        guard link.isUpAtClient else { return }
        link.toNode.append((kind, bytes))
        link.lastToNode = max(link.lastToNode, now + delay())
        queue.add(.clientArrive(link: link.id, toNode: true), at: link.lastToNode)
    }
    func arriveAtNode(_ link: ClientLink) {
        guard link.isUpAtNode, let (kind, bytes) = link.toNode.popFirst() else { return }
        tell(hosts[link.host], .sessionMessage(link, kind, bytes))
    }

    func toClient(_ link: ClientLink, _ kind: MessageKind, _ bytes: [UInt8]) {
        guard link.isUpAtNode else { return }
        if kind == .acknowledge, link.client < publishers.count { promised(link.client, bytes) }
        let cost = align8(bytes.count) + 8
        link.toldUsed = -1
        guard link.waiting.isEmpty, link.used + cost <= temper.clientBytes else { return link.waiting.append((kind, bytes)) }
        link.used += cost
        link.toClient.append((kind, bytes))
        // Some clients read slowly.
        let pause = workload.chance(3) ? workload.scale(Span.millisecond, 30 * Span.millisecond) : delay()
        link.lastToClient = max(link.lastToClient, now + pause)
        queue.add(.clientArrive(link: link.id, toNode: false), at: link.lastToClient)
    }
    func arriveAtClient(_ link: ClientLink) {
        guard let (kind, bytes) = link.toClient.popFirst() else { return }
        link.used -= align8(bytes.count) + 8
        while let (kind, bytes) = link.waiting.first, link.isUpAtNode, link.used + align8(bytes.count) + 8 <= temper.clientBytes {
            link.waiting.removeFirst()
            link.used += align8(bytes.count) + 8
            link.toClient.append((kind, bytes))
            link.lastToClient = max(link.lastToClient, now + delay())
            queue.add(.clientArrive(link: link.id, toNode: false), at: link.lastToClient)
        }
        if link.isUpAtNode { wake(hosts[link.host], after: 1 + network.next() % (20 * Span.microsecond)) }
        guard link.isUpAtClient else { return }
        model(link.client).received(kind, bytes, link, self)
    }

    func closeAtNode(_ link: ClientLink) {
        guard link.isUpAtNode else { return }
        link.isUpAtNode = false
        queue.add(.clientDown(link: link.id, atNode: false), at: max(link.lastToClient, now + delay()))
    }
    func closeAtClient(_ link: ClientLink) {
        guard link.isUpAtClient else { return }
        link.isUpAtClient = false
        queue.add(.clientDown(link: link.id, atNode: true), at: max(workload.chance(50) ? 0 : link.lastToNode, now + delay()))
    }
    func downAtNode(_ link: ClientLink) {
        guard link.isUpAtNode else { return }
        link.isUpAtNode = false
        clientLinks[link.id] = nil
        tell(hosts[link.host], .sessionDown(link))
    }
    func downAtClient(_ link: ClientLink) {
        guard link.isUpAtClient else { return }
        link.isUpAtClient = false
        clientLinks[link.id] = nil
        model(link.client).lost(link, self)
    }

    /// The node has given its word, whether or not the publisher hears it.
    private func promised(_ client: Int, _ bytes: [UInt8]) {
        guard let answer = bytes.withView({ try? Acknowledgement($0) }), answer.group == .durable else { return }
        checker.acknowledged(UInt32(client), upTo: answer.last)
    }
}
