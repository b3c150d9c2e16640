internal import Store
internal import Topics
internal import Wire

/// Values of topics whose past other nodes hold: asked of them, put together with this node's own; and what others ask of this node.
extension Node {
    /// Whether what the topic was may be known to others alone.
    private func isElsewhere(_ topic: TopicID) -> Bool {
        holders.holdings.missing.contains(quality.replicas(of: topic), BucketSet.bucket(of: topic)) && !planted(.pastTakenForOwn)
    }

    // MARK: values

    /// Topics of a query of which others have to be asked: of one whose last record lies before the cut that record is the value, and is here.
    private func othersOf(_ query: ValueQuery) -> [TopicID] {
        guard case .offset(let cut) = query.cut, let heads = live?.groups[GroupID.durable.index].state.heads else { return [] }
        return query.topics.filter { topic in isElsewhere(topic) && !(heads.head(of: topic).map { $0.offset < cut } ?? true) }
    }

    /// True: others are asked for some of the topics.
    func gather(_ id: UInt32, _ query: ValueQuery, next: TopicID, into out: inout [Directive]) -> Bool {
        // The last record of each topic is everywhere.
        guard query.group == .durable, !holders.holdings.isEmpty, case .offset = query.cut else { return false }
        learnQuality(of: .durable)
        let others = othersOf(query)
        guard !others.isEmpty else { return false }
        let isOther = Set(others)
        let own = query.topics.filter { !isOther.contains($0) }
        var parts = [StoreDesk.Gathering.Part(topics: others, place: .nobody, at: lastSeen)]
        if !own.isEmpty {
            parts.append(StoreDesk.Gathering.Part(topics: own, place: .here, at: lastSeen))
            out.append(.disk(.values(query.of(own))))
        }
        desk.reads[id]!.phase = .gathering(StoreDesk.Gathering(query: query, next: next, parts: parts))
        askForValues(id, 0, into: &out)
        return true
    }

    private func askForValues(_ id: UInt32, _ part: Int, into out: inout [Directive]) {
        guard case .gathering(var gathering) = desk.reads[id]?.phase, case .offset(let cut) = gathering.query.cut else { return }
        let topics = gathering.parts[part].topics
        let node = holder(missed: gathering.parts[part].missed) { set in
            topics.count { set.contains(quality.replicas(of: $0), BucketSet.bucket(of: $0)) }
        }
        gathering.parts[part].at = lastSeen
        gathering.parts[part].place = node.map { .asked($0) } ?? .nobody
        gathering.parts[part].asked = desk.number()
        desk.reads[id]!.phase = .gathering(gathering)
        guard let node else { return }
        let request = ValuesRequest(
            id: gathering.parts[part].asked, cut: cut, showsRemoved: gathering.query.showsRemoved, maximumBytes: gathering.query.maximumBytes, rules: holders.rules,
            topics: topics, replicas: topics.map { quality.replicas(of: $0) })
        out.append(.peer(node, .values, request.encode()))
    }

    /// The linked member that has most of what is wanted, by its own word; one that should not have it may all the same.
    func holder(missed: Set<NodeID>, _ count: (BucketSet) -> Int) -> NodeID? {
        var best: (node: NodeID, count: Int)?
        for node in live?.view.members ?? [] where node != me && linked.contains(node) && !missed.contains(node) {
            let count = count(holders.words[node]?.buckets ?? BucketSet())
            if count > best?.count ?? -1 { best = (node, count) }
        }
        return best?.node
    }

