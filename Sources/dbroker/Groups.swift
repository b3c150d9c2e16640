import ArgumentParser
import Client
import Foundation
import Tooling
import Topics
import Wire

struct Groups: ParsableCommand, Tool {
    static let configuration = CommandConfiguration(
        abstract: "To which members a node sends what, and why.",
        discussion: """
            dbroker groups                       # the node that answers first
            dbroker groups -b 10.0.0.2:7700      # another one: each folds what it sends itself
            dbroker groups --explain plant/m1/vibration
            """)
    @OptionGroup var connection: ConnectionFlags
    @Flag(name: [.customShort("J"), .long], help: "As JSON.") var json = false
    @Option(name: .long, help: ArgumentHelp("Where this topic's records go.", valueName: "topic")) var explain: String?

    func perform() throws(ToolFailure) -> ExitStatus {
        if let topic = explain {
            do { _ = try TopicName(topic) } catch { throw ToolFailure(.usage, "--explain \(topic): \(error)") }
            let answer = try ask(connection, "groups " + topic)
            guard !json, let place = TopicPlace(answer) else { return say(answer) }
            return say(GroupsText.render(place))
        }
        let answer = try ask(connection, "groups")
        guard !json, let list = GroupsAnswer(answer) else { return say(answer) }
        return say(GroupsText.render(list))
    }

    private func say(_ text: String) -> ExitStatus {
        _ = Descriptor.writeLine(text, to: 1)
        return .done
    }
}

/// A node's answer to `groups`.
struct GroupsAnswer: Decodable {
    struct Group: Decodable {
        let members: [Int]
        let topics: Int
        let bytes: Int
        let unwanted: Int
        let unwanted_by_all: Int
    }
    struct Log: Decodable {
        let level: String
        let topics: Int
        let records: UInt64
        let frontier: UInt64
    }
    let node: Int
    let members: [Int]
    let logs: [Log]?
    let most: Int
    let topics: Int
    let classes: Int?
    let unsaid: Int?
    let moves: Int?
    let withheld: UInt64?
    let groups: [Group]

    init?(_ json: String) {
        guard let answer = try? JSONDecoder().decode(Self.self, from: Data(json.utf8)) else { return nil }
        self = answer
    }
}

/// A node's answer to `groups TOPIC`.
struct TopicPlace: Decodable {
    let topic: String
    let level: String?
    let members: [Int]?
    let replicas: Int?
    let holders: [Int]?
    let wanted: [Int]?
    let sent: [Int]?
    let classes: Int?
    let most: Int?
    /// Bytes a second of all topics that the same members want.
    let bytes: Int?
    let unwanted: Int?
    let unwanted_by_all: Int?
    let group_topics: Int?
    let group_bytes: Int?

    init?(_ json: String) {
        guard let answer = try? JSONDecoder().decode(Self.self, from: Data(json.utf8)) else { return nil }
        self = answer
    }
}

enum GroupsText {
    static func render(_ answer: GroupsAnswer) -> String {
        guard !answer.members.isEmpty else { return "node \(answer.node) runs no view" }
        let logs = (answer.logs ?? []).map { log in
            let frontier = log.frontier == 0 ? "-" : TimeText.text(Int64(clamping: log.frontier))
            return [log.level, Numbers.grouped(log.topics), Numbers.grouped(log.records), frontier, list(answer.members)]
        }
        var lines = [
            "node \(answer.node) sends to members \(list(answer.members))", "", "topics with an order, which all members take in:",
            StatusText.table([["level", "topics", "records", "frontier", "members"]] + logs), "",
        ]
        guard answer.topics > 0 else { return (lines + ["unordered topics: none"]).joined(separator: "\n") }
        let classes = answer.classes ?? 0
        lines.append(
            "unordered topics: \(Numbers.grouped(answer.topics)), wanted by \(Numbers.grouped(classes)) \(classes == 1 ? "set" : "sets") of members; "
                + "at most \(answer.most) groups")
        var rows = [["group", "topics", "bytes/s", "unwanted/s", "members"]]
        for (number, group) in answer.groups.enumerated() {
            rows.append([
                "\(number)", Numbers.grouped(group.topics), Numbers.bytes(Double(group.bytes)), Numbers.bytes(Double(group.unwanted)), list(group.members),
            ])
        }
        if !answer.groups.isEmpty { lines += ["", StatusText.table(rows)] }
        if let unsaid = answer.unsaid, unsaid > 0 { lines.append("not spoken of yet, to all members: \(Numbers.grouped(unsaid)) topic\(unsaid == 1 ? "" : "s")") }
        let unwanted = answer.groups.reduce(0) { $0 + $1.unwanted }
        let byAll = answer.groups.reduce(0) { $0 + $1.unwanted_by_all }
        func row(_ what: String, _ groups: Int, _ bytes: Int) -> [String] { [what, Numbers.grouped(groups), Numbers.bytes(Double(bytes))] }
        lines += [
            "",
            StatusText.table([
                ["", "groups", "unwanted/s"], row("this folding", answer.groups.count, unwanted), row("a group for each set", classes, 0),
                row("a group for each topic", answer.topics, 0), row("one group for all", 1, byAll),
            ]), "",
            "kept from members that do not want it, since the node began: \(Numbers.bytes(Double(answer.withheld ?? 0))); topics moved: \(Numbers.grouped(answer.moves ?? 0))",
        ]
        return lines.joined(separator: "\n")
    }

    static func render(_ place: TopicPlace) -> String {
        guard let level = place.level else { return "\(place.topic): no pattern of topics.yaml admits it" }
        let all = list(place.members ?? [])
        guard level == "unordered" else {
            let head = "\(place.topic) is \(level): to all members (\(all))"
            guard let replicas = place.replicas else { return head + ", each of which holds it" }
            guard let holders = place.holders else { return head + "; its past stays at \(replicas) of them; nobody has published to it" }
            return head + "; its past stays at \(list(holders)) (replicas: \(replicas))"
        }
        guard let sent = place.sent else { return "\(place.topic) is \(level), and nobody has published to it" }
        guard let wanted = place.wanted else { return "\(place.topic) is \(level): to all members (\(all)), some of which have not said yet whether they want it" }
        let others = wanted.isEmpty ? "no other member wants it" : "wanted at \(list(wanted))"
        let head = "\(place.topic) is \(level): \(others); its group is \(list(sent))"
        guard let bytes = place.bytes, let classes = place.classes, let most = place.most else { return head }
        func rate(_ bytes: Int?) -> String { Numbers.bytes(Double(bytes ?? 0)) + "/s" }
        let isWasteful = place.unwanted ?? 0 > 0
        var lines = [
            head,
            "all that the same members want: \(rate(bytes)); in this group, of \(Numbers.grouped(place.group_topics ?? 0)) topics and \(rate(place.group_bytes)), "
                + (isWasteful ? "\(rate(place.unwanted)) of it goes where nobody asked for it" : "none of it goes where nobody asked for it"),
            "sent to everybody: \(rate(place.unwanted_by_all)) would",
        ]
        if isWasteful, classes > most { lines.append("a group of its own: none would, but \(classes) sets of members share at most \(most) groups (max_groups)") }
        return lines.joined(separator: "\n")
    }

    private static func list(_ nodes: [Int]) -> String { nodes.map { "\($0)" }.joined(separator: " ") }
}
