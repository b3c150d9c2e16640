internal import CFabric
internal import Glibc
internal import Wire

/// How links come and go: the provider's connection, the hello, the memory of a link, its end.
extension Transport {
    /// Begins a connection; `.up` or `.down` follows. Over tcp a host name, other than a literal address, is looked up here
    /// and blocks; over RDMA a thread does it.
    package func connect(host: String, port: UInt16) throws(TransportError) -> LinkID {
        reconsider()
        let provider = fabric?.provider ?? options.provider
        guard !Fabric.looksUpSlowly(provider) else {
            let i = try newLink(host, port)
            links[i].state = .connecting
            setDeadline(i)
            try openDialer().ask(.init(link: id(i), provider: provider, host: host, port: port, source: fabric?.source ?? []))
            dialing += 1
            return id(i)
        }
        let info = try unsafe Fabric.resolve(provider: provider, host: host, port: port, listening: false)
        defer { unsafe fi_freeinfo(info) }
        let i = try newLink(host, port)
        do { try unsafe begin(i, info) } catch {
            giveBack(i)
            throw error
        }
        return id(i)
    }
    /// Where the provider is `auto`, the first address decides it for one that only connects; a machine that was down then looks
    /// like one without RDMA. So with no link left the next address decides anew.
    private func reconsider() {
        guard options.provider == "auto", options.listen == nil, fabric != nil, Fabric.hasDevices, dialing == 0 else { return }
        let used = (0..<highWater).filter { links[$0].state != .free }
        guard used.allSatisfy({ links[$0].state == .down && links[$0].peer == nil }) else { return }
        buriable = graves.count
        while !graves.isEmpty { bury() }
        poller.remove(completionFile)
        poller.remove(eventFile)
        fabric = nil
    }
    private func newLink(_ host: String, _ port: UInt16) throws(TransportError) -> Int {
        guard let i = takePlace() else { throw .tooManyLinks(limit: options.maximumLinks) }
        links[i].isOutgoing = true
        links[i].address = "\(host):\(port)"
        return i
    }
    private func openDialer() throws(TransportError) -> Dialer {
        if let dialer { return dialer }
        let made = try Dialer()
        try poller.add(made.ready)
        dialer = made
        return made
    }
    /// Connects to what was found for an address; opens the provider where this is the first (fi_connect).
    @unsafe private func begin(_ i: Int, _ info: UnsafeMutablePointer<fi_info>) throws(TransportError) {
        if fabric == nil {
            guard let copy = unsafe fi_dupinfo(info) else { throw .failed(call: "fi_dupinfo", why: "out of memory") }
            try open(try unsafe Fabric(copy))
        }
        let places = fabric?.provider == "tcp" ? Pacing.Places(spare: eventFile) : nil
        let endpoint = try unsafe makeEndpoint(i, info)
        places?.turnOffNew()
        let knock = Knock.make(cluster: options.cluster, secret: options.secret, nonce: Transport.drawNonce())
        links[i].knock = knock
        let status = unsafe knock.withUnsafeBytes { unsafe fi_connect(endpoint, info.pointee.dest_addr, $0.baseAddress, $0.count) }
        if status != 0 { doom(i, .unreachable(Fabric.words(status))) }
    }
    /// Goes on with the links whose addresses have been looked up.
    func takeDialed(into events: inout [TransportEvent]) {
        guard dialing > 0, let dialer else { return }
        for answer in dialer.take() {
            dialing -= 1
            let i = answer.link.index
            // It may have been closed, or given up, in the meantime.
            guard links[i].generation == answer.link.generation, links[i].state == .connecting else { continue }
            do throws(TransportError) { try unsafe begin(i, answer.outcome.get().info) } catch {
                fail(i, .unreachable("\(error)"), into: &events)
            }
        }
    }

    /// Closes; what was sent before goes out where the connection still carries it. `.down(link, .local)` follows with
    /// the next poll. No effect on a link that is gone.
    package func close(_ link: LinkID) {
        let i = link.index
        guard i < highWater, links[i].generation == link.generation else { return }
        switch links[i].state {
        case .up:
            _ = flush(link: i)
            doom(i, .local)
        case .connecting, .greeting: doom(i, .local)
        case .free, .lingering, .down: return
        }
    }

