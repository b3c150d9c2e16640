internal import Wire

/// What has come of the bodies of one sender's relayed frames and is not read yet: stretches of its ring. Those of one frame come in
/// order; those of frames for different members may come by different ways, in any order.
///
///      read ≤ stretches, ascending, apart from one another
package struct RelayedBodies: Sendable {
    private var stretches: [Range<UInt64>] = []

    package init() {}

    package var isEmpty: Bool { stretches.isEmpty }

    /// False: some of it was there before, or there are too many. Cost: the stretches that lie behind it.
    package mutating func add(_ stretch: Range<UInt64>) -> Bool {
        var index = stretches.count
        while index > 0, stretches[index - 1].lowerBound >= stretch.upperBound { index -= 1 }
        if index > 0 {
            guard stretches[index - 1].upperBound <= stretch.lowerBound else { return false }
            if stretches[index - 1].upperBound == stretch.lowerBound {
                stretches[index - 1] = stretches[index - 1].lowerBound..<stretch.upperBound
                return true
            }
        }
        guard stretches.count < Limits.relayStretches else { return false }
        stretches.insert(stretch, at: index)
        return true
    }

    /// Whether all of it is there.
    package func holds(_ stretch: Range<UInt64>) -> Bool {
        stretch.isEmpty || stretches.contains { $0.lowerBound <= stretch.lowerBound && stretch.upperBound <= $0.upperBound }
    }

    /// The ring has been read up to there.
    package mutating func passed(_ position: UInt64) { stretches.removeAll { $0.upperBound <= position } }
}
