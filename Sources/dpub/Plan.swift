internal import Client
internal import Tooling
internal import Wire

/// What the command line asks for, checked: everything behind it trusts these values.
struct Plan: Equatable {
    enum Input: Equatable {
        /// One message from the command line.
        case message([UInt8])
        /// One message from a file; nil: standard input.
        case whole(path: String?)
        case lines(path: String?, keySeparator: [UInt8])
        case csv(path: String?, CSVColumns)
        case json(path: String?, topicField: String?, timeField: String?)
    }
    var input: Input
    var settings: RecordSettings
    var minimumLevel: Int?
    var batchBytes: Int
    var identity: String?
    var times: Int

    init(topic: String?, option: String?, _ input: InputFlags, _ record: RecordFlags, _ run: RunFlags) throws(ToolFailure) {
        let name = try Self.topic(topic, option)
        self.input = try Self.input(input, record, hasTopic: name != nil)
        settings = RecordSettings(topic: name)
        settings.key = Array((record.key ?? "").utf8)
        settings.headers = try Self.headers(record.headers)
        settings.retain = record.retain
        settings.pace = try Self.pace(run, self.input)
        guard run.linger.isFinite, run.linger >= 0, run.linger <= 60_000 else {
            throw .usage("--linger: \(run.linger) is not a number of milliseconds from 0 to 60,000")
        }
        settings.linger = run.linger / 1000
        guard let bytes = Numbers.parseBytes(run.batch), bytes >= 1, bytes <= Limits.batch else {
            throw .usage("--batch: \"\(run.batch)\" is not a number of bytes from 1 to \(Numbers.grouped(Limits.batch))")
        }
        batchBytes = bytes
        if let id = run.identity, id.isEmpty || id.utf8.count > 255 { throw .usage("--id: the name takes 1 to 255 bytes") }
        identity = run.identity
        guard run.times >= 1 else { throw .usage("--repeat: \(run.times) is not 1 or more") }
        times = run.times
        let level = try namedLevel(record.level)
        // Topics of any other level keep their last value anyway.
        minimumLevel = record.retain ? max(level ?? 0, Int(Level.ordered.rawValue)) : level
        if record.key != nil, case .csv(_, let columns) = self.input, columns.key != nil {
            throw .usage("-k and --key-column: only one of them")
        }
        if settings.key.count > Limits.key { throw .usage("-k: the key takes more than \(Numbers.grouped(Limits.key)) bytes") }
    }

    private static func topic(_ positional: String?, _ option: String?) throws(ToolFailure) -> String? {
        if let positional, let option, positional != option { throw .usage("TOPIC and -t name different topics") }
        guard let name = positional ?? option else { return nil }
        if let why = Array(name.utf8).withView({ topicFault($0) }) { throw .usage(why) }
        return name
    }

    private static func input(_ flags: InputFlags, _ record: RecordFlags, hasTopic: Bool) throws(ToolFailure) -> Input {
        let tabular = flags.csv || flags.json || flags.lines
        let chosen = [
            ("-m", flags.message != nil), ("-f", flags.file != nil && !tabular), ("-l", flags.lines), ("-s", flags.whole),
            ("-n", flags.empty), ("--csv", flags.csv), ("--json", flags.json),
        ].filter { $0.1 }
        if chosen.count > 1 { throw .usage("\(chosen[0].0) and \(chosen[1].0): only one of them") }
        if flags.file != nil, let other = chosen.first, ["-m", "-s", "-n"].contains(other.0) {
            throw .usage("\(other.0) and -f: only one of them")
        }
        try checkFields(flags)
        let isLines = chosen.isEmpty || flags.lines
        if record.keySeparator != nil, !isLines { throw .usage("-K goes with lines, not with \(chosen[0].0)") }
        if !hasTopic, !flags.csv, flags.topicField == nil { throw .usage("no topic: give TOPIC or -t") }
        if let text = flags.message { return .message(Array(text.utf8)) }
        if flags.empty { return .message([]) }
        if flags.whole { return .whole(path: nil) }
        if flags.csv {
            let columns = CSVColumns(
                topic: flags.topicColumn, key: flags.keyColumn, time: flags.timeColumn, value: flags.valueColumn, hasTopic: hasTopic)
            return .csv(path: flags.file, columns)
        }
        if flags.json { return .json(path: flags.file, topicField: flags.topicField, timeField: flags.timeField) }
        if let path = flags.file, !flags.lines { return .whole(path: path) }
        return .lines(path: flags.file, keySeparator: try separator(record.keySeparator))
    }
    private static func checkFields(_ flags: InputFlags) throws(ToolFailure) {
        let columns = [
            ("--topic-column", flags.topicColumn), ("--key-column", flags.keyColumn), ("--time-column", flags.timeColumn),
            ("--value-column", flags.valueColumn),
        ]
        if !flags.csv, let stray = columns.first(where: { $0.1 != nil }) { throw .usage("\(stray.0) goes with --csv") }
        let fields = [("--topic-field", flags.topicField), ("--time-field", flags.timeField)]
        if !flags.json, let stray = fields.first(where: { $0.1 != nil }) { throw .usage("\(stray.0) goes with --json") }
        for (flag, value) in columns + fields where value?.isEmpty == true { throw .usage("\(flag): the name is empty") }
    }
    private static func separator(_ text: String?) throws(ToolFailure) -> [UInt8] {
        guard let text else { return [] }
        do throws(Escapes.Fault) {
            let bytes = try Escapes.replace(text)
            if !bytes.isEmpty { return bytes }
        } catch {
            throw .usage("-K: \(error.message) at position \(error.position)")
        }
        throw .usage("-K: the separator is empty")
    }

    /// A run of (u16 length, name, u16 length, value).
    private static func headers(_ texts: [String]) throws(ToolFailure) -> [UInt8] {
        var bytes: [UInt8] = []
        for text in texts {
            guard let colon = text.firstIndex(of: ":"), colon > text.startIndex else {
                throw .usage("-H: \"\(text)\" is not name:value")
            }
            let value = text[text.index(after: colon)...]
            guard text.utf8.count < Limits.headers else {
                throw .usage("-H: the headers take more than \(Numbers.grouped(Limits.headers)) bytes")
            }
            bytes.append(text: String(text[..<colon]))
            bytes.append(text: String(value))
        }
        guard bytes.count <= Limits.headers else {
            throw .usage("-H: the headers take more than \(Numbers.grouped(Limits.headers)) bytes")
        }
        return bytes
    }

    private static func pace(_ run: RunFlags, _ input: Input) throws(ToolFailure) -> Pacer.Pace {
        if run.rate != nil, run.speed != nil { throw .usage("--rate and --speed: only one of them") }
        if let text = run.rate {
            guard let rate = Pacer.parseRate(text) else { throw .usage("--rate: \"\(text)\" is not a number above 0, like 100 or 10k/s") }
            return .rate(rate)
        }
        guard let text = run.speed else { return .unlimited }
        guard let factor = Pacer.parseSpeed(text) else { throw .usage("--speed: \"\(text)\" is not a factor above 0, like 10x") }
        switch input {
        case .csv, .json(_, _, .some): return .speed(factor)
        default: throw .usage("--speed needs records with times: --csv, or --json with --time-field")
        }
    }
}
