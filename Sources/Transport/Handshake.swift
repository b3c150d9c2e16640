internal import Crypto
internal import Wire

/// The hello of one connection: who is there, proof of the shared secret both ways, and only then where memory may be
/// written. Pure: bytes in, bytes out.
///
///      connecting side                         listening side
///      start ── hello ───────────────────────▶ judges cluster, version, identity
///      judges ◀────────────────── challenge ──
///            ── proof ───────────────────────▶ verifies: the other holds the secret
///      verifies ◀─ welcome (proof and memory) ─
///            ── memory ──────────────────────▶ verifies: up
///      up
///
/// Each mac is HMAC-SHA256 under the cluster's secret over a label of its own message type, all messages before it, each
/// with its length, and its own message up to the mac. Both nonces are in the first two messages, so nothing can be
/// replayed; the labels differ by direction, so nothing can be reflected. Either side may refuse at any point, in words.
/// The listening side proves itself last: who merely scans a port learns nothing made with the secret.
struct Handshake {
    enum Outcome: Equatable {
        /// Send this and wait for more.
        case reply([UInt8])
        /// The other side has proved itself: make its memory, then call `offer`.
        case needsMemory
        /// All is said.
        case done
        /// We refuse: send this, then close.
        case refuse([UInt8], String)
        /// The other side refuses, in its words.
        case refused(String)
    }
    private enum State {
        case start, awaitingHello, awaitingChallenge, awaitingProof, awaitingWelcome, offering, awaitingMemory, over
    }

    let isInitiator: Bool
    private let own: Introduction
    private let secret: SymmetricKey
    private var state: State
    private var transcript: [UInt8] = []
    /// The other side, once it has introduced itself; proved once `needsMemory` was returned.
    private(set) var peer: Introduction?
    /// The other side's memory, once proved.
    private(set) var offer: MemoryOffer?

    /// `own.nonce` is drawn anew for each connection.
    init(isInitiator: Bool, own: Introduction, secret: [UInt8]) {
        self.isInitiator = isInitiator
        self.own = own
        self.secret = SymmetricKey(data: secret)
        state = isInitiator ? .start : .awaitingHello
    }

    /// The connecting side's first message.
    mutating func start() -> [UInt8] {
        precondition(isInitiator && state == .start)
        state = .awaitingChallenge
        return record(HelloMessage.hello(own).bytes)
    }

    /// Takes one message of the other side.
    mutating func receive(_ view: ByteView) -> Outcome {
        if let version = HelloMessage.foreignVersion(view) {
            return refuse(.version, "it speaks version \(version) of the protocol, this side version \(HelloMessage.version)")
        }
        let message: HelloMessage
        do { message = try HelloMessage(view) } catch { return refuse(.malformed, "not a hello: \(error)") }
        if case .refuse(_, let words) = message {
            state = .over
            return .refused(words)
        }
        switch (state, message) {
        case (.awaitingHello, .hello(let introduction)):
            if let refusal = judge(introduction) { return refusal }
            _ = record(view.array)
            state = .awaitingProof
            return .reply(record(HelloMessage.challenge(own).bytes))
        case (.awaitingChallenge, .challenge(let introduction)):
            if let refusal = judge(introduction) { return refusal }
            _ = record(view.array)
            state = .awaitingWelcome
            return .reply(record(sealed(.proof(mac: Self.blank), label: Self.proofLabel)))
        case (.awaitingProof, .proof):
            guard verify(view, label: Self.proofLabel) else { return refuseSecret() }
            _ = record(view.array)
            state = .offering
            return .needsMemory
        case (.awaitingWelcome, .welcome(let offer, _)):
            guard verify(view, label: Self.welcomeLabel) else { return refuseSecret() }
            if let refusal = judge(offer) { return refusal }
            _ = record(view.array)
            self.offer = offer
            state = .offering
            return .needsMemory
        case (.awaitingMemory, .memory(let offer, _)):
            guard verify(view, label: Self.memoryLabel) else { return refuseSecret() }
            if let refusal = judge(offer) { return refusal }
            self.offer = offer
            state = .over
            return .done
        default:
            return refuse(.malformed, "a hello out of turn")
        }
    }

    /// After `needsMemory`: the message that tells the other side where to write. The connecting side is done with it.
    mutating func offer(_ memory: MemoryOffer) -> [UInt8] {
        precondition(state == .offering)
        guard isInitiator else {
            state = .awaitingMemory
            return record(sealed(.welcome(memory, mac: Self.blank), label: Self.welcomeLabel))
        }
        state = .over
        return sealed(.memory(memory, mac: Self.blank), label: Self.memoryLabel)
    }

    /// A refusal for reasons of the caller's own.
    mutating func refuse(_ code: RefusalCode, _ words: String) -> Outcome {
        state = .over
        return .refuse(HelloMessage.refuse(code, words).bytes, words)
    }

    // What is checked.

    private mutating func judge(_ other: Introduction) -> Outcome? {
        let isOpen = own.cluster.isEmpty && !own.identity.isNode || other.cluster.isEmpty && !other.identity.isNode
        guard isOpen || other.cluster == own.cluster else {
            return refuse(.cluster, "it belongs to cluster \"\(other.cluster)\", this side to cluster \"\(own.cluster)\"")
        }
        if case .node(let mine, _) = own.identity, case .node(let its, _) = other.identity, mine == its {
            return refuse(.identity, "both sides are \(mine)")
        }
        guard own.identity.isNode || other.identity.isNode else { return refuse(.identity, "neither side is a node") }
        peer = other
        return nil
    }
    private mutating func judge(_ offer: MemoryOffer) -> Outcome? {
        guard offer.row.bytes >= RowPrefix.size + own.rowBytes else { return refuse(.memory, "its row is too small for ours") }
        let mirrored = peer?.identity.isNode == true ? own.dataRing : 0
        guard offer.data.bytes == mirrored else { return refuse(.memory, "its mirror is not of the size of our data ring") }
        return nil
    }
    private mutating func refuseSecret() -> Outcome { refuse(.secret, "the two sides do not hold the same secret") }

    // Message authentication.

    private static let proofLabel = "squall 1 proof"
    private static let welcomeLabel = "squall 1 welcome"
    private static let memoryLabel = "squall 1 memory"
    private static let blank = [UInt8](repeating: 0, count: HelloMessage.macBytes)

    private mutating func record(_ message: [UInt8]) -> [UInt8] {
        transcript.append(int: UInt32(message.count))
        transcript.append(contentsOf: message)
        return message
    }
    /// What the mac of `message`, given without its mac, covers.
    private func covered(_ label: String, _ message: ArraySlice<UInt8>) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(text: label)
        bytes.append(int: UInt32(transcript.count))
        bytes.append(contentsOf: transcript)
        bytes.append(contentsOf: message)
        return bytes
    }
    private func sealed(_ message: HelloMessage, label: String) -> [UInt8] {
        let bytes = message.bytes
        let body = bytes.dropLast(HelloMessage.macBytes)
        return Array(body) + Array(HMAC<SHA256>.authenticationCode(for: covered(label, body), using: secret))
    }
    /// Compares in constant time (HMAC.isValidAuthenticationCode).
    private func verify(_ view: ByteView, label: String) -> Bool {
        let bytes = view.array
        let body = bytes.dropLast(HelloMessage.macBytes)
        return HMAC<SHA256>.isValidAuthenticationCode(
            bytes.suffix(HelloMessage.macBytes), authenticating: covered(label, body), using: secret)
    }
}
