import Replication
import Testing
import Wire

@Suite final class ConsumerTableTests {
    private static let interest = ConsumerInterest(patterns: ["a/#"])
    private var table = ConsumerTable()

    private func new(_ member: UInt64) -> ConsumerCommit { ConsumerCommit(member: ConsumerID(member), epoch: 0, generation: 0, places: []) }
    /// What a member says now, under the registration and the generation that the table has.
    private func says(_ member: UInt64, _ partitions: PartitionSet = .all, _ offset: UInt64) -> ConsumerCommit {
        let group = table["g"]!
        return ConsumerCommit(
            member: ConsumerID(member), epoch: group.member(ConsumerID(member))?.epoch ?? 0, generation: group.generation,
            places: [PartitionPlace(partitions, Offset(offset))])
    }
    @discardableResult
    private func apply(_ kind: ConsumerChange.Kind, to name: String = "g", by node: UInt16 = 1, at end: UInt64 = 1000) -> Bool {
        defer { table.checkInvariants() }
        return table.apply(ConsumerChange(name, kind), by: NodeID(node), at: Offset(end))
    }
    @discardableResult
    private func join(_ member: UInt64, _ last: ConsumerCommit? = nil, start: ConsumerStart = .beginning, by node: UInt16 = 1) -> Bool {
        apply(.join(last: last ?? new(member), client: "c\(member)", start: start, interest: Self.interest), by: node)
    }
    private func owned(_ member: UInt64) -> PartitionSet { table["g"]!.owned(by: ConsumerID(member)) }
    private func meant(_ member: UInt64) -> PartitionSet { table["g"]!.meant(for: ConsumerID(member)) }
    /// All that is to pass on is let go of.
    private func settle() {
        for member in table["g"]!.members {
            let passing = table["g"]!.owned(by: member.id).subtracting(table["g"]!.meant(for: member.id))
            if !passing.isEmpty { apply(.release(says(member.id.raw, PartitionSet(), 0), passing)) }
        }
    }

