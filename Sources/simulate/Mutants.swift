import ArgumentParser
import Glibc
import Simulation

/// Plants each fault in turn and counts the seeds until a checker catches it.
struct Mutants: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Plants known faults, one at a time, and counts the seeds until each is caught.",
        discussion: "Only in a build with the faults in it: scripts/mutants makes one.")

    @Option(help: "Give up on a fault after so many seeds.") var limit: UInt64 = 20_000
    @Option(help: "Only these: name,name.") var only = ""
    @OptionGroup var size: Size
    @Option(help: "Faults at a time.") var jobs = processors

    private struct Trial {
        let name: String
        var child: Child
        var at: UInt64?
    }

    mutating func run() throws {
        guard !mutantNames.isEmpty else {
            print("simulate: this build has no planted faults; scripts/mutants makes one that has")
            throw ExitCode(2)
        }
        let wanted = only.split(separator: ",").map(String.init)
        if let odd = wanted.first(where: { !mutantNames.contains($0) }) {
            throw ValidationError("--only: no fault \(odd); there are \(mutantNames.joined(separator: ", "))")
        }
        var left = (wanted.isEmpty ? mutantNames : wanted)[...]
        var trials: [Trial] = []
        var caught: [UInt64] = []
        var missed: [String] = []
        print("fault                      seeds  caught by")
        while !trials.isEmpty || !left.isEmpty {
            while trials.count < jobs, let name = left.popFirst() {
                guard let child = begin(name) else { continue }
                trials.append(Trial(name: name, child: child))
            }
            guard let place = Child.wait(trials.map(\.child), milliseconds: 1_000) else { continue }
            guard let verdict = hear(&trials[place]) else { continue }
            let trial = trials.remove(at: place)
            trial.child.stop()
            if let (seed, what) = verdict.caught {
                caught.append(seed)
                line(trial.name, "\(seed)", what)
            } else {
                missed.append(trial.name)
                line(trial.name, "-", "NOT CAUGHT in \(limit) seeds")
            }
        }
        let median = caught.isEmpty ? 0 : caught.sorted()[caught.count / 2]
        print("\(caught.count) of \(caught.count + missed.count) caught; median \(median) seeds, most \(caught.max() ?? 0)")
        if !missed.isEmpty { throw ExitCode(1) }
    }

    private struct Verdict { let caught: (UInt64, String)? }

    private func begin(_ name: String) -> Child? {
        var size = size
        if let kind = kind(ofMutant: name) { size.kind = kind }
        return Child(["work", "--from", "1", "--to", "\(limit)", "--mutant", name] + size.words)
    }

    /// nil: nothing is decided yet.
    private func hear(_ trial: inout Trial) -> Verdict? {
        guard let lines = trial.child.lines() else {
            guard let seed = trial.at else { return Verdict(caught: nil) }
            return Verdict(caught: (seed, "an assertion of the node's own"))
        }
        for line in lines {
            switch Word(line) {
            case .begins(let seed): trial.at = seed
            case .ended(let seed, _, _, let violation, _):
                trial.at = nil
                if let violation { return Verdict(caught: (seed, violation)) }
            case nil: break
            }
        }
        return nil
    }

    private func line(_ name: String, _ seeds: String, _ what: String) {
        let pad = String(repeating: " ", count: max(1, 26 - name.count))
        let gap = String(repeating: " ", count: max(1, 6 - seeds.count))
        print("\(name)\(pad)\(gap)\(seeds)  \(what.prefix(110))")
        fflush(nil)
    }
}