    /// This node's own part. True: it was one.
    func gathered(_ page: ValuePage, into out: inout [Directive]) -> Bool {
        guard case .gathering(var gathering) = desk.reads[page.id]?.phase, let part = gathering.parts.firstIndex(where: { $0.place == .here }) else { return false }
        let topics = gathering.parts[part].topics
        if let topic = page.cleaned {
            refuseCleaned(page.id, topic, page.cut, into: &out)
            return true
        }
        // What was this node's own when it asked its disk may have come to be others'.
        if !othersOf(gathering.query.of(topics)).isEmpty { return gather(page.id, gathering.query, next: gathering.next, into: &out) }
        guard page.taken > 0 else {
            out.append(.disk(.values(gathering.query.of(topics))))
            return true
        }
        gathering.parts[part].rows = Self.rows(page.topics, page.rows.view)
        gathering.parts[part].next = page.taken < topics.count ? topics[page.taken] : nil
        gathering.cut = page.cut
        desk.reads[page.id]!.phase = .gathering(gathering)
        endGathering(page.id)
        return true
    }

    private static func rows(_ topics: [TopicID], _ rows: ByteView) -> [TopicID: [UInt8]] {
        var found: [TopicID: [UInt8]] = [:]
        var at = 0
        for topic in topics {
            let length = VersionHeader.size + RecordHeader(rows.from(at + VersionHeader.size)).length
            found[topic] = rows[at..<at + length].array
            at += length
        }
        return found
    }

    /// Another node's part.
    func valuesFound(_ answer: ValuesAnswer, from node: NodeID, into out: inout [Directive]) {
        var found: (id: UInt32, part: Int)?
        for id in desk.order {
            guard case .gathering(let gathering) = desk.reads[id]?.phase else { continue }
            if let part = gathering.parts.firstIndex(where: { $0.asked == answer.id && $0.place == .asked(node) && $0.rows == nil }) { found = (id, part) }
        }
        guard let (id, part) = found, case .gathering(var gathering) = desk.reads[id]?.phase else { return }
        if let topic = answer.cleaned { return refuseCleaned(id, topic, answer.cut, into: &out) }
        let lacked = Set(answer.lacked)
        var missed = gathering.parts[part].missed
        missed.insert(node)
        let (given, left) = (gathering.parts[part].topics.filter { !lacked.contains($0) }, gathering.parts[part].topics.filter { lacked.contains($0) })
        guard !given.isEmpty else {
            gathering.parts[part].missed = missed
            desk.reads[id]!.phase = .gathering(gathering)
            return askForValues(id, part, into: &out)
        }
        guard answer.taken > 0, Set(answer.topics).isSubset(of: given) else {
            // It knows no more yet: it is asked again.
            return askForValues(id, part, into: &out)
        }
        gathering.parts[part] = StoreDesk.Gathering.Part(topics: given, place: .asked(node), at: lastSeen)
        gathering.parts[part].rows = Self.rows(answer.topics, answer.rows)
        gathering.parts[part].next = answer.taken < given.count ? given[answer.taken] : nil
        gathering.cut = answer.cut
        if !left.isEmpty { gathering.parts.append(StoreDesk.Gathering.Part(topics: left, place: .nobody, at: lastSeen, missed: missed)) }
        desk.reads[id]!.phase = .gathering(gathering)
        if left.isEmpty { endGathering(id) } else { askForValues(id, gathering.parts.count - 1, into: &out) }
    }

    /// All parts are there: as many rows as fit, in the order of topics.
    private func endGathering(_ id: UInt32) {
        guard let read = desk.reads[id], case .values(let values) = read.question, case .gathering(let gathering) = read.phase, let cut = gathering.cut,
            gathering.parts.allSatisfy({ $0.rows != nil }), let live
        else { return }
        var rows: [UInt8] = []
        var names: [String] = []
        let topics = live.groups[values.group.index].state.topics
        var next = gathering.parts.compactMap(\.next).min()
        for topic in gathering.query.topics where next.map({ topic < $0 }) ?? true {
            guard let row = gathering.parts.lazy.compactMap({ $0.rows?[topic] }).first else { continue }
            guard rows.isEmpty || rows.count + row.count <= gathering.query.maximumBytes else {
                next = topic
                break
            }
            rows += row
            names.append(topics.name(of: topic) ?? "")
        }
        let head = StorePage.head(request: values.request, group: values.group, cut: cut, next: next ?? gathering.next, names: names)
        desk.reads[id]!.phase = .answering(.storePage, head: head, rows: OwnedBytes(rows))
    }

