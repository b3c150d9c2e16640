package import Wire

/// A log's signatures, as the node that keeps the log goes on with them.
///
///     log:        write ─▶ sync ──────────────────────▶ told: durable here, and signed
///     signatures:              hash ─▶ sign ─▶ write, sync ┘
///
/// What is signed is on the disk before its signature is written; so where a signature is, its entries have been, and what is missing of
/// them is damage (`Log.open(known:)`). A cut takes the signatures first. One thread at a time.
package final class SignedHistory<D: Disk> {
    package let signer: Signer
    private var file: SignatureFile<D>
    private let states: StateFile<D>
    /// After the entries below `end`.
    private var hash: HistoryHash
    /// Where entry `end` lies, if it is known.
    private var place: LogPosition?
    /// Entries that were put back since the signatures over them were written.
    private var repaired: Range<EntryNumber>?

    /// Bytes of entries that one signature is over, at most, but for the last entry: so narrow can a change be located.
    private static var step: Int { 4 << 20 }
    private static var repairedName: String { "repaired" }

    /// Opens the signatures of a group's log, before the log, or begins them.
    package init(_ disk: D, group: GroupID, signer: Signer) throws(StorageError) {
        self.signer = signer
        let directory = Log<D>.directory(of: group)
        try disk.createDirectory(directory)
        try disk.syncDirectory("")
        if try !disk.exists(directory + "/" + SignatureHeader.fileName) { try SignatureFile.create(disk, directory: directory, signer) }
        file = try SignatureFile(disk, directory: directory, signer)
        hash = HistoryHash(bytes: file.last.hash)
        states = StateFile(disk, directory: directory)
        if let bytes = try states.load(Self.repairedName), bytes.count == 16 {
            let (from, to) = bytes.withView { ($0.u64(0), $0.u64(8)) }
            if from <= to { repaired = EntryNumber(from)..<EntryNumber(to) }
        }
    }
    deinit { file.close() }

    /// Entries below are signed.
    package var end: EntryNumber { file.last.end }
    package var signatureCount: Int { file.count - 1 }

    /// Looks whether the log holds what was signed last, and signs what it holds besides. With damage nothing is looked at before it is
    /// repaired.
    ///
    /// Throws `.damage` where the entries are others than those that were signed: this node does not sign over it.
    package func begin(_ log: Log<D>) throws(StorageError) {
        guard log.first == .zero else {
            throw StorageError(.outside("the log begins with entry \(log.first.raw): a signed history is whole; begin with an empty data directory"), "sign", file.path)
        }
        guard log.damage.isEmpty else { return }
        try finishRepair(log)
        if file.count > 1, let before = try file.record(file.count - 2), before.end < end, end <= log.end.number {
            var hash = HistoryHash(bytes: before.hash)
            do throws(StorageError) {
                place = try log.walk(from: before.end, below: end, at: nil) { _, entry throws(StorageError) in hash.add(entry) }
            } catch {
                // What does not read back in a closed segment is found and repaired while the node runs.
                guard case .damage = error.kind else { throw error }
                return
            }
            guard hash.bytes == file.last.hash else {
                let bytes = SignatureFile<D>.position(file.count - 1)..<SignatureFile<D>.position(file.count)
                throw SignatureFile<D>.damaged(file.path, bytes, "the entries are not those that this node signed; look with dbroker log verify", before.end..<end)
            }
        }
        try sign(log, below: log.end.number)
    }

    /// Signs the log's entries below `synced`, which are on the disk. What is damaged stays without until it is repaired.
    package func sign(_ log: Log<D>, below synced: EntryNumber) throws(StorageError) {
        while end < synced {
            let from = end
            guard !log.damage.contains(where: { $0.entries.upperBound > from && $0.entries.lowerBound < synced }) else { return }
            try signStep(log, below: synced)
        }
    }

    private func signStep(_ log: Log<D>, below synced: EntryNumber) throws(StorageError) {
        var hash = hash
        var own = OwnHash()
        var reached = end
        let path = file.path
        place = try log.walk(from: end, below: synced, at: place, atMost: Self.step) { header, entry throws(StorageError) in
            guard !header.isCleaned else {
                throw StorageError(.outside("entry \(header.number.raw) has been cleaned: a signed history is whole; say the same in every node's topics file"), "sign", path)
            }
            hash.add(entry)
            own.add(header.synced)
            reached = header.endNumber
        }
        try file.append(try signer.sign(reached, hash, own: own.bytes))
        self.hash = hash
    }

    /// Drops what is signed from entry `number` on, before the log does. What stays is signed all the while: a signature over entries on both
    /// sides gives its place, one sector, to one that ends at the cut.
    package func cut(_ log: Log<D>, to number: EntryNumber) throws(StorageError) {
        place = nil
        guard number < end else { return }
        let slot = try file.lastSlot(atOrBelow: number)
        if let before = try file.record(slot), before.end < number, try file.record(slot + 1) != nil, let signature = try signature(log, behind: before, to: number) {
            if slot + 2 < file.count { try file.keep(slot + 2) }
            try file.replace(slot + 1, with: signature)
        } else {
            try file.keep(slot + 1)
        }
        hash = HistoryHash(bytes: file.last.hash)
    }

    /// A signature over the entries below `number`; nil where what lies between does not read back.
    private func signature(_ log: Log<D>, behind before: SignatureRecord, to number: EntryNumber) throws(StorageError) -> SignatureRecord? {
        guard number <= log.end.number else { return nil }
        var hash = HistoryHash(bytes: before.hash)
        var own = OwnHash()
        do throws(StorageError) {
            _ = try log.walk(from: before.end, below: number, at: nil) { header, entry throws(StorageError) in
                hash.add(entry)
                own.add(header.synced)
            }
        } catch {
            guard case .damage = error.kind else { throw error }
            return nil
        }
        return try signer.sign(number, hash, own: own.bytes)
    }

    // MARK: repair

    /// Throws `.corruptInput` where `entries`, from the damage's first on, are not those that were signed here. Up to the first signature
    /// behind what they fill; where that cannot be reached, because more is damaged, they are taken.
    package func check(_ hole: Damage, _ entries: ByteView, _ log: Log<D>) throws(StorageError) {
        guard !hole.entries.isEmpty, hole.entries.lowerBound < end, let slot = try file.slot(atOrBelow: hole.entries.lowerBound) else { return }
        guard let before = try file.record(slot) else { return }
        var checking = Checking(file: file, slot: slot + 1, hash: HistoryHash(bytes: before.hash))
        do throws(StorageError) {
            _ = try log.walk(from: before.end, below: hole.entries.lowerBound, at: nil) { header, entry throws(StorageError) in
                try checking.add(header, entry)
            }
            var reached = hole.entries.lowerBound
            var at = 0
            while at < entries.count, let header = try? EntryHeader(entries.from(at)), header.length <= entries.count - at {
                if header.number == reached {
                    try checking.add(header, entries[at..<at + header.length])
                    reached = header.endNumber
                }
                at += header.length
            }
            guard reached >= hole.entries.upperBound, reached < log.end.number, let next = try checking.next, next.end <= log.end.number else { return }
            _ = try log.walk(from: reached, below: next.end, at: nil) { header, entry throws(StorageError) in try checking.add(header, entry) }
        } catch {
            guard case .damage = error.kind else { throw error }
        }
    }

    private struct Checking {
        let file: SignatureFile<D>
        var slot: Int
        var hash: HistoryHash

        var next: SignatureRecord? {
            get throws(StorageError) { slot < file.count ? try file.record(slot) : nil }
        }
        mutating func add(_ header: EntryHeader, _ entry: ByteView) throws(StorageError) {
            hash.add(entry)
            guard let record = try next, record.end <= header.endNumber else { return }
            guard record.end < header.endNumber || record.hash == hash.bytes else {
                throw StorageError(.corruptInput("the entries up to \(header.number.raw) are not those that this node signed"), "repair", file.path)
            }
            slot += 1
        }
    }

    /// Entries of the damage are about to be put back, with another `synced` than they had.
    package func willRepair(_ hole: Damage) throws(StorageError) {
        guard !hole.entries.isEmpty, hole.entries.lowerBound < end else { return }
        let from = min(repaired?.lowerBound ?? hole.entries.lowerBound, hole.entries.lowerBound)
        let to = max(repaired?.upperBound ?? hole.entries.upperBound, hole.entries.upperBound)
        guard repaired != from..<to else { return }
        var bytes: [UInt8] = []
        bytes.append(int: from.raw)
        bytes.append(int: to.raw)
        try states.save(Self.repairedName, bytes)
        repaired = from..<to
    }

    /// Once nothing is damaged any more, signs anew what a node's own fields of the entries put back say; the history's hash stays what it was.
    package func finishRepair(_ log: Log<D>) throws(StorageError) {
        guard let repaired, log.damage.isEmpty else { return }
        place = nil
        if var slot = try file.slot(atOrBelow: repaired.lowerBound), var before = try file.record(slot) {
            slot += 1
            while slot < file.count, before.end < repaired.upperBound, let record = try file.record(slot), record.end <= log.end.number {
                var hash = HistoryHash(bytes: before.hash)
                var own = OwnHash()
                _ = try log.walk(from: before.end, below: record.end, at: nil) { header, entry throws(StorageError) in
                    hash.add(entry)
                    own.add(header.synced)
                }
                // Another history is not signed; it is told by whoever looks.
                if hash.bytes == record.hash, own.bytes != record.own { try file.replace(slot, with: try signer.sign(record.end, hash, own: own.bytes)) }
                before = record
                slot += 1
            }
        }
        try states.remove(Self.repairedName)
        self.repaired = nil
    }
}
