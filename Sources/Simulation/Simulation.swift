/// Runs the shipping core in a world of its own: virtual time, links and disks that fail, clients, checkers. A seed says it all.
package enum Simulation {
    /// One world: `plan.steps` events with faults, then, unless it is unlimited, quiet until all are level, and the verdict.
    package static func run(_ plan: Plan, trace: ((String) -> Void)? = nil) -> Report {
        World(plan, trace: trace).run()
    }
}

/// What makes a world: equal plans give equal worlds.
package struct Plan: Sendable, Equatable {
    package var seed: UInt64
    /// Events with faults, before the world is left in peace.
    package var steps: Int
    /// Faults left out, by their number in the world (from 1).
    package var skip: Set<Int>
    package var kind: Kind
    package enum Kind: String, CaseIterable, Sendable {
        /// Of all sorts, as the seed has it.
        case mixed
        /// Faults of all kinds follow one another for as long as the world stands, some of them for good: nodes that never come back, cuts that
        /// never heal, disks that stay full. Nobody is owed progress; what must never be is asked for all the same.
        case unlimited
        /// Topics keep moving: those of no order from group to group, as subscribers come and go, those that few nodes keep from holder to holder.
        case moving
        /// The ways between some nodes are slow, all else is quick, and the view changes all the time.
        case crooked
    }
    var isUnlimited: Bool { kind == .unlimited }
    package init(seed: UInt64, steps: Int, skip: Set<Int> = [], kind: Kind = .mixed) {
        self.seed = seed
        self.steps = steps
        self.skip = skip
        self.kind = kind
    }
}

/// What came of a run.
package struct Report: Sendable, Equatable {
    package struct Counts: Sendable, Equatable {
        package init() {}
        package var events = 0
        package var faults = 0
        package var crashes = 0
        package var restarts = 0
        package var views = 0
        package var records = 0
        package var acknowledged = 0
        package var received = 0
        package var gaps = 0
        package var fenced = 0
        /// Records that were refused, and what their publishers had sent behind them.
        package var slips = 0
        /// Nodes that left on an operator's word.
        package var leaves = 0
        /// Questions to the store that were answered; puts among them that were refused.
        package var stored = 0
        package var conflicts = 0
        /// Records that members of consumer groups were given, and those of them that had been done with.
        package var consumed = 0
        package var repeated = 0
        /// Records of unordered topics that subscribers received.
        package var news = 0
        /// Times that a node has cleaned its log, to the end of a pass; questions that were refused because of it.
        package var passes = 0
        /// Records that were gone from some log at the end.
        package var gone = 0
        package var refused = 0
        /// Questions of one node to another for records, or values, that it does not hold; times that a node has got back what it is to hold.
        package var asked = 0
        package var filled = 0
        /// Times that a sender took an unordered topic from one group into another, and that a node became a holder of durable ones.
        package var moves = 0
        package var handovers = 0
        /// Bits that turned over on a disk.
        package var rots = 0
        /// Nanoseconds of virtual time.
        package var virtual: UInt64 = 0
    }
    package let seed: UInt64
    /// Of all that happened: equal runs have equal digests.
    package let digest: UInt64
    package let counts: Counts
    package let violation: String?
    /// Faults that happened, by number.
    package let struck: [Int]
}
