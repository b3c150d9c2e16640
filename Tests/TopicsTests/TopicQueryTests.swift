import TestClock
import Testing
import Topics
import Wire

@Suite struct TopicQueryTests {
    private func found(_ pattern: TopicPattern, in table: TopicTable) -> [UInt32] {
        var ids: [UInt32] = []
        table.forEach(matching: pattern) { ids.append($0.raw) }
        return ids
    }

    @Test(arguments: 1...4 as ClosedRange<UInt64>)
    func aPatternFindsTheTopicsThatTheNaiveMatcherFindsInTheirOrder(_ seed: UInt64) throws {
        var random = SeededNumbers(seed: seed)
        var matched = 0
        for _ in 0..<30 {
            var table = TopicTable()
            for _ in 0..<200 {
                do throws(TopicError) { _ = try table.declare(TopicName(RandomKeys.name(&random), system: true)) } catch {}
            }
            if Bool.random(using: &random) { table.removeLast(to: table.count / 2) }
            table.checkInvariants()
            let names = (0..<table.count).map { table.name(of: TopicID(UInt32($0)))! }
            for _ in 0..<100 {
                let pattern = RandomKeys.pattern(&random)
                let expected = names.indices.filter { NaiveMatcher.matches(pattern.text, names[$0]) }
                    .sorted { names[$0].utf8.lexicographicallyPrecedes(names[$1].utf8) }
                #expect(found(pattern, in: table) == expected.map { UInt32($0) }, "seed \(seed): \(pattern)")
                matched += expected.count
                let interest = try RandomKeys.interest(&random)
                let limit = TopicID(UInt32(table.count * 3 / 4))
                let asked = names.indices.filter { $0 < limit.index && interest.matches(names[$0]) }
                #expect(table.topics(below: limit, interest).map(\.index) == asked, "seed \(seed): \(interest)")
            }
        }
        #expect(matched > 5_000, "too few matches to prove anything: \(matched)")
    }

    @Test func manyTopicsStayInOrderThroughDeclarationsAndUndo() throws {
        var table = TopicTable()
        var random = SeededNumbers(seed: 9)
        for round in 0..<6 {
            for _ in 0..<3_000 { _ = try table.declare(TopicName("s\(Int.random(in: 0..<50, using: &random))/\(Int.random(in: 0..<9_999, using: &random))")) }
            table.checkInvariants()
            if round % 2 == 1 { table.removeLast(to: table.count / 3) }
            table.checkInvariants()
        }
        var count = 0
        table.forEach(matching: try TopicPattern("+/#")) { _ in count += 1 }
        #expect(count == table.count)
    }

    @Test func aNewWatchFindsItsTopicsAmongAHundredThousandInTimeThatGrowsWithThem() throws {
        var table = TopicTable()
        let declaring = try processorTime {
            for number in 0..<100_000 { _ = try table.declare(TopicName("site\(number % 100)/line\(number / 100 % 100)/sensor\(number)")) }
        }
        let interest = try Interest(patterns: [TopicPattern("site7/line7/#"), TopicPattern("site5/+/sensor105"), TopicPattern("z..")])
        var found: [TopicID] = []
        let finding = processorTime { for _ in 0..<100 { found = table.topics(below: TopicID(100_000), interest) } }
        #expect(found.count == 11)
        let microseconds = Double(finding.components.attoseconds) / 1e12 / 100 + Double(finding.components.seconds) * 1e4
        print("100,000 topics: declared in \(declaring), a watch finds its topics in \(microseconds) µs; \(table.footprint / 100_000) bytes a topic")
        if isOptimised { #expect(microseconds < 2_000) }
        #expect(table.footprint < 100 * 100_000)
    }
}
