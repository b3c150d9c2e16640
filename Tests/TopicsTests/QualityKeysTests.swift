import Testing
import Topics
import Wire

@Suite struct QualityKeysTests {
    /// A rule's keys behind its level, or the whole file, and what is said of it, without the file's name.
    struct Wrong: Sendable, CustomTestStringConvertible {
        let text: String
        let messages: [String]
        init(_ keys: String, level: String = "durable", _ messages: String...) {
            text = "topics:\n  - {pattern: a, level: \(level), \(keys)}\n"
            self.messages = messages
        }
        init(file: String, _ messages: String...) { (text, self.messages) = (file, messages) }
        var testDescription: String { text.debugDescription }
    }
    private static let known = "known keys here: pattern, level, max_record, retention, compact, history, lifespan, max_rate, deadline, replicas, schema"
    private static let times = "units are ms, s, min, h, d"
    private static let notKept = "are not kept on disk; write level: durable, or remove this key"
    private static let keptWhole = "a signed history is kept whole; write level: durable, or remove this key"

    @Test(arguments: [
        // Keys.
        Wrong("retension: 7d", "2:34: unknown key \"retension\"; did you mean \"retention\"? \(known)"),
        Wrong("compakt: true", "2:34: unknown key \"compakt\"; did you mean \"compact\"? \(known)"),
        Wrong("histroy: 5", "2:34: unknown key \"histroy\"; did you mean \"history\"? \(known)"),
        Wrong("livespan: 5s", "2:34: unknown key \"livespan\"; did you mean \"lifespan\"? \(known)"),
        Wrong("max_rte: 5/s", "2:34: unknown key \"max_rte\"; did you mean \"max_rate\"? \(known)"),
        Wrong("dedline: 5s", "2:34: unknown key \"dedline\"; did you mean \"deadline\"? \(known)"),
        Wrong("deadline: 5", "2:44: deadline: \"5\" has no unit; expected 100ms to 36500d; say which: 5ms, 5s, 5min, 5h, 5d"),
        Wrong("deadline: 10ms", "2:44: deadline: \"10ms\" is out of range; expected 100ms to 36500d"),
        // Retention.
        Wrong("retention: 7", "2:45: retention: \"7\" has no unit; expected 1s to 36500d; say which: 7ms, 7s, 7min, 7h, 7d"),
        Wrong("retention: 7days", "2:45: retention: \"7days\" has the unknown unit \"days\"; expected 1s to 36500d; did you mean 7d? \(times)"),
        Wrong("retention: 7m", "2:45: retention: \"7m\" has the unknown unit \"m\"; expected 1s to 36500d; did you mean 7min? \(times)"),
        Wrong("retention: 2w", "2:45: retention: \"2w\" has the unknown unit \"w\"; expected 1s to 36500d; \(times)"),
        Wrong("retention: 1.5d", "2:45: retention: \"1.5d\" is not a whole number; expected 1s to 36500d; use a smaller unit, as in 36h for 1.5d"),
        Wrong("retention: -1d", "2:45: retention: \"-1d\" is negative; expected 1s to 36500d; write for example 7d"),
        Wrong("retention: 10ms", "2:45: retention: \"10ms\" is out of range; expected 1s to 36500d"),
        Wrong("retention: 99999d", "2:45: retention: \"99999d\" is out of range; expected 1s to 36500d"),
        Wrong("retention: forever", "2:45: retention: \"forever\" is not a time; expected 1s to 36500d; write for example 7d"),
        Wrong("retention: 64MiB", "2:45: retention: \"64MiB\" is a size; expected a time, or {time: 7d, bytes: 64MiB}; write retention: {bytes: 64MiB}"),
        Wrong("retention: [7d]", "2:45: retention: found a list; expected a time, 1s to 36500d; a value that begins with \"[\" needs quotes"),
        Wrong("retention: {}", "2:45: retention: says nothing; write time:, bytes: or both"),
        Wrong("retention: {tiem: 7d}", "2:46: unknown key \"tiem\"; did you mean \"time\"? known keys here: time, bytes"),
        Wrong("retention: {time: 7d, size: 1MiB}", "2:56: unknown key \"size\"; known keys here: time, bytes"),
        Wrong("retention: {bytes: 64MB}", "2:53: bytes: \"64MB\" has the unknown unit \"MB\"; expected 1KiB to 1048576GiB; did you mean 64MiB? units are B, KiB, MiB, GiB"),
        Wrong("retention: {bytes: 1B}", "2:53: bytes: \"1B\" is out of range; expected 1KiB to 1048576GiB"),
        Wrong("retention: {bytes: 7d}", "2:53: bytes: \"7d\" has the unknown unit \"d\"; expected 1KiB to 1048576GiB; units are B, KiB, MiB, GiB"),
        Wrong("retention: {time: ~}", "2:52: time: found nothing; expected a time, 1s to 36500d; a value that begins with \"#\" needs quotes"),
        // Compact.
        Wrong("compact: yes", "2:43: compact: \"yes\"; expected true, false"),
        Wrong("compact: ture", "2:43: compact: \"ture\"; expected true, false; did you mean \"true\"?"),
        Wrong("compact: [true]", "2:43: compact: found a list; expected true, false; a value that begins with \"[\" needs quotes"),
        // History.
        Wrong("history: 0", "2:43: history: \"0\"; expected a whole number, 1 to 1000000000 (or all)"),
        Wrong("history: -5", "2:43: history: \"-5\"; expected a whole number, 1 to 1000000000 (or all)"),
        Wrong("history: 010", "2:43: history: \"010\"; expected a whole number, 1 to 1000000000 (or all)"),
        Wrong("history: every", "2:43: history: \"every\"; expected a whole number, 1 to 1000000000 (or all)"),
        Wrong("history: 5d", "2:43: history: \"5d\"; expected a whole number, 1 to 1000000000 (or all)"),
        // Lifespan.
        Wrong("lifespan: 10", "2:44: lifespan: \"10\" has no unit; expected 1ms to 36500d; say which: 10ms, 10s, 10min, 10h, 10d"),
        Wrong("lifespan: 10sec", "2:44: lifespan: \"10sec\" has the unknown unit \"sec\"; expected 1ms to 36500d; did you mean 10s? \(times)"),
        Wrong("lifespan: 0s", "2:44: lifespan: \"0s\" is out of range; expected 1ms to 36500d"),
        Wrong("lifespan: 10us", "2:44: lifespan: \"10us\" has the unknown unit \"us\"; expected 1ms to 36500d; \(times)"),
        // Rate.
        Wrong("max_rate: 100", "2:44: max_rate: \"100\" has no unit; expected 1/min to 1000000/s; say which: 100/min, 100/s"),
        Wrong("max_rate: 100/sec", "2:44: max_rate: \"100/sec\" has the unknown unit \"/sec\"; expected 1/min to 1000000/s; did you mean 100/s? units are /min, /s"),
        Wrong("max_rate: 100Hz", "2:44: max_rate: \"100Hz\" has the unknown unit \"Hz\"; expected 1/min to 1000000/s; did you mean 100/s? units are /min, /s"),
        Wrong("max_rate: 0/s", "2:44: max_rate: \"0/s\" is out of range; expected 1/min to 1000000/s"),
        Wrong("max_rate: 0.5/s", "2:44: max_rate: \"0.5/s\" is not a whole number; expected 1/min to 1000000/s; use a smaller unit, as in 90/min for 1.5/s"),
        Wrong("max_rate: fast", "2:44: max_rate: \"fast\" is not a rate; expected 1/min to 1000000/s; write for example 100/s"),
        // Replicas.
        Wrong("replicas: 0", "2:44: replicas: \"0\"; expected a whole number, 1 to 16 (or all)"),
        Wrong("replicas: 17", "2:44: replicas: \"17\"; expected a whole number, 1 to 16 (or all)"),
        Wrong("replicas: most", "2:44: replicas: \"most\"; expected a whole number, 1 to 16 (or all)"),
        Wrong("replicsa: 2", "2:34: unknown key \"replicsa\"; did you mean \"replicas\"? \(known)"),
        Wrong("replicas: 2", level: "ordered", "2:44: replicas: topics of the level ordered \(notKept)"),
        Wrong("replicas: 2", level: "signed", "2:43: replicas: a signed history is kept whole, at every node; write level: durable, or remove this key"),
        // Levels that do not have it.
        Wrong("retention: 7d", level: "ordered", "2:45: retention: topics of the level ordered \(notKept)"),
        Wrong("compact: true", level: "ordered", "2:43: compact: topics of the level ordered \(notKept)"),
        Wrong("history: 5", level: "unordered", "2:45: history: topics of the level unordered \(notKept)"),
        Wrong("lifespan: 5s", level: "unordered",
            "2:46: lifespan: topics of the level unordered are not delivered late; write level: ordered or durable, or remove this key"),
        // A signed history is kept whole.
        Wrong("retention: 7d", level: "signed", "2:44: retention: \(keptWhole)"),
        Wrong("compact: true", level: "signed", "2:42: compact: \(keptWhole)"),
        Wrong("history: 5", level: "3", "2:37: history: \(keptWhole)"),
        Wrong(file: "defaults:\n  level: signed\n  history: 7\n", "3:12: history: \(keptWhole)"),
        // Defaults.
        Wrong(file: "defaults:\n  level: ordered\n  retention: 7d\n", "3:14: retention: topics of the level ordered \(notKept)"),
        Wrong(file: "defaults:\n  histori: 7\n",
            "2:3: unknown key \"histori\"; did you mean \"history\"? known keys here: level, admit, retention, compact, history, lifespan, max_rate, deadline, replicas, schema"),
        // All at once.
        Wrong("compact: 1, history: none, max_rate: 3",
            "2:43: compact: \"1\"; expected true, false", "2:55: history: \"none\"; expected a whole number, 1 to 1000000000 (or all)",
            "2:71: max_rate: \"3\" has no unit; expected 1/min to 1000000/s; say which: 3/min, 3/s"),
    ])
    func aWrongKeyIsRefusedWithPlaceCauseAndRemedy(_ wrong: Wrong) {
        let lines = refusal { () throws(ConfigurationError) in try TopicsConfiguration.parse(wrong.text, file: "t") }
            .split(separator: "\n").map(String.init)
        #expect(lines == wrong.messages.map { "t:" + $0 })
    }

