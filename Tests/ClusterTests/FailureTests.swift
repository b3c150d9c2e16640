import Foundation
import Testing

/// One wrong thing, what is said about it and the exit status. `{address}`, `{folder}` and `{data}` stand for the broker's.
struct Failure: Sendable {
    let name: String
    let program: String
    let arguments: [String]
    var input = ""
    var secret: String? = "right"
    let status: Int32
    /// The whole of standard error.
    let says: String

    init(_ name: String, _ command: String, input: String = "", secret: String? = "right", _ status: Int32, _ says: String) {
        let words = command.split(separator: " ").map(String.init)
        (self.name, program, arguments) = (name, words[0], Array(words.dropFirst()))
        (self.input, self.secret, self.status, self.says) = (input, secret, status, says)
    }

    private static let nothing = "sent 0 · acknowledged 0 · duplicates 0 · failed 0 · 0/s"
    private static let clients: [Failure] = [
        Failure(
            "a topic that is not admitted", "dpub other/x -m 1 --quiet", 77,
            "dpub: topic \"other/x\" is not admitted: no pattern of topics.yaml matches it"),
        Failure(
            "a level that is too low", "dpub fast/x -m 1 -q durable --quiet", 77,
            "dpub: topic \"fast/x\" is unordered here; durable is asked for"),
        Failure(
            "a message over the limit", "dpub plant/x -f {folder}/large", 65,
            "dpub: {folder}/large: message is longer than the limit of 1,048,576 bytes\n" + nothing),
        Failure("a wildcard in a topic", "dpub plant/# -m 1", 64, "dpub: topic \"plant/#\" has a wildcard: publish to one topic\n" + dpubHint),
        Failure("no topic", "dpub -m 1", 64, "dpub: no topic: give TOPIC or -t\n" + dpubHint),
        Failure("an unknown flag", "dpub plant/x --colour", 64, "dpub: Unknown option '--colour'\n" + dpubHint),
        Failure("two inputs", "dpub plant/x -m 1 -n", 64, "dpub: -m and -n: only one of them\n" + dpubHint),
        Failure("a wrong secret", "dpub plant/x -m 1", secret: "wrong", 77, "dpub: {address}: the two sides do not hold the same secret"),
        Failure("no secret", "dsub plant/x", secret: nil, 77, "dsub: {address}: the two sides do not hold the same secret"),
        Failure("a secret file that is not there", "dpub plant/x -m 1", secret: "gone", 78, "dpub: SQUALL_SECRET_FILE: {folder}/gone: No such file or directory"),
        Failure("a level for dsub that is none", "dsub fast/x -q best", 64, "dsub: -q: \"best\" is not a level: unordered, ordered, durable, signed, or 0 to 3\nTry 'dsub --help'."),
        Failure(
            "no broker for dpub", "dpub plant/x -m 1 -b 127.0.0.1:1 --patience 0.2", 69,
            "dpub: no broker reached: 127.0.0.1:1 (unreachable: Connection refused)"),
        Failure(
            "no broker for dsub", "dsub plant/x -b 127.0.0.1:1 --patience 0.2", 69,
            "dsub: no broker reached: 127.0.0.1:1 (unreachable: Connection refused)"),
        Failure(
            "no broker for status", "dbroker status -b 127.0.0.1:1 --patience 0.2", 69,
            "dbroker: no broker reached: 127.0.0.1:1 (unreachable: Connection refused)"),
        Failure("a broker without a name", "dpub plant/x -m 1 -b :1", 64, "dpub: --broker: \":1\" has no host\n" + dpubHint),
        Failure("an input file that is not there", "dpub --csv -f {folder}/gone", 1, "dpub: {folder}/gone: No such file or directory"),
        Failure(
            "a table with a wrong time", "dpub --csv", input: "timestamp,topic,value\nx,plant/a,1\n", 65,
            "dpub: stdin:2:1: column \"timestamp\": \"x\" is not a time\n" + nothing),
        Failure(
            "JSON that is none", "dpub --json --topic-field topic --quiet", input: "{\"topic\":\"plant/a\"}\n{oops\n", 65,
            "dpub: stdin:2:2: a name in quotes expected, not 'o'"),
        Failure("no pattern", "dsub", 64, "dsub: no pattern: say what to subscribe to ('#' is everything)\nTry 'dsub --help'."),
        Failure("the time of -W running out", "dsub plant/none -W 0.2", 27, ""),
        Failure("a pattern that is none", "dsub a/#/b", 64, "dsub: pattern has \"#\" at byte 2 before the last level; end the pattern with it, or use \"+\" for one level\nTry 'dsub --help'."),
        Failure(
            "a record over its topic's max_record", "dpub small/x -m 0123456789012345678901234567890123456789 --quiet", 65,
            "dpub: record 1, for topic \"small/x\", takes 56 bytes; its max_record is 48"),
        Failure("a count of nothing", "dsub plant/x -c 0", 64, "dsub: -c: 0 records is nothing to wait for\nTry 'dsub --help'."),
    ]
    private static let dpubHint = "Try 'dpub --help'."

