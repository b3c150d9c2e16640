@testable import Broker
import Testing
import TestClock
import Wire

private struct Numbers: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return mix(state)
    }
}
private func page(_ wants: [Bool], from first: Int = 0, number: UInt64 = 1) -> WantsPage {
    var bits = [UInt8](repeating: 0, count: (wants.count + 7) / 8)
    for (index, isWanted) in wants.enumerated() where isWanted { bits[index >> 3] |= 1 << UInt8(index & 7) }
    return WantsPage(
        view: ViewNumber(1), number: number, wantsEverything: false, isLast: true, first: TopicID(UInt32(first)), count: wants.count, bits: bits)
}
private let everything = WantsPage(view: ViewNumber(1), number: 9, wantsEverything: true, isLast: true, first: TopicID(0), count: 0, bits: [])

private func route(_ routing: inout Routing, _ topics: [Int], bytes: Int = 100) -> Routing.Route {
    var builder = BatchBuilder()
    for topic in topics { [UInt8](repeating: 7, count: bytes).withView { builder.append(topic: TopicID(UInt32(topic)), time: 0, payload: $0) } }
    return builder.finish(publisher: PublisherID(1), epoch: 0, sequence: 1, group: .unordered).withView { routing.route($0.from(BatchHeader.size)) }
}
private func ranks(_ ranks: Int...) -> RankSet { RankSet(ranks) }

@Suite struct RoutingTests {
    @Test func whatNobodyHasSpokenOfGoesToEverybody() throws {
        var routing = Routing(members: 3, me: 0, mostGroups: 8)
        #expect(route(&routing, [0, 5]) == .init(ranks: .everyone, waste: 0))
        try routing.take(page([false, true]), from: 1)
        try routing.take(page([false, false]), from: 2)
        routing.fold(now: 1, every: 1_000)
        #expect(route(&routing, [0]).ranks == ranks(0))
        #expect(route(&routing, [1]).ranks == ranks(0, 1))
        #expect(route(&routing, [2]).ranks == .everyone)
    }

    @Test func aBatchGoesToAllThatWantSomeOfItAndItsWasteIsCounted() throws {
        var routing = Routing(members: 4, me: 3, mostGroups: 8)
        try routing.take(page([true, false]), from: 0)
        try routing.take(page([false, true]), from: 1)
        try routing.take(page([false, false]), from: 2)
        routing.fold(now: 1, every: 1_000)
        let length = RecordHeader.length(key: 0, headers: 0, payload: 100)
        // Each record is for two of the three that the batch goes to.
        #expect(route(&routing, [0, 1, 1]) == .init(ranks: ranks(0, 1, 3), waste: 3 * length))
        #expect(route(&routing, [1, 1]) == .init(ranks: ranks(1, 3), waste: 0))
    }

    @Test func whatIsWantedAnewGoesThereAtOnceAndWhatIsNotAfterTheNextLook() throws {
        var routing = Routing(members: 2, me: 0, mostGroups: 8)
        try routing.take(page([false]), from: 1)
        routing.fold(now: 1, every: 1_000)
        #expect(route(&routing, [0]).ranks == ranks(0))
        try routing.take(page([true], number: 2), from: 1)
        #expect(route(&routing, [0]).ranks == .everyone)
        try routing.take(page([false], number: 3), from: 1)
        #expect(route(&routing, [0]).ranks == .everyone)
        routing.fold(now: 20_000_001, every: 1_000_000_000)
        #expect(route(&routing, [0]).ranks == ranks(0))
        try routing.take(everything, from: 1)
        #expect(route(&routing, [0]).ranks == .everyone)
    }

