package import Replication
package import Store
package import Topics
package import Wire

/// The replicated state of one group: its topics, its publishers, and where its log ends. It changes only by the group's
/// log, the same at every replica.
package struct GroupState: Sendable {
    package let group: GroupID
    package var topics = TopicTable()
    package var publishers = PublisherTable()
    /// Each topic's last version; none in the group that no log keeps.
    package var heads = HeadTable()
    /// Consumer groups; only in the durable group.
    package var consumers = ConsumerTable()
    package var end = LogEnd()
    /// It was brought here through entries that were cleaned, in whose midst publishers and heads may be older than they were; where
    /// the log goes on behind all of those they are as they were.
    package var hasHoles = false

    package init(group: GroupID) { self.group = group }

    /// How to take one frame back.
    package struct Undo: Sendable {
        let topics: Int
        var publishers: [PublisherTable.Undo] = []
        var heads: [HeadTable.Undo] = []
        /// As it was, where the frame changed it.
        var consumers: ConsumerTable?
        let end: LogEnd
    }

    package struct Admission: Sendable {
        /// Nil where no batch was accepted: the frame leaves no entry.
        package var header: EntryHeader?
        /// Where the accepted batches lie in the frame's body.
        package var runs: [Range<Int>] = []
        package var verdicts: [PublisherTable.Verdict] = []
        /// Batch by batch: where its first record lies; with a conflict, what is there instead. Of a change of a consumer group: the
        /// group's generation behind it.
        package var versions: [Offset] = []
        package var undo: Undo
    }

    /// Judges the batches of a frame that has its final place, and counts what is accepted.
    package mutating func admit(_ body: ByteView, key: OrderKey, view: ViewNumber) -> Admission {
        var admission = Admission(undo: Undo(topics: topics.count, end: end))
        var cursor = BatchCursor(body)
        var at = 0
        var batches = 0
        var records = 0
        var length = EntryHeader.size
        // A sender checks what it takes in; a batch that does not parse ends the frame here, at every replica alike.
        while let (header, whole) = (try? cursor.next(verify: false)) ?? nil {
            let base = Offset(end.offset.raw + UInt64(records))
            let verdict = judge(header, whole, key, base, &admission.undo)
            admission.verdicts.append(verdict)
            admission.versions.append(version(of: header, whole, verdict, base))
            // Records of an unordered topic were delivered when they came; only what changes the state has a place.
            if verdict == .accepted, header.kind != .records || group != .unordered {
                if let last = admission.runs.last, last.upperBound == at {
                    admission.runs[admission.runs.count - 1] = last.lowerBound..<at + header.length
                } else {
                    admission.runs.append(at..<at + header.length)
                }
                batches += 1
                length += header.length
                if header.kind == .records { records += header.count }
            }
            at += header.length
        }
        guard batches > 0 else { return admission }
        let chain = nextChain(end.chain, key, view)
        admission.header = EntryHeader(
            length: length, batches: batches, number: end.number, baseOffset: end.offset, timestamp: key.timestamp, view: view,
            sender: key.sender, group: group, records: records, chain: chain)
        end.number = end.number.next
        end.offset = Offset(end.offset.raw + UInt64(records))
        end.key = key
        end.view = view
        end.chain = chain
        return admission
    }

    private mutating func judge(
        _ header: BatchHeader, _ whole: ByteView, _ key: OrderKey, _ base: Offset, _ undo: inout Undo
    ) -> PublisherTable.Verdict {
        let time = key.timestamp
        switch header.kind {
        case .records where group == .unordered: return .accepted
        case .records:
            let (verdict, change) = publishers.judge(header, at: time, offset: base)
            guard let change else { return verdict }
            let records = whole.from(BatchHeader.size)
            let replaced = heads.apply(records, base: base, count: header.count, topics: topics.count)
            guard replaced != nil || planted(.conditionIgnored) else {
                publishers.forget(change)
                return .conflict
            }
            undo.publishers.append(change)
            if let replaced, !replaced.isEmpty { undo.heads.append(replaced) }
            return .accepted
        case .open:
            undo.publishers.append(publishers.open(header.publisher, at: time))
            return .accepted
        case .declare:
            var records = RecordCursor(whole.from(BatchHeader.size))
            guard let name = records.next()?.payload, topics.lookup(name) == nil else { return .duplicate }
            do {
                _ = try topics.declare(name)
                return .accepted
            } catch { return .gap }
        case .consumers: return judge(whole, of: key.sender, base, &undo)
        // Only cleaning makes these, and they are replayed, not judged.
        case .sparse, .state: return .gap
        }
    }

    /// A change of the consumer groups: a conflict where something stands in its way, a duplicate where it changes nothing.
    private mutating func judge(_ whole: ByteView, of node: NodeID, _ base: Offset, _ undo: inout Undo) -> PublisherTable.Verdict {
        var records = RecordCursor(whole.from(BatchHeader.size))
        guard group == .durable, let record = records.next(), let change = try? ConsumerChange(record.payload) else { return .gap }
        guard consumers.obstacle(to: change) == nil else { return .conflict }
        let before = consumers
        guard consumers.apply(change, by: node, at: base) else { return .duplicate }
        if undo.consumers == nil { undo.consumers = before }
        return .accepted
    }

    /// What the publisher of a batch is told.
    private func version(of header: BatchHeader, _ whole: ByteView, _ verdict: PublisherTable.Verdict, _ base: Offset) -> Offset {
        switch verdict {
        case .accepted:
            guard header.kind == .consumers, let change = try? ConsumerChange(RecordView(whole.from(BatchHeader.size)).payload) else { return base }
            return Offset(UInt64(consumers[change.name]?.generation ?? 0))
        case .duplicate: return publishers.line(of: header.publisher)?.offset ?? StoreDone.none
        case .conflict:
            guard let record = RecordHeader.ofWhole(whole.from(BatchHeader.size)) else { return StoreDone.none }
            return heads.head(of: record.topic)?.offset ?? StoreDone.none
        case .fenced, .gap: return StoreDone.none
        }
    }

    package mutating func takeBack(_ undo: Undo) {
        topics.removeLast(to: undo.topics)
        if !planted(.headsKept) { for change in undo.heads.reversed() { heads.takeBack(change) } }
        for change in undo.publishers.reversed() { publishers.takeBack(change) }
        if let before = undo.consumers, !planted(.consumersKept) { consumers = before }
        end = undo.end
    }

    /// Counts an entry of the log again: recovery, or a copy from another replica. False: it does not follow.
    package mutating func replay(_ entry: EntryHeader, _ body: ByteView) -> Bool {
        guard entry.number == end.number, entry.baseOffset == end.offset else { return false }
        if entry.isCleaned { hasHoles = true }
        guard !hasHoles else { return replayAccepted(entry, body) }
        let admission = admit(body, key: entry.key, view: entry.view)
        return admission.header?.chain == entry.chain && admission.header?.records == entry.records
    }

    /// The same behind a hole: all that the log has was accepted, and is not judged again. The chain of a hole is that of the last entry
    /// that it stands for; the entry behind it bears it out.
    private mutating func replayAccepted(_ entry: EntryHeader, _ body: ByteView) -> Bool {
        guard entry.span > 1 || nextChain(end.chain, entry.key, entry.view) == entry.chain else { return false }
        var offset = entry.baseOffset.raw
        var cursor = BatchCursor(body)
        while let (header, whole) = (try? cursor.next(verify: false)) ?? nil {
            switch header.kind {
            case .records, .sparse:
                publishers.replay(header, at: entry.timestamp, offset: Offset(offset))
                walkRecords(header, whole) { delta, record in
                    let head = HeadTable.Head(offset: Offset(offset + UInt64(delta)), isRemoved: record.flags & RecordHeader.tombstone != 0)
                    if record.topic.index < topics.count { heads.set(record.topic, head) }
                }
                offset += UInt64(header.count)
            case .open: _ = publishers.open(header.publisher, at: entry.timestamp)
            case .declare:
                var records = RecordCursor(whole.from(BatchHeader.size))
                guard let name = records.next()?.payload, (try? topics.declare(name)) != nil else { return false }
            case .consumers:
                var records = RecordCursor(whole.from(BatchHeader.size))
                guard let record = records.next(), let change = try? ConsumerChange(record.payload) else { return false }
                _ = consumers.apply(change, by: entry.sender, at: Offset(offset))
            case .state:
                let state = KeptState(whole.from(BatchHeader.size))
                state.forEachLine { publishers.set($0.publisher, PublisherTable.Line($0)) }
                state.forEachHead { head in
                    if head.topic.index < topics.count { heads.set(head.topic, HeadTable.Head(offset: head.offset, isRemoved: head.isRemoved)) }
                }
            }
        }
        end.number = entry.endNumber
        end.offset = entry.endOffset
        end.key = entry.key
        end.view = entry.view
        end.chain = entry.chain
        return true
    }

    /// Bytes of `encode()`, about: what grows without bound is counted.
    package var size: Int { 64 + heads.count * MemoryLayout<UInt64>.size + publishers.count * 48 + topics.encodedSize }

    package func encode() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(size)
        end.encode(into: &bytes)
        heads.encode(into: &bytes)
        publishers.encode(into: &bytes)
        topics.encode(into: &bytes)
        consumers.encode(into: &bytes)
        if hasHoles { bytes.append(1) }
        return bytes
    }
    package init(group: GroupID, decoding view: ByteView) throws(DecodeError) {
        var decoder = Decoder(view, "checkpoint")
        self.group = group
        end = try LogEnd(&decoder)
        heads = try HeadTable(&decoder)
        publishers = try PublisherTable(&decoder)
        topics = try TopicTable(decoding: &decoder)
        // Checkpoints of before there were consumer groups end here.
        if decoder.left > 0 { consumers = try ConsumerTable(&decoder) }
        if decoder.left > 0 {
            guard try decoder.int(UInt8.self) == 1 else { throw .value(what: "flag of a checkpoint", value: 0) }
            hasHoles = true
        }
        try decoder.end()
        guard consumers.isEmpty || group == .durable else { throw .value(what: "consumer groups of \(group)", value: UInt64(consumers.count)) }
        guard heads.count <= topics.count else { throw .value(what: "heads of a checkpoint", value: UInt64(heads.count)) }
    }

    /// Heads and topics of a checkpoint: what says which records are to be kept.
    package static func names(decoding view: ByteView) throws(DecodeError) -> (heads: HeadTable, topics: TopicTable) {
        var decoder = Decoder(view, "checkpoint")
        _ = try LogEnd(&decoder)
        let heads = try HeadTable(&decoder)
        _ = try PublisherTable(&decoder)
        return (heads, try TopicTable(decoding: &decoder))
    }

    /// Only the heads of a checkpoint, which come first in it.
    package static func heads(decoding view: ByteView) throws(DecodeError) -> HeadTable {
        var decoder = Decoder(view, "checkpoint")
        _ = try LogEnd(&decoder)
        return try HeadTable(&decoder)
    }
}

extension PublisherTable.Line {
    package init(_ kept: KeptState.Line) {
        self.init(epoch: kept.epoch, last: kept.last, touched: kept.touched, offset: kept.offset, placed: kept.placed)
    }
}
