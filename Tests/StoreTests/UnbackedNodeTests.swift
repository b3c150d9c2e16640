import Replication
import Testing
import Topics
import Wire

@testable import Broker

/// A learner that drops its log's end for that of the view that runs, which may have it cleaned: what it had accepted it keeps saying.
@Suite struct UnbackedNodeTests {
    private static let (one, two, three) = (NodeID(1), NodeID(2), NodeID(3))
    private static let now = Instant(monotonic: 1_000_000_000, wall: 1_000_000_000)

    /// Node 1, with 14 entries, has accepted view 5, whose log is its own up to `from`; node 3 runs view 6, and knows of its log that it shares 6 entries.
    private func directives(from: UInt64) throws -> [Directive] {
        var durable = GroupState(group: .durable)
        var builder = BatchBuilder()
        for number in 1...14 as ClosedRange<UInt64> {
            let frame = builder.finish(publisher: PublisherID(number), epoch: 0, sequence: 0, group: .durable, kind: .open)
            _ = frame.withView { durable.admit($0, key: OrderKey(Timestamp(number), Self.one), view: ViewNumber(4)) }
        }
        var state = MemberState(incarnation: Incarnation(3), installed: View(ViewNumber(4), [Self.one, Self.two, Self.three]))
        let cut = [Timestamp](repeating: Timestamp(14), count: 3)
        state.accepted = MemberRow.Acceptance(
            Ballot(round: 2, rank: 0), Proposal(view: View(ViewNumber(5), [Self.one, Self.three]), basis: .cut(Array(repeating: cut, count: GroupID.count)), sources: []))
        state.tails = (0..<GroupID.count).map { _ in .init(from: EntryNumber(from), frames: []) }
        let settings = NodeSettings(
            node: Self.one, cluster: "c", members: [Self.one, Self.two, Self.three].map { ($0, "h:1") },
            topics: TopicsConfiguration(rules: [], defaultLevel: .durable, admit: .all), segmentBytes: 1 << 20)
        let memory = OwnedBytes([UInt8](repeating: 0, count: 1 << 16))
        defer { withExtendedLifetime(memory) {} }
        let node = Node(settings: settings, state: state, states: [durable, GroupState(group: .ordered), GroupState(group: .unordered)], ring: memory.store)
        var out: [Directive] = []
        node.peerUp(Self.three, into: &out)
        var word: [UInt8] = []
        Summary(live: true, view: View(ViewNumber(6), [Self.three]), promised: Ballot(round: 0, rank: 0), accepted: nil, ends: []).encode(into: &word)
        try word.withView { view throws(DecodeError) in try node.peerMessage(Self.three, .summary, view, now: Self.now, into: &out) }
        node.tick(now: Self.now, into: &out)
        let samples = [6, 7, 14].map { ChainSample(number: EntryNumber($0), chain: $0) }
        node.diskDone(.samples(.durable, samples), now: Self.now, into: &out)
        out = []
        var matched: [UInt8] = []
        matched.append(int: GroupID.durable.raw)
        matched.append(int: UInt64(6))
        try matched.withView { view throws(DecodeError) in try node.peerMessage(Self.three, .matched, view, now: Self.now, into: &out) }
        return out
    }

    @Test func itSaysFirstThatItHasNotTheLogAnyMore() throws {
        let out = try directives(from: 12)
        let saved = out.firstIndex { if case .disk(.save(_, .start)) = $0 { true } else { false } }
        let dropped = out.firstIndex { if case .disk(.truncate(.durable, EntryNumber(6))) = $0 { true } else { false } }
        guard let saved, let dropped, case .disk(.save(let bytes, _)) = out[saved] else { return #expect(Bool(false), "\(out)") }
        #expect(saved < dropped)
        let state = try bytes.withView { view throws(DecodeError) in try MemberState(view) }
        #expect(state.isUnbacked && state.accepted?.proposal.view.number == ViewNumber(5) && state.tails.isEmpty)
    }

    @Test func whatItNeedsOfTheLogMayBeWhatIsShared() throws {
        let out = try directives(from: 6)
        #expect(!out.contains { if case .disk(.save) = $0 { true } else { false } })
        #expect(out.contains { if case .disk(.truncate(.durable, EntryNumber(6))) = $0 { true } else { false } })
    }
}
