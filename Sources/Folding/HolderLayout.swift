package import Wire

/// Which members of a view hold the records of each bucket of topics, where not all of them do.
///
///      members 1 2 3 4 5            called on in this order          3 replicas          member 4 gone
///      bucket 0                     1 5 3 2 4                        1 5 3               1 5 3
///      bucket 1                     4 1 2 5 3                        4 1 2               1 2 5       one copy more for 5
///      bucket 2                     3 2 4 1 5                        3 2 4               3 2 1       and one for 1
///
/// A value made of the members' numbers alone: the same at every member, and a member that comes back holds again what it held, as its disk
/// still has it. For each bucket all members stand in the order of a hash of the two (highest random weight: Thaler and Ravishankar, 1998), but
/// that none may come much more often or less often among the first N than its share: then the next one does (bounded loads: Mirrokni, Thorup and
/// Zadimoghaddam, 2018). The first are asked first, so questions are spread as well.
package struct HolderLayout: Equatable, Sendable {
    package let members: [NodeID]
    /// By bucket: ranks of all members. The first so many as a topic has replicas hold it.
    private let order: [[Int]]

    /// - members: of a view, not empty, each once.
    package init(members: [NodeID]) {
        precondition((1...Limits.members).contains(members.count) && Set(members).count == members.count, "a member stands once in a view")
        self.members = members
        var order: [[Int]] = Array(repeating: [], count: BucketSet.buckets)
        var load = Array(repeating: 0, count: members.count)
        for place in members.indices {
            // Three more than an even share: with fewer, much more would change hands where members come and go.
            let most = ((place + 1) * BucketSet.buckets + members.count - 1) / members.count + 3
            let least = (place + 1) * BucketSet.buckets * 3 / (members.count * 4)
            // Each place begins with other buckets, so that none is always the one for which no room is left.
            let buckets = order.indices.sorted { Self.weight(UInt64($0), UInt64(place) << 32) < Self.weight(UInt64($1), UInt64(place) << 32) }
            for (done, bucket) in buckets.enumerated() {
                let left = members.indices.filter { !order[bucket].contains($0) }
                var free = left.filter { load[$0] < most }
                // Who has too few is next where the buckets that are left only just suffice for all such.
                if load.reduce(0, { $0 + max(least - $1, 0) }) >= buckets.count - done, free.contains(where: { load[$0] < least }) {
                    free.removeAll { load[$0] >= least }
                }
                let next = (free.isEmpty ? left : free).max { Self.weight(members[$0], bucket) < Self.weight(members[$1], bucket) }!
                order[bucket].append(next)
                load[next] += 1
            }
        }
        self.order = order
    }
    private static func weight(_ node: NodeID, _ bucket: Int) -> UInt64 { weight(UInt64(node.raw), UInt64(bucket)) }
    private static func weight(_ a: UInt64, _ b: UInt64) -> UInt64 { mix(mix(mix(a) &+ b &+ 0x9E37_79B9_7F4A_7C15)) }

    /// Those who hold the topics of a bucket that have so many replicas, the one to be asked first first; 0: all members.
    package func holders(of bucket: Int, replicas: Int) -> [NodeID] {
        order[bucket].prefix(replicas == 0 ? members.count : replicas).map { members[$0] }
    }
    package func holds(_ node: NodeID, _ bucket: Int, replicas: Int) -> Bool { holders(of: bucket, replicas: replicas).contains(node) }

    /// What a member holds of topics of some numbers of replicas; everybody holds those of 0.
    package func held(by node: NodeID, replicas: [Int]) -> BucketSet {
        var set = BucketSet()
        for number in [0] + replicas {
            for bucket in order.indices where holds(node, bucket, replicas: number) { set.insert(number, bucket) }
        }
        return set
    }
}
