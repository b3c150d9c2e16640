internal import Broker
internal import Wire

/// Blocks of large frames on their way from member to member, as `dbroker` passes them on.
extension World {
    /// Where a host's ring is mirrored at another.
    func mirror(of node: NodeID, at host: Host) -> ByteStore? { host.links[Int(node.raw) - 1].map { $0.mirror[$0.end(of: host.index)].store } }

    /// Own bytes go to their place, word of them behind; others' wait until there is room.
    func relay(_ block: RelayBlock, to id: NodeID, _ host: Host) {
        guard let link = host.links[Int(id.raw) - 1] else { return }
        guard block.sender == host.id else {
            if let source = host.links[Int(block.sender.raw) - 1] { host.relays.append((link, block, source)) }
            return
        }
        send(link, from: host, .data(from: block.from, to: block.to, network.chance(50) ? copy(host.ring, block.from, block.to) : nil))
        send(link, from: host, .message(.relay, block.encode(isInPlace: true)))
    }

    /// What there is room for: some of it, and the rest when there is room again.
    func passBlocksOn(_ host: Host) {
        guard !host.relays.isEmpty, host.isRunning else { return }
        while let (link, block, source) = host.relays.first, network.chance(80) {
            host.relays.removeFirst()
            // With a link that has gone the view has, too.
            guard host.links.contains(where: { $0 === source }), host.links.contains(where: { $0 === link }) else { continue }
            var bytes = block.encode(isInPlace: false)
            bytes += copy(source.mirror[source.end(of: host.index)], block.from, block.to)
            send(link, from: host, .message(.relay, bytes))
        }
        if !host.relays.isEmpty { wake(host, after: 1 + network.next() % (20 * Span.microsecond)) }
    }
}
