import ArgumentParser
import Glibc
import Simulation

/// The child's side: runs worlds one after the other and says how each went.
///
///      > seed                                  begins
///      < seed digest counts…                   went well
///      ! seed digest counts… | violation       did not; the child goes on
struct Work: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Runs worlds for another process.", shouldDisplay: false)

    @Option var from: UInt64
    @Option var to: UInt64
    @Option var stride: UInt64 = 1
    @OptionGroup var size: Size
    @Option var skip = ""
    @Option var mutant: String?

    mutating func run() throws {
        if let mutant, !plant(mutant) { throw ExitCode(2) }
        var seed = from
        while seed <= to {
            say("> \(seed)")
            let report = Simulation.run(size.plan(seed, skip: numbers(skip) ?? []))
            let digest = String(report.digest, radix: 16)
            let numbers = Tally(report).numbers.map { "\($0)" }.joined(separator: " ")
            let struck = report.struck.map { "\($0)" }.joined(separator: ",")
            if let violation = report.violation {
                say("! \(seed) \(digest) \(numbers) | \(struck) | \(violation.replacing("\n", with: " "))")
            } else {
                say("< \(seed) \(digest) \(numbers)")
            }
            guard stride > 0, seed <= .max - stride else { return }
            seed += stride
        }
    }

    /// At once, so that a trap leaves the seed behind.
    private func say(_ line: String) {
        print(line)
        fflush(nil)
    }
}

/// What a child has said of one world.
enum Word {
    case begins(UInt64)
    case ended(UInt64, digest: String, Tally, violation: String?, struck: [Int])

    init?(_ line: String) {
        let parts = line.split(separator: "|", maxSplits: 2)
        let words = (parts.first ?? "").split(separator: " ")
        guard words.count >= 2, let seed = UInt64(words[1]) else { return nil }
        switch words[0] {
        case ">": self = .begins(seed)
        case "<", "!":
            guard words.count > 2 else { return nil }
            let struck = parts.count > 1 ? parts[1].split(separator: ",").compactMap { Int($0.filter(\.isNumber)) } : []
            let violation = parts.count > 2 ? String(parts[2].dropFirst()) : nil
            self = .ended(seed, digest: String(words[2]), Tally(words.dropFirst(3).compactMap { UInt64($0) }), violation: violation, struck: struck)
        default: return nil
        }
    }
}

/// What happened in worlds, in numbers.
struct Tally: CustomStringConvertible {
    private(set) var numbers: [UInt64]
    private static let names = [
        "events", "faults", "crashes", "restarts from disk", "views", "records", "acknowledged", "fenced", "refused", "given to consumers", "unordered received", "cleanings", "records gone",
        "questions refused for that", "asked of holders", "holders filled", "moves between groups", "between holders", "ns of virtual time",
    ]
    init(_ numbers: [UInt64] = []) { self.numbers = numbers.count == Self.names.count ? numbers : Self.names.map { _ in 0 } }
    init(_ report: Report) {
        let c = report.counts
        numbers = [c.events, c.faults, c.crashes, c.restarts, c.views, c.records, c.acknowledged, c.fenced, c.slips, c.consumed, c.news, c.passes, c.gone, c.refused, c.asked, c.filled, c.moves, c.handovers].map { UInt64($0) } + [c.virtual]
    }
    static func += (a: inout Tally, b: Tally) { for i in a.numbers.indices { a.numbers[i] += b.numbers[i] } }
    var events: UInt64 { numbers[0] }
    var description: String { zip(numbers, Self.names).map { "\($0) \($1)" }.joined(separator: ", ") }
}
