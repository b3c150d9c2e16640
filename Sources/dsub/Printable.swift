internal import Client
internal import Tooling
internal import Wire

/// A record as the formats see it; its views hold during one call.
struct Printable {
    var topic: String
    var key: ByteView
    var payload: ByteView
    /// A run of (u16 length, name, u16 length, value).
    var headers: ByteView
    var offset: UInt64
    /// The publisher's, nanoseconds since 1970.
    var time: Int64
    /// When it was ordered, nanoseconds since 1970.
    var ordered: UInt64
    var node: UInt16
    /// The topic has no value from here on.
    var isRemoved = false

    var orderedTime: Int64 { Int64(clamping: ordered) }
}

extension Printable {
    init(_ record: borrowing ReceivedRecord) {
        topic = record.topic
        key = record.view.key
        payload = record.view.payload
        headers = record.view.plainHeaders
        offset = record.offset
        time = record.time
        ordered = record.ordered
        node = record.node
        isRemoved = record.view.header.flags & RecordHeader.tombstone != 0
    }
    /// Calls `body` for each header, in order; stops at bytes that are none.
    func eachHeader(_ body: (_ name: ByteView, _ value: ByteView) -> Void) {
        var cursor = HeaderCursor(headers)
        do throws(DecodeError) {
            while let header = try cursor.next() { body(header.name, header.value) }
        } catch {
            // The publisher's bytes, passed on unchecked: what can be read was read, the rest has no form to print.
            body(.empty, .empty)
        }
    }
}
