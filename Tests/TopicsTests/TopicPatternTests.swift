import TestClock
import Testing
import Topics
import Wire

@Suite struct TopicPatternTests {
    /// A pattern, names that it matches, names that it does not.
    struct Meaning: Sendable, CustomTestStringConvertible {
        let pattern: String
        let yes: [String]
        let no: [String]
        init(_ pattern: String, yes: [String] = [], no: [String] = []) {
            (self.pattern, self.yes, self.no) = (pattern, yes, no)
        }
        var testDescription: String { pattern }
    }

    @Test(arguments: [
        Meaning("a", yes: ["a"], no: ["b", "a/", "/a", "aa", "A", "a/b"]),
        Meaning("a/b", yes: ["a/b"], no: ["a", "a/bc", "a/b/", "a/b/c"]),
        Meaning("#", yes: ["a", "/", "a/b/c", "//", "a$"], no: ["$SYS", "$SYS/a", "$"]),
        Meaning("a/#", yes: ["a", "a/", "a/b", "a/b/c", "a//"], no: ["ab", "b/a", "aa/b", "/a"]),
        Meaning("/#", yes: ["/", "/a", "//a"], no: ["a", "a/b"]),
        Meaning("+", yes: ["a", "abc"], no: ["/", "a/b", "a/", "/a", "$SYS"]),
        Meaning("+/+", yes: ["/", "a/b", "/b", "a/"], no: ["a", "a/b/c", "$SYS/a"]),
        Meaning("/+", yes: ["/a", "/", "/$a"], no: ["a", "/a/b"]),
        Meaning("+/#", yes: ["a", "a/b", "/", "a/b/c"], no: ["$SYS/a"]),
        Meaning("a/+/c", yes: ["a/b/c", "a//c", "a/$/c"], no: ["a/c", "a/b/b/c", "a/b/c/d", "a/b"]),
        Meaning("a/+/#", yes: ["a/b", "a/", "a/b/c"], no: ["a", "b/a"]),
        Meaning("+/live", yes: ["a/live", "/live"], no: ["live", "a/b/live", "$a/live", "a/alive"]),
        Meaning("$SYS/#", yes: ["$SYS", "$SYS/a", "$SYS/a/b"], no: ["$SYSTEM", "SYS/a"]),
        Meaning("$SYS/+", yes: ["$SYS/a", "$SYS/"], no: ["$SYS", "$SYS/a/b"]),
        Meaning("größe/+", yes: ["größe/ü"], no: ["grösse/ü", "große/ü"]),
        Meaning("a/.", yes: ["a/."], no: ["a/b"]),
    ])
    func aFilterMatchesWhatMQTTSays(_ meaning: Meaning) throws { try check(meaning) }

    @Test(arguments: [
        Meaning("a..c", yes: ["a", "a/x", "aa", "b", "b/x", "bzz", "c", "c/x", "c/x/y", "c/"], no: ["c1", "cx/y", "c!", "d", "A", "/", "Z"]),
        Meaning("a/1..a/3", yes: ["a/1", "a/10", "a/2", "a/299", "a/3", "a/3/x"], no: ["a", "a/0", "a/30", "a/31", "a/4", "b"]),
        Meaning("b..", yes: ["b", "bb", "c", "z/z", "ü"], no: ["a", "a/z", "B", "$z"]),
        Meaning("..b", yes: ["a", "a/z", "b", "b/x", "B", "/", "!"], no: ["b1", "ba", "c", "$a"]),
        Meaning("a..a", yes: ["a", "a/x"], no: ["a1", "b", "A"]),
        Meaning("a/m..a", yes: ["a/m", "a/n", "a/n/o", "a/mm"], no: ["a", "a/a", "a/l", "b"]),
        Meaning("$SYS/a..$SYS/c", yes: ["$SYS/a", "$SYS/b/x", "$SYS/c/x"], no: ["$SYS/d", "$SYS", "a", "b"]),
        Meaning("!..~", yes: ["a", "Z", "0/1", "~", "~/a"], no: ["$SYS", "$a", " "]),
        // Bytes, not the alphabet: "ü" comes after "w", and after "y".
        Meaning("zebra..zürich", yes: ["zwickau", "zy", "zürich", "zürich/1"], no: ["zürich1", "zýr", "zebr", "zea"]),
        // Split at the first two dots: from "-" to ".z".
        Meaning("-...z", yes: ["-", "-a", ".a", ".z", ".z/a"], no: [".zz", "a", "/"]),
    ])
    func aRangeHoldsItsBoundsWhatIsBetweenAndWhatIsBelowTheUpperOne(_ meaning: Meaning) throws { try check(meaning) }

