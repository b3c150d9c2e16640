internal import Crypto
internal import Wire

/// What travels in the provider's own connection request and answer, before a byte of ours is parsed by the provider's data
/// path: only who holds the secret gets an endpoint at all, and only a listener that holds it is spoken to.
///
/// The data path of libfabric 1.17's tcp provider is not built against strangers: it takes the number of parts in a header
/// on trust. So a stranger must not get as far. The hello behind it does not rely on this: a knock that was overheard can be
/// sent again.
///
///      request  0       4         6   8         12      28        52
///               | magic | version | 0 | cluster | nonce | mac     |
///      answer   0                        32
///               | mac                    |
///      refusal  0       4      6   8
///               | magic | code | 0 |
///
/// `cluster`: CRC-32C of its name; `mac`: HMAC-SHA256 under the secret, cut to the width; the answer's covers the request.
/// 52 bytes: an InfiniBand connection request has room for 55.
enum Knock {
    static let bytes = 52
    static let answerBytes = 32
    static let refusalBytes = 8
    private static let macPlace = 28

    static func make(cluster: String, secret: [UInt8], nonce: [UInt8]) -> [UInt8] {
        var out: [UInt8] = []
        out.append(int: HelloMessage.magic)
        out.append(int: HelloMessage.version)
        out.append(int: UInt16(0))
        out.append(int: Array(cluster.utf8).crc32c())
        out.append(contentsOf: nonce.prefix(16))
        precondition(out.count == macPlace)
        return out + mac("squall 1 knock", out[...], secret).prefix(bytes - macPlace)
    }

    /// Why the bytes of a request are not welcome; nil where they are. The provider may have put zeros behind them.
    static func judge(_ view: ByteView, cluster: String, secret: [UInt8]) -> RefusalCode? {
        guard view.count >= 8, view.u32(0) == HelloMessage.magic else { return .malformed }
        guard view.u16(4) == HelloMessage.version else { return .version }
        guard view.count >= bytes, view.u16(6) == 0 else { return .malformed }
        // The checksum of no name: a client that takes any cluster whose secret it holds; the hello sees to it that it is one.
        guard view.u32(8) == 0 || view.u32(8) == Array(cluster.utf8).crc32c() else { return .cluster }
        let own = mac("squall 1 knock", view[0..<macPlace].array[...], secret).prefix(bytes - macPlace)
        return isEqual(Array(own), view[macPlace..<bytes].array) ? nil : .secret
    }

    static func answer(to request: [UInt8], secret: [UInt8]) -> [UInt8] { mac("squall 1 knock answer", request[...], secret) }
    static func isAnswer(_ view: ByteView, to request: [UInt8], secret: [UInt8]) -> Bool {
        view.count >= answerBytes && isEqual(answer(to: request, secret: secret), view[0..<answerBytes].array)
    }

    static func refusal(_ code: RefusalCode) -> [UInt8] {
        var out: [UInt8] = []
        out.append(int: HelloMessage.magic)
        out.append(int: code.rawValue)
        out.append(int: UInt16(0))
        return out
    }
    /// The code of a refusal; nil where the bytes are none: the provider itself refused.
    static func refusal(_ view: ByteView) -> RefusalCode? {
        guard view.count >= refusalBytes, view.u32(0) == HelloMessage.magic else { return nil }
        return RefusalCode(rawValue: view.u16(4))
    }
    static func words(_ code: RefusalCode) -> String {
        switch code {
        case .malformed: "not a connection of this protocol"
        case .version: "the two sides speak different versions of the protocol"
        case .cluster: "the two sides belong to different clusters"
        case .secret: "the two sides do not hold the same secret"
        case .identity: "the two sides cannot be linked"
        case .memory: "the two sides' memory does not fit"
        case .busy: "too many connections"
        }
    }

    private static func mac(_ label: String, _ covered: ArraySlice<UInt8>, _ secret: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(text: label)
        bytes.append(contentsOf: covered)
        return Array(HMAC<SHA256>.authenticationCode(for: bytes, using: SymmetricKey(data: secret)))
    }
    /// In a time that depends on the length alone.
    private static func isEqual(_ a: [UInt8], _ b: [UInt8]) -> Bool {
        guard a.count == b.count else { return false }
        var difference: UInt8 = 0
        for k in a.indices { difference |= a[k] ^ b[k] }
        return difference == 0
    }
}
