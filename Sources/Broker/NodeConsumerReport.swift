internal import Replication
internal import Wire

/// The consumer groups for an operator; JSON text.
extension Node {
    /// At most 900,000 bytes, so that an answer is one message: groups beyond that are counted.
    var consumerList: String {
        let durable = GroupID.durable.index
        let table = live?.groups[durable].consumers ?? states[durable].consumers
        let end = live?.groups[durable].deliveredEnd ?? states[durable].end
        var lines: [String] = []
        var bytes = 0
        var left = 0
        for name in table.names {
            let line = line(of: name, table[name]!, end: end.offset)
            guard bytes + line.utf8.count < 900_000 else {
                left += 1
                continue
            }
            bytes += line.utf8.count + 1
            lines.append(line)
        }
        return "{\"node\":\(me.raw),\"end\":\(end.offset.raw),\"groups\":[\(lines.joined(separator: ","))],\"not_shown\":\(left)}"
    }

    private func line(of name: String, _ group: ConsumerGroup, end: Offset) -> String {
        let place = min(group.place, end)
        func list(_ texts: [String]) -> String { "[" + texts.map { "\"\(Self.escape($0))\"" }.joined(separator: ",") + "]" }
        let members = group.members.map { member in
            let owned = group.owned(by: member.id)
            let place = owned.map { group.lines[$0].place.raw }.min()
            return "{\"id\":\"\(String(member.id.raw, radix: 16))\",\"client\":\"\(Self.escape(member.client))\",\"node\":\(member.node.raw),"
                + "\"partitions\":\(owned.count),\"passing_on\":\(owned.subtracting(group.meant(for: member.id)).count),"
                + "\"place\":\(place.map(String.init) ?? "null")}"
        }
        return "{\"name\":\"\(Self.escape(name))\",\"generation\":\(group.generation),\"patterns\":\(list(group.interest.patterns)),"
            + "\"excluded\":\(list(group.interest.exclusions)),\"filter\":\"\(Self.escape(group.interest.filter))\","
            + "\"place\":\(place.raw),\"lag\":\(end.raw - place.raw),\"members\":[\(members.joined(separator: ","))]}"
    }
}
