internal import Wire

/// Asks that a node leave, again at each broker that takes over from a lost one.
private final class Release: AttachmentUser {
    let node: NodeID
    private(set) var answer: ReleaseAnswer?
    private(set) var fault: ClientError?
    var attachment: Attachment?

    init(_ node: NodeID) { self.node = node }

    var takesAnyNode: Bool { false }
    func attached() { _ = attachment?.send(.release, ReleaseRequest(request: 1, node: node).encode()) }
    func detached() {}
    func received(_ kind: MessageKind, _ body: ByteView) throws(ClientError) -> Bool {
        do throws(DecodeError) {
            switch kind {
            case .released: answer = try ReleaseAnswer(body)
            case .refused:
                let refusal = try Refusal(body)
                switch refusal.code {
                case .unavailable: attachment?.leave(refusal.reason, self)
                case .malformed: fault = .invalid(refusal.reason)
                default: fault = .refused(refusal.reason)
                }
            default: break
            }
        } catch { throw .failed("the broker's answer: \(error)") }
        return true
    }
}

/// A view that goes on: its number and its members.
public struct RemainingView: Equatable, Sendable {
    public let number: UInt64
    public let members: [UInt16]
}

/// Asks the cluster to let `node` go and waits until it has gone; where it has gone already, that is the answer. Throws what
/// the cluster refuses, and `.failed` when it takes longer than `options.patience` and 5 s.
public func release(_ options: ClientOptions, node: UInt16) throws(ClientError) -> RemainingView {
    let release = Release(NodeID(node))
    let attachment = try Attachment(options, name: "leave")
    release.attachment = attachment
    defer {
        attachment.close()
        release.attachment = nil
    }
    let limit = Attachment.now() + UInt64((options.patience + 5) * 1e9)
    while true {
        if let answer = release.answer {
            return RemainingView(number: answer.view.number.raw, members: answer.view.members.map(\.raw))
        }
        if let fault = release.fault { throw fault }
        guard Attachment.now() < limit else { throw .failed("node \(node) has not left yet; ask again") }
        _ = try attachment.turn(until: Attachment.now() + 50_000_000, reading: -1, release)
    }
}
