internal import Wire

/// One request to the cluster, made again at each broker that takes over from a lost one: what it asks for is the same twice.
private final class Order<Answer>: AttachmentUser {
    private let kind: MessageKind
    private let bytes: [UInt8]
    private let read: (MessageKind, ByteView) throws(DecodeError) -> Answer?
    private(set) var answer: Answer?
    private(set) var fault: ClientError?
    var attachment: Attachment?

    init(_ kind: MessageKind, _ bytes: [UInt8], _ read: @escaping (MessageKind, ByteView) throws(DecodeError) -> Answer?) {
        self.kind = kind
        self.bytes = bytes
        self.read = read
    }

    var takesAnyNode: Bool { false }
    func attached() { _ = attachment?.send(kind, bytes) }
    func detached() {}
    func received(_ kind: MessageKind, _ body: ByteView) throws(ClientError) -> Bool {
        do throws(DecodeError) {
            guard kind == .refused else {
                answer = try read(kind, body) ?? answer
                return true
            }
            let refusal = try Refusal(body)
            switch refusal.code {
            case .unavailable: attachment?.leave(refusal.reason, self)
            case .malformed: fault = .invalid(refusal.reason)
            default: fault = .refused(refusal.reason)
            }
        } catch { throw .failed("the broker's answer: \(error)") }
        return true
    }
}

/// Sends `bytes` and waits for what `read` makes of an answer. Throws what the cluster refuses, and `.failed` with `late` when it takes
/// longer than `options.patience` and 5 s.
func carryOut<Answer>(
    _ options: ClientOptions, name: String, _ kind: MessageKind, _ bytes: [UInt8], late: String,
    _ read: @escaping (MessageKind, ByteView) throws(DecodeError) -> Answer?
) throws(ClientError) -> Answer {
    let order = Order(kind, bytes, read)
    let attachment = try Attachment(options, name: name)
    order.attachment = attachment
    defer {
        attachment.close()
        order.attachment = nil
    }
    let limit = Attachment.now() + UInt64((options.patience + 5) * 1e9)
    while true {
        if let answer = order.answer { return answer }
        if let fault = order.fault { throw fault }
        guard Attachment.now() < limit else { throw .failed(late) }
        _ = try attachment.turn(until: Attachment.now() + 50_000_000, reading: -1, order)
    }
}
