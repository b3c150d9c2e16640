import Foundation
import Testing

/// A command line that needs no broker, what it says on standard error and the status it leaves.
struct CommandLine: Sendable, CustomTestStringConvertible {
    var tool: String
    var arguments: [String]
    var errors: String
    var status: Int32
    var input = ""
    var environment: [String: String] = [:]
    var testDescription: String { ([tool] + arguments).joined(separator: " ") }

    /// A usage error: status 64 and the hint behind the message.
    static func usage(_ line: String, _ message: String) -> CommandLine {
        let words = line.split(separator: " ").map { $0 == "''" ? "" : String($0) }
        return CommandLine(tool: words[0], arguments: Array(words.dropFirst()), errors: "\(words[0]): \(message)\nTry '\(words[0]) --help'.\n", status: 64)
    }
    /// Input or configuration that is not understood.
    static func other(_ line: String, _ errors: String, _ status: Int32, input: String = "", environment: [String: String] = [:]) -> CommandLine {
        let words = line.split(separator: " ").map(String.init)
        return CommandLine(tool: words[0], arguments: Array(words.dropFirst()), errors: errors, status: status, input: input, environment: environment)
    }
}

private let wrong: [CommandLine] = [
    .usage("dpub", "no topic: give TOPIC or -t"),
    .usage("dpub -m x", "no topic: give TOPIC or -t"),
    .usage("dpub --json", "no topic: give TOPIC or -t"),
    .usage("dpub a -t b", "TOPIC and -t name different topics"),
    .usage("dpub a/+/b -m x", "topic \"a/+/b\" has a wildcard: publish to one topic"),
    .usage("dpub '' -m x".replacingOccurrences(of: "''", with: "#"), "topic \"#\" has a wildcard: publish to one topic"),
    .usage("dpub '' -m x", "the topic's name is empty"),
    .usage("dpub a b", "Unexpected argument 'b'"),
    .usage("dpub a --nonsense", "Unknown option '--nonsense'"),
    .usage("dpub a -m", "Missing value for '-m <text>'"),
    .usage("dpub a -m x -n", "-m and -n: only one of them"),
    .usage("dpub a -m x -s", "-m and -s: only one of them"),
    .usage("dpub a -l --csv", "-l and --csv: only one of them"),
    .usage("dpub a --csv --json", "--csv and --json: only one of them"),
    .usage("dpub a -m x -f y", "-m and -f: only one of them"),
    .usage("dpub a -s -f y", "-f and -s: only one of them"),
    .usage("dpub a -m x -K :", "-K goes with lines, not with -m"),
    .usage("dpub a --csv -K :", "-K goes with lines, not with --csv"),
    .usage("dpub a -K \\q", "-K: unknown escape \\q at position 1"),
    .usage("dpub a -K ''", "-K: the separator is empty"),
    .usage("dpub a --value-column v", "--value-column goes with --csv"),
    .usage("dpub a --json --key-column v", "--key-column goes with --csv"),
    .usage("dpub a --csv --topic-field v", "--topic-field goes with --json"),
    .usage("dpub a --csv --time-column ''", "--time-column: the name is empty"),
    .usage("dpub a --csv -k x --key-column v", "-k and --key-column: only one of them"),
    .usage("dpub a -H novalue", "-H: \"novalue\" is not name:value"),
    .usage("dpub a -H :v", "-H: \":v\" is not name:value"),
    .usage("dpub a -q sgined", "-q: \"sgined\" is not a level: unordered, ordered, durable, signed, or 0 to 3"),
    .usage("dpub a -q 4", "-q: \"4\" is not a level: unordered, ordered, durable, signed, or 0 to 3"),
    .usage("dpub a --rate 0", "--rate: \"0\" is not a number above 0, like 100 or 10k/s"),
    .usage("dpub a --rate fast", "--rate: \"fast\" is not a number above 0, like 100 or 10k/s"),
    .usage("dpub a --csv --speed 0x", "--speed: \"0x\" is not a factor above 0, like 10x"),
    .usage("dpub a --speed 10x", "--speed needs records with times: --csv, or --json with --time-field"),
    .usage("dpub a --csv --speed 2x --rate 5", "--rate and --speed: only one of them"),
    .usage("dpub a --batch 0", "--batch: \"0\" is not a number of bytes from 1 to 1,052,672"),
    .usage("dpub a --batch 2M", "--batch: \"2M\" is not a number of bytes from 1 to 1,052,672"),
    .usage("dpub a --linger 60001", "--linger: 60001.0 is not a number of milliseconds from 0 to 60,000"),
    .usage("dpub a --linger nan", "--linger: nan is not a number of milliseconds from 0 to 60,000"),
    .usage("dpub a --id ''", "--id: the name takes 1 to 255 bytes"),
    .usage("dpub a --repeat 0", "--repeat: 0 is not 1 or more"),
    .usage("dpub a --repeat x", "The value 'x' is invalid for '--repeat <n>'"),
    .usage("dpub a --progress maybe", "The value 'maybe' is invalid for '--progress <when>'. Please provide one of 'auto', 'always' or 'never'."),
    .usage("dpub a -b h:0", "--broker: \"h:0\" has no port from 1 to 65,535"),
    .usage("dpub a --patience inf", "--patience: inf is not a number of seconds from 0 to 1,000,000"),
    .usage("dpub a --provider ''", "--provider: the name is empty"),
    .other("dpub a -f /nowhere/x", "dpub: /nowhere/x: No such file or directory\n", 1),
    .other("dpub a -m x", "dpub: SQUALL_BROKERS: \"h:x\" has no port from 1 to 65,535\n", 78, environment: ["SQUALL_BROKERS": "h:x"]),
    .other("dpub a -m x", "dpub: SQUALL_SECRET_FILE: /nowhere/s: No such file or directory\n", 78, environment: ["SQUALL_SECRET_FILE": "/nowhere/s"]),
    .other("dpub --csv --dry-run", "dpub: stdin:3: column \"v\" is missing (1 field, header has 2)\nwould send 1 record of 7 B to 1 topic\n", 65, input: "topic,v\na,1\nb\n"),
    .other("dpub a --json --dry-run", "dpub: stdin:2:4: a value expected, not ']'\nwould send 1 record of 2 B to 1 topic\n", 65, input: "{}\n[1,]\n"),

    .usage("dsub", "no pattern: say what to subscribe to ('#' is everything)"),
    .usage("dsub ''", "a pattern is empty"),
    .usage("dsub a -T ''", "a pattern is empty"),
    .usage("dsub a --nonsense", "Unknown option '--nonsense'"),
    .usage("dsub a -o", "Missing value for '-o'"),
    .usage("dsub a -o stored", "-o stored goes with -G NAME: offsets are stored for consumer groups"),
    .usage("dsub a -o middle", "-o: \"middle\" is not a place to begin: beginning, end, last, N, -N, A..B, s@MS, @TIME or @-5m"),
    .usage("dsub a -o -x", "-o: \"-x\" is not a place to begin: beginning, end, last, N, -N, A..B, s@MS, @TIME or @-5m"),
    .usage("dsub a -o=9..3", "-o: the range 9..3 is empty (its end is not included)"),
    .usage("dsub a -c 0", "-c: 0 records is nothing to wait for"),
    .usage("dsub a -c x", "The value 'x' is invalid for '-c <n>'"),
    .usage("dsub a -W 0", "-W: 0.0 is not a number of seconds above 0"),
    .usage("dsub a -W soon", "The value 'soon' is invalid for '-W <sec>'"),
    .usage("dsub a -f %q", "-f: unknown escape %q at position 1"),
    .usage("dsub a -f %s\\", "-f: a backslash at the end at position 3"),
    .usage("dsub a -f %s -J", "-f and -J: only one of them"),
    .usage("dsub a -J --format csv", "-J and --format: only one of them"),
    .usage("dsub a -J --hz", "-J and --hz: only one of them"),
    .usage("dsub a --format yaml", "The value 'yaml' is invalid for '--format <name>'. Please provide one of the following:\n  - raw\n  - text\n  - json\n  - csv\n  - hex\n  - table"),
    .usage("dsub a --format raw -v", "-v puts topics between payloads: not with --format raw"),
    .usage("dsub a --field a..b", "--field: \"a..b\" has an empty name"),
    .usage("dsub a --field x --stats", "--field goes with records, not with statistics"),
    .usage("dsub a -b [::1", "--broker: \"[::1\" lacks the closing bracket"),
    .other("dsub a", "dsub: SQUALL_SECRET_FILE: /nowhere/s: No such file or directory\n", 78, environment: ["SQUALL_SECRET_FILE": "/nowhere/s"]),
]

