/// Runs the shipping core in a world of its own: virtual time, links and disks that fail, clients, checkers. A seed says it all.
package enum Simulation {
    /// One world: `steps` events with faults, then quiet until all are level, and the verdict.
    package static func run(seed: UInt64, steps: Int, trace: ((String) -> Void)? = nil) -> Report {
        World(seed: seed, trace: trace).run(steps: steps)
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
        /// Nanoseconds of virtual time.
        package var virtual: UInt64 = 0
    }
    package let seed: UInt64
    /// Of all that happened: equal runs have equal digests.
    package let digest: UInt64
    package let counts: Counts
    package let violation: String?
}
