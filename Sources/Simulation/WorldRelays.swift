internal import Broker
internal import Wire

/// Blocks of large frames on their way from member to member, as `dbroker` passes them on.
extension World {
    /// Where a host's ring is mirrored at another.
    func mirror(of node: NodeID, at host: Host) -> ByteView? { host.links[Int(node.raw) - 1].map { $0.mirror[$0.end(of: host.index)].view } }

    /// What there is room for: some of it, and the rest when there is room again.
    func passBlocksOn(_ host: Host) {
        guard !host.relays.isEmpty, host.isRunning else { return }
        while let (link, block, owner) = host.relays.first, network.chance(80) {
            host.relays.removeFirst()
            // With a link that has gone the view has, too.
            guard host.links.contains(where: { $0 === link }) else { continue }
            var bytes = block.encode()
            bytes.append(view: owner.view[block.part])
            send(link, from: host, .message(.relay, bytes))
        }
        if !host.relays.isEmpty { wake(host, after: 1 + network.next() % (20 * Span.microsecond)) }
    }
}
