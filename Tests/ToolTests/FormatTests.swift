import Foundation
import Testing
@testable import Tooling
import Wire

@testable import dpub
@testable import dsub

/// What a record is made of, owned; `printed` lends it.
struct Sample: Sendable {
    var topic = "plant/m1"
    var key: [UInt8] = Array("k1".utf8)
    var payload: [UInt8] = Array("21.5".utf8)
    var headers: [(String, String)] = []
    var offset: UInt64 = 7

    func printed(_ format: (Printable, inout ByteBuffer) -> Void) -> String {
        var bytes: [UInt8] = []
        for (name, value) in headers {
            bytes.append(text: name)
            bytes.append(text: value)
        }
        let headers = bytes
        return key.withView { key in
            payload.withView { payload in
                headers.withView { headers in
                    let record = Printable(
                        topic: topic, key: key, payload: payload, headers: headers, offset: offset, time: 1_795_255_200_250_000_000,
                        ordered: 1_795_255_200_251_000_001, node: 2)
                    var output = ByteBuffer(capacity: 8)
                    format(record, &output)
                    return output.view.text
                }
            }
        }
    }
}

@Test(
    "templates print what they name",
    arguments: [
        ("%s\\n", "21.5\n"), ("%t %k %s %o", "plant/m1 k1 21.5 7"), ("%T|%S|%n", "2026-11-21T10:00:00.25Z|4|2"), ("%h", "unit=C,x="), ("100%%\\t\\\\\\x41", "100%\t\\A"),
        ("", ""), ("plain é", "plain é"), ("%%s", "%s"), ("\\0", "\u{0}"),
    ])
func templatesPrintWhatTheyName(_ template: String, _ text: String) throws {
    let parsed = try Template(parsing: template)
    #expect(Sample(headers: [("unit", "C"), ("x", "")]).printed { parsed.append($0, to: &$1) } == text)
}

@Test(
    "wrong templates are refused by position",
    arguments: [
        ("%q", "-f: unknown escape %q at position 1"), ("ab%", "-f: a % at the end, at position 3"), ("%s %é", "-f: unknown escape %é at position 4"),
        ("a\\y", "-f: unknown escape \\y at position 2"), ("a\\", "-f: a backslash at the end at position 2"), ("\\x1", "-f: \\x needs two hexadecimal digits at position 1"),
    ])
func wrongTemplatesAreRefused(_ template: String, _ message: String) {
    #expect(throws: ToolFailure(.usage, message)) { try Template(parsing: template) }
}

@Test func jsonNamesEveryPart() throws {
    let text = Sample(headers: [("unit", "°C")]).printed { JSONWriter.append($0, to: &$1) }
    #expect(
        text
            == #"{"topic":"plant/m1","key":"k1","payload":"21.5","offset":7,"time":"2026-11-21T10:00:00.25Z","ordered":"2026-11-21T10:00:00.251000001Z","node":2,"headers":{"unit":"°C"}}"#
            + "\n")
}

@Test func jsonLeavesOutEmptyKeysAndHeaders() {
    let text = Sample(key: []).printed { JSONWriter.append($0, to: &$1) }
    #expect(!text.contains("key") && !text.contains("headers"))
}

@Test(
    "any payload survives JSON",
    arguments: [Array("{\"a\":\"b\\n\"}".utf8), [], [0], [0xFF], [0xFF, 0x00], [1, 2, 0xFE], Array("line\nline\t\"\\".utf8), Array("😀".utf8), Array(0...255)] as [[UInt8]])
func anyPayloadSurvivesJSON(_ payload: [UInt8]) throws {
    let text = Sample(key: payload, payload: payload).printed { JSONWriter.append($0, to: &$1) }
    #expect(text.hasSuffix("\n") && !text.dropLast().contains("\n"))
    let object = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    if let plain = object["payload"] as? String {
        #expect(Array(plain.utf8) == payload)
        #expect(payload.isEmpty || Array((object["key"] as? String ?? "").utf8) == payload)
    } else {
        let encoded = try #require(object["payload_base64"] as? String)
        #expect(encoded == Data(payload).base64EncodedString())
        #expect(object["key_base64"] as? String == encoded)
    }
}

@Test(
    "any payload survives a table and its reader",
    arguments: ["21.5", "", "a,b", "say \"hi\"", "two\nlines", "cr\r", "\"", ",", " x "])
func anyPayloadSurvivesCSV(_ payload: String) {
    let row = Sample(payload: Array(payload.utf8)).printed { CSVWriter.append($0, to: &$1) }
    let result = cut(Array("topic,key,offset,time,payload\n\(row)".utf8)) { CSVFormat(CSVColumns(key: "key", value: "payload")) }
    #expect(result.records == ["plant/m1|k1|2026-11-21T10:00:00.25Z|\(payload)"])
    #expect(result.fault == nil)
}

@Test func hexShowsEveryByte() {
    #expect(Sample(payload: [0, 15, 16, 255]).printed { HexWriter.append($0.payload, to: &$1) } == "000f10ff")
}

@Test func tablesAlignAndNeverExceedTheirWidth() {
    var table = TableWriter(width: 60, colours: false)
    let samples = [
        Sample(topic: "a", key: []), Sample(), Sample(topic: String(repeating: "t", count: 50)), Sample(payload: Array(String(repeating: "é", count: 200).utf8)),
        Sample(payload: Array("a\u{1B}[31m\nb\u{9B}".utf8)),
    ]
    let lines = samples.map { sample in sample.printed { table.append($0, to: &$1) } }
    #expect(lines[0] == "10:00:00.251  a         21.5\n")
    #expect(lines[1] == "10:00:00.251  plant/m1  k1  21.5\n")
    #expect(lines[2] == "10:00:00.251  \(String(repeating: "t", count: 23))…  k1  21.5\n")
    #expect(lines[3].hasSuffix("…\n"))
    #expect(lines.allSatisfy { $0.unicodeScalars.count <= 61 })
    #expect(lines[4].hasSuffix("a·[31m·b·\n"))
}

