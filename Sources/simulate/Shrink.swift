import ArgumentParser
import Glibc
import Simulation

/// Makes a failing world small: fewer events, fewer faults, the same kind of failure or another.
struct Shrink: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Finds a shorter world with fewer faults that still fails.",
        discussion: "The result goes to Tests/Seeds, where the tests replay it for good.")

    @Argument(help: "The seed that fails.") var seed: UInt64
    @OptionGroup var size: Size
    @Option(help: "Plant this fault (a build with the faults in it).") var mutant: String?
    @Option(help: "Where to keep the result; nothing: only print it.") var out: String?

    private struct Failure {
        let what: String
        let struck: [Int]
    }

    mutating func run() throws {
        guard let first = fails(size.steps, []) else {
            print("seed \(seed) does not fail in \(size.steps) steps")
            throw ExitCode(2)
        }
        print("fails: \(first.what)")
        let (steps, shorter) = shorten(first)
        var (skip, last) = leaveOut(steps, shorter)
        // Fewer faults often need fewer events.
        let (least, final) = shorten(last, steps, skip)
        last = final
        skip = skip.filter { $0 > 0 }
        let list = skip.sorted().map { "\($0)" }.joined(separator: ",")
        print("\(least) steps, \(last.struck.count) faults: \(last.what)")
        print("again: simulate --seed \(seed) \(Size(steps: least, as: size).text)\(list.isEmpty ? "" : " --skip \(list)") --trace")
        if let out { try keep(in: out, least, list, last.what) }
    }

    private func shorten(_ failure: Failure, _ most: Int? = nil, _ skip: Set<Int> = []) -> (Int, Failure) {
        var (steps, last) = (most ?? size.steps, failure)
        // A world is cut short and left in peace: it need not fail there, so every cut is tried, large ones first.
        var cut = steps / 2
        while cut > 4 {
            if steps > cut, let failure = fails(steps - cut, skip) { (steps, last) = (steps - cut, failure) } else { cut /= 2 }
        }
        return (steps, last)
    }

    private func leaveOut(_ steps: Int, _ failure: Failure) -> (Set<Int>, Failure) {
        var skip: Set<Int> = []
        var last = failure
        var width = max(1, last.struck.count / 2)
        while true {
            var any = false
            var start = 0
            while start < last.struck.count {
                let part = last.struck[start..<min(start + width, last.struck.count)]
                if let failure = fails(steps, skip.union(part)) {
                    skip.formUnion(part)
                    last = failure
                    any = true
                } else { start += width }
            }
            if width == 1, !any { return (skip, last) }
            width = max(1, width / 2)
        }
    }

    private func fails(_ steps: Int, _ skip: Set<Int>) -> Failure? {
        let list = skip.sorted().map { "\($0)" }.joined(separator: ",")
        var arguments = ["work", "--from", "\(seed)", "--to", "\(seed)"] + Size(steps: steps, as: size).words
        if !list.isEmpty { arguments += ["--skip", list] }
        if let mutant { arguments += ["--mutant", mutant] }
        guard let child = Child(arguments) else { return nil }
        var hasEnded = false
        while let lines = child.lines() {
            for line in lines {
                guard case .ended(_, _, _, let violation, let struck) = Word(line) else { continue }
                hasEnded = true
                if let violation { return Failure(what: violation, struck: struck) }
            }
        }
        return hasEnded ? nil : Failure(what: "the world traps", struck: [])
    }

    private func keep(in folder: String, _ steps: Int, _ skip: String, _ what: String) throws {
        let path = "\(folder)/\(seed)-\(steps).seed"
        guard let file = unsafe fopen(path, "w") else { throw ValidationError("--out: \(path) cannot be written") }
        unsafe fputs("seed \(seed)\nsteps \(steps)\n\(size.kind == .mixed ? "" : "\(size.kind.rawValue)\n")skip \(skip)\nwhat \(what)\n", file)
        unsafe fclose(file)
        print("kept: \(path)")
    }
}