    /// A connection request: FI_CONNREQ with `info`, which this frees, and the peer's knock.
    @unsafe func accept(_ info: UnsafeMutablePointer<fi_info>, knock: ByteView, into events: inout [TransportEvent]) {
        defer { unsafe fi_freeinfo(info) }
        guard let fabric, let listener = unsafe fabric.listener else { return }
        let from = unsafe SocketAddress(UnsafeRawBufferPointer(start: info.pointee.dest_addr, count: info.pointee.dest_addrlen)).description
        func reject(_ code: RefusalCode) {
            _ = unsafe Knock.refusal(code).withUnsafeBytes { unsafe fi_reject(listener, info.pointee.handle, $0.baseAddress, $0.count) }
            events.append(.refused(from: from, reason: Knock.words(code)))
        }
        if let code = Knock.judge(knock, cluster: options.cluster, secret: options.secret) { return reject(code) }
        guard halfOpen < options.maximumHalfOpen, let i = takePlace() else { return reject(.busy) }
        links[i].address = from
        halfOpen += 1
        do {
            let endpoint = try unsafe makeEndpoint(i, info)
            let answer = Knock.answer(to: knock[0..<Knock.bytes].array, secret: options.secret)
            let status = unsafe answer.withUnsafeBytes { unsafe fi_accept(endpoint, $0.baseAddress, $0.count) }
            guard status == 0 else { throw TransportError.failed(call: "fi_accept", why: Fabric.words(status)) }
        } catch {
            // An endpoint that was made owns the connection; rejecting then frees the provider's handle only.
            closeEndpoint(i)
            _ = unsafe fi_reject(listener, info.pointee.handle, nil, 0)
            giveBack(i)
            halfOpen -= 1
            events.append(.refused(from: from, reason: "\(error)"))
        }
    }

    /// An enabled endpoint with its control region and posted receives (fi_endpoint, fi_ep_bind, fi_enable, fi_recv).
    @unsafe private func makeEndpoint(
        _ i: Int, _ info: UnsafeMutablePointer<fi_info>
    ) throws(TransportError) -> UnsafeMutablePointer<fid_ep> {
        guard let fabric else { throw .failed(call: "fi_endpoint", why: "no fabric") }
        func check(_ status: Int, _ call: String) throws(TransportError) {
            guard status == 0 else { throw .failed(call: call, why: Fabric.words(status)) }
        }
        let control = try Region(
            fabric, bytes: ControlLayout.bytes(receives: receives, rowBytes: options.rowBytes),
            access: UInt64(FI_SEND) | UInt64(FI_RECV) | UInt64(FI_WRITE))
        var made: UnsafeMutablePointer<fid_ep>?
        try check(Int(unsafe fi_endpoint(fabric.domain, info, &made, nil)), "fi_endpoint")
        let endpoint = unsafe made!
        links[i].control = control
        unsafe links[i].endpoint = unsafe endpoint
        endpoints[UInt(bitPattern: endpoint)] = i
        try check(Int(unsafe fi_ep_bind(endpoint, &fabric.events.pointee.fid, 0)), "fi_ep_bind")
        // Sends and writes complete in order; only those that ask for it are reported.
        let transmit = UInt64(FI_TRANSMIT) | UInt64(FI_SELECTIVE_COMPLETION)
        try check(Int(unsafe fi_ep_bind(endpoint, &fabric.completions.pointee.fid, transmit)), "fi_ep_bind")
        try check(Int(unsafe fi_ep_bind(endpoint, &fabric.completions.pointee.fid, UInt64(FI_RECV))), "fi_ep_bind")
        try check(Int(unsafe fi_enable(endpoint)), "fi_enable")
        for slot in 0..<receives { try check(postReceive(i, slot), "fi_recv") }
        links[i].state = .connecting
        setDeadline(i)
        eventsAreDue = true
        return unsafe endpoint
    }
    private func setDeadline(_ i: Int) {
        links[i].deadline = now + options.helloDeadline
        nextTimer = min(nextTimer, links[i].deadline)
    }

