internal import Wire

/// A view that goes on: its number and its members.
public struct RemainingView: Equatable, Sendable {
    public let number: UInt64
    public let members: [UInt16]
}

/// Asks the cluster to let `node` go and waits until it has gone; where it has gone already, that is the answer. Throws what
/// the cluster refuses, and `.failed` when it takes longer than `options.patience` and 5 s.
public func release(_ options: ClientOptions, node: UInt16) throws(ClientError) -> RemainingView {
    let request = ReleaseRequest(request: 1, node: NodeID(node)).encode()
    let answer = try carryOut(options, name: "leave", .release, request, late: "node \(node) has not left yet; ask again") {
        (kind, body) throws(DecodeError) in kind == .released ? try ReleaseAnswer(body) : nil
    }
    return RemainingView(number: answer.view.number.raw, members: answer.view.members.map(\.raw))
}

/// Asks a node to take what it has of the topics that it holds for all there is, where no node has more; how many buckets of topics that were.
/// - force: nodes that are away are taken for lost.
public func giveUp(_ options: ClientOptions, force: Bool) throws(ClientError) -> Int {
    let request = GiveUpRequest(request: 1, isForced: force).encode()
    return try carryOut(options, name: "give-up", .giveUp, request, late: "the node does not answer; whether it is done is not known") {
        (kind, body) throws(DecodeError) in kind == .gaveUp ? try GiveUpAnswer(body).buckets : nil
    }
}
