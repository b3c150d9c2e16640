internal import DequeModule
internal import Wire

/// What of one sender's data ring is still in use here: frames are let go in any order, space is given back in ring order.
///
///      consumed ≤ end of the first frame in use ≤ … ≤ read
package struct RingLedger: Sendable {
    private struct Line {
        let end: UInt64
        var uses: Int
    }
    private var lines: Deque<Line> = []
    private var first = 0
    /// All bytes before this absolute position may be overwritten.
    package private(set) var consumed: UInt64 = 0
    /// How far the ring has been read.
    package private(set) var read: UInt64 = 0

    package init() {}

    /// Enters a frame that ends at `end` and is used by `uses` parties; returns its line.
    package mutating func enter(end: UInt64, uses: Int) -> Int {
        precondition(end >= read && uses > 0)
        lines.append(Line(end: end, uses: uses))
        if planted(.ringFreedEarly) { consumed = end }
        read = end
        return first + lines.count - 1
    }
    /// Skips a pad, or a frame that nobody uses, that ends at `end`.
    package mutating func skip(to end: UInt64) {
        precondition(end >= read)
        read = end
        if lines.isEmpty {
            consumed = end
        } else {
            lines.append(Line(end: end, uses: 0))
        }
    }
    /// One party lets the frame of `line` go.
    package mutating func letGo(_ line: Int) {
        let index = line - first
        precondition(index >= 0 && lines[index].uses > 0)
        lines[index].uses -= 1
        while let head = lines.first, head.uses == 0 {
            consumed = max(consumed, head.end)
            lines.removeFirst()
            first += 1
        }
    }
}
