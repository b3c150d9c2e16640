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
        case "consumers": consumerList
        case "groups": groupList
        case let what where what.hasPrefix("groups "): groupReport(of: String(what.dropFirst(7)))
        default: "{\"error\":\"unknown question: \(Self.escape(what)); ask status, topics, consumers or groups\"}"
        }
    }

    private var phase: String {
        if leaving != nil { return "leaving" }
        if let live { return live.membership.isWedged ? "changing view" : "live" }
        if isMending { return "repairing" }
        return learner != nil ? "learning" : "restarting"
    }

    private var status: String {
        let view = self.view
        let nodes = settings.members.map { line(of: $0.node, $0.address) }.joined(separator: ",")
        let groups = states.indices.map(line(of:)).joined(separator: ",")
        let list = view.members.map { "\($0.raw)" }.joined(separator: ",")
        return "{\"cluster\":\"\(Self.escape(settings.cluster))\",\"node\":\(me.raw),\"phase\":\"\(phase)\","
            + "\"view\":{\"number\":\(view.number.raw),\"members\":[\(list)],\"quorum\":\(view.quorumSize)},"
            + "\"waiting\":\(waitingFor.map { "\"\(Self.escape($0))\"" } ?? "null"),"
            + "\"nodes\":[\(nodes)],\"groups\":[\(groups)],"
            + "\"signing_key\":\(settings.signingKey.map { "\"\($0)\"" } ?? "null"),"
            + "\"holdings\":\(holdingsLine),"
            + "\"damage\":[\(damageLines)],\"entries_repaired\":\(counters.entriesRepaired),"
            + "\"ring\":{\"tail\":\(ring.tail),\"let_go\":[\(ringLetGo)]},"
            + "\"sessions\":\(sessions.count),\"watches\":\(watches.index.count + watches.everything.count),\"records_taken\":\(counters.recordsTaken),\"records_delivered\":\(counters.recordsDelivered),"
            + "\"unordered_dropped\":\(counters.unorderedDropped),\"unordered_withheld_bytes\":\(counters.bytesWithheld),\"posted_bytes\":\(counters.bytesPosted),\"relayed_bytes\":\(counters.bytesRelayed),\"ordered_dropped\":\(counters.orderedDropped),\"batches_refused\":\(counters.batchesRefused),\"events_dropped\":\(announcements.dropped)}"
    }

    private func line(of node: NodeID, _ address: String) -> String {
        let rank = live?.view.rank(of: node)
        var state = linked.contains(node) ? "linked" : "away"
        var more = ""
        if node == me {
            state = phase
            if let copy, learner != nil { more = progress(behind: copy.shown.raw - min(copy.shown.raw, states[0].end.number.raw), copy.bytes) }
        } else if let rank, let live {
            state = live.membership.suspected.contains(rank) ? "suspected" : live.present.contains(rank) ? "live" : "joining"
            if state == "suspected", let why = live.reasons[rank] { more = ",\"why\":\"\(Self.escape(why))\"" }
        } else if let copier = copiers[node], linked.contains(node), lastSeen - min(lastSeen, copier.seen) < CopyProgress.stale {
            state = "learning"
            more = progress(behind: copier.behind, copier.bytes)
        }
        return "{\"node\":\(node.raw),\"address\":\"\(Self.escape(address))\",\"rank\":\(rank.map(String.init) ?? "null"),\"state\":\"\(state)\"\(more)}"
    }
    private func progress(behind: UInt64, _ bytes: UInt64) -> String { ",\"behind\":\(behind),\"copied\":\(bytes)" }

    private func line(of group: Int) -> String {
        let id = GroupID(UInt16(group))
        let state = live?.groups[group].state ?? states[group]
        let end = state.end.offset
        let at = live?.groups[group].frontiers ?? .init(ordered: end, stable: end, durable: end, delivered: end)
        let time = (live?.groups[group].deliveredEnd ?? state.end).key.timestamp.raw
        // Only what has a disk is durable.
        let durable = id == .durable ? "\(at.durable.raw)" : "null"
        return "{\"group\":\(group),\"level\":\"\(id.level.name)\",\"topics\":\(state.topics.count),"
            + "\"publishers\":\(state.publishers.count),\"entries\":\(state.end.number.raw),\"records\":\(end.raw),"
            + "\"ordered\":\(at.ordered.raw),\"stable\":\(at.stable.raw),\"durable\":\(durable),"
            + "\"delivered\":\(at.delivered.raw),\"frontier\":\(time)\(cleaningOf(id))}"
    }

    /// What is kept of a group's log, bytes, and when the oldest record of it was ordered; only what has a disk is cleaned.
    private func cleaningOf(_ group: GroupID) -> String {
        guard group == .durable else { return "" }
        let report = cleaning.report
        return ",\"kept_bytes\":\(report.kept),\"disk_bytes\":\(report.disk),\"cleaned_bytes\":\(report.cleaned),"
            + "\"oldest\":\(report.oldest.map { "\($0.raw)" } ?? "null")"
    }

    /// Of topics with fewer replicas than all nodes: buckets of which others hold records that are not here; of these, such as this node is to
    /// hold; questions for them that nobody answers.
    private var holdingsLine: String {
        let waiting = excerpts.waiting + desk.waiting
        return "{\"replicas\":[\(holders.replicas.map(String.init).joined(separator: ","))],\"elsewhere\":\(holders.holdings.lines.count),"
            + "\"lacking\":\(holders.lacking.count),\"fetched_bytes\":\(counters.bytesFetched),\"waiting\":\(waiting)}"
    }

    private var damageLines: String {
        guard let repair else { return "" }
        return repair.holes.prefix(16).map { hole in
            "{\"place\":\"\(Self.escape("\(hole)"))\",\"entries\":\(hole.count)}"
        }.joined(separator: ",")
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
                let topic = topics.name(of: TopicID(UInt32(index))) ?? ""
                let name = Self.escape(topic)
                guard bytes + name.utf8.count + 64 < 900_000 else {
                    left += 1
                    continue
                }
                lines.append("{\"topic\":\"\(name)\",\"level\":\"\(level(of: topic, in: id).name)\"}")
                bytes += name.utf8.count + 40
            }
        }
        return "{\"topics\":[\(lines.joined(separator: ","))],\"not_shown\":\(left)}"
    }

    /// As topics.yaml has it, where that still is the level of the group that the topic was declared in.
    private func level(of topic: String, in group: GroupID) -> Level {
        guard let level = settings.topics.rule(for: topic)?.level, GroupID(level) == group else { return group.level }
        return level
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
