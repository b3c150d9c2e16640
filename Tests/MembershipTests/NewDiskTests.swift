import Membership
import Testing
import Wire

/// A member that has not installed the newest view: either it never began it, or its disk is not the one with which it did.
@Suite struct NewDiskTests {
    private static let first = View(ViewNumber(0), [1, 2, 3].map { NodeID($0) })
    private static let newest = View(ViewNumber(1), [1, 2, 3].map { NodeID($0) })

    /// What node 3, which has nothing, does when it hears of node 2, whose log ends in `view`.
    private func steps(_ view: UInt64, live: Bool = false, acceptsLoss: Bool = false) -> (steps: [RestartDirective], lost: View?) {
        let nothing = Summary(live: false, view: Self.first, promised: Ballot(round: 0, rank: 0), accepted: nil, ends: [LogEnd()])
        var end = LogEnd()
        (end.number, end.view) = (EntryNumber(7), ViewNumber(view))
        let other = Summary(live: live, view: Self.newest, promised: Ballot(round: 0, rank: 0), accepted: nil, ends: [end])
        var restart = Restart(me: NodeID(3), mine: nothing, wait: 10, acceptsLoss: acceptsLoss)
        restart.heard(other, from: NodeID(2))
        var steps: [RestartDirective] = []
        for now in 0..<5 as Range<UInt64> { restart.tick(now: now * 100, into: &steps) }
        return (steps, restart.lostWith)
    }

    @Test func whoNeverBeganAViewOfWhichNobodyHasEntriesCopiesItsBeginning() {
        let (steps, lost) = steps(0)
        guard case .reach(_, from: [NodeID(2)])? = steps.first else { return #expect(Bool(false), "\(steps)") }
        #expect(lost == nil)
    }

    @Test func whoseDiskHasNothingOfAViewThatOthersHaveEntriesOfDoesNothing() {
        let (steps, lost) = steps(1)
        #expect(steps.isEmpty && lost == Self.newest, "\(steps)")
    }

    @Test func itLearnsFromThoseWhoGoOnWithoutIt() {
        #expect(steps(1, live: true).steps == [.learn(NodeID(2), Self.newest)])
    }

    /// Nodes 1 and 3 would be a quorum of the view before, which node 3 has as new disks have it.
    @Test(arguments: [false, true]) func itTakesNoPartInAnOlderViewEither(hearsFirst: Bool) {
        let nothing = Summary(live: false, view: Self.first, promised: Ballot(round: 0, rank: 0), accepted: nil, ends: [LogEnd()])
        var end = LogEnd()
        (end.number, end.view) = (EntryNumber(7), ViewNumber(1))
        let newest = Summary(live: false, view: View(ViewNumber(1), [NodeID(2), NodeID(3)]), promised: Ballot(round: 0, rank: 0), accepted: nil, ends: [end])
        var restart = Restart(me: NodeID(3), mine: nothing, wait: 10)
        let ballot = Ballot(round: 1, rank: 0)
        var steps: [RestartDirective] = []
        restart.heard(nothing, from: NodeID(1))
        if hearsFirst { restart.heard(newest, from: NodeID(2)) }
        restart.receive(.prepare, RestartStep(ballot: ballot, after: ViewNumber(0)), from: NodeID(1), into: &steps)
        #expect(steps == (hearsFirst ? [] : [.savePromise(ballot)]), "\(steps)")
        if !hearsFirst { restart.heard(newest, from: NodeID(2)) }
        steps = []
        restart.savedPromise(ballot, into: &steps)
        #expect(steps.isEmpty, "\(steps)")
    }

    @Test func itWaitsForWhoeverMaySayMore() {
        let nothing = Summary(live: false, view: Self.first, promised: Ballot(round: 0, rank: 0), accepted: nil, ends: [LogEnd()])
        let quiet = Summary(live: false, view: Self.newest, promised: Ballot(round: 0, rank: 0), accepted: nil, ends: [LogEnd()])
        var restart = Restart(me: NodeID(3), mine: nothing, wait: 10)
        restart.heard(quiet, from: NodeID(2))
        var steps: [RestartDirective] = []
        for now in 100..<110 as Range<UInt64> { restart.tick(now: now, into: &steps) }
        #expect(steps.isEmpty, "\(steps)")
        restart.tick(now: 110, into: &steps)
        #expect(steps.count == 1)
    }

    @Test func anOperatorsWordLetsItCount() {
        guard case .reach(_, from: [NodeID(2)])? = steps(1, acceptsLoss: true).steps.first else { return #expect(Bool(false)) }
    }
}
