/// How long a peer node's silence may last before it is given up: learnt from the silences that ended. A value without clock.
///
///     limit = 2 heartbeats + 8 × the longest lateness of the last two windows, at most `ceiling`
///
/// Lateness is what a silence lasted beyond one heartbeat. On a quiet machine a peer that hangs is given up after little more than
/// two heartbeats; where everybody is late, as under full load, only after the configured time. Times in nanoseconds.
struct SilenceDetector {
    /// How long a lateness is remembered at least; at most twice as long.
    static let window: UInt64 = 10_000_000_000
    /// How often as late as the latest one a peer may be.
    static let margin: UInt64 = 8

    private let heartbeat: UInt64
    private let ceiling: UInt64
    private var latest: UInt64 = 0
    private var latestBefore: UInt64
    private var windowEnd: UInt64
    /// At most `ceiling`; `ceiling` until two windows have shown how late this peer can be.
    private(set) var limit: UInt64

    init(heartbeat: UInt64, ceiling: UInt64, now: UInt64) {
        self.heartbeat = heartbeat
        self.ceiling = ceiling
        latestBefore = ceiling
        windowEnd = now + Self.window
        limit = ceiling
    }

    /// The peer was heard at `now`, `silence` after the last time.
    mutating func heard(after silence: UInt64, now: UInt64) {
        let late = silence - min(silence, heartbeat)
        if now >= windowEnd {
            latestBefore = max(latest, late)
            latest = 0
            windowEnd = now + Self.window
        } else if late > latest {
            latest = late
        } else {
            return
        }
        let most = min(max(latest, latestBefore), ceiling)
        limit = min(ceiling, 2 * heartbeat + Self.margin * most)
    }
}
