internal import Topics
internal import Wire

/// Which sessions get what: the subscriptions of one node.
///
///     pattern, exclusions ──▶ index ──new topic──▶ sets[group]: topic ─▶ watchers ─▶ sessions
///     a lone # ──▶ everything: those who get each entry whole, with no look at its topics
struct Watches: Sendable {
    private(set) var index = WatchIndex()
    /// By group: who watches each topic that has been delivered here.
    var sets: [WatcherSets] = Array(repeating: WatcherSets(), count: GroupID.count)
    /// By group: topics of the system, `$…`, which a lone # does not take. A handful.
    var reserved: [[TopicID]] = Array(repeating: [], count: GroupID.count)
    /// In the order of their subscription.
    private(set) var everything: [SessionID] = []
    private struct Watcher: Sendable {
        let session: SessionID
        let ids: [WatchID]
    }
    private var watchers: [Watcher?] = []
    private var free: [WatcherID] = []
    var matches = WatchMatches()
    var picks = Picks()

    /// Sessions that pick.
    var pickers: Int { watchers.count - free.count }
    var hasAny: Bool { index.count > 0 || !everything.isEmpty }
    func hasRoom(for interest: Interest) -> Bool {
        index.count + interest.patterns.count + interest.exclusions.count <= Limits.watches
    }

    /// The session behind a watcher.
    func session(of watcher: WatcherID) -> SessionID {
        guard let known = watchers[watcher.index] else { preconditionFailure("a watcher that is gone stands in a set") }
        return known.session
    }

    mutating func enterForEverything(_ session: SessionID) { everything.append(session) }
    mutating func leaveEverything(_ session: SessionID) { everything.removeAll { $0 == session } }

    /// Enters an interest into the index; the sets are the caller's to change.
    mutating func enter(_ session: SessionID, _ interest: Interest) -> WatcherID {
        let watcher = free.popLast() ?? WatcherID(UInt32(watchers.count))
        let entry = Watcher(session: session, ids: index.add(interest, for: watcher))
        if watcher.index == watchers.count { watchers.append(entry) } else { watchers[watcher.index] = entry }
        return watcher
    }
    mutating func leave(_ watcher: WatcherID) {
        guard let gone = watchers[watcher.index] else { preconditionFailure("a watcher leaves twice") }
        for id in gone.ids { index.remove(id) }
        watchers[watcher.index] = nil
        free.append(watcher)
    }

    func checkInvariants() {
        index.checkInvariants()
        for group in sets {
            group.checkInvariants()
            for topic in 0..<group.count.raw {
                for watcher in group.watchers(inSet: group.set(of: TopicID(topic))) { _ = session(of: watcher) }
            }
        }
    }
}
