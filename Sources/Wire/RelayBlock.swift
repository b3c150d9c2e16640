/// A stretch of a sender's data ring that one member passes to the next: part of the batches of a relayed frame (`FrameHeader.isRelayed`).
/// A message between nodes; its bytes follow, but for the sender's own, which it has written to their place ahead of the message.
///
///      0        8        16       24       32     34     36    40
///      | view   | from   | to     | ranks  |sender|flags | 0   | bytes…
///
/// `from ..< to`: absolute positions in the ring of `sender`, in `view`, which no frame crosses the ring's end; `ranks`: whom the frame is for;
/// `flags` bit 0: the bytes are in their place.
package struct RelayBlock: Equatable, Sendable {
    package static let size = 40
    private static let inPlace: UInt16 = 1

    package let view: ViewNumber
    package let sender: NodeID
    /// The ranks that the frame's batches go to, each once, upwards from the sender's and on from 0.
    package let ranks: RankSet
    package let from: UInt64
    package let to: UInt64
    package var count: Int { Int(to - from) }

    package init(view: ViewNumber, sender: NodeID, ranks: RankSet, from: UInt64, to: UInt64) {
        (self.view, self.sender, self.ranks, self.from, self.to) = (view, sender, ranks, from, to)
    }

    /// The message without its bytes.
    package func encode(isInPlace: Bool) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.size)
        for word in [view.raw, from, to, ranks.bits] { bytes.append(int: word) }
        bytes.append(int: sender.raw)
        bytes.append(int: isInPlace ? Self.inPlace : 0)
        bytes.append(int: UInt32(0))
        return bytes
    }

    /// Reads a message; `bytes` is nil where they are in their place already.
    package static func read(_ message: ByteView) throws(DecodeError) -> (block: RelayBlock, bytes: ByteView?) {
        guard message.count >= size else { throw .short(what: "relayed block", needed: size, got: message.count) }
        let (from, to) = (message.u64(8), message.u64(16))
        guard from < to, to - from <= UInt64(Limits.frame) else { throw .value(what: "relayed block's end", value: to) }
        let flags = message.u16(34)
        guard flags & ~inPlace == 0, message.u32(36) == 0 else { throw .value(what: "relayed block's flags", value: UInt64(flags)) }
        let isInPlace = flags & inPlace != 0
        let needed = size + (isInPlace ? 0 : Int(to - from))
        guard message.count == needed else { throw .short(what: "relayed block", needed: needed, got: message.count) }
        let block = RelayBlock(
            view: ViewNumber(message.u64(0)), sender: NodeID(message.u16(32)), ranks: RankSet(bits: message.u64(24)), from: from, to: to)
        return (block, isInPlace ? nil : message.from(size))
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
