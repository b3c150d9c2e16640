internal import Crypto
package import Wire

/// The public half of a node's key: Ed25519 (RFC 8032), 32 bytes; as text 64 hexadecimal digits.
package struct PublicKey: Hashable, Sendable, CustomStringConvertible {
    package static var size: Int { 32 }
    package let bytes: [UInt8]

    package init?(bytes: [UInt8]) {
        guard bytes.count == Self.size else { return nil }
        self.bytes = bytes
    }
    /// Nil unless `text` is 64 hexadecimal digits.
    package init?(text: String) {
        let digits = text.utf8.compactMap { UInt8(String(UnicodeScalar($0)), radix: 16) }
        guard digits.count == 2 * Self.size, text.utf8.count == digits.count else { return nil }
        bytes = (0..<Self.size).map { digits[2 * $0] << 4 | digits[2 * $0 + 1] }
    }
    package var description: String { hexadecimal(bytes) }

    /// Whether `signature` (64 bytes) is this key's of `message`.
    package func verifies(_ signature: [UInt8], of message: [UInt8]) -> Bool {
        // 32 bytes that are no point of the curve verify nothing.
        guard let key = try? Curve25519.Signing.PublicKey(rawRepresentation: bytes) else { return false }
        return key.isValidSignature(signature, for: message)
    }
}

/// Two digits for each byte.
func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
    bytes.reduce(into: "") { text, byte in
        if byte < 16 { text += "0" }
        text += String(byte, radix: 16)
    }
}

/// Who signs: a node of a cluster, with the node's own key.
package struct Signer: Sendable {
    package let node: NodeID
    package let cluster: String
    package let publicKey: PublicKey
    private let key: Curve25519.Signing.PrivateKey

    /// The blob in the data directory that holds the key's private half: 32 bytes. Whoever reads it can sign as this node.
    package static var keyName: String { "signing-key" }

    private init(_ node: NodeID, _ cluster: String, _ key: Curve25519.Signing.PrivateKey) {
        (self.node, self.cluster, self.key) = (node, cluster, key)
        guard let half = PublicKey(bytes: Array(key.publicKey.rawRepresentation)) else { preconditionFailure("a public key has 32 bytes") }
        publicKey = half
    }

    /// A signer with a key that is given: 32 bytes. Nil unless they are.
    package init?(node: NodeID, cluster: String, key: [UInt8]) {
        guard key.count == 32, let key = try? Curve25519.Signing.PrivateKey(rawRepresentation: key) else { return nil }
        self.init(node, cluster, key)
    }

    /// The data directory's key; where there is none and nothing has been signed, a new one, on the disk when this returns (as every blob:
    /// a draft, synced, renamed; readable by its owner alone). Throws where it does not read back, or is gone while its signatures are there.
    package static func open<D: Disk>(_ disk: D, node: NodeID, cluster: String) throws(StorageError) -> (signer: Signer, isNew: Bool) {
        let states = StateFile(disk)
        if let bytes = try states.load(keyName) {
            guard let signer = Signer(node: node, cluster: cluster, key: bytes) else {
                throw StorageError(.corruptInput("\(bytes.count) bytes are no key"), "load", keyName)
            }
            return (signer, false)
        }
        let signatures = Log<D>.directory(of: .durable) + "/" + SignatureHeader.fileName
        guard try !disk.exists(signatures) else {
            throw StorageError(.outside("\(signatures) is there and the key that signed it is not: put \(keyName) back"), "load", keyName)
        }
        let key = Curve25519.Signing.PrivateKey()
        try states.save(keyName, Array(key.rawRepresentation))
        return (Signer(node, cluster, key), true)
    }

    /// The signature over a history that ends before entry `end`.
    func sign(_ end: EntryNumber, _ hash: HistoryHash, own: [UInt8]) throws(StorageError) -> SignatureRecord {
        let message = SignatureRecord.message(node: node, cluster: cluster, end: end, hash: hash.bytes, own: own)
        do {
            return SignatureRecord(end: end, hash: hash.bytes, own: own, signature: Array(try key.signature(for: message)))
        } catch { throw StorageError(.outside("no signature: \(error)"), "sign", SignatureHeader.fileName) }
    }
}
