package import Wire

/// Reads a signature file front to back, each signature verified.
package struct SignatureReader<D: Disk> {
    /// Something of the file that is not as this node wrote it.
    package struct Fault: Equatable, Sendable {
        package let bytes: Range<Int>
        package let what: String
    }
    private let disk: D
    private let file: D.File
    private let size: Int
    package let path: String
    private let header: SignatureHeader
    private var slot = 0
    private var window: [UInt8] = []
    private var windowSlot = 0
    private var lastEnd: EntryNumber?
    package private(set) var faults: [Fault] = []
    /// The record that comes next, and whether the one before it read back.
    private(set) var next: SignatureRecord?
    private(set) var isFollowing = true
    package private(set) var count = 0

    package var node: NodeID { header.node }
    package var cluster: String { header.cluster }
    package var key: PublicKey { header.key }

    /// Nil where the folder has no signatures. A header that does not read back is a damage: nothing can be verified then.
    package init?(_ disk: D, group: GroupID) throws(StorageError) {
        self.disk = disk
        path = Log<D>.directory(of: group) + "/" + SignatureHeader.fileName
        guard try disk.exists(path) else { return nil }
        file = try disk.open(path, create: false)
        size = try disk.size(file)
        var bytes: [UInt8] = []
        _ = try disk.read(file, at: 0, count: SignatureHeader.size, into: &bytes)
        guard let header = bytes.withView({ SignatureHeader($0) }) else {
            disk.close(file)
            throw SignatureFile<D>.damaged(path, 0..<SignatureHeader.size, "the header of the signatures does not read back: none of them can be verified")
        }
        self.header = header
        try advance()
        if next == nil || next?.end != .zero {
            faults.append(Fault(bytes: SignatureFile<D>.position(0)..<SignatureFile<D>.position(1), what: "the first signature, over no entries, is not there"))
        }
    }
    package func close() { disk.close(file) }

    package mutating func advance() throws(StorageError) {
        isFollowing = true
        next = nil
        while SignatureFile<D>.position(slot) < size {
            let bytes = try read(slot)
            let range = SignatureFile<D>.position(slot)..<SignatureFile<D>.position(slot + 1)
            if bytes.allSatisfy({ $0 == 0 }) {
                guard let used = try nextUsed(slot + 1) else {
                    slot = .max >> 8
                    return
                }
                faults.append(Fault(bytes: range.lowerBound..<SignatureFile<D>.position(used), what: "zeros where signatures should be"))
                slot = used
                isFollowing = false
                continue
            }
            slot += 1
            guard let record = bytes.withView({ SignatureRecord($0) }) else {
                faults.append(Fault(bytes: range, what: "the signature does not read back"))
                isFollowing = false
                continue
            }
            guard lastEnd.map({ $0 < record.end }) ?? true, record.isSigned(by: header) else {
                faults.append(Fault(bytes: range, what: "the signature over the entries below \(record.end.raw) is not that of node \(header.node.raw) with key \(header.key)"))
                isFollowing = false
                continue
            }
            (next, lastEnd) = (record, record.end)
            count += 1
            return
        }
    }

    /// The end of the last record that is this node's.
    func furthest() throws(StorageError) -> EntryNumber {
        var reader = self
        var slot = (size - SignatureHeader.size) / SignatureRecord.size
        while slot >= 0 {
            let bytes = try reader.read(slot)
            if let record = bytes.withView({ SignatureRecord($0) }), record.isSigned(by: header) { return record.end }
            slot -= 1
        }
        return .zero
    }

    private mutating func read(_ slot: Int) throws(StorageError) -> [UInt8] {
        let perWindow = 512
        if windowSlot > slot || windowSlot + window.count / SignatureRecord.size <= slot {
            window.removeAll(keepingCapacity: true)
            windowSlot = slot
            _ = try disk.read(file, at: SignatureFile<D>.position(slot), count: perWindow * SignatureRecord.size, into: &window)
        }
        let from = (slot - windowSlot) * SignatureRecord.size
        return Array(window[min(from, window.count)..<min(from + SignatureRecord.size, window.count)])
    }

    private mutating func nextUsed(_ from: Int) throws(StorageError) -> Int? {
        var slot = from
        while SignatureFile<D>.position(slot) < size {
            if try read(slot).contains(where: { $0 != 0 }) { return slot }
            slot += 1
        }
        return nil
    }
}
