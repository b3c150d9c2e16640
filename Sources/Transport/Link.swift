internal import CFabric
internal import Glibc
internal import Wire

/// Where a link stands.
///
///      free ── connect ───▶ connecting ── FI_CONNECTED ──▶ greeting ── hello ends ──▶ up
///       ▲                     ▲  │                            │  │                     │
///       │      FI_CONNREQ ────┘  │                            │  └─ we refuse ─▶ lingering ─ refusal gone ─┐
///       │                        ▼                            ▼                        ▼                  │
///       └───── next poll ──── down ◀──────────────────────────┴────────────────────────┴──────────────────┘
enum LinkState {
    case free
    /// The provider connects or accepts.
    case connecting
    /// The hello runs.
    case greeting
    case up
    /// A refusal, or the last write before a close, is on its way; what there was to report has been reported.
    case lingering
    /// Reported as gone, its endpoint closed; its memory lives until the next poll, so that what had come can be received.
    case down
}

/// A stretch of my data ring, absolute positions.
struct DataRange {
    var from: UInt64
    var to: UInt64
}

/// Everything of one link. Lives in a `LinkTable`, at one place for the life of the transport.
@safe struct Link {
    var state = LinkState.free
    /// 1 … 65,535; rises at each use of the place.
    var generation: UInt16 = 1
    var isOutgoing = false
    var address = ""
    var endpoint: UnsafeMutablePointer<fid_ep>?
    /// What was sent with the connection request.
    var knock: [UInt8] = []
    var handshake: Handshake?
    var peer: PeerIdentity?
    /// Hello buffers and outgoing rows; what the peer writes; the staging ring.
    var control: Region?
    var inbound: Region?
    var outbound: Region?
    /// The peer's memory itself, where it is a neighbour's; then there is no staging ring.
    var neighbour: NeighbourEnd?
    /// What a neighbour may open to write into `inbound`; closed when it has had its chance.
    var shareFile: Int32 = -1
    /// `inbound` is in a file that a neighbour may map; bytes of the row's pages in it.
    var isShared = false
    var rowWindow = 0
    /// Where the peer lets me write.
    var remote = MemoryOffer()
    var sending = SendRing(.none)
    var receiving = ReceiveRing(.none)
    var rowOut = RowWriter(.none, rowBytes: 0)
    var rowIn = RowReader(.none, kept: .none, rowBytes: 0)
    var mirror = Memory.none
    /// Stretches of my data ring that wait for the next flush.
    var ranges: [DataRange] = []

    /// Writes posted; those known to have completed, with all before them; the last that asked for a completion.
    var writesPosted: UInt64 = 0
    var writesDone: UInt64 = 0
    var writeAsked: UInt64 = 0
    /// The next row's write asks for a completion, whatever its number.
    var wantsFence = false
    var helloSlot = 0
    /// When the hello, or the lingering, must have ended.
    var deadline: UInt64 = 0
    var lastHeard: UInt64 = 0
    /// Of a peer node; a client's silence is given `TransportOptions.deadline`.
    var silence: SilenceDetector?
    var lastSent: UInt64 = 0
    /// What the last row said of the next one: it goes out so long after it, at the latest.
    var pause: UInt64 = 0
    /// In the list of links to flush.
    var isPending = false
    /// A flush found no room for operations: the next poll tries again.
    var isStalled = false
    /// In the list of links whose row is to be read.
    var hasNews = false
    /// In the list of links that have more room.
    var isRoomier = false
    /// A row goes out even if nothing else does.
    var wantsRow = false
    var peerWantsRoom = false

    /// Something waits for the next flush.
    var hasTraffic: Bool { !ranges.isEmpty || sending.posted < sending.tail || rowOut.hasNews }

    mutating func reset() {
        let next = generation == .max ? 1 : generation + 1
        closeShare()
        closeNeighbour()
        self = Link()
        generation = next
    }
    mutating func closeShare() {
        guard shareFile >= 0 else { return }
        close(shareFile)
        shareFile = -1
    }
    mutating func closeNeighbour() {
        neighbour?.end()
        neighbour = nil
    }
}

/// The links of a transport, in memory of their own: reached without exclusivity checks, never moved.
@safe struct LinkTable {
    private let base: UnsafeMutablePointer<Link>
    let capacity: Int

    init(capacity: Int) {
        self.capacity = capacity
        unsafe base = .allocate(capacity: capacity)
        unsafe base.initialize(repeating: Link(), count: capacity)
    }
    func destroy() {
        unsafe base.deinitialize(count: capacity)
        unsafe base.deallocate()
    }
    subscript(index: Int) -> Link {
        // Bounds: checked here; lifetime: the transport destroys the table last. An address and no coroutine, whose frame would be allocated.
        unsafeAddress {
            precondition(index >= 0 && index < capacity)
            return unsafe UnsafePointer(base + index)
        }
        nonmutating unsafeMutableAddress {
            precondition(index >= 0 && index < capacity)
            return unsafe base + index
        }
    }
}

/// The buffers of a link's control region.
///
///      | receives × 2,048 | hello sends: 4 × 2,048 | rows out: 16 slots | rows in, kept: 2 and a prefix |
enum ControlLayout {
    static let buffer = HelloMessage.limit
    static let sends = 4
    static func send(_ slot: Int, receives: Int) -> Int { (receives + slot) * buffer }
    static func rows(receives: Int) -> Int { (receives + sends) * buffer }
    static func kept(receives: Int, rowBytes: Int) -> Int { rows(receives: receives) + RowWriter.bytes(rowBytes: rowBytes) }
    /// Room for rows of the largest size in, whatever the peer will announce.
    static func bytes(receives: Int, rowBytes: Int) -> Int {
        kept(receives: receives, rowBytes: rowBytes) + RowReader.keptBytes(rowBytes: Limits.row)
    }
}

/// What a completion belongs to, carried in its 64-bit context.
///
///      63      48 47        32 31   24 23     0
///      | index   | generation | kind  | slot   |
///
/// `slot` of a receive: which buffer; of a write: rows posted with it and before, modulo 256, above writes posted, modulo 65,536.
struct Token {
    enum Kind: UInt8 {
        case hello = 1
        case receive = 2
        case write = 3
    }
    let raw: UInt64

    init(_ index: Int, _ generation: UInt16, _ kind: Kind, slot: Int = 0) {
        raw = UInt64(index) << 48 | UInt64(generation) << 32 | UInt64(kind.rawValue) << 24 | UInt64(slot)
    }
    init(_ pointer: UnsafeMutableRawPointer?) { raw = UInt64(UInt(bitPattern: pointer)) }

    var pointer: UnsafeMutableRawPointer? { unsafe UnsafeMutableRawPointer(bitPattern: UInt(raw)) }
    var index: Int { Int(raw >> 48) }
    var generation: UInt16 { UInt16(truncatingIfNeeded: raw >> 32) }
    var kind: Kind? { Kind(rawValue: UInt8(truncatingIfNeeded: raw >> 24)) }
    var slot: Int { Int(raw & 0xff_ffff) }
}