    private static let brokers: [Failure] = [
        Failure("no node's file", "dbroker run", 64, "dbroker: Missing expected argument '--config <file>'\nTry 'dbroker --help'."),
        Failure("a node's file that is not there", "dbroker run -c gone.yaml", 78, "dbroker: gone.yaml: No such file or directory"),
        Failure(
            "a wrong key in a node's file", "dbroker run -c key.yaml", 78,
            "dbroker: key.yaml:4:1: unknown key \"dat\"; did you mean \"data\"? known keys here: node, cluster, listen, data, members, topics, "
                + "secret_file, provider, ring, segment, heartbeat, suspect_after, poll, cpus, restart_wait, copy_rate, clean_rate, refill_after, max_groups"),
        Failure(
            "the same for check", "dbroker check key.yaml", 78,
            "dbroker: key.yaml:4:1: unknown key \"dat\"; did you mean \"data\"? known keys here: node, cluster, listen, data, members, topics, "
                + "secret_file, provider, ring, segment, heartbeat, suspect_after, poll, cpus, restart_wait, copy_rate, clean_rate, refill_after, max_groups"),
        Failure(
            "a wrong key in topics.yaml", "dbroker check topics-bad.yaml", 78,
            "dbroker: topics-bad.yaml:3:5: unknown key \"levle\"; did you mean \"level\"? known keys here: pattern, level, max_record, retention, compact, "
                + "history, lifespan, max_rate, deadline, replicas, schema"),
        Failure(
            "a node with wrong topics", "dbroker run -c topics-of-node.yaml", 78,
            "dbroker: topics-bad.yaml:3:5: unknown key \"levle\"; did you mean \"level\"? known keys here: pattern, level, max_record, retention, compact, "
                + "history, lifespan, max_rate, deadline, replicas, schema"),
        Failure(
            "a data directory in use", "dbroker run -c n1.yaml", 73,
            "dbroker: data/1: in use by another node, process {pid}; stop the other node or give this one a data directory of its own"),
        Failure(
            "a data directory that cannot be made", "dbroker run -c readonly.yaml", 73,
            "dbroker: /proc/squall: the directory cannot be made: No such file or directory; choose another data directory"),
        Failure(
            "a CPU that is not there", "dbroker run -c cpus.yaml", 78,
            "dbroker: cpus: 1023: 1023 is not there, or not for this process, which may use {cpus}; change cpus in the node's file, or leave it out"),
        Failure("a port in use", "dbroker run -c port.yaml", 1, "dbroker: {address}: the port is in use; stop the other process or choose another port"),
    ]
    static let all = clients + brokers
}

extension ClusterTests {
    private static let listed = """
        topics:
          - pattern: fast/#
            level: unordered
          - pattern: small/#
            level: durable
            max_record: 48B
          - pattern: plant/#
            level: durable
        defaults:
          level: durable
          admit: listed
        """

