internal import Topics
internal import Wire

/// What an operator asks of the groups of unordered topics, as this node sends to them; JSON text.
extension Node {
    var groupList: String {
        guard let live else { return "{\"node\":\(me.raw),\"members\":[],\"most\":\(settings.mostGroups),\"topics\":0,\"groups\":[]}" }
        let routing = live.routing
        let topics = live.groups[GroupID.unordered.index].state.topics.count
        let groups = routing.groups.map { group in
            "{\"members\":[\(nodes(RankSet(bits: UInt64(group.ranks))))],\"topics\":\(group.topics),\"bytes\":\(group.rate),\"unwanted\":\(group.unwanted),"
                + "\"unwanted_by_all\":\(group.unwantedByAll)}"
        }
        let logs = [GroupID.durable, .ordered].map { group in
            let one = live.groups[group.index]
            return "{\"level\":\"\(group.level.name)\",\"topics\":\(one.deliveredTopics),\"records\":\(one.deliveredEnd.offset.raw),"
                + "\"frontier\":\(one.deliveredEnd.key.timestamp.raw)}"
        }
        return "{\"node\":\(me.raw),\"members\":[\(nodes(.everyone))],\"logs\":[\(logs.joined(separator: ","))],\"most\":\(settings.mostGroups),\"topics\":\(topics),\"classes\":\(routing.classes),"
            + "\"unsaid\":\(max(0, topics - routing.count)),\"moves\":\(routing.moves),\"withheld\":\(counters.bytesWithheld),"
            + "\"groups\":[\(groups.joined(separator: ","))]}"
    }

    /// Where one topic's records go, and why.
    func groupReport(of name: String) -> String {
        guard let rule = settings.topics.rule(for: name), let live else { return "{\"topic\":\"\(Self.escape(name))\",\"level\":null}" }
        let head = "{\"topic\":\"\(Self.escape(name))\",\"level\":\"\(rule.level.name)\",\"members\":[\(nodes(.everyone))]"
        guard rule.level == .unordered, let topic = live.groups[GroupID.unordered.index].state.topics.lookup(name) else { return head + "}" }
        let wanted = live.routing.wants(of: topic).map { "[\(nodes($0))]" } ?? "null"
        return head + ",\"wanted\":\(wanted),\"sent\":[\(nodes(live.routing.ranks(of: topic)))]}"
    }

    private func nodes(_ ranks: RankSet) -> String {
        guard let live else { return "" }
        return live.view.members.enumerated().filter { ranks.contains($0.offset) }.map { "\($0.element.raw)" }.joined(separator: ",")
    }
}
