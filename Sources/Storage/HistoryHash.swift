internal import Crypto
internal import Wire

/// The hash of a log's entries from its beginning on, each chained to the one before: SHA-256 of the hash so far and the entry.
///
///     h₀ = SHA-256("squall history 1" ‖ cluster)         hₙ₊₁ = SHA-256(hₙ ‖ entry n without crc and synced)
///
/// Of an entry's header the checksum (bytes 8 ..< 12) and `synced` (56 ..< 64) are left out: they differ from node to node. Everything else,
/// the batches to the last byte, is in; so the hash of a history is the same at every node.
struct HistoryHash: Equatable, Sendable {
    static var size: Int { 32 }
    private(set) var bytes: [UInt8]

    init(of cluster: String) { bytes = Array(SHA256.hash(data: Array("squall history 1".utf8) + Array(cluster.utf8))) }
    init(bytes: [UInt8]) {
        precondition(bytes.count == Self.size)
        self.bytes = bytes
    }

    /// Adds a whole entry, header and batches.
    mutating func add(_ entry: ByteView) {
        var hasher = SHA256()
        hasher.update(data: bytes)
        // The views' memory stays during these calls; each range is checked.
        unsafe hasher.update(bufferPointer: entry[0..<8].buffer)
        unsafe hasher.update(bufferPointer: entry[EntryHeader.crcStart..<56].buffer)
        unsafe hasher.update(bufferPointer: entry[64..<entry.count].buffer)
        bytes = Array(hasher.finalize())
    }
}

/// The hash of what is a node's own in its entries: the `synced` of each since the last signature. 16 bytes of SHA-256.
struct OwnHash {
    static var size: Int { 16 }
    private var hasher = SHA256()

    mutating func add(_ synced: EntryNumber) {
        var bytes: [UInt8] = []
        bytes.append(int: synced.raw)
        hasher.update(data: bytes)
    }
    var bytes: [UInt8] { Array(hasher.finalize().prefix(Self.size)) }
}