    private func check(_ meaning: Meaning) throws {
        let pattern = try TopicPattern(meaning.pattern)
        #expect(pattern.text == meaning.pattern)
        for name in meaning.yes { #expect(pattern.matches(name), "\(meaning.pattern) should match \(name)") }
        for name in meaning.no { #expect(!pattern.matches(name), "\(meaning.pattern) should not match \(name)") }
        #expect(!pattern.matches(""))
    }

    @Test(arguments: [
        ("", "pattern is empty; write \"#\" for every topic"),
        ("a#", "pattern has \"#\" at byte 1 beside other characters of its level; let \"#\" stand alone between slashes, as in a/#"),
        ("a/#b", "pattern has \"#\" at byte 2 beside other characters of its level; let \"#\" stand alone between slashes, as in a/#"),
        ("#/a", "pattern has \"#\" at byte 0 before the last level; end the pattern with it, or use \"+\" for one level"),
        ("ü/#/", "pattern has \"#\" at byte 3 before the last level; end the pattern with it, or use \"+\" for one level"),
        ("a+/b", "pattern has \"+\" at byte 1 beside other characters of its level; let \"+\" stand alone between slashes, as in a/+"),
        ("++", "pattern has \"+\" at byte 0 beside other characters of its level; let \"+\" stand alone between slashes, as in a/+"),
        ("+#", "pattern has \"+\" at byte 0 beside other characters of its level; let \"+\" stand alone between slashes, as in a/+"),
        ("a/\u{1}", "pattern has the control character U+0001 at byte 2; leave control characters out"),
        ("..", "key range has no bounds at byte 0; write \"#\" for every topic, or one bound as in a.. or ..b"),
        ("b..a", "key range ends, at byte 3, before it begins; put the lower bound first; names are compared byte by byte"),
        ("a/#..b", "key range has the wildcard \"#\" at byte 2; write both bounds of a..b out, or use a pattern without \"..\""),
        ("a..b/+", "key range has the wildcard \"+\" at byte 5; write both bounds of a..b out, or use a pattern without \"..\""),
        ("a..b\u{9F}", "pattern has the control character U+009F at byte 4; leave control characters out"),
    ])
    func aWrongPatternIsRefusedWithPlaceAndRemedy(_ text: String, _ message: String) {
        #expect(refusal { () throws(TopicError) in try TopicPattern(text) } == message)
    }

    @Test func aPatternsLengthAndLevelsEndAtTheLimitsOfNames() throws {
        let long = String(repeating: "x", count: Limits.topicName)
        _ = try TopicPattern(long)
        _ = try TopicPattern(long + ".." + long)
        #expect(throws: TopicError.tooLong(.pattern, bytes: Limits.topicName + 1, limit: Limits.topicName)) { try TopicPattern(long + "x") }
        #expect(throws: TopicError.tooLong(.pattern, bytes: Limits.topicName + 1, limit: Limits.topicName)) { try TopicPattern("a.." + long + "x") }
        #expect(throws: TopicError.tooManyLevels(.pattern, limit: Limits.topicLevels, offset: Limits.topicLevels + 3)) {
            try TopicPattern("!.." + String(repeating: "/", count: Limits.topicLevels))
        }
        let huge = 1 << 20
        #expect(throws: TopicError.tooLong(.pattern, bytes: huge, limit: 2 * Limits.topicName + 2)) {
            try TopicPattern(String(repeating: "x", count: huge))
        }
    }

    @Test func anExactPatternCanBeMadeForANameWithDots() throws {
        let pattern = TopicPattern(exactly: try TopicName("a..b"))
        #expect(pattern.matches("a..b") && !pattern.matches("a") && !pattern.matches("b"))
        #expect(try pattern != TopicPattern("a..b"))
    }

    @Test func kindsAreToldApart() throws {
        #expect(try TopicPattern("a/b").kind == .exact)
        #expect(try TopicPattern("a/+").kind == .filter)
        #expect(try TopicPattern("a/#").kind == .filter)
        #expect(try TopicPattern("a..b").kind == .range)
        #expect(try TopicPattern("a.b").kind == .exact)
        #expect(try TopicPattern("#").isEverything)
        #expect(try !TopicPattern("+/#").isEverything)
    }

