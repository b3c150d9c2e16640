internal import CFabric
internal import Glibc
internal import Wire

/// The parts of one write: local memory, and where it goes. At most as many as the provider gathers.
@safe private struct WriteParts {
    let limit: Int
    private let scratch: Scratch
    private(set) var count = 0
    private(set) var bytes = 0
    /// Some of it is lent: the write's completion tells when that may change.
    private(set) var lends = false

    init(limit: Int, scratch: Scratch) {
        self.limit = limit
        self.scratch = scratch
    }
    var isFull: Bool { count == limit }
    mutating func removeAll() { (count, bytes, lends) = (0, 0, false) }

    /// Adds `length` bytes at `offset` of `region` that go to `place` of the peer's `window`.
    mutating func add(_ region: Region, _ offset: Int, _ length: Int, to window: MemoryOffer.Window, _ place: Int) {
        precondition(count < limit && place + length <= window.bytes)
        let memory = region.memory.part(offset, length)
        unsafe add(memory.address(0), length, region.descriptor, window.address + UInt64(place), window.key)
    }
    /// The same with bytes that are not registered.
    mutating func add(lent: ByteView, to window: MemoryOffer.Window, _ place: Int) {
        precondition(count < limit && place + lent.count <= window.bytes)
        guard let base = unsafe lent.pointer else { return }
        unsafe add(UnsafeMutableRawPointer(mutating: base), lent.count, nil, window.address + UInt64(place), window.key)
        lends = true
    }
    private mutating func add(_ base: UnsafeMutableRawPointer, _ length: Int, _ descriptor: UnsafeMutableRawPointer?, _ address: UInt64, _ key: UInt64) {
        // Bounds: count < limit ≤ `Fabric.mostParts`, the capacity of the scratch arrays.
        unsafe scratch.local[count] = iovec(iov_base: base, iov_len: length)
        unsafe scratch.remote[count] = fi_rma_iov(addr: address, len: length, key: key)
        unsafe scratch.descriptors[count] = unsafe descriptor
        count += 1
        bytes += length
    }

    /// Posts the parts as one write; 0 or a negative status (fi_writemsg).
    func post(_ endpoint: UnsafeMutablePointer<fid_ep>, token: Token, completes: Bool, news: UInt32?) -> Int {
        var message = unsafe fi_msg_rma()
        unsafe message.msg_iov = UnsafePointer(scratch.local)
        unsafe message.desc = scratch.descriptors
        unsafe message.iov_count = count
        unsafe message.rma_iov = UnsafePointer(scratch.remote)
        unsafe message.rma_iov_count = count
        unsafe message.context = token.pointer
        unsafe message.data = UInt64(news ?? 0)
        let flags = (completes ? UInt64(FI_COMPLETION) : 0) | (news == nil ? 0 : UInt64(FI_REMOTE_CQ_DATA))
        return unsafe fi_writemsg(endpoint, &message, flags)
    }
}

/// How far a flush has come: the stretch of data and the position in it, and the messages.
private struct FlushCursor {
    var range = 0
    var data: UInt64
    var messages: UInt64
}

/// What goes out: per link one gathered write where the provider can, else several in order.
extension Transport {
    /// Posts everything pending on all links that have something; of a node's clients, on some of them: the others follow with the next turns, so
    /// that no turn is so long that the members wait for this node.
    package func flush() {
        flushMembers()
        flushCrowd()
    }
    /// The same without those clients.
    package func flushMembers() {
        if !pending.isEmpty { flush(stalledOnly: false) }
    }
    func flushCrowd() {
        let count = min(crowded.count, Transport.crowdAtOnce)
        leavesCrowd = false
        guard count > 0 else { return }
        for k in 0..<count {
            let i = crowded[k]
            if flush(link: i) { (links[i].isPending, fruitless) = (false, 0) } else {
                crowded.append(i)
                fruitless += 1
            }
        }
        crowded.removeFirst(count)
        // Where none has room there is nothing to do but wait for completions.
        leavesCrowd = fruitless < crowded.count
    }
    static let crowdAtOnce = 256

    /// - stalledOnly: only links that an earlier flush left behind, or that the transport itself wants out.
    func flush(stalledOnly: Bool) {
        var kept = 0
        for k in 0..<pending.count {
            let i = pending[k]
            if stalledOnly && !links[i].isStalled || !flush(link: i) {
                pending[kept] = i
                kept += 1
            } else {
                links[i].isPending = false
            }
        }
        pending.removeLast(pending.count - kept)
        // Last, since whoever is woken may take the processor.
        for i in toRing { links[i].neighbour?.ring(&counters) }
        toRing.removeAll(keepingCapacity: true)
    }

