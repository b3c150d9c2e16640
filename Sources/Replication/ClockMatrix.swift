internal import DequeModule
package import Wire

/// The clock matrix of one group at one replica (PROTOCOL.md R1–R5): who promised what, who holds what, what is ordered,
/// stable and durable. A value without clock or I/O; frames are known by reference.
///
///      clock[m][s]: what member m holds of sender s;  clock[m][m]: m's promise
///      ordered ≤ min over s of clock[me][s];  stable of s ≤ min over m of clock[m][s]
package struct ClockMatrix: Sendable {
    package let members: Int
    package let me: Int
    package let base: Timestamp
    private var clocks: [Timestamp]
    private var durable: [OrderKey]
    private var held: [Deque<FrameRef>]
    private var lastHeld: [Timestamp]
    private let view: View

    /// Everyone's clocks begin at `base`; nothing of an older view lies above it.
    package init(view: View, me: Int, base: Timestamp) {
        self.view = view
        members = view.members.count
        self.me = me
        self.base = base
        clocks = Array(repeating: base, count: members * members)
        durable = Array(repeating: .zero, count: members)
        held = Array(repeating: [], count: members)
        lastHeld = Array(repeating: base, count: members)
    }

    /// What this member has promised, and what it holds of each sender: its own row.
    package func own(_ sender: Int) -> Timestamp { clocks[me * members + sender] }
    package func clock(_ member: Int, _ sender: Int) -> Timestamp { clocks[member * members + sender] }
    package func durableKey(of member: Int) -> OrderKey { durable[member] }
    package var ownRow: ArraySlice<Timestamp> { clocks[me * members..<(me + 1) * members] }

    // MARK: R1, R2: stamp, hold, promise

    /// Takes a frame in that has landed here whole. False: its timestamp breaks its sender's own promise or order.
    package mutating func hold(_ frame: FrameRef) -> Bool {
        guard frame.key.timestamp > lastHeld[frame.rank], frame.key.timestamp > own(frame.rank) else { return false }
        lastHeld[frame.rank] = frame.key.timestamp
        held[frame.rank].append(frame)
        return true
    }

    /// R2: I shall never send a frame stamped at or below `time`.
    package mutating func promise(_ time: Timestamp) {
        clocks[me * members + me] = max(clocks[me * members + me], time)
    }

    /// A member's row of clocks, of this view, whose frames up to its promise, or up to `holds` where that is less, have all been
    /// held here. Returns whether anything rose.
    package mutating func receive(
        from member: Int, clocks row: ArraySlice<Timestamp>, durable key: OrderKey, holds: Timestamp = Timestamp(.max)
    ) -> Bool {
        precondition(member != me && row.count == members)
        var rose = false
        for sender in 0..<members {
            let time = row[row.startIndex + sender]
            if time > clocks[member * members + sender] {
                clocks[member * members + sender] = time
                rose = true
            }
        }
        // R2: the link is first-in-first-out, so all of the member's frames up to its promise are here, but for a body under way.
        let promise = min(clocks[member * members + member], holds)
        if promise > clocks[me * members + member] { clocks[me * members + member] = promise }
        if planted(.hearsay) { for sender in 0..<members where sender != me { clocks[me * members + sender] = max(own(sender), row[row.startIndex + sender]) } }
        if key > durable[member] {
            durable[member] = key
            rose = true
        }
        return rose
    }

    // MARK: R3: order

    /// Frames stamped at or below this have their final place.
    package var orderedLimit: Timestamp {
        var limit = own(0)
        for sender in 1..<max(members, 1) { limit = min(limit, own(sender)) }
        return limit
    }

    /// Moves the frames that have their final place, in order, to `out`.
    package mutating func takeOrdered(into out: inout [FrameRef]) {
        let limit = orderedLimit
        while true {
            var best = -1
            for sender in 0..<members {
                guard let frame = held[sender].first, frame.key.timestamp <= limit else { continue }
                if best < 0 || frame.key < held[best].first!.key { best = sender }
            }
            guard best >= 0 else { return }
            out.append(held[best].removeFirst())
        }
    }

    // MARK: R4: stability

    /// What every member holds of `sender`.
    package func stableLimit(of sender: Int) -> Timestamp {
        if planted(.deliverOnOrder) { return orderedLimit }
        var limit = clocks[sender]
        for member in 1..<max(members, 1) { limit = min(limit, clocks[member * members + sender]) }
        return limit
    }

    // MARK: R5: durability

    /// Everything up to `key` in order is on this member's disk.
    package mutating func synced(_ key: OrderKey) { durable[me] = max(durable[me], key) }

    /// The highest key that the disks of a quorum have passed.
    package var quorumDurable: OrderKey {
        var best = OrderKey.zero
        for candidate in durable where candidate > best {
            var present = RankSet()
            for member in 0..<members where durable[member] >= candidate { present.insert(member) }
            if view.isQuorum(present) || planted(.ackByMinority) { best = candidate }
        }
        return best
    }

    // MARK: R7: the cut

    /// Frames held and not yet ordered that the cut keeps, in order; the rest is dropped.
    package mutating func takeWithin(cut: [Timestamp]) -> [FrameRef] {
        var kept: [FrameRef] = []
        for sender in 0..<members {
            kept += held[sender].filter { $0.key.timestamp <= cut[sender] }
            held[sender] = []
        }
        return kept.sorted { $0.key < $1.key }
    }
    /// Frames held and not yet ordered.
    package func heldFrames() -> [FrameRef] { held.flatMap { $0 } }

    /// Bytes of batches held and not yet ordered, of one sender.
    package mutating func heldBytes(of sender: Int) -> Int { held[sender].reduce(0) { $0 + $1.body.count } }

    /// Trips on a broken invariant: each sender's held frames rise and lie above what was ordered.
    package mutating func checkInvariants() {
        for sender in 0..<members {
            var last = Timestamp.zero
            for index in held[sender].indices {
                let key = held[sender][index].key
                precondition(key.timestamp > last && held[sender][index].rank == sender, "held frames out of order")
                last = key.timestamp
            }
        }
    }
}
