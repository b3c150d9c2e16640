package import Wire

/// What has come of the bodies of one sender's relayed frames and is not read yet: each in memory of its own, at its place in the sender's ring.
/// The blocks of one come in order; those of frames for different members may come by different ways, in any order.
///
///      read ≤ bodies, ascending, apart from one another
package struct RelayedBodies: Sendable {
    private struct Body {
        let place: Range<UInt64>
        let bytes: OwnedBytes
        /// So much of it has come.
        var filled = 0
    }
    private var bodies: [Body] = []

    package init() {}

    package var isEmpty: Bool { bodies.isEmpty }

    /// Takes the bytes of a block in and returns the memory that they lie in now, at the same place. Nil: they are not the next of their body, their
    /// body lies across another one, or there are too many. Cost: the bodies that lie behind it.
    /// - isOnlyKept: nobody is about to read it here; then it takes no room in the processor's caches from what is.
    package mutating func add(_ bytes: ByteView, _ part: Range<Int>, of place: Range<UInt64>, isOnlyKept: Bool) -> OwnedBytes? {
        var index = bodies.count
        while index > 0, bodies[index - 1].place.lowerBound >= place.upperBound { index -= 1 }
        if index > 0, bodies[index - 1].place == place {
            guard bodies[index - 1].filled == part.lowerBound else { return nil }
        } else {
            guard index == 0 || bodies[index - 1].place.upperBound <= place.lowerBound, part.lowerBound == 0, !place.isEmpty,
                bodies.count < Limits.relayedBodies
            else { return nil }
            bodies.insert(Body(place: place, bytes: OwnedBytes(count: place.count)), at: index)
            index += 1
        }
        let store = bodies[index - 1].bytes.store
        if isOnlyKept { store.writePastCaches(bytes, at: part.lowerBound) } else { store.write(bytes, at: part.lowerBound) }
        bodies[index - 1].filled = part.upperBound
        return bodies[index - 1].bytes
    }

    /// The body that lies there, once all of it is here, with which the ring has been read up to its end; it is the caller's from then on.
    package mutating func take(_ place: Range<UInt64>) -> OwnedBytes? {
        guard let index = bodies.firstIndex(where: { $0.place == place }), bodies[index].filled == place.count || planted(.heldBeforeWhole)
        else { return nil }
        let bytes = bodies[index].bytes
        bodies.removeFirst(index + 1)
        return bytes
    }
}
