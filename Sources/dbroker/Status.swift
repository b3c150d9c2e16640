import ArgumentParser
import CSystem
import Client
import Glibc
import Tooling

struct Status: ParsableCommand, Tool {
    static let configuration = CommandConfiguration(
        abstract: "Show a node's view of the cluster.",
        discussion: """
            Members and their ranks, suspicions, learners and how far they have come; for each level how many records are
            ordered, stable, durable and delivered.

            dbroker status                          # the node on this machine
            dbroker status --watch -b 192.0.2.1     # again every second, until interrupted
            """)
    @OptionGroup var connection: ConnectionFlags
    @Flag(name: [.customShort("J"), .long], help: "As JSON.") var json = false
    @Flag(name: [.customShort("w"), .long], help: "Again every second; from another node when the one asked is lost.") var watch = false

    func perform() throws(ToolFailure) -> ExitStatus {
        guard watch else {
            let answer = try ask(connection, "status")
            _ = Descriptor.writeLine(json ? answer : StatusText.render(answer), to: 1)
            return .done
        }
        return try StatusWatch(options: try connection.resolve(), json: json).run()
    }
}

/// The status once a second: in place on a terminal, block after block otherwise.
struct StatusWatch {
    private var options: ClientOptions
    private let json: Bool
    private let isTerminal = Terminal.isTerminal(1)
    private let patience: Double
    private var isFirst = true

    /// Seconds between two answers, and how long a node may take for one before another is asked.
    private static let pause = 1.0
    private static let most = 3.0

    init(options: ClientOptions, json: Bool) {
        self.options = options
        self.json = json
        patience = options.patience
    }

    /// Until it is interrupted; where nobody answers at first, status 69.
    func run() throws(ToolFailure) -> ExitStatus {
        Interrupts.install(leavingAtOnce: .done)
        Interrupts.engage()
        var watch = self
        while !Interrupts.asked {
            let start = Self.now()
            guard try watch.step() else { break }
            watch.options.patience = min(Self.most, patience)
            while !Interrupts.asked, Self.now() - start < Self.pause { usleep(20_000) }
        }
        return .done
    }

    /// False: nobody reads any more.
    private mutating func step() throws(ToolFailure) -> Bool {
        let answer: String?
        do throws(ClientError) { answer = try inquire(options, "status") { Interrupts.asked } } catch {
            if isFirst { throw ToolFailure(status: error.exitStatus, error.description) }
            options.brokers.append(options.brokers.removeFirst())
            return show("\(error)")
        }
        guard let answer else { return true }
        remember(answer)
        return show(json ? answer : StatusText.render(answer))
    }

    /// The node that answered is asked first from now on, and behind it those that it names.
    private mutating func remember(_ answer: String) {
        guard let status = StatusAnswer(answer) else { return }
        let known = status.nodes.compactMap { node in (try? parseBrokers(node.address))?.first.map { (node.node, $0) } }
        var order = known.filter { $0.0 == status.node }.map(\.1)
        for broker in known.map(\.1) + options.brokers where !order.contains(broker) { order.append(broker) }
        // On a member's own machine its address may be another than the one that was given: that one stays the first.
        if isFirst, let given = options.brokers.first { order = [given] + order.filter { $0 != given } }
        options.brokers = order
    }

    private mutating func show(_ text: String) -> Bool {
        defer { isFirst = false }
        guard isTerminal, !json else { return Descriptor.writeLine(isFirst || json ? text : "\n" + text, to: 1) }
        // Home; each line's rest, and what is below, cleared: nothing flickers.
        let body = text.split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "\u{1B}[K\n")
        return Descriptor.writeLine((isFirst ? "\u{1B}[2J" : "") + "\u{1B}[H" + body + "\u{1B}[K\u{1B}[J", to: 1)
    }

    private static func now() -> Double {
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
