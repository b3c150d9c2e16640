internal import Wire

/// A node's signatures, beside the segments that they are over: the header, records in the order of their ends, zeros.
///
///     group-0/signatures      | header, 512 bytes | record 0: no entries | record 1 | … | last | zeros…
///
/// Each record is synced before the next is written, so of a power cut's subsets of sectors only the last one is in question.
struct SignatureFile<D: Disk> {
    static var name: String { SignatureHeader.fileName }
    /// Zeros written ahead, so that the sync of a record changes no extents (`LogOptions.zeroAhead`): 512 records.
    private static var zeroAhead: Int { 64 << 10 }

    let disk: D
    let path: String
    let header: SignatureHeader
    private let file: D.File
    private(set) var count: Int
    private(set) var last: SignatureRecord
    private var zeroed: Int

    static func position(_ slot: Int) -> Int { SignatureHeader.size + slot * SignatureRecord.size }

    /// Creates the file with its first record; durable when it returns.
    static func create(_ disk: D, directory: String, _ signer: Signer) throws(StorageError) {
        let path = directory + "/" + name
        let draft = path + StateFile<D>.unfinished
        if try disk.exists(draft) { try disk.remove(draft) }
        let file = try disk.open(draft, create: true)
        defer { disk.close(file) }
        let first = try signer.sign(.zero, HistoryHash(of: signer.cluster), own: OwnHash().bytes)
        try disk.write(file, at: 0, bytes: SignatureHeader(signer).encoded + first.encoded)
        try disk.sync(file)
        try disk.rename(draft, to: path)
        try disk.syncDirectory(directory)
    }

    /// Opens the file for appending. A last record that does not read back goes: nothing showed that it had been on the disk. What is left as
    /// the last is written once more and synced, in case an earlier sync had failed. Throws `.damage` at anything else that is wrong there.
    init(_ disk: D, directory: String, _ signer: Signer) throws(StorageError) {
        self.disk = disk
        path = directory + "/" + Self.name
        file = try disk.open(path, create: false)
        header = SignatureHeader(signer)
        let size = try disk.size(file)
        var bytes: [UInt8] = []
        _ = try disk.read(file, at: 0, count: SignatureHeader.size, into: &bytes)
        guard bytes == header.encoded else {
            let found = bytes.withView { SignatureHeader($0) }
            let what = found.map { "signed by node \($0.node.raw) of cluster \($0.cluster) with key \($0.key)" } ?? "the header does not read back"
            throw Self.damaged(path, 0..<SignatureHeader.size, what)
        }
        var slots = try Self.lastUsed(disk, file, size: size) + 1
        var record = try Self.read(disk, file, slots - 1)
        if record == nil, slots > 1 {
            slots -= 1
            record = try Self.read(disk, file, slots - 1)
        }
        guard let record, record.isSigned(by: header), slots > 1 || record.end == .zero else {
            throw Self.damaged(path, Self.position(max(0, slots - 1))..<max(size, Self.position(slots)), "a signature does not read back, or is not this node's")
        }
        (count, last, zeroed) = (slots, record, Self.position(slots))
        try disk.write(file, at: Self.position(count - 1), bytes: record.encoded)
        try disk.truncate(file, to: zeroed)
        try disk.sync(file)
    }

    static func damaged(_ path: String, _ bytes: Range<Int>, _ what: String, _ entries: Range<EntryNumber> = .zero ..< .zero) -> StorageError {
        StorageError(.damage(Damage(segment: path, bytes: bytes, entries: entries, what: what)), "open", path)
    }

    /// The last slot that is not all zeros; 0 where there is none.
    private static func lastUsed(_ disk: D, _ file: D.File, size: Int) throws(StorageError) -> Int {
        var slot = max(0, (size - SignatureHeader.size + SignatureRecord.size - 1) / SignatureRecord.size - 1)
        while slot > 0 {
            let from = max(0, slot - 511)
            var bytes: [UInt8] = []
            _ = try disk.read(file, at: position(from), count: (slot - from + 1) * SignatureRecord.size, into: &bytes)
            if let used = bytes.lastIndex(where: { $0 != 0 }) { return from + used / SignatureRecord.size }
            slot = from - 1
        }
        return 0
    }

    private static func read(_ disk: D, _ file: D.File, _ slot: Int) throws(StorageError) -> SignatureRecord? {
        var bytes: [UInt8] = []
        _ = try disk.read(file, at: position(slot), count: SignatureRecord.size, into: &bytes)
        return bytes.withView { SignatureRecord($0) }
    }

    /// Record `slot`, nil where it does not read back.
    func record(_ slot: Int) throws(StorageError) -> SignatureRecord? { try Self.read(disk, file, slot) }

    /// Puts a record behind the last; on the disk when it returns.
    mutating func append(_ record: SignatureRecord) throws(StorageError) {
        precondition(record.end > last.end, "signatures are over ever more entries")
        let position = Self.position(count)
        var bytes = record.encoded
        if position + bytes.count > zeroed {
            bytes += zeros(Self.zeroAhead)
            zeroed = position + bytes.count
        }
        try disk.write(file, at: position, bytes: bytes)
        try disk.sync(file)
        (count, last) = (count + 1, record)
    }

    /// Writes record `slot` anew, over the same entries; on the disk when it returns.
    mutating func replace(_ slot: Int, with record: SignatureRecord) throws(StorageError) {
        try disk.write(file, at: Self.position(slot), bytes: record.encoded)
        try disk.sync(file)
        if slot == count - 1 { last = record }
    }

    /// The last slot whose record ends at or below `number`, looked for from the end; records that do not read back are passed over.
    func lastSlot(atOrBelow number: EntryNumber) throws(StorageError) -> Int {
        var slot = count - 1
        while slot > 0 {
            if let record = try record(slot), record.end <= number { break }
            slot -= 1
        }
        return slot
    }

    /// Drops all records but the first `slots`; durable when it returns.
    mutating func keep(_ slots: Int) throws(StorageError) {
        guard let record = try record(slots - 1), record.isSigned(by: header) else {
            throw Self.damaged(path, Self.position(slots - 1)..<Self.position(slots), "a signature does not read back")
        }
        (count, last, zeroed) = (slots, record, Self.position(slots))
        try disk.truncate(file, to: zeroed)
        try disk.sync(file)
    }

    /// The last slot whose record ends at or below `number`; nil where the records on the way do not read back.
    func slot(atOrBelow number: EntryNumber) throws(StorageError) -> Int? {
        var (low, high) = (0, count)
        while high - low > 1 {
            let middle = (low + high) / 2
            guard let record = try record(middle) else { return nil }
            if record.end <= number { low = middle } else { high = middle }
        }
        return low
    }

    func close() { disk.close(file) }
}
