internal import Client
internal import Glibc
internal import Tooling
internal import Wire

/// What the command line asks for, checked.
struct WatchPlan {
    enum Output: Equatable {
        case raw, text, json, csv, hex, table
        case template(Template)
        case meter([MeterKind])
    }
    var subscription: Subscription
    var output: Output
    var showsTopic: Bool
    var field: String?
    var count: UInt64?
    var stopsAtEnd: Bool
    var timeLimit: Double?
    /// Nanoseconds since 1970: the values of then, and no subscription.
    var asOf: UInt64?
    /// Of a member of a consumer group.
    var acknowledges: AcknowledgeName?
    /// Columns, for tables.
    var width = 120

    init(
        _ patterns: [String], _ excluded: [String], _ filter: String, _ span: SpanFlags, _ flags: OutputFlags, _ sharing: SharingFlags, now: Int64
    ) throws(ToolFailure) {
        guard !patterns.isEmpty else { throw .usage("no pattern: say what to subscribe to ('#' is everything)") }
        if patterns.count + excluded.count > Limits.patterns {
            throw .usage("more than \(Numbers.grouped(Limits.patterns)) patterns")
        }
        for pattern in patterns + excluded {
            if pattern.isEmpty { throw .usage("a pattern is empty") }
            // Both ends of a range may have the length of a topic.
            let limit = 2 * Limits.topicName + 2
            if pattern.utf8.count > limit { throw .usage("a pattern takes more than \(Numbers.grouped(limit)) bytes") }
        }
        let isStored = sharing.group != nil && span.offset == "stored"
        let place = try Extent(parsing: isStored ? "end" : span.offset, now: now)
        subscription = Subscription(patterns: patterns)
        subscription.excluded = excluded
        if filter.utf8.count > Limits.filter { throw .usage("--filter takes more than \(Numbers.grouped(Limits.filter)) bytes") }
        subscription.filter = filter
        subscription.start = place.start
        subscription.endOffset = place.end
        if span.count == 0 { throw .usage("-c: 0 records is nothing to wait for") }
        count = span.count
        stopsAtEnd = span.stopsAtEnd || place.end != nil
        if let limit = span.timeLimit {
            guard limit.isFinite, limit > 0, limit <= 1e9 else { throw .usage("-W: \(limit) is not a number of seconds above 0") }
            timeLimit = limit
        }
        output = try Self.output(flags)
        showsTopic = flags.verbose
        if showsTopic, output == .raw { throw .usage("-v puts topics between payloads: not with --format raw") }
        if let name = flags.field {
            if name.split(separator: ".", omittingEmptySubsequences: false).contains("") {
                throw .usage("--field: \"\(name)\" has an empty name")
            }
            if case .meter = output { throw .usage("--field goes with records, not with statistics") }
        }
        field = flags.field
        try share(sharing, span, place)
        guard let text = span.asOf else { return }
        guard let time = Moment.parse(text, now: now) else {
            throw .usage("--as-of: \"\(text)\" is not a time, like 2026-11-21T10:00:00Z or -5m")
        }
        if span.offset != "end" { throw .usage("--as-of and -o: only one of them") }
        if case .meter = output { throw .usage("--as-of goes with records, not with statistics") }
        asOf = time
    }

    private mutating func share(_ sharing: SharingFlags, _ span: SpanFlags, _ place: Extent) throws(ToolFailure) {
        guard let name = sharing.group else {
            if sharing.ack == .manual { throw .usage("--ack goes with -G NAME") }
            return
        }
        if name.isEmpty || name.utf8.count > Limits.consumerName { throw .usage("-G: a name has 1 to \(Limits.consumerName) bytes") }
        if name.utf8.contains(where: { $0 < 32 || $0 == 127 }) { throw .usage("-G: a name has no control characters") }
        if span.asOf != nil { throw .usage("--as-of and -G: only one of them") }
        let isPlace = switch place.start { case .beginning, .end, .offset: place.end == nil; case .tail, .time, .last: false }
        guard isPlace else {
            throw .usage("-o: a consumer group begins at beginning, end or an offset; dbroker consumers reset sets one to a time")
        }
        subscription.consumerGroup = name
        subscription.memberName = Self.memberName
        acknowledges = sharing.ack
    }
    /// The machine's name and the process's number; gethostname(2).
    private static var memberName: String {
        var name = [CChar](repeating: 0, count: 65)
        let isKnown = unsafe gethostname(&name, 64) == 0
        let bytes = name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return (isKnown ? String(decoding: bytes, as: UTF8.self) : "dsub") + "-\(getpid())"
    }

    private static func output(_ flags: OutputFlags) throws(ToolFailure) -> Output {
        var kinds: [MeterKind] = []
        if flags.rate || flags.stats { kinds.append(.rate) }
        if flags.bandwidth || flags.stats { kinds.append(.bandwidth) }
        if flags.delay || flags.stats { kinds.append(.delay) }
        let chosen = [
            ("-f", flags.template != nil), ("-J", flags.json), ("--format", flags.format != nil),
            (flags.stats ? "--stats" : flags.rate ? "--hz" : flags.bandwidth ? "--bw" : "--delay", !kinds.isEmpty),
        ].filter { $0.1 }
        if chosen.count > 1 { throw .usage("\(chosen[0].0) and \(chosen[1].0): only one of them") }
        if !kinds.isEmpty { return .meter(kinds) }
        if flags.json { return .json }
        if let text = flags.template { return .template(try Template(parsing: text)) }
        switch flags.format {
        case .raw: return .raw
        case .json: return .json
        case .csv: return .csv
        case .hex: return .hex
        case .table: return .table
        case .text, nil: return .text
        }
    }
}
