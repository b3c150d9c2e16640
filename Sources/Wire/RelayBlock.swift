/// A part of the batches of a relayed frame (`FrameHeader.isRelayed`), which one member passes to the next. A message between nodes; its
/// bytes follow.
///
///      0        8        16       24        28     32     34
///      | view   | start  | ranks  | length  | at   |sender| 0 (6) | bytes…
///
/// `start`: where the batches begin in the ring of `sender`, an absolute position, in `view`; `length`: of all of them; `at`: where these bytes lie
/// among them. `ranks`: whom the frame is for.
package struct RelayBlock: Equatable, Sendable {
    package static let size = 40

    package let view: ViewNumber
    package let sender: NodeID
    /// The ranks that the frame's batches go to, each once, upwards from the sender's and on from 0.
    package let ranks: RankSet
    /// All of the frame's batches: their place in the sender's ring.
    package let body: Range<UInt64>
    /// Which of their bytes these are.
    package let part: Range<Int>

    package init(view: ViewNumber, sender: NodeID, ranks: RankSet, body: Range<UInt64>, part: Range<Int>) {
        (self.view, self.sender, self.ranks, self.body, self.part) = (view, sender, ranks, body, part)
    }

    /// The message without its bytes.
    package func encode() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.size)
        for word in [view.raw, body.lowerBound, ranks.bits] { bytes.append(int: word) }
        bytes.append(int: UInt32(body.count))
        bytes.append(int: UInt32(part.lowerBound))
        bytes.append(int: sender.raw)
        bytes.append(int: UInt16(0))
        bytes.append(int: UInt32(0))
        return bytes
    }

    /// Reads a message: what it says, and its bytes.
    package static func read(_ message: ByteView) throws(DecodeError) -> (block: RelayBlock, bytes: ByteView) {
        guard message.count > size else { throw .short(what: "relayed block", needed: size + 1, got: message.count) }
        let (start, length, at) = (message.u64(8), Int(message.u32(24)), Int(message.u32(28)))
        guard length <= Limits.frame else { throw .limit(what: "body of a relayed block", value: UInt64(length), limit: UInt64(Limits.frame)) }
        guard start <= .max - UInt64(length) else { throw .value(what: "place of a relayed block", value: start) }
        guard message.u16(34) == 0, message.u32(36) == 0 else { throw .value(what: "relayed block's zeros", value: UInt64(message.u16(34))) }
        let bytes = message.from(size)
        guard at + bytes.count <= length else { throw .value(what: "relayed block's end", value: UInt64(at + bytes.count)) }
        let block = RelayBlock(
            view: ViewNumber(message.u64(0)), sender: NodeID(message.u16(32)), ranks: RankSet(bits: message.u64(16)),
            body: start..<start + UInt64(length), part: at..<at + bytes.count)
        return (block, bytes)
    }

    /// Who comes behind `rank` in the chain of a view of `members` that begins with the sender's rank; nil behind the last. Each sender's
    /// chain begins elsewhere, so that where all send, all pass on the same share.
    package static func successor(of rank: Int, in ranks: RankSet, sender: Int, members: Int) -> Int? {
        var next = rank
        for _ in 1..<max(members, 1) {
            next = next + 1 == members ? 0 : next + 1
            if next == sender { return nil }
            if ranks.contains(next) { return next }
        }
        return nil
    }
}
