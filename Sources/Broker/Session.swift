internal import Topics
internal import Wire

/// A client of this node: what it subscribes to and how far it has come in each group.
///
///      live: gets each entry as it is delivered     lagging: reads the log up to the delivered end, then is live
package struct Session: Sendable {
    package struct Cursor: Sendable {
        /// Topics whose names have been matched, and sent where wanted: all below this index.
        var named = 0
        /// One bit for each topic below `named`.
        var wanted: [UInt64] = []
        var next: EntryNumber = .zero
        /// Records before this offset are not wanted.
        var firstOffset = Offset(0)
        /// Nor records of an earlier time.
        var firstTime = Timestamp(0)
        var isLive = false
        /// A read or a locate is under way at the disk.
        var isReading = false
        var page: OwnedBytes?
        var pageAt = 0
        var skipped: UInt64 = 0

        func wants(_ topic: TopicID) -> Bool {
            topic.index < named && wanted[topic.index >> 6] >> UInt64(topic.index & 63) & 1 == 1
        }
        mutating func note(wanted isWanted: Bool) {
            if named & 63 == 0 { wanted.append(0) }
            if isWanted { wanted[named >> 6] |= 1 << UInt64(named & 63) }
            named += 1
        }
    }

    package let id: SessionID
    /// Raised with each subscription, so that answers to an older one are known.
    var generation: UInt32 = 0
    /// Bytes that the client's ring can take now, by the caller's word and less what was sent since.
    var space = 0
    var interest: Interest?
    var cursors: [Cursor] = []
    /// Coalesced acknowledgements, per group: sent once a turn.
    var acknowledged: [Acknowledgement?] = Array(repeating: nil, count: GroupID.count)

    package init(id: SessionID) { self.id = id }

    /// What a message of `length` bytes takes of a ring.
    static func cost(_ length: Int) -> Int { align8(length) + 8 }
}
