internal import Wire

/// Where a consumer group is to go on.
public enum ConsumerPlace: Equatable, Sendable {
    case beginning
    case end
    case offset(UInt64)
}

/// One order for a consumer group, given again at each broker that takes over from a lost one: what it asks for is the same twice.
private final class Order: AttachmentUser {
    private let order: ConsumerOrder
    private(set) var isDone = false
    private(set) var fault: ClientError?
    var attachment: Attachment?

    init(_ order: ConsumerOrder) { self.order = order }

    var takesAnyNode: Bool { false }
    func attached() { _ = attachment?.send(.consumerOrder, order.encode()) }
    func detached() {}
    func received(_ kind: MessageKind, _ body: ByteView) throws(ClientError) -> Bool {
        do throws(DecodeError) {
            switch kind {
            case .consumerDone: isDone = try ConsumerDone(body).request == order.request
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

/// Sets all places of a consumer group; records from there on come again, or are left out. Throws what the cluster refuses, and
/// `.failed` when it takes longer than `options.patience` and 5 s.
public func resetConsumers(_ options: ClientOptions, _ name: String, to place: ConsumerPlace) throws(ClientError) {
    let start: ConsumerStart =
        switch place {
        case .beginning: .beginning
        case .end: .end
        case .offset(let offset): .offset(Offset(offset))
        }
    try carryOut(ConsumerOrder(request: 1, name: name, kind: .reset(start)), options)
}

/// Forgets a consumer group without members. Throws as `resetConsumers`.
public func removeConsumers(_ options: ClientOptions, _ name: String) throws(ClientError) {
    try carryOut(ConsumerOrder(request: 1, name: name, kind: .remove), options)
}

private func carryOut(_ command: ConsumerOrder, _ options: ClientOptions) throws(ClientError) {
    let order = Order(command)
    let attachment = try Attachment(options, name: "consumers")
    order.attachment = attachment
    defer {
        attachment.close()
        order.attachment = nil
    }
    let limit = Attachment.now() + UInt64((options.patience + 5) * 1e9)
    while !order.isDone {
        if let fault = order.fault { throw fault }
        guard Attachment.now() < limit else { throw .failed("the cluster does not answer; whether it is done is not known") }
        _ = try attachment.turn(until: Attachment.now() + 50_000_000, reading: -1, order)
    }
}
