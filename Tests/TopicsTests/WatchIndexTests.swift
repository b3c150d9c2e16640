import TestClock
import Testing
import Topics
import Wire

/// Random names, patterns and interests of few letters, so that matches, near misses, `$` and empty levels are frequent.
enum RandomKeys {
    static func text(_ letters: [Character], _ random: inout SeededNumbers) -> String {
        String((0..<Int.random(in: 1...7, using: &random)).map { _ in letters.randomElement(using: &random)! })
    }
    static func name(_ random: inout SeededNumbers) -> String { text(["a", "b", "c", "/", "/", "$", "!", "ü"], &random) }
    static func pattern(_ random: inout SeededNumbers) -> TopicPattern {
        while true {
            let text = text(["a", "b", "c", "/", "/", "+", "#", "$", ".", ".", ".", "!"], &random)
            do throws(TopicError) { return try TopicPattern(text) } catch { continue }
        }
    }
    static func interest(_ random: inout SeededNumbers) throws(TopicError) -> Interest {
        let patterns = (0..<Int.random(in: 1...4, using: &random)).map { _ in pattern(&random) }
        let exclusions = (0..<Int.random(in: 0...2, using: &random)).map { _ in pattern(&random) }
        return try Interest(patterns: patterns, exclusions: exclusions)
    }
}

func watchers(_ index: WatchIndex, of name: String) -> [UInt32] {
    var matches = WatchMatches()
    Array(name.utf8).withView { index.match($0, into: &matches) }
    return matches.watchers.map(\.raw)
}

@Suite struct WatchIndexTests {
    @Test func aNameFindsThoseWhoAskedForItByNameFilterAndRange() throws {
        var index = WatchIndex()
        for (number, text) in ["plant/m1/t", "plant/+/t", "plant/#", "m..plant/m1", "#", "q..z", "plant/m1"].enumerated() {
            _ = index.add(try TopicPattern(text), for: WatcherID(UInt32(number)))
        }
        #expect(watchers(index, of: "plant/m1/t") == [0, 1, 2, 3, 4])
        #expect(watchers(index, of: "plant/m1") == [2, 3, 4, 6])
        #expect(watchers(index, of: "plant") == [2, 3, 4])
        #expect(watchers(index, of: "quay") == [4, 5])
        #expect(watchers(index, of: "$SYS/x") == [])
    }

    @Test func whatAnExclusionMatchesIsForNobodyWhoExcludesIt() throws {
        var index = WatchIndex()
        let wide = try Interest(patterns: [TopicPattern("a/#"), TopicPattern("a..b")], exclusions: [TopicPattern("a/+/secret")])
        _ = index.add(wide, for: WatcherID(1))
        _ = index.add(try TopicPattern("a/x/secret"), for: WatcherID(2))
        #expect(watchers(index, of: "a/x/open") == [1])
        #expect(watchers(index, of: "a/x/secret") == [2])
    }

    @Test(arguments: 1...6 as ClosedRange<UInt64>)
    func theIndexEqualsTheNaiveMatcherThroughAddingAndTakingOut(_ seed: UInt64) throws {
        var random = SeededNumbers(seed: seed)
        var index = WatchIndex()
        var there: [UInt32: (interest: Interest, ids: [WatchID])] = [:]
        var matched = 0
        for step in 0..<scaled(3_000) {
            let who = UInt32.random(in: 0..<60, using: &random)
            if let old = there.removeValue(forKey: who) {
                for id in old.ids.shuffled(using: &random) { index.remove(id) }
            } else {
                let interest = try RandomKeys.interest(&random)
                there[who] = (interest, index.add(interest, for: WatcherID(who)))
            }
            #expect(index.count == there.values.reduce(0) { $0 + $1.ids.count })
            if step % 20 == 0 { index.checkInvariants() }
            for _ in 0..<3 {
                let name = RandomKeys.name(&random)
                let expected = there.filter { naive($0.value.interest, name) }.keys.sorted()
                #expect(watchers(index, of: name) == expected, "seed \(seed), step \(step): \(name)")
                matched += expected.count
            }
        }
        #expect(matched > scaled(10_000), "too few matches to prove anything: \(matched)")
        for old in there.values { for id in old.ids { index.remove(id) } }
        #expect(index.count == 0)
        index.checkInvariants()
    }