    /// Posts what link `i` has: data, messages, the row last. False: something waits for completions.
    func flush(link i: Int) -> Bool {
        guard links[i].state == .up, let fabric, let endpoint = unsafe links[i].endpoint else { return true }
        links[i].isStalled = false
        let isTraffic = links[i].hasTraffic
        guard isTraffic || links[i].wantsRow else { return true }
        if isTraffic { lastTraffic = now }
        if let neighbour = links[i].neighbour {
            tell(i, neighbour)
            toRing.append(i)
            return true
        }
        guard links[i].rowOut.hasFreeSlot else { return stall(i) }

        var parts = WriteParts(limit: fabric.partLimit, scratch: scratch)
        var cursor = FlushCursor(data: links[i].ranges.first?.from ?? 0, messages: links[i].sending.posted)
        while true {
            addData(i, &parts, &cursor)
            addMessages(i, &parts, &cursor)
            let isLast = !parts.isFull
            if isLast { addRow(i, &parts) }
            guard links[i].writesPosted - links[i].writesDone < UInt64(fabric.transmitLimit) else { return stall(i) }
            let status = unsafe post(i, parts, isLast: isLast, endpoint, fabric)
            guard status == 0 else {
                if status == -Int(FI_EAGAIN) { return stall(i) }
                doom(i, .closed)
                return true
            }
            accept(i, &cursor, bytes: parts.bytes)
            if isLast { break }
            parts.removeAll()
        }
        finishRow(i)
        return true
    }

    /// Posts one write, with a completion where it is time for one.
    private func post(
        _ i: Int, _ parts: borrowing WriteParts, isLast: Bool, _ endpoint: UnsafeMutablePointer<fid_ep>, _ fabric: Fabric
    ) -> Int {
        let number = links[i].writesPosted + 1
        let completes =
            parts.lends || isLast && (links[i].rowOut.wantsCompletion || links[i].wantsFence) || number - links[i].writeAsked >= UInt64(fabric.transmitLimit / 4)
        let rows = links[i].rowOut.posted + (isLast ? 1 : 0)
        let token = Token(
            i, links[i].generation, .write, slot: Int(UInt8(truncatingIfNeeded: rows)) << 16 | Int(UInt16(truncatingIfNeeded: number)))
        let status = unsafe parts.post(endpoint, token: token, completes: completes, news: isLast ? links[i].remote.link : nil)
        if status == 0 && completes { links[i].writeAsked = number }
        return status
    }

    /// Posts what waits on link `i`, and a row whose completion says that all before it has arrived. False: there is no room,
    /// or the link is not up.
    func postFence(_ i: Int) -> Bool {
        guard links[i].state == .up else { return false }
        links[i].wantsRow = true
        links[i].wantsFence = true
        return flush(link: i) && links[i].writeAsked == links[i].writesPosted
    }

    private func stall(_ i: Int) -> Bool {
        links[i].isStalled = true
        counters.stalls += 1
        return false
    }

    /// Adds what waits of my data ring, each stretch in one piece or two where the ring ends.
    private func addData(_ i: Int, _ parts: inout WriteParts, _ cursor: inout FlushCursor) {
        guard let source, cursor.range < links[i].ranges.count else { return }
        let size = UInt64(source.memory.count)
        while cursor.range < links[i].ranges.count, !parts.isFull {
            let range = links[i].ranges[cursor.range]
            let place = cursor.data % size
            let length = min(size - place, range.to - cursor.data)
            parts.add(source, Int(place), Int(length), to: links[i].remote.data, Int(place))
            cursor.data += length
            if cursor.data == range.to {
                cursor.range += 1
                if cursor.range < links[i].ranges.count { cursor.data = links[i].ranges[cursor.range].from }
            }
        }
    }

    /// Adds the frames that wait, in one piece or two where the ring ends.
    private func addMessages(_ i: Int, _ parts: inout WriteParts, _ cursor: inout FlushCursor) {
        guard cursor.range == links[i].ranges.count else { return }
        guard let staging = links[i].outbound else { return }
        while cursor.messages < links[i].sending.tail, !parts.isFull {
            let piece = links[i].sending.piece(from: cursor.messages)
            if let lent = piece.lent {
                parts.add(lent: lent, to: links[i].remote.ring, piece.place)
            } else {
                parts.add(staging, piece.place, piece.length, to: links[i].remote.ring, piece.place)
            }
            cursor.messages = piece.next
        }
    }

    /// Adds the row, as of now.
    private func addRow(_ i: Int, _ parts: inout WriteParts) {
        guard let control = links[i].control else { return }
        let row = links[i].rowOut.prepare(tail: links[i].sending.tail, consumed: links[i].receiving.released, flags: rowFlags(i))
        parts.add(control, ControlLayout.rows(receives: receives) + row.offset, row.length, to: links[i].remote.row, 0)
    }

    /// A write was taken: what it carried waits no more.
    private func accept(_ i: Int, _ cursor: inout FlushCursor, bytes: Int) {
        links[i].writesPosted += 1
        links[i].sending.posted = cursor.messages
        if !links[i].sending.loans.isEmpty { links[i].sending.note(write: links[i].writesPosted) }
        links[i].ranges.removeFirst(cursor.range)
        if !links[i].ranges.isEmpty { links[i].ranges[0].from = cursor.data }
        cursor.range = 0
        counters.writes += 1
        counters.bytesWritten += UInt64(bytes)
    }
    func rowFlags(_ i: Int) -> UInt32 { RowPrefix.flags(wantsRoom: links[i].sending.wanted != nil, pause: pause(i)) }
    private func finishRow(_ i: Int) {
        links[i].rowOut.took()
        noteRow(i)
    }
    /// A row has gone out.
    func noteRow(_ i: Int) {
        links[i].receiving.reported = links[i].receiving.released
        links[i].wantsRow = false
        links[i].lastSent = now
        links[i].pause = pause(i)
        nextTimer = min(nextTimer, now + links[i].pause)
        counters.rows += 1
    }
}
