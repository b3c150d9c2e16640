import Folding
import Testing
import Wire

/// Who holds which buckets, over changes of the view.
@Suite struct HolderLayoutTests {
    private func nodes(_ numbers: Int...) -> [NodeID] { numbers.map { NodeID(UInt16($0)) } }

    /// Pairs of bucket and member that were not there before.
    private func copies(_ before: HolderLayout, _ after: HolderLayout) -> Int {
        zip(before.holders, after.holders).reduce(0) { sum, pair in sum + pair.1.count { !pair.0.contains($0) } }
    }

    @Test func bucketsAreDealtOutInTurn() {
        let layout = HolderLayout(members: nodes(1, 2, 3, 4, 5), replicas: 3, buckets: 5)
        #expect(layout.holders == [nodes(1, 2, 3), nodes(4, 5, 1), nodes(2, 3, 4), nodes(5, 1, 2), nodes(3, 4, 5)])
        layout.checkInvariants()
        let after = layout.following(members: nodes(1, 2, 3, 5))
        #expect(after.holders == [nodes(1, 2, 3), nodes(1, 3, 5), nodes(2, 3, 1), nodes(5, 1, 2), nodes(3, 5, 2)])
        #expect(copies(layout, after) == 3)
    }

    @Test func whereTwoShareFirstPlacesTheyAreEvenAllTheSame() {
        // Dealt out in turn, the first of each pair would be 1 or 3.
        let layout = HolderLayout(members: nodes(1, 2, 3, 4), replicas: 2, buckets: 8)
        for node in nodes(1, 2, 3, 4) { #expect(layout.holders.count { $0[0] == node } == 2) }
    }

    @Test(arguments: 1...16) func buckets(ofMembers count: Int) {
        let members = (1...count).map { NodeID(UInt16($0)) }
        for replicas in [1, 2, 3, 5, 16] {
            let layout = HolderLayout(members: members, replicas: replicas)
            layout.checkInvariants()
            #expect(layout.following(members: members) == layout)
        }
    }

    @Test func whoGoesLeavesOnlyItsOwnBucketsToOthers() {
        let before = HolderLayout(members: (1...16).map { NodeID($0) }, replicas: 3)
        for gone in before.members {
            let after = before.following(members: before.members.filter { $0 != gone })
            after.checkInvariants()
            #expect(copies(before, after) == before.holders.count { $0.contains(gone) })
        }
    }

    @Test func whoComesGetsItsShareAndNobodyElseAnything() {
        let before = HolderLayout(members: (1...15).map { NodeID($0) }, replicas: 3)
        let after = before.following(members: before.members + [NodeID(16)])
        after.checkInvariants()
        #expect(copies(before, after) == 64 * 3 / 16)
        #expect(after.holders.count { $0.contains(NodeID(16)) } == 64 * 3 / 16)
    }

    @Test func fewerMembersThanHoldersHoldEverything() {
        var layout = HolderLayout(members: nodes(1, 2, 3, 4), replicas: 3)
        layout = layout.following(members: nodes(2))
        #expect(layout.holders.allSatisfy { $0 == nodes(2) })
        layout = layout.following(members: nodes(2, 9))
        #expect(layout.holders.allSatisfy { Set($0) == Set(nodes(2, 9)) })
        layout = layout.following(members: nodes(2, 9, 4, 7))
        layout.checkInvariants()
        #expect(layout.holders.allSatisfy { $0.count == 3 })
    }

    @Test func anotherNumberOfHoldersNeedsNoMoreCopiesThanItAdds() {
        let three = HolderLayout(members: (1...8).map { NodeID($0) }, replicas: 3)
        let four = three.following(members: three.members, replicas: 4)
        four.checkInvariants()
        #expect(copies(three, four) == 64)
        let two = four.following(members: four.members, replicas: 2)
        two.checkInvariants()
        #expect(copies(four, two) == 0)
    }

    @Test func ranksInAnotherOrderChangeNoHolder() {
        let before = HolderLayout(members: nodes(1, 2, 3, 4, 5), replicas: 2)
        let after = before.following(members: nodes(5, 3, 1, 2, 4))
        #expect(copies(before, after) == 0)
    }

    /// Members come and go at random; each layout is even, and made alike from alike.
    @Test(arguments: UInt64(1)...24) func overManyChanges(seed: UInt64) {
        walk(seed) { before, after in
            after.checkInvariants()
            #expect(after == before.following(members: after.members))
            #expect(copies(before, after) >= leastCopies(before, after.members))
        }
    }

    private func walk(_ seed: UInt64, _ look: (HolderLayout, HolderLayout) -> Void) {
        var random = SeededNumbers(seed: seed)
        let replicas = 1 + random.below(4)
        var layout = HolderLayout(members: (1...16).filter { _ in random.below(2) == 0 }.map { NodeID($0) } + [NodeID(17)], replicas: replicas)
        for _ in 0..<30 {
            var members = layout.members.filter { _ in layout.members.count == 1 || random.below(6) > 0 }
            if members.isEmpty { members = [layout.members[0]] }
            for node in 1...16 where members.count < 16 && random.below(8) == 0 && !members.contains(NodeID(UInt16(node))) {
                members.append(NodeID(UInt16(node)))
            }
            let next = layout.following(members: members)
            look(layout, next)
            layout = next
        }
    }

    /// What even loads alone ask for, whoever may hold what: a bound from below.
    private func leastCopies(_ before: HolderLayout, _ members: [NodeID]) -> Int {
        let kept = members.map { node in before.holders.count { $0.contains(node) } }.sorted(by: >)
        let slots = before.holders.count * min(before.replicas, members.count)
        return kept.enumerated().reduce(0) { sum, one in
            sum + max(0, slots / members.count + (one.offset < slots % members.count ? 1 : 0) - one.element)
        }
    }

    /// Against all layouts there are, with other numbers of holders too.
    @Test(arguments: UInt64(1)...120) func noEvenLayoutNeedsFewerCopies(seed: UInt64) {
        var numbers = SeededNumbers(seed: seed)
        var layout = HolderLayout(members: (1...5).map { NodeID($0) }, replicas: 1 + numbers.below(4), buckets: 1 + numbers.below(12))
        for _ in 0..<8 {
            var members = (1...7).filter { _ in numbers.below(3) > 0 }.map { NodeID($0) }
            while members.count > 5 { members.remove(at: numbers.below(members.count)) }
            guard !members.isEmpty else { continue }
            let next = layout.following(members: members, replicas: 1 + numbers.below(4))
            next.checkInvariants()
            #expect(copies(layout, next) == fewestCopies(layout, next), "\(layout.holders) to \(members)")
            layout = next
        }
    }

    /// Bucket by bucket, the fewest copies for each way in which loads can have come about; a byte for each member.
    private func fewestCopies(_ before: HolderLayout, _ after: HolderLayout) -> Int {
        let members = after.members
        let sets = (0..<UInt64(1) << UInt64(members.count)).map { RankSet(bits: $0) }.filter { $0.count == min(after.replicas, members.count) }
        var fewest: [UInt64: Int] = [0: 0]
        for held in before.holders {
            var next: [UInt64: Int] = [:]
            for set in sets {
                let ranks = members.indices.filter(set.contains)
                let more = ranks.reduce(UInt64(0)) { $0 | 1 << UInt64($1 * 8) }
                let new = ranks.count { !held.contains(members[$0]) }
                for (loads, sum) in fewest { next[loads + more] = min(next[loads + more] ?? .max, sum + new) }
            }
            fewest = next
        }
        let even = fewest.filter { loads, _ in
            let each = members.indices.map { loads >> UInt64($0 * 8) & 0xFF }
            return each.max()! - each.min()! <= 1
        }
        return even.values.min()!
    }
}
