import Broker
import CSystem
import Glibc
import Storage
import Topics
import Transport
import Wire

/// Why a node's life ended.
enum Ending {
    /// A signal asked for it.
    case stopped
    /// The node starts again from its disk.
    case again(String)
    /// It was asked to leave; started again it comes back.
    case left(String)
    /// The disk cannot be written.
    case disk(String)
}

/// What one life leaves to the next besides what is on the disk.
struct Carried {
    /// It goes on leaving.
    var isLeaving = false
    /// It reads its whole log before it counts.
    var mustVerify = false
}

/// One life of a node: the loop that owns all of its state. Completions become events, directives become effects.
final class Serve {
    private enum Role { case none, peer(NodeID), client(SessionID) }
    private struct Peer {
        var link: LinkID?
        var connecting: LinkID?
        var nextAttempt: UInt64 = 0
        var saidUnreachable = false
    }
    private struct Stalled {
        let kind: UInt32
        let body: ByteView
    }

    private let configuration: NodeConfiguration
    private let transport: Transport
    private let disk: DiskThread
    private let node: Node
    private var roles: [Role]
    private var peers: [NodeID: Peer] = [:]
    /// Clients' links that have been sent something, or have let something go, since the node was told their room.
    private var used: [LinkID] = []
    private var isUsed: [Bool]
    private var stalled: [SessionID: Stalled] = [:]
    private var stalledOrder: [SessionID] = []
    /// The last turn has made room for them, of which no event will tell.
    private var offersAgain = false
    /// Messages that a link had no room for, in order.
    private var waiting: [LinkID: [(kind: UInt32, bytes: [UInt8])]] = [:]
    /// Blocks of large frames that are to be passed on.
    private var relays = RelayQueue()
    private var out: [Directive] = []
    private var jobs: [DiskJob] = []
    /// Of these: how many were looked at, the bytes of those that may wait, whether all of them may, and until when.
    private var (heldJobs, heldBytes, mayWait, giveAt) = (0, 0, true, UInt64.max)
    private var results: [DiskResult] = []
    private var events: [TransportEvent] = []
    private var rowBytes: [UInt8] = []
    /// Memory of links that have gone, whose frames may still be on their way to the disk.
    private var retained: [LinkMemory] = []
    private var ending: Ending?
    private var nextTick: UInt64 = 0
    private let stop: Int32

    /// Time between ticks, nanoseconds.
    private static let tick: UInt64 = 20_000_000
    private static let idleTick: UInt64 = 500_000_000
    /// A peer's messages that wait for room, bytes; more means that it does not read.
    private static let waitingLimit = 64 << 20

    init(
        _ configuration: NodeConfiguration, transport: Transport, disk: DiskThread, settings: NodeSettings, state: MemberState,
        states: [GroupState], holes: [LogHole], holdings: Holdings, agreed: AgreedPlace, isLeaving: Bool, stop: Int32
    ) throws(TransportError) {
        self.configuration = configuration
        self.transport = transport
        self.disk = disk
        self.stop = stop
        roles = Array(repeating: .none, count: 65_536)
        isUsed = Array(repeating: false, count: 65_536)
        node = Node(settings: settings, state: state, states: states, holes: holes, holdings: holdings, agreed: agreed, ring: unsafe ByteStore(transport.dataSource))
        node.isLeaving = isLeaving
        for member in configuration.members where member.node != configuration.node { peers[member.node] = Peer() }
        try transport.addWakeup(disk.ready.file)
        try transport.addWakeup(stop)
    }

    func run() -> Ending {
        let mode: WaitMode = switch configuration.poll { case .adaptive: .adaptive; case .busy: .busy; case .sleep: .sleep }
        while ending == nil {
            turn()
            guard ending == nil else { break }
            transport.sleep(until: offersAgain ? 0 : min(nextTick, node.dueAt, giveAt), mode: mode, into: &events)
        }
        return ending ?? .stopped
    }

