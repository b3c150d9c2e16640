package import Wire

/// This node's data ring as its sender: batches are gathered into frames in place, each frame contiguous. A large batch lies in memory of its own,
/// for it goes by relay (`NodeRelay`): the ring has its place, and the frame's header.
///
///      consumed by all ≤ … ≤ tail (sealed) ≤ open frame's end;  open end − consumed ≤ size
package struct OwnRing: Sendable {
    private let memory: ByteStore
    package let size: Int
    /// All frames before this absolute position are sealed.
    package private(set) var tail: UInt64 = 0
    private var open: Open?
    /// Holds the open frame's batches where they are large.
    private var owner: OwnedBytes?
    /// Of the pad before the open frame what lies behind its header.
    private var padding: Range<UInt64>?

    private struct Open {
        let group: GroupID
        let ranks: RankSet
        let start: UInt64
        var length: Int
        var batches = 0
        var records = 0
    }

    package init(_ memory: ByteStore) {
        self.memory = memory
        size = memory.count
    }

    /// A batch longer than this is refused: a frame must fit beside what is still in use.
    package var largestBatch: Int { min(Limits.batch, size / 3 - FrameHeader.size) }
    /// Where the open frame ends so far.
    package var end: UInt64 { open.map { $0.start + UInt64($0.length) } ?? tail }
    package var openGroup: GroupID? { open?.group }
    /// Who gets the open frame's batches.
    package var openRanks: RankSet? { open?.ranks }

    package mutating func reset() {
        tail = 0
        open = nil
        owner = nil
        padding = nil
    }

    /// Appends a batch to the open frame of `group`, beginning one where there is none. False: no room; seal, or wait for
    /// `consumed` (what all members have let go of) to rise.
    /// - given: holds all of the batch's memory and nothing else; a large batch stays there.
    /// - relayedFrom: a batch of so many bytes is a frame of its own, and goes by relay.
    package mutating func append(
        _ batch: ByteView, of given: OwnedBytes? = nil, records: Int, group: GroupID, ranks: RankSet = .everyone, relayedFrom: Int = .max,
        consumed: UInt64
    ) -> Bool {
        let isLarge = batch.count >= relayedFrom
        if let frame = open {
            precondition(frame.group == group && frame.ranks == ranks, "one frame is open at a time")
            let end = frame.start + UInt64(frame.length)
            guard !isLarge, owner == nil, frame.length + batch.count <= Limits.frameTarget, index(frame.start) + frame.length + batch.count <= size,
                end + UInt64(batch.count) - consumed <= UInt64(size)
            else { return false }
            memory.write(batch, at: index(frame.start) + frame.length)
            open!.length += batch.count
            open!.batches += 1
            open!.records += records
            return true
        }
        let needed = FrameHeader.size + batch.count
        let (start, rest) = place(needed, behind: tail)
        guard start + UInt64(needed) - consumed <= UInt64(size) else { return false }
        if start > tail { pad(rest) }
        if isLarge { owner = given ?? OwnedBytes(batch, .empty) } else { memory.write(batch, at: index(start) + FrameHeader.size) }
        open = Open(group: group, ranks: ranks, start: start, length: needed, batches: 1, records: records)
        return true
    }

    /// Whether a batch of so many bytes is taken as a frame of its own.
    package func hasRoom(for batch: Int, consumed: UInt64) -> Bool {
        let needed = FrameHeader.size + batch
        return place(needed, behind: end).start + UInt64(needed) - consumed <= UInt64(size)
    }
    /// Where a frame of `needed` bytes begins; what is left of the ring behind `tail`.
    private func place(_ needed: Int, behind tail: UInt64) -> (start: UInt64, rest: Int) {
        let rest = size - index(tail)
        return (rest < needed ? tail + UInt64(rest) : tail, rest)
    }

    private mutating func pad(_ rest: Int) {
        var bytes: [UInt8] = []
        bytes.append(int: FrameHeader.padMagic)
        bytes.append(int: UInt32(rest))
        bytes.withView { memory.write($0, at: index(tail)) }
        padding = tail + UInt64(FrameHeader.padSize)..<tail + UInt64(rest)
        tail += UInt64(rest)
    }

    /// A frame that is closed: its header, its batches where they lie, what holds those of a relayed one, and where it ends in the ring.
    /// Where a pad stands before it, nobody reads `padding`.
    package struct Sealed {
        package let header: FrameHeader
        package let body: ByteView
        package let owner: OwnedBytes?
        package let end: UInt64
        package let padding: Range<UInt64>?
    }

    /// Closes the open frame with its stamp. It is marked as relayed where its batches are `relayedFrom` bytes or more.
    package mutating func seal(_ time: Timestamp, view: ViewNumber, sender: NodeID, relayedFrom: Int = .max) -> Sealed? {
        guard let frame = open else { return nil }
        defer { (open, owner, padding) = (nil, nil, nil) }
        let header = FrameHeader(
            length: frame.length, timestamp: time, view: view, batches: frame.batches, records: frame.records,
            group: frame.group, sender: sender, ranks: frame.ranks,
            isRelayed: owner != nil || frame.length - FrameHeader.size >= relayedFrom)
        header.encode().withView { memory.write($0, at: index(frame.start)) }
        tail = frame.start + UInt64(frame.length)
        if let owner { return Sealed(header: header, body: owner.view, owner: owner, end: tail, padding: padding) }
        let start = index(frame.start)
        let body = memory.view[start + FrameHeader.size..<start + frame.length]
        guard header.isRelayed else { return Sealed(header: header, body: body, owner: nil, end: tail, padding: padding) }
        let owner = OwnedBytes(body, .empty)
        return Sealed(header: header, body: owner.view, owner: owner, end: tail, padding: padding)
    }

    private func index(_ position: UInt64) -> Int { Int(position % UInt64(size)) }
}

/// Reads frames from a mirror of another node's data ring.
package struct RingReader {
    private let memory: ByteView
    package init(_ memory: ByteView) { self.memory = memory }

    package enum Item {
        case pad(end: UInt64)
        case frame(FrameHeader, ByteView, end: UInt64)
    }

    /// The item at `position`, which lies before `tail`.
    package func item(at position: UInt64, before tail: UInt64) throws(DecodeError) -> Item {
        let size = UInt64(memory.count)
        guard size > 0, position < tail else { throw .short(what: "data ring", needed: FrameHeader.padSize, got: 0) }
        let at = Int(position % size)
        let rest = memory[at..<min(memory.count, at + Int(min(tail - position, size)))]
        guard rest.count >= FrameHeader.padSize else { throw .short(what: "data ring", needed: FrameHeader.padSize, got: rest.count) }
        if rest.u32(0) == FrameHeader.padMagic {
            let length = UInt64(rest.u32(4))
            guard at + Int(length) == memory.count, position + length <= tail else { throw .value(what: "ring pad", value: length) }
            return .pad(end: position + length)
        }
        let header = try FrameHeader(rest)
        return .frame(header, rest[FrameHeader.size..<header.length], end: position + UInt64(header.length))
    }
}