    /// One message cannot make a node count on topics that nobody has spoken of.
    @Test func aPageThatBeginsBeyondThoseBeforeItIsRefused() throws {
        var routing = Routing(members: 3, me: 0, mostGroups: 8)
        let last = page([true], from: Limits.topics - 1)
        #expect(throws: DecodeError.limit(what: "first topic of wants", value: UInt64(Limits.topics - 1), limit: 0)) { try routing.take(last, from: 1) }
        #expect(routing.count == 0)
        try routing.take(page([true, false, true]), from: 1)
        #expect(throws: DecodeError.limit(what: "first topic of wants", value: 4, limit: 3)) { try routing.take(page([true], from: 4), from: 1) }
        // What another member has spoken of is not its own.
        #expect(throws: DecodeError.limit(what: "first topic of wants", value: 3, limit: 0)) { try routing.take(page([true], from: 3), from: 2) }
        try routing.take(page([true], from: 3), from: 1)
        try routing.take(page([false], from: 1, number: 2), from: 1)
        #expect(routing.count == 4)
        // As if nothing had ever been said.
        try routing.take(everything, from: 1)
        #expect(throws: DecodeError.limit(what: "first topic of wants", value: 4, limit: 0)) { try routing.take(page([true], from: 4), from: 1) }
        try routing.take(page([true]), from: 1)
    }

    /// Wants, rates and foldings in any order: a topic goes to all that want it, groups stay few, and the heavy ones are not sent about in vain.
    @Test(arguments: 1...200) func groupsHaveAllWhoWantTheirTopics(_ seed: Int) throws {
        var numbers = Numbers(state: UInt64(seed))
        let members = 2 + Int(numbers.next() % 15)
        let (me, most, topics) = (Int(numbers.next() % UInt64(members)), 1 + Int(numbers.next() % 8), 1 + Int(numbers.next() % 300))
        var routing = Routing(members: members, me: me, mostGroups: most)
        var wanted = Array(repeating: Set(0..<members), count: topics)
        var now: UInt64 = 1
        for step in 0..<60 {
            now += numbers.next() % 2_000
            switch numbers.next() % 4 {
            case 0, 1:
                let rank = Int(numbers.next() % UInt64(members))
                guard rank != me else { continue }
                let one = numbers.next() % 5
                let wants = (0..<topics).map { one == 0 || ($0 / 10 + rank) % 5 == Int(one) || numbers.next() % 40 == 0 }
                try routing.take(page(wants, number: UInt64(step)), from: rank)
                for (topic, isWanted) in wants.enumerated() { if isWanted { wanted[topic].insert(rank) } else { wanted[topic].remove(rank) } }
            case 2: for _ in 0..<20 { _ = route(&routing, [Int(numbers.next() % UInt64(topics))], bytes: Int(numbers.next() % 1000)) }
            default: routing.fold(now: now, every: 1_000)
            }
            for topic in 0..<topics {
                let sent = routing.ranks(of: TopicID(UInt32(topic)))
                #expect(wanted[topic].union([me]).allSatisfy(sent.contains), "topic \(topic) at step \(step)")
            }
        }
        routing.fold(now: now + 10_000, every: 1_000)
        // One more: those that no group has all members of go to everybody.
        #expect(Set((0..<topics).map { routing.ranks(of: TopicID(UInt32($0))).bits }).count <= most + 1)
        #expect(routing.groups.reduce(0) { $0 + $1.topics } == (routing.count == 0 ? 0 : topics))
        #expect(routing.groups.allSatisfy { $0.unwanted <= $0.unwantedByAll })
    }

    /// A node does nothing else meanwhile: 16 members, 100,000 topics, more sets of members than can be weighed.
    @Test func aLookAtVeryManyTopicsIsShort() throws {
        var numbers = Numbers(state: 1)
        var routing = Routing(members: 16, me: 0, mostGroups: 8)
        for rank in 1..<16 {
            for first in stride(from: 0, to: 100_000, by: Limits.wantsTopics) {
                let count = min(Limits.wantsTopics, 100_000 - first)
                try routing.take(page((0..<count).map { _ in numbers.next() % 4 == 0 }, from: first), from: rank)
            }
        }
        var longest = Duration.zero
        for look in 1...5 {
            for _ in 0..<2_000 { _ = route(&routing, [Int(numbers.next() % 100_000)]) }
            longest = max(longest, processorTime { routing.fold(now: UInt64(look) * 1_000_000_000, every: 1_000) })
        }
        #expect(routing.classes > 10_000)
        #expect(longest < .milliseconds(40) || !isOptimised, "\(longest)")
    }
}

