import Foundation
import Testing

extension ClusterTests {
    @Test func theStatusIsShownAgainAndFromAnotherNodeWhenOneIsLost() async throws {
        let cluster = try Cluster()
        try await cluster.untilLive()
        let watching = try Program("dbroker", ["status", "--watch", "-b", cluster.address(3)], in: cluster.url)
        func blocks() -> [String] {
            watching.outputText.components(separatedBy: "cluster test").dropFirst().map { String($0) }
        }
        try await until("two blocks are shown") { blocks().count >= 2 }
        #expect(blocks()[0].hasPrefix(" · node 3 is live · view 1 [1 2 3] (quorum 2)"))
        try await cluster.kill(3)
        try await until("another node answers") { blocks().last?.contains("is live · view 2 [1 2] (quorum 2)") ?? false }
        #expect(blocks().last?.contains("127.0.0.1:\(cluster.ports[2])  -     away") ?? false, "\(blocks().last ?? "")")
        watching.send(SIGINT)
        #expect(try await watching.status(within: 5) == 0)
        #expect(watching.errorText.isEmpty)

        // Each change of view says why it came; who heard of it before noticing says so.
        try await until("the reason is told") {
            [1, 2].contains { cluster.log($0).contains("node 3 lost (closed by the peer)") }
                && [1, 2].allSatisfy { cluster.log($0).contains(": node 3 lost (") }
        }
        try cluster.start(3)
        try await cluster.untilLive()
        #expect(cluster.log(1).contains("view 3 [1 2 3] begins after") && cluster.log(1).contains("ms: node 3 taken in"))
        #expect(cluster.log(3).contains("view 3 [1 2 3] begins: this node is taken in"))

        let nobody = try Program("dbroker", ["status", "--watch", "--patience", "0.2", "-b", "127.0.0.1:1"], in: cluster.url)
        #expect(try await nobody.status(within: 10) == 69)
    }

    @Test func aTopicOfALowerLevelThanIsAskedForEndsASubscriptionByName() async throws {
        let cluster = try Cluster(nodes: 1, topics: """
            topics:
              - {pattern: fast/#, level: unordered}
              - {pattern: memory/#, level: ordered}
              - {pattern: "#", level: durable}
            """)
        try await cluster.untilLive([1])
        func publish(_ topic: String, _ text: String) async throws {
            try await cluster.program("dpub", [topic, "-m", text], at: [1]).succeeds(within: 20)
        }
        let live = try cluster.program("dsub", ["#", "-T", "memory/#", "-q", "ordered", "-v"], at: [1])
        try await until("the subscription stands") { try await cluster.status(1)?.watches ?? 0 > 0 }
        try await publish("plant/a", "one")
        try await until("what is durable comes") { live.outputText == "plant/a one\n" }
        try await publish("fast/new", "two")
        #expect(try await live.status(within: 10) == 77)
        #expect(live.outputText == "plant/a one\n")
        #expect(live.errorText == "dsub: topic \"fast/new\" is unordered here; ordered is asked for\n")

        // A topic that is there already is refused before anything comes, wherever one begins.
        try await publish("memory/x", "three")
        for (start, level) in [("beginning", "durable"), ("last", "durable"), ("-5", "2"), ("end", "signed")] {
            let late = try cluster.program("dsub", ["memory/#", "plant/#", "-o", start, "-q", level, "-e"], at: [1])
            #expect(try await late.status(within: 10) == 77, "\(start)")
            #expect(late.outputText.isEmpty, "\(start): \(late.outputText)")
            #expect(late.errorText.contains(level == "signed" ? "; signed is asked for" : "topic \"memory/x\" is ordered here; durable is asked for"), "\(late.errorText)")
        }
        let fits = try cluster.program("dsub", ["memory/#", "plant/#", "-o", "beginning", "-q", "ordered", "-e"], at: [1])
        try await fits.succeeds(within: 20)
        #expect(Set(fits.outputLines) == ["one", "three"])
    }

    @Test func aFilterPicksRecordsAtTheBrokerLiveAndFromTheLog() async throws {
        let cluster = try Cluster()
        try await cluster.untilLive()
        let filter = "value >= 5 and (unit == \"C\" or not ok) and topic != \"f/2\""
        let live = try cluster.program(
            "dsub", ["f..g", "-T", "f/3", "-o", "beginning", "-c", "10", "-f", "%t %s\\n", "--filter", filter])
        var lines: [String] = []
        var expected: [String] = []
        for number in 0..<200 {
            let topic = "f/\(number % 4)"
            let unit = number % 3 == 0 ? "F" : "C"
            let payload = "{\"value\":\(number % 9),\"unit\":\"\(unit)\",\"ok\":\(number % 5 == 0)}"
            lines.append("\(topic) \(payload)")
            if number % 9 >= 5, unit == "C" || number % 5 != 0, number % 4 < 2 { expected.append("\(topic) \(payload)") }
        }
        for topic in 0..<4 {
            let own = lines.filter { $0.hasPrefix("f/\(topic) ") }.map { String($0.dropFirst(4)) }
            let file = try cluster.folder.write(own.joined(separator: "\n") + "\n", to: "in\(topic)")
            try await cluster.program("dpub", ["f/\(topic)"], input: try FileHandle(forReadingFrom: file)).succeeds()
        }
        try await live.succeeds()
        let wanted = (0..<2).flatMap { topic in expected.filter { $0.hasPrefix("f/\(topic) ") } }
        #expect(live.outputText.split(separator: "\n").map(String.init) == Array(wanted.prefix(10)))

        let read = try cluster.program("dsub", ["#", "-T", "f/3", "-o", "beginning", "-e", "-f", "%t %s\\n", "--filter", filter])
        try await read.succeeds()
        #expect(read.outputText.split(separator: "\n").map(String.init) == wanted)

        let wrong = try cluster.program("dsub", ["#", "--filter", "value >> 5"])
        #expect(try await wrong.status(within: 20) == 64)
        #expect(wrong.errorText.contains("filter, column 8: a field or a value expected, not \">\""), "\(wrong.errorText)")
    }

