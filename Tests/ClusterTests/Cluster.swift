import Foundation
import Testing

/// What `dbroker status -J` answers, as far as the tests look at it.
struct Status: Decodable {
    struct View: Decodable {
        let number: UInt64
        let members: [Int]
    }
    struct Node: Decodable {
        let node: Int
        let state: String
    }
    struct Group: Decodable {
        let group: Int
        let entries: UInt64
        let records: UInt64
        let delivered: UInt64
        let kept_bytes: Int?
        let disk_bytes: Int?
        let cleaned_bytes: Int?
    }
    let phase: String
    let view: View
    let nodes: [Node]
    let groups: [Group]
    let damage: [Hole]
    let entries_repaired: UInt64
    let sessions: Int
    let watches: Int
    let unordered_withheld_bytes: Int
    /// Bytes of frames that it wrote to other members, and of these what it passed on.
    let posted_bytes: Int
    let relayed_bytes: Int
    let signing_key: String?

    struct Hole: Decodable { let place: String }
}

/// A folder in the temporary directory, removed with its owner.
final class Folder {
    let url: URL
    init() throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent("squall-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }
    deinit { try? FileManager.default.removeItem(at: url) }

    @discardableResult
    func write(_ text: String, to name: String) throws -> URL {
        let file = url.appendingPathComponent(name)
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: file)
        return file
    }
}

/// Brokers on this machine: their files, their ports, their processes.
final class Cluster {
    static let topics = """
        topics:
          - pattern: fast/#
            level: unordered
          - pattern: live/#
            level: ordered
        defaults:
          level: durable
          admit: all
        """
    let folder: Folder
    let ports: [Int]
    private(set) var nodes: [Int: Program] = [:]
    var url: URL { folder.url }

    /// Writes the files and starts all nodes. `extra(node)` is added to a node's file.
    init(
        nodes count: Int = 3, topics: String = Cluster.topics, secret: String? = nil, data: [Int: String] = [:],
        extra: (Int) -> String = { _ in "" }
    ) throws {
        folder = try Folder()
        ports = try freePorts(count)
        try folder.write(topics, to: "topics.yaml")
        if let secret { try folder.write(secret, to: "secret") }
        let members = (1...count).map { "  - {node: \($0), address: 127.0.0.1:\(ports[$0 - 1])}\n" }.joined()
        for node in 1...count {
            try folder.write(
                """
                node: \(node)
                cluster: test
                listen: 127.0.0.1:\(ports[node - 1])
                data: \(data[node] ?? "data/\(node)")
                topics: topics.yaml
                members:
                \(members)\(secret == nil ? "" : "secret_file: secret\n")\(extra(node))
                """, to: "n\(node).yaml")
        }
        for node in 1...count { try start(node) }
    }

    func start(_ node: Int, _ flags: [String] = []) throws {
        nodes[node] = try Program("dbroker", ["run", "--config", "n\(node).yaml"] + flags, in: url, label: "n\(node)")
    }
    /// kill -9.
    func kill(_ node: Int) async throws { try await nodes[node]?.destroy() }

    func address(_ node: Int) -> String { "127.0.0.1:\(ports[node - 1])" }
    /// Addresses in the order given; the first is where a client attaches.
    func addresses(_ nodes: [Int] = [1, 2, 3]) -> String { nodes.map(address).joined(separator: ",") }
    func data(_ node: Int) -> URL { url.appendingPathComponent("data/\(node)") }
    /// What a node has said, for messages of failed tests.
    func log(_ node: Int) -> String { nodes[node].map { String($0.errorText.suffix(1500)) } ?? "" }

    func program(
        _ name: String, _ arguments: [String], at nodes: [Int] = [1, 2, 3], input: FileHandle? = nil
    ) throws -> Program {
        try Program(name, ["--broker", addresses(nodes)] + arguments, in: url, input: input)
    }

    /// A node's own answer; nil when it gives none.
    func status(_ node: Int) async throws -> Status? {
        let asking = try Program("dbroker", ["status", "-J", "--patience", "1", "-b", address(node)], in: url, label: "status-\(node)-\(UUID().uuidString.prefix(6))")
        defer {
            for file in [asking.outputFile, asking.errorFile] { try? FileManager.default.removeItem(at: file) }
        }
        guard try await asking.status(within: 20) == 0 else { return nil }
        return try JSONDecoder().decode(Status.self, from: asking.output)
    }
    /// Waits until each of `members` is live in a view of exactly them, and all hold the same number of durable records
    /// (`settled`: publishers rest). `asking`: only these are asked, where their word is enough.
    func untilLive(
        _ members: [Int] = [1, 2, 3], asking: [Int]? = nil, settled: Bool = false, within seconds: Double = 30
    ) async throws {
        do {
            try await until("nodes \(members) are live together", within: seconds) {
                var records: Set<UInt64> = []
                for node in asking ?? members {
                    guard let status = try await status(node), status.phase == "live", status.view.members.sorted() == members
                    else { return false }
                    if let durable = status.groups.first { records.insert(durable.records) }
                }
                return !settled || records.count == 1
            }
        } catch let overdue as Overdue {
            throw Overdue(description: "\(overdue)\n" + nodes.keys.sorted().map { log($0) }.joined(separator: "\n"))
        }
    }

    /// All that a pattern's topics hold, as one node gives it.
    func contents(_ pattern: String = "#", format: String = "%o %t %T %s\\n", at node: Int) async throws -> Data {
        let reading = try program("dsub", [pattern, "-o", "beginning", "-e", "-f", format, "-W", "60"], at: [node])
        try await reading.succeeds(within: 70)
        return reading.output
    }
}

/// Ports that nothing listens at. Below the range from which the system takes ports for outgoing connections, so that no
/// client sits on the port of a node that is down for a moment.
func freePorts(_ count: Int) throws -> [Int] {
    var ports: [Int] = []
    for _ in 0..<1000 where ports.count < count {
        let port = Int.random(in: 12_000..<31_000)
        if !ports.contains(port), isFree(port) { ports.append(port) }
    }
    try #require(ports.count == count, "no free ports")
    return ports
}

/// Whether bind(2) on the loopback address takes the port.
func isFree(_ port: Int) -> Bool {
    let file = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(file) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(port).bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    return unsafe withUnsafePointer(to: &address) {
        unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            unsafe bind(file, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
        }
    }
}

/// `1\n2\n3\n …` as a file.
func numbers(_ count: Int, in cluster: Cluster) throws -> String {
    var text = ""
    for number in 1...count { text += "\(number)\n" }
    return try cluster.folder.write(text, to: "numbers-\(count)").path
}

/// Nil when `lines` are 1, 2, 3 … `count`; else what is wrong first.
func flaw(_ lines: some Collection<Substring>, upTo count: Int) -> String? {
    var expected = 1
    for line in lines {
        guard let number = Int(line) else { return "line \(expected) is \"\(line)\"" }
        if number != expected {
            return number < expected ? "\(number) after \(expected - 1): twice or out of order" : "\(expected) to \(number - 1) are missing"
        }
        expected += 1
    }
    return expected - 1 == count ? nil : "ends at \(expected - 1), not \(count)"
}
