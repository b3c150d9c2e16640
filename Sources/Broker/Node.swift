internal import Membership
internal import Replication
package import Topics
package import Wire

/// The time of an event: monotonic for deadlines, wall clock for timestamps. Nanoseconds.
package struct Instant: Sendable {
    package var monotonic: UInt64
    package var wall: UInt64
    package init(monotonic: UInt64, wall: UInt64) {
        self.monotonic = monotonic
        self.wall = wall
    }
}

package struct NodeSettings: Sendable {
    package var node: NodeID
    package var cluster: String
    /// All configured nodes and their addresses.
    package var members: [(node: NodeID, address: String)]
    package var topics: TopicsConfiguration
    /// The public half of the key that it signs its log with, as text; nil where nothing is signed.
    package var signingKey: String?
    /// A log segment is closed when it would grow over this.
    package var segmentBytes: Int
    /// The durable group's state is saved where a segment begins once so many times its bytes have come to the log behind the last one saved, 0:
    /// where each begins, as where there are rules to clean by. Of many topics it is large, and whoever publishes waits for its sync.
    package var stateShare = 32
    /// Bytes of closed segments that are read at a time to look for damage, 0: none; the pause behind each, and behind all of
    /// them; nanoseconds.
    package var scrubBytes = 0
    package var scrubEvery: UInt64 = 400_000_000
    package var scrubRest: UInt64 = 3_600_000_000_000
    /// Bytes a second that cleaning of the durable log reads and writes, 0: none; how much of it at a time, at most; the pause when there
    /// is nothing to be done, nanoseconds.
    package var cleanRate = 0
    package var cleanBytes = 2 << 20
    package var cleanRest: UInt64 = 1_000_000_000
    /// How long a total restart waits for stragglers once a quorum is there.
    package var restartWait: UInt64 = 1_000_000_000
    /// This node takes part in a total restart though its disk is not the one with which it began the newest view.
    package var acceptsLoss = false
    /// A member that holds the others up for this long is suspected: it does not begin a view, or does not do on its disk what a quorum has done.
    package var holdUp: UInt64 = 10_000_000_000
    /// A wedged member that finds no next view for this long starts again from its disk.
    package var stuckAfter: UInt64 = 3_000_000_000
    /// Bytes of another's log that are copied in a second, at most.
    package var copyRate = 32 << 20
    /// How long a member of a consumer group may take to come back by another node when its own has gone, before it is put out; at
    /// least as long as a node may take to notice that it is cut off, so that it serves nobody any more by then.
    package var consumerGrace: UInt64 = 1_000_000_000
    /// How long a member may keep partitions that are to pass on without doing with anything.
    package var consumerPatience: UInt64 = 30_000_000_000
    /// How long the members of a view that a restart began may take to find one another.
    package var linkGrace: UInt64 = 2_000_000_000
    /// Bytes that are read of the log for a session that is behind, at a time; bytes of a group that are kept in memory for all of them.
    package var pageMost = 1 << 20
    package var keptMost = 16 << 20
    /// How long a node that has become a holder of topics waits before it fetches their past, so that a member that comes back soon costs nothing;
    /// how often what is on disk is told to those who may let go of it; nanoseconds.
    package var fillAfter: UInt64 = 300_000_000_000
    package var sayHoldingEvery: UInt64 = 1_000_000_000
    /// Unordered topics are folded into so many groups at most, and looked at anew this often, nanoseconds; a batch whose topics are of several
    /// groups is taken apart where this many bytes would go to members that do not want them.
    package var mostGroups = 8
    package var foldEvery: UInt64 = 1_000_000_000
    package var worthParting = 4 << 10
    /// A frame whose batches are this long, or longer, goes from member to member, in blocks of so many bytes where no other is on its way.
    package var relayFrom = Limits.relay
    package var relayBlock = Limits.relayBlock
    /// Whether the view's first member says on `$status/…` what happens to the cluster and its topics.
    package var announces = false

    package init(
        node: NodeID, cluster: String, members: [(node: NodeID, address: String)], topics: TopicsConfiguration,
        segmentBytes: Int
    ) {
        self.node = node
        self.cluster = cluster
        self.members = members
        self.topics = topics
        self.segmentBytes = segmentBytes
    }
}

