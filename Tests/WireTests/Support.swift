import Testing
import Wire

/// Numbers that a seed alone decides (SplitMix64), so that a failing run can be had again.
struct SeededNumbers: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
    mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8.random(in: 0...255, using: &self) } }
}

/// What the bytes are refused for, or nil where they are taken.
func refusal(_ bytes: [UInt8], _ decode: (ByteView) throws(DecodeError) -> Void) -> DecodeError? {
    do throws(DecodeError) {
        try bytes.withView { view throws(DecodeError) in try decode(view) }
        return nil
    } catch { return error }
}

/// A batch of kind `records`, as a publisher lays it out.
func sampleBatch(_ payloads: [String], key: String = "", headers: [UInt8] = [], sequence: UInt64 = 1, kind: BatchKind = .records) -> [UInt8] {
    var builder = BatchBuilder()
    for (index, text) in payloads.enumerated() {
        Array(text.utf8).withView { payload in
            Array(key.utf8).withView { key in
                headers.withView { headers in
                    builder.append(
                        topic: TopicID(UInt32(index)), flags: UInt32(index & 1), time: Int64(index) - 1, key: key, headers: headers,
                        payload: payload)
                }
            }
        }
    }
    return builder.finish(publisher: PublisherID(0x0102_0304_0506_0708), epoch: 9, sequence: sequence, group: .ordered, kind: kind)
}

/// An entry of the log around `batches`.
func sampleEntry(_ batches: [[UInt8]], records: Int) -> [UInt8] {
    let body = batches.flatMap { $0 }
    let header = EntryHeader(
        length: EntryHeader.size + body.count, batches: batches.count, number: EntryNumber(5), baseOffset: Offset(90),
        timestamp: Timestamp(17), view: ViewNumber(2), sender: NodeID(3), group: GroupID(1), records: records, synced: EntryNumber(4),
        chain: 0x1122_3344_5566_7788)
    var bytes: [UInt8] = []
    header.encode(into: &bytes) { own in batches.reduce(own) { crc, batch in batch.withView { $0[0..<8].crc32c(crc) } } }
    return bytes + body
}
