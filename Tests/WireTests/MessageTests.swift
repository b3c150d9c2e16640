import Testing
import Wire

/// A message of random content: its bytes, and whether some bytes decode to what it was.
struct Message: Sendable, CustomTestStringConvertible {
    let name: String
    let make: @Sendable (inout SeededNumbers) -> (bytes: [UInt8], isSame: (ByteView) throws(DecodeError) -> Bool)
    var testDescription: String { name }

    init<T: Equatable & SendableMetatype>(
        _ name: String, _ decode: @escaping @Sendable (ByteView) throws(DecodeError) -> T,
        _ encode: @escaping @Sendable (T) -> [UInt8], _ draw: @escaping @Sendable (inout SeededNumbers) -> T
    ) {
        self.name = name
        make = { numbers in
            let value = draw(&numbers)
            return (encode(value), { view throws(DecodeError) in try decode(view) == value })
        }
    }
}

extension SeededNumbers {
    mutating func upTo(_ most: Int) -> Int { Int.random(in: 0...most, using: &self) }
    mutating func many<T>(_ most: Int, _ draw: (inout SeededNumbers) -> T) -> [T] { (0..<upTo(most)).map { _ in draw(&self) } }
    mutating func text(_ most: Int) -> String {
        String(many(most) { "aé/€😀 z".randomElement(using: &$0)! })
    }
    mutating func node() -> NodeID { NodeID(UInt16(truncatingIfNeeded: next())) }
    mutating func time() -> Timestamp { Timestamp(next()) }
    mutating func view() -> View { View(ViewNumber(next()), Set(many(Limits.members - 1) { $0.node() } + [node()]).sorted()) }
    mutating func ballot() -> Ballot { Ballot(round: UInt32(truncatingIfNeeded: next()) >> 1, rank: UInt16(truncatingIfNeeded: next())) }
    mutating func end() -> LogEnd {
        var end = LogEnd()
        end.number = EntryNumber(next())
        end.offset = Offset(next())
        end.key = OrderKey(time(), node())
        end.view = ViewNumber(next())
        end.chain = next()
        return end
    }
    mutating func proposal() -> Proposal {
        let basis: Proposal.Basis =
            Bool.random(using: &self) ? .ends((0..<GroupID.count).map { _ in end() }) : .cut((0..<GroupID.count).map { _ in many(5) { $0.time() } })
        return Proposal(view: view(), basis: basis, sources: many(5) { $0.node() })
    }
    mutating func acceptance() -> MemberRow.Acceptance? { Bool.random(using: &self) ? .init(ballot(), proposal()) : nil }
    mutating func commit() -> ConsumerCommit {
        ConsumerCommit(
            member: ConsumerID(next()), epoch: UInt32(truncatingIfNeeded: next()), generation: UInt32(truncatingIfNeeded: next()),
            places: many(4) { $0.place() })
    }
    mutating func place() -> PartitionPlace { PartitionPlace(PartitionSet(bits: next()), Offset(next())) }
    mutating func start() -> ConsumerStart { [.beginning, .end, .offset(Offset(next()))].randomElement(using: &self)! }
    mutating func interest() -> ConsumerInterest {
        ConsumerInterest(patterns: many(3) { $0.text(9) }, exclusions: many(2) { $0.text(9) }, filter: text(20))
    }
    mutating func resume() -> SubscribeRequest.Resume { .init(group: GroupID(UInt16(upTo(3))), offset: Offset(next())) }
}

private func bytes(_ write: (inout [UInt8]) -> Void) -> [UInt8] {
    var bytes: [UInt8] = []
    write(&bytes)
    return bytes
}