    private func naive(_ interest: Interest, _ name: String) -> Bool {
        interest.patterns.contains { NaiveMatcher.matches($0.text, name) }
            && !interest.exclusions.contains { NaiveMatcher.matches($0.text, name) }
    }
}

/// A hundred thousand watches of mixed kinds: a third names, a third filters, a third ranges.
@Suite(.serialized) struct ManyWatchesTests {
    static let count = scaled(100_000)
    /// Twenty to a watcher.
    static func pattern(_ number: Int) throws(TopicError) -> TopicPattern {
        switch number % 6 {
        case 0, 1: try TopicPattern("site\(number % 97)/line\(number % 1013)/sensor\(number)")
        case 2: try TopicPattern("site\(number % 97)/+/sensor\(number)")
        case 3: try TopicPattern("site\(number % 97)/line\(number)/#")
        case 4: try TopicPattern("site\(number % 97)/line\(number)..site\(number % 97)/line\(number)9")
        default: try TopicPattern("key\(number)..key\(number)")
        }
    }
    static func filled() throws -> (index: WatchIndex, ids: [WatchID]) {
        var index = WatchIndex()
        let ids = try (0..<count).map { index.add(try pattern($0), for: WatcherID(UInt32($0 / 20))) }
        return (index, ids)
    }

    @Test func aNameLooksAtFewNodesHoweverManyWatchesThereAre() throws {
        let (index, _) = try Self.filled()
        var matches = WatchMatches()
        var most = 0
        for number in 0..<scaled(2_000) {
            let name = Array("site\(number % 97)/line\(number % 1013)/sensor\(number * 31)".utf8)
            name.withView { index.match($0, into: &matches) }
            // The levels' paths, and for ranges a search path of a treap, whose depth is about 2 ln n = 23, at most thrice that;
            // each match may cost as much again.
            most = max(most, matches.visited - 70 * matches.watchers.count)
        }
        #expect(most < 160, "\(most) nodes for one name")
    }

    @Test func addingAndTakingOutTakeMicroseconds() throws {
        var (index, ids) = try Self.filled()
        let many = scaled(20_000)
        let patterns = try (0..<many).map { try Self.pattern(Self.count + $0) }
        var added: [WatchID] = []
        let adding = processorTime { for pattern in patterns { added.append(index.add(pattern, for: WatcherID(7))) } }
        let removing = processorTime { for id in added { index.remove(id) } }
        var matches = WatchMatches()
        let names = (0..<many).map { Array("site\($0 % 97)/line\($0 % 1013)/sensor\($0)".utf8) }
        let finding = processorTime { for name in names { name.withView { index.match($0, into: &matches) } } }
        let each = { (time: Duration) in Double(time.components.attoseconds) / 1e18 / Double(many) * 1e6 + Double(time.components.seconds) / Double(many) * 1e6 }
        print("\(Self.count) watches: add \(each(adding)) µs, take out \(each(removing)) µs, find \(each(finding)) µs, \(index.footprint / Self.count) bytes each")
        // The bar is 50 µs in a release build.
        if isOptimised { #expect(each(adding) < 50 && each(removing) < 50 && each(finding) < 50) }
        #expect(index.footprint < 400 * Self.count)
        ids.shuffle()
        for id in ids { index.remove(id) }
        #expect(index.count == 0)
        index.checkInvariants()
    }

    @Test func aThousandWatchersOfOnePatternGoInAnyOrder() throws {
        var index = WatchIndex()
        var random = SeededNumbers(seed: 5)
        var ids = try (0..<1_000).map { (UInt32($0), index.add(try TopicPattern("a/#"), for: WatcherID(UInt32($0)))) }
        ids.shuffle(using: &random)
        while let (who, id) = ids.popLast() {
            index.remove(id)
            if ids.count % 100 == 0 { #expect(watchers(index, of: "a/b") == ids.map(\.0).sorted() && !watchers(index, of: "a").contains(who)) }
        }
        index.checkInvariants()
    }
}
