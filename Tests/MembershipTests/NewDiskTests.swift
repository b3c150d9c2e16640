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

    /// Node 2 proposed a view of 2 and 3, which 3 has accepted and 2 has not. Nodes 1 and 3 agree on it, and begin it only with 2: who would come back without it
    /// would count for nobody there.
    @Test func aViewIsInstalledOnceAQuorumOfItsOwnHasIt() {
        let first = Proposal(view: View(ViewNumber(1), [NodeID(2), NodeID(3)]), basis: .ends([LogEnd()]), sources: [])
        var third = Self.has(Self.none)
        third.accepted = MemberRow.Acceptance(Self.ballot, first)
        var restart = Restart(me: NodeID(1), mine: Self.has(Self.none), wait: 10)
        restart.heard(third, from: NodeID(3))
        var steps: [RestartDirective] = []
        /// What it is asked for is done at once; node 3 does the same.
        func carryOut() {
            while !steps.isEmpty {
                var next: [RestartDirective] = []
                for step in steps {
                    switch step {
                    case .savePromise(let ballot): restart.savedPromise(ballot, into: &next)
                    case .reach(let ends, _): restart.reached(ends: ends, into: &next)
                    case .saveAcceptance(let acceptance): restart.savedAcceptance(acceptance, into: &next)
                    case .send(let node, .prepare, let step) where node == NodeID(3):
                        restart.receive(.promise, RestartStep(ballot: step.ballot, after: step.after), from: node, into: &next)
                    case .send(let node, .propose, let step):
                        accepted.append(node)
                        restart.receive(.accepted, RestartStep(ballot: step.ballot, after: step.after), from: node, into: &next)
                    case .send(let node, .commit, _): committed.append(node)
                    default: break
                    }
                }
                steps = next
            }
        }
        var (accepted, committed): ([NodeID], [NodeID]) = ([], [])
        for now in [0, 20, 40] as [UInt64] {
            restart.tick(now: now, into: &steps)
            carryOut()
        }
        #expect(accepted == [NodeID(3)] && committed.isEmpty, "\(accepted), \(committed)")
        // Node 2 is back: the next ballot has it, too.
        restart.heard(Self.has(Self.none), from: NodeID(2))
        for now in [6_000_000_000, 6_000_000_020, 6_000_000_040] as [UInt64] {
            restart.tick(now: now, into: &steps)
            for case .send(NodeID(2), .prepare, let step) in steps {
                restart.receive(.promise, RestartStep(ballot: step.ballot, after: step.after), from: NodeID(2), into: &steps)
            }
            carryOut()
        }
        #expect(Set(committed) == [NodeID(2), NodeID(3)], "\(committed)")
    }

    /// What a node has heard of once the others may not forget for it.
    @Test func whoHasNoViewRemembersThatThereIsOne() {
        for view in [Self.newest, View(ViewNumber(2), [NodeID(1), NodeID(2)])] {
            var restart = Restart(me: NodeID(3), mine: Self.has(Self.none), wait: 10)
            var steps: [RestartDirective] = []
            restart.heard(Self.has(view), from: NodeID(2))
            restart.lost(NodeID(2))
            restart.heard(Self.has(Self.none), from: NodeID(1))
            restart.receive(.prepare, RestartStep(ballot: Self.ballot, after: ViewNumber(0)), from: NodeID(1), into: &steps)
            for now in [0, 20, 40] as [UInt64] { restart.tick(now: now, into: &steps) }
            #expect(steps.isEmpty, "\(steps)")
            #expect((restart.lostWith ?? restart.begunWithout) == view)
        }
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
