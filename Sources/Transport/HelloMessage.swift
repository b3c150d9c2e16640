internal import Wire

/// Why a connection is refused, as the refusal tells the other side.
enum RefusalCode: UInt16 {
    case malformed = 1
    case version = 2
    case cluster = 3
    case secret = 4
    case identity = 5
    case memory = 6
    case busy = 7
}

/// What each side says of itself in the open: `hello` by the one that connects, `challenge` by the one that listens.
///
///      0       32     33   34     36         40        48       56
///      | nonce | role | 0  | node | rowBytes | dataRing | number | place | cluster (u16, bytes) | name (u16, bytes)
///
/// `role`: 0 node, 1 client; `node`: 1 … 65,535 for a node, 0 for a client; `rowBytes`: the longest application row that
/// this side will write; `dataRing`: bytes of the ring that this side multicasts, whole pages, 0 for a client; `number`: a
/// node's incarnation or a client's own number; `place`: where it runs, as `Neighbour.place`, 0 where it shares no memory.
struct Introduction: Equatable, Sendable {
    static let nonceBytes = 32

    var nonce: [UInt8]
    var identity: LinkIdentity
    var rowBytes: Int
    var dataRing: Int
    var place: UInt64
    var cluster: String

    func encode(into bytes: inout [UInt8]) {
        precondition(nonce.count == Self.nonceBytes)
        bytes.append(contentsOf: nonce)
        var role: UInt8 = 0
        var node: UInt16 = 0
        var number: UInt64 = 0
        var clientName = ""
        switch identity {
        case .node(let id, let incarnation): (node, number) = (id.raw, incarnation.raw)
        case .client(let drawn, let name): (role, number, clientName) = (1, drawn, name)
        }
        bytes.append(role)
        bytes.append(0)
        bytes.append(int: node)
        bytes.append(int: UInt32(rowBytes))
        bytes.append(int: UInt64(dataRing))
        bytes.append(int: number)
        bytes.append(int: place)
        bytes.append(text: cluster)
        bytes.append(text: clientName)
    }

    init(nonce: [UInt8], identity: LinkIdentity, rowBytes: Int, dataRing: Int, place: UInt64 = 0, cluster: String) {
        self.nonce = nonce
        self.identity = identity
        self.rowBytes = rowBytes
        self.dataRing = dataRing
        self.place = place
        self.cluster = cluster
    }

    init(_ decoder: inout Decoder) throws(DecodeError) {
        nonce = try decoder.bytes(Self.nonceBytes).array
        let role = try decoder.int(UInt8.self)
        let zero = try decoder.int(UInt8.self)
        let node = try decoder.int(UInt16.self)
        let row = try decoder.int(UInt32.self)
        let ring = try decoder.int(UInt64.self)
        let number = try decoder.int(UInt64.self)
        place = try decoder.int(UInt64.self)
        cluster = try decoder.text(limit: Limits.clusterName)
        let name = try decoder.text(limit: HelloMessage.nameLimit)
        guard zero == 0 else { throw .value(what: "hello reserved byte", value: UInt64(zero)) }
        guard row <= Limits.row else { throw .limit(what: "hello row", value: UInt64(row), limit: UInt64(Limits.row)) }
        guard ring <= Limits.largestRing else { throw .limit(what: "hello data ring", value: ring, limit: UInt64(Limits.largestRing)) }
        guard ring % UInt64(LinkMemory.pageBytes) == 0 else { throw .value(what: "hello data ring", value: ring) }
        rowBytes = Int(row)
        dataRing = Int(ring)
        switch role {
        case 0:
            guard node != 0, name.isEmpty else { throw .value(what: "hello node", value: UInt64(node)) }
            identity = .node(NodeID(node), Incarnation(number))
        case 1:
            guard node == 0, ring == 0 else { throw .value(what: "hello client", value: UInt64(node)) }
            identity = .client(number, name: name)
        default: throw .value(what: "hello role", value: UInt64(role))
        }
    }
}

