package import Wire

/// Who this process is to its peers.
package enum LinkIdentity: Hashable, Sendable, CustomStringConvertible {
    case node(NodeID, Incarnation)
    /// A client: a number drawn for this run, and a name for people (at most 255 bytes of UTF-8).
    case client(UInt64, name: String)

    package var isNode: Bool {
        if case .node = self { true } else { false }
    }
    package var description: String {
        switch self {
        case .node(let node, _): "\(node)"
        case .client(let number, let name): name.isEmpty ? "client \(String(number, radix: 16))" : "client \(name)"
        }
    }
}

/// How `sleep` spends the time until something happens.
package enum WaitMode: Sendable {
    /// Yields for some tens of microseconds after the last traffic, then blocks in the kernel.
    case adaptive
    /// Never blocks; gives the processor up for a moment only.
    case busy
    /// Blocks at once.
    case sleep
}

/// What a transport is to be. Sizes in bytes, times in nanoseconds.
package struct TransportOptions: Sendable {
    /// A libfabric provider that has FI_EP_MSG endpoints: `tcp`, `verbs`; `auto` takes verbs where an RDMA device serves the address.
    package var provider = "auto"
    /// Where to listen; nil for one that only connects. Port 0 takes any free one.
    package var listen: (host: String, port: UInt16)?
    /// Both ends of a link must name the same cluster and hold the same secret.
    package var cluster: String
    package var secret: [UInt8]
    package var identity: LinkIdentity
    /// My receiving message ring on each link, other than accepted client links. Rounded up to whole pages.
    package var messageRing = 4 << 20
    /// My receiving message ring on an accepted client link.
    package var clientMessageRing = 4 << 20
    /// A node's own multicast ring, mirrored by its peer nodes. 0: none.
    package var dataRing = 0
    /// Room of one application row, at most `Limits.row`. Both what I may set and what I take from a peer.
    package var rowBytes = 0
    /// Between a client and a node of one machine each writes messages into the other's memory itself, where the kernel lets it.
    package var sharesMemory = true
    /// A row is written at least this often, so that the peer knows that this process runs.
    package var heartbeat: UInt64 = 100_000_000
    /// A peer from which nothing has come for this long is given up; a node that is otherwise punctual sooner (`SilenceDetector`).
    package var deadline: UInt64 = 1_000_000_000
    /// How long a connection may take from its first packet to the end of the hello.
    package var helloDeadline: UInt64 = 3_000_000_000
    /// Links at a time, half-open ones included; at most 65,535.
    package var maximumLinks = 512
    /// Accepted connections whose hello has not ended; further ones are turned away.
    package var maximumHalfOpen = 64

    package init(cluster: String, secret: [UInt8], identity: LinkIdentity) {
        self.cluster = cluster
        self.secret = secret
        self.identity = identity
    }
}