    @Test func eachFailureIsSaidInWordsWithItsExitStatus() async throws {
        let cluster = try Cluster(nodes: 1, topics: Self.listed, secret: "right\n")
        let url = cluster.url
        try cluster.folder.write("right\n", to: "right")
        try cluster.folder.write("wrong\n", to: "wrong")
        try Data(count: 1_048_577).write(to: url.appendingPathComponent("large"))
        try cluster.folder.write("topics:\n  - pattern: a/#\n    levle: durable\n", to: "topics-bad.yaml")
        let node = try String(contentsOf: url.appendingPathComponent("n1.yaml"), encoding: .utf8)
        try cluster.folder.write(node.replacingOccurrences(of: "data: data/1", with: "dat: x"), to: "key.yaml")
        try cluster.folder.write(node.replacingOccurrences(of: "data: data/1", with: "data: /proc/squall"), to: "readonly.yaml")
        try cluster.folder.write(node.replacingOccurrences(of: "data: data/1", with: "data: data/2"), to: "port.yaml")
        try cluster.folder.write(node.replacingOccurrences(of: "data: data/1", with: "data: data/3\ncpus: 1023"), to: "cpus.yaml")
        try cluster.folder.write(node.replacingOccurrences(of: "topics.yaml", with: "topics-bad.yaml"), to: "topics-of-node.yaml")
        try await until("the broker answers") {
            try await Program("dbroker", ["status", "--patience", "1"], in: url, environment: environment("right", cluster)).status(within: 10) == 0
        }
        for failure in Failure.all { try await check(failure, cluster) }
        #expect(!FileManager.default.fileExists(atPath: cluster.data(3).path), "a node that cannot have its CPUs made a data directory")
        #expect(cluster.nodes[1]?.isRunning == true)
    }
    /// Of a process, or of one of its threads (`12/task/13`), as /proc lists them.
    private func allowedCPUs(_ process: String) -> String? {
        let text = try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
        return text?.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed_list:") }?.split(separator: "\t").last.map(String.init)
    }

