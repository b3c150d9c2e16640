package import Wire

/// What an audit has to say of one place.
package struct AuditFinding: Equatable, Sendable, CustomStringConvertible {
    /// A problem is something that is not as it was written; a note is not.
    package let isProblem: Bool
    /// Relative to the data directory; empty: of the whole log.
    package let file: String
    package let offset: Int?
    /// Empty where it is of no entry.
    package let entries: Range<EntryNumber>
    package let what: String

    package init(isProblem: Bool, file: String, offset: Int?, entries: Range<EntryNumber>, what: String) {
        (self.isProblem, self.file, self.offset, self.entries, self.what) = (isProblem, file, offset, entries, what)
    }
    package var description: String {
        var place = file
        if let offset { place += ":\(offset)" }
        if !entries.isEmpty { place += (place.isEmpty ? "" : ", ") + "entries \(entries.lowerBound.raw)..<\(entries.upperBound.raw)" }
        return place.isEmpty ? what : place + ": " + what
    }
}

/// What an audit read.
package struct AuditReport: Sendable {
    package var segments = 0
    package var bytes = 0
    package var first = EntryNumber.zero
    package var entries: UInt64 = 0
    package var end = LogEnd()
    package var checkpoints = 0
    /// The log was closed by a node that ended well, and holds what it held then.
    package var isClosed = false
    package var signatures: SignedBy?
    package var findings: [AuditFinding] = []

    package struct SignedBy: Equatable, Sendable {
        package let node: NodeID
        package let cluster: String
        package let key: PublicKey
        package let count: Int
        package let end: EntryNumber
    }
    package var problems: Int { findings.count { $0.isProblem } }
}

