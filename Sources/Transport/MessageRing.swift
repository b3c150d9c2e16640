internal import Wire

/// Frames in a message ring, at both ends of a link. Positions count bytes since the link came up; a byte's place is its
/// position modulo the ring's size, the same in the sender's staging ring and in the receiver's.
///
///      0        4        8
///      | length | kind   | body…  zeros to a multiple of 8
///
/// A frame never wraps: where the end of the ring is nearer than the frame is long, or where enough of the ring's start has been consumed
/// (`SendRing.rewindAt`), a pad header (length 0xFFFF_FFFF) stands there and the frame begins at the ring's start.
enum MessageFrame {
    static let header = 8
    static let pad: UInt32 = 0xffff_ffff
    /// Bytes that a body of `length` takes in the ring.
    static func bytes(_ length: Int) -> Int { header + align8(length) }
}

/// The sending end: a staging ring that mirrors the receiver's.
///
///      consumed ≤ posted ≤ tail ≤ consumed + size
struct SendRing {
    private let memory: Memory
    /// The next frame's position.
    private(set) var tail: UInt64 = 0
    /// Up to here the fabric has been given the bytes.
    var posted: UInt64 = 0
    /// Up to here the receiver has let go.
    private(set) var consumed: UInt64 = 0
    /// The body under construction: its place and room.
    private var reserved: (place: Int, room: Int)?
    /// A send found no room for a body of this length.
    private(set) var wanted: Int?
    /// Where the last pad begins; nil: none yet.
    private var pad: UInt64?
    /// Stretches that are sent from where their bytes lie, ascending, as long as the fabric may read them.
    private(set) var loans: [Loan] = []

    /// With so many bytes free at its start the ring is written from there again, and no further towards its end: what both ends have touched
    /// last is in their caches. With less each frame would wait until the one before is consumed.
    static let rewindAt = 512 << 10

    init(_ memory: Memory) { self.memory = memory }

    var size: Int { memory.count }
    private var place: Int { Int(tail % UInt64(max(1, size))) }
    private var free: Int { size - Int(tail - consumed) }

    /// The largest body that fits now, in one piece.
    var space: Int {
        let toEnd = size - place
        // Either before the end of the ring, or at its start once the rest has been padded away.
        return min(Limits.message, max(0, max(min(free, toEnd), free - toEnd) - MessageFrame.header))
    }
    /// What messages of this turn may take in all: no more than is left for those behind one that goes to the ring's start, but always the
    /// largest that fits.
    var budget: Int {
        let atStart = free - (size - place)
        return atStart < Self.rewindAt ? space : max(atStart, min(space, Limits.message))
    }
    /// The largest body that will fit at the latest when everything has been consumed, wherever the tail stands.
    var largest: Int { min(Limits.message, max(0, size / 2 - MessageFrame.header)) }

    /// Room for a body of `length`, padding to the ring's start if need be; nil when there is none now.
    mutating func reserve(_ length: Int) -> Memory? {
        precondition(length >= 0 && length <= Limits.message, "a message over its limit")
        let needed = MessageFrame.bytes(length)
        let toEnd = size - place
        let rewinds = free - toEnd >= max(needed, Self.rewindAt)
        if rewinds || needed > min(free, toEnd) {
            guard needed <= free - toEnd else {
                wanted = length
                return nil
            }
            memory.store(MessageFrame.pad, at: place)
            memory.store(UInt32(0), at: place + 4)
            pad = tail
            tail += UInt64(toEnd)
        }
        reserved = (place + MessageFrame.header, length)
        return memory.part(place + MessageFrame.header, length)
    }

    /// A body of `length` would be sent if there were room. False: there is, or it is known that room is wanted.
    mutating func want(_ length: Int) -> Bool {
        guard wanted == nil, align8(length) + MessageFrame.header > space else { return false }
        wanted = min(length, largest)
        return true
    }

    /// Of what was reserved last, the bytes from `offset` on are sent from where `lent` lies.
    mutating func lend(_ lent: ByteView, at offset: Int, owner: AnyObject) {
        guard let reserved, offset >= 0, offset + lent.count <= reserved.room else { preconditionFailure("a loan without its reserve") }
        let from = tail + UInt64(MessageFrame.header + offset)
        loans.append(Loan(from: from, bytes: lent, owner: owner))
    }

    /// Frames the first `length` bytes of what was reserved last.
    mutating func commit(kind: UInt32, length: Int) {
        guard let reserved, length >= 0, length <= reserved.room else { preconditionFailure("a commit without its reserve") }
        memory.store(UInt32(length), at: place)
        memory.store(kind, at: place + 4)
        tail += UInt64(MessageFrame.bytes(length))
        self.reserved = nil
    }

