internal import CFabric
internal import Glibc
internal import Synchronization
internal import Wire

/// What the fabric tells: completions, rows that have come, connection events.
extension Transport {
    /// One turn: frees what went down before, takes completions and events, looks at the timers. `now`: CLOCK_MONOTONIC, ns.
    package func poll(now: UInt64, into events: inout [TransportEvent]) {
        let gap = now > self.now ? now - self.now : 0
        self.now = max(now, self.now)
        bury()
        takeDialed(into: &events)
        // A pause of our own is not the peers' silence: what they sent meanwhile waits to be read.
        if gap > options.heartbeat { forgive(gap - options.heartbeat) }
        takeDoomed(into: &events)
        readCompletions(into: &events)
        if eventsAreDue || self.now - lastEventRead >= Transport.eventInterval { readEvents(into: &events) }
        if self.now >= nextTimer { runTimers(into: &events) }
        if !pending.isEmpty { flush(stalledOnly: true) }
        flushCrowd()
        buriable = graves.count
    }
    /// How often the event queue is read while nothing points at it: it costs a system call.
    static let eventInterval: UInt64 = 1_000_000

    func takeDoomed(into events: inout [TransportEvent]) {
        guard !doomed.isEmpty else { return }
        let list = doomed
        doomed.removeAll(keepingCapacity: true)
        for (link, reason) in list where links[link.index].generation == link.generation {
            if reason == .local { closeGently(link.index, into: &events) } else { fail(link.index, reason, into: &events) }
        }
    }

    /// Takes completions in batches; returns whether there were any. At most `completionBatches` in one turn, so that timers get theirs.
    @discardableResult
    func readCompletions(into events: inout [TransportEvent]) -> Bool {
        guard let fabric else { return false }
        var any = false
        for _ in 0..<Transport.completionBatches {
            let count = unsafe fi_cq_read(fabric.completions, scratch.entries, Scratch.completions)
            if count > 0 {
                any = true
                // Bounds: the call fills at most as many entries as it was given.
                for k in 0..<count { unsafe complete(scratch.entries[k], into: &events) }
                if count < Scratch.completions { break }
            } else if count == -Int(FI_EAVAIL) {
                any = true
                readCompletionError(into: &events)
            } else {
                break
            }
        }
        lookAtSharers()
        any = any || !arrived.isEmpty
        var k = 0
        while k < arrived.count {
            let i = arrived[k]
            k += 1
            links[i].hasNews = false
            if links[i].state == .up, let violation = takeRow(i, into: &events) { fail(i, violation, into: &events) }
        }
        arrived.removeAll(keepingCapacity: true)
        return any
    }
    static let completionBatches = 64

    private func complete(_ entry: fi_cq_data_entry, into events: inout [TransportEvent]) {
        let flags = unsafe entry.flags
        let token = unsafe Token(entry.op_context)
        if flags & UInt64(FI_REMOTE_CQ_DATA) != 0 {
            // A number that the peer was told by us: any other costs one look at a row that has nothing new.
            let i = unsafe Int(entry.data & 0xffff)
            if i < highWater { noteNews(i) }
            if fabric?.newsTakesReceive == true, token.kind == .receive, isCurrent(token) { _ = postReceive(token.index, token.slot) }
            return
        }
        guard isCurrent(token), let kind = token.kind else { return }
        let i = token.index
        switch kind {
        case .receive: unsafe received(i, slot: token.slot, length: entry.len, into: &events)
        case .hello: return
        case .write:
            let count = UInt16(truncatingIfNeeded: token.slot)
            links[i].writesDone += UInt64(count &- UInt16(truncatingIfNeeded: links[i].writesDone))
            links[i].rowOut.complete(UInt8(truncatingIfNeeded: token.slot >> 16))
            if !links[i].sending.loans.isEmpty { links[i].sending.settle(writes: links[i].writesDone) }
            // A close that waited for its last write.
            if links[i].state == .lingering, links[i].writesPosted > 0, links[i].writesDone == links[i].writesPosted {
                fail(i, .local, into: &events)
            }
        }
    }
    /// Whether a completion belongs to the link that has the place now: one may come after its endpoint was closed.
    private func isCurrent(_ token: Token) -> Bool {
        token.index < highWater && links[token.index].generation == token.generation && links[token.index].state != .free
            && links[token.index].state != .down
    }

    private func readCompletionError(into events: inout [TransportEvent]) {
        guard let fabric else { return }
        var entry = unsafe fi_cq_err_entry()
        guard unsafe fi_cq_readerr(fabric.completions, &entry, 0) > 0 else { return }
        let token = unsafe Token(entry.op_context)
        eventsAreDue = true
        guard isCurrent(token), token.kind != nil else { return }
        let words = unsafe Fabric.words(entry.err)
        fail(token.index, links[token.index].state == .up ? .closed : .unreachable(words), into: &events)
    }