    /// Receives kept posted on each link: for the hello, and one for each row where the provider wants it so.
    var receives: Int {
        guard let fabric, fabric.newsTakesReceive else { return 4 }
        return min(64, fabric.receiveLimit)
    }
    /// Posts the receive of `slot` (fi_recv); 0 or a negative status.
    func postReceive(_ i: Int, _ slot: Int) -> Int {
        guard let control = links[i].control, let endpoint = unsafe links[i].endpoint else { return 0 }
        let token = Token(i, links[i].generation, .receive, slot: slot)
        let place = slot * ControlLayout.buffer
        return unsafe fi_recv(
            endpoint, control.memory.address(place), ControlLayout.buffer, control.descriptor, 0, token.pointer)
    }

    // The hello.

    /// FI_CONNECTED, with the listener's answer on the side that connected: the hello begins.
    func connected(_ i: Int, answer: ByteView, into events: inout [TransportEvent]) {
        guard links[i].state == .connecting else { return }
        guard !links[i].isOutgoing || Knock.isAnswer(answer, to: links[i].knock, secret: options.secret) else {
            return fail(i, .refused(Knock.words(.secret)), into: &events)
        }
        beginGreeting(i)
        if links[i].isOutgoing, let hello = links[i].handshake?.start() { sendHello(i, hello, into: &events) }
    }
    private func beginGreeting(_ i: Int) {
        let own = Introduction(
            nonce: Transport.drawNonce(), identity: options.identity, rowBytes: options.rowBytes, dataRing: source?.memory.count ?? 0,
            place: options.sharesMemory ? Neighbour.place : 0, cluster: options.cluster)
        links[i].handshake = Handshake(isInitiator: links[i].isOutgoing, own: own, secret: options.secret)
        links[i].state = .greeting
    }

    /// Bytes from the system's generator (getrandom).
    static func drawNonce() -> [UInt8] {
        var generator = SystemRandomNumberGenerator()
        return (0..<Introduction.nonceBytes).map { _ in UInt8.random(in: 0...255, using: &generator) }
    }

    /// A message of the hello has come into receive `slot`.
    func received(_ i: Int, slot: Int, length: Int, into events: inout [TransportEvent]) {
        // Some providers let the first message overtake FI_CONNECTED.
        if links[i].state == .connecting, !links[i].isOutgoing { beginGreeting(i) }
        guard links[i].state == .greeting, let control = links[i].control else { return }
        guard slot < receives, length <= ControlLayout.buffer else { return }
        let view = control.memory.view(slot * ControlLayout.buffer, length)
        guard let outcome = links[i].handshake?.receive(view) else { return }
        _ = postReceive(i, slot)
        act(i, on: outcome, into: &events)
    }

    private func act(_ i: Int, on outcome: Handshake.Outcome, into events: inout [TransportEvent]) {
        switch outcome {
        case .reply(let bytes): sendHello(i, bytes, into: &events)
        case .done: bringUp(i, into: &events)
        case .refused(let words): fail(i, .refused(words), into: &events)
        case .refuse(let bytes, let words):
            sendHello(i, bytes, into: &events)
            linger(i, words, into: &events)
        case .needsMemory:
            do {
                let offer = try makeInbound(i)
                guard let bytes = links[i].handshake?.offer(offer) else { return }
                sendHello(i, bytes, into: &events)
                if links[i].isOutgoing { bringUp(i, into: &events) }
            } catch {
                guard let refusal = links[i].handshake?.refuse(.busy, "no memory for another link") else { return }
                act(i, on: refusal, into: &events)
            }
        }
    }

    private func sendHello(_ i: Int, _ bytes: [UInt8], into events: inout [TransportEvent]) {
        guard let control = links[i].control, let endpoint = unsafe links[i].endpoint else { return }
        let slot = links[i].helloSlot
        guard slot < ControlLayout.sends else { return }
        links[i].helloSlot += 1
        let place = ControlLayout.send(slot, receives: receives)
        bytes.withView { control.memory.copy($0, to: place) }
        let token = Token(i, links[i].generation, .hello, slot: slot)
        let status = unsafe fi_send(endpoint, control.memory.address(place), bytes.count, control.descriptor, 0, token.pointer)
        if status != 0 { fail(i, .unreachable(Fabric.words(status)), into: &events) }
    }

