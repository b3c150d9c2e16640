internal import Wire

/// Where a consumer group is to go on.
public enum ConsumerPlace: Equatable, Sendable {
    case beginning
    case end
    case offset(UInt64)
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

private func carryOut(_ order: ConsumerOrder, _ options: ClientOptions) throws(ClientError) {
    let late = "the cluster does not answer; whether it is done is not known"
    _ = try carryOut(options, name: "consumers", .consumerOrder, order.encode(), late: late) { (kind, body) throws(DecodeError) -> Bool? in
        guard kind == .consumerDone else { return nil }
        return try ConsumerDone(body).request == order.request ? true : nil
    }
}