    @Test func theFirstMemberOwnsAllPartitionsFromTheStart() {
        #expect(join(1, start: .end))
        #expect(owned(1) == .all && table["g"]!.place == Offset(1000))
        #expect(join(2) && table["g"]!.place == Offset(1000), "the start counts only where the group is new")
    }
    @Test func aPartitionPassesOnOnlyWhenItsOwnerHasLetGoOfIt() {
        join(1)
        join(2)
        #expect(owned(1) == .all && owned(2).isEmpty && meant(2).count == 32)
        let first = PartitionSet(bits: meant(2).bits & (0 &- meant(2).bits))
        #expect(apply(.release(says(1, first, 40), first)))
        #expect(owned(2) == first && owned(1) == PartitionSet.all.subtracting(first))
        #expect(table["g"]!.lines[first.first { _ in true }!].place == Offset(40), "what was done with is said with it")
        #expect(!apply(.release(says(1, PartitionSet(), 0), first)), "what is not its own it cannot let go of")
        #expect(!apply(.release(says(1, PartitionSet(), 0), meant(1))), "nor what is meant for itself")
    }
    @Test func aMemberThatGoesLeavesItsPartitionsToTheOthersAtOnce() {
        for member in 1...3 as ClosedRange<UInt64> { join(member) }
        settle()
        let before = [owned(1), owned(2)]
        #expect(apply(.leave(says(3, owned(3), 77))))
        #expect(owned(1).union(owned(2)) == .all && owned(1).intersection(owned(2)).isEmpty)
        #expect(before[0].subtracting(owned(1)).isEmpty && before[1].subtracting(owned(2)).isEmpty, "what the others had they keep")
        #expect(Set(table["g"]!.lines.map(\.place)) == [Offset(0), Offset(77)])
        #expect(!apply(.leave(new(3))), "it is gone")
    }
    @Test func membersHaveAsManyAsOneAnotherAndAsFewMoveAsCanBe() {
        for count in 1...70 as ClosedRange<UInt64> {
            var before: [UInt64: PartitionSet] = [:]
            for member in 1..<count { before[member] = owned(member) }
            join(count)
            settle()
            let shares = (1...count).map { owned($0).count }
            #expect(shares.reduce(0, +) == 64 && shares.max()! - shares.min()! <= 1, "\(count): \(shares)")
            for (member, had) in before { #expect(owned(member).subtracting(had).isEmpty, "\(member) is given something when \(count) comes") }
            #expect(owned(count).count == 64 / Int(count), "as few as can be move")
        }
    }
    @Test func whatIsDoneWithCountsOnlyForTheOwnerOfNow() {
        join(1)
        let late = says(1, .all, 50)
        join(2)
        settle()
        #expect(!apply(.commit([says(2, owned(1), 60)])), "another's")
        #expect(apply(.commit([late])), "what stayed its own since then")
        #expect(owned(1).allSatisfy { table["g"]!.lines[$0].place == Offset(50) })
        #expect(owned(2).allSatisfy { table["g"]!.lines[$0].place == Offset(0) }, "what is no longer its own")
        var old = says(1, .all, 70)
        old.epoch -= 1
        #expect(!apply(.commit([old])), "an older registration")
        #expect(!apply(.commit([says(1, owned(1), 1001)])), "beyond the log's end")
    }
    @Test func aPartitionThatComesBackDoesNotTakeWordsOfBefore() {
        join(1)
        let late = says(1, .all, 900)
        join(2)
        settle()
        let given = owned(2)
        apply(.leave(says(2, given, 10)))
        #expect(owned(1) == .all)
        apply(.commit([late]))
        #expect(given.allSatisfy { table["g"]!.lines[$0].place == Offset(10) }, "said before it was the other's")
    }
    @Test func placesRiseButForAReset() {
        join(1)
        #expect(apply(.commit([says(1, .all, 50)])))
        #expect(!apply(.commit([says(1, .all, 50)])) && !apply(.commit([says(1, .all, 49)])))
        let late = says(1, .all, 60)
        #expect(apply(.reset(.offset(Offset(7)))) && table["g"]!.place == Offset(7))
        #expect(!apply(.commit([late])), "said before the reset")
        #expect(apply(.commit([says(1, .all, 8)])) && table["g"]!.place == Offset(8))
        #expect(apply(.reset(.end)) && table["g"]!.place == Offset(1000))
        #expect(apply(.reset(.offset(Offset(5000)))) && table["g"]!.place == Offset(1000), "not beyond the end")
    }
    @Test func aMemberThatComesBackByAnotherNodeKeepsWhatItHas() {
        join(1)
        join(2)
        settle()
        let generation = table["g"]!.generation
        let mine = owned(1)
        #expect(join(1, says(1, mine, 30), by: 2))
        #expect(owned(1) == mine && mine.allSatisfy { table["g"]!.lines[$0].place == Offset(30) && table["g"]!.lines[$0].since <= generation })
        #expect(table["g"]!.member(ConsumerID(1))?.node == NodeID(2))
        // One that does not know of its registration begins anew with what it has.
        #expect(join(1, by: 3))
        #expect(owned(1) == mine && mine.allSatisfy { table["g"]!.lines[$0].since == table["g"]!.generation })
    }
    @Test func whatCannotBeIsRefusedInWords() {
        func obstacle(_ kind: ConsumerChange.Kind, _ name: String = "g") -> ConsumerObstacle? { table.obstacle(to: ConsumerChange(name, kind)) }
        let other = ConsumerInterest(patterns: ["b"])
        #expect(obstacle(.remove) == .unknown("g") && obstacle(.reset(.end)) == .unknown("g"))
        #expect(obstacle(.join(last: new(1), client: "", start: .end, interest: other), "") == .nameless)
        join(1)
        #expect(obstacle(.remove) == .hasMembers("g", 1))
        #expect(obstacle(.join(last: new(2), client: "", start: .end, interest: other)) == .otherInterest("g", Self.interest))
        #expect(obstacle(.join(last: new(1), client: "", start: .end, interest: other)) == nil, "alone, it may change its mind")
        for member in 2...UInt64(Limits.consumerMembers) { join(member) }
        #expect(!join(999) && obstacle(.join(last: new(999), client: "", start: .end, interest: Self.interest)) == .tooManyMembers("g"))
        for group in 1..<Limits.consumerGroups {
            #expect(apply(.join(last: new(1), client: "", start: .end, interest: other), to: "g\(group)"))
        }
        #expect(!apply(.join(last: new(1), client: "", start: .end, interest: other), to: "more"))
        #expect(obstacle(.join(last: new(1), client: "", start: .end, interest: other), "more") == .tooManyGroups)
        #expect(apply(.leave(ConsumerCommit(member: ConsumerID(1), epoch: 1, generation: 1, places: [])), to: "g7") && apply(.remove, to: "g7"))
        #expect(apply(.join(last: new(1), client: "", start: .end, interest: other), to: "more"))
    }
    /// Random histories: a table that went through its bytes half way ends as one that did not.
    @Test(arguments: 1...20) func aTableGoesOnFromItsBytes(_ seed: UInt64) throws {
        var numbers = SeededNumbers(seed: seed)
        var copy = ConsumerTable()
        for step in 0..<400 {
            if step % 50 == 49 {
                var bytes: [UInt8] = []
                copy.encode(into: &bytes)
                copy = try bytes.withView { view throws(DecodeError) in
                    var decoder = Decoder(view, "consumers")
                    let table = try ConsumerTable(&decoder)
                    try decoder.end()
                    return table
                }
            }
            let member = UInt64.random(in: 1...6, using: &numbers)
            let partitions = PartitionSet(bits: numbers.next() & numbers.next())
            let offset = UInt64.random(in: 0...UInt64(step + 1), using: &numbers)
            let said = table["g"] == nil ? new(member) : says(member, partitions, offset)
            let kind: ConsumerChange.Kind =
                switch numbers.next() % 12 {
                case 0, 1: .join(last: said, client: "c", start: .beginning, interest: Self.interest)
                case 2: .leave(said)
                case 3: .reset(.offset(Offset(offset)))
                case 4: .remove
                case 5, 6, 7: .release(said, partitions)
                default: .commit([said])
                }
            let change = ConsumerChange("g", kind)
            let outcome = table.apply(change, by: NodeID(1), at: Offset(UInt64(step)))
            let same = copy.apply(change, by: NodeID(1), at: Offset(UInt64(step))) == outcome
            #expect(same)
            table.checkInvariants()
            #expect(table == copy)
        }
    }
    /// 64 things thrown into 64 places at random fill 40 of them.
    @Test func topicsOfAnySpacingFallIntoManyPartitions() {
        for stride in 1...64 {
            var partitions = PartitionSet()
            for index in 0..<64 { partitions.insert(Partition.of(TopicID(UInt32(index * stride + 3)))) }
            #expect(partitions.count >= 28, "\(stride): \(partitions.count) of 64")
        }
    }
}
