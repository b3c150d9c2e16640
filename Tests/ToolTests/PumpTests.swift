import Client
import Testing
import Tooling
import Wire

@testable import dpub

/// Takes records into a small window that each wait empties; says what it was asked.
private final class WindowSink: RecordSink {
    var tally = Tally()
    var window: Int
    var pending = 0
    var log: [String] = []
    var refused: String?
    var answers = true

    init(window: Int = 100) { self.window = window }
    func topic(_ name: String) throws(ClientError) -> String {
        log.append("topic \(name)")
        if name == refused { throw .refused("topic \(name): no pattern admits it") }
        return name
    }
    func publish(
        _ topic: String, key: ByteView, headers: ByteView, time: Int64, payload: ByteView, retain: Bool
    ) throws(ClientError) -> Bool {
        if pending == window { return false }
        pending += 1
        tally.sent += 1
        log.append("\(topic) \(key.text) \(headers.count) \(time) \(payload.text)\(retain ? " retain" : "")")
        return true
    }
    func flush() throws(ClientError) { log.append("flush") }
    func wait(upTo seconds: Double, reading file: Int32) throws(ClientError) -> Bool {
        if answers {
            tally.acknowledged += UInt64(pending)
            pending = 0
        }
        return true
    }
    func finish(within seconds: Double) throws(ClientError) -> UInt64 {
        _ = try wait(upTo: 0, reading: -1)
        return UInt64(pending)
    }
}

private let silent = ProgressLine(isOn: false, isTerminal: false, now: 0)

/// A short name for an end.
private func name(_ end: PumpEnd) -> String {
    switch end {
    case .ended: "ended"
    case .interrupted: "interrupted"
    case .input(let fault): fault.text(source: "stdin")
    case .reading(let fault): fault.description
    case .client(let error): error.description
    }
}
private func pump(_ input: String, _ sink: WindowSink, _ settings: RecordSettings, times: Int = 1) -> String {
    var source = InputSource(bytes: Array(input.utf8))
    var pump = Pump(CSVFormat(CSVColumns(time: "w", value: "v", hasTopic: settings.topic != nil)), sink, settings, silent)
    return name(pump.run(&source, times: times, isMessage: true))
}

@Test func recordsGetWhatTheCommandLineSays() {
    let sink = WindowSink()
    let end = pump("w,topic,v\n1,a,x\n2,b,y\n3,a,z\n", sink, RecordSettings(key: Array("k".utf8), headers: [1, 0, 97, 0, 0], retain: true))
    #expect(end == "ended")
    #expect(sink.log.filter { $0 != "flush" } == ["topic a", "a k 5 1000000000 x retain", "topic b", "b k 5 2000000000 y retain", "a k 5 3000000000 z retain"])
}

@Test func aFullWindowLosesAndRepeatsNothing() {
    let sink = WindowSink(window: 3)
    let rows = (0..<100).map { "\($0),t,\($0)\n" }.joined()
    #expect(pump("w,topic,v\n" + rows, sink, RecordSettings()) == "ended")
    let payloads = sink.log.filter { $0.hasPrefix("t ") }.compactMap { $0.split(separator: " ").last }
    #expect(payloads == (0..<100).map { "\($0)" })
    #expect(sink.tally.sent == 100)
}

@Test func whatCameBeforeAFaultIsKept() {
    let sink = WindowSink()
    #expect(pump("w,topic,v\n1,a,x\n2,b\n", sink, RecordSettings()) == "stdin:3: column \"v\" is missing (2 fields, header has 3)")
    #expect(sink.tally.sent == 1)
}

@Test(
    "a topic that cannot be published to is named with its line",
    arguments: [("a/+", "stdin:2: topic \"a/+\" has a wildcard: publish to one topic"), ("#", "stdin:2: topic \"#\" has a wildcard: publish to one topic"), ("a\u{0}", "stdin:2: the topic's name has a zero byte")])
func badTopicsAreNamed(_ topic: String, _ message: String) {
    #expect(pump("w,topic,v\n1,\(topic),x\n", WindowSink(), RecordSettings()) == message)
}

@Test func aRefusedTopicEndsTheRun() {
    let sink = WindowSink()
    sink.refused = "b"
    #expect(pump("w,topic,v\n1,a,x\n2,b,y\n3,a,z\n", sink, RecordSettings()) == "topic b: no pattern admits it")
    #expect(sink.tally.sent == 1)
}

@Test func repeatingPublishesTheInputOverAgain() {
    let sink = WindowSink()
    #expect(pump("w,topic,v\n1,a,x\n", sink, RecordSettings(), times: 3) == "ended")
    #expect(sink.log.filter { $0 != "flush" } == ["topic a"] + Array(repeating: "a  0 1000000000 x", count: 3))
}

