internal import CFabric
package import Wire

/// Links to other processes over one libfabric provider: bytes only. One object per process, used from one thread.
///
/// A link has, at each side, memory that the other side writes: a message ring, a row, and between nodes a mirror of the
/// other's data ring. A flush is one gathered write where the provider can: data first, then messages, the row last, with
/// the number of the receiving link in the completion. So a receiver reads the rows of links with news only, and whoever
/// sees a row holds all that was posted before it.
@safe package final class Transport {
    let options: TransportOptions
    let links: LinkTable
    let poller: Poller
    var fabric: Fabric?
    /// My data ring.
    var source: Region?
    let scratch: Scratch

    /// Places of links that are free, oldest first; indices of links ever used are below `highWater`.
    var freePlaces: [Int] = []
    var highWater = 0
    /// Which link an endpoint's address belongs to, for the event queue.
    var endpoints: [UInt: Int] = [:]
    var halfOpen = 0
    /// Links whose rows a neighbour may write, and what it wakes this process with.
    var sharers: [Int] = []
    var bell: Bell?
    /// Neighbours that have been told something in this flush.
    var toRing: [Int] = []
    /// Looks addresses up where that takes its time; how many are being looked up.
    var dialer: Dialer?
    var dialing = 0

    /// Links with something to flush; with a row to read; gone since the last poll; and those that are to go with the next.
    var pending: [Int] = []
    /// The same of clients of a node that the fabric reaches, which may be thousands: some in each flush, in turn.
    var crowded: [Int] = []
    /// The last flush has left some of them out; how many in a row had no room.
    var leavesCrowd = false
    var fruitless = 0
    /// Links whose peers have let messages go since `takeRoomier`.
    var roomier: [Int] = []
    var arrived: [Int] = []
    var graves: [Int] = []
    /// Of the graves, the first ones: their ends have been told.
    var buriable = 0
    var doomed: [(link: LinkID, reason: DownReason)] = []

    /// The time of the last poll, and what is due when.
    var now: UInt64
    var nextTimer: UInt64 = .max
    /// Clients, as of the last look at the timers.
    var crowd = 0
    var lastEventRead: UInt64 = 0
    var lastTraffic: UInt64 = 0
    /// Before this time a yield is no use: a neighbour keeps the processor.
    var nextYield: UInt64 = 0
    var eventsAreDue = true
    var eventsWereSignalled = true
    /// Descriptors that the poller waits for besides the caller's wakeups.
    var completionFile: Int32 = -1
    var eventFile: Int32 = -1
    var wakeups: [Int32] = []
    package private(set) var listeningPort: UInt16 = 0
    /// Counts since the start, for figures and tests.
    package internal(set) var counters = TransportCounters()

    /// Opens the provider and listens, where `options` say so; a transport that only connects opens it with its first `connect`.
    package init(_ options: TransportOptions) throws(TransportError) {
        try Transport.check(options)
        self.options = options
        poller = try Poller()
        scratch = Scratch()
        links = LinkTable(capacity: options.maximumLinks)
        now = monotonicNow()
        guard let listen = options.listen else { return }
        let info = try unsafe Fabric.resolve(provider: options.provider, host: listen.host, port: listen.port, listening: true)
        let fabric = try unsafe Fabric(info)
        try open(fabric)
        listeningPort = try fabric.listen()
    }

    deinit {
        repeat { flushCrowd() } while leavesCrowd
        drain()
        // Endpoints before the memory they use, memory before the domain.
        for i in 0..<highWater {
            if let endpoint = unsafe links[i].endpoint { _ = unsafe fi_close(&endpoint.pointee.fid) }
            links[i].closeShare()
            links[i].closeNeighbour()
        }
        links.destroy()
        source = nil
        fabric = nil
    }

    private static func check(_ options: TransportOptions) throws(TransportError) {
        func require(_ holds: Bool, _ words: String) throws(TransportError) {
            guard holds else { throw .option(words) }
        }
        let rings = Limits.smallestRing...Limits.largestRing
        try require(rings.contains(options.messageRing), "message ring: \(rings.lowerBound) to \(rings.upperBound) bytes")
        try require(rings.contains(options.clientMessageRing), "client message ring: \(rings.lowerBound) to \(rings.upperBound) bytes")
        try require(options.dataRing == 0 || rings.contains(options.dataRing), "data ring: 0, or \(rings.lowerBound) to \(rings.upperBound) bytes")
        try require(options.dataRing == 0 || options.listen != nil && options.identity.isNode, "a data ring is for nodes that listen")
        try require((0...Limits.row).contains(options.rowBytes), "row: 0 to \(Limits.row) bytes")
        try require((1...65_535).contains(options.maximumLinks), "links: 1 to 65,535")
        try require(options.maximumHalfOpen >= 1, "half-open links: at least 1")
        try require(options.heartbeat >= 1_000_000 && options.deadline > options.heartbeat, "heartbeat: at least 1 ms, and below the deadline")
        // A client need not know the cluster's name: the secret tells whose it is.
        try require(!options.cluster.isEmpty || !options.identity.isNode, "cluster name: 1 to \(Limits.clusterName) bytes")
        try require(options.cluster.utf8.count <= Limits.clusterName, "cluster name: 1 to \(Limits.clusterName) bytes")
        if case .client(_, let name) = options.identity {
            try require(name.utf8.count <= HelloMessage.nameLimit, "client name: at most \(HelloMessage.nameLimit) bytes")
        }
        if case .node(let node, _) = options.identity { try require(node.raw != 0, "node ids begin at 1") }
    }

    /// Takes an opened fabric into use.
    func open(_ fabric: Fabric) throws(TransportError) {
        if options.dataRing > 0 { source = try Region(fabric, bytes: options.dataRing, access: UInt64(FI_WRITE)) }
        completionFile = try fabric.waitFile(of: .completions)
        eventFile = try fabric.waitFile(of: .events)
        try poller.add(completionFile)
        try poller.add(eventFile)
        self.fabric = fabric
    }

    /// The provider in use: `tcp`, `verbs`; empty before the first `connect` of one that does not listen.
    package var providerName: String { fabric?.provider ?? "" }

    /// The place of a link that is up, or of one that has gone down since the last poll.
    func place(_ link: LinkID, orDown: Bool = false) -> Int? {
        let i = link.index
        guard i < highWater, links[i].generation == link.generation else { return nil }
        guard links[i].state == .up || orDown && links[i].state == .down else { return nil }
        return i
    }
    func id(_ i: Int) -> LinkID { LinkID(index: i, generation: links[i].generation) }

    package func isUp(_ link: LinkID) -> Bool { place(link) != nil }
    package func peer(of link: LinkID) -> PeerIdentity? { place(link, orDown: true).flatMap { links[$0].peer } }
    /// Keeps the pages of the link's incoming rings mapped while it is held, whatever becomes of the link.
    package func memory(of link: LinkID) -> LinkMemory? { place(link, orDown: true).flatMap { links[$0].inbound?.pages } }

    // Messages out.

    /// Bytes of the largest message body that fits now; 0 for a link that is not up.
    package func space(_ link: LinkID) -> Int { place(link).map { links[$0].sending.space } ?? 0 }
    /// Bytes that messages, each with 8 more and in whole eights, may take in all until the next poll.
    package func budget(_ link: LinkID) -> Int { place(link).map { links[$0].sending.budget } ?? 0 }
    /// Bytes of the largest body that will fit at the latest when the peer has let everything go: half its ring, less 8.
    package func largestMessage(_ link: LinkID) -> Int { place(link).map { links[$0].sending.largest } ?? 0 }

    /// Calls `body` for each link that has had more room than before since the last call; some may be gone.
    package func takeRoomier(_ body: (LinkID) -> Void) {
        for i in roomier {
            links[i].isRoomier = false
            body(id(i))
        }
        roomier.removeAll(keepingCapacity: true)
    }

    /// A body of `length` bytes waits for room: the peer is asked to report what it lets go at once, and `.space` follows. No effect where there is room.
    package func wantRoom(_ link: LinkID, length: Int) {
        guard let i = place(link), links[i].sending.want(length) else { return }
        links[i].wantsRow = true
        markPending(i)
    }

    /// Copies a message into the link's staging ring; it goes out with the next flush. False: the link is not up, or there
    /// is no room now and `.space` follows.
    package func send(_ link: LinkID, kind: UInt32, _ a: ByteView) -> Bool {
        guard let i = place(link), let room = room(i, a.count) else { return false }
        room.copy(a, to: 0)
        commit(i, kind: kind, length: a.count)
        return true
    }
    /// The same for a body of two parts.
    package func send(_ link: LinkID, kind: UInt32, _ a: ByteView, _ b: ByteView) -> Bool {
        let length = a.count + b.count
        guard let i = place(link), let room = room(i, length) else { return false }
        room.copy(a, to: 0)
        room.copy(b, to: a.count)
        commit(i, kind: kind, length: length)
        return true
    }
    /// Whether a message of so many bytes would go out from where it lies.
    package func borrows(_ link: LinkID, _ count: Int) -> Bool {
        guard count >= Loan.least, let i = place(link), let fabric else { return false }
        return fabric.takesAnyMemory && links[i].neighbour == nil
    }
    /// The same where `owner` keeps `b` as it is for as long as it is held: a long one goes out from where it lies, if the link's way allows it.
    package func send(_ link: LinkID, kind: UInt32, _ a: ByteView, lending b: ByteView, owner: AnyObject) -> Bool {
        guard borrows(link, b.count) else { return send(link, kind: kind, a, b) }
        guard let i = place(link), let room = room(i, a.count + b.count) else { return false }
        room.copy(a, to: 0)
        links[i].sending.lend(b, at: a.count, owner: owner)
        commit(i, kind: kind, length: a.count + b.count)
        return true
    }
    /// The same for a body of three parts.
    package func send(_ link: LinkID, kind: UInt32, _ a: ByteView, _ b: ByteView, _ c: ByteView) -> Bool {
        let length = a.count + b.count + c.count
        guard let i = place(link), let room = room(i, length) else { return false }
        room.copy(a, to: 0)
        room.copy(b, to: a.count)
        room.copy(c, to: a.count + b.count)
        commit(i, kind: kind, length: length)
        return true
    }
    /// Room for a body of `length` bytes to be built in place, until `commit`; nil as `send` returns false.
    package func reserve(_ link: LinkID, length: Int) -> UnsafeMutableRawBufferPointer? {
        guard let i = place(link), let room = room(i, length) else { return nil }
        return unsafe room.buffer(0, length)
    }
    /// Sends the first `length` bytes of what was reserved last on this link; no effect when the link has gone meanwhile.
    package func commit(_ link: LinkID, kind: UInt32, length: Int) {
        guard let i = place(link) else { return }
        commit(i, kind: kind, length: length)
    }
    private func room(_ i: Int, _ length: Int) -> Memory? {
        let waited = links[i].sending.wanted != nil
        if let room = links[i].sending.reserve(length) { return room }
        // The peer learns, once, that room is wanted, and reports what it lets go at once.
        if !waited {
            links[i].wantsRow = true
            markPending(i)
        }
        return nil
    }
    private func commit(_ i: Int, kind: UInt32, length: Int) {
        links[i].sending.commit(kind: kind, length: length)
        markPending(i)
    }

    // Messages in.

    /// The next message, in place; valid until `release`, or until the poll after `.down`. Several may be taken before one release.
    package func receive(_ link: LinkID) -> (kind: UInt32, body: ByteView)? {
        guard let i = place(link, orDown: true) else { return nil }
        switch links[i].receiving.next() {
        case .none: return nil
        case .message(let kind, let body):
            counters.messagesReceived += 1
            return (kind, body)
        case .violation(let words):
            doom(i, .protocol(words))
            return nil
        }
    }
    /// Lets all messages received so far on this link go; the peer learns it with a later row.
    package func release(_ link: LinkID) {
        guard let i = place(link) else { return }
        links[i].receiving.release()
        let unreported = links[i].receiving.unreported
        if unreported > UInt64(links[i].receiving.size / 4) || links[i].peerWantsRoom && unreported > 0 {
            links[i].wantsRow = true
            markPending(i)
        }
    }

    // Data rings.

    /// My own data ring (`dataRing` rounded up to whole pages); empty without one.
    package var dataSource: UnsafeMutableRawBufferPointer {
        guard let memory = source?.memory else { return unsafe UnsafeMutableRawBufferPointer(start: nil, count: 0) }
        return unsafe memory.buffer(0, memory.count)
    }
    /// The bytes of my data ring at absolute positions `from ..< to` go into the peer's mirror with the next flush, ahead
    /// of the row. They must stay as they are until the peer has said that it has them. At most one ring's length.
    package func postData(_ link: LinkID, from: UInt64, to: UInt64) {
        guard let i = place(link), links[i].remote.data.bytes > 0, from < to else { return }
        precondition(to - from <= UInt64(links[i].remote.data.bytes), "more data than the ring holds")
        let last = links[i].ranges.count - 1
        if last >= 0, links[i].ranges[last].to == from {
            links[i].ranges[last].to = to
        } else if last + 1 < Transport.dataRanges {
            links[i].ranges.append(DataRange(from: from, to: to))
        } else {
            // The list is full: the last stretch grows over the gap. More bytes than needed, all of them mine and right.
            let end = max(links[i].ranges[last].to, to)
            let start = min(links[i].ranges[last].from, from)
            let ring = UInt64(links[i].remote.data.bytes)
            links[i].ranges[last] = DataRange(from: max(start, end < ring ? 0 : end - ring), to: end)
        }
        markPending(i)
    }
    /// Separate stretches of data that one link keeps for a flush; one more joins the last two.
    static let dataRanges = 64

    /// The peer's data ring as mirrored here, of the peer's size; empty for a client link. Valid until the poll after
    /// `.down`, and longer while `memory(of:)` is held.
    package func data(of link: LinkID) -> UnsafeRawBufferPointer {
        guard let i = place(link, orDown: true), links[i].mirror.count > 8 else { return unsafe UnsafeRawBufferPointer(start: nil, count: 0) }
        let mirror = links[i].mirror
        return unsafe UnsafeRawBufferPointer(mirror.buffer(0, mirror.count))
    }

    // Application rows.

    /// Sets the application row that the peer sees from the next flush on; at most `rowBytes`.
    package func setRow(_ link: LinkID, _ bytes: ByteView) {
        guard let i = place(link) else { return }
        links[i].rowOut.set(bytes)
        markPending(i)
    }
    /// The newest whole row of the peer, or empty before the first; valid until the next `poll` or `sleep`.
    package func row(_ link: LinkID) -> ByteView {
        guard let i = place(link, orDown: true) else { return .empty }
        return links[i].rowIn.row
    }

    func markPending(_ i: Int) {
        guard !links[i].isPending else { return }
        links[i].isPending = true
        if options.identity.isNode, links[i].silence == nil, links[i].neighbour == nil { crowded.append(i) } else { pending.append(i) }
    }
    func doom(_ i: Int, _ reason: DownReason) { doomed.append((id(i), reason)) }
}

/// Counts since a transport began.
package struct TransportCounters: Equatable, Sendable {
    /// fi_writemsg calls that were taken, rows among them, and the bytes they carried.
    package var writes: UInt64 = 0
    package var rows: UInt64 = 0
    package var bytesWritten: UInt64 = 0
    package var messagesReceived: UInt64 = 0
    /// Rows whose completion had come; of these, those whose copy was torn by a newer one on its way.
    package var rowsRead: UInt64 = 0
    package var rowsTorn: UInt64 = 0
    /// Flushes that had to wait for a row slot or for room among the operations.
    package var stalls: UInt64 = 0
    /// Links whose rows and messages are written into the peer's memory here, and not by the fabric; how often such a peer was woken.
    package var neighbours: UInt64 = 0
    package var rings: UInt64 = 0
    /// Times this thread blocked in the kernel.
    package var sleeps: UInt64 = 0
}
