import ArgumentParser
import Client
import Tooling
import Wire

struct Consumers: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Consumer groups: who reads what, and how far they have come.",
        discussion: """
            dbroker consumers                              # groups, members, lag
            dbroker consumers -J
            dbroker consumers reset ingest --to @-1h       # records of the last hour come again
            dbroker consumers rm ingest

            Lag: records of the log from the oldest that is not done with to the end, whoever's they are, and the age of that one.
            """,
        subcommands: [ConsumerList.self, ConsumerReset.self, ConsumerRemove.self], defaultSubcommand: ConsumerList.self)
}

struct ConsumerList: ParsableCommand, Tool {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Groups, their members, and their lag.")
    @OptionGroup var connection: ConnectionFlags
    @Flag(name: [.customShort("J"), .long], help: "As JSON; without ages.") var json = false

    func perform() throws(ToolFailure) -> ExitStatus {
        let answer = try ask(connection, "consumers")
        if json {
            _ = Descriptor.writeLine(answer, to: 1)
            return .done
        }
        guard let list = ConsumerAnswer(answer) else {
            _ = Descriptor.writeLine(answer, to: 1)
            return .done
        }
        var ages: [String: Double] = [:]
        for group in list.groups where group.lag > 0 {
            guard let record = try firstRecord(connection, .offset(group.place)) else { continue }
            ages[group.name] = max(0, Double(Clock.wall() - Int64(clamping: record.ordered)) / 1e9)
        }
        _ = Descriptor.writeLine(ConsumerText.render(list, ages: ages), to: 1)
        return .done
    }
}

struct ConsumerReset: ParsableCommand, Tool {
    static let configuration = CommandConfiguration(
        commandName: "reset", abstract: "Set where a group goes on; its members are served from there at once.")
    @Argument(help: ArgumentHelp("The group's name.", valueName: "name")) var name: String
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("beginning, end, an offset, s@MS, @2026-11-21T10:00:00Z or @-5m.", valueName: "place"))
    var to: String
    @OptionGroup var connection: ConnectionFlags

    func perform() throws(ToolFailure) -> ExitStatus {
        let options = try connection.resolve()
        let place = try ConsumerPlace(parsing: to, connection)
        do throws(ClientError) { try resetConsumers(options, name, to: place) } catch {
            throw ToolFailure(status: error.exitStatus, error.description)
        }
        let what = switch place { case .beginning: "the beginning"; case .end: "the end"; case .offset(let offset): "offset \(offset)" }
        _ = Descriptor.writeLine("consumer group \"\(name)\" goes on from \(what)", to: 1)
        return .done
    }
}

struct ConsumerRemove: ParsableCommand, Tool {
    static let configuration = CommandConfiguration(commandName: "rm", abstract: "Forget a group that has no members.")
    @Argument(help: ArgumentHelp("The group's name.", valueName: "name")) var name: String
    @OptionGroup var connection: ConnectionFlags

    func perform() throws(ToolFailure) -> ExitStatus {
        let options = try connection.resolve()
        do throws(ClientError) { try removeConsumers(options, name) } catch {
            throw ToolFailure(status: error.exitStatus, error.description)
        }
        _ = Descriptor.writeLine("consumer group \"\(name)\" is removed", to: 1)
        return .done
    }
}

extension ConsumerPlace {
    /// `beginning`, `end`, N, or a time, which is asked of the log.
    fileprivate init(parsing text: String, _ connection: ConnectionFlags) throws(ToolFailure) {
        switch text {
        case "beginning", "earliest": self = .beginning
        case "end", "latest": self = .end
        default:
            if let offset = UInt64(text) {
                self = .offset(offset)
            } else if let time = Self.time(text) {
                self = try firstRecord(connection, .time(time)).map { ConsumerPlace.offset($0.offset) } ?? .end
            } else {
                throw .usage("--to: \"\(text)\" is not a place: beginning, end, an offset, s@MS, @TIME or @-5m")
            }
        }
    }
    /// Nanoseconds since 1970.
    private static func time(_ text: String) -> UInt64? {
        if text.hasPrefix("s@") {
            guard let milliseconds = UInt64(text.dropFirst(2)) else { return nil }
            let (time, over) = milliseconds.multipliedReportingOverflow(by: 1_000_000)
            return over ? nil : time
        }
        guard text.hasPrefix("@") else { return nil }
        return Moment.parse(String(text.dropFirst()), now: Clock.wall())
    }
}

/// The first durable record from `start` on, if there is one: its offset, and when it was ordered, nanoseconds since 1970.
private func firstRecord(_ connection: ConnectionFlags, _ start: StartPosition) throws(ToolFailure) -> (offset: UInt64, ordered: UInt64)? {
    let options = try connection.resolve()
    var found: (UInt64, UInt64)?
    do throws(ClientError) {
        var subscription = Subscription(patterns: ["#", "$SYS/#"])
        subscription.start = start
        let subscriber = try Subscriber(options, subscription)
        defer { subscriber.close() }
        try subscriber.connect()
        var isAtEnd = false
        while found == nil, !isAtEnd {
            isAtEnd = try subscriber.poll(upTo: 1) { record in
                guard record.group == GroupID.durable.raw, found == nil else { return true }
                found = (record.offset, record.ordered)
                return false
            }.atEnd
        }
    } catch { throw ToolFailure(status: error.exitStatus, error.description) }
    return found
}
