import Folding
import Tooling
import Wire

/// The same as JSON: rates per second, with up to three decimals; costs as they are weighed.
enum FoldJSON {
    static func plan(_ plan: FoldPlan, _ input: FoldInput) -> String {
        let lines = FoldBaselines(plan.demands, plan.options)
        var out = ByteBuffer(capacity: 64 * plan.demands.count + 4096)
        out.append("{\"source\":")
        JSONText.append(text: input.source, to: &out)
        out.append(text: ",\"nodes\":\(input.nodes),\"classes\":\(plan.classes),\"max_groups\":\(plan.options.maxGroups),\"cost\":\(cost(plan.cost))")
        out.append(text: ",\"one_group_per_level\":\(cost(lines.oneForAll)),\"group_per_topic\":\(cost(lines.onePerTopic)),\"all_unicast\":\(cost(lines.allUnicast))")
        out.append(",\"groups\":[")
        for (index, group) in plan.groups.enumerated() {
            if index > 0 { out.append(",") }
            out.append(text: "{\"group\":\(group.id.raw),\"level\":\"\(group.level.name)\",\"members\":\(nodes(group.members)),\"topics\":\(group.topics)")
            out.append(text: ",\"bytes_per_second\":\(number(group.bytes.thousandths)),\"records_per_second\":\(number(group.records.thousandths))")
            out.append(text: ",\"unwanted_bytes_per_second\":\(number(group.unwanted.thousandths))}")
        }
        out.append("],\"topics\":[")
        for (index, place) in plan.places.enumerated() {
            out.append(index > 0 ? ",{\"topic\":" : "{\"topic\":")
            JSONText.append(text: input.name(index), to: &out)
            out.append(text: ",\"place\":\(self.place(place))}")
        }
        out.append("]}")
        return out.view.text
    }

    static func reason(_ reason: Reason, of topic: String) -> String {
        var out = ByteBuffer(capacity: 1024)
        out.append("{\"topic\":")
        JSONText.append(text: topic, to: &out)
        out.append(text: ",\"level\":\"\(reason.level.name)\",\"place\":\(place(reason.place)),\"needs\":\(nodes(reason.needs)),\"class_topics\":\(reason.classTopics)")
        out.append(text: ",\"class_cost\":\(number(reason.classCost)),\"strangers\":\(nodes(reason.strangers)),\"alternatives\":[")
        for (index, other) in reason.alternatives.enumerated() {
            if index > 0 { out.append(",") }
            let choice = switch other.choice {
            case .group(let id): "\(id.raw)"
            case .newGroup: "\"new\""
            case .unicast: "\"unicast\""
            }
            out.append(text: "{\"place\":\(choice),\"change\":\(number(other.change)),\"barrier\":\(barrier(other.barrier))}")
        }
        out.append("]}")
        return out.view.text
    }

    private static func barrier(_ barrier: Reason.Barrier?) -> String {
        switch barrier {
        case nil: "null"
        case .needsOrder: "\"level\""
        case .node(let rank): "\"node \(rank + 1)\""
        case .noGroupLeft: "\"max_groups\""
        }
    }
    /// A group's number, `"unicast"`, or null: nobody needs it.
    private static func place(_ place: Place) -> String {
        switch place {
        case .group(let id): "\(id.raw)"
        case .unicast: "\"unicast\""
        case .nowhere: "null"
        }
    }
    private static func cost(_ cost: FoldCost) -> String {
        "{\"total\":\(number(cost.total)),\"unwanted_bytes_per_second\":\(number(cost.unwanted.thousandths)),\"copied_bytes_per_second\":\(number(cost.copies.thousandths))}"
    }
    private static func nodes(_ set: RankSet) -> String {
        "[" + (0..<FoldLimits.nodes).filter { set.contains($0) }.map { "\($0 + 1)" }.joined(separator: ",") + "]"
    }
    private static func number(_ thousandths: Int) -> String {
        let (whole, rest) = (thousandths.magnitude / 1000, thousandths.magnitude % 1000)
        let digits = "\(rest)"
        return (thousandths < 0 ? "-" : "") + "\(whole)" + (rest == 0 ? "" : "." + String(repeating: "0", count: 3 - digits.count) + digits)
    }
}