    /// Memory that the peer, proved, may write: row, message ring, mirror, each on pages of its own.
    private func makeInbound(_ i: Int) throws(TransportError) -> MemoryOffer {
        guard let fabric, let peer = links[i].handshake?.peer else { throw .failed(call: "hello", why: "no peer") }
        let isClientLink = !links[i].isOutgoing && !peer.identity.isNode
        let row = LinkMemory.wholePages(RowReader.bytes(rowBytes: peer.rowBytes) + Neighbour.sleepBytes)
        let ring = LinkMemory.wholePages(isClientLink ? options.clientMessageRing : options.messageRing)
        let mirror = options.identity.isNode && peer.identity.isNode ? peer.dataRing : 0
        let pages = try makePages(i, peer, bytes: row + ring + mirror)
        let region = try Region(fabric, pages: pages, access: UInt64(FI_REMOTE_WRITE))
        links[i].inbound = region
        links[i].receiving = ReceiveRing(region.memory.part(row, ring))
        links[i].mirror = mirror > 0 ? region.memory.part(row + ring, mirror) : .none
        if let control = links[i].control {
            let kept = ControlLayout.kept(receives: receives, rowBytes: options.rowBytes)
            links[i].rowIn = RowReader(
                region.memory.part(0, row), kept: control.memory.part(kept, RowReader.keptBytes(rowBytes: peer.rowBytes)),
                rowBytes: peer.rowBytes)
        }
        var offer = MemoryOffer()
        offer.link = UInt32(i)
        offer.row = .init(address: region.remoteBase, key: region.key, bytes: row)
        offer.ring = .init(address: region.remoteBase + UInt64(row), key: region.key, bytes: ring)
        offer.data = .init(address: region.remoteBase + UInt64(row + ring), key: region.key, bytes: mirror)
        links[i].rowWindow = row
        if links[i].isShared, let bell, let share = Neighbour.share(links[i].shareFile, bell) { offer.share = share }
        return offer
    }

    /// The hello has ended well on this side.
    private func bringUp(_ i: Int, into events: inout [TransportEvent]) {
        guard let fabric, let handshake = links[i].handshake, let peer = handshake.peer, let control = links[i].control,
            links[i].state == .greeting, let remote = handshake.offer
        else { return }
        if let neighbour = mapNeighbour(remote) {
            links[i].neighbour = neighbour
            links[i].sending = SendRing(neighbour.ring)
            counters.neighbours += 1
        } else {
            do {
                let staging = try Region(fabric, bytes: remote.ring.bytes, access: UInt64(FI_WRITE))
                links[i].outbound = staging
                links[i].sending = SendRing(staging.memory)
            } catch { return fail(i, .unreachable("\(error)"), into: &events) }
        }
        let rows = ControlLayout.rows(receives: receives)
        links[i].rowOut = RowWriter(
            control.memory.part(rows, RowWriter.bytes(rowBytes: options.rowBytes)), rowBytes: options.rowBytes)
        links[i].remote = remote
        links[i].ranges.reserveCapacity(Transport.dataRanges)
        links[i].handshake = nil
        links[i].state = .up
        if links[i].isShared { sharers.append(i) }
        if !links[i].isOutgoing { halfOpen -= 1 }
        links[i].lastHeard = now
        links[i].lastSent = now
        if peer.identity.isNode { links[i].silence = SilenceDetector(heartbeat: options.heartbeat, ceiling: options.deadline, now: now) }
        links[i].wantsRow = true
        markPending(i)
        links[i].isStalled = true
        nextTimer = min(nextTimer, now + options.heartbeat)
        let identity = PeerIdentity(identity: peer.identity, address: links[i].address, isOutgoing: links[i].isOutgoing)
        links[i].peer = identity
        events.append(.up(id(i), peer: identity))
        // The peer may have written before its last message of the hello was read.
        noteNews(i)
    }

    // The end.

