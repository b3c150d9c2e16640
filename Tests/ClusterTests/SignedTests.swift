import Foundation
import Testing

extension ClusterTests {
    /// What `dbroker log verify -J` and `log dump -J` answer, as far as it is looked at.
    private struct Verdict: Decodable {
        struct Finding: Decodable {
            let problem: Bool
            let what: String
        }
        struct Signed: Decodable {
            let key: String
            let end: UInt64
        }
        let ok: Bool
        let end: UInt64
        let signed: Signed?
        let findings: [Finding]
    }
    private struct Dumped: Decodable {
        struct Record: Decodable {
            let topic: String?
            let payload: String?
        }
        let entry: UInt64
        let contents: [Record]
    }

    /// One node is killed under load and learns again, another one's log is damaged and repaired, the first of the view is killed: each still
    /// has one history that it signed, and the same as the others.
    @Test func aSignedHistoryStaysWholeThroughFailuresAndWhoChangesItIsFoundOut() async throws {
        let topics = "topics:\n  - {pattern: audit/#, level: signed}\n"
        let cluster = try Cluster(topics: topics) { _ in "segment: 1MiB\n" }
        try await cluster.untilLive()
        let count = 60_000
        let publisher = try cluster.program(
            "dpub", ["audit/seq", "-f", numbers(count, in: cluster), "-l", "--id", "signed", "--rate", "12000", "--patience", "60", "-q", "signed"], at: [2, 1, 3])
        try await until("records flow") { try await cluster.status(2)?.groups.first?.records ?? 0 > 8000 }
        try await cluster.kill(3)
        try await until("two go on") { try await cluster.status(2)?.view.members.sorted() == [1, 2] }
        try Segment.oldest(in: cluster.data(3)).flip(5000)
        try cluster.start(3)
        try await cluster.untilLive(asking: [3])
        try await until("node 3 has repaired its log") { try await cluster.status(3).map { $0.entries_repaired > 0 && $0.damage.isEmpty } ?? false }
        try await cluster.kill(1)
        try await until("two go on without the first") { try await cluster.status(2)?.view.members.sorted() == [2, 3] }
        try cluster.start(1)
        try await publisher.succeeds()
        #expect(publisher.tally?.acknowledged == count)
        try await cluster.untilLive(settled: true)
        var keys: [String] = []
        for node in 1...3 { keys.append(try #require(try await cluster.status(node)?.signing_key)) }
        #expect(Set(keys).count == 3)
        for node in 1...3 {
            cluster.nodes[node]?.send(SIGTERM)
            #expect(try await cluster.nodes[node]?.status(within: 10) == 0)
        }

        let folders = ["data/1", "data/2", "data/3"]
        let given = (1...3).flatMap { ["--key", "\($0)=\(keys[$0 - 1])"] }
        let verdicts = try await verify(cluster, folders + given, status: 0)
        #expect(verdicts.count == 3 && verdicts.allSatisfy { $0.ok && $0.signed?.end == $0.end && $0.end == verdicts[0].end }, "\(verdicts)")
        // Another node's key is not this one's.
        let swapped = try await verify(cluster, ["data/1", "--key", "1=\(keys[1])"], status: 1)
        #expect(swapped[0].findings.contains { $0.problem && $0.what.contains("signed with key \(keys[0])") }, "\(swapped)")

        let dump = try Program("dbroker", ["log", "dump", "data/2", "-t", "audit/#", "-J"], in: cluster.url)
        try await dump.succeeds(within: 60)
        let entries = try dump.outputLines.map { try JSONDecoder().decode(Dumped.self, from: Data($0.utf8)) }
        let payloads = entries.flatMap { $0.contents.compactMap(\.payload) }
        #expect(payloads == (1...count).map(String.init) && entries.map(\.entry) == entries.map(\.entry).sorted())

        // One byte is another.
        try Segment.oldest(in: cluster.data(2)).flip(5000)
        let changed = try await verify(cluster, ["data/2"], status: 1)
        #expect(!changed[0].ok && changed[0].findings.contains { $0.problem }, "\(changed)")
        let broken = try Program("dbroker", ["log", "dump", "data/2"], in: cluster.url)
        #expect(try await broken.status(within: 60) == 1)
        #expect(broken.errorText.contains("group-0/"), "\(broken.errorText)")

        for (arguments, status, says) in [
            (["verify", "data/1", "--key", "1=xyz"], 64, "--key: \"1=xyz\" is not NODE=KEY, a number and 64 hexadecimal digits"),
            (["verify", "nowhere"], 73, "nowhere"), (["dump", "data/1", "--from", "5", "--to", "2"], 64, "--to: 2 is below --from 5"),
            (["dump", "data/1", "-t", "a/#/b"], 64, "-t: "),
        ] as [([String], Int32, String)] {
            let wrong = try Program("dbroker", ["log"] + arguments, in: cluster.url)
            #expect(try await wrong.status(within: 20) == status, "\(arguments): \(wrong.errorText)")
            #expect(wrong.errorText.contains(says), "\(arguments): \(wrong.errorText)")
        }
    }

    private func verify(_ cluster: Cluster, _ arguments: [String], status: Int32) async throws -> [Verdict] {
        let asking = try Program("dbroker", ["log", "verify", "-J"] + arguments, in: cluster.url)
        #expect(try await asking.status(within: 60) == status, "\(asking.outputText) \(asking.errorText)")
        return try asking.outputLines.map { try JSONDecoder().decode(Verdict.self, from: Data($0.utf8)) }
    }
}

/// A file of a stopped node's durable log.
struct Segment {
    let file: URL
    let size: UInt64

    init(_ file: URL) throws {
        self.file = file
        size = try #require(try FileManager.default.attributesOfItem(atPath: file.path)[.size] as? UInt64)
    }
    static func all(in data: URL) throws -> [URL] {
        let folder = data.appendingPathComponent("group-0")
        return try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".log") }.sorted().map { folder.appendingPathComponent($0) }
    }
    static func oldest(in data: URL) throws -> Segment { try Segment(try #require(all(in: data).first)) }
    static func newest(in data: URL) throws -> Segment { try Segment(try #require(all(in: data).last)) }

    /// Zeros where there was something else.
    func wipe(_ bytes: Range<UInt64>) throws {
        let handle = try FileHandle(forUpdating: file)
        defer { try? handle.close() }
        try handle.seek(toOffset: bytes.lowerBound)
        try handle.write(contentsOf: Data(count: bytes.count))
    }
    func flip(_ position: UInt64) throws {
        let handle = try FileHandle(forUpdating: file)
        defer { try? handle.close() }
        try handle.seek(toOffset: position)
        let byte = try #require(try handle.read(upToCount: 1)?.first)
        try handle.seek(toOffset: position)
        try handle.write(contentsOf: Data([byte ^ 0x20]))
    }
}
