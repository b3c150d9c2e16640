import Membership
import Testing
import Wire

/// A member that has not installed the newest view: either it never began it, or its disk is not the one with which it did.
@Suite struct NewDiskTests {
    private static let members = [1, 2, 3].map { NodeID($0) }
    /// What an empty disk has; what this member has installed; what others have.
    private static let (none, older, newest) = (View(ViewNumber(0), members), View(ViewNumber(1), members), View(ViewNumber(2), members))
    private static let ballot = Ballot(round: 1, rank: 0)

    private static func has(_ view: View, live: Bool = false, entriesOf: UInt64 = 0) -> Summary {
        var end = LogEnd()
        if entriesOf > 0 { (end.number, end.view) = (EntryNumber(7), ViewNumber(entriesOf)) }
        return Summary(live: live, view: view, promised: Ballot(round: 0, rank: 0), accepted: nil, ends: [end])
    }

    /// What node 3, whose disk has nothing of `mine`, does when it hears of node 2.
    private func steps(_ mine: View, hearing other: Summary, acceptsLoss: Bool = false) -> (steps: [RestartDirective], lost: View?) {
        var restart = Restart(me: NodeID(3), mine: Self.has(mine), wait: 10, acceptsLoss: acceptsLoss)
        restart.heard(other, from: NodeID(2))
        var steps: [RestartDirective] = []
        for now in 0..<5 as Range<UInt64> { restart.tick(now: now * 100, into: &steps) }
        return (steps, restart.lostWith)
    }

    @Test func whoNeverBeganAViewOfWhichNobodyHasEntriesCopiesItsBeginning() {
        let (steps, lost) = steps(Self.older, hearing: Self.has(Self.newest, entriesOf: 1))
        guard case .reach(_, from: [NodeID(2)])? = steps.first else { return #expect(Bool(false), "\(steps)") }
        #expect(lost == nil)
    }

    @Test func whoseDiskHasNothingOfAViewThatOthersHaveEntriesOfDoesNothing() {
        let (steps, lost) = steps(Self.older, hearing: Self.has(Self.newest, entriesOf: 2))
        #expect(steps.isEmpty && lost == Self.newest, "\(steps)")
    }

    /// Whether or not those that are here have written anything of it.
    @Test(arguments: [0, 1, 2] as [UInt64]) func whoseDiskHasNoViewAtAllDoesNothing(entriesOf view: UInt64) {
        let (steps, lost) = steps(Self.none, hearing: Self.has(Self.newest, entriesOf: view))
        #expect(steps.isEmpty && lost == Self.newest, "\(steps)")
    }

    @Test(arguments: [none, older]) func itLearnsFromThoseWhoGoOnWithoutIt(mine: View) {
        #expect(steps(mine, hearing: Self.has(Self.newest, live: true, entriesOf: 2)).steps == [.learn(NodeID(2), Self.newest)])
    }

    /// What it accepted on this disk is what it began.
    @Test func whoHasAcceptedTheNewestViewHasTheDiskWithWhichItDid() {
        var mine = Self.has(Self.none)
        mine.accepted = MemberRow.Acceptance(Self.ballot, Proposal(view: Self.newest, basis: .ends([LogEnd()]), sources: []))
        var restart = Restart(me: NodeID(3), mine: mine, wait: 10)
        restart.heard(Self.has(Self.newest, entriesOf: 2), from: NodeID(2))
        var steps: [RestartDirective] = []
        restart.tick(now: 0, into: &steps)
        guard case .install? = steps.first else { return #expect(Bool(false), "\(steps)") }
        #expect(restart.lostWith == nil)
    }

    /// Nodes 1 and 3 would be a quorum of the view before, which node 3 has.
    @Test(arguments: [false, true]) func itTakesNoPartInAnOlderViewEither(hearsFirst: Bool) {
        let newest = Self.has(View(ViewNumber(2), [NodeID(2), NodeID(3)]), entriesOf: 2)
        var restart = Restart(me: NodeID(3), mine: Self.has(Self.older), wait: 10)
        var steps: [RestartDirective] = []
        restart.heard(Self.has(Self.older), from: NodeID(1))
        if hearsFirst { restart.heard(newest, from: NodeID(2)) }
        restart.receive(.prepare, RestartStep(ballot: Self.ballot, after: ViewNumber(1)), from: NodeID(1), into: &steps)
        #expect(steps == (hearsFirst ? [] : [.savePromise(Self.ballot)]), "\(steps)")
        if !hearsFirst { restart.heard(newest, from: NodeID(2)) }
        steps = []
        restart.savedPromise(Self.ballot, into: &steps)
        #expect(steps.isEmpty, "\(steps)")
    }

    @Test func itWaitsForWhoeverMaySayMore() {
        var restart = Restart(me: NodeID(3), mine: Self.has(Self.older), wait: 10)
        restart.heard(Self.has(Self.newest), from: NodeID(2))
        var steps: [RestartDirective] = []
        for now in 100..<110 as Range<UInt64> { restart.tick(now: now, into: &steps) }
        #expect(steps.isEmpty, "\(steps)")
        restart.tick(now: 110, into: &steps)
        #expect(steps.count == 1)
    }

    @Test(arguments: [none, older]) func anOperatorsWordLetsItCount(mine: View) {
        let steps = steps(mine, hearing: Self.has(Self.newest, entriesOf: 2), acceptsLoss: true).steps
        guard case .reach(_, from: [NodeID(2)])? = steps.first else { return #expect(Bool(false), "\(steps)") }
    }
}
