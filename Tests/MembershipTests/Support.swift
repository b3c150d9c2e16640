import Membership
import Wire

/// The members of one view, linked without loss: directives are carried out at once, in turn.
struct Members {
    private(set) var members: [LiveMembership]
    /// What each member was told in the end.
    private(set) var outcome: [MembershipDirective?]
    private var clocks: [[[Timestamp]]]
    private var down: Set<Int> = []
    /// These take their time to freeze: until `thaw`.
    var slow: Set<Int> = []
    /// These hear nothing.
    var deaf: Set<Int> = []

    /// One group; `clocks[m][s]` is what member m holds of sender s.
    /// - byRestart: who began the view by a restart, where the others began it by a cut.
    init(_ clocks: [[UInt64]], number: UInt64 = 5, byRestart: Set<Int>? = nil) {
        let view = View(ViewNumber(number), (1...clocks.count).map { NodeID(UInt16($0)) })
        members = clocks.indices.map { member in
            let origin = byRestart.map { Proposal(view: view, basis: $0.contains(member) ? .ends([LogEnd()]) : .cut([[]]), sources: []) }
            return LiveMembership(view: view, me: member, origin: origin)
        }
        outcome = clocks.map { _ in nil }
        self.clocks = clocks.map { [$0.map { Timestamp($0) }] }
    }

    mutating func kill(_ member: Int) { down.insert(member) }
    mutating func thaw(_ member: Int) {
        slow.remove(member)
        carryOut(.freeze, at: member)
    }
    mutating func leave(_ member: Int, at leader: Int) { at(leader) { $0.leave(member, into: &$1) } }
    mutating func admit(_ node: UInt16, at leader: Int) { at(leader) { $0.admit(NodeID(node), into: &$1) } }
    mutating func suspect(_ member: Int, at other: Int) { at(other) { $0.suspect(RankSet([member]), into: &$1) } }

    /// The proposal that a member was told to install, or to stay out of.
    func proposal(_ member: Int) -> Proposal? {
        switch outcome[member] {
        case .install(let proposal), .left(let proposal), .expelled(let proposal): proposal
        default: nil
        }
    }
    func view(_ member: Int) -> [UInt16]? { proposal(member)?.view.members.map(\.raw) }
    func hasLeft(_ member: Int) -> Bool { if case .left = outcome[member] { true } else { false } }

    private mutating func at(_ member: Int, _ event: (inout LiveMembership, inout [MembershipDirective]) -> Void) {
        guard !down.contains(member) else { return }
        var out: [MembershipDirective] = []
        event(&members[member], &out)
        for step in out { carryOut(step, at: member) }
    }

    private mutating func carryOut(_ step: MembershipDirective, at member: Int) {
        switch step {
        case .freeze:
            guard !slow.contains(member) else { return }
            let frozen = clocks[member]
            at(member) { $0.froze(frozen, into: &$1) }
        case .push:
            let row = members[member].row
            for other in members.indices where other != member && !deaf.contains(other) { at(other) { $0.receive(row, from: member, into: &$1) } }
        case .save(let acceptance):
            at(member) { $0.saved(acceptance, into: &$1) }
        case .install, .expelled, .left: outcome[member] = step
        }
    }
}
