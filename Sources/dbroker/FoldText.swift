import Folding
import Tooling
import Wire

/// A folding, and why a topic is where it is, for people.
enum FoldText {
    static func plan(_ plan: FoldPlan, _ input: FoldInput) -> String {
        let options = plan.options
        var head = "\(Numbers.grouped(plan.demands.count)) topics of \(input.source) on \(input.nodes) nodes · \(Numbers.grouped(plan.classes)) sets of needs · at most \(options.maxGroups) groups"
        if options.groupsPerNode < FoldLimits.groups { head += ", \(options.groupsPerNode) a node" }
        return [head, groups(plan), comparison(plan)].joined(separator: "\n\n")
    }

    private static func groups(_ plan: FoldPlan) -> String {
        var rows = [["group", "level", "topics", "records/s", "bytes/s", "unwanted/s", "share", "members"]]
        for group in plan.groups {
            let arriving = Double(group.load) * Double(group.members.count)
            let share = arriving > 0 ? Double(group.unwanted.thousandths) / arriving * 100 : 0
            rows.append([
                "\(group.id.raw)", group.level.name, Numbers.grouped(group.topics), Numbers.short(perSecond(group.records)), bytes(group.bytes),
                bytes(group.unwanted), Numbers.decimal(share, places: 1) + "%", nodes(group.members),
            ])
        }
        var left: [(String, Int)] = []
        left.append(("by unicast", plan.places.count { $0 == .unicast }))
        left.append(("needed by nobody", plan.places.count { $0 == .nowhere }))
        let rest = left.filter { $0.1 > 0 }.map { "\($0.0): \(Numbers.grouped($0.1)) topic\($0.1 == 1 ? "" : "s")" }
        return ([StatusText.table(rows)] + rest).joined(separator: "\n")
    }

    /// This folding beside others of the same topics.
    private static func comparison(_ plan: FoldPlan) -> String {
        let lines = FoldBaselines(plan.demands, plan.options)
        let needed = plan.places.count { $0 != .nowhere }
        var rows = [["", "groups", "most at a node", "unwanted/s", "copies/s", "of what arrives"]]
        func row(_ name: String, _ groups: Int, _ most: Int, _ cost: FoldCost) {
            let waste = Double(cost.unwanted.thousandths)
            let arriving = waste + Double(cost.wanted.thousandths)
            rows.append([
                name, Numbers.grouped(groups), Numbers.grouped(most), bytes(cost.unwanted), bytes(cost.copies),
                Numbers.decimal(arriving > 0 ? waste / arriving * 100 : 0, places: 1) + "% unwanted",
            ])
        }
        row("this folding", plan.groups.count, plan.groupsOfNode.max() ?? 0, plan.cost)
        row("a group for each topic", needed, lines.mostGroupsPerTopic, lines.onePerTopic)
        row(lines.levels == 1 ? "one group for all" : "one group for each level", lines.levels, lines.mostGroupsForAll, lines.oneForAll)
        row("all by unicast", 0, 0, lines.allUnicast)
        var text = StatusText.table(rows)
        if lines.oneForAll.unwanted > .zero {
            let share = Double(plan.cost.unwanted.thousandths) / Double(lines.oneForAll.unwanted.thousandths) * 100
            text += "\n\nunwanted bytes: \(Numbers.decimal(share, places: 1))% of those of \(rows[3][0])"
        }
        return text
    }

    // MARK: Reasons

    static func reason(_ reason: Reason, of topic: String) -> String {
        let others = reason.classTopics - 1
        let company = others == 0 ? "no other topic" : "\(Numbers.grouped(others)) other topic\(others == 1 ? "" : "s")"
        let name = "\(topic) (\(reason.level.name))"
        var lines: [String]
        switch reason.place {
        case .nowhere: return "\(name) has no place: nobody needs it"
        case .unicast:
            lines = ["\(name) goes by unicast, with \(company) that the same nodes need: \(nodes(reason.needs))."]
            lines.append(reason.classCost == 0 ? "That costs nothing: no record is sent twice." : "That costs \(cost(reason.classCost)): the copies after the first.")
        case .group(let id):
            lines = ["\(name) is in group \(id.raw), with \(company) that the same nodes need: \(nodes(reason.needs))."]
            lines.append(
                reason.strangers.isEmpty
                    ? "The group has just these members: nothing of it goes where nobody needs it."
                    : "Members that do not need it: \(nodes(reason.strangers)); that costs \(cost(reason.classCost)).")
        }
        guard !reason.alternatives.isEmpty else { return lines.joined(separator: "\n") }
        lines.append("Anywhere else, all of these topics together would change the cost of everything by:")
        let rows = reason.alternatives.map { [choice($0.choice), signed($0.change), $0.barrier.map { "but " + barrier($0, reason.level) } ?? ""] }
        lines.append("")
        lines.append(StatusText.table(rows).split(separator: "\n").map { line in
            String(line.reversed().drop { $0 == " " }.reversed())
        }.joined(separator: "\n"))
        return lines.joined(separator: "\n")
    }

    private static func choice(_ choice: Reason.Choice) -> String {
        switch choice {
        case .group(let id): "group \(id.raw)"
        case .newGroup: "a group of their own"
        case .unicast: "unicast"
        }
    }
    private static func barrier(_ barrier: Reason.Barrier, _ level: Level) -> String {
        switch barrier {
        case .needsOrder: "\(level.name) topics do not go by unicast"
        case .node(let rank): "node \(rank + 1) is in as many groups as it may be"
        case .noGroupLeft: "there are as many groups as there may be"
        }
    }

    // MARK: Numbers

    private static func perSecond(_ rate: Rate) -> Double { Double(rate.thousandths) / 1000 }
    private static func bytes(_ rate: Rate) -> String { Numbers.bytes(perSecond(rate)) }
    /// A cost is thousandths of a byte, weighed.
    private static func cost(_ value: Int) -> String { Numbers.bytes(Double(value) / 1000) + "/s" }
    private static func signed(_ value: Int) -> String { (value < 0 ? "-" : "+") + cost(abs(value)) }

    /// Node numbers from 1, those in a row together: `1 3 5-7`.
    static func nodes(_ set: RankSet) -> String {
        var parts: [String] = []
        var rank = 0
        while rank < FoldLimits.nodes {
            guard set.contains(rank) else {
                rank += 1
                continue
            }
            let first = rank
            while rank + 1 < FoldLimits.nodes, set.contains(rank + 1) { rank += 1 }
            parts.append(rank == first ? "\(first + 1)" : rank == first + 1 ? "\(first + 1) \(rank + 1)" : "\(first + 1)-\(rank + 1)")
            rank += 1
        }
        return parts.joined(separator: " ")
    }
}
