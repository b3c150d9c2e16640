package import Wire

/// Which members of a view hold the records of each bucket of topics, where not all of them do.
///
///      members 1 2 3 4 5, 3 of them to a bucket         member 4 gone
///      bucket 0   1 2 3                                 1 2 3
///      bucket 1   4 5 1                                 1 3 5       three pairs of bucket and member are new,
///      bucket 2   2 3 4                                 2 3 1       as many as member 4 had
///      bucket 3   5 1 2                                 5 1 2
///      bucket 4   3 4 5                                 3 5 2
///
/// A value made of the view and the layout before, whole numbers only: the same at every member. Always:
/// - each bucket has `replicas` holders, or all members where there are fewer;
/// - of two members one holds at most one bucket more than the other, and comes first in at most one more;
/// - from one view to the next as few pairs of bucket and member are new as that allows: each is a copy of a bucket's past.
///
/// Holders are in the order of ranks, going round from the first, who is asked first.
package struct HolderLayout: Equatable, Sendable {
    /// In the order of ranks.
    package let members: [NodeID]
    /// Holders wanted for each bucket, 1 ... `Limits.members`.
    package let replicas: Int
    /// By bucket.
    package let holders: [[NodeID]]

    /// Dealt out in turn.
    /// - members: not empty, each once.
    package init(members: [NodeID], replicas: Int, buckets: Int = HolderLayout.buckets) {
        Self.check(members, replicas)
        precondition(buckets > 0)
        let size = min(replicas, members.count)
        let sets = (0..<buckets).map { bucket in RankSet((0..<size).map { (bucket * size + $0) % members.count }) }
        let firsts = (0..<buckets).map { $0 * size % members.count }
        self.init(members, replicas, Dealing(sets: sets, members: members.count), firsts)
    }

    /// The layout of the view that follows.
    package func following(members next: [NodeID], replicas: Int? = nil) -> HolderLayout {
        let wanted = replicas ?? self.replicas
        Self.check(next, wanted)
        let kept = holders.map { held in RankSet(held.compactMap { next.firstIndex(of: $0) }) }
        var dealing = Dealing(sets: kept, members: next.count)
        dealing.fill(to: min(wanted, next.count))
        dealing.level()
        let firsts = holders.map { held in held.first.flatMap { next.firstIndex(of: $0) } ?? -1 }
        return HolderLayout(next, wanted, dealing, firsts)
    }

    /// Buckets of the topics of a group that have the same number of holders: enough to spread over 16 members, few enough to name in a
    /// proposal.
    package static let buckets = 64

    /// Topics' ids are dense, so their buckets are even.
    package static func bucket(of topic: TopicID, buckets: Int = HolderLayout.buckets) -> Int { topic.index % buckets }

    private static func check(_ members: [NodeID], _ replicas: Int) {
        precondition((1...Limits.members).contains(replicas) && (1...Limits.members).contains(members.count))
        precondition(Set(members).count == members.count, "a member stands once in a view")
    }

    private init(_ members: [NodeID], _ replicas: Int, _ dealing: Dealing, _ wishes: [Int]) {
        self.members = members
        self.replicas = replicas
        let firsts = Firsts(dealing.sets, members: members.count, wishes: wishes).ofBucket
        holders = zip(dealing.sets, firsts).map { held, first in
            let ranks = (0..<members.count).map { ($0 + first) % members.count }
            return ranks.filter(held.contains).map { members[$0] }
        }
    }

    package func checkInvariants() {
        let size = min(replicas, members.count)
        var (held, first) = (members.map { _ in 0 }, members.map { _ in 0 })
        for bucket in holders {
            let ranks = bucket.compactMap { members.firstIndex(of: $0) }
            precondition(ranks.count == size && RankSet(ranks).count == size, "\(size) different members hold a bucket")
            for rank in ranks { held[rank] += 1 }
            first[ranks[0]] += 1
        }
        precondition(held.max()! - held.min()! <= 1 && first.max()! - first.min()! <= 1, "buckets are dealt out evenly")
    }
}

/// Buckets' holders while they are dealt out, by rank.
///
/// A member may give a bucket to another that does not hold it: a step. It costs 1 where the pair that comes is new, and gives back 1 where the
/// pair that goes was. The cheapest ways of many steps are found over all members at once (Floyd, 1962). One is gone as long as one leads
/// to a member that holds at least two fewer, or costs less than nothing and leads to one that holds one fewer. At the beginning no step gives
/// anything back, and cheapest ways leave no way that comes back cheaper (Edmonds and Karp, 1972): at the end there is no better dealing.
private struct Dealing {
    private(set) var sets: [RankSet]
    private let before: [RankSet]
    private let members: Int
    private var load: [Int]

    init(sets: [RankSet], members: Int) {
        (self.sets, before, self.members) = (sets, sets, members)
        load = (0..<members).map { rank in sets.count { $0.contains(rank) } }
    }