    private func turn() {
        let now = Self.now()
        transport.poll(now: now.monotonic, into: &events)
        // A heartbeat that says nothing new, on one side or the other: there is nothing to decide.
        guard !events.isEmpty || !stalled.isEmpty || now.monotonic >= min(nextTick, node.dueAt, giveAt) else { return transport.flush() }
        for event in events { handle(event, now) }
        events.removeAll(keepingCapacity: true)
        offerStalled(now)
        if now.monotonic >= nextTick {
            node.tick(now: now, into: &out)
            connectPeers(now.monotonic)
            nextTick = now.monotonic + (node.isLive ? Self.idleTick : Self.tick)
        }
        setSpaces()
        let hasMadeRoom = node.finishTurn(now: now, into: &out)
        offersAgain = hasMadeRoom && !stalled.isEmpty
        perform(now)
        passBlocksOn()
        // The others have as far to go to their disks: they first. Waking this node's disk thread may take the processor away.
        transport.flush()
        giveJobs(now.monotonic)
    }

    /// Hands the jobs over. Appends to the log in memory wait a little for more of them, or for any other job: nobody waits for them, and
    /// handing them over wakes two threads.
    private func giveJobs(_ now: UInt64) {
        while mayWait, heldJobs < jobs.count {
            if let bytes = jobs[heldJobs].bytesInMemory { heldBytes += bytes } else { mayWait = false }
            heldJobs += 1
        }
        if mayWait, !jobs.isEmpty, heldBytes < Self.mostHeld {
            giveAt = min(giveAt, now + Self.holdTime)
            guard now >= giveAt else { return }
        }
        disk.give(&jobs)
        (heldJobs, heldBytes, mayWait, giveAt) = (0, 0, true, .max)
    }
    private static let mostHeld = 64 << 10
    private static let holdTime: UInt64 = 5_000_000

    // MARK: events

    private func handle(_ event: TransportEvent, _ now: Instant) {
        switch event {
        case .up(let link, let peer): linkUp(link, peer)
        case .down(let link, let reason): linkDown(link, reason)
        case .refused(let address, let why): say("refused a connection from \(address): \(why)")
        case .message(let link): messages(link, now)
        case .row(let link):
            if case .peer(let id) = roles[link.index] { giveRow(id, link, now) }
        case .space(let link): sendWaiting(link)
        case .wakeup(let file):
            if file == stop { ending = .stopped } else { takeResults(now) }
        }
    }

    private func linkUp(_ link: LinkID, _ peer: PeerIdentity) {
        switch peer.identity {
        case .node(let id, _):
            guard var entry = peers[id] else {
                say("refused \(id) at \(peer.address): it is not among this node's members")
                transport.close(link)
                return
            }
            if let old = entry.link { drop(old) }
            entry.link = link
            if entry.connecting == link { entry.connecting = nil }
            entry.saidUnreachable = false
            peers[id] = entry
            roles[link.index] = .peer(id)
            node.peerUp(id, into: &out)
        case .client:
            let session = SessionID(link.raw)
            roles[link.index] = .client(session)
            node.sessionUp(session, into: &out)
            node.setSpace(session, transport.budget(link))
        }
    }

    /// A session has its link's number. Nil: the link has gone.
    private func link(of session: SessionID) -> LinkID? {
        let link = LinkID(raw: session.raw)
        guard case .client(session) = roles[link.index] else { return nil }
        return link
    }

    private func drop(_ link: LinkID) {
        if let memory = transport.memory(of: link) { retained.append(memory) }
        waiting[link] = nil
        roles[link.index] = .none
        transport.close(link)
    }

    private func linkDown(_ link: LinkID, _ reason: DownReason) {
        waiting[link] = nil
        for (id, peer) in peers where peer.connecting == link {
            peers[id]?.connecting = nil
            if !peer.saidUnreachable, case .refused = reason {
                say("\(id) does not take this node: \(reason)")
                peers[id]?.saidUnreachable = true
            }
        }
        switch roles[link.index] {
        case .none: return
        case .peer(let id):
            guard peers[id]?.link == link else { return }
            if let memory = transport.memory(of: link) { retained.append(memory) }
            peers[id]?.link = nil
            roles[link.index] = .none
            node.peerDown(id, why: "\(reason)", into: &out)
        case .client(let session):
            roles[link.index] = .none
            if stalled.removeValue(forKey: session) != nil { stalledOrder.removeAll { $0 == session } }
            node.sessionDown(session)
        }
    }