    // MARK: the last records

    /// Some of what is searched for has come to be others' alone: it is begun anew.
    func restarts(_ query: TailQuery, into out: inout [Directive]) -> Bool {
        guard !holders.holdings.isEmpty, query.group == .durable, let read = desk.reads[query.id], case .tail(let tail) = read.question else { return false }
        let count = Int(min(tail.count, query.below.offset.raw))
        return gatherOffsets(
            query.id, TailQuery(id: query.id, group: query.group, wanted: query.wanted, left: count, before: query.below.offset, below: query.below), into: &out)
    }

    /// True: others are asked where some of the records lie.
    func gatherOffsets(_ id: UInt32, _ query: TailQuery, into out: inout [Directive]) -> Bool {
        guard query.group == .durable, !holders.holdings.isEmpty, case .tail(let tail)? = desk.reads[id]?.question else { return false }
        learnQuality(of: .durable)
        var wanted = BucketSet()
        for topic in 0..<(live?.groups[GroupID.durable.index].deliveredTopics ?? 0) where query.wants(TopicID(UInt32(topic))) {
            let topic = TopicID(UInt32(topic))
            if isElsewhere(topic) { wanted.insert(quality.replicas(of: topic), BucketSet.bucket(of: topic)) }
        }
        guard !wanted.isEmpty else { return false }
        guard query.left <= Limits.storeTail else {
            let why = "of topics that other nodes hold the last \(Limits.storeTail) records can be found, not \(query.left)"
            send(desk.reads[id]!.session, .refused, Refusal(.notAllowed, request: tail.request, group: tail.group, reason: why).encode(), into: &out)
            desk.remove(id)
            return true
        }
        // The question to others is somewhat longer than the client's.
        let length = (tail.patterns + tail.exclusions).reduce(0) { $0 + $1.utf8.count + 2 }
        guard length <= Limits.message / 2 else {
            let why = "\(length) bytes of patterns are too many where other nodes are to be asked: at most \(Limits.message / 2)"
            send(desk.reads[id]!.session, .refused, Refusal(.notAllowed, request: tail.request, group: tail.group, reason: why).encode(), into: &out)
            desk.remove(id)
            return true
        }
        // What this node has of others' topics counts as theirs.
        var own = query.wanted
        for topic in 0..<own.count * 64 where own[topic >> 6] >> UInt64(topic & 63) & 1 == 1 {
            let id = TopicID(UInt32(topic))
            if wanted.contains(quality.replicas(of: id), BucketSet.bucket(of: id)) { own[topic >> 6] &= ~(1 << UInt64(topic & 63)) }
        }
        desk.reads[id]!.phase = .gatheringOffsets(
            StoreDesk.OffsetGathering(asks: .last(query.left, before: query.before), wanted: wanted, at: lastSeen))
        out.append(.disk(.tail(TailQuery(
            id: id, group: query.group, wanted: own, left: query.left, before: query.before, below: query.below, found: []))))
        askForOffsets(id, into: &out)
        return true
    }

    private func askForOffsets(_ id: UInt32, into out: inout [Directive]) {
        guard let read = desk.reads[id], case .gatheringOffsets(var gathering) = read.phase, !gathering.wanted.isEmpty else { return }
        gathering.asked = holder(missed: gathering.missed) { $0.intersection(gathering.wanted).count }
        gathering.at = lastSeen
        desk.reads[id]!.phase = .gatheringOffsets(gathering)
        guard let node = gathering.asked else { return }
        var request = OffsetsRequest(id: id, wanted: gathering.asks, rules: holders.rules, buckets: gathering.wanted)
        if case .tail(let tail) = read.question { (request.patterns, request.exclusions) = (tail.patterns, tail.exclusions) }
        out.append(.peer(node, .offsets, request.encode()))
    }

