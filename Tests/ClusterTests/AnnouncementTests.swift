import Foundation
import Testing

extension ClusterTests {
    private struct Deadline: Decodable {
        let topic: String
        let missed: Bool
        let deadline_ms: Int
        let silent_ms: Int
    }
    private struct View: Decodable {
        let view: UInt64
        let members: [Int]
        let reason: String
    }

    @Test func aMissedDeadlineAndAChangeOfViewAreRecordsThatAnyoneMayRead() async throws {
        let topics = """
            topics:
              - {pattern: slow/#, level: durable, deadline: 300ms}
              - {pattern: raw/#, level: unordered, deadline: 400ms}
            """
        let cluster = try Cluster(topics: topics)
        try await cluster.untilLive()
        let reader = try cluster.program("dsub", ["$status/#", "-o", "beginning", "-f", "%t %k %s\\n", "--patience", "60"], at: [3, 2])
        func events<Event: Decodable>(_ topic: String) -> [Event] {
            reader.outputLines.filter { $0.hasPrefix("$status/\(topic) ") }.compactMap { line in
                line.firstIndex(of: "{").flatMap { try? JSONDecoder().decode(Event.self, from: Data(line[$0...].utf8)) }
            }
        }
        for (topic, span) in [("slow/a", 300), ("raw/\"b\"", 400)] {
            func say(_ text: String) async throws { try await cluster.program("dpub", [topic, "-m", text], at: [2]).succeeds(within: 20) }
            func told() -> [Deadline] { events("deadline").filter { $0.topic == topic } }
            try await say("one")
            try await until("\(topic) is missed") { told().last?.missed == true }
            #expect(told().count == 1 && told()[0].deadline_ms == span && told()[0].silent_ms >= span, "\(told())")
            try await say("two")
            try await until("\(topic) is back") { told().contains { !$0.missed } }
            try await until("\(topic) is missed again") { told().count >= 3 }
            #expect(told().prefix(3).map(\.missed) == [true, false, true])
        }
        #expect(cluster.log(1).contains("topic \"slow/a\" misses its deadline of 300 ms: nothing came for "), "\(cluster.log(1))")

        // A topic that was removed owes nothing: only the other one is silent in the next view.
        try await Program("dbroker", ["rm", "slow/a", "-b", cluster.address(2)], in: cluster.url).succeeds(within: 20)
        #expect((events("view") as [View]).last?.members.sorted() == [1, 2, 3])
        try await cluster.kill(1)
        try await until("the next view is told") { (events("view") as [View]).last?.members.sorted() == [2, 3] }
        let view = try #require((events("view") as [View]).last)
        #expect(view.reason.contains("node 1 lost"), "\(view)")

        // Nobody gets them who did not ask, and nobody else publishes them.
        let all = try cluster.program("dsub", ["#", "-o", "beginning", "-e", "-f", "%t\\n"], at: [2])
        try await all.succeeds(within: 20)
        #expect(!all.outputText.contains("$status"))
        let forger = try cluster.program("dpub", ["$status/view", "-m", "x"], at: [2])
        #expect(try await forger.status(within: 20) == 77, "\(forger.errorText)")
    }
}
