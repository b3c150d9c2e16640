internal import Wire

/// Entries that wait for one write: their headers here, their batches where the caller keeps them. Its memory is reused.
struct Stage {
    /// Headers one after the other, `EntryHeader.size` bytes each.
    private(set) var headers: [UInt8] = []
    /// In order of writing; an empty view stands for the next header.
    private var parts: [(bytes: ByteView, owner: OwnedBytes?)] = []
    private var gathered: [ByteView] = []
    private var owners: [OwnedBytes?] = []
    private(set) var count = 0
    private(set) var bytes = 0
    /// The place after the last one.
    private(set) var after: LogEnd

    init(at place: LogEnd) { after = place }

    /// Adds an entry whose batches have been checked; the checksum is folded here.
    mutating func add(_ entry: EntryHeader, _ batches: [ByteView]) {
        begin(entry) { own in batches.reduce(own) { Self.fold($1, $0) } }
        for part in batches where !part.isEmpty { parts.append((part, nil)) }
    }
    mutating func add(_ entry: EntryHeader, _ batches: ByteView, owner: OwnedBytes? = nil) {
        begin(entry) { own in Self.fold(batches, own) }
        if !batches.isEmpty { parts.append((batches, owner)) }
    }
    private mutating func begin(_ entry: EntryHeader, _ fold: (UInt32) -> UInt32) {
        entry.encode(into: &headers, batchesCRC: fold)
        parts.append((.empty, nil))
        count += 1
        bytes += entry.length
        after = LogEnd(after: entry)
    }

    /// Continues a checksum over the first 8 bytes of each batch; the lengths were checked before.
    private static func fold(_ batches: ByteView, _ seed: UInt32) -> UInt32 {
        var crc = seed
        var at = 0
        while at < batches.count {
            crc = batches[at..<at + BatchHeader.crcStart].crc32c(crc)
            at += Int(batches.u32(at))
        }
        return crc
    }

    /// Calls `body` with everything in order of writing, and with who keeps each part beyond the call, or nil.
    mutating func withParts(_ body: ([ByteView], [OwnedBytes?]) throws(StorageError) -> Void) throws(StorageError) {
        defer {
            gathered.removeAll(keepingCapacity: true)
            owners.removeAll(keepingCapacity: true)
        }
        try headers.withView { view throws(StorageError) in
            var header = 0
            for part in parts {
                if part.bytes.isEmpty {
                    gathered.append(view[header..<header + EntryHeader.size])
                    header += EntryHeader.size
                } else {
                    gathered.append(part.bytes)
                }
                owners.append(part.owner)
            }
            try body(gathered, owners)
        }
    }

    /// Forgets everything; the next entry goes to `place`.
    mutating func clear(at place: LogEnd) {
        headers.removeAll(keepingCapacity: true)
        parts.removeAll(keepingCapacity: true)
        count = 0
        bytes = 0
        after = place
    }
}
