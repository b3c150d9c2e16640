internal import Topics
internal import Wire

/// A client of this node: what it subscribes to and how far it has come in each group.
///
///      live: gets each entry as it is delivered     lagging: reads the log up to the delivered end, then is live
package struct Session: Sendable {
    package struct Cursor: Sendable {
        /// For one that takes everything: topics whose names have been sent, all below this.
        var named = TopicID(0)
        /// For one that picks: the topics that it wants, as far as their names have not been sent, rising.
        var unnamed = TopicQueue()
        /// For one that picks few topics: all that have been delivered here and it wants. Nil: it takes everything, or many.
        private(set) var picked: [TopicID]?
        /// The entry to go on with; of a live one, that is where the delivered log ends.
        var next: EntryNumber = .zero
        /// Records before this offset are not wanted.
        var firstOffset = Offset(0)
        /// Nor records of an earlier time.
        var firstTime = Timestamp(0)
        var isLive = false
        /// A read or a locate is under way at the disk.
        var isReading = false
        /// Entries that are being handed over, and those behind them, which were read meanwhile.
        var page: Page?
        var ahead: Page?
        /// Where the read that is under way was to end.
        var readBelow = EntryNumber.zero
        /// Records that it was to have and that were no longer kept, at most; told with the next position.
        var skipped: UInt64 = 0
        /// All before this offset was given to it, or is not wanted; nil: from wherever the log begins.
        var due: Offset?

        var isSettled: Bool { isLive && skipped == 0 }

        /// So many topics are looked for segment by segment; for more of them, all segments are read.
        private static let mostPicked = 64
        mutating func pick(_ topics: [TopicID]) { picked = topics.count <= Self.mostPicked ? topics : nil }
        mutating func pick(_ topic: TopicID) { picked.map { pick($0 + [topic]) } }

        /// It has no room for an entry: goes on with it.
        mutating func fallBehind(_ header: EntryHeader) {
            isLive = false
            next = header.number
            due = header.baseOffset
            dropPages()
        }
        /// The next entry that a log in memory has for it: how many records before it were dropped meanwhile.
        mutating func missed(before header: EntryHeader) -> UInt64 {
            guard header.group == .ordered, let due, header.baseOffset > due else { return 0 }
            let missing = header.baseOffset.raw - due.raw
            self.due = header.baseOffset
            skipped += missing
            return missing
        }
        /// The page is handed over: the next is what was read, or what is in memory. False: there is none.
        mutating func turnPage(_ recent: RecentEntries) -> Bool {
            page = ahead ?? recent.page(from: next)
            ahead = nil
            return page != nil
        }
        /// What is to be read now, below `end`; what is in memory is not. Nil: nothing.
        func nextRead(below end: EntryNumber, _ recent: RecentEntries) -> (from: EntryNumber, below: EntryNumber)? {
            let from = page?.next ?? next
            guard ahead == nil, from < end, !recent.covers(from) else { return nil }
            return (from, from < recent.from && !recent.isEmpty ? recent.from : end)
        }
        /// How far it has, or will have when its read has ended, what it is to be handed.
        var reach: EntryNumber { max((ahead ?? page)?.next ?? next, isReading ? readBelow : .zero) }
        mutating func dropPages() {
            page = nil
            ahead = nil
        }
    }

    /// A batch that was refused: what its publisher has sent behind it is not taken, until that comes again.
    struct Bar: Sendable {
        let publisher: PublisherID
        let epoch: UInt32
        let sequence: UInt64
    }

    package let id: SessionID
    /// Raised with each subscription, so that answers to an older one are known.
    var generation: UInt32 = 0
    /// Bytes that the client's ring can take now, by the caller's word and less what was sent since.
    var space = 0
    var isSubscribed = false
    /// Which records of the topics asked for are wanted; nil: all.
    var filter: Filter?
    /// Its number among those who pick; nil for one without a subscription, and for one that takes everything.
    var watcher: WatcherID?
    var cursors: [Cursor] = []
    /// Buckets of the topics that it wants, of those below a number.
    var buckets: (set: BucketSet, topics: Int)?
    /// Where it is a member of a consumer group.
    var share: ConsumerShare?
    /// It stands in the node's list of those that lag.
    var isListed = false
    /// Coalesced acknowledgements, per group: sent once a turn.
    var acknowledged: [Acknowledgement?] = Array(repeating: nil, count: GroupID.count)
    var barred: [GroupID: Bar] = [:]
    /// It stands in the node's list of those to be acknowledged.
    var isOwed = false

    package init(id: SessionID) { self.id = id }

    /// What a message of `length` bytes takes of a ring.
    static func cost(_ length: Int) -> Int { align8(length) + 8 }
}

/// Topics in a row, taken from the front; what is taken is let go of when all are.
struct TopicQueue: Sendable {
    private var topics: [TopicID] = []
    private var at = 0

    init(_ topics: [TopicID] = []) { self.topics = topics }
    var first: TopicID? { at < topics.count ? topics[at] : nil }
    var isEmpty: Bool { at == topics.count }
    mutating func append(_ topic: TopicID) { topics.append(topic) }
    mutating func removeFirst() {
        at += 1
        guard at == topics.count else { return }
        topics = []
        at = 0
    }
}
