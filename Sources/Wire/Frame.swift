/// The header of a frame in a data ring: what a sender multicasts, the unit of ordering, sync and acknowledgement.
///
///      0        4        8                16               24    26     28       32     34     36               44       48
///      | magic  | length | timestamp      | view           | n    |flags| records|group |sender| ranks          | crc    | batches…
///
/// `length` counts the whole frame, a multiple of 8; `n`: its batches; `flags` bit 0: the batches come by relay, another member passes them
/// on (`RelayBlock`), and until they are there what stands behind the header is nothing; `ranks`: a bit for each member that the batches are sent to, all bits for everyone: the
/// others get the header alone, and what stands behind it in their mirror is nothing; `crc` is CRC-32C of bytes 0 ..< 44 (the batches carry
/// their own). A frame never wraps: where the ring's rest is too short a pad stands, its magic and length only.
package struct FrameHeader: Equatable, Sendable {
    package static let size = 48
    package static let magic: UInt32 = 0x3246_4C53  // "SLF2"
    package static let padMagic: UInt32 = 0x3150_4C53  // "SLP1"
    package static let padSize = 8

    package var length: Int
    package var timestamp: Timestamp
    package var view: ViewNumber
    package var batches: Int
    package var records: Int
    package var group: GroupID
    package var sender: NodeID
    /// Who gets the batches; anything but everyone only in the group `unordered`.
    package var ranks: RankSet
    /// Its batches come in blocks, from member to member.
    package var isRelayed: Bool

    private static let relayedFlag: UInt16 = 1

    package var key: OrderKey { OrderKey(timestamp, sender) }

    package init(
        length: Int, timestamp: Timestamp, view: ViewNumber, batches: Int, records: Int, group: GroupID, sender: NodeID,
        ranks: RankSet = .everyone, isRelayed: Bool = false
    ) {
        self.length = length
        self.timestamp = timestamp
        self.view = view
        self.batches = batches
        self.records = records
        self.group = group
        self.sender = sender
        self.ranks = ranks
        self.isRelayed = isRelayed
    }

    /// Reads the header at the start of `view` and checks it against its checksum, the limits and the bytes that are there.
    package init(_ view: ByteView) throws(DecodeError) {
        guard view.count >= Self.size else { throw .short(what: "frame", needed: Self.size, got: view.count) }
        guard view.u32(0) == Self.magic else { throw .value(what: "frame magic", value: UInt64(view.u32(0))) }
        guard view[0..<44].crc32c() == view.u32(44) else { throw .checksum(what: "frame header") }
        length = Int(view.u32(4))
        guard length >= Self.size, length & 7 == 0 else { throw .value(what: "frame length", value: UInt64(length)) }
        guard length <= Limits.frame else { throw .limit(what: "frame length", value: UInt64(length), limit: UInt64(Limits.frame)) }
        guard length <= view.count else { throw .short(what: "frame", needed: length, got: view.count) }
        timestamp = Timestamp(view.u64(8))
        self.view = ViewNumber(view.u64(16))
        batches = Int(view.u16(24))
        let flags = view.u16(26)
        guard flags & ~Self.relayedFlag == 0 else { throw .value(what: "frame flags", value: UInt64(flags)) }
        isRelayed = flags & Self.relayedFlag != 0
        records = Int(view.u32(28))
        group = GroupID(view.u16(32))
        sender = NodeID(view.u16(34))
        ranks = RankSet(bits: view.u64(36))
        guard ranks == .everyone || group == .unordered else { throw .value(what: "ranks of a frame", value: ranks.bits) }
    }

    package func encode() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.size)
        bytes.append(int: Self.magic)
        bytes.append(int: UInt32(length))
        bytes.append(int: timestamp.raw)
        bytes.append(int: view.raw)
        bytes.append(int: UInt16(batches))
        bytes.append(int: isRelayed ? Self.relayedFlag : 0)
        bytes.append(int: UInt32(records))
        bytes.append(int: group.raw)
        bytes.append(int: sender.raw)
        bytes.append(int: ranks.bits)
        bytes.append(int: bytes.crc32c())
        return bytes
    }
}
