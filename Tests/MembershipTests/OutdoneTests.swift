import Membership
import Testing
import Wire

/// A member that has given up, for the log of a view that ran without it, what it had accepted: a quorum of the view that it has installed may have
/// chosen that by its voice alone.
@Suite struct OutdoneTests {
    private static let (one, two, three) = (NodeID(1), NodeID(2), NodeID(3))
    /// Nodes 1 and 3 chose what came next; 2 was away, and is back.
    private static let installed = View(ViewNumber(4), [one, two, three])
    private static let ran = View(ViewNumber(6), [three])

    private static func has(_ view: View, live: Bool = false) -> Summary {
        Summary(live: live, view: view, promised: Ballot(round: 0, rank: 0), accepted: nil, ends: [LogEnd()])
    }
    private func restart(outdone: View? = ran, acceptsLoss: Bool = false) -> Restart {
        Restart(me: Self.one, mine: Self.has(Self.installed), wait: 10, acceptsLoss: acceptsLoss, outdone: outdone)
    }
    private func steps(_ restart: inout Restart) -> [RestartDirective] {
        var steps: [RestartDirective] = []
        for now in 0..<5 as Range<UInt64> { restart.tick(now: now * 100, into: &steps) }
        return steps
    }

    @Test func itLeadsNoRestartOfTheViewBefore() {
        var restart = restart()
        restart.heard(Self.has(Self.installed), from: Self.two)
        #expect(steps(&restart).isEmpty && restart.waitsFor == Self.ran)
        // With all that it had it would.
        var whole = self.restart(outdone: nil)
        whole.heard(Self.has(Self.installed), from: Self.two)
        #expect(!steps(&whole).isEmpty && whole.waitsFor == nil)
    }

    @Test func itPromisesNothingThereAndOthersDoNotCountOnIt() {
        var restart = restart()
        var steps: [RestartDirective] = []
        restart.receive(.prepare, RestartStep(ballot: Ballot(round: 1, rank: 1), after: ViewNumber(4)), from: Self.two, into: &steps)
        #expect(steps.isEmpty)
        var other = Restart(me: Self.two, mine: Self.has(Self.installed), wait: 10)
        other.heard(restart.word, from: Self.one)
        #expect(other.ableRanks() == RankSet([1]) && self.steps(&other).isEmpty, "1 and 2 would be a quorum")
    }

    @Test func itLearnsFromThoseWhoWentOn() {
        var restart = restart()
        restart.heard(Self.has(Self.ran, live: true), from: Self.three)
        #expect(steps(&restart) == [.learn(Self.three, Self.ran)])
    }

    /// A later view to which it belongs, and which it never began.
    @Test func itCountsAgainWithTheNextViewThatItInstalls() {
        let later = View(ViewNumber(7), [Self.three, Self.one])
        var restart = restart()
        restart.heard(Self.has(later), from: Self.three)
        let copying = steps(&restart)
        guard case .reach(let ends, from: [Self.three])? = copying.first else { return #expect(Bool(false), "\(copying)") }
        var steps: [RestartDirective] = []
        restart.reached(ends: ends, into: &steps)
        restart.installed(later, ends: ends, into: &steps)
        #expect(restart.waitsFor == nil && restart.word.view == later)
        restart.receive(.prepare, RestartStep(ballot: Ballot(round: 1, rank: 0), after: ViewNumber(7)), from: Self.three, into: &steps)
        #expect(steps.last == .savePromise(Ballot(round: 1, rank: 0)))
    }

    @Test func anOperatorMaySayOtherwise() {
        var restart = restart(acceptsLoss: true)
        restart.heard(Self.has(Self.installed), from: Self.two)
        #expect(!steps(&restart).isEmpty && restart.word.view == Self.installed)
    }

    @Test func theDiskRemembersIt() throws {
        var state = MemberState(incarnation: Incarnation(9), installed: Self.installed)
        for outdone in [nil, Self.ran] {
            state.outdone = outdone
            #expect(try state.encode().withView { view throws(DecodeError) in try MemberState(view) } == state)
        }
    }
}
