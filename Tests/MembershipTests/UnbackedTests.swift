import Membership
import Testing
import Wire

/// A member whose disk gives no more the log of what it had accepted: it may have been one of a quorum, and says so.
@Suite struct UnbackedTests {
    private static let (one, two, three) = (NodeID(1), NodeID(2), NodeID(3))
    private static let installed = View(ViewNumber(4), [one, two, three])
    private static let next = View(ViewNumber(5), [one, three])
    private static let ballot = Ballot(round: 3, rank: 0)

    private static func has(unbacked: Bool? = nil, cut: Bool = false, ballot: Ballot = ballot, end: UInt64 = 7) -> Summary {
        var log = LogEnd()
        log.number = EntryNumber(end)
        var summary = Summary(live: false, view: installed, promised: Ballot(round: 0, rank: 0), accepted: nil, ends: [log])
        if let unbacked {
            summary.accepted = MemberRow.Acceptance(ballot, Proposal(view: next, basis: cut ? .cut([[]]) : .ends([log]), sources: []))
            summary.isUnbacked = unbacked
            if unbacked { summary.ends[0].number = EntryNumber(3) }
        }
        return summary
    }
    /// What node 1 proposes, or applies, once nodes 1 and 2 have promised.
    private func choice(_ mine: Summary, _ other: Summary, acceptsLoss: Bool = false) -> (sent: [RestartDirective], lacks: View?) {
        var restart = Restart(me: Self.one, mine: mine, wait: 10, acceptsLoss: acceptsLoss)
        restart.heard(other, from: Self.two)
        var steps: [RestartDirective] = []
        restart.tick(now: 0, into: &steps)
        restart.tick(now: 20, into: &steps)
        var sent: [RestartDirective] = []
        var at = 0
        while at < steps.count {
            defer { at += 1 }
            switch steps[at] {
            case .savePromise(let ballot): restart.savedPromise(ballot, into: &steps)
            case .send(Self.two, .prepare, let step):
                restart.receive(.promise, RestartStep(ballot: step.ballot, after: step.after), from: Self.two, into: &steps)
            case .apply, .reach, .send(_, .apply, _), .send(_, .propose, _): sent.append(steps[at])
            default: break
            }
        }
        restart.tick(now: 40, into: &steps)
        return (sent, restart.lacksLog)
    }

    @Test(arguments: [false, true]) func nothingElseIsAgreedOnWhileNobodyHasTheLog(isMine: Bool) {
        let (sent, lacks) = isMine ? choice(Self.has(unbacked: true), Self.has(end: 5)) : choice(Self.has(end: 5), Self.has(unbacked: true))
        #expect(sent.isEmpty && lacks == Self.next, "\(sent)")
    }

    @Test func withoutSuchAnAcceptanceTheyGoOn() {
        let (sent, lacks) = choice(Self.has(), Self.has())
        #expect(!sent.isEmpty && lacks == nil)
    }

