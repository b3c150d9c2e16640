package import Wire

/// What topics.yaml says of the topics that a pattern matches.
package struct TopicRule: Hashable, Sendable {
    /// Nil in the rule for topics that no pattern names.
    package let pattern: TopicPattern?
    package let level: Level
    /// Bytes of the largest record admitted, as it lies in a batch: header, key, headers and payload, padded.
    package let maxRecord: Int
    /// Which records stay in the log.
    package let keeping: Keeping
    /// Nanoseconds after which a record is no longer delivered to who reads the log; nil: it always is.
    package let lifespan: UInt64?
    /// Records that one node takes of a topic in a minute; nil: any number.
    package let maxRate: Int?
    /// Nanoseconds within which the next record is to come; nil: whenever it comes.
    package let deadline: UInt64?
    /// What each record's payload must look like; nil: anything.
    package let schema: Schema?
    /// How many nodes keep its records for good; 0: all.
    package let replicas: Int

    package init(
        pattern: TopicPattern?, level: Level, maxRecord: Int = Limits.record, keeping: Keeping = Keeping(), lifespan: UInt64? = nil,
        maxRate: Int? = nil, deadline: UInt64? = nil, schema: Schema? = nil, replicas: Int = 0
    ) {
        self.replicas = replicas
        self.pattern = pattern
        self.level = level
        self.maxRecord = maxRecord
        self.keeping = keeping
        self.lifespan = lifespan
        self.maxRate = maxRate
        self.deadline = deadline
        self.schema = schema
    }
    var keepingAll: TopicRule {
        TopicRule(pattern: pattern, level: level, maxRecord: maxRecord, lifespan: lifespan, maxRate: maxRate, deadline: deadline, schema: schema)
    }
}

/// topics.yaml: rules by pattern, in order, and what holds for topics that no rule names. See docs/CONFIGURATION.md.
package struct TopicsConfiguration: Hashable, Sendable {
    /// Whether topics that no pattern names may be used.
    package enum Admission: Sendable { case all, listed }

    package let rules: [TopicRule]
    /// Holds for topics that no rule names.
    package let defaults: TopicRule
    package let admit: Admission

    /// Without a file: every topic is admitted and durable.
    package static let standard = TopicsConfiguration(rules: [], defaultLevel: .durable, admit: .all)

    package init(rules: [TopicRule], defaults: TopicRule, admit: Admission) {
        self.rules = rules
        self.defaults = defaults
        self.admit = admit
    }
    package init(rules: [TopicRule], defaultLevel: Level, admit: Admission) {
        self.init(rules: rules, defaults: TopicRule(pattern: nil, level: defaultLevel), admit: admit)
    }

    package var defaultLevel: Level { defaults.level }
    /// Whether some rule lets records of the log go.
    package var cleans: Bool { !defaults.keeping.keepsAll || rules.contains { !$0.keeping.keepsAll } }

    /// Whether records may go from a node's log: for good, or since others hold them.
    package var thinsLogs: Bool { cleans || !replicas.isEmpty }

    /// The numbers of replicas that rules ask for, where that is not all nodes, rising; none in a log that is signed: that is kept whole.
    package var replicas: [Int] { signs ? [] : Set((rules + [defaults]).map(\.replicas)).subtracting([0]).sorted() }
    /// Stands for what the rules say of replicas: the same where they say the same.
    package var replicaRules: UInt64 {
        guard !replicas.isEmpty else { return 0 }
        var hash: UInt64 = 1
        for rule in rules {
            for byte in (rule.pattern?.text ?? "").utf8 { hash = mix(hash ^ UInt64(byte)) }
            hash = mix(hash ^ UInt64(rule.replicas) << 8)
        }
        return mix(hash ^ UInt64(defaults.replicas) << 8)
    }

    /// Whether some topics are signed: then each node signs its log, and cleans nothing of it.
    package var signs: Bool { defaults.level == .signed || rules.contains { $0.level == .signed } }
    /// The same topics, and all of their records stay.
    package var keepingAll: TopicsConfiguration {
        TopicsConfiguration(rules: rules.map(\.keepingAll), defaults: defaults.keepingAll, admit: admit)
    }

    /// The first rule whose pattern matches `name`, else the default, or nil where the topic is not admitted.
    package func rule(for name: String) -> TopicRule? { name.withBytes { rule(for: $0) } }

    /// The same for a name in UTF-8; time is linear in the rules.
    package func rule(for name: ByteView) -> TopicRule? {
        for rule in rules where rule.pattern.map({ $0.matches(name) }) ?? true { return rule }
        return admit == .all ? defaults : nil
    }
}

