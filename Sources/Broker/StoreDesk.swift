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
        /// The disk, and then others, say where a time lies.
        case cutting
        /// Some of the topics are held by others, who are asked.
        case gathering(Gathering)
        case gatheringOffsets(OffsetGathering)
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

    /// Values of some topics, part by part: what is asked for here, and of others.
    struct Gathering: Sendable {
        enum Place: Equatable, Sendable {
            case here
            case asked(NodeID)
            /// Nobody who is there has them.
            case nobody
        }
        struct Part: Sendable {
            let topics: [TopicID]
            var place: Place
            var at: UInt64
            var missed: Set<NodeID> = []
            /// The number of the question: an answer to an older one counts for nothing.
            var asked: UInt32 = 0
            /// Rows of topics; nil: not there yet. Of those before `next`, nil: of all.
            var rows: [TopicID: [UInt8]]?
            var next: TopicID?
        }
        /// What is asked, of all of the topics.
        let query: ValueQuery
        /// The topic to go on from behind them.
        let next: TopicID
        var parts: [Part]
        var cut: Offset?
    }
    /// Places that this node's log alone does not show.
    struct OffsetGathering: Sendable {
        let asks: OffsetsRequest.Wanted
        var offsets: [Offset] = []
        var isOwnThere = false
        var wanted: BucketSet
        var asked: NodeID?
        var at: UInt64
        var missed: Set<NodeID> = []
    }
    /// A question of another node, under a number of this desk's.
    struct Served: Sendable {
        enum Question: Sendable {
            case values(ValuesRequest, lacked: [TopicID])
            case offsets(OffsetsRequest, BucketSet, Interest)
        }
        let node: NodeID
        let question: Question
        /// It has been given to the disk.
        var isReading = false
    }

    var reads: [UInt32: Read] = [:]
    /// Others' questions.
    var served: [UInt32: Served] = [:]
    var servedOrder: [UInt32] = []
    /// In the order of their arrival.
    var order: [UInt32] = []
    /// The last stamp that was made for readers.
    var stamp = Timestamp.zero
    /// An entry that moves the frontier is on its way.
    var isMarkerOut = false
    private var next: UInt32 = 0

    /// Questions to other nodes that nobody answers for now.
    var waiting: Int {
        reads.values.count { read in
            switch read.phase {
            case .gathering(let gathering): gathering.parts.contains { $0.place == .nobody && $0.rows == nil }
            case .gatheringOffsets(let gathering): gathering.asked == nil && !gathering.wanted.isEmpty
            default: false
            }
        }
    }

    func hasRoom(for session: SessionID) -> Bool {
        order.count < Limits.storeReads && order.count(where: { reads[$0]?.session == session }) < Limits.storeReadsOfSession
    }
    mutating func add(_ read: Read) {
        reads[next] = read
        order.append(next)
        next &+= 1
    }
    /// A number for a question to another node.
    mutating func number() -> UInt32 {
        next &+= 1
        return next &- 1
    }
    mutating func serve(_ question: Served) {
        served[next] = question
        servedOrder.append(next)
        next &+= 1
    }
    mutating func endServing(_ id: UInt32) {
        served[id] = nil
        servedOrder.removeAll { $0 == id }
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
