import Foundation

/// A node's answer to `consumers`.
struct ConsumerAnswer: Decodable {
    struct Member: Decodable {
        let id: String
        let client: String
        let node: Int
        let partitions: Int
        let passing_on: Int
        let place: UInt64?
    }
    struct Group: Decodable {
        let name: String
        let generation: UInt32
        let patterns: [String]
        let excluded: [String]
        let filter: String
        let place: UInt64
        let lag: UInt64
        let members: [Member]
    }
    let end: UInt64
    let groups: [Group]
    let not_shown: Int

    init?(_ json: String) {
        guard let answer = try? JSONDecoder().decode(Self.self, from: Data(json.utf8)) else { return nil }
        self = answer
    }
}

/// The same for people: two tables.
enum ConsumerText {
    /// - ages: by group, of the oldest record that is not done with, seconds.
    static func render(_ answer: ConsumerAnswer, ages: [String: Double]) -> String {
        guard !answer.groups.isEmpty else { return "no consumer groups" }
        var parts = [StatusText.table([["group", "members", "place", "lag", "age", "reads"]] + answer.groups.map { group in
            let age = group.lag == 0 ? "-" : ages[group.name].map { String(format: "%.1f s", $0) } ?? "?"
            return [group.name, "\(group.members.count)", "\(group.place)", "\(group.lag)", age, reads(group)]
        })]
        let members = answer.groups.flatMap { group in
            group.members.map { member in
                let passing = member.passing_on > 0 ? " (\(member.passing_on) passing on)" : ""
                return [group.name, member.client, "\(member.node)", member.place.map { "\($0)" } ?? "-", "\(member.partitions) of 64\(passing)"]
            }
        }
        if !members.isEmpty { parts.append(StatusText.table([["group", "member", "node", "place", "partitions"]] + members)) }
        if answer.not_shown > 0 { parts.append("… and \(answer.not_shown) more") }
        return parts.joined(separator: "\n\n")
    }

    private static func reads(_ group: ConsumerAnswer.Group) -> String {
        var text = group.patterns.joined(separator: " ")
        if !group.excluded.isEmpty { text += " without " + group.excluded.joined(separator: " ") }
        if !group.filter.isEmpty { text += " where \(group.filter)" }
        return text
    }
}
