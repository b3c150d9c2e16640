internal import Replication
internal import Topics
internal import Membership
internal import Wire

/// What an operator asks of a node; JSON text.
extension Node {
    package func report(_ what: String) -> String {
        switch what {
        case "status": status
        case "topics": topicList
        default: "{\"error\":\"unknown question: \(Self.escape(what)); ask status or topics\"}"
        }
    }

    private var phase: String {
        if leaving != nil { return "leaving" }
        if let live { return live.membership.isWedged ? "changing view" : "live" }
        return learner != nil ? "learning" : "restarting"
    }

    private var status: String {
        let view = self.view
        var members: [String] = []
        for (node, address) in settings.members {
            let rank = live?.view.rank(of: node)
            let state =
                if node == me { phase } else if let rank, let live {
                    live.membership.suspected.contains(rank) ? "suspected" : live.present.contains(rank) ? "live" : "joining"
                } else if linked.contains(node) { "linked" } else { "away" }
            members.append(
                "{\"node\":\(node.raw),\"address\":\"\(Self.escape(address))\",\"rank\":\(rank.map(String.init) ?? "null"),\"state\":\"\(state)\"}")
        }
        var groups: [String] = []
        for group in 0..<states.count {
            let id = GroupID(UInt16(group))
            let state = live?.groups[group].state ?? states[group]
            let shown = live?.groups[group].deliveredEnd ?? state.end
            groups.append(
                "{\"group\":\(group),\"level\":\"\(id.level.name)\",\"topics\":\(state.topics.count),"
                    + "\"publishers\":\(state.publishers.count),\"entries\":\(state.end.number.raw),\"records\":\(state.end.offset.raw),"
                    + "\"delivered\":\(shown.offset.raw),\"frontier\":\(shown.key.timestamp.raw)}")
        }
        let list = view.members.map { "\($0.raw)" }.joined(separator: ",")
        return "{\"cluster\":\"\(Self.escape(settings.cluster))\",\"node\":\(me.raw),\"phase\":\"\(phase)\","
            + "\"view\":{\"number\":\(view.number.raw),\"members\":[\(list)],\"quorum\":\(view.quorumSize)},"
            + "\"nodes\":[\(members.joined(separator: ","))],\"groups\":[\(groups.joined(separator: ","))],"
            + "\"ring\":{\"tail\":\(ring.tail),\"let_go\":[\(ringLetGo)]},"
            + "\"sessions\":\(sessions.count),\"records_taken\":\(counters.recordsTaken),\"records_delivered\":\(counters.recordsDelivered),"
            + "\"unordered_dropped\":\(counters.unorderedDropped),\"batches_refused\":\(counters.batchesRefused)}"
    }

    /// How far each member, in rank order, has let go of this node's data ring.
    private var ringLetGo: String {
        guard let live else { return "" }
        return (0..<live.view.members.count).map { rank in
            "\(rank == live.me ? live.ledgers[rank].consumed : live.rows[rank].consumed[live.me])"
        }.joined(separator: ",")
    }

    /// At most a million bytes of names: an answer is one message.
    private var topicList: String {
        var lines: [String] = []
        var bytes = 0
        var left = 0
        for group in 0..<states.count {
            let id = GroupID(UInt16(group))
            let topics = live?.groups[group].state.topics ?? states[group].topics
            for index in 0..<topics.count {
                let name = Self.escape(topics.name(of: TopicID(UInt32(index))) ?? "")
                guard bytes + name.utf8.count + 64 < 900_000 else {
                    left += 1
                    continue
                }
                lines.append("{\"topic\":\"\(name)\",\"level\":\"\(id.level.name)\"}")
                bytes += name.utf8.count + 40
            }
        }
        return "{\"topics\":[\(lines.joined(separator: ","))],\"not_shown\":\(left)}"
    }

    static func escape(_ text: String) -> String {
        var out = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case _ where scalar.value < 32:
                let hex = String(scalar.value, radix: 16)
                out += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out
    }
}
