internal import Folding
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
        guard rule.level == .unordered else { return head + holderReport(of: name, rule.replicas) + "}" }
        guard let topic = live.groups[GroupID.unordered.index].state.topics.lookup(name) else { return head + "}" }
        let routing = live.routing
        let wanted = routing.wants(of: topic).map { "[\(nodes($0))]" } ?? "null"
        var text = head + ",\"wanted\":\(wanted),\"sent\":[\(nodes(routing.ranks(of: topic)))],\"classes\":\(routing.classes),\"most\":\(settings.mostGroups)"
        if let seen = routing.seen(of: topic) {
            let unwanted = seen.rate * (seen.group.ranks.nonzeroBitCount - seen.members)
            let byAll = seen.rate * (live.view.members.count - seen.members)
            text += ",\"bytes\":\(seen.rate),\"unwanted\":\(unwanted),\"unwanted_by_all\":\(byAll),\"group_topics\":\(seen.group.topics),\"group_bytes\":\(seen.group.rate)"
        }
        return text + "}"
    }

    /// Who keeps the past of a topic, where not all do.
    private func holderReport(of name: String, _ replicas: Int) -> String {
        guard replicas > 0, let live, let layout = holders.layout else { return "" }
        guard let topic = live.groups[GroupID.durable.index].state.topics.lookup(name) else { return ",\"replicas\":\(replicas)" }
        let nodes = layout.holders(of: BucketSet.bucket(of: topic), replicas: replicas).sorted().map { "\($0.raw)" }
        return ",\"replicas\":\(replicas),\"holders\":[\(nodes.joined(separator: ","))]"
    }

    private func nodes(_ ranks: RankSet) -> String {
        guard let live else { return "" }
        return live.view.members.enumerated().filter { ranks.contains($0.offset) }.map { "\($0.element.raw)" }.joined(separator: ",")
    }
}
