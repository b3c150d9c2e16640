import Folding
import Testing
import Wire

/// Who holds which buckets, over changes of the view.
@Suite struct HolderLayoutTests {
    private func layout(_ numbers: some Sequence<Int>) -> HolderLayout { HolderLayout(members: numbers.map { NodeID(UInt16($0)) }) }
    private func loads(_ layout: HolderLayout, _ replicas: Int) -> [Int] {
        layout.members.map { member in (0..<64).count { layout.holds(member, $0, replicas: replicas) } }
    }
    /// Pairs of bucket and member that were not there before.
    private func copies(_ before: HolderLayout, _ after: HolderLayout, _ replicas: Int) -> Int {
        (0..<64).reduce(0) { sum, bucket in
            let old = before.holders(of: bucket, replicas: replicas)
            return sum + after.holders(of: bucket, replicas: replicas).count { !old.contains($0) }
        }
    }

    @Test(arguments: 1...16) func eachBucketHasAsManyHoldersAsItShould(members: Int) {
        let layout = layout(1...members)
        for replicas in 1...16 {
            for bucket in 0..<64 {
                let holders = layout.holders(of: bucket, replicas: replicas)
                #expect(Set(holders).count == min(replicas, members) && holders.count == min(replicas, members))
                // Who holds it where fewer do holds it where more do: rules that differ from node to node lose nothing.
                if replicas > 1 { #expect(layout.holders(of: bucket, replicas: replicas - 1).allSatisfy(holders.contains)) }
            }
        }
        #expect(Set(layout.holders(of: 7, replicas: 0)) == Set(layout.members))
    }

    @Test(arguments: [3, 4, 5, 7, 9, 12, 16]) func loadIsEven(members: Int) {
        for replicas in 2...3 where replicas < members {
            let loads = loads(layout(1...members), replicas)
            #expect(loads.max()! <= (64 * replicas + members - 1) / members + 3, "\(members) members, \(replicas) replicas: \(loads)")
            #expect(loads.min()! >= 64 * replicas * 3 / (members * 4), "\(members) members, \(replicas) replicas: \(loads)")
        }
    }

    /// Whoever goes or comes, few buckets but its own change hands.
    @Test(arguments: [3, 5, 7, 9, 16]) func fewBucketsChangeHands(members: Int) {
        let before = layout(1...members)
        var (made, needed) = (0, 0)
        for gone in 1...members {
            let after = layout((1...members).filter { $0 != gone })
            made += copies(before, after, 2)
            needed += (0..<64).count { before.holds(NodeID(UInt16(gone)), $0, replicas: 2) }
        }
        #expect(made * 10 <= needed * 17, "\(made) copies where \(needed) are needed")
    }

    @Test func itHangsOnTheMembersAlone() {
        #expect(layout([1, 2, 3]) == layout([1, 2, 3]))
        for bucket in 0..<64 { #expect(layout([3, 1, 2]).holders(of: bucket, replicas: 2) == layout([1, 2, 3]).holders(of: bucket, replicas: 2)) }
    }

    @Test func whatAMemberHolds() {
        let layout = layout(1...5)
        let held = layout.held(by: NodeID(2), replicas: [3])
        #expect(held[0] == .max)
        for bucket in 0..<64 { #expect(held.contains(3, bucket) == layout.holders(of: bucket, replicas: 3).contains(NodeID(2))) }
        #expect(held[2] == 0)
    }
}