    @Test func eachRuleSaysWhatOfItsTopicsIsKept() throws {
        let text = """
            topics:
              - {pattern: a, level: durable, retention: 7d}
              - {pattern: b, level: durable, retention: {time: 90 min, bytes: 64MiB}}
              - {pattern: c, level: durable, compact: true, max_rate: 100/s}
              - {pattern: d, level: durable, history: 5, lifespan: 10s}
              - {pattern: e, level: ordered, lifespan: 250ms, max_rate: 30/min, deadline: 5s}
              - {pattern: f, level: durable, history: all, compact: false}
            defaults: {retention: {bytes: 1KiB}, history: 9}
            """
        let topics = try TopicsConfiguration.parse(text, file: "t")
        func rule(_ name: String) throws -> TopicRule { try #require(topics.rule(for: name)) }
        #expect(try rule("a").keeping == Keeping(time: 604_800_000_000_000))
        #expect(try rule("b").keeping == Keeping(time: 5_400_000_000_000, bytes: 64 << 20))
        #expect(try rule("c").keeping == Keeping(compact: true) && rule("c").maxRate == 6000)
        #expect(try rule("d").keeping == Keeping(records: 5) && rule("d").lifespan == 10_000_000_000)
        #expect(try rule("e").keeping.keepsAll && rule("e").lifespan == 250_000_000 && rule("e").maxRate == 30 && rule("e").deadline == 5_000_000_000)
        #expect(try rule("f").keeping.keepsAll)
        #expect(try rule("z").keeping == Keeping(bytes: 1024, records: 9))
        #expect(topics.cleans && !TopicsConfiguration.standard.cleans)
    }

    @Test func rulesThatSayTheSameOfReplicasAreKnownByIt() throws {
        func topics(_ text: String) throws -> TopicsConfiguration { try TopicsConfiguration.parse(text, file: "t") }
        let some = try topics("topics: [{pattern: a, level: durable, replicas: 3}, {pattern: b, level: durable, replicas: 2}, {pattern: c, level: durable, replicas: all}]")
        #expect(some.replicas == [2, 3] && !some.cleans && some.rule(for: "a")?.replicas == 3 && some.rule(for: "c")?.replicas == 0)
        let other = try topics("topics: [{pattern: a, level: durable, replicas: 3, history: 9}, {pattern: b, level: durable, replicas: 2}, {pattern: c, level: durable}]")
        #expect(other.replicaRules == some.replicaRules && some.replicaRules != 0)
        for text in [
            "topics: [{pattern: a, level: durable, replicas: 2}, {pattern: b, level: durable, replicas: 3}]", "defaults: {replicas: 3}",
            "topics: [{pattern: ab, level: durable, replicas: 3}, {pattern: b, level: durable, replicas: 2}, {pattern: c, level: durable}]",
        ] { #expect(try topics(text).replicaRules != some.replicaRules, "\(text)") }
        // A log that is signed is kept whole, at every node.
        let signed = try topics("topics: [{pattern: a, level: durable, replicas: 3}, {pattern: b, level: signed}]")
        #expect(signed.replicas.isEmpty && signed.replicaRules == 0 && TopicsConfiguration.standard.replicaRules == 0)
    }
}
