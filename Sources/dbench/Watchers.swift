import ArgumentParser
import Client
import Tooling

/// Many watches of mixed kinds that match nothing that the other commands publish.
struct Watchers: ParsableCommand, Tool {
    static let configuration = CommandConfiguration(
        abstract: "Hold many subscriptions that match nothing, until interrupted.",
        discussion: "Names, filters with + and #, and key ranges, in equal parts. Writes \"ready\" to standard error when all stand.")
    @OptionGroup var connection: ConnectionFlags
    @Option(help: "Patterns in all.") var watches = 100_000
    @Option(help: "Sessions that share them.") var sessions = 20

    func perform() throws(ToolFailure) -> ExitStatus {
        guard sessions > 0, watches >= sessions else { throw .usage("--sessions is at least 1, --watches at least as many") }
        let options = try connection.resolve()
        Interrupts.install(leavingAtOnce: .done)
        do throws(ClientError) {
            let start = monotonic()
            var subscribers: [Subscriber] = []
            for session in 0..<sessions {
                let numbers = watches * session / sessions..<watches * (session + 1) / sessions
                let subscriber = try Subscriber(options, Subscription(patterns: numbers.map(Self.pattern)))
                try subscriber.connect()
                subscribers.append(subscriber)
            }
            _ = Descriptor.writeLine("\(watches) watches in \(Double(monotonic() - start) / 1e9) s", to: 2)
            _ = Descriptor.writeLine("ready", to: 2)
            Interrupts.engage()
            while !Interrupts.asked {
                for subscriber in subscribers { _ = try subscriber.poll(upTo: 0.5 / Double(sessions)) { _ in true } }
            }
            for subscriber in subscribers { subscriber.close() }
        } catch {
            throw ToolFailure(status: error.exitStatus, error.description)
        }
        return .done
    }

    /// Below `away/`, and ranges among names that begin so.
    private static func pattern(_ number: Int) -> String {
        switch number % 4 {
        case 0: "away/site\(number % 97)/line\(number % 1013)/sensor\(number)"
        case 1: "away/site\(number % 97)/+/sensor\(number)"
        case 2: "away/site\(number % 97)/line\(number)/#"
        default: "away/line\(number)..away/line\(number)9"
        }
    }
}