@Suite struct TellingTests {
    private func tell(_ telling: inout Telling, _ wants: [Bool], everything: Bool = false) -> [WantsPage] {
        telling.tell(everything: everything, below: wants.count, view: ViewNumber(4), now: 0) { wants[$0] }
    }

    @Test func onlyWhatHasChangedIsSaid() {
        var telling = Telling(members: 3, me: 1)
        #expect(tell(&telling, []).isEmpty)
        var wants = [Bool](repeating: false, count: Limits.wantsTopics + 10)
        let first = tell(&telling, wants)
        #expect(first.map(\.first.raw) == [0, UInt32(Limits.wantsTopics)])
        #expect(first.map(\.isLast) == [false, true] && first.allSatisfy { $0.number == 1 && !$0.wantsEverything })
        #expect(tell(&telling, wants).isEmpty)
        wants[Limits.wantsTopics + 3] = true
        let second = tell(&telling, wants)
        #expect(second.count == 1 && second[0].first.raw == UInt32(Limits.wantsTopics) && second[0].wants(3) && !second[0].wants(4))
        #expect(telling.isTold(TopicID(UInt32(Limits.wantsTopics) + 3)) && !telling.isTold(TopicID(0)))
        #expect(telling.isTold(TopicID(UInt32(wants.count))), "what was never spoken of counts as wanted")
        let all = tell(&telling, wants, everything: true)
        #expect(all.count == 1 && all[0].wantsEverything && telling.isTold(TopicID(0)))
        #expect(tell(&telling, wants).count == 2)
    }

    @Test func aSubscriptionWaitsUntilAllHaveHeard() {
        var telling = Telling(members: 3, me: 1)
        _ = tell(&telling, [false, false])
        let session = SessionID(7)
        telling.press(session, everything: false, topics: [TopicID(1)])
        #expect(telling.isWaiting(session) && telling.isDue(0))
        let pages = tell(&telling, [false, false])
        #expect(pages.count == 1 && pages[0].wants(1) && !pages[0].wants(0) && pages[0].number == 2)
        telling.heard(1, by: 0)
        telling.heard(2, by: 2)
        #expect(telling.isWaiting(session))
        // Nor does another one go before it because it wants the same: that was said, and not yet heard.
        #expect(telling.isTold(TopicID(1)) && !telling.isHeard(SessionID(8), everything: false, topics: [TopicID(1)]))
        telling.heard(2, by: 0)
        #expect(!telling.isWaiting(session) && telling.isTold(TopicID(1)))
        #expect(telling.isHeard(session, everything: false, topics: [TopicID(1)]))
        // It did not come to be: what it wanted is taken back.
        telling.forget(session)
        #expect(telling.isStale && tell(&telling, [false, false]).count == 1)
    }

    /// Topics come, wants come and go, now and then everything is wanted: the others take every page, and know what was said.
    @Test(arguments: 1...40) func theOthersTakeWhateverIsSaid(_ seed: Int) throws {
        var numbers = Numbers(state: UInt64(seed))
        var telling = Telling(members: 2, me: 1)
        var routing = Routing(members: 2, me: 0, mostGroups: 8)
        var wants: [Bool] = []
        for _ in 0..<30 {
            if numbers.next() % 3 == 0 { wants += (0..<Int(numbers.next() % 50_000)).map { _ in numbers.next() % 8 == 0 } }
            for _ in 0..<numbers.next() % 4 where !wants.isEmpty { wants[Int(numbers.next() % UInt64(wants.count))].toggle() }
            let everything = numbers.next() % 6 == 0
            for page in tell(&telling, wants, everything: everything) { try routing.take(page, from: 1) }
            for topic in stride(from: 0, to: wants.count, by: 97) {
                let known = routing.wants(of: TopicID(UInt32(topic)))?.contains(1) ?? true
                #expect(known == (everything || wants[topic]), "topic \(topic) of \(wants.count)")
            }
        }
    }
}
