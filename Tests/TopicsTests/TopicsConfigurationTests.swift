import TestClock
import Testing
import Topics
import Wire

@Suite struct TopicsConfigurationTests {
    /// A file and all that is said of it, each line without the file's name.
    struct Wrong: Sendable, CustomTestStringConvertible {
        let text: String
        let messages: [String]
        init(_ text: String, _ messages: String...) { (self.text, self.messages) = (text, messages) }
        var testDescription: String { text.debugDescription }
    }

    private func refusedLines(_ text: String) -> [String] {
        refusal { () throws(ConfigurationError) in try TopicsConfiguration.parse(text, file: "topics.yaml") }
            .split(separator: "\n").map(String.init)
    }

    @Test(arguments: [
        Wrong("", "1:1: the file says nothing; write topics: and defaults:, or leave the file out to admit every topic as durable"),
        Wrong("# only a comment\n",
            "1:1: the file says nothing; write topics: and defaults:, or leave the file out to admit every topic as durable"),
        Wrong("---\n",
            "1:1: the file says nothing; write topics: and defaults:, or leave the file out to admit every topic as durable"),
        Wrong("~\n",
            "1:1: the file says nothing; write topics: and defaults:, or leave the file out to admit every topic as durable"),
        Wrong("topics:\n  - pattern: sensors/#\n    levle: durable\n",
            "3:5: unknown key \"levle\"; did you mean \"level\"? known keys here: pattern, level, max_record, retention, compact, history, lifespan, max_rate, deadline, replicas, schema"),
        Wrong("topics:\n  - pattern: sensors/#\n    level: durably\n",
            "3:12: level: \"durably\"; expected unordered, ordered, durable, signed (or 0 to 3); did you mean \"durable\"?"),
        Wrong("topics:\n  - pattern: a\n    level: 4\n", "3:12: level: \"4\"; expected unordered, ordered, durable, signed (or 0 to 3)"),
        Wrong("topics:\n  - pattern: #\n    level: durable\n",
            "2:13: pattern: found nothing; expected a topic pattern; a value that begins with \"#\" needs quotes"),
        Wrong("topics:\n  - level: durable\n", "2:5: rule: missing key \"pattern\"; write for example pattern: sensors/#"),
        Wrong("topics:\n  - pattern: a\n", "2:5: rule: missing key \"level\"; write for example level: durable"),
        Wrong("topics:\n  - sensors/#\n",
            "2:5: rule: found \"sensors/#\"; expected keys and values; write for example pattern: sensors/#"),
        Wrong("topics: sensors/#\n", "1:9: topics: found \"sensors/#\"; expected a list of rules"),
        Wrong("topics:\n", "1:8: topics: found nothing; expected a list of rules"),
        Wrong("- pattern: a\n",
            "1:1: topics file: found a list; expected keys and values; write for example topics: [{pattern: \"sensors/#\", level: durable}]"),
        Wrong("just words\n",
            "1:1: topics file: found \"just words\"; expected keys and values; write for example topics: [{pattern: \"sensors/#\", level: durable}]"),
        Wrong("topics:\n  - pattern: a/#/b\n    level: ordered\n",
            "2:14: pattern: \"a/#/b\": pattern has \"#\" at byte 2 before the last level; end the pattern with it, or use \"+\" for one level"),
        Wrong("topics:\n  - pattern: a/b+\n    level: ordered\n",
            "2:14: pattern: \"a/b+\": pattern has \"+\" at byte 3 beside other characters of its level; let \"+\" stand alone between slashes, as in a/+"),
        Wrong("topics:\n  - pattern: b..a\n    level: ordered\n",
            "2:14: pattern: \"b..a\": key range ends, at byte 3, before it begins; put the lower bound first; names are compared byte by byte"),
        Wrong("topics:\n  - pattern: a\n    level: ordered\n    level: durable\n",
            "4:5: duplicate key \"level\"; it stands on line 3 already; remove one"),
        Wrong("topics:\n  - pattern: a/#\n    level: ordered\n  - pattern: a/b\n    level: durable\n",
            "4:14: pattern: \"a/b\" is never reached; the first match wins and \"a/#\" stands on line 2; remove this rule or move it up"),
        Wrong("topics:\n  - pattern: a\n    level: ordered\n  - pattern: a\n    level: durable\n",
            "4:14: pattern: \"a\" is never reached; the first match wins and the same pattern stands on line 2; remove this rule or move it up"),
        Wrong("topics:\n  - {pattern: a, level: ordered, max_record: 64KB}\n",
            "2:46: max_record: \"64KB\" has the unknown unit \"KB\"; expected 16B to 1MiB; did you mean 64KiB? units are B, KiB, MiB, GiB"),
        Wrong("topics:\n  - {pattern: a, level: ordered, max_record: 65536}\n",
            "2:46: max_record: \"65536\" has no unit; expected 16B to 1MiB; say which: 65536B, 65536KiB, 65536MiB, 65536GiB"),
        Wrong("topics:\n  - {pattern: a, level: ordered, max_record: 2MiB}\n",
            "2:46: max_record: \"2MiB\" is out of range; expected 16B to 1MiB"),
        Wrong("topics:\n  - {pattern: a, level: ordered, max_record: 1.5KiB}\n",
            "2:46: max_record: \"1.5KiB\" is not a whole number; expected 16B to 1MiB; use a smaller unit, as in 1536KiB for 1.5MiB"),
        Wrong("topics:\n  - {pattern: a, level: ordered, max_record: -1KiB}\n",
            "2:46: max_record: \"-1KiB\" is negative; expected 16B to 1MiB; write for example 64KiB"),
        Wrong("topics:\n  - {pattern: a, level: ordered, max_record: big}\n",
            "2:46: max_record: \"big\" is not a size; expected 16B to 1MiB; write for example 64KiB"),
        Wrong("topics:\n  - {pattern: a, level: ordered, max_record: 99999999999999999999GiB}\n",
            "2:46: max_record: \"99999999999999999999GiB\" is too large; expected 16B to 1MiB; write for example 64KiB"),
        Wrong("topics:\n  - {pattern: a, level: ordered, max_record: 9000000000GiB}\n",
            "2:46: max_record: \"9000000000GiB\" is too large; expected 16B to 1MiB; write for example 64KiB"),
        Wrong("topics:\n  - {pattern: a, level: ordered, max_record: 64 elephants}\n",
            "2:46: max_record: \"64 elephants\" has the unknown unit \"elephants\"; expected 16B to 1MiB; units are B, KiB, MiB, GiB"),
        Wrong("topics:\n  - {pattern: a, level: ordered, priority: 7}\n",
            "2:34: unknown key \"priority\"; known keys here: pattern, level, max_record, retention, compact, history, lifespan, max_rate, deadline, replicas, schema"),
        Wrong("topics:\n  - &x {pattern: a, level: ordered}\n  - *x\n",
            "2:5: anchor \"&x\"; anchors are not used here: remove it, or put the value in quotes",
            "3:5: alias \"*x\"; aliases are not used here: write the value out, or put it in quotes"),
        Wrong("topics:\n  - {pattern: !!str a, level: ordered}\n",
            "2:15: tag \"!!str\"; tags are not used here: remove it, or put the value in quotes"),
        Wrong("topics: !set\n  - {pattern: a, level: ordered}\n",
            "1:9: tag \"!set\"; tags are not used here: remove it, or put the value in quotes"),
        Wrong("defaults:\n  admit: listed\n",
            "2:10: admit: \"listed\" with no topics admits none; list topics, or write admit: all"),
        Wrong("defaults:\n  admit: some\n", "2:10: admit: \"some\"; expected all, listed"),
        Wrong("defaults: durable\n",
            "1:11: defaults: found \"durable\"; expected keys and values; write for example level: durable"),
        Wrong("topic:\n  - {pattern: a, level: ordered}\n",
            "1:1: unknown key \"topic\"; did you mean \"topics\"? known keys here: topics, defaults"),
        Wrong("topics: []\n---\ntopics: []\n", "2:1: a second document begins; expected one document; remove this \"---\""),
        Wrong("topics:\n\t- pattern: a\n",
            "2:1: found character that cannot start any token while scanning for the next token; indent with spaces, not tabs; put text that begins with %, @ or ` in quotes"),
        Wrong("topics:\n  - pattern: a\n   level: ordered\n",
            "3:4: did not find expected '-' indicator while parsing a block collection that begins on line 2; indent this line like its neighbours, with \"- \" for a further item"),
        Wrong("topics:\n  - pattern: a\n    level ordered\n",
            "3:5: could not find expected ':' while scanning a simple key; write \"key: value\", with a space after the colon"),
        Wrong("topics: [a, b\n",
            "2:1: did not find expected ',' or ']' while parsing a flow sequence that begins on line 1; close what was opened, and part its items by commas"),
        Wrong("topics: {a: b\n",
            "2:1: did not find expected ',' or '}' while parsing a flow mapping that begins on line 1; close what was opened, and part its items by commas"),
        Wrong("topics:\n  - pattern: \"a\n",
            "2:14: found unexpected end of stream while scanning a quoted scalar; close the quote"),
        Wrong("topics:\n  - pattern: @a\n",
            "2:14: found character that cannot start any token while scanning for the next token; indent with spaces, not tabs; put text that begins with %, @ or ` in quotes"),
        Wrong("topics:\n  - pattern: \"\\q\"\n",
            "2:15: found unknown escape character while parsing a quoted scalar; double a backslash within double quotes, or use single quotes"),
        Wrong("topics:\n  - pattern: a: b\n",
            "2:15: mapping values are not allowed in this context; indent this line like its neighbours; put text with \": \" in quotes"),
        Wrong("topics:\n  - pattern: *\n    level: durable\n",
            "2:15: did not find expected alphabetic or numeric character while scanning an alias; put text that begins with * or & in quotes"),
        Wrong("topics:\n  - pattern: a\u{07}b\n", "2:15: control characters are not allowed; leave control characters out"),
        Wrong("[[[[[[[[[[[[[[[[[[[[\n", "1:17: lists and mappings are nested too deeply; expected at most 16 levels"),
        Wrong("? [a]\n: b\n", "1:3: found a list as a key; expected a word"),
        Wrong("topics:\n  - pattern: [a]\n    level: {b: c}\n",
            "2:14: pattern: found a list; expected a topic pattern; a value that begins with \"[\" needs quotes",
            "3:12: level: found a mapping; expected unordered, ordered, durable, signed (or 0 to 3); a value that begins with \"{\" or has \": \" in it needs quotes"),
        Wrong("topics: \"\n",
            "1:9: found unexpected end of stream while scanning a quoted scalar; close the quote"),
        Wrong("\u{FEFF}topics: 1\n", "1:9: topics: found \"1\"; expected a list of rules"),
        Wrong("topics:\n- pattern: a\n  level: durable\n extra: 1\n",
            "4:2: did not find expected key while parsing a block mapping that begins on line 1; indent this line like its neighbours"),
        Wrong("%YAML 3.0\n---\ntopics: []\n", "1:1: found incompatible YAML document; remove the line with %YAML"),
        Wrong("topics: []\n}\n",
            "2:1: did not find expected key while parsing a block mapping that begins on line 1; indent this line like its neighbours"),
        Wrong("topics:\n  - {pattern: \"a\\0b\", level: ordered}\n",
            "2:15: pattern: \"a\\0b\": pattern has the control character U+0000 at byte 1; leave control characters out"),
        Wrong("topics:\n  - {pattern: \"\", level: ordered}\n",
            "2:15: pattern: \"\": pattern is empty; write \"#\" for every topic"),
        Wrong("topics:\n  - {pattern: .., level: ordered}\n",
            "2:15: pattern: \"..\": key range has no bounds at byte 0; write \"#\" for every topic, or one bound as in a.. or ..b"),
        Wrong("topics:\n  - {pattern: \"a..#\", level: ordered}\n",
            "2:15: pattern: \"a..#\": key range has the wildcard \"#\" at byte 3; write both bounds of a..b out, or use a pattern without \"..\""),
        Wrong("défaut: 1\ntopics: \u{01}\n", "2:9: control characters are not allowed; leave control characters out"),
    ])
    func aWrongFileIsRefusedWithPlaceCauseAndRemedy(_ wrong: Wrong) {
        #expect(refusedLines(wrong.text) == wrong.messages.map { "topics.yaml:" + $0 })
    }

