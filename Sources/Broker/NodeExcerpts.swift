internal import Folding
internal import Topics
internal import Wire

/// Pages of this node's log that wait for records which others hold.
///
///      a page is read ── lacks nothing that is wanted ──▶ handed on
///           │ lacks some: a holder is asked
///           ▼
///      asked ── its records come, are merged ──▶ the next holder … ──▶ handed on, as far as all have answered
///        ▲── silent, or lacks them too: the next one; nobody left: a pause, and all again ──┘
struct ExcerptDesk: Sendable {
    enum Purpose: Equatable, Sendable {
        case session(SessionID, generation: UInt32)
        case fill
    }
    struct Job: Sendable {
        let purpose: Purpose
        let from: (number: EntryNumber, offset: Offset)
        /// Entries from `from` on, below `to`: those of this node, and what came for them.
        var bytes: OwnedBytes
        var to: (number: EntryNumber, offset: Offset)
        var wanted: BucketSet
        /// Who is asked; nil: nobody has them for now.
        var asked: NodeID?
        var at: UInt64
        var missed: Set<NodeID> = []
        /// Members that have said that they do not have what is still wanted.
        var sure: Set<NodeID> = []
        /// It waits for others' questions to be answered first.
        var isQueued = false
    }
    var jobs: [UInt32: Job] = [:]
    /// In the order in which they came.
    var order: [UInt32] = []
    /// Others' questions, while this node's disk reads.
    var serving: [Serving] = []
    private var next: UInt32 = 0

    struct Serving: Sendable {
        let node: NodeID
        let request: ExcerptRequest
    }

    /// How long a node may take to answer (between linked nodes nothing is lost), and the pause before all are asked again, nanoseconds.
    static let patience: UInt64 = 10_000_000_000
    static let pause: UInt64 = 1_000_000_000
    /// Questions that are out at a time: their answers fit into the links' queues.
    static let most = 64
    var isFull: Bool { jobs.values.count { $0.asked != nil } >= Self.most }

    mutating func add(_ job: Job) -> UInt32 {
        next &+= 1
        jobs[next] = job
        order.append(next)
        return next
    }
    mutating func remove(_ id: UInt32) {
        jobs[id] = nil
        order.removeAll { $0 == id }
    }
    mutating func forgetFill() {
        for id in order where jobs[id]?.purpose == .fill { jobs[id] = nil }
        order.removeAll { jobs[$0] == nil }
    }
    /// Jobs that nobody can help with for now.
    var waiting: Int { jobs.values.count { $0.asked == nil && !$0.isQueued } }
}

/// Records of other nodes: asked for, and given.
extension Node {
    /// A page of the log for a session, from `first` on: whether it has to wait for what others hold.
    func waits(_ bytes: OwnedBytes, from first: EntryNumber, to next: EntryNumber, for id: SessionID, into out: inout [Directive]) -> Bool {
        guard !holders.holdings.isEmpty, !planted(.gapTakenForAll), let header = try? EntryHeader(bytes.view), header.baseOffset < holders.holdings.end else { return false }
        let lacking = holders.holdings.missing(from: header.baseOffset, to: Self.end(of: bytes.view))
        let wanted = lacking.intersection(wanted(by: id))
        guard !wanted.isEmpty else { return false }
        // In the midst of a hole the offset is not known, and nobody asks.
        let place = (number: max(first, header.number), offset: header.baseOffset)
        ask(for: .session(id, generation: sessions[id]!.generation), bytes, from: place, to: next, wanted, into: &out)
        return true
    }

    private static func end(of entries: ByteView) -> Offset {
        var end = Offset(0)
        var at = 0
        while at < entries.count, let header = try? EntryHeader(entries.from(at)) {
            end = header.endOffset
            at += header.length
        }
        return end
    }

    /// Buckets of the topics that a session wants, of those that have fewer replicas than there are members.
    private func wanted(by id: SessionID) -> BucketSet {
        learnQuality(of: .durable)
        guard let watcher = sessions[id]!.watcher else { return holders.holdings.missing }
        let sets = watches.sets[GroupID.durable.index]
        var known = sessions[id]!.buckets ?? (set: BucketSet(), topics: 0)
        while known.topics < sets.count.index {
            let topic = TopicID(UInt32(known.topics))
            if sets.contains(watcher, inSet: sets.set(of: topic)) { known.set.insert(quality.replicas(of: topic), BucketSet.bucket(of: topic)) }
            known.topics += 1
        }
        sessions[id]!.buckets = known
        return known.set
    }