    @Test func oneWhoHasTheLogOfTheSameAcceptanceBringsIt() {
        let (sent, lacks) = choice(Self.has(unbacked: true, cut: true), Self.has(unbacked: false, cut: true))
        #expect(sent.count == 1 && lacks == nil)
        guard case .send(Self.two, .apply, _)? = sent.first else { return #expect(Bool(false), "\(sent)") }
    }

    @Test func aNewerAcceptanceCountsAndNotThisOne() {
        let (sent, lacks) = choice(Self.has(unbacked: true), Self.has(unbacked: false, ballot: Ballot(round: 4, rank: 1)))
        #expect(sent.contains { if case .send(Self.two, .propose, _) = $0 { true } else { false } } && lacks == nil, "\(sent)")
    }

    @Test func anOperatorMaySayOtherwise() {
        let (sent, lacks) = choice(Self.has(end: 5), Self.has(unbacked: true), acceptsLoss: true)
        #expect(!sent.isEmpty && lacks == nil)
    }

    @Test func itDoesNotBringItsOwnLogThere() {
        var restart = Restart(me: Self.two, mine: Self.has(unbacked: true, cut: true), wait: 10)
        var steps: [RestartDirective] = []
        restart.receive(.apply, RestartStep(ballot: Ballot(round: 9, rank: 0), after: ViewNumber(4)), from: Self.one, into: &steps)
        #expect(steps.isEmpty)
        // Nor does it install the view where somebody has.
        restart.heard(Summary(live: false, view: Self.next, promised: Self.ballot, accepted: nil, ends: [LogEnd()]), from: Self.three)
        restart.tick(now: 0, into: &steps)
        #expect(!steps.contains { if case .install = $0 { true } else { false } })
    }

    /// Nodes 2 and 3 have accepted the same cut; whoever is asked first says nothing.
    @Test func whoDoesNotBringItsLogInTimeIsNotAskedFirstAgain() {
        var restart = Restart(me: Self.one, mine: Self.has(), wait: 10, patience: 100)
        restart.heard(Self.has(unbacked: false, cut: true), from: Self.two)
        restart.heard(Self.has(unbacked: false, cut: true), from: Self.three)
        var steps: [RestartDirective] = []
        var asked: [NodeID] = []
        var at = 0
        func run(until end: UInt64, from start: UInt64) {
            for now in stride(from: start, to: end, by: 10) {
                restart.tick(now: now, into: &steps)
                while at < steps.count {
                    defer { at += 1 }
                    switch steps[at] {
                    case .savePromise(let ballot): restart.savedPromise(ballot, into: &steps)
                    case .send(let node, .prepare, let step):
                        restart.receive(.promise, RestartStep(ballot: step.ballot, after: step.after), from: node, into: &steps)
                    case .send(let node, .apply, _): asked.append(node)
                    default: break
                    }
                }
            }
        }
        run(until: 400, from: 0)
        #expect(asked == [Self.two, Self.three, Self.two, Self.three])
        // One that has come back is asked as if it had never been.
        restart.lost(Self.two)
        restart.heard(Self.has(unbacked: false, cut: true), from: Self.two)
        run(until: 500, from: 400)
        #expect(asked.last == Self.two)
    }

    /// What it accepts next it has the log of.
    @Test func theNextAcceptanceIsBackedAgain() {
        var restart = Restart(me: Self.two, mine: Self.has(), wait: 10)
        var steps: [RestartDirective] = []
        restart.stands(with: Self.has(unbacked: true).accepted)
        #expect(restart.mine.isUnbacked && restart.mine.accepted != nil)
        restart.savedAcceptance(MemberRow.Acceptance(Ballot(round: 5, rank: 0), Proposal(view: Self.next, basis: .ends([LogEnd()]), sources: [])), into: &steps)
        #expect(!restart.mine.isUnbacked)
    }

    /// Node 2 has not accepted it, and its log ends where it begins.
    @Test func oneWhoseLogEndsThereBringsItToo() {
        let (sent, lacks) = choice(Self.has(unbacked: true), Self.has())
        guard case .reach(_, from: let sources)? = sent.first(where: { if case .reach = $0 { true } else { false } }) else { return #expect(Bool(false), "\(sent)") }
        #expect(Set(sources) == [Self.two] && lacks == nil)
    }

    /// Accepted once more by node 1 alone, whose log is gone since; node 2 has what makes it since the first time.
    @Test(arguments: [false, true]) func oneWhoAcceptedTheSameEarlierBringsItToo(isCut: Bool) {
        let (sent, lacks) = choice(
            Self.has(unbacked: true, cut: isCut, ballot: Ballot(round: 5, rank: 0)), Self.has(unbacked: false, cut: isCut))
        #expect(lacks == nil)
        if isCut {
            guard case .send(Self.two, .apply, _)? = sent.first else { return #expect(Bool(false), "\(sent)") }
        } else {
            guard case .reach(_, from: let sources)? = sent.first(where: { if case .reach = $0 { true } else { false } }) else { return #expect(Bool(false), "\(sent)") }
            #expect(Set(sources) == [Self.two])
        }
    }

    /// The word that it was chosen comes late.
    @Test(arguments: [false, true]) func itIsNotInstalledOnAnotherLog(isThere: Bool) {
        var mine = Self.has(unbacked: true)
        if isThere { mine.ends[0].number = EntryNumber(7) }
        var restart = Restart(me: Self.three, mine: mine, wait: 10)
        var step = RestartStep(ballot: Self.ballot, after: ViewNumber(4))
        step.proposal = mine.accepted!.proposal
        step.live = false
        var steps: [RestartDirective] = []
        restart.receive(.commit, step, from: Self.one, into: &steps)
        #expect(steps.isEmpty != isThere, "\(steps)")
    }

    @Test(arguments: [false, true]) func whatALeaderProposesInsteadShowsThatItWasNotChosen(isCut: Bool) {
        var restart = Restart(me: Self.two, mine: Self.has(unbacked: false, cut: isCut), wait: 10)
        let accepted = restart.mine.accepted!.proposal
        #expect(restart.disproves(accepted) == nil)
        let ballot = Ballot(round: 8, rank: 0)
        var end = LogEnd()
        end.number = EntryNumber(9)
        // Of the same view it may be the cut's own log.
        for (view, isOther) in [(Self.next, !isCut), (View(ViewNumber(5), [Self.one, Self.two]), true)] {
            var step = RestartStep(ballot: ballot, after: ViewNumber(4))
            step.proposal = Proposal(view: view, basis: .ends([end]), sources: [])
            step.sources = [Self.one]
            var steps: [RestartDirective] = []
            restart.receive(.propose, step, from: Self.one, into: &steps)
            #expect(restart.disproves(accepted) == (isOther ? ballot : nil), "\(view)")
        }
        if !isCut {
            var step = RestartStep(ballot: ballot, after: ViewNumber(4))
            step.proposal = accepted
            var steps: [RestartDirective] = []
            restart.receive(.propose, step, from: Self.one, into: &steps)
            #expect(restart.disproves(accepted) == nil, "the same once more")
        }
    }
}
