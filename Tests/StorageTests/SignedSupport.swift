import Storage
import Wire

/// A log with its signatures, as a node keeps the two.
struct SignedLog {
    static let group = GroupID(3)
    let disk: MemoryDisk
    let log: Log<MemoryDisk>
    let history: SignedHistory<MemoryDisk>

    init(_ disk: MemoryDisk, node: UInt16 = 1, options: LogOptions = small(2048)) throws(StorageError) {
        self.disk = disk
        history = try SignedHistory(disk, group: Self.group, signer: Self.signer(node))
        log = try Log.open(disk, group: Self.group, options: options, known: history.end).log
        try history.begin(log)
    }
    static func signer(_ node: UInt16) -> Signer {
        Signer(node: NodeID(node), cluster: "plant", key: [UInt8](repeating: UInt8(node), count: 32))!
    }

    /// Syncs and signs; how many entries the node may say it holds.
    @discardableResult func commit() throws(StorageError) -> Int {
        let synced = try log.sync()
        try history.sign(log, below: synced)
        return Int(synced.raw)
    }
    func cut(to number: Int) throws(StorageError) {
        try history.cut(log, to: EntryNumber(UInt64(number)))
        try log.truncate(to: EntryNumber(UInt64(number)))
    }
    /// As the journal does it.
    func repair(_ hole: Damage, with entries: [UInt8]) throws(StorageError) {
        try entries.withView { view throws(StorageError) in try history.check(hole, view, log) }
        try history.willRepair(hole)
        try log.repair(hole, with: entries, isChained: true)
        try history.finishRepair(log)
        try commit()
    }

    static func audit(_ disk: MemoryDisk, against others: [MemoryDisk] = []) throws(StorageError) -> AuditReport {
        var witnesses: [SignatureReader<MemoryDisk>] = []
        for other in others { if let reader = try SignatureReader(other, group: group) { witnesses.append(reader) } }
        var audit = try LogAudit(disk, group: group, witnesses: witnesses)
        return try audit.run()
    }
}

extension Samples {
    /// Entries chained as a node chains them, behind `chain`.
    mutating func chained(_ count: Int, behind chain: UInt64 = 0, payload: Int = 200) -> [Sample] {
        var chain = chain
        return (0..<count).map { _ in
            var sample = next(payload: payload)
            chain = nextChain(chain, sample.key, sample.view)
            sample.chain = chain
            return sample
        }
    }
}