    func ask(
        for purpose: ExcerptDesk.Purpose, _ bytes: OwnedBytes, from place: (number: EntryNumber, offset: Offset), to next: EntryNumber,
        _ wanted: BucketSet, into out: inout [Directive]
    ) {
        let job = ExcerptDesk.Job(
            purpose: purpose, from: place, bytes: bytes, to: (next, Self.end(of: bytes.view)), wanted: wanted, at: lastSeen)
        askNext(excerpts.add(job), into: &out)
    }

    /// Asks whoever has most of what is still wanted.
    private func askNext(_ id: UInt32, into out: inout [Directive]) {
        guard let job = excerpts.jobs[id] else { return }
        guard !job.wanted.isEmpty else { return finish(id, into: &out) }
        excerpts.jobs[id]!.isQueued = excerpts.isFull
        if excerpts.jobs[id]!.isQueued { return }
        let node = holder(missed: job.missed) { $0.intersection(job.wanted).count }
        excerpts.jobs[id]!.at = lastSeen
        excerpts.jobs[id]!.asked = node
        guard let node else {
            // A fill goes on with what is to be had.
            if job.purpose == .fill {
                let others = live?.view.members.filter { $0 != me } ?? []
                holders.fill?.notFound(job.wanted, isSure: others.allSatisfy(job.sure.contains))
                finish(id, into: &out)
            }
            return
        }
        let request = ExcerptRequest(
            id: id, from: job.from.number, below: job.to.number, fromOffset: job.from.offset, toOffset: job.to.offset, rules: holders.rules,
            buckets: job.wanted)
        out.append(.peer(node, .excerpt, request.encode()))
    }

    private func missed(_ id: UInt32, isSure: Bool = false, into out: inout [Directive]) {
        guard let node = excerpts.jobs[id]?.asked else { return }
        excerpts.jobs[id]!.missed.insert(node)
        if isSure { excerpts.jobs[id]!.sure.insert(node) }
        excerpts.jobs[id]!.asked = nil
        askNext(id, into: &out)
    }

    /// Another node's records.
    func excerpted(_ body: ByteView, from node: NodeID, into out: inout [Directive]) throws(DecodeError) {
        let answer = try ExcerptAnswer(body)
        guard let job = excerpts.jobs[answer.id], job.asked == node else { return }
        var at = 0
        let topics = live?.groups[GroupID.durable.index].state.topics.count ?? 0
        while at < answer.entries.count {
            let header = try checkEntry(answer.entries.from(at))
            var batches = BatchCursor(answer.entries[at + EntryHeader.size..<at + header.length])
            while let (batch, whole) = try batches.next(verify: false) {
                var odd: TopicID?
                walkRecords(batch, whole) { _, record in if record.topic.index >= topics { odd = record.topic } }
                if let odd { throw .value(what: "topic id of an excerpt", value: UInt64(odd.raw)) }
            }
            at += header.length
        }
        var merged: [UInt8] = []
        guard !job.wanted.intersection(answer.buckets).isEmpty,
            let end = Excerpt.merge(job.bytes.view, answer.entries, from: job.from, into: &merged), end.number > job.from.number
        else { return missed(answer.id, isSure: answer.isSure && answer.buckets.isEmpty, into: &out) }
        counters.bytesFetched += UInt64(answer.entries.count)
        excerpts.jobs[answer.id]!.bytes = OwnedBytes(merged)
        excerpts.jobs[answer.id]!.to = end
        excerpts.jobs[answer.id]!.wanted = job.wanted.subtracting(answer.buckets)
        excerpts.jobs[answer.id]!.missed.insert(node)
        if answer.isSure { excerpts.jobs[answer.id]!.sure.insert(node) }
        excerpts.jobs[answer.id]!.asked = nil
        askNext(answer.id, into: &out)
    }

