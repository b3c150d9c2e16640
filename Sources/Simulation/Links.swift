internal import Wire
internal import Broker
internal import DequeModule

/// A connection of two nodes: ends 0 and 1, each a queue towards the other, a mirror of the other's data ring and its row.
///
/// What one end sends arrives in order. When one end goes down, what is under way to it is lost; the other end hears of it later.
final class PeerLink {
    enum Item {
        case message(MessageKind, [UInt8])
        /// Ring bytes: taken when they were posted, or (nil) as they stand when they arrive, whichever a card would do.
        case data(from: UInt64, to: UInt64, [UInt8]?)
        case row([UInt8])
    }
    let id: Int
    /// The hosts at the two ends, and the lives that they were in.
    let hosts: [Int]
    let lives: [Int]
    var isUp = [false, false]
    var wasUp = [false, false]
    /// Towards end e.
    var queue: [Deque<Item>] = [[], []]
    var lastArrival: [UInt64] = [0, 0]
    /// Arrivals that a partition holds up.
    var held = [0, 0]
    var mirror: [OwnedBytes]
    var row: [[UInt8]] = [[], []]
    var isRowWaiting = [false, false]

    init(id: Int, hosts: [Int], lives: [Int], ringBytes: Int) {
        self.id = id
        self.hosts = hosts
        self.lives = lives
        mirror = [OwnedBytes([UInt8](repeating: 0, count: ringBytes)), OwnedBytes([UInt8](repeating: 0, count: ringBytes))]
    }
    func end(of host: Int) -> Int { hosts[0] == host ? 0 : 1 }
}

/// A client's connection to a node.
final class ClientLink {
    let id: Int
    let client: Int
    let host: Int
    let life: Int
    var isUpAtNode = false
    var isUpAtClient = true
    var toNode: Deque<(MessageKind, [UInt8])> = []
    /// Behind one that the node has not taken.
    var toNodeHeld: Deque<(MessageKind, [UInt8])> = []
    var toClient: Deque<(MessageKind, [UInt8])> = []
    /// What the client's ring had no room for.
    var waiting: Deque<(MessageKind, [UInt8])> = []
    var lastToNode: UInt64 = 0
    var lastToClient: UInt64 = 0
    var used = 0
    /// What the node was told last: of how much room, and what was used then.
    var toldSpace = -1
    var toldUsed = -1

    init(id: Int, client: Int, host: Int, life: Int) {
        self.id = id
        self.client = client
        self.host = host
        self.life = life
    }
    var session: SessionID { SessionID(UInt32(id)) }
}
