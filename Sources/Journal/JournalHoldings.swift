internal import Broker
internal import Storage
internal import Topics
internal import Wire

/// What of the durable log others hold for this node: kept beside it, written before anything goes; and what comes back from them.
extension Journal {
    static var holdingsName: String { "holdings" }
    static func agreedFile(_ disk: D) -> TwinFile<D> { TwinFile(disk, "agreed", leastBytes: 512) }
    private var files: StateFile<D> { StateFile(durable.disk, directory: "group-0") }

    /// As saved; where that is lost, anything before the log's end may be missing. Where the topics file says something else of replicas than when
    /// they were saved, what was missing of some topics may be missing of others in their bucket.
    static func holdings(_ disk: D, _ log: Log<D>, _ topics: TopicsConfiguration) throws(StorageError) -> Holdings {
        var isLost = false
        var holdings = Holdings(rules: topics.replicaRules)
        do throws(StorageError) {
            guard let bytes = try StateFile(disk, directory: "group-0").load(holdingsName) else { return holdings }
            do throws(DecodeError) { holdings = try bytes.withView { view throws(DecodeError) in try Holdings(view) } } catch { isLost = true }
        } catch {
            guard case .damage = error.kind else { throw error }
            isLost = true
        }
        if isLost {
            for replicas in [0] + topics.replicas {
                for bucket in 0..<BucketSet.buckets {
                    holdings.withhold(Holdings.Line(replicas: replicas, bucket: bucket, from: Offset(0), to: log.end.offset))
                }
            }
        } else if holdings.rules != topics.replicaRules { holdings.spread(rules: topics.replicaRules, replicas: topics.replicas) }
        return holdings
    }

    /// As saved last. Where both copies are lost, a node that comes back compares its log with another's by chains alone.
    static func agreed(_ file: TwinFile<D>) throws(StorageError) -> AgreedPlace {
        do throws(StorageError) {
            guard let bytes = try file.load() else { return .zero }
            do throws(DecodeError) { return try bytes.withView { view throws(DecodeError) in try AgreedPlace(view) } } catch { return .zero }
        } catch {
            guard case .damage = error.kind else { throw error }
            return .zero
        }
    }

    mutating func workOnHoldings(_ job: DiskJob, into results: inout [DiskResult]) throws(StorageError) {
        switch job {
        case .withhold(let lines):
            try noteGaps()
            for line in lines { holdings.withhold(line) }
            try saveHoldings()
        case .held(let lines):
            holdings.fill(lines)
            try saveHoldings()
        case .agree(let place):
            // All of it lies in jobs before this one.
            try settle(into: &results)
            do throws(StorageError) { try agreedFile.save(place.encode()) } catch {
                guard error.isFull else { throw error }
                agreedFile = Self.agreedFile(durable.disk)
                _ = try Self.agreed(agreedFile)
                return results.append(.agreed(nil))
            }
            results.append(.agreed(place))
        case .stretch(let offset, let limit): results.append(.stretch(from: offset, stretch(from: offset, below: limit)))
        case .fill(let stretch, let bytes, let isLast):
            try flush()
            try fill(stretch, bytes.view, isLast: isLast, into: &results)
        default: return
        }
    }

    private func saveHoldings() throws(StorageError) {
        try durable.withRoom { () throws(StorageError) in try files.save(Self.holdingsName, holdings.encode()) }
    }

    // MARK: filling

    private func stretch(from offset: Offset, below limit: EntryNumber) -> LogStretch? {
        for span in durable.closedSpans(below: limit) {
            guard let end = durable.firstOffset(ofSegmentAt: span.end), end > offset else { continue }
            return LogStretch(first: span.first, end: span.end, offset: span.firstOffset, endOffset: end)
        }
        return nil
    }

    /// Nothing is changed where the segment is not as it was, or the disk has no room.
    private mutating func fill(_ stretch: LogStretch, _ bytes: ByteView, isLast: Bool, into results: inout [DiskResult]) throws(StorageError) {
        do throws(StorageError) {
            if filling?.span.first != stretch.first || (try? EntryHeader(bytes))?.number == stretch.first {
                try cancelFill()
                try cleaner.cancel(durable)
                let span = durable.closedSpans(below: stretch.end).first { $0.first == stretch.first && $0.end == stretch.end }
                if let span { filling = try durable.beginDraft(of: span) }
            }
            // They come from another node, and are looked at once more before they take the place of this one's own.
            guard let draft = filling, durable.fits(bytes, draft) else {
                try cancelFill()
                return results.append(.filled(first: stretch.first, isDone: false))
            }
            // What others have cleaned is gone here too.
            let next = durable.firstCheckpoint(behind: stretch.first)
            try noteCopied(bytes, upTo: max(stretch.endOffset, next?.offset ?? durable.end.offset))
            try durable.append(bytes.array, to: draft)
            guard isLast else { return }
            guard durable.isWhole(draft) else {
                try cancelFill()
                return results.append(.filled(first: stretch.first, isDone: false))
            }
            let isDone = try !durable.finish([draft]).isEmpty
            filling = nil
            cleaner.changed(stretch.first)
            durableValues.forget(stretch.first)
            results.append(.filled(first: stretch.first, isDone: isDone))
        } catch {
            guard error.isFull else { throw error }
            try cancelFill()
            results.append(.filled(first: stretch.first, isDone: false))
        }
    }
    mutating func cancelFill() throws(StorageError) {
        guard let draft = filling else { return }
        filling = nil
        try durable.discard(draft)
    }
}