    private func finish(_ id: UInt32, into out: inout [Directive]) {
        let job = excerpts.jobs[id]!
        excerpts.remove(id)
        defer { if let next = excerpts.order.first(where: { excerpts.jobs[$0]!.isQueued }) { askNext(next, into: &out) } }
        switch job.purpose {
        case .session(let session, let generation):
            guard sessions[session]?.generation == generation, sessions[session]!.isSubscribed else { return }
            takePage(job.bytes, from: job.from.number, to: job.to.number, .durable, session)
        case .fill: fillIn(job.bytes, to: job.to, into: &out)
        }
    }

    func stepExcerpts(into out: inout [Directive]) {
        guard !excerpts.order.isEmpty else { return }
        for id in excerpts.order {
            guard let job = excerpts.jobs[id] else { continue }
            if case .session(let session, let generation) = job.purpose, sessions[session]?.generation != generation {
                excerpts.remove(id)
                continue
            }
            if job.isQueued {
                askNext(id, into: &out)
                continue
            }
            guard lastSeen - min(lastSeen, job.at) > (job.asked == nil ? ExcerptDesk.pause : ExcerptDesk.patience) else { continue }
            if job.asked == nil {
                excerpts.jobs[id]!.missed = []
                askNext(id, into: &out)
            } else { missed(id, into: &out) }
        }
    }

    func excerptsPeerUp(_ node: NodeID, into out: inout [Directive]) {
        holders.told = nil
        for id in excerpts.order where excerpts.jobs[id]?.asked == nil && excerpts.jobs[id]?.isQueued == false {
            excerpts.jobs[id]!.missed = []
            askNext(id, into: &out)
        }
    }
    func excerptsPeerDown(_ node: NodeID, into out: inout [Directive]) {
        excerpts.serving.removeAll { $0.node == node }
        for id in excerpts.order where excerpts.jobs[id]?.asked == node { missed(id, into: &out) }
    }

    // MARK: giving

    /// Another node asks: only a member of a running view knows that its log is everybody's, and only of what is delivered.
    func give(_ request: ExcerptRequest, to node: NodeID, into out: inout [Directive]) {
        let delivered = live?.groups[GroupID.durable.index].deliveredEnd.number ?? .zero
        let given = given(request.buckets, request.rules, from: request.fromOffset, to: request.toOffset)
        guard delivered > request.from, !given.isEmpty, excerpts.serving.count < Limits.excerpts else {
            let isSure = delivered > request.from && request.rules == holders.rules && given.isEmpty
            return out.append(.peer(node, .excerpted, ExcerptAnswer.head(request.id, BucketSet(), isSure: isSure)))
        }
        excerpts.serving.append(ExcerptDesk.Serving(node: node, request: request))
        let below = min(request.below, delivered)
        out.append(.disk(.read(.excerpt(node, id: request.id), .durable, from: request.from, below: below, maximumBytes: Limits.excerpt)))
    }

    /// Of some buckets of another node's rules those of which nothing is missing here, from one place to another.
    func given(_ buckets: BucketSet, _ rules: UInt64, from: Offset = Offset(0), to: Offset = Offset(.max)) -> BucketSet {
        if planted(.gapGiven) { return buckets }
        let missing = holders.holdings.missing(from: from, to: to)
        // Where the topics files differ, a bucket of one number of replicas may be any other's.
        if rules != holders.rules, missing.merged & buckets.merged != 0 { return BucketSet() }
        return buckets.subtracting(missing)
    }

    func readToGive(_ node: NodeID, _ id: UInt32, _ bytes: OwnedBytes, into out: inout [Directive]) {
        guard let i = excerpts.serving.firstIndex(where: { $0.node == node && $0.request.id == id }) else { return }
        let request = excerpts.serving.remove(at: i).request
        // What may have gone since the question came is not given.
        let isWhole = !bytes.view.isEmpty
        let buckets = isWhole ? given(request.buckets, request.rules, from: request.fromOffset, to: request.toOffset) : BucketSet()
        let mask = buckets.merged
        var answer = ExcerptAnswer.head(id, buckets, isSure: isWhole && request.rules == holders.rules)
        Excerpt.make(of: bytes.view, into: &answer) { mask >> UInt64(BucketSet.bucket(of: $0)) & 1 == 1 }
        out.append(.peer(node, .excerpted, answer))
    }
}
