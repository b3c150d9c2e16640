internal import Wire

/// One question to whichever broker answers.
private final class Inquiry: AttachmentUser {
    let question: String
    private(set) var answer: String?
    var attachment: Attachment?

    init(_ question: String) { self.question = question }

    var takesAnyNode: Bool { true }
    func attached() {
        var bytes: [UInt8] = []
        bytes.append(int: UInt32(1))
        bytes.append(text: question)
        _ = attachment?.send(.inquire, bytes)
    }
    func detached() {}
    func received(_ kind: MessageKind, _ body: ByteView) throws(ClientError) -> Bool {
        if kind == .answer, body.count >= 4 { answer = body.from(4).text }
        return true
    }
}

/// Asks a broker one question. `what`: `status`, `topics`; the answer is JSON text.
public func inquire(_ options: ClientOptions, _ what: String) throws(ClientError) -> String {
    try inquire(options, what) { false } ?? ""
}

/// The same; nil once `isCancelled`, which is asked every 50 ms.
public func inquire(_ options: ClientOptions, _ what: String, until isCancelled: () -> Bool) throws(ClientError) -> String? {
    let inquiry = Inquiry(what)
    let attachment = try Attachment(options, name: "inquiry")
    inquiry.attachment = attachment
    defer { attachment.close() }
    let limit = Attachment.now() + UInt64(options.patience * 1e9) + 1_000_000_000
    while inquiry.answer == nil {
        if isCancelled() { return nil }
        _ = try attachment.turn(until: Attachment.now() + 50_000_000, reading: -1, inquiry)
        if Attachment.now() > limit { throw .failed("the broker does not answer") }
    }
    return inquiry.answer
}
