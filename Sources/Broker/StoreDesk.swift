internal import Topics
internal import Wire

/// Clients' questions about the values of topics that a node has not answered yet.
///
///      settling ── everything acknowledged before it is delivered here ──▶ reading ── the disk has answered ──▶ answering
///
/// Bounded by `Limits.storeReads`; what does not fit waits in its client's ring.
struct StoreDesk: Sendable {
    enum Question: Sendable {
        case values(StoreRead)
        case tail(StoreTail)
    }
    enum Phase: Sendable {
        /// Waits for its place in the order. `since`: the promise that the members have to answer, and the view that it was made in.
        case settling(since: (view: ViewNumber, time: Timestamp)?)
        /// At the disk; `next`: the topic to go on from.
        case reading(ValueQuery, next: TopicID)
        case searching(TailQuery)
        /// Waits for room in the client's ring.
        case answering(MessageKind, head: [UInt8], rows: OwnedBytes)
    }
    struct Read: Sendable {
        let session: SessionID
        let question: Question
        let interest: Interest
        var phase = Phase.settling(since: nil)

        var group: GroupID {
            switch question {
            case .values(let read): read.group
            case .tail(let tail): tail.group
            }
        }
    }

    var reads: [UInt32: Read] = [:]
    /// In the order of their arrival.
    var order: [UInt32] = []
    /// The last stamp that was made for readers.
    var stamp = Timestamp.zero
    /// An entry that moves the frontier is on its way.
    var isMarkerOut = false
    private var next: UInt32 = 0

    func hasRoom(for session: SessionID) -> Bool {
        order.count < Limits.storeReads && order.count(where: { reads[$0]?.session == session }) < Limits.storeReadsOfSession
    }
    mutating func add(_ read: Read) {
        reads[next] = read
        order.append(next)
        next &+= 1
    }
    mutating func remove(_ id: UInt32) {
        reads[id] = nil
        order.removeAll { $0 == id }
    }
    mutating func forget(_ session: SessionID) {
        for id in order where reads[id]?.session == session { reads[id] = nil }
        order.removeAll { reads[$0] == nil }
    }
}