    /// This node's own records have been looked for. True: it was for others' as well.
    func gathered(_ query: TailQuery, into out: inout [Directive]) -> Bool {
        guard let read = desk.reads[query.id], case .gatheringOffsets(var gathering) = read.phase else { return false }
        // What was this node's own when it began to search may have come to be others'.
        let isOwn = (0..<query.wanted.count * 64).allSatisfy { !query.wants(TopicID(UInt32($0))) || !isElsewhere(TopicID(UInt32($0))) }
        if !isOwn, case .tail(let tail) = read.question {
            search(query.id, read, tail, into: &out)
            return true
        }
        guard query.left == 0 || query.before == Offset(0) else {
            out.append(.disk(.tail(query)))
            return true
        }
        gathering.offsets += query.found ?? []
        gathering.isOwnThere = true
        desk.reads[query.id]!.phase = .gatheringOffsets(gathering)
        endOffsets(query.id, into: &out)
        return true
    }
    func offsetsFound(_ answer: OffsetsAnswer, from node: NodeID, into out: inout [Directive]) {
        guard case .gatheringOffsets(var gathering) = desk.reads[answer.id]?.phase, gathering.asked == node else { return }
        gathering.missed.insert(node)
        gathering.asked = nil
        let given = gathering.wanted.intersection(answer.buckets)
        if !given.isEmpty { gathering.offsets += answer.offsets }
        gathering.wanted = gathering.wanted.subtracting(given)
        desk.reads[answer.id]!.phase = .gatheringOffsets(gathering)
        if gathering.wanted.isEmpty { endOffsets(answer.id, into: &out) } else { askForOffsets(answer.id, into: &out) }
    }
    private func endOffsets(_ id: UInt32, into out: inout [Directive]) {
        guard let read = desk.reads[id], case .gatheringOffsets(let gathering) = read.phase, gathering.isOwnThere, gathering.wanted.isEmpty else { return }
        let offsets = Set(gathering.offsets).sorted(by: >)
        switch (gathering.asks, read.question) {
        case (.last(let count, let before), _): place(id, offsets.isEmpty ? before : offsets[min(count, offsets.count) - 1])
        // Each of them has all records of some buckets: before the highest lies all that was stamped by then and is there.
        case (.after, .values(let values)): start(id, read, values, at: .offset(offsets.first ?? Offset(0)), into: &out)
        case (.after, .tail): return
        }
    }

    // MARK: times

    /// Where others hold records, a time may lie in a hole of this node's log. True: that is looked into first.
    func findCut(_ id: UInt32, _ values: StoreRead, into out: inout [Directive]) -> Bool {
        guard values.group == .durable, !holders.holdings.isEmpty, case .time(let time) = values.cut, let live, !planted(.pastTakenForOwn) else { return false }
        desk.reads[id]!.phase = .cutting
        out.append(.disk(.cut(id, after: time, below: live.groups[GroupID.durable.index].deliveredEnd)))
        return true
    }
    func cutFound(_ id: UInt32, _ offset: Offset, isExact: Bool, into out: inout [Directive]) {
        if let served = desk.served[id], case .offsets(let request, let buckets, _) = served.question {
            desk.endServing(id)
            let isKnown = given(buckets, request.rules) == buckets
            let answer = OffsetsAnswer(id: request.id, buckets: isKnown ? buckets : BucketSet(), offsets: isKnown ? [offset] : [])
            return out.append(.peer(served.node, .offsetsFound, answer.encode()))
        }
        guard let read = desk.reads[id], case .cutting = read.phase, case .values(let values) = read.question, case .time(let time) = values.cut else { return }
        let missing = holders.holdings.missing(from: offset, to: Offset(.max))
        guard !isExact, !missing.isEmpty else { return start(id, read, values, at: .offset(offset), into: &out) }
        desk.reads[id]!.phase = .gatheringOffsets(
            StoreDesk.OffsetGathering(asks: .after(time), offsets: [offset], isOwnThere: true, wanted: missing, at: lastSeen))
        askForOffsets(id, into: &out)
    }

    // MARK: silence

