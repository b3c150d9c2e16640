import Foundation

/// The status answer for people: Foundation reads the JSON, this lays it out.
enum StatusText {
    private struct Status: Decodable {
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
        }
        struct Group: Decodable {
            let group: Int
            let level: String
            let topics: Int
            let publishers: Int
            let entries: UInt64
            let records: UInt64
            let delivered: UInt64
        }
        let cluster: String
        let node: Int
        let phase: String
        let view: View
        let nodes: [Node]
        let groups: [Group]
        let sessions: Int
    }
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
        guard let status = try? JSONDecoder().decode(Status.self, from: Data(json.utf8)) else { return json }
        var lines = [
            "cluster \(status.cluster) · node \(status.node) is \(status.phase) · view \(status.view.number) of "
                + "\(status.view.members.count) (quorum \(status.view.quorum)) · \(status.sessions) clients"
        ]
        lines.append(table([["node", "address", "rank", "state"]] + status.nodes.map {
            ["\($0.node)", $0.address, $0.rank.map(String.init) ?? "-", $0.state]
        }))
        lines.append(table([["level", "topics", "publishers", "entries", "records", "delivered"]] + status.groups.map {
            [$0.level, "\($0.topics)", "\($0.publishers)", "\($0.entries)", "\($0.records)", "\($0.delivered)"]
        }))
        return lines.joined(separator: "\n\n")
    }

    static func topics(_ json: String) -> String {
        guard let list = try? JSONDecoder().decode(TopicList.self, from: Data(json.utf8)) else { return json }
        var lines = list.topics.map { "\($0.topic)  (\($0.level))" }
        if list.not_shown > 0 { lines.append("… and \(list.not_shown) more") }
        return lines.joined(separator: "\n")
    }

    private static func table(_ rows: [[String]]) -> String {
        let widths = (0..<(rows.first?.count ?? 0)).map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            row.enumerated().map { $1 + String(repeating: " ", count: widths[$0] - $1.count) }.joined(separator: "  ")
        }.joined(separator: "\n")
    }
}
