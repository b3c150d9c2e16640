import ArgumentParser
import Client
import Tooling
import Wire

/// How a value is asked for, and shown; the same for `get` and `list`.
struct ReadFlags: ParsableArguments {
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("As it was then: 2026-11-21T10:00:00Z, seconds since 1970, -5m (s, m, h or d ago).", valueName: "time"))
    var asOf: String?
    @Flag(name: [.customShort("J"), .long], help: "As JSON, an object a line.") var json = false

    func time() throws(ToolFailure) -> UInt64? {
        guard let asOf else { return nil }
        guard let time = Moment.parse(asOf, now: Clock.wall()) else {
            throw .usage("--as-of: \"\(asOf)\" is not a time, like 2026-11-21T10:00:00Z or -5m")
        }
        return time
    }
}

/// Runs `body` with a store; what the cluster refuses becomes the tool's failure.
private func withStore<R>(_ connection: ConnectionFlags, _ body: (TopicStore) throws(ClientError) -> R) throws(ToolFailure) -> R {
    let options = try connection.resolve()
    do throws(ClientError) {
        let store = try TopicStore(options)
        defer { store.close() }
        return try body(store)
    } catch { throw ToolFailure(status: error.exitStatus, error.description) }
}

private func print(_ buffer: inout ByteBuffer) throws(ToolFailure) {
    do throws(WriteFault) { try Descriptor.write(buffer.view, to: 1) } catch {
        if case .failed(let fault) = error { throw ToolFailure(.failed, "standard output: \(fault.reason)") }
    }
    buffer.removeAll()
}

struct Get: ParsableCommand, Tool {
    static let configuration = CommandConfiguration(
        abstract: "Print a topic's value, now or at a time.",
        discussion: """
            Prints the last record's payload and a line end. What was acknowledged before the question is in the answer, whichever node
            gives it. Status 1 where the topic has no value.

            dbroker get plant/m1/limit
            dbroker get plant/m1/limit --as-of -5m -J
            """)
    @Argument(help: "The topic.") var topic: String
    @OptionGroup var read: ReadFlags
    @OptionGroup var connection: ConnectionFlags

    func perform() throws(ToolFailure) -> ExitStatus {
        let time = try read.time()
        let value = try withStore(connection) { store throws(ClientError) in try store.get(topic, asOf: time) }
        guard let value else { throw ToolFailure(.failed, "\(topic) has no value\(time == nil ? "" : " at that time")") }
        guard !value.isRemoved || read.json else { throw ToolFailure(.failed, "\(topic) has no value: version \(value.version) removed it") }
        var buffer = ByteBuffer(capacity: value.payload.count + 512)
        if read.json { StoreText.append(json: value, to: &buffer) } else {
            value.payload.withView { buffer.append($0) }
            buffer.append(10)
        }
        try print(&buffer)
        return .done
    }
}

struct List: ParsableCommand, Tool {
    static let configuration = CommandConfiguration(
        abstract: "Print the values of topics, now or at a time.",
        discussion: """
            A line for each topic that has one: version, time, topic, value, with tabs between. All durable topics are read at one place of
            their order, so the values were all there at the same moment; all ordered topics likewise.

            dbroker list 'plant/#'
            dbroker list plant/a..plant/m --as-of 2026-11-21T10:00:00Z
            """)
    @Argument(help: "Topics, patterns with + and #, ranges a..b.") var patterns: [String]
    @Option(name: .customShort("T"), parsing: .unconditionalSingleValue, help: ArgumentHelp("Leave these out; repeat for more.", valueName: "pattern"))
    var excluded: [String] = []
    @OptionGroup var read: ReadFlags
    @OptionGroup var connection: ConnectionFlags

    func perform() throws(ToolFailure) -> ExitStatus {
        let time = try read.time()
        var buffer = ByteBuffer(capacity: 64 << 10)
        var values: [StoreValue] = []
        _ = try withStore(connection) { store throws(ClientError) in
            try store.list(patterns, excluding: excluded, asOf: time) { values.append($0) }
        }
        for value in values {
            if read.json { StoreText.append(json: value, to: &buffer) } else { StoreText.append(line: value, to: &buffer) }
            if buffer.count > 256 << 10 { try print(&buffer) }
        }
        try print(&buffer)
        return .done
    }
}

/// What a put or a remove waits for, and how it is answered.
struct WriteFlags: ParsableArguments {
    @Option(
        help: ArgumentHelp("Only where the topic's last version is this one; none: where it has no value.", valueName: "version|none"))
    var ifVersion: String?
    @Flag(name: [.customShort("J"), .long], help: "The answer as JSON.") var json = false