    func stepElsewhere(into out: inout [Directive]) {
        for id in desk.order {
            switch desk.reads[id]?.phase {
            case .gathering(var gathering):
                for part in gathering.parts.indices where gathering.parts[part].rows == nil && gathering.parts[part].place != .here {
                    guard lastSeen - min(lastSeen, gathering.parts[part].at) > (gathering.parts[part].place == .nobody ? ExcerptDesk.pause : ExcerptDesk.patience) else { continue }
                    if case .asked(let node) = gathering.parts[part].place { gathering.parts[part].missed.insert(node) } else { gathering.parts[part].missed = [] }
                    desk.reads[id]!.phase = .gathering(gathering)
                    askForValues(id, part, into: &out)
                }
            case .gatheringOffsets(var gathering) where !gathering.wanted.isEmpty:
                guard lastSeen - min(lastSeen, gathering.at) > (gathering.asked == nil ? ExcerptDesk.pause : ExcerptDesk.patience) else { continue }
                if let node = gathering.asked { gathering.missed.insert(node) } else { gathering.missed = [] }
                desk.reads[id]!.phase = .gatheringOffsets(gathering)
                askForOffsets(id, into: &out)
            default: continue
            }
        }
    }

    func refuseCleaned(_ id: UInt32, _ topic: TopicID, _ cut: Offset, into out: inout [Directive]) {
        guard let read = desk.reads[id], case .values(let values) = read.question else { return }
        let name = live?.groups[values.group.index].state.topics.name(of: topic) ?? ""
        let why = "what topic \"\(name)\" was before offset \(cut.raw) is cleaned: retention, compact or history"
            + " of topics.yaml have let it go; ask for a later time"
        send(read.session, .refused, Refusal(.notAllowed, request: values.request, group: values.group, reason: why).encode(), into: &out)
        desk.remove(id)
    }

    // MARK: others' questions

    /// Whether this node has all of a topic's past, by the number of replicas that the asking node knows.
    private func has(_ topic: TopicID, _ replicas: Int, _ rules: UInt64) -> Bool {
        let missing = holders.holdings.missing
        let bucket = BucketSet.bucket(of: topic)
        return rules == holders.rules ? !missing.contains(replicas, bucket) : missing.merged >> UInt64(bucket) & 1 == 0
    }

    func take(_ request: ValuesRequest, from node: NodeID, into out: inout [Directive]) {
        let lacked = zip(request.topics, request.replicas).filter { !has($0, $1, request.rules) }.map(\.0)
        guard live != nil, lacked.count < request.topics.count, desk.servedOrder.count < Limits.excerpts else {
            let answer = ValuesAnswer(id: request.id, taken: 0, cut: Offset(0), cleaned: nil, lacked: request.topics, topics: [], rows: .empty)
            return out.append(.peer(node, .valuesFound, answer.encode()))
        }
        desk.serve(StoreDesk.Served(node: node, question: .values(request, lacked: lacked)))
    }
    func take(_ request: OffsetsRequest, from node: NodeID, into out: inout [Directive]) {
        let given = given(request.buckets, request.rules)
        let interest = try? Interest(patterns: request.patterns.map { try TopicPattern($0) }, exclusions: request.exclusions.map { try TopicPattern($0) })
        guard live != nil, !given.isEmpty, let interest, desk.servedOrder.count < Limits.excerpts else {
            return out.append(.peer(node, .offsetsFound, OffsetsAnswer(id: request.id, buckets: BucketSet(), offsets: []).encode()))
        }
        desk.serve(StoreDesk.Served(node: node, question: .offsets(request, given, interest)))
    }

