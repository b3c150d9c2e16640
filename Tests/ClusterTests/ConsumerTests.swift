import Foundation
import Testing

/// What `dbroker consumers -J` answers, as far as the tests look at it.
private struct Consumers: Decodable {
    struct Member: Decodable {
        let node: Int
        let partitions: Int
        let passing_on: Int
    }
    struct Group: Decodable {
        let name: String
        let place: UInt64
        let lag: UInt64
        let members: [Member]
    }
    let groups: [Group]
}

extension ClusterTests {
    @Test func membersShareTheTopicsAndWhatAKilledOneHadComesToTheOthers() async throws {
        let cluster = try Cluster()
        try await cluster.untilLive()
        let count = 60_000
        // First in the list is the node that it attaches to.
        let members = try [[1, 2, 3], [2, 3, 1], [3, 1, 2]].map { try member(cluster, ["-o", "beginning", "--patience", "60"], at: $0) }
        try await until("three members have a share each") { try await shares(cluster, at: 1) == [21, 21, 22] }
        let publisher = try cluster.program(
            "dpub", ["--json", "--topic-field", "topic", "-f", records(count, topics: 40, in: cluster), "--id", "p", "--rate", "6000", "--patience", "60"],
            at: [2, 3, 1])
        try await until("all members are given records") { members.allSatisfy { $0.outputSize > 5_000 } }

        // A member dies: the node sees its link go, the others have its partitions at once.
        let dead = ContinuousClock.now
        try await members[0].destroy()
        try await until("two members have a share each") { try await shares(cluster, at: 2) == [32, 32] }
        #expect(ContinuousClock.now - dead < .seconds(3))
        let before = members.map(\.outputSize)
        try await until("the others are given records") { zip(members, before).dropFirst().allSatisfy { $0.outputSize > $1 + 5_000 } }
        // A member's node dies: it goes on at another, with what it has.
        let killed = ContinuousClock.now
        try await cluster.kill(3)
        try await until("two members of the two nodes left have a share each", within: 30) {
            let list = try await consumers(cluster, at: 2)
            return list.first?.members.map(\.node).allSatisfy { $0 != 3 } ?? false && list.first?.members.map(\.partitions) == [32, 32]
        }
        #expect(ContinuousClock.now - killed < .seconds(5))
        try cluster.start(3)
        try await publisher.succeeds(within: 60)
        #expect(publisher.tally?.acknowledged == count)
        try await until("nothing is open", within: 30) { try await consumers(cluster, at: 2).first?.lag == 0 }
        for member in members.dropFirst() { member.send(SIGINT) }
        for member in members.dropFirst() { try await member.succeeds(within: 20) }

        var seen: [Int: [Int]] = [:]
        for (index, member) in members.enumerated() {
            var last: [Substring: Int] = [:]
            // The last line of one that was killed may be torn.
            for line in member.outputText.split(separator: "\n").dropLast(index == 0 && member.outputText.last != "\n" ? 1 : 0) {
                let words = line.split(separator: " ")
                let offset = try #require(words.first.flatMap { Int($0) })
                if let before = last[words[1]] { #expect(before < offset, "member \(index), \(words[1]): \(offset) after \(before)") }
                last[words[1]] = offset
                seen[offset, default: []].append(index)
            }
        }
        #expect(seen.count == count && seen.keys.max() == count - 1, "\(seen.count) of \(count) records")
        // What came twice, the killed one had had; of one whose node died nothing does.
        let twice = seen.filter { $0.value.count > 1 }
        #expect(twice.values.allSatisfy { $0.count == 2 && $0.contains(0) }, "\(twice.filter { !$0.value.contains(0) }.prefix(5))")
        let given = seen.values.count { $0.contains(0) }
        #expect(twice.count < given, "\(twice.count) of \(given) came again")
    }

    @Test func whatWasDoneWithIsKeptThroughARestartOfAll() async throws {
        let cluster = try Cluster()
        try await cluster.untilLive()
        try await cluster.program("dpub", ["t/seq", "-f", numbers(3000, in: cluster), "-l"]).succeeds()
        // Read in three goes, by other nodes, one of them interrupted by a count.
        var lines: [Substring] = []
        for (index, arguments) in [["-c", "1000"], ["-e"]].enumerated() {
            let reading = try cluster.program("dsub", ["-G", "work", "t/#", "-o", "beginning"] + arguments, at: [1 + index])
            try await reading.succeeds(within: 20)
            lines += reading.outputLines
        }
        #expect(flaw(lines, upTo: 3000) == nil)
        for node in 1...3 { cluster.nodes[node]?.send(SIGKILL) }
        for node in 1...3 { try await cluster.kill(node) }
        for node in 1...3 { try cluster.start(node) }
        try await cluster.untilLive(settled: true)
        try await cluster.program("dpub", ["t/seq", "-m", "3001"]).succeeds()
        let after = try cluster.program("dsub", ["-G", "work", "t/#", "-o", "beginning", "-e"], at: [3])
        try await after.succeeds(within: 20)
        #expect(after.outputText == "3001\n")
    }

    @Test func anOperatorSeesSetsBackAndRemovesAGroup() async throws {
        let cluster = try Cluster()
        try await cluster.untilLive()
        try await cluster.program("dpub", ["t/seq", "-f", numbers(100, in: cluster), "-l"]).succeeds()
        let staying = try cluster.program("dsub", ["-G", "work", "t/#", "-o", "beginning"], at: [1])
        try await until("all is done with") { try await consumers(cluster, at: 2).first.map { $0.lag == 0 && $0.place == 100 } ?? false }
        #expect(flaw(staying.outputLines, upTo: 100) == nil)
        try await order(cluster, ["reset", "work", "--to", "90"], status: 0)
        try await until("the last ten come again") { staying.outputLines.count == 110 }
        #expect(flaw(staying.outputLines.dropLast(10), upTo: 100) == nil)
        let again: [Int] = staying.outputLines.suffix(10).compactMap { Int($0) }
        #expect(again == Array(91...100))
        try await order(cluster, ["rm", "work"], status: 77, saying: "has 1 members; end them first")
        try await order(cluster, ["reset", "none", "--to", "end"], status: 77, saying: "there is no consumer group \"none\"")
        try await order(cluster, ["reset", "work", "--to", "soon"], status: 64, saying: "is not a place")
        let other = try cluster.program("dsub", ["-G", "work", "u/#"], at: [2])
        #expect(try await other.status(within: 20) == 77)
        #expect(other.errorText.contains("all of them must read the same"))
        let level = try cluster.program("dsub", ["-G", "work2", "live/a"], at: [2])
        #expect(try await level.status(within: 20) == 77)
        #expect(level.errorText.contains("consumer groups read durable topics only"))
        staying.send(SIGINT)
        try await staying.succeeds(within: 20)
        try await order(cluster, ["rm", "work"], status: 0)
        #expect(try await consumers(cluster, at: 3).isEmpty)
        let list = try Program("dbroker", ["consumers", "-b", cluster.address(1)], in: cluster.url)
        try await list.succeeds(within: 20)
        #expect(list.outputText == "no consumer groups\n")
    }

    @Test func withManualAcknowledgementOnlyWhatALineConfirmedIsDoneWith() async throws {
        let cluster = try Cluster()
        try await cluster.untilLive()
        try await cluster.program("dpub", ["t/seq", "-f", numbers(20, in: cluster), "-l"]).succeeds()
        let lines = Pipe()
        let careful = try cluster.program("dsub", ["-G", "work", "t/#", "-o", "beginning", "--ack", "manual"], at: [1], input: lines.fileHandleForReading)
        try await until("all is printed") { careful.outputLines.count == 20 }
        try lines.fileHandleForWriting.write(contentsOf: Data("\n\n\n".utf8))
        try await until("three are done with") { try await consumers(cluster, at: 2).first?.place == 3 }
        try await careful.destroy()
        let second = try cluster.program("dsub", ["-G", "work", "t/#", "-c", "17"], at: [2])
        try await second.succeeds(within: 20)
        let rest: [Int] = second.outputLines.compactMap { Int($0) }
        #expect(rest == Array(4...20))
    }

    // MARK: what they share

    private func member(_ cluster: Cluster, _ arguments: [String], at nodes: [Int]) throws -> Program {
        try cluster.program("dsub", ["-G", "work", "t/#", "-f", "%o %t\\n"] + arguments, at: nodes)
    }
    private func records(_ count: Int, topics: Int, in cluster: Cluster) throws -> String {
        let text = (0..<count).map { "{\"topic\":\"t/\($0 * 7 % topics)\",\"n\":\($0)}\n" }.joined()
        return try cluster.folder.write(text, to: "records-\(count)").path
    }
    private func consumers(_ cluster: Cluster, at node: Int) async throws -> [Consumers.Group] {
        let asking = try Program("dbroker", ["consumers", "-J", "--patience", "1", "-b", cluster.address(node)], in: cluster.url)
        defer { for file in [asking.outputFile, asking.errorFile] { try? FileManager.default.removeItem(at: file) } }
        guard try await asking.status(within: 20) == 0 else { return [] }
        return try JSONDecoder().decode(Consumers.self, from: asking.output).groups
    }
    /// Partitions of each member of the first group, rising; empty while some pass on.
    private func shares(_ cluster: Cluster, at node: Int) async throws -> [Int] {
        guard let group = try await consumers(cluster, at: node).first, group.members.allSatisfy({ $0.passing_on == 0 }) else { return [] }
        return group.members.map(\.partitions).sorted()
    }
    private func order(_ cluster: Cluster, _ arguments: [String], status: Int32, saying text: String = "") async throws {
        let order = try Program("dbroker", ["consumers"] + arguments + ["-b", cluster.address(2)], in: cluster.url)
        #expect(try await order.status(within: 20) == status, "\(arguments): \(order.errorText)")
        #expect(text.isEmpty || order.errorText.contains(text), "\(arguments): \(order.errorText)")
    }
}
