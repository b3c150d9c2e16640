internal import Wire

/// What a subscription that begins with the last values, or the last records, asks of the broker's index first. The places where the
/// answers end are those where the subscription goes on: no gap, no duplicate.
struct Prelude {
    private enum Kind {
        case values(ReadTask)
        case tail(count: UInt64, patterns: [String], exclusions: [String], left: [GroupID])
    }
    private var kind: Kind
    private var request: UInt32 = 0
    /// Where each group is gone on from.
    private(set) var places: [(group: GroupID, offset: Offset)] = []

    init(lastRecords count: UInt64, _ subscription: Subscription) {
        kind = .tail(count: count, patterns: subscription.patterns, exclusions: subscription.excluded, left: [.durable, .ordered])
    }
    init(valuesOf subscription: Subscription, _ body: @escaping (StoreValue) -> Void) {
        kind = .values(
            ReadTask(patterns: subscription.patterns, exclusions: subscription.excluded, time: nil, showsRemoved: false, body: body))
    }

    /// The next question; nil when all is answered.
    mutating func question() -> (MessageKind, [UInt8])? {
        request &+= 1
        switch kind {
        case .values(var task):
            guard !task.isDone else { return nil }
            task.isAsked = true
            kind = .values(task)
            return (.storeRead, task.question(request).encode())
        case .tail(let count, let patterns, let exclusions, let left):
            guard let group = left.first else { return nil }
            return (.storeTail, StoreTail(request: request, group: group, count: count, patterns: patterns, exclusions: exclusions).encode())
        }
    }

    /// Whether the page is the answer to the last question.
    mutating func take(_ page: StorePage) -> Bool {
        guard case .values(var task) = kind, page.request == request else { return false }
        task.take(page)
        kind = .values(task)
        places = task.cuts
        return true
    }
    mutating func take(_ place: StorePlace) -> Bool {
        guard case .tail(let count, let patterns, let exclusions, let left) = kind, place.request == request, place.group == left.first
        else { return false }
        places.append((place.group, place.offset))
        kind = .tail(count: count, patterns: patterns, exclusions: exclusions, left: Array(left.dropFirst()))
        return true
    }
}
