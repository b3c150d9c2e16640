internal import DequeModule
package import Replication
internal import Topics
package import Wire

/// Who waits for a batch of this node's own.
package enum Ticket: Sendable {
    case publish(SessionID, epoch: UInt32, last: UInt64)
    case declare(UInt32)
    case open(SessionID, request: UInt32, publisher: PublisherID)
    /// A put or a remove, which wants its version.
    case put(SessionID, request: UInt32, last: UInt64)
    /// Nobody: it moves the frontier.
    case marker
    /// Nobody: a later part of the same batch has the publisher's.
    case part
    case consumers(ConsumerTicket)
    case announcing(AnnouncingStep)
}

/// What a node's own batch about itself is for.
package enum AnnouncingStep: Sendable { case opening, declaring(String), publishing }

/// A frame that this node sent and whose batches somebody waits for.
package struct OwnFrame: Sendable {
    package let key: OrderKey
    package let body: ByteView
    /// As `FrameRef.owner`.
    package let owner: OwnedBytes?
    package var tickets: [Ticket]
    package var verdicts: [PublisherTable.Verdict] = []
    package var opened: PublisherTable.Line?
    /// As `GroupState.Admission.versions`.
    package var versions: [Offset] = []
    /// When a batch that was there before was put, by its place in the frame.
    package var since: [Int: Timestamp] = [:]
}

/// A frame that has its place in the log and is not yet both on this disk and delivered.
package struct TailEntry: Sendable {
    package let frame: FrameRef
    /// Nil where the frame left no entry: all of its batches were there before, or were fenced off.
    package let header: EntryHeader?
    /// The accepted batches.
    package let body: ByteView
    package let owner: OwnedBytes?
    package let undo: GroupState.Undo
    package let topicsAfter: Int
    /// The consumer groups behind it, where it changes them.
    package let consumersAfter: ConsumerTable?
}

