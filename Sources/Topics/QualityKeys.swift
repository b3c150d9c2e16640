internal import Wire

/// Which records of a topic stay in the log: a record goes when one of these says so, but never the topic's last one. Nothing said: all
/// stay.
package struct Keeping: Hashable, Sendable {
    /// Nanoseconds: what was replaced by a newer record so long ago goes.
    package var time: UInt64?
    /// Bytes of records, as they lie in batches: what lies before the newest so many goes.
    package var bytes: UInt64?
    /// What lies before the newest so many records goes.
    package var records: UInt64?
    /// Of the records with the same record key only the last stays; what lies before a remove goes.
    package var compact = false

    package init(time: UInt64? = nil, bytes: UInt64? = nil, records: UInt64? = nil, compact: Bool = false) {
        self.time = time
        self.bytes = bytes
        self.records = records
        self.compact = compact
    }
    package var keepsAll: Bool { time == nil && bytes == nil && records == nil && !compact }
}

/// The keys of a rule, or of the defaults, that say how long records are of use.
struct QualityKeys {
    static let keys = [
        Fields.Key("retention", example: "7d"),
        Fields.Key("compact", example: "true"),
        Fields.Key("history", example: "100"),
        Fields.Key("lifespan", example: "10s"),
        Fields.Key("max_rate", example: "100/s"),
        Fields.Key("deadline", example: "5s"),
        Fields.Key("replicas", example: "3"),
        Fields.Key("schema", example: "{type: object, required: [value]}"),
    ]
    private static let retentionKeys = [Fields.Key("time", example: "7d"), Fields.Key("bytes", example: "64MiB")]
    /// Nanoseconds.
    private static let retentionRange = 1_000_000_000...36_500 * 86_400_000_000_000
    private static let lifespanRange = 1_000_000...36_500 * 86_400_000_000_000
    /// At least as long as a few of a node's looks at its clock.
    private static let deadlineRange = 100_000_000...36_500 * 86_400_000_000_000
    private static let bytesRange = (1 << 10)...(1 << 50)
    private static let historyRange = 1...1_000_000_000
    /// Records in a minute.
    private static let rateRange = 1...60_000_000

    private var keeping = Keeping()
    private var lifespan: UInt64?
    private var maxRate: Int?
    private var deadline: UInt64?
    private var schema: Schema?
    private var replicas = 0

    init() {}
    /// - level: of the topics, nil where that is wrong.
    init(_ fields: Fields, level: Level?, _ problems: inout Problems) {
        readRetention(fields, &problems)
        keeping.compact = fields.choice("compact", [("true", true), ("false", false)], &problems) ?? false
        keeping.records = Self.history(fields, &problems)
        lifespan = fields.quantity("lifespan", .span, in: Self.lifespanRange, &problems).map { UInt64($0) }
        maxRate = fields.quantity("max_rate", .rate, in: Self.rateRange, &problems)
        deadline = fields.quantity("deadline", .span, in: Self.deadlineRange, &problems).map { UInt64($0) }
        schema = fields.node("schema").flatMap { Schema($0, &problems) }
        replicas = Self.replicas(fields, &problems)
        guard let level else { return }
        for key in ["retention", "compact", "history", "replicas"] where level < .durable && fields.has(key) {
            problems.add(
                fields.mark(of: key), "\(key): topics of the level \(level.name) are not kept on disk",
                hint: "write level: durable, or remove this key")
        }
        for key in ["retention", "compact", "history", "replicas"] where level == .signed && fields.has(key) {
            problems.add(
                fields.mark(of: key), "\(key): a signed history is kept whole" + (key == "replicas" ? ", at every node" : ""),
                hint: "write level: durable, or remove this key")
        }
        if level == .unordered, fields.has("lifespan") {
            problems.add(
                fields.mark(of: "lifespan"), "lifespan: topics of the level unordered are not delivered late",
                hint: "write level: ordered or durable, or remove this key")
        }
    }

    func rule(_ pattern: TopicPattern?, _ level: Level, _ maxRecord: Int) -> TopicRule {
        TopicRule(
            pattern: pattern, level: level, maxRecord: maxRecord, keeping: keeping, lifespan: lifespan, maxRate: maxRate, deadline: deadline,
            schema: schema, replicas: replicas)
    }

    /// `7d`, or `{time: 7d, bytes: 64MiB}`.
    private mutating func readRetention(_ fields: Fields, _ problems: inout Problems) {
        guard let node = fields.node("retention") else { return }
        guard case .mapping(let entries) = node.content else {
            if case .scalar(let text, _) = node.content, (try? Quantity.size.parse(text)) != nil {
                problems.add(
                    node.mark, "retention: \(quoted(text)) is a size", expected: "a time, or {time: 7d, bytes: 64MiB}",
                    hint: "write retention: {bytes: \(text)}")
                return
            }
            keeping.time = fields.quantity("retention", .span, in: Self.retentionRange, &problems).map { UInt64($0) }
            return
        }
        guard let parts = Fields(node, Self.retentionKeys, what: "retention", &problems) else { return }
        if entries.isEmpty { problems.add(node.mark, "retention: says nothing", hint: "write time:, bytes: or both") }
        keeping.time = parts.quantity("time", .span, in: Self.retentionRange, &problems).map { UInt64($0) }
        keeping.bytes = parts.quantity("bytes", .size, in: Self.bytesRange, &problems).map { UInt64($0) }
    }

    /// `all`, or a number of records.
    private static func history(_ fields: Fields, _ problems: inout Problems) -> UInt64? {
        if case .scalar("all", _)? = fields.node("history")?.content { return nil }
        return fields.integer("history", in: historyRange, or: " (or all)", &problems).map { UInt64($0) }
    }
    /// `all`, which is 0, or a number of nodes.
    private static func replicas(_ fields: Fields, _ problems: inout Problems) -> Int {
        if case .scalar("all", _)? = fields.node("replicas")?.content { return 0 }
        return fields.integer("replicas", in: 1...Limits.members, or: " (or all)", &problems) ?? 0
    }
}
