internal import Folding
internal import Topics
internal import Wire

/// Which records this node holds for good, what others have said of theirs, and what it fetches from them.
///
/// Every member takes in, writes and syncs every record, so all that PROTOCOL.md says of order and durability holds whatever the replicas. What
/// is parted is the past: of a topic with N replicas the first N members of its bucket's order keep it, the others let it go once all N
/// have said that they have it on disk (H10, H11), but for the topic's last record, which every node keeps.
struct Holders: Sendable {
    /// The numbers of replicas that the topics file has, and what stands for its rules.
    let replicas: [Int]
    let rules: UInt64
    var holdings: Holdings
    /// Of the running view; nil where all hold everything and always did.
    var layout: HolderLayout?
    /// Buckets that are this node's in the running view.
    var held = BucketSet()
    /// What the members have said in the running view.
    var words: [NodeID: HoldingWord] = [:]
    /// What those who have begun a later one have said in that.
    var wordsAhead: [NodeID: HoldingWord] = [:]
    /// What this node has said, and when; nil: somebody has not heard.
    var told: HoldingWord?
    var toldAt: UInt64 = 0
    /// What lies below is delivered and on this disk, which says so itself.
    var agreed: AgreedPlace
    /// The disk is writing down such a place.
    var isAgreeing = false
    var agreeAt: UInt64 = 0
    var fill: Fill?
    /// Of what this node lacks, that of which every member has said, when it was asked last, that it does not have all; nil: not asked yet in this view.
    var lost: [Holdings.Line]?
    /// When the next fill may begin.
    var fillAt: UInt64 = 0

    init(_ topics: TopicsConfiguration, holdings: Holdings, agreed: AgreedPlace) {
        replicas = topics.replicas
        rules = topics.replicaRules
        self.holdings = holdings
        self.agreed = agreed
    }

    /// A segment is being put back: nothing else may change it.
    var isPlacing: Bool { fill != nil && fill!.stretch != nil }
    var isActive: Bool { !replicas.isEmpty || !holdings.isEmpty }

    mutating func begin(_ view: ViewNumber, members: [NodeID], me: NodeID) {
        (layout, held) = (nil, BucketSet())
        if isActive { share(among: members, me: me) }
        if !planted(.dropOnOldWord) { words = wordsAhead.filter { $0.value.view == view } }
        wordsAhead = wordsAhead.filter { $0.value.view > view }
        told = nil
        fill = nil
        lost = nil
    }

    mutating func share(among members: [NodeID], me: NodeID) {
        layout = HolderLayout(members: members)
        held = layout!.held(by: me, replicas: replicas)
    }

    /// Buckets of this node of which records are missing here.
    var lacking: [Holdings.Line] { holdings.lines.filter { held.contains($0.replicas, $0.bucket) } }

    /// What all holders have said to have, of buckets that are not this node's.
    var droppable: [Holdings.Line] {
        guard let layout else { return [] }
        // A hole must end within every member's disk: one that comes back finds by chains what its log shares with another's, and inside a hole
        // there is none.
        let all = layout.members.compactMap { words[$0]?.end }
        let least = all.count == layout.members.count ? all.min() : nil
        var lines: [Holdings.Line] = []
        for number in replicas {
            for bucket in 0..<BucketSet.buckets where !held.contains(number, bucket) {
                guard let least else { return [] }
                var holders = layout.holders(of: bucket, replicas: number)[...]
                if planted(.dropOnOne) { holders = holders.prefix(1) }
                let ends = holders.compactMap { words[$0].flatMap { $0.buckets.contains(number, bucket) ? $0.end : nil } }
                guard ends.count == holders.count, let end = ends.min().map({ min($0, least) }), end > Offset(0) else { continue }
                lines.append(Holdings.Line(replicas: number, bucket: bucket, from: Offset(0), to: end))
            }
        }
        return lines
    }

