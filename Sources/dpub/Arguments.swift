internal import ArgumentParser
internal import Tooling

/// What is published and how it is cut.
struct InputFlags: ParsableArguments {
    @Option(name: .customShort("m"), help: ArgumentHelp("One message: this text.", valueName: "text"))
    var message: String?
    @Option(
        name: .customShort("f"),
        help: ArgumentHelp(
            "A file as one message; with -l, --csv or --json its lines or rows instead of standard input's.", valueName: "file"))
    var file: String?
    @Flag(
        name: .customShort("l"),
        help: "A record per line (the default). Empty lines are skipped; a carriage return before the line's end goes with it.")
    var lines = false
    @Flag(name: .customShort("s"), help: "All of standard input as one message.")
    var whole = false
    @Flag(name: .customShort("n"), help: "One empty message.")
    var empty = false

    @Flag(name: .customLong("csv"), help: "A record per row of a table whose first line names the columns (RFC 4180).")
    var csv = false
    @Option(help: ArgumentHelp("Default: topic, where there is such a column and no TOPIC.", valueName: "column"))
    var topicColumn: String?
    @Option(help: ArgumentHelp("The record's key.", valueName: "column"))
    var keyColumn: String?
    @Option(help: ArgumentHelp("The record's time. Default: timestamp or time, where there is such a column.", valueName: "column"))
    var timeColumn: String?
    @Option(
        help: ArgumentHelp(
            "This column's text is the payload. Without: a JSON object of the remaining columns.", valueName: "column"))
    var valueColumn: String?

    @Flag(name: .customLong("json"), help: "A record per line of JSON; each line is checked and published unchanged.")
    var json = false
    @Option(help: ArgumentHelp("The record's topic; a.b reaches into objects.", valueName: "field"))
    var topicField: String?
    @Option(help: ArgumentHelp("The record's time.", valueName: "field"))
    var timeField: String?
}

/// What every record gets.
struct RecordFlags: ParsableArguments {
    @Option(name: .customShort("k"), help: ArgumentHelp("The key of records that have none of their own.", valueName: "key"))
    var key: String?
    @Option(
        name: .customShort("K"),
        help: ArgumentHelp("Ends the key within each line; \\t, \\xHH and the like may be used.", valueName: "separator"))
    var keySeparator: String?
    @Option(
        name: .customShort("H"), parsing: .unconditionalSingleValue,
        help: ArgumentHelp("A header; repeat for more.", valueName: "name:value"))
    var headers: [String] = []
    @Option(
        name: .customShort("q"),
        help: ArgumentHelp("Refuse topics of a lower level: unordered, ordered, durable, signed, or 0 to 3.", valueName: "level"))
    var level: String?
    @Flag(name: [.customShort("r"), .long], help: "Refuse topics that do not keep their last value: those that are unordered.")
    var retain = false
}

/// How fast, how often, and what is said about it.
struct RunFlags: ParsableArguments {
    @Option(help: ArgumentHelp("Pace by count: 100, 10k/s.", valueName: "n/s"))
    var rate: String?
    @Option(help: ArgumentHelp("Pace by the records' times: 1x is as they happened, 10x ten times as fast.", valueName: "factor"))
    var speed: String?
    @Option(help: ArgumentHelp("A batch goes when it has so many bytes: 65536, 64k, 1M.", valueName: "bytes"))
    var batch = "64k"
    @Option(help: ArgumentHelp("... or when its oldest record has waited so long; at once while none is under way.", valueName: "ms"))
    var linger = 5.0
    @Option(
        name: .customLong("id"),
        help: ArgumentHelp("Publisher identity: a run with the same identity and input sends nothing twice.", valueName: "name"))
    var identity: String?
    @Option(name: .customLong("repeat"), help: ArgumentHelp("Publish the input so many times over.", valueName: "n"))
    var times = 1
    @Option(help: ArgumentHelp("Show progress: auto (on a terminal), always, never.", valueName: "when"))
    var progress = ProgressMode.auto
    @Flag(name: .shortAndLong, help: "Say more; with --dry-run, list the records.")
    var verbose = false
    @Flag(help: "No closing line.")
    var quiet = false
    @Flag(help: "Read and check everything, connect to nothing.")
    var dryRun = false
}

enum ProgressMode: String, ExpressibleByArgument, CaseIterable {
    case auto, always, never
}
