package import Wire

/// Who waits for a change of a consumer group, and what it is.
package enum ConsumerTicket: Sendable {
    case join(SessionID, request: UInt32)
    /// A member's last word.
    case leave(SessionID, request: UInt32)
    /// A member whose session or node is lost.
    case putOut(Registration)
    case commit(String)
    case release(SessionID, epoch: UInt32, PartitionSet)
    case order(SessionID, request: UInt32, ConsumerChange)
}

/// One member of one group, as it was registered once.
package struct Registration: Hashable, Sendable {
    let name: String
    let member: ConsumerID
    let epoch: UInt32
}

/// What a node has under way for the consumer groups that it serves members of.
struct ConsumerDesk: Sendable {
    /// Sessions that are members, or about to be, in the order of their coming.
    var members: [SessionID] = []
    /// Members whose sessions have ended, with what they had done with.
    var departed: [(name: String, last: ConsumerCommit)] = []
    /// Leaves that have been proposed.
    var leaving: Set<Registration> = []
    /// Groups for which a commit has been proposed: one at a time.
    var committing: Set<String> = []
    /// Monotonic time of the next commits.
    var commitAt: UInt64 = 0

    /// Nanoseconds between the commits of one group, at least; and where nobody has anything in hand.
    static let commitEvery: UInt64 = 100_000_000
    static let idleEvery: UInt64 = 1_000_000_000
}