    /// What is being put back into this node's log, segment by segment, from others' logs.
    struct Fill: Sendable {
        enum Step: Sendable {
            case looking
            /// The disk says which segment comes next.
            case finding
            /// The segment's next piece is read here, then what it lacks is asked for.
            case reading
            case asking
            /// All of the segment has been given to the disk.
            case placing
        }
        /// What was missing when it began.
        let lines: [Holdings.Line]
        /// Segments that end at or below this have been looked at.
        var from: Offset
        var step = Step.looking
        var stretch: LogStretch?
        /// Where the next piece of the segment begins.
        var place: (number: EntryNumber, offset: Offset) = (.zero, Offset(0))
        var bytes: UInt64 = 0
        /// Buckets of which nobody who is there has some records.
        private(set) var unfound = BucketSet()
        /// Of these, those of which some member could not say for sure.
        private var unsure = BucketSet()

        init(lines: [Holdings.Line], from: Offset) { (self.lines, self.from) = (lines, from) }

        var buckets: BucketSet {
            var set = BucketSet()
            for line in lines { set.insert(line.replicas, line.bucket) }
            return set.subtracting(unfound)
        }
        /// Lines of which all is here at the end.
        var found: [Holdings.Line] { lines.filter { !unfound.contains($0.replicas, $0.bucket) } }
        var lost: [Holdings.Line] { lines.filter { unfound.contains($0.replicas, $0.bucket) && !unsure.contains($0.replicas, $0.bucket) } }
        mutating func notFound(_ buckets: BucketSet, isSure: Bool) {
            unfound = unfound.union(buckets)
            if !isSure { unsure = unsure.union(buckets) }
        }
    }
}

/// The words of holders, and what may go by them.
extension Node {
    /// The view has begun.
    func beginHolding() {
        for group in live!.groups.indices { quality.cut(GroupID(UInt16(group)), to: live!.groups[group].deliveredTopics) }
        holders.begin(live!.view.number, members: live!.view.members, me: me)
        holders.fillAt = lastSeen + settings.fillAfter
        excerpts.forgetFill()
    }

    /// Tells the others what is here, where that has changed: at most once in a while, but for buckets.
    func sayHolding(into out: inout [Directive]) {
        guard !holders.replicas.isEmpty, let live, live.groups[GroupID.durable.index].carried == nil else { return }
        // What a slice that was begun in an older view withholds is not known yet.
        guard !cleaning.isBusy || cleaning.view == live.view.number else { return }
        let delivered = live.groups[GroupID.durable.index].deliveredEnd
        let place = AgreedPlace(number: delivered.number, offset: delivered.offset)
        let isLate = holders.told == nil || lastSeen - min(lastSeen, holders.toldAt) >= settings.sayHoldingEvery
        if place.number > holders.agreed.number, isLate, !holders.isAgreeing, lastSeen >= holders.agreeAt {
            holders.isAgreeing = true
            holders.agreeAt = lastSeen + settings.sayHoldingEvery
            out.append(.disk(.agree(place)))
        }
        // Others let go of what this node has: it must know in its next life too that it is not to give it up.
        let end = planted(.wordBeforeDisk) ? place.offset : min(place.offset, holders.agreed.offset)
        let word = HoldingWord(view: live.view.number, end: end, rules: holders.rules, buckets: planted(.wordOfAll) ? holders.held : holders.held.subtracting(holders.holdings.missing))
        if let told = holders.told {
            guard told.buckets != word.buckets || told.end != word.end && isLate else { return }
        }
        holders.told = word
        holders.toldAt = lastSeen
        holders.words[me] = word
        let bytes = word.encode()
        for node in live.view.members where node != me && linked.contains(node) { out.append(.peer(node, .holding, bytes)) }
    }

    func agreed(_ place: AgreedPlace?) {
        holders.isAgreeing = false
        if let place { holders.agreed = place }
    }

    func take(_ word: HoldingWord, from node: NodeID) {
        guard let live, live.view.contains(node), word.view >= live.view.number || planted(.dropOnOldWord), word.rules == holders.rules else { return }
        if word.view == live.view.number || planted(.dropOnOldWord) { holders.words[node] = word } else { holders.wordsAhead[node] = word }
    }

    /// What the disk may let go of.
    var droppable: Droppable { Droppable(view: live?.view.number ?? ViewNumber(0), lines: holders.droppable) }

    /// Cleaning is about to let records of these buckets go.
    func withheld(_ lines: [Holdings.Line]) {
        for line in lines { holders.holdings.withhold(line) }
    }

