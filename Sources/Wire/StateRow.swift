/// A member's row of the shared state table, pushed whole to every other member; last value wins, every column only rises
/// within a view (PROTOCOL.md, "A row of the shared state table").
///
///      0                8    9    10   12       16               24
///      | view           | n  | g  |flag| 0      | data tail      | consumed[0 ..< n]
///      then for each of g groups:  clock[0 ..< n] | durable time | durable sender
///
/// All words are 64 bits. `data tail` is how far this member has written its data ring in this view; `consumed[s]` how far
/// it has let go of s's ring; flag bit 0: installed (its starting log of this view is on its disk); bit 1: it began the view by a restart, with
/// nothing in memory.
package struct StateRow: Equatable, Sendable {
    package static let headerSize = 24

    package var view: ViewNumber
    package var installed: Bool
    package var byRestart = false
    package var dataTail: UInt64
    package var consumed: [UInt64]
    /// clock[group × members + rank].
    package var clocks: [Timestamp]
    package var durable: [OrderKey]

    package init(view: ViewNumber, members: Int, groups: Int) {
        self.view = view
        installed = false
        dataTail = 0
        consumed = Array(repeating: 0, count: members)
        clocks = Array(repeating: .zero, count: members * groups)
        durable = Array(repeating: .zero, count: groups)
    }

    package static func length(members: Int, groups: Int) -> Int { headerSize + 8 * (members + groups * (members + 2)) }

    package func encode(into bytes: inout [UInt8]) {
        let members = consumed.count
        bytes.append(int: view.raw)
        bytes.append(UInt8(members))
        bytes.append(UInt8(durable.count))
        bytes.append(int: UInt16((installed ? 1 : 0) | (byRestart ? 2 : 0)))
        bytes.append(int: UInt32(0))
        bytes.append(int: dataTail)
        for position in consumed { bytes.append(int: position) }
        for group in 0..<durable.count {
            for rank in 0..<members { bytes.append(int: clocks[group * members + rank].raw) }
            bytes.append(int: durable[group].timestamp.raw)
            bytes.append(int: UInt64(durable[group].sender.raw))
        }
    }

    /// The view a row speaks of, without reading the rest; nil when it is too short to say.
    package static func view(of bytes: ByteView) -> ViewNumber? { bytes.count >= headerSize ? ViewNumber(bytes.u64(0)) : nil }

    /// Overwrites this row with `bytes` where its shape is this row's shape; keeps memory.
    package mutating func read(_ bytes: ByteView) throws(DecodeError) {
        let members = consumed.count
        let groups = durable.count
        let needed = Self.length(members: members, groups: groups)
        guard bytes.count == needed else { throw .short(what: "state row", needed: needed, got: bytes.count) }
        guard Int(bytes.u8(8)) == members else { throw .value(what: "state row members", value: UInt64(bytes.u8(8))) }
        guard Int(bytes.u8(9)) == groups else { throw .value(what: "state row groups", value: UInt64(bytes.u8(9))) }
        view = ViewNumber(bytes.u64(0))
        installed = bytes.u16(10) & 1 == 1
        byRestart = bytes.u16(10) & 2 == 2
        dataTail = bytes.u64(16)
        var at = Self.headerSize
        for rank in 0..<members {
            consumed[rank] = bytes.u64(at)
            at += 8
        }
        for group in 0..<groups {
            for rank in 0..<members {
                clocks[group * members + rank] = Timestamp(bytes.u64(at))
                at += 8
            }
            durable[group] = OrderKey(Timestamp(bytes.u64(at)), NodeID(UInt16(truncatingIfNeeded: bytes.u64(at + 8))))
            at += 16
        }
    }
}
