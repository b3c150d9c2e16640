/// A link of this process: an index that is used again, and a generation that tells its uses apart.
package struct LinkID: Hashable, Sendable, CustomStringConvertible {
    package let raw: UInt32
    package init(raw: UInt32) { self.raw = raw }
    init(index: Int, generation: UInt16) { raw = UInt32(generation) << 16 | UInt32(index) }
    /// Dense and small: below `TransportOptions.maximumLinks`; for tables beside the transport's own.
    package var index: Int { Int(raw & 0xffff) }
    var generation: UInt16 { UInt16(raw >> 16) }
    package var description: String { "link \(index).\(generation)" }
}

/// Who is at the other end, as the authenticated hello told.
package struct PeerIdentity: Hashable, Sendable {
    package let identity: LinkIdentity
    /// Host and port as the provider shows them; for people.
    package let address: String
    /// Whether this process made the connection.
    package let isOutgoing: Bool
}

/// Why a link went down.
package enum DownReason: Hashable, Sendable, CustomStringConvertible {
    /// `close` was called here.
    case local
    /// The peer closed, died, or the connection broke.
    case closed
    /// Nothing was heard for the deadline.
    case silent
    /// No connection, or the hello did not end in time.
    case unreachable(String)
    /// One side did not want the other: cluster, secret, version, itself, too many links.
    case refused(String)
    /// The peer broke the rules of the link.
    case `protocol`(String)

    package var description: String {
        switch self {
        case .local: "closed here"
        case .closed: "closed by the peer"
        case .silent: "nothing heard from the peer"
        case .unreachable(let why): "unreachable: \(why)"
        case .refused(let why): "refused: \(why)"
        case .protocol(let why): "protocol violation: \(why)"
        }
    }
}

/// What `poll` and `sleep` report.
package enum TransportEvent: Hashable, Sendable {
    /// The hello has ended well: the link can be used.
    case up(LinkID, peer: PeerIdentity)
    /// The link is gone with all its memory; nothing may be asked of it any more. Exactly one for each `connect` and each `up`.
    case down(LinkID, DownReason)
    /// An accepted connection that never came up: who (address), and why, in words.
    case refused(from: String, reason: String)
    /// One or more messages can be received.
    case message(LinkID)
    /// The peer's application row has changed; all data that the peer posted before it set that row is here.
    case row(LinkID)
    /// A send or reserve had found no room; there is more now.
    case space(LinkID)
    /// A file descriptor given to `addWakeup` can be read.
    case wakeup(Int32)
}

/// Why the fabric could not do what was asked: words with libfabric's or the system's own.
package enum TransportError: Error, Equatable, Sendable, CustomStringConvertible {
    /// No provider of that name serves the address.
    case noProvider(String)
    /// The address cannot be listened on, or not be understood.
    case address(String)
    /// All links are in use.
    case tooManyLinks(limit: Int)
    /// An option outside its bounds.
    case option(String)
    /// A call to libfabric or the system failed.
    case failed(call: String, why: String)

    package var description: String {
        switch self {
        case .noProvider(let why): "no fabric provider: \(why)"
        case .address(let why): why
        case .tooManyLinks(let limit): "all \(limit) links are in use"
        case .option(let why): why
        case .failed(let call, let why): "\(call): \(why)"
        }
    }
}