@Test("a wrong command line is answered with its reason and status", arguments: wrong)
func wrongCommandLines(_ line: CommandLine) throws {
    let run = try runTool(line.tool, line.arguments, input: line.input, environment: line.environment)
    #expect(run.errors == line.errors)
    #expect(run.status == line.status)
    #expect(run.output == "")
}

@Test("an unreachable broker is status 69", arguments: ["dpub a -m x", "dpub a", "dsub a"])
func unreachableBrokers(_ line: String) throws {
    let words = line.split(separator: " ").map(String.init)
    let run = try runTool(words[0], Array(words.dropFirst()) + ["-b", "127.0.0.1:1", "--patience", "0.5"], input: "x\n")
    #expect(run.status == 69)
    #expect(run.errors.hasPrefix("\(words[0]): no broker reached: 127.0.0.1:1 ("))
    #expect(run.errors.hasSuffix(")\n") && run.errors.filter { $0 == "\n" }.count == 1)
    #expect(run.output == "")
}

@Test("help and version go to standard output", arguments: ["dpub", "dsub"])
func helpIsOutput(_ tool: String) throws {
    let help = try runTool(tool, ["--help"])
    #expect(help.status == 0 && help.errors == "")
    #expect(help.output.contains("Examples:\n  \(tool == "dpub" ? "dpub plant" : "dsub 'plant")"))
    let version = try runTool(tool, ["--version"])
    #expect(version.status == 0 && version.errors == "" && version.output == "squall 0.1.0\n")
    let completion = try runTool(tool, ["--generate-completion-script", "bash"])
    #expect(completion.status == 0 && completion.output.contains(tool))
}

@Test func aDryRunListsWhatWouldBeSent() throws {
    let table = "timestamp,topic,value\n2026-11-21 10:00:00,a,1\n2026-11-21 10:00:01,b,x\n"
    let run = try runTool("dpub", ["--csv", "--dry-run", "-v", "--key-column", "topic"], input: table)
    #expect(run.status == 0)
    #expect(run.output == "a\ta\t2026-11-21T10:00:00Z\t{\"value\":1}\nb\tb\t2026-11-21T10:00:01Z\t{\"value\":\"x\"}\n")
    #expect(run.errors == "would send 2 records of 24 B to 2 topics\n")
}
