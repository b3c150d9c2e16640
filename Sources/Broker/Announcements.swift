internal import DequeModule
internal import Wire

/// What the cluster says of itself, as records of the topics `$status/…`, which have the level ordered. A node publishes them as a publisher
/// does: it opens, declares the topic, and numbers its records; what a cut takes back is sent again.
///
///      closed ── an event ──▶ opening ── answered ──▶ open ──(a gap, or fenced)──▶ closed
struct Announcements: Sendable {
    struct Event: Sendable {
        let topic: String
        let key: String
        let text: String
        /// Nanoseconds since 1970.
        let time: UInt64
    }
    enum Phase: Equatable, Sendable { case closed, opening, open(epoch: UInt32, next: UInt64) }

    var phase = Phase.closed
    var waiting: Deque<Event> = []
    /// Published and not yet in its place.
    var underWay: [Event] = []
    /// Topics whose declaration is under way.
    var declaring: Set<String> = []
    /// Events for which there was no room.
    var dropped: UInt64 = 0

    /// Not in its place, for once: it goes first.
    mutating func takeBack() {
        waiting.prepend(contentsOf: underWay)
        underWay = []
        phase = .closed
    }

    mutating func add(_ event: Event) {
        guard waiting.count < Limits.announcements else {
            dropped += 1
            return
        }
        waiting.append(event)
    }
}

/// How a node is known that publishes itself: no client draws such a number but by a chance of 2^-48.
extension PublisherID {
    init(of node: NodeID) { self.init(0xFFFF_FFFF_FFFF_0000 | UInt64(node.raw)) }
}