    private func messages(_ link: LinkID, _ now: Instant) {
        switch roles[link.index] {
        case .none: return
        case .peer(let id):
            while let (kind, body) = transport.receive(link) {
                do throws(DecodeError) {
                    guard let known = MessageKind(rawValue: kind) else { throw .value(what: "message kind", value: UInt64(kind)) }
                    if known == .relay {
                        try node.peerRelay(body, mirror: { mirror(of: $0) }, now: now, into: &out)
                    } else {
                        try node.peerMessage(id, known, body, now: now, into: &out)
                    }
                } catch {
                    say("\(id) sent what cannot be understood: \(error); closing the link")
                    return transport.close(link)
                }
                transport.release(link)
            }
        case .client(let session):
            guard stalled[session] == nil else { return }
            clientMessages(session, link, now)
        }
    }

    private func clientMessages(_ session: SessionID, _ link: LinkID, _ now: Instant) {
        while let (kind, body) = transport.receive(link) {
            guard offer(session, link, kind, body, now) else {
                stalled[session] = Stalled(kind: kind, body: body)
                stalledOrder.append(session)
                return
            }
        }
    }

    /// False: the node cannot take it yet, the message stays in the ring.
    private func offer(_ session: SessionID, _ link: LinkID, _ kind: UInt32, _ body: ByteView, _ now: Instant) -> Bool {
        do throws(DecodeError) {
            guard let known = MessageKind(rawValue: kind) else { throw .value(what: "message kind", value: UInt64(kind)) }
            guard try node.sessionMessage(session, known, body, now: now, into: &out) else { return false }
        } catch {
            say("a client sent what cannot be understood: \(error); closing its link")
            let refusal = Refusal(.malformed, reason: "\(error)").encode()
            _ = refusal.withView { transport.send(link, kind: MessageKind.refused.rawValue, $0) }
            transport.flush()
            transport.close(link)
            return true
        }
        transport.release(link)
        return true
    }

    private func offerStalled(_ now: Instant) {
        guard !stalled.isEmpty else { return }
        let order = stalledOrder
        stalledOrder.removeAll(keepingCapacity: true)
        for session in order {
            guard let message = stalled.removeValue(forKey: session), let link = link(of: session) else { continue }
            if offer(session, link, message.kind, message.body, now) {
                clientMessages(session, link, now)
            } else {
                stalled[session] = message
                stalledOrder.append(session)
            }
        }
    }

    private func giveRow(_ id: NodeID, _ link: LinkID, _ now: Instant) {
        let row = transport.row(link)
        guard !row.isEmpty else { return }
        node.peerRow(id, row, ring: unsafe ByteView(transport.data(of: link)), now: now, into: &out)
    }

    private func takeResults(_ now: Instant) {
        disk.take(&results)
        for result in results {
            if case .failed(let why) = result {
                ending = .disk(why)
                return
            }
            node.diskDone(result, now: now, into: &out)
        }
        results.removeAll(keepingCapacity: true)
    }

    private func setSpaces() {
        transport.takeRoomier { use($0) }
        for link in used {
            isUsed[link.index] = false
            guard waiting.isEmpty || waiting[link] == nil, case .client(let session) = roles[link.index], session.raw == link.raw else { continue }
            node.setSpace(session, transport.budget(link))
        }
        used.removeAll(keepingCapacity: true)
    }
    private func use(_ link: LinkID) {
        guard case .client = roles[link.index], !isUsed[link.index] else { return }
        isUsed[link.index] = true
        used.append(link)
    }

    /// The higher of two ids connects to the lower, so that a pair never has two links.
    private func connectPeers(_ now: UInt64) {
        for member in configuration.members where member.node < configuration.node {
            guard let peer = peers[member.node], peer.link == nil, peer.connecting == nil, now >= peer.nextAttempt else { continue }
            peers[member.node]?.nextAttempt = now + 100_000_000
            do throws(TransportError) {
                peers[member.node]?.connecting = try transport.connect(host: member.address.host, port: member.address.port)
            } catch {
                if !peer.saidUnreachable { say("cannot connect to \(member.node) at \(member.address): \(error)") }
                peers[member.node]?.saidUnreachable = true
            }
        }
    }

    // MARK: effects

    private func perform(_ now: Instant) {
        var index = 0
        // Carrying one out may add more behind it.
        while index < out.count {
            perform(out[index], now)
            index += 1
        }
        out.removeAll(keepingCapacity: true)
    }