    /// Takes the receiver's report; false when it claims what was never sent, or takes back.
    mutating func acknowledge(_ position: UInt64) -> Bool {
        guard position >= consumed, position <= posted else { return false }
        consumed = position
        return true
    }

    /// Whether a refused send would be taken now; forgets the refusal then.
    mutating func hasRoomAgain() -> Bool {
        guard let length = wanted, align8(length) <= space else { return false }
        wanted = nil
        return true
    }

    /// The piece from `from` to the tail, to the ring's end, or to where a loan begins or ends, whichever comes first, with the bytes that it is
    /// lent; and where the next one begins. Of a pad only the header goes out.
    func piece(from: UInt64) -> (place: Int, length: Int, lent: ByteView?, next: UInt64) {
        let start = Int(from % UInt64(max(1, size)))
        let next = from + UInt64(min(size - start, Int(tail - from)))
        var end = next
        if let pad, pad >= from, pad < next { end = pad + UInt64(MessageFrame.header) }
        for loan in loans where loan.to > from && loan.from < end {
            guard loan.from <= from else { return (start, Int(loan.from - from), nil, loan.from) }
            let lent = loan.bytes.from(Int(from - loan.from))
            return (start, lent.count, lent, loan.to)
        }
        return (start, Int(end - from), nil, next)
    }

    /// All before `posted` has been given to the fabric, the last of it with the write of this number.
    mutating func note(write number: UInt64) {
        for index in loans.indices where loans[index].write == nil && loans[index].to <= posted { loans[index].write = number }
    }
    /// Writes up to this number have completed: what they carried may change.
    mutating func settle(writes done: UInt64) {
        loans.removeAll { $0.write.map { $0 <= done } ?? false }
    }
}

/// Bytes of a message that the fabric reads from where they lie and not from the ring: their stretch of the ring stays unwritten at this end.
struct Loan {
    /// Positions in the ring.
    let from: UInt64
    let bytes: ByteView
    /// Keeps them in place.
    let owner: AnyObject
    /// The write that carries the last of them; nil: not posted yet.
    var write: UInt64?
    var to: UInt64 { from + UInt64(bytes.count) }

    init(from: UInt64, bytes: ByteView, owner: AnyObject) { (self.from, self.bytes, self.owner) = (from, bytes, owner) }

    /// Bodies of fewer bytes are copied: that is cheaper than a write whose completion is asked for.
    static let least = 32 << 10
}

/// The receiving end: memory that the peer writes.
///
///      reported ≤ released ≤ head ≤ tail ≤ released + size
struct ReceiveRing {
    private let memory: Memory
    /// The peer's tail, as its last good row told.
    private(set) var tail: UInt64 = 0
    /// The next frame to be received.
    private(set) var head: UInt64 = 0
    /// Everything before has been let go here.
    private(set) var released: UInt64 = 0
    /// What the peer has been told of `released`.
    var reported: UInt64 = 0

    enum Next {
        case none
        case message(kind: UInt32, body: ByteView)
        case violation(String)
    }

    init(_ memory: Memory) { self.memory = memory }
    var size: Int { memory.count }

    /// Takes the peer's tail; false when it falls, or outruns the ring.
    mutating func advance(to position: UInt64) -> Bool {
        // `released` is never beyond `position`, so the difference does not wrap.
        guard position >= tail, position & 7 == 0, position - released <= UInt64(size) else { return false }
        tail = position
        return true
    }

    /// The next message in place. The header is read once: the peer could change it under us.
    mutating func next() -> Next {
        while head < tail {
            let place = Int(head % UInt64(size))
            let toEnd = size - place
            let length = memory.load(place, as: UInt32.self)
            if length == MessageFrame.pad {
                guard UInt64(toEnd) <= tail - head else { return .violation("a pad beyond what was sent") }
                head += UInt64(toEnd)
                continue
            }
            let bytes = MessageFrame.bytes(Int(length))
            guard length <= Limits.message, bytes <= toEnd, UInt64(bytes) <= tail - head else {
                return .violation("a message of \(length) bytes that does not fit its ring")
            }
            let kind = memory.load(place + 4, as: UInt32.self)
            head += UInt64(bytes)
            return .message(kind: kind, body: memory.view(place + MessageFrame.header, Int(length)))
        }
        return .none
    }

    /// Lets everything received so far go.
    mutating func release() { released = head }
    var unreported: UInt64 { released - reported }
}
