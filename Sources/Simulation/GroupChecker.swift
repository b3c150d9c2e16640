/// What a consumer group promises, kept beside the system: every record is done with by some member, none is in two members' hands,
/// places never fall and are the same everywhere.
struct GroupChecker {
    /// By group and offset: who has it in hand, and since which generation its partition is theirs.
    private var holders: [[UInt64: (client: Int, since: UInt32)]] = Array(repeating: [:], count: ConsumerPlan.all.count)
    /// By group, offset and that generation: who was given it.
    private var given: [[Pair: Int]] = Array(repeating: [:], count: ConsumerPlan.all.count)
    /// By group and offset: when it was done with last.
    private var finished: [[UInt64: UInt64]] = Array(repeating: [:], count: ConsumerPlan.all.count)
    /// Groups that somebody has asked to set back.
    private var resets: Set<Int> = []
    /// By group: its places after the most entries at which any replica has shown it; and by entries, what all of it comes to.
    private var shown: [(entry: UInt64, places: [UInt64])?] = Array(repeating: nil, count: ConsumerPlan.all.count)
    private var digests: [[UInt64: UInt64]] = Array(repeating: [:], count: ConsumerPlan.all.count)
    private(set) var repeats = 0

    private struct Pair: Hashable {
        let offset: UInt64
        let since: UInt32
    }

    /// A member is given a record; `isServed` tells whether another member is there still. What is wrong with that.
    mutating func handed(_ group: Int, _ offset: UInt64, to client: Int, since: UInt32, isServed: (Int) -> Bool) -> String? {
        let name = ConsumerPlan.all[group].name
        if let other = given[group].updateValue(client, forKey: Pair(offset: offset, since: since)), other != client {
            return "group \(name): \(offset) is given to \(client) and to \(other) in the same generation \(since)"
        }
        if finished[group][offset] != nil { repeats += 1 }
        // A group that is set back begins anew: what a member had before, or is given by a node that has not heard of it, is no longer its own.
        if let (other, theirs) = holders[group].updateValue((client, since), forKey: offset), other != client, isServed(other),
            !(resets.contains(group) && theirs != since)
        {
            return "group \(name): \(offset) is given to \(client) in generation \(since), and \(other) has it in hand since \(theirs)"
        }
        return nil
    }
    mutating func mayReset(_ group: Int) { resets.insert(group) }
    /// The group has been set back to its start: what was done with before that was asked for is to be done with again.
    mutating func reset(_ group: Int, askedAt: UInt64) {
        finished[group] = finished[group].filter { $0.value >= askedAt }
    }

    mutating func did(_ group: Int, _ offset: UInt64, _ client: Int, at time: UInt64) {
        finished[group][offset] = time
        lost(group, offset, client)
    }
    mutating func lost(_ group: Int, _ offset: UInt64, _ client: Int) {
        if holders[group][offset]?.client == client { holders[group][offset] = nil }
    }

    /// A replica that has delivered `entry` entries shows a group: its places, and a digest of all of it.
    mutating func shows(_ group: Int, entry: UInt64, places: [UInt64], digest: UInt64, at node: String) -> String? {
        let name = ConsumerPlan.all[group].name
        if let other = digests[group].updateValue(digest, forKey: entry), other != digest {
            return "group \(name) after \(entry) entries is another one at \(node) than elsewhere"
        }
        guard let known = shown[group] else {
            shown[group] = (entry, places)
            return nil
        }
        guard entry > known.entry else { return nil }
        for (partition, (place, before)) in zip(places, known.places).enumerated() where place < before && !resets.contains(group) {
            return "group \(name): partition \(partition) was at \(before) after \(known.entry) entries and is at \(place) after \(entry), at \(node)"
        }
        shown[group] = (entry, places)
        return nil
    }

    /// What some group has not done with, of the records that it wants; `history`: by offset, the topic.
    func open(_ group: Int, _ history: [String?]) -> [UInt64] {
        let plan = ConsumerPlan.all[group]
        var wants: [String: Bool] = [:]
        return history.indices.map(UInt64.init).filter { offset in
            guard offset >= plan.start, finished[group][offset] == nil, let topic = history[Int(offset)] else { return false }
            if let known = wants[topic] { return known }
            let isWanted = plan.wanted.matches(topic)
            wants[topic] = isWanted
            return isWanted
        }
    }
}