private let peerMessages: [Message] = [
    Message("member row", { view throws(DecodeError) in try MemberRow(view) }, { row in bytes { row.encode(into: &$0) } }) { numbers in
        var row = MemberRow(view: ViewNumber(numbers.next()), origin: Bool.random(using: &numbers) ? numbers.proposal() : nil)
        row.suspected = RankSet(bits: numbers.next())
        row.wedged = Bool.random(using: &numbers)
        row.clocks = numbers.many(3) { $0.many(4) { $0.time() } }
        row.accepted = numbers.acceptance()
        row.committed = Bool.random(using: &numbers) ? numbers.proposal() : nil
        return row
    },
    Message("summary", { view throws(DecodeError) in try Summary(view) }, { summary in bytes { summary.encode(into: &$0) } }) { numbers in
        Summary(
            live: Bool.random(using: &numbers), view: numbers.view(), promised: numbers.ballot(), accepted: numbers.acceptance(),
            ends: numbers.many(4) { $0.end() })
    },
    Message("restart step", { view throws(DecodeError) in try RestartStep(view) }, { step in bytes { step.encode(into: &$0) } }) { numbers in
        var step = RestartStep(ballot: numbers.ballot(), after: ViewNumber(numbers.next()))
        step.proposal = Bool.random(using: &numbers) ? numbers.proposal() : nil
        step.sources = numbers.many(4) { $0.node() }
        step.live = Bool.random(using: &numbers)
        return step
    },
    Message("leave", { view throws(DecodeError) in try LeaveOrder(view) }, { $0.encode() }) { LeaveOrder(node: $0.node()) },
    Message("wants", { view throws(DecodeError) in try WantsPage(view) }, { $0.encode() }) { numbers in
        let count = numbers.upTo(70)
        return WantsPage(
            view: ViewNumber(numbers.next()), number: numbers.next(), wantsEverything: Bool.random(using: &numbers), isLast: Bool.random(using: &numbers),
            first: TopicID(UInt32(numbers.upTo(1000))), count: count, bits: numbers.bytes((count + 7) / 8))
    },
    Message("wants held", { view throws(DecodeError) in try WantsHeld(view) }, { $0.encode() }) { numbers in
        WantsHeld(view: ViewNumber(numbers.next()), number: numbers.next())
    },
    Message("member state", { view throws(DecodeError) in try MemberState(view) }, { $0.encode() }) { numbers in
        var state = MemberState(incarnation: Incarnation(numbers.next()), installed: numbers.view())
        state.promised = numbers.ballot()
        state.accepted = numbers.acceptance()
        state.tails = numbers.many(3) { numbers in
            .init(from: EntryNumber(numbers.next()), frames: numbers.bytes(numbers.upTo(30)))
        }
        state.isUnbacked = Bool.random(using: &numbers)
        return state
    },
]