/// Where a process of the same machine finds a link's memory: its own descriptor of it, the file's number, and a number drawn for it
/// that stands at its beginning: who names a file of somebody else does not know that. All zero: nowhere.
///
/// `bell` and its number: the descriptor of a pipe, a byte in which wakes whoever owns the memory.
///
///      0     4      8       16      24     28  32           40
///      | pid | file | inode | token | bell | 0 | bell inode |
struct MemoryShare: Equatable, Sendable {
    var process: UInt32 = 0
    var file: UInt32 = 0
    var inode: UInt64 = 0
    var token: UInt64 = 0
    var bell: UInt32 = 0
    var bellInode: UInt64 = 0

    init() {}
    var isSomewhere: Bool { process != 0 }

    func encode(into bytes: inout [UInt8]) {
        bytes.append(int: process)
        bytes.append(int: file)
        bytes.append(int: inode)
        bytes.append(int: token)
        bytes.append(int: bell)
        bytes.append(int: UInt32(0))
        bytes.append(int: bellInode)
    }
    init(_ decoder: inout Decoder) throws(DecodeError) {
        process = try decoder.int(UInt32.self)
        file = try decoder.int(UInt32.self)
        inode = try decoder.int(UInt64.self)
        token = try decoder.int(UInt64.self)
        bell = try decoder.int(UInt32.self)
        let zero = try decoder.int(UInt32.self)
        bellInode = try decoder.int(UInt64.self)
        guard zero == 0 else { throw .value(what: "memory share reserved bytes", value: UInt64(zero)) }
        guard process <= Int32.max else { throw .value(what: "memory share process", value: UInt64(process)) }
        guard file <= Int32.max else { throw .value(what: "memory share file", value: UInt64(file)) }
        guard bell <= Int32.max else { throw .value(what: "memory share bell", value: UInt64(bell)) }
    }
}

/// Where one side lets the other write.
///
///      0     4   8                     32                    56                    80      104
///      | link | 0 | row: addr key bytes | ring: addr key bytes | data: addr key bytes | share (40) |
///
/// `link`: the number that completions carry to tell this side which link has news; three times (u64 address, u64 key, u64
/// bytes): the row with its prefix, the message ring, the mirror of the other side's data ring (0 bytes where it has none);
/// `share`: where a neighbour may map row and ring.
struct MemoryOffer: Equatable, Sendable {
    static let size = 120
    struct Window: Equatable, Sendable {
        var address: UInt64 = 0
        var key: UInt64 = 0
        var bytes = 0
    }
    var link: UInt32 = 0
    var row = Window()
    var ring = Window()
    var data = Window()
    var share = MemoryShare()

    init() {}

    func encode(into bytes: inout [UInt8]) {
        bytes.append(int: link)
        bytes.append(int: UInt32(0))
        for window in [row, ring, data] {
            bytes.append(int: window.address)
            bytes.append(int: window.key)
            bytes.append(int: UInt64(window.bytes))
        }
        share.encode(into: &bytes)
    }

    init(_ decoder: inout Decoder) throws(DecodeError) {
        link = try decoder.int(UInt32.self)
        let zero = try decoder.int(UInt32.self)
        guard zero == 0 else { throw .value(what: "memory reserved bytes", value: UInt64(zero)) }
        row = try Self.window(&decoder)
        ring = try Self.window(&decoder)
        data = try Self.window(&decoder)
        share = try MemoryShare(&decoder)
        guard ring.bytes >= LinkMemory.pageBytes, ring.bytes % LinkMemory.pageBytes == 0 else {
            throw .value(what: "memory ring", value: UInt64(ring.bytes))
        }
    }
    private static func window(_ decoder: inout Decoder) throws(DecodeError) -> Window {
        let address = try decoder.int(UInt64.self)
        let key = try decoder.int(UInt64.self)
        let bytes = try decoder.int(UInt64.self)
        guard bytes <= Limits.largestRing else { throw .limit(what: "memory", value: bytes, limit: UInt64(Limits.largestRing)) }
        guard address <= .max - bytes else { throw .value(what: "memory address", value: address) }
        return Window(address: address, key: key, bytes: Int(bytes))
    }
}

