import Testing
import Wire

@testable import Client
@testable import Transport

@Suite struct AttachmentTests {
    private final class User: AttachmentUser {
        var isAttached = false
        var received: [MessageKind] = []
        var takesAnyNode: Bool { false }
        func attached() { isAttached = true }
        func detached() { isAttached = false }
        func received(_ kind: MessageKind, _ body: ByteView) throws(ClientError) -> Bool {
            received.append(kind)
            return true
        }
    }

    /// What came before the wait is looked at before it: a subscriber that has all it wants, a publisher whose last record is acknowledged.
    @Test func nobodySleepsOnWhatHasCome() throws {
        var options = TransportOptions(cluster: "test", secret: [], identity: .node(NodeID(1), Incarnation(1)))
        options.provider = "tcp"
        options.listen = (host: "127.0.0.1", port: 0)
        let node = try Transport(options)
        var asked = ClientOptions(brokers: [BrokerAddress(host: "127.0.0.1", port: node.listeningPort)])
        asked.provider = "tcp"
        let (attachment, user) = (try Attachment(asked, name: "tester"), User())
        var events: [TransportEvent] = []
        var link: LinkID?
        let welcome = ClusterInfo(view: ViewNumber(1), quorum: 1, members: 1, nodes: [])
        let limit = Attachment.now() + 20_000_000_000
        while !user.isAttached, Attachment.now() < limit {
            node.poll(now: Attachment.now(), into: &events)
            for case .up(let one, _) in events where link == nil {
                link = one
                welcome.encode().withView { #expect(node.send(one, kind: MessageKind.cluster.rawValue, $0)) }
            }
            node.flush()
            _ = try attachment.turn(until: 0, reading: -1, user)
        }
        let client = try #require(user.isAttached ? link : nil, "the client does not reach the node")
        // Written into the client's memory at once: the two are neighbours.
        try #require(attachment.transport.counters.neighbours == 1)
        // As beside neighbours that compute: it blocks at once.
        attachment.transport.nextYield = .max
        for round in 1...100 {
            #expect(node.send(client, kind: MessageKind.position.rawValue, .empty))
            node.flush()
            let sleeps = attachment.transport.counters.sleeps
            _ = try attachment.turn(until: Attachment.now() + 60_000_000_000, reading: -1, user)
            try #require(user.received.count == round && attachment.transport.counters.sleeps == sleeps, "round \(round): it slept on what it had")
            node.poll(now: Attachment.now(), into: &events)
        }
        attachment.close()
    }
}
