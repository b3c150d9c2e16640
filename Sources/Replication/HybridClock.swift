package import Wire

/// A hybrid logical clock (Kulkarni et al., 2014; PROTOCOL.md R1, R2, R12): never falls, whatever the local clock does.
package struct HybridClock: Sendable {
    /// The highest timestamp stamped, promised or seen.
    package private(set) var last: Timestamp

    package init(_ last: Timestamp = .zero) { self.last = last }

    /// A timestamp above all that was stamped, promised or seen; `now` in nanoseconds since 1970.
    package mutating func stamp(now: UInt64) -> Timestamp {
        if planted(.wallClockStamps) { return Timestamp(now) }
        if planted(.clockStands) { return last }
        last = Timestamp(max(last.raw + 1, now))
        return last
    }
    /// Merges a timestamp that was seen.
    package mutating func observe(_ seen: Timestamp) { last = max(last, seen) }

    /// Whether `seen` lies further ahead of the local clock than a healthy clock may.
    package static func isTooFarAhead(_ seen: Timestamp, now: UInt64) -> Bool { seen.raw > now &+ Limits.clockSkew }
}
