import Foundation
import Testing

/// `dbroker fold`, from files to what it prints.
@Suite struct FoldTests {
    private static let table = """
        topic,bytes_per_second,records_per_second,nodes,replicas
        plant/m1/t,1000,0,1 2,
        plant/m2/t,500,0,1 2 3,
        office/door,600,0,7-8,

        live/x,1,0,4;5,
        archive,100,0,,1-3
        nobody,5,0,,

        """
    private static let rules = """
        topics:
          - pattern: live/#
            level: unordered
          - pattern: secret/#
            level: durable

        """

    private func run(_ arguments: [String], table: String = table, rules: String = rules) throws -> ToolRun {
        let folder = try TemporaryFolder()
        let table = try folder.write("rates", Array(table.utf8))
        let rules = try folder.write("topics.yaml", Array(rules.utf8))
        var run = try runTool("dbroker", ["fold"] + arguments.map { $0 == "RATES" ? table : $0 == "RULES" ? rules : $0 })
        run.errors = run.errors.replacingOccurrences(of: folder.url.path + "/", with: "")
        run.output = run.output.replacingOccurrences(of: folder.url.path + "/", with: "")
        return run
    }

    @Test func aTableIsFoldedByLevelAndInterest() throws {
        let run = try run(["--dry-run", "RULES", "--topics", "RATES", "--max-groups", "2", "--record-bytes", "0"])
        #expect(run.status == 0)
        #expect(run.errors.hasPrefix("dbroker: folded in "))
        #expect(run.output == """
            6 topics of rates on 8 nodes · 4 sets of needs · at most 2 groups

            group  level    topics  records/s  bytes/s  unwanted/s  share  members
            0      durable  3       0          1.6 kB   1 kB        20.8%  1-3
            1      durable  1       0          600 B    0 B         0.0%   7 8
            by unicast: 1 topic
            needed by nobody: 1 topic

                                      groups  most at a node  unwanted/s  copies/s  of what arrives
            this folding              2       1               1 kB        1 B       16.7% unwanted
            a group for each topic    5       3               0 B         0 B       0.0% unwanted
            one group for each level  2       1               6 kB        0 B       54.5% unwanted
            all by unicast            0       0               0 B         2.8 kB    0.0% unwanted

            unwanted bytes: 16.7% of those of one group for each level

            """)
    }

    @Test func linesOfJSONSayTheSameAsATable() throws {
        let json = """
            {"topic":"plant/m1/t","bytes_per_second":1000,"records_per_second":0,"nodes":[1,2]}
            {"topic":"plant/m2/t","bytes_per_second":500.0,"records_per_second":0,"nodes":[1, 2,\t3],"more":null}
            {"nodes":"7-8","topic":"office\\/door","bytes_per_second":6e2,"records_per_second":0,"replicas":[]}
            {"topic":"live/x","bytes_per_second":1,"records_per_second":0,"nodes":[4,5]}
            {"topic":"archive","bytes_per_second":100,"records_per_second":0,"nodes":[],"replicas":[1,2,3]}
            {"topic":"nobody","bytes_per_second":5,"records_per_second":0,"nodes":[]}
            """
        let arguments = ["--dry-run", "RULES", "--topics", "RATES", "--max-groups", "2", "-J"]
        let (a, b) = (try run(arguments), try run(arguments, table: json))
        #expect(a.output == b.output && a.status == 0)
        let plan = try #require(try JSONSerialization.jsonObject(with: Data(a.output.utf8)) as? [String: Any])
        let topics = try #require(plan["topics"] as? [[String: Any]])
        #expect(topics.map { "\($0["topic"] ?? "") \($0["place"] ?? "")" } == [
            "plant/m1/t 0", "plant/m2/t 0", "office/door 1", "live/x unicast", "archive 0", "nobody <null>",
        ])
        #expect((plan["cost"] as? [String: Any])?["unwanted_bytes_per_second"] as? Int == 1000)
    }

    @Test func aTopicsPlaceIsExplained() throws {
        let run = try run(["--dry-run", "RULES", "--topics", "RATES", "--max-groups", "2", "--explain", "plant/m1/t"])
        #expect(run.output == """
            plant/m1/t (durable) is in group 0, with no other topic that the same nodes need: 1 2.
            Members that do not need it: 3; that costs 1 kB/s.
            Anywhere else, all of these topics together would change the cost of everything by:

            group 1               +2.2 kB/s
            a group of their own  -1 kB/s    but there are as many groups as there may be
            unicast               +0 B/s     but durable topics do not go by unicast

            """)
        let unicast = try self.run(["--dry-run", "RULES", "--topics", "RATES", "--max-groups", "2", "--record-bytes", "0", "--explain", "live/x"])
        #expect(unicast.output == """
            live/x (unordered) goes by unicast, with no other topic that the same nodes need: 4 5.
            That costs 1 B/s: the copies after the first.
            Anywhere else, all of these topics together would change the cost of everything by:

            a group of their own  -1 B/s  but there are as many groups as there may be

            """)
        #expect(try self.run(["--dry-run", "RULES", "--topics", "RATES", "--explain", "nobody"]).output == "nobody (durable) has no place: nobody needs it\n")
        let json = try self.run(["--dry-run", "RULES", "--topics", "RATES", "--max-groups", "2", "--explain", "archive", "-J"])
        #expect(json.output.hasPrefix(#"{"topic":"archive","level":"durable","place":0,"needs":[1,2,3],"class_topics":2,"class_cost":0,"strangers":[],"#))
    }

    @Test func withoutAFileTheSamePlantIsMadeUpEachTime() throws {
        let arguments = ["--dry-run", "--synthetic", "5000", "--nodes", "8", "--max-groups", "6"]
        let (a, b) = (try run(arguments), try run(arguments))
        #expect(a.output == b.output && a.status == 0)
        #expect(a.output.hasPrefix("5,000 topics of a made-up plant (seed 1) on 8 nodes · "))
        #expect(try run(arguments + ["--seed", "2"]).output != a.output)
    }

    struct Wrong: Sendable, CustomTestStringConvertible {
        var arguments: String
        var errors: String
        var status: Int32
        var table = "topic,bytes_per_second,records_per_second,nodes\na,1,1,1\n"
        var rules = "topics: []\n"
        init(_ arguments: String, _ errors: String, _ status: Int32, table: String? = nil, rules: String? = nil) {
            self.arguments = arguments
            self.errors = errors
            self.status = status
            if let table { self.table = table }
            if let rules { self.rules = rules }
        }
        /// One line behind the usual header, wrong on line 2.
        static func row(_ row: String, _ message: String) -> Wrong {
            Wrong("--dry-run --topics RATES", "rates:2: " + message, 65, table: "topic,bytes_per_second,records_per_second,nodes,replicas\n" + row + "\n")
        }
        static func object(_ object: String, _ message: String) -> Wrong { Wrong("--dry-run --topics RATES", "rates:1: " + message, 65, table: object) }
        var testDescription: String { arguments + " " + errors }
    }
    private static let header = "topic,bytes_per_second,records_per_second,nodes"
    private static let wrong: [Wrong] = [
        Wrong("RULES", "fold needs --dry-run: it plans, and changes nothing in a cluster", 64),
        Wrong("--dry-run --topics RATES --synthetic 5", "--topics and --synthetic: only one of them", 64),
        Wrong("--dry-run --topics RATES --seed 5", "--seed goes with the made-up plant, not with --topics", 64),
        Wrong("--dry-run --max-groups 0", "--max-groups: 0 is not 1 to 256", 64),
        Wrong("--dry-run --max-groups 257", "--max-groups: 257 is not 1 to 256", 64),
        Wrong("--dry-run --groups-per-node 0", "--groups-per-node: 0 is not 1 to 256", 64),
        Wrong("--dry-run --nodes 65", "--nodes: 65 is not 1 to 64", 64),
        Wrong("--dry-run --unwanted-weight 1001", "--unwanted-weight: 1001 is not 0 to 1,000", 64),
        Wrong("--dry-run --copy-weight 1001", "--copy-weight: 1001 is not 0 to 1,000", 64),
        Wrong("--dry-run --record-bytes 65537", "--record-bytes: 65537 is not 0 to 65,536", 64),
        Wrong("--dry-run --synthetic 0", "--synthetic: 0 is not 1 to 4,000,000", 64),
        Wrong("--dry-run --unicast often", "--unicast: \"often\" is not a level: none, unordered, ordered, durable or signed", 64),
        Wrong(
            "--dry-run RULES --topics RATES --max-groups 1", "--max-groups 1: the topics are of 2 levels, and levels do not share a group", 64,
            table: header + "\na,1,1,1 2\nb,1,1,2 3\n", rules: "topics:\n  - {pattern: a, level: ordered}\n"),
        Wrong(
            "--dry-run RULES --topics RATES --groups-per-node 1",
            "--groups-per-node 1: node 2 needs topics of 2 levels, and levels do not share a group", 64,
            table: header + "\na,1,1,1 2\nb,1,1,2 3\n", rules: "topics:\n  - {pattern: a, level: ordered}\n"),
        Wrong("--dry-run gone.yaml", "gone.yaml: No such file or directory", 78),
        Wrong("--dry-run RULES", "RULES:1:1: unknown key \"topcis\"; did you mean \"topics\"? known keys here: topics, defaults", 78, rules: "topcis: []\n"),
        Wrong("--dry-run --topics gone.csv", "gone.csv: No such file or directory", 1),
        Wrong("--dry-run --topics RATES", "rates: there is no topic in it", 65, table: ""),
        Wrong("--dry-run --topics RATES", "rates: there is no topic in it", 65, table: header + "\n\n"),
        Wrong("--dry-run --topics RATES --explain b", "--explain: rates has no topic \"b\"", 65),
        Wrong(
            "--dry-run --topics RATES", "rates:1: there is no column \"rate\"; columns are topic, bytes_per_second, records_per_second, nodes, replicas",
            65, table: "topic,rate\n"),
        Wrong("--dry-run --topics RATES", "rates:1: column \"topic\" comes twice", 65, table: "topic,topic\n"),
        Wrong(
            "--dry-run --topics RATES", "rates:1: column \"nodes\" is missing; the first line names the columns", 65,
            table: "topic,bytes_per_second,records_per_second\n"),
        Wrong("--dry-run --topics RATES", "rates:4: 2 fields, the first line has 4", 65, table: header + "\na,1,1,1\n\nb,1\n"),
        Wrong("--dry-run --topics RATES", "rates:3: topic \"a\" stands on line 2 already", 65, table: header + "\na,1,1,1\na,1,1,1\n"),
        Wrong(
            "--dry-run --topics RATES --nodes 4", "rates:2: nodes: node 5 is more than --nodes 4", 65, table: header + "\na,1,1,3-5\n"),
        Wrong(
            "--dry-run RULES --topics RATES", "rates:2: topic \"a\" is not one that topics.yaml admits", 65,
            rules: "topics:\n  - {pattern: b, level: durable}\ndefaults: {admit: listed}\n"),
        .row("a,1,1,0,", "nodes: \"0\" is not a node from 1 to 64, or some in a row as in 5-7"),
        .row("a,1,1,65,", "nodes: \"65\" is not a node from 1 to 64, or some in a row as in 5-7"),
        .row("a,1,1,7-5,", "nodes: \"7-5\" is not a node from 1 to 64, or some in a row as in 5-7"),
        .row("a,1,1,1,2-", "replicas: \"2-\" is not a node from 1 to 64, or some in a row as in 5-7"),
        .row("a,fast,1,1,", "bytes_per_second: \"fast\" is not a number"),
        .row("a,,1,1,", "bytes_per_second: \"\" is not a number"),
        .row("a,nan,1,1,", "bytes_per_second: \"nan\" is not a number"),
        .row("a,1,-1,1,", "records_per_second: \"-1\" is below 0"),
        .row("a,1e13,1,1,", "bytes_per_second: \"1e13\" is more than 10^12"),
        .row("a/+,1,1,1,", "topic name has the wildcard \"+\" at byte 2; name one topic; wildcards are for subscriptions and rules"),
        .row(",1,1,1,", "topic name is empty; give the topic at least one character"),
        .row("\"a,1,1,1,", "quoted field is not closed"),
        .row("\"a\"b,1,1,1,", "more behind the closing quote"),
        .object("{\"topic\":\"a\"", "',' or '}' expected at the end at byte 13"),
        .object("{\"topic\":\"a\"}", "\"bytes_per_second\" is missing"),
        .object("{\"topic\":1,\"bytes_per_second\":1,\"records_per_second\":1,\"nodes\":[]}", "\"topic\" is not a string"),
        .object("{\"topic\":\"a\",\"bytes_per_second\":true,\"records_per_second\":1,\"nodes\":[]}", "\"bytes_per_second\" is not a number"),
        .object(
            "{\"topic\":\"a\",\"bytes_per_second\":1,\"records_per_second\":1,\"nodes\":{}}", "\"nodes\" is not a list of numbers, as in [1, 2]"),
        .object(
            "{\"topic\":\"a\",\"bytes_per_second\":1,\"records_per_second\":1,\"nodes\":[\"x\"]}",
            "nodes: \"\"x\"\" is not a node from 1 to 64, or some in a row as in 5-7"),
    ]

    @Test(arguments: wrong) func aWrongFoldingIsRefusedWithItsPlace(wrong: Wrong) throws {
        let run = try run(wrong.arguments.split(separator: " ").map(String.init), table: wrong.table, rules: wrong.rules)
        let hint = wrong.status == 64 ? "Try 'dbroker --help'.\n" : ""
        #expect(run.errors == "dbroker: " + wrong.errors.replacingOccurrences(of: "RULES", with: "topics.yaml") + "\n" + hint)
        #expect(run.status == wrong.status)
        #expect(run.output.isEmpty)
    }

    @Test func theHelpSaysHowRatesAreWritten() throws {
        let help = try runTool("dbroker", ["fold", "--help"]).output
        #expect(help.contains("topic,bytes_per_second,records_per_second,nodes,replicas"))
        #expect(help.contains("{\"topic\":\"plant/m1/temperature\","))
        #expect(help.contains("\"nodes\":[1,3,5]"))
    }
}
