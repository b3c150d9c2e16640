import Membership
import Testing
import Wire

@Suite struct LeaveTests {
    /// Member 2 holds least of sender 1, member 1 least of sender 2.
    private static let clocks: [[UInt64]] = [[50, 40, 30], [50, 45, 20], [50, 35, 30]]

    @Test(arguments: 0..<3) func aMemberThatIsAskedToLeaveIsHeldToTheCutAndNotInTheNextView(leaver: Int) {
        var three = Members(Self.clocks)
        three.leave(leaver, at: 0)
        let rest = [1, 2, 3].filter { $0 != UInt16(leaver + 1) }.map { UInt16($0) }
        guard leaver != 0 else {
            // Two of three: the rest is a quorum without the lowest rank too.
            #expect(three.hasLeft(0) && three.view(1) == rest && three.view(2) == rest)
            return
        }
        for member in 0..<3 {
            #expect(three.view(member) == rest)
            #expect(three.hasLeft(member) == (member == leaver))
            guard let proposal = three.proposal(member) else { continue }
            #expect(proposal.basis == .cut([[Timestamp(50), Timestamp(35), Timestamp(20)]]), "over all three, the leaver too")
            #expect(proposal.sources.map(\.raw) == [1, 2, 3])
        }
    }

    @Test func onlyTheLeaderBeginsTheChange() {
        var three = Members(Self.clocks)
        three.leave(1, at: 1)
        three.leave(2, at: 1)
        #expect(!three.members[1].isWedged && three.view(0) == nil)
    }

    @Test func theLastMemberAndTheFirstOfAPairStay() {
        var one = Members([[10]])
        one.leave(0, at: 0)
        #expect(!one.members[0].isWedged)
        var pair = Members([[10, 10], [10, 10]])
        pair.leave(0, at: 0)
        #expect(!pair.members[0].isWedged)
        pair.leave(1, at: 0)
        #expect(pair.view(0) == [1] && pair.hasLeft(1))
    }

    @Test func twoLeaveAtOnceWhereTheRestIsAQuorum() {
        var five = Members(Array(repeating: [9, 9, 9, 9, 9], count: 5))
        five.slow = [0]
        five.leave(3, at: 0)
        five.leave(4, at: 0)
        five.thaw(0)
        #expect(five.view(0) == [1, 2, 3] && five.hasLeft(3) && five.hasLeft(4))
    }

    @Test func theSecondOfTwoWaitsForTheNextViewWhereTheRestWouldBeNoQuorum() {
        var four = Members(Array(repeating: [9, 9, 9, 9], count: 4))
        four.slow = [0]
        four.leave(0, at: 0)
        four.leave(1, at: 0)
        four.thaw(0)
        #expect(four.view(1) == [2, 3, 4] && four.hasLeft(0) && !four.hasLeft(1))
    }

    @Test func aLossMeanwhileKeepsTheLeaverWhereTheRestWouldBeNoQuorum() {
        var three = Members(Self.clocks)
        three.slow = [0]
        three.leave(1, at: 0)
        three.kill(2)
        three.suspect(2, at: 0)
        three.thaw(0)
        #expect(three.view(0) == [1, 2] && three.view(1) == [1, 2] && !three.hasLeft(1))
    }

    @Test func whatALostLeaderHadProposedGoesOnWithTheLeaverOut() {
        var five = Members(Array(repeating: [9, 9, 9, 9, 9], count: 5))
        five.slow = [1]
        five.leave(4, at: 0)
        five.deaf = [2, 3, 4]
        // Only member 1 hears of the proposal; then the leader is lost.
        five.thaw(1)
        #expect(five.view(0) == nil && five.members[1].row.accepted != nil)
        five.kill(0)
        five.deaf = []
        five.suspect(0, at: 1)
        for member in 1..<5 {
            #expect(five.view(member) == [1, 2, 3, 4])
            #expect(five.hasLeft(member) == (member == 4))
        }
    }

    /// Whoever is taken in has the view on its disk a little later: until then the others have to be a quorum of it.
    @Test func noMoreAreTakenInAtATimeThanStay() {
        var three = Members(Self.clocks)
        three.slow = [0]
        for node in [9, 8, 7, 6, 5] as [UInt16] { three.admit(node, at: 0) }
        three.suspect(2, at: 0)
        three.thaw(0)
        #expect(three.view(0) == [1, 2, 9, 8] && three.view(1) == [1, 2, 9, 8])
    }

    @Test func oneIsTakenInWhileAnotherLeaves() {
        var three = Members(Self.clocks)
        three.slow = [0]
        three.admit(9, at: 0)
        three.leave(2, at: 0)
        three.thaw(0)
        #expect(three.view(0) == [1, 2, 9] && three.proposal(0)?.sources.map(\.raw) == [1, 2, 3] && three.hasLeft(2))
    }
}