    /// Closes a link that is up. On tcp the provider sends what it still holds before it disconnects; elsewhere a disconnect
    /// throws away what the peer has not yet acknowledged, so a last write is posted whose completion says that all is there,
    /// and the connection waits for it.
    func closeGently(_ i: Int, into events: inout [TransportEvent]) {
        guard let fabric, !fabric.closingSendsAll, links[i].state == .up, postFence(i), links[i].writesDone < links[i].writesPosted
        else { return fail(i, .local, into: &events) }
        report(i, .local, into: &events)
        links[i].state = .lingering
        links[i].deadline = now + Transport.lingerTime
        nextTimer = min(nextTimer, links[i].deadline)
    }
    /// Waits, at the end of this transport, until the peers have what was flushed to them; `drainTime` at most.
    func drain() {
        guard let fabric, !fabric.closingSendsAll else { return }
        let fenced = (0..<highWater).filter { postFence($0) }
        let end = monotonicNow() + Transport.drainTime
        var events: [TransportEvent] = []
        while monotonicNow() < end, fenced.contains(where: { links[$0].state == .up && links[$0].writesDone < links[$0].writesPosted }) {
            readCompletions(into: &events)
        }
    }
    static let drainTime: UInt64 = 100_000_000

    /// Reports a refusal of ours, and keeps the connection until the refusal has gone out and the peer has closed.
    private func linger(_ i: Int, _ words: String, into events: inout [TransportEvent]) {
        guard links[i].state == .greeting else { return }
        report(i, .refused(words), into: &events)
        if !links[i].isOutgoing { halfOpen -= 1 }
        links[i].state = .lingering
        links[i].deadline = now + Transport.lingerTime
        nextTimer = min(nextTimer, links[i].deadline)
    }
    static let lingerTime: UInt64 = 500_000_000

    private func report(_ i: Int, _ reason: DownReason, into events: inout [TransportEvent]) {
        if links[i].isOutgoing || links[i].state == .up {
            events.append(.down(id(i), reason))
        } else {
            events.append(.refused(from: links[i].address, reason: reason.description))
        }
    }

    /// Takes a link down: reports it once, closes its endpoint, keeps its memory until the next poll. Idempotent.
    func fail(_ i: Int, _ reason: DownReason, into events: inout [TransportEvent]) {
        switch links[i].state {
        case .free, .down: return
        case .lingering: break
        case .connecting, .greeting:
            report(i, reason, into: &events)
            if !links[i].isOutgoing { halfOpen -= 1 }
        case .up:
            // What came before the end can still be received.
            if reason == .closed || reason == .local { _ = takeRow(i, into: &events) }
            report(i, reason, into: &events)
        }
        if links[i].isShared { sharers.removeAll { $0 == i } }
        links[i].state = .down
        // Many may go at once, and each end costs the provider a look at all that are left: so some in each turn.
        if links[i].silence != nil || graves.count < Transport.burials { closeEndpoint(i) }
        links[i].closeNeighbour()
        links[i].sending = SendRing(.none)
        links[i].closeShare()
        graves.append(i)
    }

    private func closeEndpoint(_ i: Int) {
        guard let endpoint = unsafe links[i].endpoint else { return }
        // Sends what the provider still buffers, then disconnects (fi_shutdown, fi_close).
        if links[i].state != .connecting { _ = unsafe fi_shutdown(endpoint, 0) }
        endpoints[UInt(bitPattern: endpoint)] = nil
        _ = unsafe fi_close(&endpoint.pointee.fid)
        unsafe links[i].endpoint = nil
    }

    /// Frees links whose end was told before this poll, the first ones first. What a sleep has met is told with this poll: till then its memory stays.
    func bury() {
        let count = min(buriable, Transport.burials)
        guard count > 0 else { return }
        for i in graves[..<count] { giveBack(i) }
        graves.removeFirst(count)
        buriable -= count
    }
    /// Endpoints that are closed in one turn.
    static let burials = 16

    private func takePlace() -> Int? {
        // The place that was free longest, so that a number returns as late as can be.
        if highWater < links.capacity {
            highWater += 1
            return highWater - 1
        }
        return freePlaces.isEmpty ? nil : freePlaces.removeFirst()
    }
    private func giveBack(_ i: Int) {
        closeEndpoint(i)
        if links[i].isPending {
            pending.removeAll { $0 == i }
            crowded.removeAll { $0 == i }
        }
        if links[i].hasNews { arrived.removeAll { $0 == i } }
        if links[i].isRoomier { roomier.removeAll { $0 == i } }
        links[i].reset()
        freePlaces.append(i)
    }
}
