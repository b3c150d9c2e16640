internal import Topics

/// Where the durable group's state is saved: where a segment begins, once `NodeSettings.stateShare` times its bytes have come to the log behind
/// the state saved last. Of many topics it is large, and whoever publishes waits for its sync: with 100,000 of them a state for each segment
/// of 32 MiB took a sixth of the throughput.
struct StateSaving {
    /// Bytes of log behind the state saved last; nil where that is not known: the next segment begins with one.
    private var behind: Int?

    /// No further apart than this: so much is read again after a start, and where an old value is looked for. At least a segment.
    private static let (mostSegments, mostBytes) = (4, 512 << 20)

    /// A segment of so many bytes is closed, with a state of so many behind it. Whether that is saved.
    mutating func isDue(behind bytes: Int, state: Int, _ settings: NodeSettings) -> Bool {
        // Cleaning goes by the states, and knows of those of segments that it passes over nothing else.
        guard settings.stateShare > 0, !settings.topics.thinsLogs else { return true }
        let most = max(settings.segmentBytes, min(Self.mostSegments * settings.segmentBytes, Self.mostBytes))
        let unsaved = min(behind.map { $0 + bytes } ?? most, most)
        let isDue = unsaved >= min(state * settings.stateShare, most)
        behind = isDue ? 0 : unsaved
        return isDue
    }

    mutating func forget() { behind = nil }
}