    /// Few letters and short texts, so that matches, near misses, `$`, dots and empty levels are all frequent.
    private static func text(_ letters: [Character], _ random: inout SeededNumbers) -> String {
        String((0..<Int.random(in: 1...7, using: &random)).map { _ in letters.randomElement(using: &random)! })
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func matchingEqualsTheNaiveMatcherOnRandomInputs(_ seed: UInt64) {
        var random = SeededNumbers(seed: seed)
        var matched = 0
        var tried = 0
        while tried < scaled(100_000) {
            let text = Self.text(["a", "b", "/", "/", "+", "#", "$", ".", ".", "ü"], &random)
            guard let pattern = parsed(text) else { continue }
            for _ in 0..<4 {
                let name = Self.text(["a", "b", "/", "/", "$", ".", "ü"], &random)
                let expected = NaiveMatcher.matches(text, name)
                #expect(pattern.matches(name) == expected, "seed \(seed): \(text) on \(name)")
                matched += expected ? 1 : 0
                tried += 1
            }
        }
        #expect(matched > scaled(2_000) && matched < tried - scaled(2_000), "both answers must be met: \(matched) of \(tried)")
    }

    @Test func aPatternThatCoversAnotherMatchesAllThatItMatches() {
        var random = SeededNumbers(seed: 4)
        var covers = 0
        for _ in 0..<scaled(60_000) {
            let texts = (0..<2).map { _ in Self.text(["a", "b", "/", "/", "+", "#", "$", ".", "."], &random) }
            guard let wide = parsed(texts[0]), let narrow = parsed(texts[1]), wide.covers(narrow) else { continue }
            covers += 1
            for _ in 0..<20 {
                let name = Self.text(["a", "b", "/", "$", "."], &random)
                #expect(!narrow.matches(name) || wide.matches(name), "\(wide) covers \(narrow) but not \(name)")
            }
        }
        #expect(covers > scaled(200))
    }

    @Test(arguments: [
        ("a/#", "a", true), ("a/#", "a/+", true), ("a/#", "a/b/#", true), ("#", "a..b", true), ("a..c", "b", true), ("+", "a", true),
        ("a/+", "a/#", false), ("+", "#", false), ("#", "$a", false), ("#", "$a..$b", false), ("a", "a/#", false), ("a/b", "a/+", false),
        ("+/b", "a/+", false), ("a..c", "b/#", false),
    ])
    func coversAnswers(_ wide: String, _ narrow: String, _ answer: Bool) throws {
        #expect(try TopicPattern(wide).covers(TopicPattern(narrow)) == answer)
    }

    private func parsed(_ text: String) -> TopicPattern? {
        do throws(TopicError) { return try TopicPattern(text) } catch { return nil }
    }
}

@Suite struct InterestTests {
    private func patterns(_ texts: [String]) throws -> [TopicPattern] { try texts.map { try TopicPattern($0) } }

    @Test func anInterestIsWhatSomePatternMatchesAndNoExclusionDoes() throws {
        let interest = try Interest(patterns: patterns(["a/#", "m..p"]), exclusions: patterns(["a/secret/#", "n"]))
        for name in ["a", "a/b", "m", "o/x"] { #expect(interest.matches(name), "\(name)") }
        for name in ["a/secret", "a/secret/x", "n", "b", "q"] { #expect(!interest.matches(name), "\(name)") }
        #expect(try !Interest(patterns: []).matches("a"))
    }

    @Test func onlyALoneHashWithoutExclusionsIsEverything() throws {
        #expect(try Interest(patterns: patterns(["#"])).matchesEverything)
        #expect(try !Interest(patterns: patterns(["#"]), exclusions: patterns(["a"])).matchesEverything)
        #expect(try !Interest(patterns: patterns(["#", "$SYS/#"])).matchesEverything)
        #expect(try !Interest(patterns: patterns(["+/#"])).matchesEverything)
        #expect(try !Interest(patterns: []).matchesEverything)
    }

    @Test func patternsAndExclusionsTogetherEndAtTheLimit() throws {
        let half = try [TopicPattern](repeating: TopicPattern("a"), count: Limits.patterns / 2)
        _ = try Interest(patterns: half, exclusions: half)
        #expect(throws: TopicError.tooManyPatterns(count: Limits.patterns + 1, limit: Limits.patterns)) {
            try Interest(patterns: half + [TopicPattern("b")], exclusions: half)
        }
    }
}