    /// Part of another node's log is to become part of this one's: what may be missing there may be missing here.
    /// - from: where the part begins.
    func absorb(_ theirs: Holdings, from: Offset, into out: inout [Directive]) {
        var lines = theirs.lines
        if theirs.rules != holders.rules {
            var spread = theirs
            spread.spread(rules: holders.rules, replicas: holders.replicas)
            lines = spread.lines
        }
        var holdings = holders.holdings
        var news: [Holdings.Line] = []
        for line in lines where line.to > from {
            let part = Holdings.Line(replicas: line.replicas, bucket: line.bucket, from: max(line.from, from), to: line.to)
            let before = holdings
            holdings.withhold(part)
            if holdings != before { news.append(part) }
        }
        guard !news.isEmpty, !planted(.copyTakenForWhole) else { return }
        holders.holdings = holdings
        // Nobody here had fewer replicas than all until now.
        if holders.layout == nil, let live { holders.share(among: live.view.members, me: me) }
        out.append(.disk(.withhold(news)))
    }

    /// Whether records of this node's buckets are missing here.
    package var isLacking: Bool { !holders.lacking.isEmpty }
    package var holdingsText: String {
        let missing = holders.holdings.lines.map { "\($0.replicas)/\($0.bucket) \($0.from.raw)..<\($0.to.raw)\(holders.held.contains($0.replicas, $0.bucket) ? "!" : "")" }
        return "missing \(missing), \(fillText)"
    }
    private var fillText: String { "\(holders.lacking.count) buckets, fill \(holders.fill.map { "\($0.step), \($0.from.raw)" } ?? "none"), \(excerpts.jobs.count) asked" }

    // MARK: filling

    /// Puts back what is missing of this node's buckets, a piece at a time.
    func stepFill(into out: inout [Directive]) {
        guard let live, live.groups[GroupID.durable.index].carried == nil, repair == nil, lastSeen >= holders.fillAt else { return }
        guard holders.fill == nil else { return continueFill(into: &out) }
        let lines = holders.lacking
        guard !lines.isEmpty, let from = lines.map(\.from).min() else { return }
        out.append(.log("fetching records of \(lines.count) buckets that this node is to hold from others"))
        holders.fill = Holders.Fill(lines: lines, from: from)
        continueFill(into: &out)
    }

    /// When a fill under way can go on though nothing happens; monotonic nanoseconds.
    func fillDue() -> UInt64 {
        guard holders.fill != nil, let fill = holders.fill, case .looking = fill.step, !cleaning.isBusy, repair == nil else { return .max }
        return fill.stretch != nil || cleaning.isResting || settings.cleanRate == 0 || fill.bytes == 0 ? holders.fillAt : .max
    }

    private func continueFill(into out: inout [Directive]) {
        guard let fill = holders.fill, case .looking = fill.step, !cleaning.isBusy else { return }
        // Where nobody has any of it, nothing is rewritten.
        if fill.buckets.isEmpty || planted(.fillForgotten) { return endFill(into: &out) }
        if fill.stretch != nil { return readForFill(into: &out) }
        // Between two segments cleaning has its turn.
        guard cleaning.isResting || settings.cleanRate == 0 || fill.bytes == 0 else { return }
        let end = fill.lines.map(\.to).max()!
        guard fill.from < end else { return endFill(into: &out) }
        holders.fill!.step = .finding
        out.append(.disk(.stretch(from: fill.from, below: live!.groups[GroupID.durable.index].deliveredEnd.number)))
    }

    func found(_ stretch: LogStretch?, from: Offset, into out: inout [Directive]) {
        guard let fill = holders.fill, case .finding = fill.step, fill.from == from else { return }
        holders.fill!.step = .looking
        guard let stretch else {
            // What is missing lies in the open segment: it is closed, and what follows is whole.
            closeSegment(into: &out)
            holders.fillAt = lastSeen + settings.sayHoldingEvery
            return
        }
        guard stretch.offset < fill.lines.map(\.to).max()! else { return endFill(into: &out) }
        holders.fill!.stretch = stretch
        holders.fill!.place = (stretch.first, stretch.offset)
        readForFill(into: &out)
    }

