import Foundation
import Tooling

/// A node's answer to `status`, as far as people are shown it.
struct StatusAnswer: Decodable {
    struct View: Decodable {
        let number: UInt64
        let members: [Int]
        let quorum: Int
    }
    struct Node: Decodable {
        let node: Int
        let address: String
        let rank: Int?
        let state: String
        let why: String?
        let behind: UInt64?
        let copied: UInt64?
    }
    struct Group: Decodable {
        let level: String
        let topics: Int
        let publishers: Int
        let entries: UInt64
        let ordered: UInt64
        let stable: UInt64
        let durable: UInt64?
        let delivered: UInt64
        let kept_bytes: UInt64?
        let disk_bytes: UInt64?
        let cleaned_bytes: UInt64?
        /// Nanoseconds since 1970.
        let oldest: UInt64?
    }
    struct Holdings: Decodable {
        let replicas: [Int]
        let elsewhere: Int
        let lacking: Int
        let fetched_bytes: UInt64
        let waiting: Int
    }
    struct Hole: Decodable {
        let place: String
        let entries: UInt64
    }
    let cluster: String
    let node: Int
    let phase: String
    let view: View
    /// Why it runs no view, and whom it waits for.
    let waiting: String?
    let nodes: [Node]
    let groups: [Group]
    let holdings: Holdings?
    let damage: [Hole]
    let entries_repaired: UInt64
    let sessions: Int
    let signing_key: String?
    let ordered_dropped: UInt64?
    let unordered_dropped: UInt64?

    init?(_ json: String) {
        guard let answer = try? JSONDecoder().decode(Self.self, from: Data(json.utf8)) else { return nil }
        self = answer
    }
}

/// The status answer for people: Foundation reads the JSON, this lays it out.
enum StatusText {
    private struct TopicList: Decodable {
        struct Topic: Decodable {
            let topic: String
            let level: String
        }
        let topics: [Topic]
        let not_shown: Int
    }

    /// Text that does not parse is shown as it came.
    static func render(_ json: String) -> String {
        guard let status = StatusAnswer(json) else { return json }
        let members = status.view.members.map(String.init).joined(separator: " ")
        var parts = [
            "cluster \(status.cluster) · node \(status.node) is \(status.phase) · view \(status.view.number) [\(members)] "
                + "(quorum \(status.view.quorum)) · \(status.sessions) clients"
        ]
        if let waiting = status.waiting { parts.append("not serving: \(waiting)") }
        parts.append(table([["node", "address", "rank", "state"]] + status.nodes.map {
            ["\($0.node)", $0.address, $0.rank.map(String.init) ?? "-", state($0)]
        }))
        parts.append(table([["level", "topics", "publishers", "entries", "ordered", "stable", "durable", "delivered"]] + status.groups.map {
            [$0.level, "\($0.topics)", "\($0.publishers)", "\($0.entries)", "\($0.ordered)", "\($0.stable)", $0.durable.map { "\($0)" } ?? "-", "\($0.delivered)"]
        }))
        for group in status.groups {
            guard let kept = group.kept_bytes, let disk = group.disk_bytes, let cleaned = group.cleaned_bytes else { continue }
            let oldest = group.oldest.map { ", the oldest record of \(TimeText.text(Int64(clamping: $0)))" } ?? ""
            parts.append("\(group.level): \(size(kept)) kept, \(size(disk)) on disk, \(size(cleaned)) cleaned\(oldest)")
        }
        if let holdings = status.holdings, !holdings.replicas.isEmpty || holdings.elsewhere > 0 { parts.append(text(of: holdings)) }
        let dropped = [("ordered", status.ordered_dropped ?? 0), ("unordered", status.unordered_dropped ?? 0)].filter { $0.1 > 0 }
        if !dropped.isEmpty {
            let words = dropped.map { "\(Numbers.grouped($0.1)) of \($0.0) topics" }.joined(separator: ", ")
            parts.append("dropped for subscribers that were too slow, in this life: \(words)")
        }
        if let key = status.signing_key { parts.append("node \(status.node) signs its log with the key \(key)") }
        if !status.damage.isEmpty {
            parts.append(status.damage.map { "damaged, being repaired: \($0.place)" }.joined(separator: "\n"))
        }
        if status.entries_repaired > 0 { parts.append("repaired since the start: \(status.entries_repaired) entries") }
        return parts.joined(separator: "\n\n")
    }

    /// `replicas 2 and 3: others hold 43 of 128 buckets of topics, 12.5 MiB were fetched from them; 3 are still to be fetched`
    private static func text(of holdings: StatusAnswer.Holdings) -> String {
        let numbers = holdings.replicas.isEmpty ? "no replicas any more" : "replicas " + holdings.replicas.map(String.init).joined(separator: " and ")
        let all = holdings.replicas.isEmpty ? "" : " of \(64 * holdings.replicas.count)"
        var text = "\(numbers): others hold \(holdings.elsewhere)\(all) buckets of topics, \(size(holdings.fetched_bytes)) were fetched from them"
        if holdings.lacking > 0 { text += "; \(holdings.lacking) are still to be fetched for good" }
        if holdings.waiting > 0 { text += "; \(holdings.waiting) readers wait: no node that holds what they want is here" }
        return text
    }

    /// `learning, 1204 entries behind, 12.5 MiB copied` or `suspected: closed by the peer`
    private static func state(_ node: StatusAnswer.Node) -> String {
        if let why = node.why { return "\(node.state): \(why)" }
        guard let behind = node.behind, let copied = node.copied else { return node.state }
        return "\(node.state), \(behind) entries behind, \(size(copied)) copied"
    }
    private static func size(_ bytes: UInt64) -> String {
        bytes < 1 << 20 ? "\(bytes >> 10) KiB" : "\(bytes >> 20).\(((bytes & 0xF_FFFF) * 10) >> 20) MiB"
    }

    static func topics(_ json: String) -> String {
        guard let list = try? JSONDecoder().decode(TopicList.self, from: Data(json.utf8)) else { return json }
        var lines = list.topics.map { "\($0.topic)  (\($0.level))" }
        if list.not_shown > 0 { lines.append("… and \(list.not_shown) more") }
        return lines.joined(separator: "\n")
    }

    static func table(_ rows: [[String]]) -> String {
        let last = (rows.first?.count ?? 0) - 1
        let widths = (0...max(last, 0)).map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            row.enumerated().map { $0 == last ? $1 : $1 + String(repeating: " ", count: widths[$0] - $1.count) }.joined(separator: "  ")
        }.joined(separator: "\n")
    }
}