@Test func aRecordThatExceedsTheLimitWithItsKeyIsRefused() {
    let sink = WindowSink()
    let settings = RecordSettings(topic: "t", key: [UInt8](repeating: 107, count: 1000))
    var source = InputSource(bytes: Array("ok\n".utf8) + [UInt8](repeating: 65, count: Limits.record - 1000))
    var pump = Pump(LineFormat(), sink, settings, silent)
    let end = pump.run(&source, times: 1, isMessage: true)
    #expect(name(end) == "stdin:2: record takes 1,048,600 bytes, the limit is 1,048,576")
    #expect(sink.tally.sent == 1)
}

@Test func keysOverTheirLimitAreRefused() {
    var source = InputSource(bytes: [UInt8](repeating: 107, count: 70_000) + Array(":v\n".utf8))
    var pump = Pump(LineFormat(keySeparator: [58]), WindowSink(), RecordSettings(topic: "t"), silent)
    #expect(name(pump.run(&source, times: 1, isMessage: true)) == "stdin:1: key of 70,000 bytes is over the limit of 65,535")
}

@Test func drainingGivesUpWhenNoAnswerComes() throws {
    let sink = WindowSink()
    sink.answers = false
    var source = InputSource(bytes: Array("a\nb\n".utf8))
    var pump = Pump(LineFormat(), sink, RecordSettings(topic: "t"), silent)
    #expect(name(pump.run(&source, times: 1, isMessage: true)) == "ended")
    #expect(try pump.drain(patience: 0) == 2)
    sink.answers = true
    #expect(try pump.drain(patience: 0) == 0)
}

@Test func filesAreReadInChunksAndAgain() throws {
    let folder = try TemporaryFolder()
    // More than a chunk, with lines across its borders.
    let lines = (0..<60_000).map { "line \($0)" }
    let path = try folder.write("lines", Array(lines.joined(separator: "\n").utf8))
    var source = InputSource(file: try Descriptor.open(path), name: path, owned: true)
    let canRewind = source.canRewind
    #expect(canRewind)
    let sink = WindowSink(window: 1000)
    var pump = Pump(LineFormat(), sink, RecordSettings(topic: "t"), silent)
    #expect(name(pump.run(&source, times: 2, isMessage: false)) == "ended")
    let payloads = sink.log.filter { $0.hasPrefix("t ") }.map { String($0.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: true)[3]) }
    #expect(payloads == lines + lines)
}

@Test func topicsAreFoundAgainAmongThousands() {
    var cache = TopicCache<Int>()
    let names = (0..<5000).map { Array("plant/m\($0)/temperature".utf8) }
    for (index, name) in names.enumerated() {
        name.withView { view in
            #expect(cache.find(view) == nil)
            cache.insert(view, index)
        }
    }
    for (index, name) in names.enumerated().reversed() { #expect(name.withView { cache.find($0) } == index) }
    #expect(Array("plant/m5000/temperature".utf8).withView { cache.find($0) } == nil)
    #expect([UInt8]().withView { cache.find($0) } == nil)
}

@Test(
    "an end leaves its status",
    arguments: [
        (PumpEnd.ended, 0, ClientError?.none, nil),
        (.interrupted, 0, nil, nil),
        (.interrupted, 5, nil, ToolFailure(.unacknowledged, "5 records are not acknowledged")),
        (.ended, 1, nil, ToolFailure(.unacknowledged, "1 record is not acknowledged")),
        (.input(InputFault(line: 3, message: "bad")), 5, nil, ToolFailure(.input, "stdin:3: bad")),
        (.reading(SystemFault("read", 5)), 0, nil, ToolFailure(.failed, "stdin: Input/output error")),
        (.client(.refused("no")), 0, nil, ToolFailure(.notAllowed, "no")),
        (.client(.fenced("gone")), 0, nil, ToolFailure(.failed, "gone")),
        (.ended, 0, .unreachable([(BrokerAddress(host: "h"), "refused")]), ToolFailure(.unreachable, "no broker reached: h:7420 (refused)")),
    ] as [(PumpEnd, UInt64, ClientError?, ToolFailure?)])
func endsLeaveTheirStatus(_ end: PumpEnd, _ missing: UInt64, _ drain: ClientError?, _ failure: ToolFailure?) {
    #expect(JobResult(end: end, source: "stdin", missing: missing, drainFault: drain).failure(Tally()) == failure)
}

@Test func failedRecordsAreStatusThree() {
    let result = JobResult(end: .ended, source: "stdin", missing: 0)
    #expect(result.failure(Tally(failed: 1)) == ToolFailure(.unacknowledged, ""))
}
