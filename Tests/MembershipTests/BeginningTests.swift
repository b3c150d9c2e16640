import Membership
import Testing
import Wire

/// A view that a restart has brought back, while some began it by its cut: what they have in memory is not the same.
@Suite struct BeginningTests {
    @Test func whoBeganTheViewInAnotherWayHasNoPartInTheNext() {
        var members = Members([[3, 3, 3], [3, 3, 3], [3, 3, 3]], byRestart: [2])
        members.leave(1, at: 0)
        #expect(members.members[0].suspected.contains(2) || members.members[2].suspected.contains(0))
        #expect(members.view(0).map { !$0.contains(3) } ?? true)
    }
    @Test(arguments: [Set<Int>(), [0, 1, 2]]) func whoBeganItInTheSameWayIsNotSuspected(byRestart: Set<Int>) {
        var members = Members([[3, 3, 3], [3, 3, 3], [3, 3, 3]], byRestart: byRestart)
        members.leave(1, at: 0)
        #expect(members.members.allSatisfy { $0.suspected.isEmpty || $0.suspected == RankSet([1]) })
        #expect(members.view(0) == [1, 3])
    }
}