/// Reads a log's folder to the last byte and says what is not as it was written; writes nothing.
///
/// Segments: header, sizes, neighbours, every checksum, the chain of stamps. Signatures: each one, and the hash of the entries below it; other
/// folders' signatures over the same entries.
package struct LogAudit<D: Disk> {
    private let log: OfflineLog<D>
    private let isChained: Bool
    private var report = AuditReport()
    private var signatures: SignatureReader<D>?
    private var witnesses: [SignatureReader<D>]

    /// The chain behind the last entry; nil where that is not known.
    private var chain: (number: EntryNumber, chain: UInt64)? = (.zero, 0)
    private var hash: (number: EntryNumber, hash: HistoryHash)?
    private var own: (from: EntryNumber, hash: OwnHash)?
    /// Where the entries since the last signature begin.
    private var group: (file: String, offset: Int, number: EntryNumber)?
    private var lastSigned = EntryNumber.zero
    private var isApart: Set<NodeID> = []

    /// - witnesses: signatures of the same cluster's other nodes.
    /// - isChained: the entries' chains are `nextChain`, as nodes write them.
    package init(_ disk: D, group: GroupID, witnesses: [SignatureReader<D>] = [], isChained: Bool = true) throws(StorageError) {
        log = try OfflineLog(disk, group: group)
        self.isChained = isChained
        self.witnesses = witnesses
        do throws(StorageError) { signatures = try SignatureReader(disk, group: group) } catch {
            guard case .damage(let damage) = error.kind else { throw error }
            report.findings.append(AuditFinding(isProblem: true, file: damage.segment, offset: 0, entries: .zero ..< .zero, what: damage.what))
        }
        if let signatures { hash = (.zero, HistoryHash(of: signatures.cluster)) }
        own = (.zero, OwnHash())
    }

    /// Reads everything. `checkpoint`: what is wrong with a checkpoint's contents, nil: nothing.
    package mutating func run(checkpoint: ([UInt8]) -> String? = { _ in nil }) throws(StorageError) -> AuditReport {
        let marked = try readStates(checkpoint)
        let floor = max(marked, log.checkpoints.max() ?? .zero, try signatures?.furthest() ?? .zero)
        try takeFirstSignature()
        var before: OfflineLog<D>.Contents?
        for i in log.pieces.indices {
            let contents = try log.read(i, floor: floor)
            defer { log.close(contents) }
            report.segments += 1
            report.bytes += contents.size
            try look(at: contents, i, behind: before)
            try log.visit(contents) { header, entry, position throws(StorageError) in
                try add(header, entry, contents.piece.path, position)
            }
            report.end = contents.after
            before = contents
        }
        report.first = log.pieces[0].number
        try finish(marked)
        return report
    }

    private mutating func find(isProblem: Bool = true, _ file: String, _ offset: Int?, _ what: String) {
        find(isProblem: isProblem, file, offset, .zero ..< .zero, what)
    }
    private mutating func find(isProblem: Bool = true, _ file: String, _ offset: Int?, _ entries: Range<EntryNumber>, _ what: String) {
        report.findings.append(AuditFinding(isProblem: isProblem, file: file, offset: offset, entries: entries, what: what))
    }

    // MARK: small files

    /// How many entries were on the disk by the word of the log's mark.
    private mutating func readStates(_ check: ([UInt8]) -> String?) throws(StorageError) -> EntryNumber {
        for i in log.checkpoints.indices {
            do throws(StorageError) {
                let bytes = try log.checkpoint(i)
                report.checkpoints += 1
                if let wrong = bytes.isEmpty ? nil : check(bytes) { find(log.checkpointPath(i), 16, "the state saved there cannot be read: \(wrong)") }
            } catch {
                guard case .damage(let damage) = error.kind else { throw error }
                find(damage.segment, 0, damage.what)
            }
        }
        do throws(StorageError) {
            let mark = try log.mark()
            if let mark, mark.first < log.pieces[0].number {
                find(log.directory, nil, mark.first..<log.pieces[0].number, "the first segments are missing")
            }
            if mark == nil, log.pieces[0].number > .zero {
                find(log.directory, nil, .zero..<log.pieces[0].number, "the first segments are missing")
            }
            return mark?.synced ?? .zero
        } catch {
            guard case .damage(let damage) = error.kind else { throw error }
            find(damage.segment, 0, damage.what)
            return .zero
        }
    }

    // MARK: segments

    private mutating func look(at contents: OfflineLog<D>.Contents, _ i: Int, behind before: OfflineLog<D>.Contents?) throws(StorageError) {
        let path = contents.piece.path
        let isLast = i == log.pieces.count - 1
        if before == nil, let header = contents.header { chain = (header.start.number, header.start.chain) }
        if let wrong = wrongHeader(contents, before) { find(path, 0, wrong) }
        for hole in contents.holes { find(path, hole.bytes.lowerBound, hole.entries, hole.what) }
        if contents.holes.isEmpty, !isLast {
            let next = log.pieces[i + 1]
            let after = contents.scan.after
            if after.number != next.number || after.offset != next.offset || contents.scan.position != contents.size {
                find(path, contents.scan.position, "the segment does not end where it should")
            }
        }
        if isLast, !contents.tail.isEmpty {
            find(isProblem: false, path, contents.tail.lowerBound, "\(contents.tail.count) bytes of an entry that was being written; the node cuts them when it starts")
        }
    }

    private func wrongHeader(_ contents: OfflineLog<D>.Contents, _ before: OfflineLog<D>.Contents?) -> String? {
        guard let header = contents.header else { return "the segment's header does not read back" }
        guard header.start.number == contents.piece.number, header.start.offset == contents.piece.offset, header.group == log.group else {
            return "the segment's header is another's"
        }
        if header.cleanedBytes > 0, signatures != nil { return "the segment was rewritten: a signed history is not" }
        if header.cleanedBytes > 0, header.cleanedBytes != contents.size, contents.piece.path != log.pieces.last?.path {
            return "\(contents.size) bytes long, not \(header.cleanedBytes) as when it was cleaned"
        }
        guard let before else {
            let isFirst = header.start.number == .zero
            return isFirst && (header.start != LogEnd() || header.bytesBefore != 0 || header.firstBefore != .zero) ? "the first segment's header speaks of one before it" : nil
        }
        if header.firstBefore != before.piece.number { return "a segment before it is missing" }
        if before.header?.cleanedBytes == 0, header.bytesBefore != before.size {
            return "the segment before it is \(before.size) bytes long, not \(header.bytesBefore) as when it was closed"
        }
        return before.holes.isEmpty && header.start != before.after ? "the segment's header does not go on from the one before" : nil
    }

    // MARK: entries

    private mutating func add(_ header: EntryHeader, _ entry: ByteView, _ path: String, _ position: Int) throws(StorageError) {
        report.entries += UInt64(header.span)
        if isChained, header.span == 1, let chain, chain.number == header.number, header.chain != nextChain(chain.chain, header.key, header.view) {
            find(path, position, header.number..<header.endNumber, "the entry's chain does not follow from the one before it")
        }
        if (chain?.number ?? .zero) != header.number { own = nil }
        chain = (header.endNumber, header.chain)
        if header.isCleaned, signatures != nil { find(path, position, header.number..<header.endNumber, "the entry was cleaned: a signed history is not") }
        if group == nil { group = (path, position, header.number) }
        if var known = hash, known.number == header.number {
            // Out while it changes, so that nothing is copied.
            hash = nil
            known.hash.add(entry)
            hash = (header.endNumber, known.hash)
        } else { hash = nil }
        own?.hash.add(header.synced)
        try compare(header.endNumber)
    }

    private mutating func takeFirstSignature() throws(StorageError) {
        guard let record = signatures?.next, record.end == .zero else { return }
        if record.hash != hash?.hash.bytes || record.own != OwnHash().bytes {
            find(signatures?.path ?? "", SignatureFile<D>.position(0), "the first signature is over something else than a log's beginning")
        }
        try signatures?.advance()
    }

    /// With what was signed over the entries below `number`.
    private mutating func compare(_ number: EntryNumber) throws(StorageError) {
        try compareWitnesses(number)
        while let record = signatures?.next, record.end <= number {
            let place = group ?? ("", 0, lastSigned)
            if record.end == number {
                if let hash, hash.hash.bytes != record.hash {
                    find(place.file, place.offset, place.number..<number, "the entries are not those that node \(signatures?.node.raw ?? 0) signed")
                }
                if signatures?.isFollowing == true, let own, own.from == lastSigned, own.hash.bytes != record.own, hash.map({ $0.hash.bytes == record.hash }) ?? true {
                    find(place.file, place.offset, place.number..<number, "what the node noted of its own disk in the entries (synced) is not what it signed")
                }
                hash = (number, HistoryHash(bytes: record.hash))
            }
            // Where the record ends in the midst of what is missing, the hash goes on behind the next one.
            lastSigned = record.end
            own = record.end == number ? (number, OwnHash()) : nil
            group = nil
            try signatures?.advance()
        }
    }

    private mutating func compareWitnesses(_ number: EntryNumber) throws(StorageError) {
        for i in witnesses.indices {
            while let record = witnesses[i].next, record.end <= number {
                if record.end == number, let hash, hash.number == number, hash.hash.bytes != record.hash, isApart.insert(witnesses[i].node).inserted {
                    find(
                        group?.file ?? "", group?.offset, (group?.number ?? lastSigned)..<number,
                        "the entries up to here are not those that node \(witnesses[i].node.raw) signed: one of the two was changed, or ends in what was never acknowledged")
                }
                try witnesses[i].advance()
            }
        }
    }

    // MARK: the end

    private mutating func finish(_ marked: EntryNumber) throws(StorageError) {
        let end = report.end.number
        report.isClosed = marked == end && report.problems == 0
        if var reader = signatures {
            var last = lastSigned
            while let record = reader.next {
                last = record.end
                try reader.advance()
            }
            if last > end, !report.findings.contains(where: { $0.isProblem && $0.entries.upperBound >= last }) {
                find(log.pieces.last?.path ?? "", nil, end..<last, "signed here, and missing")
            }
            if lastSigned < end {
                // As after a power cut between an entry and its signature; or the signatures' end was cut off.
                find(isProblem: false, group?.file ?? "", group?.offset, lastSigned..<end, "not signed; the node signs them when it starts")
            }
            for fault in reader.faults { find(reader.path, fault.bytes.lowerBound, fault.what) }
            report.signatures = .init(node: reader.node, cluster: reader.cluster, key: reader.key, count: max(0, reader.count - 1), end: last)
            reader.close()
        }
        for var witness in witnesses {
            var last: EntryNumber?
            while let record = witness.next {
                last = record.end
                try witness.advance()
            }
            if let last { find(isProblem: false, "", nil, end..<last, "signed by node \(witness.node.raw), and not in this folder: it was not there yet, or its end was cut off") }
        }
    }
}