    private func readForFill(into out: inout [Directive]) {
        let fill = holders.fill!
        holders.fill!.step = .reading
        out.append(.disk(.read(.fill, .durable, from: fill.place.number, below: fill.stretch!.end, maximumBytes: Limits.excerpt)))
    }

    func readToFill(_ first: EntryNumber, _ next: EntryNumber, _ bytes: OwnedBytes, into out: inout [Directive]) {
        guard let fill = holders.fill, case .reading = fill.step, first == fill.place.number, next > first, next <= fill.stretch?.end ?? .zero else { return }
        holders.fill!.step = .asking
        ask(for: .fill, bytes, from: fill.place, to: next, fill.buckets, into: &out)
    }

    /// A piece has come: entries from the fill's place on.
    func fillIn(_ bytes: OwnedBytes, to place: (number: EntryNumber, offset: Offset), into out: inout [Directive]) {
        guard let fill = holders.fill, case .asking = fill.step, let stretch = fill.stretch else { return }
        let isLast = place.number >= stretch.end
        holders.fill!.place = place
        holders.fill!.bytes += UInt64(bytes.view.count)
        holders.fill!.step = isLast ? .placing : .looking
        // A second's worth of bytes takes a second.
        holders.fillAt = lastSeen + UInt64(bytes.view.count) * 1_000_000_000 / UInt64(max(settings.copyRate / 2, 1))
        out.append(.disk(.fill(stretch, bytes, isLast: isLast)))
    }

    func filled(_ first: EntryNumber, isDone: Bool) {
        guard let fill = holders.fill, let stretch = fill.stretch, stretch.first == first else { return }
        holders.fill!.stretch = nil
        holders.fill!.step = .looking
        guard isDone else {
            // The segment is not as it was, or the disk is full: it is looked for anew.
            holders.fillAt = lastSeen + settings.fillAfter
            return
        }
        holders.fill!.from = stretch.endOffset
    }

    private func endFill(into out: inout [Directive]) {
        guard let fill = holders.fill else { return }
        holders.fill = nil
        holders.lost = fill.lost
        let before = holders.holdings.lines.count
        holders.holdings.fill(fill.found)
        if !fill.found.isEmpty {
            out.append(.disk(.held(fill.found)))
            out.append(.log("has the records of \(before - holders.holdings.lines.count) buckets that it is to hold: \(fill.bytes) bytes were written"))
        }
        if !fill.unfound.isEmpty {
            out.append(.log("no node that is here has all records of \(fill.unfound.count) buckets that this node is to hold; it will ask again"))
            holders.fillAt = lastSeen + max(settings.fillAfter, ExcerptDesk.patience)
        }
    }

    // MARK: what is lost

    /// An operator says that what no node has will not come back: this node takes what it has of its buckets for all there is.
    func giveUp(_ id: SessionID, _ request: GiveUpRequest, into out: inout [Directive]) {
        if notLive(id, request.request, into: &out) { return }
        let away = settings.members.map(\.node).filter { $0 != me && !(live!.view.contains($0) && linked.contains($0)) }
        guard away.isEmpty || request.isForced else {
            let names = away.map { "\($0)" }.joined(separator: ", ")
            let why = "\(names) may have the records, and is not here: bring it back, or say that it will not come (--force)"
            return send(id, .refused, Refusal(.notAllowed, request: request.request, reason: why).encode(), into: &out)
        }
        guard let lost = holders.lost ?? (holders.lacking.isEmpty ? [] : nil) else {
            let why = "this node has not asked the others yet for what it lacks: ask again in a while"
            return send(id, .refused, Refusal(.unavailable, request: request.request, reason: why).encode(), into: &out)
        }
        let lines = holders.lacking.filter { lost.contains($0) }
        holders.fill = nil
        excerpts.forgetFill()
        holders.holdings.fill(lines)
        if !lines.isEmpty {
            out.append(.disk(.held(lines)))
            out.append(.log("an operator has given up the records of \(lines.count) buckets that no node has"))
        }
        send(id, .gaveUp, GiveUpAnswer(request: request.request, buckets: lines.count).encode(), into: &out)
    }
}
