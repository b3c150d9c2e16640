import CFaults
import Foundation

/// Real faults against real processes; see scripts/faults.
@main
struct Faults {
    static func main() {
        let options: Options
        switch Options.parse(Array(CommandLine.arguments.dropFirst())) {
        case .success(let parsed): options = parsed
        case .failure(let fault):
            say("faults: \(fault.text)")
            exit(64)
        }
        do throws(Trouble) { exit(try run(options)) } catch {
            say("faults: \(error)")
            exit(1)
        }
    }

    private static func run(_ options: Options) throws(Trouble) -> Int32 {
        prepare()
        let tools = Tools(folder: options.bin, lines: options.work + "/lines")
        try Lines.write(to: tools.lines)
        switch options.verb {
        case .mixed(let kinds, let minutes):
            let board = Board(seconds: minutes * 60)
            Interrupt.install(board)
            return mixed(kinds, options, tools, board)
        case .planted:
            return Planted(options, tools).run()
        case .calm(let minutes):
            return try Calm(options, tools, minutes: minutes).run()
        case .join(let mebibytes):
            return try Joining(options, tools, mebibytes: mebibytes).run()
        case .latency(let rounds):
            return try Latency(options, tools, rounds: rounds).run()
        }
    }

    /// Mounts of our own, which go with us; and in them an empty /proc/kallsyms, which libfabric's verbs provider otherwise
    /// reads to its end at each start of a process: 150 ms of processor time.
    private static func prepare() {
        let status = faults_own_mounts()
        if status < 0 { say("faults: no mounts of our own: \(reason(-status))") }
        if status == 0 { _ = unsafe faults_bind("/dev/null", "/proc/kallsyms") }
    }

    private static func mixed(_ kinds: [Kind], _ options: Options, _ tools: Tools, _ board: Board) -> Int32 {
        say("seed \(options.seed), \(kinds.map { options.scenes($0) }.reduce(0, +)) clusters side by side")
        let done = DispatchGroup()
        var place: UInt64 = 0
        for kind in kinds {
            for index in 1...options.scenes(kind) {
                place += 1
                let seed = options.seed &+ place &* 1_000_003
                done.enter()
                Thread.detachNewThread {
                    Scene(kind, index, tools, work: options.work, evidence: options.evidence, seed: seed, board).run()
                    done.leave()
                }
            }
        }
        done.wait()
        let (text, passed, failed) = board.report(kinds)
        print(text)
        print("\(passed) passed, \(failed) failed")
        return failed == 0 && passed > 0 ? 0 : 1
    }
}

func say(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }

/// SIGINT and SIGTERM end the run early, with its table.
enum Interrupt {
    static func install(_ board: Board) {
        for number in [SIGINT, SIGTERM] {
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { board.interrupt() }
            source.resume()
            // For as long as the program runs.
            kept.withLock { $0.append(source) }
        }
    }
    private static let kept = Kept()
    private final class Kept: @unchecked Sendable {
        // Sendable: the lock guards it.
        private let lock = NSLock()
        private var sources: [any DispatchSourceSignal] = []
        func withLock(_ body: (inout [any DispatchSourceSignal]) -> Void) { lock.withLock { body(&sources) } }
    }
}