    @Test func allThatIsWrongIsSaidAtOnceInTheFilesOrder() throws {
        let text = """
            defaults: {level: durble, admit: all, qos: 1}
            topics:
              - pattern: a/#/b
                level: 7
                retain: yes
              - patern: b
                level: ordered
              - pattern: c
                level: durable
                max_record: 64kb
            qos: 2
            """
        #expect(refusedLines(text) == [
            "topics.yaml:1:19: level: \"durble\"; expected unordered, ordered, durable, signed (or 0 to 3); did you mean \"durable\"?",
            "topics.yaml:1:39: unknown key \"qos\"; known keys here: level, admit, retention, compact, history, lifespan, max_rate, deadline, replicas, schema",
            "topics.yaml:3:14: pattern: \"a/#/b\": pattern has \"#\" at byte 2 before the last level; end the pattern with it, or use \"+\" for one level",
            "topics.yaml:4:12: level: \"7\"; expected unordered, ordered, durable, signed (or 0 to 3)",
            "topics.yaml:5:5: unknown key \"retain\"; known keys here: pattern, level, max_record, retention, compact, history, lifespan, max_rate, deadline, replicas, schema",
            "topics.yaml:6:5: unknown key \"patern\"; did you mean \"pattern\"? known keys here: pattern, level, max_record, retention, compact, history, lifespan, max_rate, deadline, replicas, schema",
            "topics.yaml:10:17: max_record: \"64kb\" has the unknown unit \"kb\"; expected 16B to 1MiB; did you mean 64KiB? units are B, KiB, MiB, GiB",
            "topics.yaml:11:1: unknown key \"qos\"; known keys here: topics, defaults",
        ])
    }

    @Test func aDiagnosticCarriesItsPartsApart() throws {
        let error = try #require(throws: ConfigurationError.self) { try TopicsConfiguration.parse("topics:\n  - {pattern: a, level: durably}\n", file: "t.yaml") }
        let diagnostic = try #require(error.diagnostics.first)
        #expect(error.diagnostics.count == 1 && error.omitted == 0)
        #expect((diagnostic.file, diagnostic.line, diagnostic.column) == ("t.yaml", 2, 25))
        #expect(diagnostic.found == "level: \"durably\"")
        #expect(diagnostic.expected == "unordered, ordered, durable, signed (or 0 to 3)")
        #expect(diagnostic.hint == "did you mean \"durable\"?")
    }

    @Test func aFullFileIsReadAndItsFirstMatchingRuleWins() throws {
        let text = """
            topics:
              - pattern: sensors/+/raw
                level: unordered
              - {pattern: "sensors/#", level: 2, max_record: 64KiB}
              - pattern: m..p
                level: "ordered"
                max_record: 100 B
            defaults:
              level: ordered
              admit: listed
            """
        let configuration = try TopicsConfiguration.parse(text, file: "topics.yaml")
        #expect(configuration.rules.map { $0.pattern?.text } == ["sensors/+/raw", "sensors/#", "m..p"])
        #expect(configuration.rules.map(\.level) == [.unordered, .durable, .ordered])
        #expect(configuration.rules.map(\.maxRecord) == [Limits.record, 64 << 10, 100])
        #expect(configuration.defaultLevel == .ordered && configuration.admit == .listed)
        #expect(configuration.rule(for: "sensors/1/raw")?.level == .unordered)
        #expect(configuration.rule(for: "sensors/1/t")?.level == .durable)
        #expect(configuration.rule(for: "p/x")?.maxRecord == 100)
        #expect(configuration.rule(for: "quay") == nil)
    }

    @Test func topicsThatNoPatternNamesTakeTheDefaultWhereAllAreAdmitted() throws {
        let configuration = try TopicsConfiguration.parse("topics: [{pattern: a, level: durable}]\ndefaults: {level: 0}\n", file: "t")
        #expect(configuration.rule(for: "b") == TopicRule(pattern: nil, level: .unordered, maxRecord: Limits.record))
        #expect(TopicsConfiguration.standard.rule(for: "b") == TopicRule(pattern: nil, level: .durable))
        #expect(try TopicsConfiguration.parse("topics: []", file: "t") == .standard)
        #expect(try TopicsConfiguration.parse("---\r\ntopics: []\r\n...\r\n", file: "t") == .standard)
    }

    @Test func anEarlierRuleThatIsNarrowerHidesNothing() throws {
        let text = "topics: [{pattern: a/b, level: 0}, {pattern: a/+, level: 1}, {pattern: \"a/#\", level: 2}, {pattern: \"#\", level: 2}]"
        #expect(try TopicsConfiguration.parse(text, file: "t").rules.count == 4)
    }

    @Test func aFileEndsAtItsNamedLimits() throws {
        let long = "# " + String(repeating: "x", count: 1 << 20) + "\ntopics: []\n"
        #expect(refusedLines(long) == ["topics.yaml:1:1: the file has 1048590 bytes; expected at most 1MiB"])
        #expect(refusedLines("topics: [" + String(repeating: "a,", count: 70_000) + "]") == [
            "topics.yaml:1:131080: the file has too many values; expected at most 65536"
        ])
        let rules = (0...Limits.topicRules).map { "  - {pattern: t\($0), level: 1}\n" }
        #expect(refusedLines("topics:\n" + rules.joined()) == ["topics.yaml:4098:5: topics: item 4097 of 4097; expected at most 4096"])
        #expect(try TopicsConfiguration.parse("topics:\n" + rules.dropLast().joined(), file: "t").rules.count == Limits.topicRules)
        let errors = String(repeating: "  - {pattern: a+, level: 1}\n", count: 130)
        #expect(refusedLines("topics:\n" + errors).count == 101)
        #expect(refusedLines("topics:\n" + errors).last == "and 30 more")
    }

    @Test func noDamageToAFileDoesMoreThanThrow() throws {
        let sound = "topics:\n  - pattern: \"a/#\" # all\n    level: durable\n  - {pattern: 'b', level: 1, max_record: 1KiB}\ndefaults: &x\n  admit: all\n"
        let bytes = Array(sound.utf8)
        var random = SeededNumbers(seed: 5)
        let pool = Array("\n\t :-#[]{}\"'&*!|>%@,?ab0\\\0".utf8)
        for round in 0..<scaled(4_000) {
            var damaged = bytes
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                damaged[Int.random(in: 0..<damaged.count, using: &random)] = pool.randomElement(using: &random)!
            }
            if round % 4 == 0 { damaged.removeLast(Int.random(in: 0..<damaged.count, using: &random)) }
            do throws(ConfigurationError) {
                _ = try TopicsConfiguration.parse(String(decoding: damaged, as: UTF8.self), file: "t")
            } catch {
                #expect(!error.diagnostics.isEmpty)
                #expect(error.diagnostics.allSatisfy { $0.line >= 1 && $0.column >= 1 && !$0.description.contains("\n") })
            }
        }
    }
}
