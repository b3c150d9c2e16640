internal import Broker
internal import Wire

/// An operator at work: lets nodes leave, and starts them again later.
extension World {
    /// Somebody asks some node that some node leave, whether that can be or not.
    func letLeave() {
        let running = hosts.filter { $0.node?.isLive == true }
        guard !running.isEmpty else { return }
        let asked = faults.pick(running)
        let members = asked.node!.view.members
        // Mostly one that can go: of a pair, the second.
        let leaver = faults.chance(80) ? faults.pick(members.count == 2 ? [members[1]] : members) : faults.pick(hosts).id
        say("\(asked.id) is asked that \(leaver) leave")
        tell(asked, .asked(leaver))
    }

    /// How long a node that left stays away.
    func away() -> UInt64 { isMended ? Span.millisecond : faults.scale(Span.millisecond, 5 * Span.second) }

    func ask(_ host: Host, toLetGo node: NodeID, _ at: Instant) {
        // Above all numbers that links get.
        let session = SessionID(UInt32.max - UInt32(host.operators.count))
        host.operators[session] = node
        host.node!.sessionUp(session, into: &host.out)
        do throws(DecodeError) {
            try ReleaseRequest(request: 1, node: node).encode().withView { view throws(DecodeError) in
                _ = try host.node!.sessionMessage(session, .release, view, now: at, into: &host.out)
            }
        } catch { checker.fail("\(host.id) cannot understand an operator: \(error)") }
    }

    /// An operator is told that a node has gone: it is in no view that this node knows of.
    func answered(_ host: Host, _ session: SessionID, _ kind: MessageKind) {
        guard let node = host.operators[session], kind == .released || kind == .refused else { return }
        say("\(host.id) answers that \(node) \(kind == .released ? "has left" : "cannot leave")")
        if kind == .released, node != host.id, host.node!.view.contains(node) {
            checker.fail("\(host.id) says that \(node) has left, and runs \(host.node!.view)")
        }
        host.node!.sessionDown(session)
    }
}