extension TopicsConfiguration {
    private static let keys = [
        Fields.Key("topics", example: "[{pattern: \"sensors/#\", level: durable}]"),
        Fields.Key("defaults", example: "{level: durable}"),
    ]
    private static let ruleKeys = [
        Fields.Key("pattern", required: true, example: "sensors/#"),
        Fields.Key("level", required: true, example: "durable"),
        Fields.Key("max_record", example: "64KiB"),
    ] + QualityKeys.keys
    private static let defaultKeys = [Fields.Key("level", example: "durable"), Fields.Key("admit", example: "all")] + QualityKeys.keys

    private static let levels = Level.allCases.map { ($0.name, $0) }
    /// A record without contents, and the largest there is.
    private static let recordRange = RecordHeader.shortSize...Limits.record

    /// Reads `text`, the contents of `file`; the error holds all that is wrong with it.
    package static func parse(_ text: String, file: String) throws(ConfigurationError) -> TopicsConfiguration {
        var problems = Problems(file: file)
        let hint = "write topics: and defaults:, or leave the file out to admit every topic as durable"
        var configuration = standard
        if let root = YAMLReader.read(text, &problems, emptyHint: hint),
            let fields = Fields(root, keys, what: "topics file", &problems)
        {
            configuration = read(fields, &problems)
        }
        try problems.check()
        return configuration
    }

    private static func read(_ fields: Fields, _ problems: inout Problems) -> TopicsConfiguration {
        var level = standard.defaultLevel
        var admit = standard.admit
        var quality = QualityKeys()
        let items = fields.list("topics", expected: "a list of rules", limit: Limits.topicRules, &problems)
        if let node = fields.node("defaults"), let defaults = Fields(node, defaultKeys, what: "defaults", &problems) {
            level = Self.level(defaults, &problems) ?? level
            admit = defaults.choice("admit", [("all", .all), ("listed", .listed)], &problems) ?? admit
            quality = QualityKeys(defaults, level: level, &problems)
            if admit == .listed, items?.isEmpty ?? !fields.has("topics") {
                problems.add(
                    defaults.mark(of: "admit"), "admit: \"listed\" with no topics admits none", hint: "list topics, or write admit: all")
            }
        }
        var reach = Reach()
        var rules: [TopicRule] = []
        for item in items ?? [] {
            guard let (rule, pattern, mark) = rule(item, &problems) else { continue }
            reach.add(pattern, mark, &problems)
            rules.append(rule)
        }
        return TopicsConfiguration(rules: rules, defaults: quality.rule(nil, level, Limits.record), admit: admit)
    }

    /// Finds rules that no topic can reach, all of theirs being matched by one rule before them.
    private struct Reach {
        private var lines: [TopicPattern: Int] = [:]
        /// Exact patterns cover only themselves, for which `lines` does.
        private var wide: [(pattern: TopicPattern, line: Int)] = []

        mutating func add(_ pattern: TopicPattern, _ mark: TextMark, _ problems: inout Problems) {
            let same = lines[pattern].map { ("the same pattern", $0) }
            let earlier = same ?? wide.first { $0.pattern.covers(pattern) }.map { (quoted($0.pattern.text), $0.line) }
            if let (what, line) = earlier {
                problems.add(
                    mark, "pattern: \(quoted(pattern.text)) is never reached",
                    hint: "the first match wins and \(what) stands on line \(line); remove this rule or move it up")
            }
            if same == nil { lines[pattern] = mark.line }
            if earlier == nil, pattern.kind != .exact { wide.append((pattern, mark.line)) }
        }
    }

    /// A level by name or number.
    private static func level(_ fields: Fields, _ problems: inout Problems) -> Level? {
        if case .scalar(let text, _)? = fields.node("level")?.content, let level = Level(named: text) { return level }
        return fields.choice("level", levels, or: " (or 0 to 3)", &problems)
    }

    private static func rule(_ item: YAMLNode, _ problems: inout Problems) -> (TopicRule, TopicPattern, TextMark)? {
        guard let fields = Fields(item, ruleKeys, what: "rule", &problems) else { return nil }
        let level = Self.level(fields, &problems)
        let maxRecord = fields.quantity("max_record", .size, in: recordRange, &problems)
        let quality = QualityKeys(fields, level: level, &problems)
        guard let text = fields.text("pattern", expected: "a topic pattern", &problems) else { return nil }
        let mark = fields.mark(of: "pattern")
        do throws(TopicError) {
            let pattern = try TopicPattern(text)
            return (quality.rule(pattern, level ?? .durable, maxRecord ?? Limits.record), pattern, mark)
        } catch {
            problems.add(mark, "pattern: \(quoted(text)): \(error.problem)", hint: error.hint)
            return nil
        }
    }
}