@Test func colourIsOnlyThereWhenWanted() {
    var table = TableWriter(width: 60, colours: true)
    #expect(Sample(key: []).printed { table.append($0, to: &$1) } == "\u{1B}[2m10:00:00.251\u{1B}[0m  \u{1B}[36mplant/m1\u{1B}[0m  21.5\n")
}

/// Prints one record the way the tool does.
private func printed(_ sample: Sample, _ format: WatchPlan.Output, topic: Bool = false, field: String? = nil) -> String? {
    var result: String?
    _ = sample.printed { record, _ in
        var printer = Printer(format, showsTopic: topic, field: field, width: 80, colours: false)
        result = printer.append(record) ? printer.output.view.text : nil
    }
    return result
}

@Test func formatsEndTheirRecordsAsTheyPromise() {
    #expect(printed(Sample(), .raw) == "21.5")
    #expect(printed(Sample(), .text) == "21.5\n")
    #expect(printed(Sample(), .text, topic: true) == "plant/m1 21.5\n")
    #expect(printed(Sample(), .hex, topic: true) == "plant/m1 32312e35\n")
    #expect(printed(Sample(), .csv) == "topic,key,offset,time,payload\nplant/m1,k1,7,2026-11-21T10:00:00.25Z,21.5\n")
}

@Test(
    "a field stands for its payload",
    arguments: [
        (#"{"a":{"b":1.50}}"#, "a.b", "1.50\n"), (#"{"a":{"b":"x\ny"}}"#, "a.b", "x\ny\n"), (#"{"a":{"b":[1, 2]}}"#, "a.b", "[1, 2]\n"), (#"{"a":1}"#, "a.b", nil),
        ("not JSON", "a", nil), (#"{"a":null}"#, "a", "null\n"),
    ] as [(String, String, String?)])
func aFieldStandsForItsPayload(_ payload: String, _ field: String, _ text: String?) {
    #expect(printed(Sample(payload: Array(payload.utf8)), .text, field: field) == text)
}

@Test func momentsAgreeWithTheSumsThatDefineThem() {
    var random = SystemRandomNumberGenerator()
    let values = (0..<1000).map { _ in Double.random(in: 0...10, using: &random) + 1e6 }
    var whole = Moments()
    for value in values { whole.add(value) }
    var merged = Moments()
    for part in [values[0..<1], values[1..<400], values[400..<400], values[400..<1000]] {
        var moments = Moments()
        for value in part { moments.add(value) }
        merged.add(moments)
    }
    let mean = values.reduce(0, +) / 1000
    let deviation = (values.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / 1000).squareRoot()
    for moments in [whole, merged] {
        #expect(moments.count == 1000)
        #expect(abs(moments.mean - mean) < 1e-6)
        #expect(abs(moments.deviation - deviation) < 1e-6)
        #expect(moments.min == values.min() && moments.max == values.max())
    }
    #expect(Moments().deviation == 0)
}

@Test func aMeterReportsIntervalsAndSumsThemUp() {
    var meter = Meter([.rate, .bandwidth], now: 100)
    for index in 0..<10 { meter.add(topic: "a", size: 100, delay: 0.001, now: 100 + Double(index) / 10) }
    meter.add(topic: "b", size: 50, delay: 0.001, now: 100.95)
    #expect(!meter.isDue(100.9))
    #expect(meter.isDue(101))
    #expect(
        meter.report(now: 101) == [
            "a: 10/s · gap min 100 ms mean 100 ms max 100 ms std 0.00 ns · 1 kB/s · size min 100 B mean 100 B max 100 B std 0 B",
            "b: 1/s · 50 B/s · size min 50 B mean 50 B max 50 B std 0 B",
            "all: 11/s · gap min 50.0 ms mean 95.0 ms max 100 ms std 15.0 ms · 1.1 kB/s · size min 50 B mean 95 B max 100 B std 14 B",
        ].map { $0 })
    meter.add(topic: "a", size: 100, delay: 0.001, now: 101.9)
    let second = meter.report(now: 102)
    // One topic: no line over all. The gap reaches back across the border of the interval.
    #expect(second == ["a: 1/s · gap min 1.00 s mean 1.00 s max 1.00 s std 0 s · 100 B/s · size min 100 B mean 100 B max 100 B std 0 B"])
    let summary = meter.summary(now: 102)
    #expect(summary[0] == "summary of 2.00 s: 12 records")
    #expect(summary.count == 4)
    #expect(summary[3].hasPrefix("all: 6/s"))
}

@Test func aMeterListsTheBusiestTopicsFirstAndNotAll() {
    var meter = Meter([.rate], now: 0)
    for topic in 0..<30 { for _ in 0...topic { meter.add(topic: "t\(topic)", size: 1, delay: 0, now: 0.5) } }
    let lines = meter.report(now: 1)
    #expect(lines.count == 22)
    #expect(lines[0].hasPrefix("t29: 30/s"))
    #expect(lines[20] == "… 10 more topics")
    #expect(lines[21].hasPrefix("all: 465/s"))
    #expect(meter.report(now: 2) == ["all: 0/s"])
}
