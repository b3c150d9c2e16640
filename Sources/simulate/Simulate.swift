import ArgumentParser
import Glibc
import Simulation

@main
struct Simulate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Runs the broker's core in a simulated world and checks what it does.",
        discussion: "Each seed is printed before it runs, so that a trap names it. Exit status 1: a violation was found.")

    @Option(help: "Run this seed alone.") var seed: UInt64?
    @Option(help: "Run these seeds: first..last.") var seeds: String?
    @Option(help: "Run seeds, from the first of --seeds (or 1) on, for so many minutes.") var minutes: Double?
    @Option(help: "Events with faults in each world.") var steps = 8_000
    @Flag(help: "Print what happens.") var trace = false
    @Flag(help: "Do not stop at a violation.") var all = false

    mutating func validate() throws {
        guard steps > 0 else { throw ValidationError("--steps: \(steps) is not above 0") }
        if seeds != nil, range == nil { throw ValidationError("--seeds: write first..last, for example 1..500") }
    }

    private var range: ClosedRange<UInt64>? {
        let ends = (seeds ?? "").split(separator: ".", omittingEmptySubsequences: true).compactMap { UInt64($0) }
        guard ends.count == 2, ends[0] <= ends[1] else { return nil }
        return ends[0]...ends[1]
    }

    mutating func run() throws {
        let clock = ContinuousClock()
        let end = minutes.map { clock.now + .seconds($0 * 60) }
        var next = seed ?? range?.lowerBound ?? 1
        let last = seed ?? (minutes == nil ? range?.upperBound ?? next : .max)
        var total = Report.Counts()
        var worlds = 0
        var failed = 0
        while next <= last, end.map({ clock.now < $0 }) ?? true {
            say("seed \(next)", end: " ")
            let report = trace ? Simulation.run(seed: next, steps: steps) { print($0) } : Simulation.run(seed: next, steps: steps)
            worlds += 1
            add(report.counts, to: &total)
            if let violation = report.violation {
                failed += 1
                say("VIOLATION: \(violation)", end: "\n")
                if !all { break }
            } else {
                say(seed == nil ? "\r" : "\(report.counts), digest \(String(report.digest, radix: 16))\n", end: "")
            }
            next += 1
        }
        print("\(worlds) worlds, \(failed) with a violation; \(total.events) events, \(total.virtual / 1_000_000_000) s of virtual time, \(total.faults) faults, \(total.crashes) crashes, \(total.restarts) restarts from disk, \(total.views) views, \(total.records) records, \(total.acknowledged) acknowledged, \(total.fenced) fenced, \(total.gaps) gaps")
        if failed > 0 { throw ExitCode(1) }
    }

    /// At once, so that a trap leaves the seed behind.
    private func say(_ text: String, end: String) {
        print(text, terminator: end)
        fflush(nil)
    }

    private func add(_ counts: Report.Counts, to total: inout Report.Counts) {
        total.events += counts.events
        total.faults += counts.faults
        total.crashes += counts.crashes
        total.restarts += counts.restarts
        total.views += counts.views
        total.records += counts.records
        total.acknowledged += counts.acknowledged
        total.fenced += counts.fenced
        total.gaps += counts.gaps
        total.virtual += counts.virtual
    }
}