    private func perform(_ directive: Directive, _ now: Instant) {
        switch directive {
        case .peer(let id, let kind, let bytes):
            guard let link = peers[id]?.link else { return }
            bytes.withView { send(link, kind.rawValue, $0, .empty) }
        case .session(let session, let kind, let head, let body, let owner):
            guard let link = link(of: session) else { return }
            head.withView { send(link, kind.rawValue, $0, body, owner) }
        case .data(let id, let from, let to):
            if let link = peers[id]?.link { transport.postData(link, from: from, to: to) }
        case .relay(let id, let block, let owner): if let link = peers[id]?.link { relays.add(block, of: owner, to: link) }
        case .row:
            rowBytes.removeAll(keepingCapacity: true)
            for member in node.encodeRow(into: &rowBytes) {
                if let link = peers[member]?.link { rowBytes.withView { transport.setRow(link, $0) } }
            }
        case .rereadRows:
            retained.removeAll()
            relays.removeAll()
            for member in node.view.members {
                if let link = peers[member]?.link { giveRow(member, link, now) }
            }
        case .disk(let job): jobs.append(job)
        case .wantsRoom(let session, let bytes): if let link = link(of: session) { transport.wantRoom(link, length: bytes) }
        case .closeSession(let session, let why):
            say("closing \(session): \(why)")
            if let link = link(of: session) { transport.close(link) }
        case .log(let line): say(line)
        case .restart(let why): ending = .again(why)
        case .left(let why): ending = .left(why)
        }
    }

    private func mirror(of id: NodeID) -> ByteView? { peers[id]?.link.map { unsafe ByteView(transport.data(of: $0)) } }

    private func passBlocksOn() {
        while let (block, owner, link) = relays.next(where: { waiting[$0] == nil }) {
            guard transport.isUp(link) else {
                relays.removeFirst(to: link)
                continue
            }
            // Room for a block and for what the agreement on views has to say; else `.space` follows.
            guard unsafe transport.reserve(link, length: min(block.part.count + RelayQueue.room, transport.largestMessage(link))) != nil,
                block.encode().withView({ transport.send(link, kind: MessageKind.relay.rawValue, $0, lending: owner.view[block.part], owner: owner) })
            else {
                relays.hold(link)
                continue
            }
            relays.removeFirst(to: link)
            // On its way while the next one is laid out: so the chain works on several at a time.
            transport.flushMembers()
        }
        relays.release()
    }

    /// - owner: keeps `body` as it is for as long as it is held.
    private func send(_ link: LinkID, _ kind: UInt32, _ head: ByteView, _ body: ByteView, _ owner: OwnedBytes? = nil) {
        use(link)
        if waiting.isEmpty || waiting[link] == nil, post(link, kind, head, body, owner) { return }
        guard transport.isUp(link) else { return }
        var bytes = head.array
        bytes.append(view: body)
        waiting[link, default: []].append((kind, bytes))
        if waiting[link]!.reduce(0, { $0 + $1.bytes.count }) > Self.waitingLimit {
            say("\(link) does not take its messages; closing it")
            transport.close(link)
        }
    }

    private func post(_ link: LinkID, _ kind: UInt32, _ head: ByteView, _ body: ByteView, _ owner: OwnedBytes?) -> Bool {
        // What waits in a ring holds no more memory than twice the ring's.
        guard let owner, owner.isMostly(body) else { return transport.send(link, kind: kind, head, body) }
        return transport.send(link, kind: kind, head, lending: body, owner: owner)
    }

    private func sendWaiting(_ link: LinkID) {
        guard var queue = waiting[link] else { return }
        use(link)
        while let first = queue.first, first.bytes.withView({ transport.send(link, kind: first.kind, $0) }) { queue.removeFirst() }
        waiting[link] = queue.isEmpty ? nil : queue
    }

    /// What the next life takes over from this one.
    var carried: Carried { Carried(isLeaving: node.isLeaving, mustVerify: node.mustVerify) }

    private func say(_ line: String) { Console.say("\(configuration.node): \(line)") }

    static func now() -> Instant {
        var monotonic = timespec()
        var wall = timespec()
        _ = unsafe clock_gettime(CLOCK_MONOTONIC, &monotonic)
        _ = unsafe clock_gettime(CLOCK_REALTIME, &wall)
        return Instant(
            monotonic: UInt64(monotonic.tv_sec) * 1_000_000_000 + UInt64(monotonic.tv_nsec),
            wall: UInt64(wall.tv_sec) * 1_000_000_000 + UInt64(wall.tv_nsec))
    }
}