    func condition() throws(ToolFailure) -> PutCondition {
        guard let ifVersion else { return .always }
        if ifVersion == "none" { return .absent }
        guard let version = UInt64(ifVersion) else { throw .usage("--if-version: \"\(ifVersion)\" is neither a version's number nor none") }
        return .version(version)
    }

    func tell(_ topic: String, _ outcome: PutOutcome) throws(ToolFailure) -> ExitStatus {
        switch outcome {
        case .done(let version, let ordered):
            let time = TimeText.text(Int64(clamping: ordered))
            _ = Descriptor.writeLine(json ? "{\"version\":\(version),\"ordered\":\"\(time)\"}" : "version \(version) \(time)", to: 1)
            return .done
        case .conflict(let version):
            if json { _ = Descriptor.writeLine("{\"conflict\":\(version.map(String.init) ?? "null")}", to: 1) }
            let last = version.map { "its last version is \($0)" } ?? "it has no version yet"
            throw ToolFailure(.failed, "\(topic) is not as --if-version says: \(last)")
        }
    }
}

struct Put: ParsableCommand, Tool {
    static let configuration = CommandConfiguration(
        abstract: "Give a topic a value.",
        discussion: """
            Prints the version that it has got. With --if-version it is decided in the order of all records, so that of several who expect
            the same version one wins. Status 1 where the topic is at another version.

            dbroker put plant/m1/limit 80
            dbroker put plant/m1/limit 85 --if-version 17
            dbroker put lock/m1 me --if-version none
            dbroker put plant/m1/plan - < plan.json
            """)
    @Argument(help: "The topic.") var topic: String
    @Argument(help: "The value; - reads it from standard input.") var value: String
    @OptionGroup var write: WriteFlags
    @OptionGroup var connection: ConnectionFlags

    func perform() throws(ToolFailure) -> ExitStatus {
        let condition = try write.condition()
        var payload = Array(value.utf8)
        if value == "-" {
            do throws(SystemFault) { payload = try Descriptor.contents(of: "/dev/stdin", limit: Limits.record) } catch {
                throw ToolFailure(.input, "standard input: \(error.reason)")
            }
        }
        let outcome = try withStore(connection) { store throws(ClientError) in
            try store.put(topic, payload, if: condition, time: Clock.wall())
        }
        return try write.tell(topic, outcome)
    }
}

struct Remove: ParsableCommand, Tool {
    static let configuration = CommandConfiguration(
        commandName: "rm",
        abstract: "Take a topic's value away; its history stays.",
        discussion: """
            The remove is a version like any other: subscribers see a record without a payload, and --as-of finds what was there before.

            dbroker rm plant/m1/limit
            dbroker rm lock/m1 --if-version 42
            """)
    @Argument(help: "The topic.") var topic: String
    @OptionGroup var write: WriteFlags
    @OptionGroup var connection: ConnectionFlags

    func perform() throws(ToolFailure) -> ExitStatus {
        let condition = try write.condition()
        let outcome = try withStore(connection) { store throws(ClientError) in try store.remove(topic, if: condition, time: Clock.wall()) }
        return try write.tell(topic, outcome)
    }
}

/// Values as text.
enum StoreText {
    /// `version`, time, topic, value, tabs between and a line end.
    static func append(line value: StoreValue, to buffer: inout ByteBuffer) {
        buffer.append(number: value.version)
        buffer.append(9)
        TimeText.append(Int64(clamping: value.ordered), to: &buffer)
        buffer.append(9)
        buffer.append(text: value.topic)
        buffer.append(9)
        value.payload.withView { buffer.append($0) }
        buffer.append(10)
    }
    /// `{"topic":…,"version":…,"ordered":…,"node":…,"payload":…}`; bytes that are no UTF-8 are repaired; `"removed":true` in place of a payload.
    static func append(json value: StoreValue, to buffer: inout ByteBuffer) {
        buffer.append("{\"topic\":")
        JSONText.append(text: value.topic, to: &buffer)
        buffer.append(",\"version\":")
        buffer.append(number: value.version)
        buffer.append(",\"ordered\":\"")
        TimeText.append(Int64(clamping: value.ordered), to: &buffer)
        buffer.append("\",\"node\":")
        buffer.append(number: value.node)
        if value.isRemoved {
            buffer.append(",\"removed\":true}\n")
        } else {
            buffer.append(",\"payload\":")
            JSONText.append(text: String(decoding: value.payload, as: UTF8.self), to: &buffer)
            buffer.append("}\n")
        }
    }
}