/// One group at a running member: the clock matrix, the replicated state, and the log's tail (PROTOCOL.md R2–R5, R7).
///
///      delivered ≤ tail's end = state.end;   synced here ≤ tail's end
package final class LiveGroup {
    package let group: GroupID
    package var matrix: ClockMatrix
    package private(set) var state: GroupState
    private let view: ViewNumber
    private var tail: Deque<TailEntry> = []
    private var synced = 0
    private var delivered = 0
    private var lastOrdered: OrderKey = .zero
    /// Where the delivered part of the log ends; nothing behind it is shown to anyone.
    package private(set) var deliveredEnd: LogEnd
    package private(set) var deliveredTopics: Int
    /// The consumer groups where the delivered part ends, and whether they have changed since `takeConsumersChanged`.
    package private(set) var consumers: ConsumerTable
    private var consumersChanged = true
    private let carriedConsumers: ConsumerTable
    /// What the cut that made this view let through: delivered once a quorum has begun the view (R5).
    package private(set) var carried: LogEnd?
    private var own: Deque<OwnFrame> = []
    private var carriedOwn: [OwnFrame] = []
    private var scratch: [FrameRef] = []

    package init(
        group: GroupID, view: View, me: Int, base: Timestamp, state: GroupState, deliveredEnd: LogEnd, deliveredTopics: Int,
        consumers: ConsumerTable, carriedOwn: [OwnFrame]
    ) {
        self.group = group
        self.view = view.number
        matrix = ClockMatrix(view: view, me: me, base: base)
        self.state = state
        // The log is whole up to where the view begins: publishers and heads are as they were.
        self.state.hasHoles = false
        self.deliveredEnd = deliveredEnd
        self.deliveredTopics = deliveredTopics
        self.carriedOwn = carriedOwn
        self.consumers = consumers
        carriedConsumers = state.consumers
        carried = state.end
    }

    package var isQuiet: Bool { tail.isEmpty && own.isEmpty && carried == nil }

    // MARK: own frames

    package func sent(_ frame: FrameRef, tickets: [Ticket]) {
        own.append(OwnFrame(key: frame.key, body: frame.body, owner: frame.owner, tickets: tickets))
        let taken = matrix.hold(frame)
        precondition(taken, "this node stamped a frame below its own promise")
        matrix.promise(frame.key.timestamp)
    }

    // MARK: R3: append what is ordered

    /// Gives every frame that is ordered its place; entries to be written go to `jobs`.
    package func order(into jobs: inout [PendingEntry]) {
        matrix.takeOrdered(into: &scratch)
        for frame in scratch { place(frame, in: view, into: &jobs) }
        scratch.removeAll(keepingCapacity: true)
    }

    private func place(_ frame: FrameRef, in view: ViewNumber, into jobs: inout [PendingEntry]) {
        let admission = state.admit(frame.body, key: frame.key, view: view)
        lastOrdered = frame.key
        var body = ByteView.empty
        var owner: OwnedBytes?
        if let header = admission.header {
            if admission.runs.count == 1, let run = admission.runs.first {
                body = frame.body[run]
                owner = frame.owner
            } else {
                let copy = OwnedBytes(frame.body, parts: admission.runs)
                body = copy.view
                owner = copy
            }
            if group != .unordered { jobs.append(PendingEntry(header: header, body: body, owner: owner)) }
        }
        tail.append(
            TailEntry(
                frame: frame, header: admission.header, body: body, owner: owner, undo: admission.undo,
                topicsAfter: state.topics.count, consumersAfter: admission.undo.consumers == nil ? nil : state.consumers))
        guard frame.rank == matrix.me, let index = own.firstIndex(where: { $0.key == frame.key }) else { return }
        own[index].verdicts = admission.verdicts
        own[index].versions = admission.versions
        noteDuplicates(of: index)
        switch own[index].tickets.first {
        case .open(_, _, let publisher): own[index].opened = state.publishers.line(of: publisher)
        case .announcing(.opening): own[index].opened = state.publishers.line(of: PublisherID(of: frame.key.sender))
        default: break
        }
    }

    /// A put that is asked for again is answered with the version of the first time.
    private func noteDuplicates(of index: Int) {
        for (at, ticket) in own[index].tickets.enumerated() {
            guard case .put = ticket, at < own[index].verdicts.count, own[index].verdicts[at] == .duplicate else { continue }
            var batches = BatchCursor(own[index].body)
            var batch: BatchHeader?
            for _ in 0...at { batch = ((try? batches.next(verify: false)) ?? nil)?.header }
            if let batch, let line = state.publishers.line(of: batch.publisher), line.last == batch.lastSequence { own[index].since[at] = line.placed }
        }
    }

    // MARK: R5: what is on this disk

    /// Entries below `end` are on disk (for groups without a disk: have been written), and so are those that need no writing; their ring memory
    /// is let go.
    package func wrote(below end: EntryNumber, letGo: inout [FrameRef]) {
        while synced < tail.count {
            let entry = tail[synced]
            if let header = entry.header, header.number >= end, group != .unordered { break }
            synced += 1
            matrix.synced(entry.frame.key)
            letGo.append(entry.frame)
        }
        trim()
    }

    // MARK: R4, R5: deliver

    /// Moves each entry that may be delivered now to `out`, in order, with what waits for it here.
    package func deliver(installed: Bool, into out: inout [(entry: TailEntry, own: OwnFrame?)]) {
        if carried != nil {
            guard installed || planted(.carriedEarly) else { return }
            deliverCarried()
        }
        guard delivered < tail.count else { return }
        let durable = group == .durable && !planted(.ackBeforeDurable) ? matrix.quorumDurable : OrderKey(Timestamp(.max), NodeID(.max))
        while delivered < tail.count {
            let entry = tail[delivered]
            let key = entry.frame.key
            guard key.timestamp <= matrix.stableLimit(of: entry.frame.rank), key <= durable else { break }
            delivered += 1
            deliveredTopics = entry.topicsAfter
            if let after = entry.consumersAfter {
                consumers = after
                consumersChanged = true
            }
            if let header = entry.header { advanceDelivered(past: header) }
            var mine: OwnFrame?
            if entry.frame.rank == matrix.me, own.first?.key == key { mine = own.removeFirst() }
            out.append((entry, mine))
        }
        trim()
    }

    /// Whether all that was stamped at or below `time`, by whomever, is delivered here, and every member has answered a promise of this
    /// node's of `time` or later: then no acknowledgement given before that promise is missing, nor was there a later view.
    package func hasSettled(_ time: Timestamp) -> Bool {
        guard carried == nil, matrix.orderedLimit >= time, matrix.stableLimit(of: matrix.me) >= time else { return false }
        return delivered >= tail.count || tail[delivered].frame.key.timestamp > time
    }

    /// Whether some member has reached the promise `stamp` without having shown that it holds this node's promise of `time`: its row went
    /// out before that one came, and it has no reason for another.
    package func owesAnswer(to time: Timestamp, at stamp: Timestamp) -> Bool {
        (0..<matrix.members).contains { $0 != matrix.me && matrix.clock($0, $0) >= stamp && matrix.clock($0, matrix.me) < time }
    }

    /// How far the group has come, in records: delivered ≤ stable ≤ ordered, delivered ≤ durable.
    package struct Frontiers: Equatable, Sendable {
        package var ordered: Offset
        package var stable: Offset
        package var durable: Offset
        package var delivered: Offset
    }

    /// Cost: a walk over what is ordered and not delivered.
    package var frontiers: Frontiers {
        // What the cut let through is held by all members; durable once a quorum has begun the view.
        let base = carried ?? deliveredEnd
        var all = Frontiers(ordered: state.end.offset, stable: base.offset, durable: deliveredEnd.offset, delivered: deliveredEnd.offset)
        let durable = matrix.quorumDurable
        var isStable = true
        for entry in tail.dropFirst(delivered) {
            guard let header = entry.header else { continue }
            isStable = isStable && entry.frame.key.timestamp <= matrix.stableLimit(of: entry.frame.rank)
            if isStable { all.stable = header.endOffset }
            if entry.frame.key <= durable { all.durable = header.endOffset }
        }
        return all
    }

    private func advanceDelivered(past header: EntryHeader) {
        deliveredEnd.number = header.number.next
        deliveredEnd.offset = header.endOffset
        deliveredEnd.key = header.key
        deliveredEnd.view = header.view
        deliveredEnd.chain = header.chain
    }

    private func deliverCarried() {
        guard let end = carried else { return }
        deliveredEnd = end
        if tail.isEmpty { deliveredTopics = state.topics.count } else { deliveredTopics = tail[0].undo.topics }
        consumers = carriedConsumers
        consumersChanged = true
        carried = nil
    }

    /// Somebody is to look at them again.
    package func noteConsumers() { consumersChanged = true }

    /// Whether the delivered consumer groups have changed since the last call.
    package func takeConsumersChanged() -> Bool {
        defer { consumersChanged = false }
        return consumersChanged
    }

    /// Own frames of an earlier view whose acknowledgement waited for the beginning of this one.
    package func takeCarriedOwn() -> [OwnFrame] {
        guard carried == nil else { return [] }
        defer { carriedOwn = [] }
        return carriedOwn
    }

    private func trim() {
        let gone = min(synced, delivered)
        guard gone > 0 else { return }
        tail.removeFirst(gone)
        synced -= gone
        delivered -= gone
    }

    // MARK: R7: the cut

    /// What the cut makes of the log's tail: the entry from which it is replaced, and the frames that replace it, in order.
    package func split(cut: [Timestamp]) -> (from: EntryNumber, firstDropped: Int, frames: [FrameRef]) {
        let first = tail.firstIndex { $0.frame.key.timestamp > cut[$0.frame.rank] } ?? tail.count
        precondition(first >= delivered, "the cut takes back what was delivered")
        var frames = tail[first...].map(\.frame).filter { $0.key.timestamp <= cut[$0.rank] }
        var copy = matrix
        frames += copy.takeWithin(cut: cut)
        frames.sort { $0.key < $1.key }
        let from = first < tail.count ? tail[first].undo.end.number : state.end.number
        return (from, first, frames)
    }

    package struct Closing {
        package var from: EntryNumber
        package var truncates: Bool
        package var jobs: [PendingEntry] = []
        /// Own frames that the cut kept, and own frames to be sent again.
        package var kept: [OwnFrame] = []
        package var resend: [OwnFrame] = []
    }

    /// Brings the log's tail to the cut: takes back what lies above it, places the rest.
    package func close(cut: [Timestamp]) -> Closing {
        let (from, first, frames) = split(cut: cut)
        _ = matrix.takeWithin(cut: cut)
        var closing = Closing(from: from, truncates: first < tail.count)
        let keepsTail = planted(.cutBySome) && matrix.me == matrix.members - 1
        while tail.count > first, !keepsTail { state.takeBack(tail.removeLast().undo) }
        synced = min(synced, first)
        for frame in frames { place(frame, in: view, into: &closing.jobs) }
        closing.kept = carriedOwn
        for frame in own {
            if frame.key.timestamp <= cut[matrix.me] { closing.kept.append(frame) } else { closing.resend.append(frame) }
        }
        return closing
    }

    /// Where the log ends, delivered or not, and where what is delivered does; `carried` as above.
    package func ends() -> (log: LogEnd, delivered: LogEnd, carried: LogEnd?) { (state.end, deliveredEnd, carried) }

    /// Bytes of a member's batches that this one holds: not yet ordered, or not yet both on the disk here and delivered.
    package func heldBytes(of rank: Int) -> Int {
        matrix.heldBytes(of: rank) + tail.reduce(0) { $0 + ($1.frame.rank == rank ? $1.frame.body.count : 0) }
    }

    package func checkInvariants() {
        matrix.checkInvariants()
        precondition(synced <= tail.count && delivered <= tail.count)
        precondition(deliveredEnd.number <= state.end.number, "delivered \(deliveredEnd) beyond the log's end \(state.end)")
        precondition(deliveredTopics <= state.topics.count, "\(deliveredTopics) topics delivered of \(state.topics.count)")
    }
}
