package import Wire

/// A frame of a data ring: what the clock matrix needs of it, and where it is.
package struct FrameRef: Sendable {
    package let key: OrderKey
    package let group: GroupID
    /// The sender's rank in the view.
    package let rank: Int
    package let batches: Int
    package let records: Int
    /// The batches, without the frame's header; they stay in place until the frame is let go, or as long as `owner` is held.
    package let body: ByteView
    /// Holds the memory of `body` where it is not the ring's: of a relayed frame.
    package let owner: OwnedBytes?
    /// The frame's number among those of its sender in this view, from 0: its line in the sender's `RingLedger`.
    package let line: Int

    package init(_ header: FrameHeader, rank: Int, body: ByteView, owner: OwnedBytes? = nil, line: Int) {
        key = header.key
        group = header.group
        self.rank = rank
        batches = header.batches
        records = header.records
        self.body = body
        self.owner = owner
        self.line = line
    }
}
