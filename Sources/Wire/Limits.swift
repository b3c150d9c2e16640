/// Every bound on what comes from outside, in one place. Sizes in bytes unless the name says otherwise.
package enum Limits {
    /// Members of a view. Suspicions are a 64-bit set; rings and rows grow with the square.
    package static let members = 16
    /// Of ballots; each total restart takes a few.
    package static let rounds: UInt32 = 1 << 31
    /// Groups of a node. A row carries (members + 1) words for each.
    package static let groups = 16
    /// One record: header, key, headers and payload, padded.
    package static let record = 1 << 20
    /// Key and headers of a record: their lengths are 16 bits wide.
    package static let key = 65_535
    package static let headers = 65_535
    /// One batch: a record of the largest size and its batch header.
    package static let batch = record + 4096
    /// One frame: at least one batch of the largest size; a turn packs small batches up to `frameTarget`.
    package static let frame = batch + 64
    package static let frameTarget = 256 << 10
    /// A frame whose batches are this long, or longer, is relayed from member to member; one that is alone in blocks of so many bytes at most.
    package static let relay = 256 << 10
    package static let relayBlock = 128 << 10
    /// Bodies of one sender that have come by relay, some of each, and are not read yet: a ring of the largest size.
    package static let relayedBodies = largestRing / relay
    /// One log entry: a frame, kept, and what a hole in its place said of others.
    package static let entry = frame + 128 + (1 << 19)
    /// One message on a link's ring: a batch or an entry, what is said of where it comes from, and its own header.
    package static let message = entry + (32 << 10)
    /// A topic's name, in UTF-8, and its levels between slashes.
    package static let topicName = 1024
    package static let topicLevels = 64
    /// Topics of one group: a topic id's index; 24 bits keep a bitmap under 2 MiB.
    package static let topics = 1 << 24
    /// Topics of which a member says in one message whether it wants them.
    package static let wantsTopics = 1 << 15
    /// Patterns and exclusions of one subscription: 16,384 of 60 bytes are as much as a message holds.
    package static let patterns = 1 << 14
    /// Patterns and exclusions of all subscriptions of one node, at about 200 bytes each.
    package static let watches = 1 << 20
    /// A subscription's filter, in UTF-8; parentheses and nots within one another, and names of one path; the last column.
    package static let filter = 4096
    package static let filterDepth = 64
    package static let filterColumn = 4096
    /// Rules of a topics file.
    package static let topicRules = 4096
    /// Bytes of topics' names that go to a subscriber in one message, but for the last one.
    package static let namesMessage = 128 << 10
    /// Publishers remembered by a group for exactly-once; the longest silent goes first.
    package static let publishers = 1 << 16
    /// Reads of topics' values under way at one node, and of one session: more wait in the client's ring.
    package static let storeReads = 4096
    package static let storeReadsOfSession = 16
    /// One page of values: so many bytes, but at least one record; so many topics looked at, and so many names.
    package static let storePage = 256 << 10
    package static let storePageTopics = 4096
    package static let storePageNames = 64 << 10
    /// How many records back a search may go where other nodes hold some of them.
    package static let storeTail = 1 << 15
    /// Bytes of pages of the log that are read for the sessions that are behind, all of a node together; 64 KiB for each at least.
    package static let pages = 32 << 20
    /// Events of a node on `$status/…` that wait to be published.
    package static let announcements = 1 << 18
    /// Answers that other nodes owe this one of records that it does not hold; questions of others that it has taken and not answered.
    package static let excerpts = 1024
    /// One excerpt of another node's log: so many bytes, but at least one entry.
    package static let excerpt = 256 << 10
    /// Clients of one node at a time.
    package static let sessions = 4096
    /// Consumer groups of a cluster, and members of one: at most 64 of them, the partitions, are served at a time, the others wait.
    package static let consumerGroups = 256
    package static let consumerMembers = 256
    /// The name of a consumer group, and of a member's client; patterns, exclusions and filter of a group, encoded.
    package static let consumerName = 255
    package static let consumerInterest = 8192
    /// Records that a member may have in hand and not confirmed, before it is given more; an entry of the log goes as a whole.
    package static let consumerAhead: UInt64 = 1024
    /// Names declared in one request.
    package static let declarations = 4096
    /// A cluster's name, a node's address, a reason in words.
    package static let clusterName = 255
    package static let address = 255
    package static let reason = 1024
    /// One row of the state table: header, members, groups × (members + 1) words, rounded up.
    package static let row = 4096
    /// Data rings between nodes; message rings of links.
    package static let smallestRing = 64 << 10
    package static let largestRing = 1 << 30
    /// How far a frame may be stamped ahead of the local clock (PROTOCOL.md R12), nanoseconds.
    package static let clockSkew: UInt64 = 60_000_000_000
}