    @Test func allThreadsOfANodeRunOnItsCPUs() async throws {
        let last = try #require(allowedCPUs("self")?.split { !$0.isNumber }.last.map(String.init))
        let cluster = try Cluster(nodes: 1, extra: { _ in "cpus: \(last)\n" })
        try await cluster.untilLive([1])
        let process = try #require(cluster.nodes[1]?.pid)
        let threads = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/task")
        #expect(threads.count > 1)
        for thread in threads { #expect(allowedCPUs("\(process)/task/\(thread)") == last) }
    }

    private func environment(_ secret: String?, _ cluster: Cluster) -> [String: String] {
        var variables = ["SQUALL_BROKERS": cluster.address(1)]
        if let secret { variables["SQUALL_SECRET_FILE"] = cluster.url.appendingPathComponent(secret).path }
        return variables
    }
    private func check(_ failure: Failure, _ cluster: Cluster) async throws {
        func fill(_ text: String) -> String {
            text.replacingOccurrences(of: "{address}", with: cluster.address(1))
                .replacingOccurrences(of: "{folder}", with: cluster.url.path)
                .replacingOccurrences(of: "{pid}", with: "\(cluster.nodes[1]?.pid ?? 0)")
                .replacingOccurrences(of: "{cpus}", with: allowedCPUs("self") ?? "")
        }
        let input = try FileHandle(forReadingFrom: cluster.folder.write(failure.input, to: "input"))
        let program = try Program(
            failure.program, failure.arguments.map(fill), in: cluster.url, input: input,
            environment: environment(failure.secret, cluster))
        let status = try await program.status(within: 15)
        #expect(status == failure.status, "\(failure.name)")
        #expect(program.errorText == (failure.says.isEmpty ? "" : fill(failure.says) + "\n"), "\(failure.name)")
        #expect(program.output.isEmpty, "\(failure.name)")
    }

    /// One record of a stream that is refused.
    struct Refused: Sendable {
        let topic: String
        /// All others'.
        let others: String
        let at: Int
        let of: Int
        let status: Int32
        let says: String
    }
    private static let refused = [
        // Many batches are under way behind it.
        Refused(topic: "small/x", others: "plant/a", at: 20_001, of: 60_000, status: 65, says: "record 20001, for topic \"small/x\", takes 72 bytes; its max_record is 48"),
        Refused(topic: "other/x", others: "plant/a", at: 20_001, of: 60_000, status: 77, says: "topic \"other/x\" is not admitted: no pattern of topics.yaml matches it"),
        // In the first batch, when nothing is known yet of the publisher: those behind it must not be taken for its beginning.
        Refused(topic: "small/x", others: "plant/a", at: 10, of: 60_000, status: 65, says: "record 10, for topic \"small/x\""),
        Refused(topic: "small/x", others: "plant/a", at: 1, of: 60_000, status: 65, says: "record 1, for topic \"small/x\""),
        // All is read before anything is answered.
        Refused(topic: "small/x", others: "plant/a", at: 3, of: 10, status: 65, says: "record 3, for topic \"small/x\""),
        Refused(topic: "formed/x", others: "plant/a", at: 500, of: 40_000, status: 65, says: "record 500, for topic \"formed/x\", is not as its schema says"),
        // What is acknowledged when it is received.
        Refused(topic: "quick/small", others: "quick/a", at: 9_000, of: 60_000, status: 65, says: "record 9000, for topic \"quick/small\""),
        Refused(topic: "quick/small", others: "quick/a", at: 3, of: 60_000, status: 65, says: "record 3, for topic \"quick/small\""),
    ]

    /// With the input mended, the same identity goes on at it.
    @Test(arguments: refused)
    func whatComesBeforeARefusedRecordIsPublishedAndNothingBehindIt(one: Refused) async throws {
        let cluster = try Cluster(topics: """
            topics:
              - {pattern: quick/small, level: unordered, max_record: 48B}
              - {pattern: quick/#, level: unordered}
              - {pattern: small/#, level: durable, max_record: 48B}
              - {pattern: formed/#, level: durable, schema: {type: object, required: [m]}}
              - {pattern: plant/#, level: durable}
            defaults: {level: durable, admit: listed}
            """)
        try await cluster.untilLive()
        let before = one.at - 1
        func file(_ name: String, refused: Bool) throws -> String {
            var text = ""
            for number in 1...one.of {
                let isRefused = refused && number == one.at
                text += "{\"topic\":\"\(isRefused ? one.topic : one.others)\",\"n\":\(number)\(isRefused ? ",\"fill\":\"0123456789\"" : "")}\n"
            }
            return try cluster.folder.write(text, to: name).path
        }
        func publish(_ file: String) throws -> Program {
            try cluster.program("dpub", ["--json", "--topic-field", "topic", "-f", file, "--id", "p", "-v"], at: [1])
        }
        let isKept = one.others == "plant/a"
        let watching = try cluster.program("dsub", [one.others, "-f", "%s\\n"], at: [1])
        try await until("the subscription stands") { try await cluster.status(1)?.watches == 1 }
        func held() async throws -> Int {
            let text = isKept ? String(decoding: try await cluster.contents("plant/a", format: "%s\\n", at: 2), as: UTF8.self) : watching.outputText
            let lines = text.split(separator: "\n")
            for (index, line) in lines.enumerated() where !line.hasSuffix("\"n\":\(index + 1)}") {
                Issue.record("line \(index + 1) is \(line)")
                break
            }
            return lines.count
        }
        let first = try publish(try file("wrong", refused: true))
        #expect(try await first.status(within: 30) == one.status)
        #expect(first.errorText.contains(one.says), "\(first.errorText)")
        #expect(!first.errorText.contains("reconnected 1"), "\(first.errorText)")
        let tally = try #require(first.tally)
        #expect(tally.acknowledged == before && tally.failed == tally.sent - before, "\(first.errorText)")
        if !isKept { try await until("what was acknowledged has come") { try await held() == before } }
        #expect(try await held() == before)
        guard isKept else { return watching.send(SIGKILL) }
        let second = try publish(try file("right", refused: false))
        try await second.succeeds()
        #expect(second.tally?.duplicates == before)
        #expect(try await held() == one.of)
    }

    @Test func aNodeWhoseDiskIsFullSaysSoAndLeavesAndTheOthersGoOn() async throws {
        // A small file system; where mounting is not allowed there is no disk to fill.
        let place = try Folder()
        let files = try Folder()
        let mount = try Program("/bin/mount", ["-t", "tmpfs", "-o", "size=24m", "tmpfs", place.url.path], in: files.url)
        guard try await mount.status(within: 10) == 0 else {
            print("note: no disk was filled: \(mount.errorText)")
            return
        }
        defer { unsafe umount2(place.url.path, Int32(MNT_DETACH)) }
        let cluster = try Cluster(data: [3: place.url.appendingPathComponent("data").path]) { $0 == 3 ? "segment: 1MiB\n" : "" }
        try await cluster.untilLive()
        let count = 1_500_000
        let publisher = try cluster.program("dpub", ["t/seq", "-l", "-f", numbers(count, in: cluster)], at: [1, 2])
        #expect(try await cluster.nodes[3]?.status(within: 60) == 73)
        let said = cluster.nodes[3]?.errorText.split(separator: "\n").last ?? ""
        #expect(said.hasPrefix("dbroker: \(place.url.path)/data/group-0/"), "\(said)")
        #expect(said.hasSuffix(": No space left on device (errno 28); free space on this device or lower the retention"), "\(said)")
        try await publisher.succeeds()
        #expect(publisher.tally?.acknowledged == count)
        try await cluster.untilLive([1, 2], settled: true)
        let held = try await cluster.contents("t/seq", format: "%s\\n", at: 2)
        #expect(flaw(String(decoding: held, as: UTF8.self).split(separator: "\n"), upTo: count) == nil)
    }

    @Test func aClosedPipeEndsASubscriberQuietly() async throws {
        let cluster = try Cluster(nodes: 1)
        try await cluster.untilLive([1])
        try await cluster.program("dpub", ["t/seq", "-l", "-f", numbers(100_000, in: cluster)], at: [1]).succeeds()
        let subscriber = try Program("dsub", ["-b", cluster.address(1), "#", "-o", "beginning"], in: cluster.url, output: .pipe)
        let pipe = try #require(subscriber.pipe)
        let first = try #require(try pipe.fileHandleForReading.read(upToCount: 2))
        #expect(String(decoding: first, as: UTF8.self) == "1\n")
        try pipe.fileHandleForReading.close()
        #expect(try await subscriber.status(within: 10) == 0)
        #expect(subscriber.errorText == "")
    }

    @Test func anInterruptedPublisherWaitsForItsAcknowledgementsAndASubscriberJustEnds() async throws {
        let cluster = try Cluster()
        try await cluster.untilLive()
        let subscriber = try cluster.program("dsub", ["t/#"], at: [2])
        try await until("the subscriber is attached") { try await cluster.status(2)?.sessions == 2 }
        let publisher = try cluster.program("dpub", ["t/seq", "-l", "-f", numbers(100_000, in: cluster), "--rate", "1000"], at: [1])
        try await until("records flow") { subscriber.outputSize > 1000 }
        publisher.send(SIGINT)
        try await publisher.succeeds(within: 10)
        let tally = try #require(publisher.tally)
        #expect(tally.acknowledged == tally.sent && tally.sent > 0 && tally.sent < 100_000)
        try await until("all of them have come") { subscriber.outputLines.count == tally.sent }
        subscriber.send(SIGINT)
        #expect(try await subscriber.status(within: 10) == 0)
        #expect(flaw(subscriber.outputLines, upTo: tally.sent) == nil)
        #expect(subscriber.errorText == "")
    }

    @Test func aBrokerAloneNeedsNoSettings() async throws {
        guard isFree(7420) else {
            print("note: port 7420 is in use; the test without settings was left out")
            return
        }
        let folder = try Folder()
        let broker = try Program("dbroker", [], in: folder.url)
        try await until("the broker answers") {
            try await Program("dbroker", ["status", "--patience", "1"], in: folder.url).status(within: 10) == 0
        }
        try await Program("dpub", ["plant/m1/temperature", "-m", "21.5"], in: folder.url).succeeds()
        let subscriber = try Program("dsub", ["plant/#", "-o", "beginning", "-e", "-v"], in: folder.url)
        try await subscriber.succeeds(within: 20)
        #expect(subscriber.outputText == "plant/m1/temperature 21.5\n")
        broker.send(SIGTERM)
        #expect(try await broker.status(within: 10) == 0)
        #expect(FileManager.default.fileExists(atPath: folder.url.appendingPathComponent(".local/state/squall/group-0").path))
    }
}