/// A message of the hello, before a link is up. All integers little-endian.
///
///      0       4         6      8        12   16
///      | magic | version | type | length | 0  | body…
///
///      hello     →  Introduction
///      challenge ←  Introduction
///      proof     →  mac (32)
///      welcome   ←  MemoryOffer, mac
///      memory    →  MemoryOffer, mac
///      refuse    ↔  u16 code, text (u16, bytes)
///
/// `length` counts the whole message. What a mac covers is in `Handshake`.
enum HelloMessage: Equatable, Sendable {
    case hello(Introduction)
    case challenge(Introduction)
    case proof(mac: [UInt8])
    case welcome(MemoryOffer, mac: [UInt8])
    case memory(MemoryOffer, mac: [UInt8])
    case refuse(RefusalCode, String)

    static let magic: UInt32 = 0x4C4C_5153  // "SQLL" as it lies in memory
    static let version: UInt16 = 8
    static let headerBytes = 16
    static let macBytes = 32
    static let nameLimit = 255
    /// The longest: a refusal, 16 + 2 + 2 + 1,024; an introduction is at most 16 + 64 + 2 × (2 + 255).
    static let limit = 2048

    private var type: UInt16 {
        switch self {
        case .hello: 1
        case .challenge: 2
        case .proof: 3
        case .welcome: 4
        case .memory: 5
        case .refuse: 6
        }
    }

    var bytes: [UInt8] {
        var out: [UInt8] = []
        out.append(int: Self.magic)
        out.append(int: Self.version)
        out.append(int: type)
        out.append(int: UInt32(0))
        out.append(int: UInt32(0))
        switch self {
        case .hello(let introduction), .challenge(let introduction): introduction.encode(into: &out)
        case .proof(let mac): out.append(contentsOf: mac)
        case .welcome(let offer, let mac), .memory(let offer, let mac):
            offer.encode(into: &out)
            out.append(contentsOf: mac)
        case .refuse(let code, let words):
            out.append(int: code.rawValue)
            // Cut between characters, so that the text stays valid.
            var text = words
            while text.utf8.count > Limits.reason { text.removeLast() }
            out.append(text: text)
        }
        out.store(UInt32(out.count), at: 8)
        return out
    }

    /// Another version than ours, with which nothing else can be understood; nil where the bytes are not of this protocol.
    static func foreignVersion(_ view: ByteView) -> UInt16? {
        guard view.count >= 6, view.u32(0) == magic, view.u16(4) != version else { return nil }
        return view.u16(4)
    }

    init(_ view: ByteView) throws(DecodeError) {
        var decoder = Decoder(view, "hello")
        let magic = try decoder.int(UInt32.self)
        guard magic == Self.magic else { throw .value(what: "hello magic", value: UInt64(magic)) }
        let version = try decoder.int(UInt16.self)
        guard version == Self.version else { throw .value(what: "hello version", value: UInt64(version)) }
        let type = try decoder.int(UInt16.self)
        let length = try decoder.int(UInt32.self)
        let zero = try decoder.int(UInt32.self)
        guard length <= Self.limit else { throw .limit(what: "hello length", value: UInt64(length), limit: UInt64(Self.limit)) }
        guard Int(length) == view.count else { throw .value(what: "hello length", value: UInt64(length)) }
        guard zero == 0 else { throw .value(what: "hello reserved bytes", value: UInt64(zero)) }
        switch type {
        case 1: self = .hello(try Introduction(&decoder))
        case 2: self = .challenge(try Introduction(&decoder))
        case 3: self = .proof(mac: try decoder.bytes(Self.macBytes).array)
        case 4: self = .welcome(try MemoryOffer(&decoder), mac: try decoder.bytes(Self.macBytes).array)
        case 5: self = .memory(try MemoryOffer(&decoder), mac: try decoder.bytes(Self.macBytes).array)
        case 6:
            let code = try decoder.int(UInt16.self)
            guard let known = RefusalCode(rawValue: code) else { throw .value(what: "hello refusal", value: UInt64(code)) }
            self = .refuse(known, try decoder.text(limit: Limits.reason))
        default: throw .value(what: "hello type", value: UInt64(type))
        }
        try decoder.end()
    }
}
