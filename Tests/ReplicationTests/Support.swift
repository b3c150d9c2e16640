import Replication
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
    mutating func upTo(_ most: Int) -> Int { Int.random(in: 0...most, using: &self) }
}

/// A view of members 1, 2, …: rank r is node r + 1.
func view(of count: Int) -> View { View(ViewNumber(1), (0..<count).map { NodeID(UInt16($0 + 1)) }) }

func frame(_ rank: Int, _ time: UInt64, line: Int = 0) -> FrameRef {
    let header = FrameHeader(
        length: FrameHeader.size, timestamp: Timestamp(time), view: ViewNumber(1), batches: 0, records: 0, group: .durable,
        sender: NodeID(UInt16(rank + 1)))
    return FrameRef(header, rank: rank, body: .empty, line: line)
}

func times(_ raw: [UInt64]) -> [Timestamp] { raw.map { Timestamp($0) } }

/// A frame as `sender@time`, for reading.
func words(_ frames: [FrameRef]) -> String {
    frames.map { "\($0.rank)@\($0.key.timestamp.raw)" }.joined(separator: " ")
}