    /// Each bucket gets as many holders as it is to have, whoever they are.
    mutating func fill(to size: Int) {
        for bucket in sets.indices {
            for rank in (0..<members).reversed() where sets[bucket].count > size && sets[bucket].contains(rank) {
                sets[bucket].remove(rank)
                load[rank] -= 1
            }
            for rank in 0..<members where sets[bucket].count < size && !sets[bucket].contains(rank) {
                sets[bucket].insert(rank)
                load[rank] += 1
            }
        }
    }

    mutating func level() {
        // Each way lowers how uneven the loads are, or leaves that and lowers what is new.
        while let way = betterWay() { for step in way { give(step) } }
    }

    private struct Step {
        let bucket: Int
        let from: Int
        let to: Int
    }
    private mutating func give(_ step: Step) {
        precondition(sets[step.bucket].contains(step.from) && !sets[step.bucket].contains(step.to), "a step is taken once")
        sets[step.bucket].remove(step.from)
        sets[step.bucket].insert(step.to)
        load[step.from] -= 1
        load[step.to] += 1
    }

    private func cost(_ bucket: Int, _ from: Int, _ to: Int) -> Int {
        (before[bucket].contains(to) ? 0 : 1) - (before[bucket].contains(from) ? 0 : 1)
    }

    /// The steps of the best way there is; nil: none betters anything.
    private func betterWay() -> [Step]? {
        var (costs, next) = ([Int?](repeating: nil, count: members * members), [Int](repeating: -1, count: members * members))
        var steps = [Int](repeating: -1, count: members * members)
        for (bucket, held) in sets.enumerated() {
            for from in 0..<members where held.contains(from) {
                for to in 0..<members where !held.contains(to) {
                    let (at, price) = (from * members + to, cost(bucket, from, to))
                    if costs[at].map({ price < $0 }) ?? true { (costs[at], next[at], steps[at]) = (price, to, bucket) }
                }
            }
        }
        for by in 0..<members {
            for from in 0..<members {
                guard let first = costs[from * members + by] else { continue }
                for to in 0..<members {
                    guard let second = costs[by * members + to] else { continue }
                    let at = from * members + to
                    if from != to, costs[at].map({ first + second < $0 }) ?? true {
                        (costs[at], next[at]) = (first + second, next[from * members + by])
                    }
                }
            }
        }
        return bestToOther(costs).map { way($0.from, $0.to, next, steps) }
    }

    /// From whoever holds most to whoever holds least; last between two of which one holds one more, where that gives something back.
    private func bestToOther(_ costs: [Int?]) -> (from: Int, to: Int)? {
        var best: (gap: Int, from: Int, to: Int)?
        for from in 0..<members {
            for to in 0..<members where to != from {
                guard let price = costs[from * members + to] else { continue }
                let gap = load[from] - load[to]
                guard gap > 1 || gap == 1 && price < 0 else { continue }
                if gap > best?.gap ?? 0 { best = (gap, from, to) }
            }
        }
        return best.map { ($0.from, $0.to) }
    }

    private func way(_ from: Int, _ to: Int, _ next: [Int], _ steps: [Int]) -> [Step] {
        var found: [Step] = []
        var at = from
        repeat {
            let hop = next[at * members + to]
            found.append(Step(bucket: steps[at * members + hop], from: at, to: hop))
            at = hop
        } while at != to
        return found
    }
}

/// Who comes first in each bucket: whoever did, as far as each comes first equally often.
private struct Firsts {
    private(set) var ofBucket: [Int]
    private let sets: [RankSet]
    private var count: [Int]

    /// - wishes: by bucket a rank; one that does not hold it counts for nothing.
    init(_ sets: [RankSet], members: Int, wishes: [Int]) {
        self.sets = sets
        ofBucket = wishes
        count = Array(repeating: 0, count: members)
        for bucket in sets.indices {
            if wishes[bucket] < 0 || !sets[bucket].contains(wishes[bucket]) { ofBucket[bucket] = -1 } else { count[wishes[bucket]] += 1 }
        }
        for bucket in sets.indices where ofBucket[bucket] < 0 {
            let least = (0..<members).filter(sets[bucket].contains).min { (count[$0], $0) < (count[$1], $1) }!
            ofBucket[bucket] = least
            count[least] += 1
        }
        while shift() {}
    }

    /// One who comes first too often makes way for another, who may make way for a third, and so on to one who comes first too seldom.
    private mutating func shift() -> Bool {
        count.indices.sorted { (count[$1], $0) < (count[$0], $1) }.contains { shift(from: $0) }
    }

    private mutating func shift(from: Int) -> Bool {
        var cameBy = [(rank: Int, bucket: Int)?](repeating: nil, count: count.count)
        var queue = [from]
        var at = 0
        while at < queue.count {
            let rank = queue[at]
            at += 1
            if count[from] - count[rank] > 1 {
                var end = rank
                while end != from, let (giver, bucket) = cameBy[end] {
                    ofBucket[bucket] = end
                    end = giver
                }
                count[from] -= 1
                count[rank] += 1
                return true
            }
            for bucket in sets.indices where ofBucket[bucket] == rank {
                for other in count.indices where other != from && cameBy[other] == nil && sets[bucket].contains(other) {
                    cameBy[other] = (rank, bucket)
                    queue.append(other)
                }
            }
        }
        return false
    }
}
