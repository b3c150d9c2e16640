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
