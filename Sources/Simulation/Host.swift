internal import Broker
internal import Journal
internal import Storage
internal import Wire

/// A machine: a disk that outlives its node, and the node's loop, one life after another.
final class Host {
    enum Event {
        case peerUp(PeerLink)
        case peerDown(PeerLink, String)
        case message(PeerLink, MessageKind, [UInt8])
        case row(PeerLink)
        case sessionUp(ClientLink)
        case sessionDown(ClientLink)
        case sessionMessage(ClientLink, MessageKind, [UInt8])
        case disk([DiskResult])
        /// An operator asks here that a node leave.
        case asked(NodeID)
    }
    let index: Int
    let id: NodeID
    private(set) var files = MemoryDisk()
    var life = 0
    var node: Node?
    var work: Journal<MemoryDisk>?
    var ring = OwnedBytes(count: 8)
    var inbox: [Event] = []
    var turnAt: UInt64 = .max
    var stalledUntil: UInt64 = 0
    var nextTick: UInt64 = 0
    /// By host.
    var links: [PeerLink?]
    var isConnecting: [Bool]
    var nextAttempt: [UInt64]
    var sessions: [SessionID: ClientLink] = [:]
    var sessionOrder: [SessionID] = []
    var stalled: [SessionID: (kind: MessageKind, bytes: [UInt8])] = [:]
    var stalledOrder: [SessionID] = []
    var out: [Directive] = []
    var jobs: [DiskJob] = []
    var busy: [DiskJob]?
    /// Mirrors of links that have gone, whose frames may still be on their way to the disk.
    var retained: [OwnedBytes] = []
    /// Blocks to be passed on, each with the link that mirrors its sender's ring.
    var relays: [(to: PeerLink, block: RelayBlock, owner: OwnedBytes)] = []
    /// Of the last life that began.
    var incarnation = Incarnation(0)
    var wallOffset: Int64 = 0
    /// The most entries that have ever been on this disk.
    var peak: UInt64 = 0
    var ending: String?
    /// How many entries its disk was told to have synced, as the node was answered: what no crash may take back.
    var told: UInt64 = 0
    /// Killed after so many directives of its next turn; with its power cut too.
    var crashAfter: Int?
    var crashesPower = false
    var isSlow = false
    /// As of its last turn: topics that this life has moved to other groups, and what it holds since when.
    var moves = 0
    var held: (view: UInt64, buckets: BucketSet)?
    /// The disk answers nothing until then.
    var hungUntil: UInt64 = 0
    /// The newest view that it has begun.
    var view = ViewNumber(0)
    /// Whose beginning was looked at last.
    var begun = ViewNumber(0)
    /// The view in which its disk was lost, and the most entries that have ever been on that.
    private(set) var lost: (view: ViewNumber, peak: UInt64)?
    /// A sync of this disk's has failed, or will.
    var syncFails = false
    /// The life ends on an operator's word; an operator starts the next one.
    var hasLeft = false
    /// The highest ballot that its disk says to hold a promise for.
    var promised = Ballot(round: 0, rank: 0)
    /// The next life goes on leaving.
    var isLeaving = false
    /// The next life reads its whole log first.
    var mustVerify = false
    /// The life's disk met damage where entries are appended: it does nothing more.
    var isSpoilt = false
    /// How many entries had been delivered when its consumer groups were looked at last.
    var shown: UInt64 = .max
    /// Sessions of operators, and whom they want to go.
    var operators: [SessionID: NodeID] = [:]
    /// How often this life has cleaned its log.
    var passes: UInt64 = 0

    init(index: Int, count: Int) {
        self.index = index
        id = NodeID(UInt16(index + 1))
        links = Array(repeating: nil, count: count)
        isConnecting = Array(repeating: false, count: count)
        nextAttempt = Array(repeating: 0, count: count)
    }
    var isRunning: Bool { node != nil }

    /// The most entries that were on its disk of that view.
    func peak(in view: ViewNumber) -> UInt64 {
        if let lost, view <= lost.view { return max(lost.peak, peak) }
        return peak
    }

    /// The disk is lost with all that was on it.
    func loseDisk() {
        let tear = files.tear
        files = MemoryDisk()
        files.tear = tear
        lost = (view, peak)
        (peak, told) = (0, 0)
        (incarnation, promised) = (Incarnation(0), Ballot(round: 0, rank: 0))
        (isSlow, syncFails, mustVerify) = (false, false, false)
    }

    /// The life is over: everything but the disk goes.
    func forget() {
        node = nil
        work = nil
        inbox = []
        turnAt = .max
        links = Array(repeating: nil, count: links.count)
        isConnecting = Array(repeating: false, count: links.count)
        nextAttempt = Array(repeating: 0, count: links.count)
        sessions = [:]
        sessionOrder = []
        stalled = [:]
        stalledOrder = []
        out = []
        jobs = []
        busy = nil
        retained = []
        relays = []
        ending = nil
        hasLeft = false
        operators = [:]
        passes = 0
        isSpoilt = false
        shown = .max
        stalledUntil = 0
        crashAfter = nil
    }
}