    /// Others' questions go to the disk as soon as what they ask for is settled here too.
    func stepServed(into out: inout [Directive]) {
        guard !desk.servedOrder.isEmpty, let group = live?.groups[GroupID.durable.index], group.carried == nil else { return }
        for id in desk.servedOrder {
            guard let served = desk.served[id], !served.isReading else { continue }
            let end = group.deliveredEnd
            switch served.question {
            case .values(let request, let lacked):
                guard end.offset >= request.cut else { continue }
                let gone = Set(lacked)
                out.append(.disk(.values(ValueQuery(
                    id: id, group: .durable, cut: .offset(request.cut), below: end, topics: request.topics.filter { !gone.contains($0) },
                    showsRemoved: request.showsRemoved, maximumBytes: request.maximumBytes))))
            case .offsets(let request, let buckets, let interest):
                guard case .last(let count, let before) = request.wanted else {
                    guard case .after(let time) = request.wanted, end.key.timestamp > time else { continue }
                    out.append(.disk(.cut(id, after: time, below: end)))
                    break
                }
                guard end.offset >= before else { continue }
                learnQuality(of: .durable)
                let isSame = request.rules == holders.rules
                var wanted = [UInt64](repeating: 0, count: group.deliveredTopics / 64 + 1)
                group.state.topics.forEach { (topic, name) in
                    let bucket = BucketSet.bucket(of: topic)
                    let isIn = isSame ? buckets.contains(quality.replicas(of: topic), bucket) : buckets.merged >> UInt64(bucket) & 1 == 1
                    if isIn, topic.index < group.deliveredTopics, interest.matches(name) { wanted[topic.index >> 6] |= 1 << UInt64(topic.index & 63) }
                }
                out.append(.disk(.tail(TailQuery(
                    id: id, group: .durable, wanted: wanted, left: count, before: before, below: end, found: []))))
            }
            desk.served[id]!.isReading = true
        }
    }

    /// The disk has answered; true: it was another node's question.
    func answerServed(_ page: ValuePage, into out: inout [Directive]) -> Bool {
        guard let served = desk.served[page.id], case .values(let request, let lacked) = served.question else { return false }
        // What may have gone since the question came is not answered.
        let isKnown = zip(request.topics, request.replicas).allSatisfy { has($0, $1, request.rules) || lacked.contains($0) }
        guard isKnown else {
            desk.endServing(page.id)
            let answer = ValuesAnswer(id: request.id, taken: 0, cut: Offset(0), cleaned: nil, lacked: request.topics, topics: [], rows: .empty)
            out.append(.peer(served.node, .valuesFound, answer.encode()))
            return true
        }
        guard page.taken > 0 || page.cleaned != nil else {
            desk.served[page.id]!.isReading = false
            return true
        }
        desk.endServing(page.id)
        let answer = ValuesAnswer(
            id: request.id, taken: page.taken, cut: page.cut, cleaned: page.cleaned, lacked: lacked, topics: page.topics, rows: page.rows.view)
        out.append(.peer(served.node, .valuesFound, answer.encode()))
        return true
    }
    func answerServed(_ query: TailQuery, into out: inout [Directive]) -> Bool {
        guard let served = desk.served[query.id], case .offsets(let request, let buckets, _) = served.question else { return false }
        guard query.left == 0 || query.before == Offset(0) else {
            out.append(.disk(.tail(query)))
            return true
        }
        desk.endServing(query.id)
        let isKnown = given(buckets, request.rules) == buckets
        let answer = OffsetsAnswer(id: request.id, buckets: isKnown ? buckets : BucketSet(), offsets: isKnown ? query.found ?? [] : [])
        out.append(.peer(served.node, .offsetsFound, answer.encode()))
        return true
    }

    func elsewherePeerDown(_ node: NodeID, into out: inout [Directive]) {
        for id in desk.servedOrder where desk.served[id]?.node == node { desk.endServing(id) }
        for id in desk.order {
            switch desk.reads[id]?.phase {
            case .gathering(var gathering):
                for part in gathering.parts.indices where gathering.parts[part].place == .asked(node) && gathering.parts[part].rows == nil {
                    gathering.parts[part].missed.insert(node)
                    desk.reads[id]!.phase = .gathering(gathering)
                    askForValues(id, part, into: &out)
                }
            case .gatheringOffsets(var gathering) where gathering.asked == node:
                gathering.missed.insert(node)
                desk.reads[id]!.phase = .gatheringOffsets(gathering)
                askForOffsets(id, into: &out)
            default: continue
            }
        }
    }
}