    /// An ordered topic's log is 16 MiB in memory: who stands still for longer misses records, and is told how many.
    @Test func whoComesTooLateForAnOrderedTopicIsToldHowManyItMissed() async throws {
        let cluster = try Cluster(topics: "topics:\n  - {pattern: \"#\", level: ordered}\n")
        try await cluster.untilLive()
        let count = 300_000
        let live = try cluster.program("dsub", ["late", "-f", "%s\\n"], at: [2])
        try await until("the subscription stands") { try await cluster.status(2)?.watches == 1 }
        let first = try cluster.folder.write("0\n", to: "first")
        try await cluster.program("dpub", ["late"], at: [1], input: try FileHandle(forReadingFrom: first)).succeeds()
        try await until("the first record is there") { live.outputText == "0\n" }
        live.send(SIGSTOP)
        let line = String(repeating: "x", count: 200)
        let rest = try cluster.folder.write((1...count).map { "\($0) \(line)\n" }.joined(), to: "rest")
        try await cluster.program("dpub", ["late", "-l", "-f", rest.path], at: [1]).succeeds()
        live.send(SIGCONT)
        let last = "\n\(count) \(line)\n"
        try await until("the last record is there", within: 60) {
            let file = try FileHandle(forReadingFrom: live.outputFile)
            try file.seek(toOffset: try file.seekToEnd() - UInt64(min(last.utf8.count, live.outputSize)))
            return String(decoding: try file.readToEnd() ?? Data(), as: UTF8.self) == last
        }
        let numbers = live.outputText.split(separator: "\n").map { Int($0.prefix { $0 != " " })! }
        #expect(zip(numbers, numbers.dropFirst()).allSatisfy { $0 < $1 }, "in order, none twice")
        let lost = count + 1 - numbers.count
        #expect(lost > 0, "16 MiB hold fewer than were published")
        try await until("it is told") { live.errorText.contains("no longer kept") }
        let said = live.errorText.split(separator: "(").last?.prefix { $0 != " " }.filter(\.isNumber)
        #expect(said == "\(lost)", "\(lost) are missing: \(live.errorText)")
        live.send(SIGINT)
        #expect(try await live.status(within: 10) == 0)
    }

    @Test func tenThousandPatternsInOneSubscriptionFindWhatTheyAskFor() async throws {
        let cluster = try Cluster(nodes: 1)
        try await cluster.untilLive([1])
        let patterns = (0..<10_000).map { $0 % 2 == 0 ? "many/\($0)/+" : "many/\($0)..many/\($0)" }
        let live = try cluster.program("dsub", patterns + ["-c", "2", "-f", "%t "], at: [1])
        try await until("the subscription stands") { try await cluster.status(1)?.watches == 10_000 }
        for topic in ["many/x", "many/4/a", "many/4/a/b", "many/9999/b"] {
            let file = try cluster.folder.write("one\n", to: "one")
            try await cluster.program("dpub", [topic], at: [1], input: try FileHandle(forReadingFrom: file)).succeeds()
        }
        try await live.succeeds()
        #expect(live.outputText == "many/4/a many/9999/b ")
    }

    /// A node that waits for a slow tick whenever a reader's ring is full gives the past many times more slowly than it was taken in.
    @Test func thePastIsGivenAsFastAsItWasTakenIn() async throws {
        let cluster = try Cluster(nodes: 1) { _ in "segment: 8MiB\n" }
        try await cluster.untilLive([1])
        let count = 1_000_000
        let line = String(repeating: "x", count: 99) + "\n"
        let file = try cluster.folder.write(String(repeating: line, count: count), to: "lines").path
        let clock = ContinuousClock()
        let publishing = try await clock.measure { try await cluster.program("dpub", ["past/a", "-f", file, "-l"], at: [1]).succeeds(within: 60) }
        let reader = try cluster.program("dsub", ["past/a", "-o", "beginning", "-e", "-f", "x", "-W", "60"], at: [1])
        let reading = try await clock.measure { try await reader.succeeds(within: 60) }
        #expect(reader.output.count == count)
        #expect(reading < publishing * 3 + .seconds(1), "\(reading) to read what was published in \(publishing)")
    }
}