private let clientMessages: [Message] = [
    Message("declare", { view throws(DecodeError) in try DeclareRequest(view) }, { $0.encode() }) { numbers in
        DeclareRequest(request: 7, names: numbers.many(5) { $0.text(9) })
    },
    Message("declared", { view throws(DecodeError) in try DeclareAnswer(view) }, { $0.encode() }) { numbers in
        DeclareAnswer(
            request: 7,
            lines: numbers.many(5) { numbers in
                Bool.random(using: &numbers)
                    ? .refused(numbers.text(20))
                    : .topic(GroupID(1), TopicID(UInt32(numbers.upTo(99))), Level.allCases.randomElement(using: &numbers)!)
            })
    },
    Message("open", { view throws(DecodeError) in try OpenRequest(view) }, { $0.encode() }) { numbers in
        OpenRequest(request: 8, publisher: PublisherID(numbers.next()), group: GroupID(2))
    },
    Message("opened", { view throws(DecodeError) in try OpenAnswer(view) }, { $0.encode() }) { numbers in
        OpenAnswer(request: 8, group: GroupID(2), epoch: 3, last: numbers.next())
    },
    Message("acknowledge", { view throws(DecodeError) in try Acknowledgement(view) }, { ack in bytes { ack.encode(into: &$0) } }) { numbers in
        Acknowledgement(group: GroupID(2), epoch: 3, last: numbers.next())
    },
    Message("refused", { view throws(DecodeError) in try Refusal(view) }, { $0.encode() }) { numbers in
        Refusal(.gap, request: 3, group: GroupID(1), sequence: numbers.next(), reason: numbers.text(40))
    },
    Message("subscribe", { view throws(DecodeError) in try SubscribeRequest(view) }, { $0.encode() }) { numbers in
        let starts: [SubscribeRequest.Start] = [.beginning, .end, .offset(numbers.next()), .time(numbers.next())]
        return SubscribeRequest(
            request: 1, start: starts.randomElement(using: &numbers)!, patterns: numbers.many(4) { $0.text(9) },
            exclusions: numbers.many(3) { $0.text(9) }, resume: numbers.many(3) { $0.resume() }, filter: numbers.text(30))
    },
    Message("subscribed", { view throws(DecodeError) in try SubscribeAnswer(view) }, { $0.encode() }) { numbers in
        SubscribeAnswer(request: 1, ends: numbers.many(3) { $0.resume() })
    },
    Message("release", { view throws(DecodeError) in try ReleaseRequest(view) }, { $0.encode() }) { numbers in
        ReleaseRequest(request: 9, node: numbers.node())
    },
    Message("released", { view throws(DecodeError) in try ReleaseAnswer(view) }, { $0.encode() }) { numbers in
        ReleaseAnswer(request: 9, node: numbers.node(), view: numbers.view())
    },
    Message("position", { view throws(DecodeError) in try Position(view) }, { place in bytes { place.encode(into: &$0) } }) { numbers in
        Position(group: GroupID(1), skipped: numbers.next(), offset: Offset(numbers.next()))
    },
    Message("cluster", { view throws(DecodeError) in try ClusterInfo(view) }, { $0.encode() }) { numbers in
        ClusterInfo(
            view: ViewNumber(numbers.next()), quorum: 2, members: 3,
            nodes: numbers.many(5) { .init(node: $0.node(), isLive: Bool.random(using: &$0), address: $0.text(9)) },
            waiting: numbers.text(40))
    },
]
private let consumerMessages: [Message] = [
    Message("consume", { view throws(DecodeError) in try ConsumeRequest(view) }, { $0.encode() }) { numbers in
        ConsumeRequest(
            request: 5, name: numbers.text(9), client: numbers.text(9), last: numbers.commit(), held: numbers.many(3) { $0.place() },
            start: numbers.start(), interest: numbers.interest())
    },
    Message("assigned", { view throws(DecodeError) in try ConsumerAssignment(view) }, { $0.encode() }) { numbers in
        ConsumerAssignment(
            epoch: 3, generation: 4, isSettled: Bool.random(using: &numbers),
            lines: numbers.many(5) { .init(since: UInt32(truncatingIfNeeded: $0.next()), partitions: PartitionSet(bits: $0.next())) })
    },
    Message("confirm", { view throws(DecodeError) in try ConsumerConfirm(view) }, { $0.encode() }) { numbers in
        ConsumerConfirm(request: 2, generation: 4, done: numbers.next(), places: numbers.many(5) { $0.place() })
    },
    Message("consumer order", { view throws(DecodeError) in try ConsumerOrder(view) }, { $0.encode() }) { numbers in
        ConsumerOrder(request: 2, name: numbers.text(9), kind: Bool.random(using: &numbers) ? .remove : .reset(numbers.start()))
    },
    Message("consumer done", { view throws(DecodeError) in try ConsumerDone(view) }, { $0.encode() }) { ConsumerDone(request: UInt32(truncatingIfNeeded: $0.next())) },
    Message("consumer change", { view throws(DecodeError) in try ConsumerChange(view) }, { $0.encode() }) { numbers in
        let kinds: [ConsumerChange.Kind] = [
            .join(last: numbers.commit(), client: numbers.text(9), start: numbers.start(), interest: numbers.interest()), .leave(numbers.commit()),
            .commit(numbers.many(3) { $0.commit() }), .release(numbers.commit(), PartitionSet(bits: numbers.next())), .reset(numbers.start()), .remove,
        ]
        return ConsumerChange(numbers.text(9), kinds.randomElement(using: &numbers)!)
    },
]
private let allMessages = peerMessages + clientMessages + consumerMessages

