internal import ArgumentParser
internal import Client
internal import Tooling
internal import Wire

@main struct Dpub: Tool {
    static let configuration = CommandConfiguration(
        commandName: "dpub",
        abstract: "Publish records to a topic.",
        discussion: """
            One record per line of standard input when nothing else is said.

            Examples:
              dpub plant/m1/temperature -m 21.5
              tail -F /var/log/syslog | dpub logs/$(hostname)
              dpub --csv --value-column value < sensors.csv
              dpub --csv --speed 60x -f sensors.csv
              mosquitto_sub -t '#' -F %j | dpub --json --topic-field topic

            A CSV row without --value-column becomes a JSON object of the columns that are not topic, key or time; what is a \
            JSON number is written as one, everything else as a string. Times: 2026-11-21T10:00:00.5+01:00, with a space for \
            the T, without a zone (UTC), or a number of seconds, milli-, micro- or nanoseconds since 1970.

            The first interrupt stops reading and waits for acknowledgements, the second leaves at once.
            Exit status: 0 done, 1 failed, 3 some records not acknowledged, 64 usage, 65 input not understood, \
            69 no broker reached, 77 not allowed, 78 configuration. The file that SQUALL_SECRET_FILE names holds the \
            cluster's secret.
            """,
        version: toolVersion)

    @Argument(help: "The topic to publish to.")
    var topic: String?
    @Option(name: [.customShort("t"), .customLong("topic")], help: ArgumentHelp("The same as TOPIC.", valueName: "topic"))
    var topicOption: String?
    @OptionGroup var connection: ConnectionFlags
    @OptionGroup(title: "Input") var input: InputFlags
    @OptionGroup(title: "Records") var record: RecordFlags
    @OptionGroup(title: "Running") var running: RunFlags

    static func main() { runToExit() }

    func perform() throws(ToolFailure) -> ExitStatus {
        let plan = try Plan(topic: topic, option: topicOption, input, record, running)
        let options = try connection.resolve()
        var source = try open(plan.input)
        var isMessage = false
        switch plan.input {
        case .message, .whole: isMessage = true
        default: break
        }
        if plan.times > 1, !isMessage, !source.canRewind {
            throw .usage("--repeat: \(source.name) cannot be read twice; give a file")
        }
        let job = Job(plan: plan, options: options, running: running, isMessage: isMessage)
        if running.dryRun {
            let sink = DryRun(lists: running.verbose)
            let failure = job.run(&source, sink).failure(sink.tally)
            if let failure { say("dpub", failure.message) }
            if !running.quiet { _ = Descriptor.writeLine(sink.summary(), to: 2) }
            return failure?.status ?? .done
        }
        Interrupts.install(leavingAtOnce: .unacknowledged)
        let publisher = try job.connect()
        Interrupts.engage()
        let start = Clock.monotonic()
        let result = job.run(&source, publisher)
        let seconds = Clock.monotonic() - start
        let tally = publisher.tally
        publisher.close()
        // What went wrong comes first, the closing line last.
        let failure = result.failure(tally)
        if let failure, !failure.message.isEmpty { say("dpub", failure.message) }
        if running.verbose { say("dpub", job.details(tally, seconds)) }
        if !running.quiet { _ = Descriptor.writeLine(closingLine(tally, seconds: seconds), to: 2) }
        return failure?.status ?? .done
    }

    private func open(_ input: Plan.Input) throws(ToolFailure) -> InputSource {
        let path: String?
        switch input {
        case .message(let bytes): return InputSource(bytes: bytes)
        case .whole(let file), .lines(let file, _), .csv(let file, _), .json(let file, _, _): path = file
        }
        guard let path, path != "-" else { return InputSource(file: 0, name: "stdin", owned: false) }
        do throws(SystemFault) {
            return InputSource(file: try Descriptor.open(path), name: path, owned: true)
        } catch {
            throw ToolFailure(.failed, "\(path): \(error.reason)")
        }
    }
}
