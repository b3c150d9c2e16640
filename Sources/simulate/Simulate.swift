import ArgumentParser
import Glibc
import Simulation

@main
struct Simulate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Runs the broker's core in simulated worlds and checks what it does.",
        discussion: "Exit status 1: a violation was found, or a planted fault was not.",
        subcommands: [Run.self, Shrink.self, Mutants.self, Work.self], defaultSubcommand: Run.self)
}

/// How large the worlds are.
struct Size: ParsableArguments {
    @Option(help: "Events with faults in each world.") var steps = 2_000
    @Flag var kind = Plan.Kind.mixed

    init() {}
    init(steps: Int, as other: Size) { (self.steps, kind) = (steps, other.kind) }
    func plan(_ seed: UInt64, skip: Set<Int> = []) -> Plan { Plan(seed: seed, steps: steps, skip: skip, kind: kind) }
    /// As a child is told it, or whoever runs a world again.
    var words: [String] { ["--steps", "\(steps)"] + (kind == .mixed ? [] : ["--\(kind.rawValue)"]) }
    var text: String { words.joined(separator: " ") }

    mutating func validate() throws {
        guard steps > 0 else { throw ValidationError("--steps: \(steps) is not above 0") }
    }
}

extension Plan.Kind: EnumerableFlag {
    static func help(for kind: Plan.Kind) -> ArgumentHelp? {
        switch kind {
        case .mixed: "Worlds of all sorts."
        case .unlimited: "Worlds whose faults never end and may last: they are never left in peace, and safety alone is asked for."
        case .moving: "Worlds in which topics move from group to group and from holder to holder all the time."
        case .crooked: "Worlds in which the ways between some nodes are slow, and the view changes all the time."
        }
    }
}

/// One seed, or many on all processors.
struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Runs worlds: one seed, a range of them, or as many as fit into some minutes.")

    @Option(help: "Run this seed alone.") var seed: UInt64?
    @Option(help: "Run these seeds: first..last.") var seeds: String?
    @Option(help: "Run seeds, from the first of --seeds (or 1) on, for so many minutes.") var minutes: Double?
    @OptionGroup var size: Size
    @Option(help: "Leave these faults of the world out, by number: 3,5,8.") var skip = ""
    @Flag(help: "Print what happens.") var trace = false
    @Option(help: "Plant this fault in the world of --seed (a build with the faults in it).") var mutant: String?
    @Option(help: "Worlds at a time.") var jobs = processors

    mutating func validate() throws {
        if seeds != nil, range == nil { throw ValidationError("--seeds: write first..last, for example 1..500") }
        if jobs < 1 { throw ValidationError("--jobs: \(jobs) is not above 0") }
        if numbers(skip) == nil { throw ValidationError("--skip: write the faults' numbers, for example 3,5,8") }
    }

    private var range: ClosedRange<UInt64>? {
        let ends = (seeds ?? "").split(separator: ".", omittingEmptySubsequences: true).compactMap { UInt64($0) }
        guard ends.count == 2, ends[0] <= ends[1] else { return nil }
        return ends[0]...ends[1]
    }

    mutating func run() throws {
        if let mutant, !plant(mutant) { throw ValidationError("--mutant: no fault \(mutant) in this build") }
        if let seed { return try one(size.plan(seed, skip: numbers(skip) ?? [])) }
        let first = range?.lowerBound ?? 1
        let last = minutes == nil ? range?.upperBound ?? first : .max
        let sweep = Sweep(size, jobs: jobs)
        let failed = sweep.run(from: first, to: last, seconds: minutes.map { $0 * 60 })
        print(sweep.summary)
        for seed in failed.sorted() { print("again: simulate --seed \(seed) \(size.text) --trace; smaller: simulate shrink \(seed) \(size.text)") }
        let odd = sweep.repeatEveryHundredth()
        if sweep.repeated > 0 { print("\(sweep.repeated) worlds run again in a fresh process: \(odd.isEmpty ? "all digests equal" : "DIGESTS DIFFER: \(odd)")") }
        if !sweep.isRepeated { print("of the worlds that were to be run again some gave no answer") }
        if sweep.missing > 0 { print("\(sweep.missing) worlds were to run and gave no answer: no process for them, or it ended by itself") }
        if !failed.isEmpty || !odd.isEmpty || !sweep.isRepeated || sweep.missing > 0 { throw ExitCode(1) }
    }

    /// In this process, so that a debugger or a profiler sees it.
    private func one(_ plan: Plan) throws {
        let report = trace ? Simulation.run(plan) { print($0) } : Simulation.run(plan)
        print("seed \(plan.seed): \(Tally(report)), digest \(String(report.digest, radix: 16))")
        guard let violation = report.violation else { return }
        print("VIOLATION: \(violation)")
        throw ExitCode(1)
    }
}

/// The processors that this machine has online.
var processors: Int { max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))) }

/// `3,5,8` as numbers; nil where it is something else.
func numbers(_ list: String) -> Set<Int>? {
    let parts = list.split(separator: ",")
    let values = parts.compactMap { Int($0) }
    return values.count == parts.count ? Set(values) : nil
}
