import Testing
import Wire

@Suite struct QuorumTests {
    private func view(_ count: Int) -> View { View(ViewNumber(1), (0..<count).map { NodeID(UInt16($0 + 1)) }) }

    /// More than half, counted by hand; or half with the first.
    @Test(arguments: 1...12) func aQuorumIsMoreThanHalfOrHalfWithTheFirst(_ count: Int) {
        let view = view(count)
        for bits in 0..<UInt64(1) << UInt64(count) {
            let ranks = (0..<count).filter { bits & 1 << UInt64($0) != 0 }
            let wanted = Double(ranks.count) > Double(count) / 2 || (Double(ranks.count) == Double(count) / 2 && ranks.first == 0)
            #expect(view.isQuorum(RankSet(bits: bits)) == wanted)
            if ranks.count >= view.quorumSize { #expect(view.isQuorum(RankSet(ranks))) }
        }
    }
    /// What makes a quorum one: no two without a member in common, and never two that split the members.
    @Test(arguments: 1...9) func anyTwoQuorumsMeet(_ count: Int) {
        let view = view(count)
        let quorums = (0..<UInt64(1) << UInt64(count)).map { RankSet(bits: $0) }.filter { view.isQuorum($0) }
        #expect(!quorums.isEmpty)
        for one in quorums { for other in quorums { #expect(!one.intersection(other).isEmpty) } }
    }
    @Test(arguments: 1...10) func morePresentNeverUnmakesAQuorum(_ count: Int) {
        let view = view(count)
        for bits in 0..<UInt64(1) << UInt64(count) where view.isQuorum(RankSet(bits: bits)) {
            for rank in 0..<count { #expect(view.isQuorum(RankSet(bits: bits | 1 << UInt64(rank)))) }
        }
    }
    @Test func ranksBeyondTheViewDoNotCount() {
        #expect(!view(3).isQuorum(RankSet([0, 3, 4, 63])))
        #expect(view(3).isQuorum(RankSet([0, 2, 63])))
        #expect(!view(0).isQuorum(RankSet([1])))
    }
    @Test func aPairSurvivesTheLossOfItsSecondAndNeverSplits() {
        #expect(view(2).isQuorum(RankSet([0])) && !view(2).isQuorum(RankSet([1])))
    }
    @Test func rankSetsAreSetsOfRanks() {
        var numbers = SeededNumbers(seed: 21)
        for _ in 0..<500 {
            let a = Set(numbers.many(20) { $0.upTo(63) })
            let b = Set(numbers.many(20) { $0.upTo(63) })
            let (left, right) = (RankSet(a), RankSet(b))
            #expect(left.count == a.count && left.first == a.min() && left.isEmpty == a.isEmpty)
            #expect(left.union(right) == RankSet(a.union(b)) && left.intersection(right) == RankSet(a.intersection(b)))
            #expect(left.subtracting(right) == RankSet(a.subtracting(b)) && left.isSuperset(of: right) == a.isSuperset(of: b))
            var less = left
            less.remove(b.first ?? 0)
            #expect((0..<64).filter { less.contains($0) } == a.subtracting([b.first ?? 0]).sorted())
        }
        #expect(RankSet.all(64).count == 64 && RankSet.all(0).isEmpty && RankSet.all(3) == RankSet([0, 1, 2]))
    }
    @Test func ballotsAndKeysAreOrderedByTheirFirstFieldThenTheSecond() {
        #expect(Ballot(round: 0, rank: 9) < Ballot(round: 1, rank: 0) && Ballot(round: 1, rank: 0) < Ballot(round: 1, rank: 1))
        #expect(OrderKey(Timestamp(1), NodeID(9)) < OrderKey(Timestamp(2), NodeID(1)))
        #expect(OrderKey(Timestamp(2), NodeID(1)) < OrderKey(Timestamp(2), NodeID(2)))
    }
    @Test func aProposalsBaseIsTheHighestThatItKeeps() {
        let cut = Proposal(view: view(2), basis: .cut([[Timestamp(4), Timestamp(7)], []]), sources: [])
        #expect(cut.base(of: 0) == Timestamp(7) && cut.base(of: 1) == .zero)
    }
}
