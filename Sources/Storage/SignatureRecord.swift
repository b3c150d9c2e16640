package import Wire

/// A node's signature over a history up to an entry.
///
///      0        4        8                16               48        64                 128
///      | magic  | crc    | end            | hash           | own     | signature        |
///
/// `end`: it covers the entries below; `hash` is `HistoryHash` of all of them, `own` is `OwnHash` of those since the record before; `signature`
/// is Ed25519 over `message`. `crc` is CRC-32C of bytes 8 ..< 128: it tells rot from forgery. A record never crosses a sector of 512 bytes.
package struct SignatureRecord: Equatable, Sendable {
    static var size: Int { 128 }
    static var magic: UInt32 { 0x3153_4753 }  // "SGS1"

    package let end: EntryNumber
    let hash: [UInt8]
    let own: [UInt8]
    let signature: [UInt8]

    /// What is signed: who, of which cluster, up to where, and the hashes.
    static func message(node: NodeID, cluster: String, end: EntryNumber, hash: [UInt8], own: [UInt8]) -> [UInt8] {
        var bytes = Array("squall signature 1".utf8)
        bytes.append(text: cluster)
        bytes.append(int: node.raw)
        bytes.append(int: end.raw)
        return bytes + hash + own
    }
    func isSigned(by header: SignatureHeader) -> Bool {
        header.key.verifies(signature, of: Self.message(node: header.node, cluster: header.cluster, end: end, hash: hash, own: own))
    }

    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.size)
        bytes.append(int: Self.magic)
        bytes.append(int: UInt32(0))
        bytes.append(int: end.raw)
        bytes += hash + own + signature
        precondition(bytes.count == Self.size)
        bytes.store(bytes.withView { $0.from(8).crc32c() }, at: 4)
        return bytes
    }
}

extension SignatureRecord {
    /// Nil when it does not read back.
    init?(_ view: ByteView) {
        guard view.count == Self.size, view.u32(0) == Self.magic, view.u32(4) == view.from(8).crc32c() else { return nil }
        self.init(end: EntryNumber(view.u64(8)), hash: view[16..<48].array, own: view[48..<64].array, signature: view[64..<128].array)
    }
}

/// The beginning of a signature file: whose it is. The first record, over no entries, signs node and cluster.
///
///      0        4        8      10     12               44                                    512
///      | magic  | crc    | node | 0    | public key     | length (16 bits), cluster, zeros      |
struct SignatureHeader: Equatable {
    static var fileName: String { "signatures" }
    static var size: Int { 512 }
    static var magic: UInt32 { 0x3148_4753 }  // "SGH1"

    let node: NodeID
    let cluster: String
    let key: PublicKey

    init(_ signer: Signer) { (node, cluster, key) = (signer.node, signer.cluster, signer.publicKey) }

    /// Nil when it does not read back.
    init?(_ view: ByteView) {
        guard view.count == Self.size, view.u32(0) == Self.magic, view.u32(4) == view.from(8).crc32c() else { return nil }
        let length = Int(view.u16(44))
        guard 46 + length <= Self.size, let name = view[46..<46 + length].validText, let key = PublicKey(bytes: view[12..<44].array) else { return nil }
        (node, cluster, self.key) = (NodeID(view.u16(8)), name, key)
        // What says nothing says nothing: every byte counts.
        guard view.array == encoded else { return nil }
    }

    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(int: Self.magic)
        bytes.append(int: UInt32(0))
        bytes.append(int: node.raw)
        bytes.append(int: UInt16(0))
        bytes += key.bytes
        bytes.append(text: cluster, limit: 255)
        bytes += zeros(Self.size - bytes.count)
        bytes.store(bytes.withView { $0.from(8).crc32c() }, at: 4)
        return bytes
    }
}