    /// The link has news in its row: it is read once for all completions of this turn.
    func noteNews(_ i: Int) {
        guard links[i].state == .up, !links[i].hasNews else { return }
        links[i].hasNews = true
        arrived.append(i)
    }

    /// Reads the peer's row and reports what it brings; returns a violation.
    func takeRow(_ i: Int, into events: inout [TransportEvent]) -> DownReason? {
        counters.rowsRead += 1
        let hasRow: Bool
        switch links[i].rowIn.read() {
        case .none: return nil
        case .torn:
            counters.rowsTorn += 1
            return nil
        case .violation(let words): return .protocol(words)
        case .news(let row): hasRow = row
        }
        links[i].silence?.heard(after: now - min(now, links[i].lastHeard), now: now)
        links[i].lastHeard = now
        // A neighbour maps before it writes its first row.
        links[i].closeShare()
        atomicMemoryFence(ordering: .acquiring)
        let prefix = links[i].rowIn.prefix
        let space = links[i].sending.space
        guard links[i].sending.acknowledge(prefix.consumed) else { return .protocol("it consumed what was not sent") }
        if links[i].sending.space != space, !links[i].isRoomier {
            links[i].isRoomier = true
            roomier.append(i)
        }
        let before = links[i].receiving.tail
        guard links[i].receiving.advance(to: prefix.tail) else { return .protocol("it sent more than the ring holds") }
        let id = id(i)
        var traffic = hasRow
        if hasRow { events.append(.row(id)) }
        if prefix.tail != before {
            events.append(.message(id))
            traffic = true
        }
        if links[i].sending.hasRoomAgain() {
            events.append(.space(id))
            traffic = true
        }
        links[i].peerWantsRoom = prefix.flags & RowPrefix.wantsRoom != 0
        if links[i].peerWantsRoom, links[i].receiving.unreported > 0 {
            links[i].wantsRow = true
            links[i].isStalled = true
            markPending(i)
        }
        if traffic { lastTraffic = now }
        return nil
    }

    /// Takes connection events and their errors (fi_eq_read, fi_eq_readerr); returns whether there were any.
    @discardableResult
    func readEvents(into events: inout [TransportEvent]) -> Bool {
        eventsAreDue = false
        lastEventRead = now
        guard let fabric else { return false }
        var any = false
        for _ in 0..<Transport.eventBatch {
            var kind: UInt32 = 0
            // The tcp provider takes a left-over EAGAIN for the outcome of its own call, and then keeps a stranger's closed
            // connection in its set for ever, always ready.
            errno = 0
            let count = unsafe fi_eq_read(fabric.events, &kind, scratch.event, Scratch.eventBytes, 0)
            if unsafe count >= MemoryLayout<fi_eq_cm_entry>.size {
                any = true
                // Bounds: the call has written at least one whole entry.
                let entry = unsafe scratch.event.load(as: fi_eq_cm_entry.self)
                let size = unsafe MemoryLayout<fi_eq_cm_entry>.size
                let extra = unsafe ByteView(base: scratch.event + size, count: count - size)
                if kind == UInt32(FI_CONNREQ) {
                    if let info = unsafe entry.info { unsafe accept(info, knock: extra, into: &events) }
                } else if let i = unsafe endpoints[UInt(bitPattern: entry.fid)] {
                    if kind == UInt32(FI_CONNECTED) { connected(i, answer: extra, into: &events) }
                    if kind == UInt32(FI_SHUTDOWN) { disconnected(i, .closed, into: &events) }
                }
            } else if count == -Int(FI_EAVAIL) {
                any = true
                readEventError(fabric, into: &events)
            } else {
                break
            }
        }
        return any
    }
    private func readEventError(_ fabric: Fabric, into events: inout [TransportEvent]) {
        var entry = unsafe fi_eq_err_entry()
        unsafe entry.err_data = scratch.event
        unsafe entry.err_data_size = Scratch.eventBytes
        guard unsafe fi_eq_readerr(fabric.events, &entry, 0) > 0, let i = unsafe endpoints[UInt(bitPattern: entry.fid)] else { return }
        // Bounds: the call says how much of the scratch buffer it has filled.
        let data = unsafe ByteView(base: entry.err_data, count: entry.err_data == nil ? 0 : min(entry.err_data_size, Scratch.eventBytes))
        if let code = Knock.refusal(data) { return fail(i, .refused(Knock.words(code)), into: &events) }
        unsafe disconnected(i, .unreachable(Fabric.connectWords(entry.err)), into: &events)
    }
    /// Connection events taken in one turn.
    static let eventBatch = 256

    private func disconnected(_ i: Int, _ reason: DownReason, into events: inout [TransportEvent]) {
        switch links[i].state {
        case .up: fail(i, .closed, into: &events)
        case .greeting where reason == .closed: fail(i, .unreachable("the peer closed during the hello"), into: &events)
        default: fail(i, reason == .closed ? .unreachable("the peer closed") : reason, into: &events)
        }
    }
}