@Suite struct MessageTests {
    @Test(arguments: allMessages) func whatIsSentIsRead(_ message: Message) throws {
        var numbers = SeededNumbers(seed: 11)
        for _ in 0..<100 {
            let (bytes, isSame) = message.make(&numbers)
            #expect(try bytes.withView { view throws(DecodeError) in try isSame(view) })
        }
    }
    @Test(arguments: allMessages) func everyTruncationAndEveryByteTooManyIsRefused(_ message: Message) {
        var numbers = SeededNumbers(seed: 12)
        for _ in 0..<8 {
            let (bytes, isSame) = message.make(&numbers)
            for count in 0..<bytes.count {
                #expect(refusal(Array(bytes[0..<count])) { view throws(DecodeError) in _ = try isSame(view) } != nil, "\(count) of \(bytes.count)")
            }
            let more = refusal(bytes + [0]) { view throws(DecodeError) in _ = try isSame(view) }
            guard case .trailing(_, bytes: 1) = more else {
                Issue.record("one byte too many: \(String(describing: more))")
                continue
            }
        }
    }
    /// Bytes set to 0xFF in fours, which makes a huge number of every count in turn: refused or taken, never a trap.
    @Test(arguments: allMessages) func forgedCountsAreRefusedOrHarmless(_ message: Message) {
        var numbers = SeededNumbers(seed: 13)
        for _ in 0..<20 {
            let (bytes, isSame) = message.make(&numbers)
            guard bytes.count >= 4 else { continue }
            for at in 0...bytes.count - 4 {
                var forged = bytes
                forged.store(UInt32.max, at: at)
                _ = refusal(forged) { view throws(DecodeError) in _ = try isSame(view) }
            }
        }
    }
    @Test func whatNoViewBallotOrProposalCanHaveIsRefused() {
        var numbers = SeededNumbers(seed: 15)
        func refuses(_ row: MemberRow) -> Bool {
            var bytes: [UInt8] = []
            row.encode(into: &bytes)
            return refusal(bytes) { view throws(DecodeError) in _ = try MemberRow(view) } != nil
        }
        var row = MemberRow(view: ViewNumber(1), origin: nil)
        for members in [[], [3, 4, 3]] as [[UInt16]] {
            var proposal = numbers.proposal()
            proposal.view.members = members.map { NodeID($0) }
            row.committed = proposal
            #expect(refuses(row), "\(members)")
        }
        for groups in [0, GroupID.count - 1, GroupID.count + 1] {
            row.committed = Proposal(view: numbers.view(), basis: .cut(Array(repeating: [], count: groups)), sources: [])
            #expect(refuses(row), "\(groups) groups")
        }
        row.committed = nil
        row.accepted = MemberRow.Acceptance(Ballot(round: .max, rank: 0), numbers.proposal())
        #expect(refuses(row))
        row.accepted!.ballot.round = Limits.rounds
        #expect(!refuses(row))
    }
    /// The count of a message that ends with it: far over the limit, and at the limit with nothing behind it.
    @Test(arguments: [
        ("declare", 4, Limits.declarations), ("declared", 4, Limits.declarations), ("subscribe", 13, Limits.patterns),
        ("subscribed", 4, Limits.groups), ("cluster", 12, Limits.members * 4), ("member row", 17, Limits.groups),
        ("summary", 9, Limits.members), ("restart step", 15, Limits.groups), ("member state", 16, Limits.members),
        ("released", 14, Limits.members), ("wants", 21, Limits.wantsTopics), ("assigned", 9, Partition.count), ("confirm", 16, Partition.count),
    ]) func aCountIsHeldAgainstItsLimitAndAgainstWhatIsThere(_ name: String, _ at: Int, _ limit: Int) throws {
        let message = try #require(allMessages.first { $0.name == name })
        var numbers = SeededNumbers(seed: 14)
        let isSame = message.make(&numbers).isSame
        func count(_ value: UInt32) -> DecodeError? {
            var bytes = [UInt8](repeating: 0, count: at)
            bytes.append(int: value)
            return refusal(bytes) { view throws(DecodeError) in _ = try isSame(view) }
        }
        for value in [UInt32.max, UInt32(limit) + 1] {
            guard case .limit(_, UInt64(value), UInt64(limit)) = count(value) else {
                Issue.record("\(value): \(String(describing: count(value)))")
                continue
            }
        }
        guard case .short(_, _, got: 0) = count(UInt32(limit)) else {
            Issue.record("\(limit) with nothing behind it: \(String(describing: count(UInt32(limit))))")
            return
        }
    }
    @Test func topicNamesAreReadAndHeldAgainstWhatIsThere() throws {
        var bytes: [UInt8] = []
        bytes.append(int: UInt16(1))
        bytes.append(int: UInt32(2))
        for (topic, level, name) in [(UInt32(4), Level.ordered, "a/b"), (9, .signed, "é")] {
            bytes.append(int: topic)
            bytes.append(level.rawValue)
            bytes.append(text: name)
        }
        let names = try bytes.withView { view throws(DecodeError) in try TopicNames(view) }
        #expect(names.group == .ordered && names.names.map(\.name) == ["a/b", "é"] && names.names.map(\.topic.raw) == [4, 9] && names.names.map(\.level) == [.ordered, .signed])
        var unknown = bytes
        unknown[10] = 4
        #expect(refusal(unknown) { view throws(DecodeError) in _ = try TopicNames(view) } == .value(what: "level", value: 4))
        for count in 0..<bytes.count {
            #expect(refusal(Array(bytes[0..<count])) { view throws(DecodeError) in _ = try TopicNames(view) } != nil)
        }
        for count in [UInt32.max, UInt32(Limits.topics), 3] {
            var forged = bytes
            forged.store(count, at: 2)
            #expect(refusal(forged) { view throws(DecodeError) in _ = try TopicNames(view) } != nil)
        }
    }
    @Test(arguments: [
        "x", String(repeating: "é", count: 2000), String(repeating: "👩‍👩‍👧‍👦", count: 1500), "e" + String(repeating: "\u{301}", count: 50_000),
    ]) func aReasonOfAnyLengthIsCutToWhatItsReaderTakes(_ reason: String) throws {
        let refused = Refusal(.malformed, reason: reason).encode()
        let read = try refused.withView { view throws(DecodeError) in try Refusal(view) }
        #expect(reason.unicodeScalars.starts(with: read.reason.unicodeScalars) && !read.reason.isEmpty)
        let answer = DeclareAnswer(request: 1, lines: [.refused(reason)]).encode()
        let line = try answer.withView { view throws(DecodeError) in try DeclareAnswer(view) }.lines[0]
        guard case .refused(let why) = line else {
            Issue.record("\(line)")
            return
        }
        #expect(reason.unicodeScalars.starts(with: why.unicodeScalars))
    }
    @Test func aDeclaredTopicOfNoGroupOrBeyondAllIsRefused() {
        for (group, topic) in [(UInt16(GroupID.count), UInt32(0)), (.max, 0), (0, UInt32(Limits.topics)), (0, .max)] {
            let answer = DeclareAnswer(request: 1, lines: [.topic(GroupID(group), TopicID(topic), .durable)]).encode()
            #expect(refusal(answer) { view throws(DecodeError) in _ = try DeclareAnswer(view) } != nil, "\(group) \(topic)")
        }
    }
    @Test func textThatIsNotUTF8IsRefused() {
        var bytes = Refusal(.gap, reason: "abc").encode()
        bytes[bytes.count - 1] = 0xC3
        #expect(refusal(bytes) { view throws(DecodeError) in _ = try Refusal(view) } == .text(what: "refused"))
    }
    @Test func aStateRowOfAnotherShapeIsRefused() {
        var row = StateRow(view: ViewNumber(1), members: 3, groups: 2)
        var bytes: [UInt8] = []
        row.encode(into: &bytes)
        for count in 0..<bytes.count { #expect(refusal(Array(bytes[0..<count])) { view throws(DecodeError) in try row.read(view) } != nil) }
        #expect(refusal(bytes + [0]) { view throws(DecodeError) in try row.read(view) } != nil)
        // 3 members and 2 groups take as much as 1 member and 4 groups do, but for the counts: 24 + 8 × 13.
        var other = StateRow(view: ViewNumber(1), members: 1, groups: 4)
        #expect(StateRow.length(members: 1, groups: 4) == bytes.count)
        #expect(refusal(bytes) { view throws(DecodeError) in try other.read(view) } == .value(what: "state row members", value: 3))
        #expect(StateRow.view(of: .empty) == nil)
    }
    @Test func aStateRowIsReadAsItWasWritten() throws {
        var numbers = SeededNumbers(seed: 15)
        for members in 1...Limits.members {
            for groups in [1, 3, Limits.groups] {
                var row = StateRow(view: ViewNumber(numbers.next()), members: members, groups: groups)
                row.installed = Bool.random(using: &numbers)
                row.byRestart = Bool.random(using: &numbers)
                row.dataTail = numbers.next()
                for rank in 0..<members { row.consumed[rank] = numbers.next() }
                for index in row.clocks.indices { row.clocks[index] = numbers.time() }
                for group in 0..<groups { row.durable[group] = OrderKey(numbers.time(), numbers.node()) }
                var again = StateRow(view: ViewNumber(0), members: members, groups: groups)
                try bytes { row.encode(into: &$0) }.withView { view throws(DecodeError) in try again.read(view) }
                #expect(row == again)
            }
        }
    }
}
