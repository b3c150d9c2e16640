internal import ArgumentParser
internal import Client
internal import Tooling
internal import Wire

@main struct Dsub: Tool {
    static let configuration = CommandConfiguration(
        commandName: "dsub",
        abstract: "Subscribe to topics and print their records.",
        discussion: """
            Patterns: a topic; + for one level, # for all below; a..b for a range of names. Give several, and -T to exclude.

            Examples:
              dsub 'plant/#' -v
              dsub plant/m1/temperature -o beginning -e
              dsub 'plant/+/temperature' -o last -J
              dsub '#' -o @-5m -f '%T %t %s\\n'
              dsub 'plant/#' --as-of 2026-11-21T10:00:00Z -v
              dsub '#' --stats
              dsub 'plant/#' --filter 'value > 80 and unit == "C"'
              dsub -G ingest 'plant/#'          # start several: they share the topics, and go on where they stopped

            Where to begin (-o): beginning, end (default), last (the last value of every topic, then live), an offset N, \
            -N (so many before the end), A..B (offsets from A up to, not including, B; then it ends), s@MS (milliseconds since \
            1970), @2026-11-21T10:00:00Z, @-5m (s, m, h or d ago).
            Consumer groups (-G): the dsubs of one name share the topics, each record goes to one of them, and the cluster keeps how \
            far they have come; -o says only where a new group begins: end (as stored does), beginning or an offset N. With --ack auto what is \
            written out is done with; with --ack manual each line on standard input says that one more record is, in the order of output, \
            and the end of input ends it. Records that were not done with come again, to another. See docs/CONSUMERS.md.
            Format (-f): %t topic, %k key, %s payload, %o offset, %T time, %S size, %h headers, %n node, %%; \\n \\t \\r \\\\ \\0 \\xHH.
            In -J the payload is a string, JSON or not; payload_base64 where it is not UTF-8.

            Exit status: 0 done or interrupted, 1 failed, 27 the time of -W ran out, 64 usage, 69 no broker reached, \
            77 not allowed, 78 configuration. A closed pipe ends it quietly.
            """,
        version: toolVersion)

    @Argument(help: "What to subscribe to.")
    var patterns: [String] = []
    @Option(
        name: .customShort("T"), parsing: .unconditionalSingleValue,
        help: ArgumentHelp("Leave these topics out; repeat for more.", valueName: "pattern"))
    var excluded: [String] = []
    @Option(
        help: ArgumentHelp(
            "Only records for which this holds, as in: value > 80 and (unit == \"C\" or not ok); see docs/FILTERS.md.", valueName: "expression"))
    var filter = ""
    @Option(
        name: .customShort("q"),
        help: ArgumentHelp("Refuse topics of a lower level: unordered, ordered, durable, signed, or 0 to 3.", valueName: "level"))
    var level: String?
    @OptionGroup(title: "Consumer groups") var sharing: SharingFlags
    @OptionGroup var connection: ConnectionFlags
    @OptionGroup(title: "Where to begin and end") var span: SpanFlags
    @OptionGroup(title: "Output") var output: OutputFlags

    static func main() { runToExit() }

    func perform() throws(ToolFailure) -> ExitStatus {
        var plan = try WatchPlan(patterns, excluded, filter, span, output, sharing, now: Clock.wall())
        if let level = try namedLevel(level) {
            if plan.asOf != nil { throw .usage("-q goes with a subscription, not with --as-of") }
            plan.subscription.minimumLevel = level
        }
        var options = try connection.resolve()
        if plan.output == .table { plan.width = Terminal.width(1) ?? 120 }
        // With a time limit there is no looking for a broker beyond it.
        if let limit = plan.timeLimit { options.patience = min(options.patience, limit) }
        if let time = plan.asOf { return try Snapshot(plan).run(options, at: time) }
        Interrupts.install(leavingAtOnce: .done)
        let start = Clock.monotonic()
        let subscriber: Subscriber
        do throws(ClientError) {
            subscriber = try Subscriber(options, plan.subscription)
            try subscriber.connect()
        } catch {
            throw ToolFailure(status: error.exitStatus, error.description)
        }
        Interrupts.engage()
        let watch = Watch(plan, startedAt: start)
        let result = watch.run(subscriber)
        if plan.acknowledges != nil { leave(subscriber) }
        subscriber.close()
        return try result.get()
    }

    private func leave(_ subscriber: Subscriber) {
        do throws(ClientError) {
            if try subscriber.leave(within: Self.leavePatience) { return }
            say("dsub", "the cluster has not answered: what was done with last may come again")
        } catch {
            say("dsub", "what was done with last may come again: \(error)")
        }
    }
    /// Seconds that the cluster may take to keep what was done with.
    private static let leavePatience = 5.0
}

struct SharingFlags: ParsableArguments {
    @Option(name: [.customShort("G"), .customLong("group")], help: ArgumentHelp("Be a member of this consumer group.", valueName: "name"))
    var group: String?
    @Option(help: ArgumentHelp("When a record of a consumer group is done with: auto (written out), or manual (a line on standard input).", valueName: "how"))
    var ack: AcknowledgeName = .auto
}

enum AcknowledgeName: String, ExpressibleByArgument, CaseIterable {
    case auto, manual
}

struct SpanFlags: ParsableArguments {
    @Option(
        name: [.customShort("o", allowingJoined: true), .customLong("offset")], parsing: .unconditional,
        help: ArgumentHelp("Where to begin; see above.", valueName: "place"))
    var offset = "end"
    @Option(
        name: [.customShort("c"), .customShort("C"), .customLong("count")],
        help: ArgumentHelp("Stop after so many records.", valueName: "n"))
    var count: UInt64?
    @Flag(name: [.customShort("e"), .customLong("exit")], help: "Stop at the end of what is there.")
    var stopsAtEnd = false
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("The value of every topic at that time, one consistent cut, then exit: a time, or -5m.", valueName: "time"))
    var asOf: String?
    @Option(name: .customShort("W"), help: ArgumentHelp("Stop after so many seconds, with status 27.", valueName: "sec"))
    var timeLimit: Double?
}

struct OutputFlags: ParsableArguments {
    @Option(name: .customShort("f"), help: ArgumentHelp("Print each record so; no line end is added.", valueName: "format"))
    var template: String?
    @Flag(name: .customShort("J"), help: "One JSON object per line.")
    var json = false
    @Option(
        help: ArgumentHelp("raw (payloads, nothing between), text (a line each, the default), json, csv, hex, table.", valueName: "name"))
    var format: FormatName?
    @Option(help: ArgumentHelp("Of JSON payloads only this field; records without it are left out.", valueName: "a.b"))
    var field: String?
    @Flag(name: .customLong("hz"), help: "Instead of records: how many per second, and the gaps between.")
    var rate = false
    @Flag(name: .customLong("bw"), help: "Instead of records: bytes per second, and sizes.")
    var bandwidth = false
    @Flag(help: "Instead of records: their age on arrival.")
    var delay = false
    @Flag(help: "All three.")
    var stats = false
    @Flag(name: .shortAndLong, help: "The topic before each payload.")
    var verbose = false
}

enum FormatName: String, ExpressibleByArgument, CaseIterable {
    case raw, text, json, csv, hex, table
}