/// A whole node as one state machine: events and the time in, directives out. No clock, socket, file or randomness inside;
/// `dbroker` and the simulator are its callers. A class, since a value of 4 KB was copied where it was only read, at each frame whole.
///
///      mending ──the log is whole──▶ restarting
///      restarting ──a view runs──▶ learning ──admitted, caught up──▶ live ──wedged, next view──▶ live
///           └──a quorum is back, agreed──▶ live ──expelled, no quorum──▶ (restart directive: a new life)
///                                          live ──asked to leave──▶ leaving ──that view has begun──▶ (left directive)
package final class Node {
    package let settings: NodeSettings
    package let me: NodeID
    var memberState: MemberState
    /// The groups' states while no view runs here.
    var states: [GroupState]
    var clock: HybridClock
    var ring: OwnRing
    var linked: Set<NodeID> = []
    var restart: Restart?
    var learner: Learner?
    var live: LiveView?
    var copy: LogCopy?
    var sessions = SessionTable()
    /// The head of the entry that was handed over last, and its bytes.
    var entryHead: (header: EntryHeader?, bytes: [UInt8]) = (nil, [])
    /// Sessions in the order of their arrival: directives never follow a dictionary's order.
    var sessionOrder: [SessionID] = []
    var watches = Watches()
    /// Sessions that are behind in some group, or are to be told of what they missed, in the order in which they came to be.
    var lagging: [SessionID] = []
    /// Bytes that are read for one of them at a time: more where they are few, so that they are quicker than the log grows.
    var pageBytes = 1 << 20
    /// What is delivered while there are such that will come to it soon, by group; and whether there are.
    var keepsRecent = Array(repeating: false, count: GroupID.count)
    var recent = Array(repeating: RecentEntries(), count: GroupID.count)
    /// Sessions with acknowledgements to be sent.
    var owed: [SessionID] = []
    var declares: [UInt32: DeclareJob] = [:]
    var nextDeclare: UInt32 = 0
    var segmentUse: [Int]
    var saving = StateSaving()
    /// What topics.yaml says of the topics that are there.
    var quality: TopicQuality
    var welcomeParts: [NodeID: [UInt8]] = [:]
    /// Own frames that a cut kept, while the next view is being installed.
    var carriedOwn: [[OwnFrame]] = []
    var afterRecovery = AfterRecovery.nothing
    /// Unordered records on their way to sessions: handed out at the end of the turn.
    var unorderedOut: [Directive] = []
    var unorderedOffset = Offset(0)
    /// Monotonic time of the last event that told it.
    var lastSeen: UInt64 = 0
    /// Wall-clock time of the last event that told it.
    var wallSeen: UInt64 = 0
    /// What linked nodes said last of the view that they run in, or have installed.
    var peerViews: [NodeID: (view: View, isLive: Bool)] = [:]
    var isOver = false
    var releases: [ReleaseJob] = []
    /// The view that goes on without this node, which was asked to leave.
    var leaving: Leaving?
    /// This node was asked to leave and is to end, not to learn, once a view runs without it; kept from one life to the next.
    package var isLeaving = false
    /// Damage of the durable log, while there is any.
    var repair: LogRepair?
    /// For a repair nothing is asked for before, while a view runs here; monotonic nanoseconds.
    var repairAskAt: UInt64 = 0
    /// The log was damaged when this life began: the node counts for nothing until that is repaired.
    var isMending = false
    /// The next life is to read its whole log before it counts.
    package internal(set) var mustVerify = false
    var copiers: [NodeID: CopyProgress] = [:]
    var isScrubbing = false
    var scrubAt: UInt64 = 0
    var cleaning = CleaningPace()
    var holders: Holders
    var excerpts = ExcerptDesk()
    /// Since when no view runs here and nothing else goes on, and what the operator was told of it last.
    var waitingSince: UInt64?
    var waitingSaid = ""
    /// Questions about the values of topics.
    var desk = StoreDesk()
    var consumers = ConsumerDesk()
    var announcements = Announcements()
    var deadlines: Deadlines
    /// When this node has something to do for consumers, to say or to clean, though nothing happens; monotonic nanoseconds, .max: nothing.
    package internal(set) var dueAt = UInt64.max
    package var counters = Counters()

    package struct Counters: Equatable, Sendable {
        package var framesSent: UInt64 = 0
        package var recordsTaken: UInt64 = 0
        package var bytesTaken: UInt64 = 0
        package var recordsDelivered: UInt64 = 0
        package var batchesRefused: UInt64 = 0
        /// Of records of unordered topics, not sent to members that do not want them.
        package var bytesWithheld: UInt64 = 0
        /// Of frames, written to other members by this node; of these, passed on for their senders.
        package var bytesPosted: UInt64 = 0
        package var bytesRelayed: UInt64 = 0
        package var unorderedDropped: UInt64 = 0
        /// Records of ordered topics that a session came too late for.
        package var orderedDropped: UInt64 = 0
        package var views: UInt64 = 0
        package var entriesRepaired: UInt64 = 0
        package var cleaningPasses: UInt64 = 0
        /// Of records that others hold, sent here by them.
        package var bytesFetched: UInt64 = 0
    }

    enum AfterRecovery { case nothing, apply, copy, restart, install(Proposal, live: Bool) }

    struct DeclareJob {
        let session: SessionID
        let request: UInt32
        let names: [String]
        var lines: [DeclareAnswer.Line?]
        var left: Int
    }

    /// - state: what the disk says of views; states: each group's, rebuilt from its log; ring: this node's data ring.
    /// holes: what of the durable log does not read back; holdings: what of it others hold; agreed: what of it every later view has.
    package init(
        settings: NodeSettings, state: MemberState, states: [GroupState], holes: [LogHole] = [], holdings: Holdings = Holdings(),
        agreed: AgreedPlace = .zero, ring: ByteStore
    ) {
        precondition(states.count == GroupID.count)
        self.settings = settings
        me = settings.node
        memberState = state
        self.states = states
        self.ring = OwnRing(ring)
        quality = TopicQuality(settings.topics)
        deadlines = Deadlines(settings.topics)
        holders = Holders(settings.topics, holdings: holdings, agreed: agreed)
        clock = HybridClock(states.map(\.end.key.timestamp).max() ?? .zero)
        segmentUse = Array(repeating: 0, count: states.count)
        if holes.isEmpty { beginRestart() } else {
            isMending = true
            repair = LogRepair(holes: holes)
        }
    }

    package var isLive: Bool { live != nil }
    package var view: View { live?.view ?? memberState.installed }

    var summary: Summary {
        if let live {
            return Summary(live: true, view: live.view, promised: Ballot(round: 0, rank: 0), accepted: nil, ends: [])
        }
        var summary = Summary(
            live: false, view: memberState.installed, promised: memberState.promised, accepted: memberState.accepted,
            ends: states.map(\.end))
        summary.isUnbacked = !backsAcceptance(end: states[GroupID.durable.index].end.number)
        return summary
    }

    // MARK: links to other nodes

    package func peerUp(_ node: NodeID, into out: inout [Directive]) {
        guard !isOver else { return }
        if linked.contains(node) { peerDown(node, why: "it connected anew", into: &out) }
        linked.insert(node)
        sendSummary(to: node, into: &out)
        if live != nil {
            sendMemberRow(to: node, into: &out)
            // A pair that was linked only after both had begun the view would never see the other begin it.
            live!.isRowDirty = true
        }
        repairPeerUp(node, into: &out)
        excerptsPeerUp(node, into: &out)
        tellCluster(into: &out)
    }

    package func peerDown(_ node: NodeID, why: String, into out: inout [Directive]) {
        guard !isOver, linked.remove(node) != nil else { return }
        welcomeParts[node] = nil
        peerViews[node] = nil
        copiers[node] = nil
        restart?.lost(node)
        repairPeerDown(node, into: &out)
        excerptsPeerDown(node, into: &out)
        elsewherePeerDown(node, into: &out)
        if copy?.source == node { copyFailed("\(node) was lost: \(why)", into: &out) }
        if let rank = live?.view.rank(of: node) { suspect(rank, why, into: &out) }
        tellCluster(into: &out)
        stepReleases(into: &out)
    }

    /// A log that is damaged says nothing of itself.
    func sendSummary(to node: NodeID, into out: inout [Directive]) {
        guard !isMending else { return }
        var bytes: [UInt8] = []
        summary.encode(into: &bytes)
        out.append(.peer(node, .summary, bytes))
    }
    func broadcastSummary(into out: inout [Directive]) {
        for node in linked.sorted() { sendSummary(to: node, into: &out) }
    }

    /// A message of another node. Malformed: the caller closes the link.
    package func peerMessage(
        _ node: NodeID, _ kind: MessageKind, _ body: ByteView, now: Instant, into out: inout [Directive]
    ) throws(DecodeError) {
        guard !isOver else { return }
        switch kind {
        case .memberRow:
            let row = try MemberRow(body)
            try checkShape(row)
            receive(row, from: node, now: now, into: &out)
        case .summary: heard(try Summary(body), from: node, now: now, into: &out)
        case .prepare, .promise, .apply, .applied, .propose, .accepted, .commit:
            let step = try RestartStep(body)
            guard restart != nil else {
                sendSummary(to: node, into: &out)
                return
            }
            var steps: [RestartDirective] = []
            restart?.receive(kind, step, from: node, into: &steps)
            carryOut(steps, into: &out)
        case .compare, .fetch: try serveCopy(kind, body, to: node, into: &out)
        case .matched, .entries: try copyAnswer(kind, body, from: node, now: now, into: &out)
        case .admit:
            var decoder = Decoder(body, "admit")
            // Without a number it knows of this view.
            let known = body.isEmpty ? ViewNumber(.max) : ViewNumber(try decoder.int())
            try decoder.end()
            admit(node, knowing: known, into: &out)
        case .leave: leave(try LeaveOrder(body).node, into: &out)
        case .wants: try take(WantsPage(body), from: node, into: &out)
        case .wantsHeld: take(try WantsHeld(body), from: node)
        case .holding: take(try HoldingWord(body), from: node)
        case .excerpt: give(try ExcerptRequest(body), to: node, into: &out)
        case .values: take(try ValuesRequest(body), from: node, into: &out)
        case .valuesFound: valuesFound(try ValuesAnswer(body), from: node, into: &out)
        case .offsets: take(try OffsetsRequest(body), from: node, into: &out)
        case .offsetsFound: offsetsFound(try OffsetsAnswer(body), from: node, into: &out)
        case .excerpted: try excerpted(body, from: node, into: &out)
        case .welcome: try welcome(body, from: node, now: now, into: &out)
        default: throw .value(what: "message kind between nodes", value: UInt64(kind.rawValue))
        }
    }

    /// What a member says of the running view has a line for each of its groups and members.
    private func checkShape(_ row: MemberRow) throws(DecodeError) {
        guard let view = live?.view, row.view == view.number else { return }
        func check(_ vectors: [[Timestamp]], _ what: String) throws(DecodeError) {
            guard vectors.count == GroupID.count else { throw .value(what: what, value: UInt64(vectors.count)) }
            for vector in vectors where vector.count != view.members.count { throw .value(what: what, value: UInt64(vector.count)) }
        }
        if row.wedged || !row.clocks.isEmpty { try check(row.clocks, "clocks of a member's row") }
        for proposal in [row.accepted?.proposal, row.committed] {
            if case .cut(let cuts)? = proposal?.basis { try check(cuts, "cut in a member's row") }
        }
    }

    /// Time has passed; call at least every 50 ms.
    package func tick(now: Instant, into out: inout [Directive]) {
        guard !isOver else { return }
        lastSeen = now.monotonic
        wallSeen = now.wall
        if restart != nil {
            var steps: [RestartDirective] = []
            restart?.tick(now: now.monotonic, into: &steps)
            carryOut(steps, into: &out)
        }
        tickLearner(now: now, into: &out)
        tickLive(now: now, into: &out)
        learnDeadlines(now: now.monotonic)
        stepReleases(into: &out)
        stepRepair(into: &out)
        tickScrub(into: &out)
        sayHolding(into: &out)
        stepExcerpts(into: &out)
        stepElsewhere(into: &out)
        stepFill(into: &out)
        clean(into: &out)
        tellWaiting(into: &out)
    }

    func over(_ why: String, into out: inout [Directive]) {
        guard !isOver else { return }
        isOver = true
        out.append(.log("starting again from disk: \(why)"))
        out.append(.restart(why))
    }
}
