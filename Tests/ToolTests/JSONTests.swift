import Foundation
import Testing
@testable import Tooling
import Wire

@testable import dpub

private func scan(_ text: [UInt8], _ paths: [String] = []) throws -> [String?] {
    var scanner = JSONScanner(paths: paths)
    return try text.withView { view in
        try scanner.scan(view)
        return scanner.found.map { place in place.map { view[$0.range].text } }
    }
}

@Test(
    "what RFC 8259 allows is accepted",
    arguments: [
        "0", "-0", "1.5", "-1.25e+10", "1E5", "0e0", "\"\"", "\"a\\u00e9\\n\\/\\\"\"", "true", "false", "null", "[]", "{}", " [ 1 , 2 ] ",
        "{\"a\":{\"b\":[null,{}]}}", "\"å∫😀\"", "{\"\":1}", "\t{\"a\" :\r1 }", "\"\\ud83d\\ude00\"", "[[[[[[]]]]]]", "\"\u{7F}\"",
    ])
func validJSON(_ text: String) throws {
    _ = try scan(Array(text.utf8))
    // The table itself is checked by another reader.
    #expect(throws: Never.self) { try JSONSerialization.jsonObject(with: Data(text.utf8), options: .fragmentsAllowed) }
}

@Test(
    "what it does not allow is refused at its place",
    arguments: [
        ("", 0, "a value expected at the end"),
        ("  ", 2, "a value expected at the end"),
        ("01", 1, "more behind the value"),
        ("1.", 0, "not a number"),
        (".5", 0, "a value expected, not '.'"),
        ("+1", 0, "a value expected, not '+'"),
        ("-", 0, "not a number"),
        ("1e", 0, "not a number"),
        ("NaN", 0, "a value expected, not 'N'"),
        ("nul", 0, "not a JSON value"),
        ("truE", 0, "not a JSON value"),
        ("[1,]", 3, "a value expected, not ']'"),
        ("[1 2]", 3, "',' or ']' expected, not '2'"),
        ("[1", 2, "',' or ']' expected at the end"),
        ("{\"a\":1,}", 7, "a name in quotes expected, not '}'"),
        ("{a:1}", 1, "a name in quotes expected, not 'a'"),
        ("{\"a\" 1}", 5, "':' expected, not '1'"),
        ("{\"a\":1 \"b\":2}", 7, "',' or '}' expected, not '\"'"),
        ("{\"a\":", 5, "a value expected at the end"),
        ("{'a':1}", 1, "a name in quotes expected, not '''"),
        ("\"a", 0, "string is not closed"),
        ("[\"a\\\"]", 1, "string is not closed"),
        ("\"\\x41\"", 1, "unknown escape"),
        ("\"\\u12g4\"", 1, "\\u needs four hexadecimal digits"),
        ("\"\\u12", 1, "\\u needs four hexadecimal digits"),
        ("\"a\tb\"", 2, "control character 9 in a string"),
        ("{} {}", 3, "more behind the value"),
        ("1 // x", 2, "more behind the value"),
        ("\u{FEFF}1", 0, "a value expected, not byte 239"),
    ])
func invalidJSON(_ text: String, _ offset: Int, _ message: String) {
    #expect(throws: JSONScanner.Fault(offset: offset, message: message)) { try scan(Array(text.utf8)) }
    // The other reader lets a comma before a closing bracket and a byte-order mark pass.
    if !text.hasPrefix("\u{FEFF}"), !text.hasSuffix(",]"), !text.hasSuffix(",}") {
        #expect(throws: (any Error).self) { try JSONSerialization.jsonObject(with: Data(text.utf8), options: .fragmentsAllowed) }
    }
}

@Test(
    "broken UTF-8 in a string is refused",
    arguments: [[0x80], [0xC0, 0x80], [0xC3], [0xE0, 0x80, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xF8, 0x88, 0x80, 0x80, 0x80], [0xFF]]
        as [[UInt8]])
func brokenUTF8IsRefused(_ bytes: [UInt8]) {
    #expect(throws: JSONScanner.Fault(offset: 2, message: "not UTF-8")) { try scan([34, 97] + bytes + [34]) }
    #expect((Array("12345678".utf8) + bytes).withView { $0.firstInvalidUTF8 } == 8)
    #expect(String(validating: bytes, as: UTF8.self) == nil)
}

@Test func nestingIsLimited() throws {
    let deep = { (levels: Int) in [UInt8](repeating: 91, count: levels) + [UInt8](repeating: 93, count: levels) }
    _ = try scan(deep(256))
    #expect(throws: JSONScanner.Fault(offset: 256, message: "more than 256 levels")) { try scan(deep(257)) }
    #expect(throws: (any Error).self) { try scan([UInt8](repeating: 91, count: 1_000_000)) }
}

@Test(
    "fields are found by path",
    arguments: [
        (#"{"a":1,"b":"x"}"#, "a", "1"),
        (#"{"a":1,"b":"x"}"#, "b", "x"),
        (#"{"a":{"b":{"c":[1,2]}}}"#, "a.b.c", "[1,2]"),
        (#"{"a":{"b":1},"b":2}"#, "b", "2"),
        (#"{"a":{"b":1}}"#, "b", nil),
        (#"{"a":1,"a":2}"#, "a", "2"),
        (#"{"\u0061":5}"#, "a", "5"),
        (#"[{"a":1}]"#, "a", nil),
        (#"{"x":{"a":1},"a": { } }"#, "a", "{ }"),
        (#"5"#, "a", nil),
    ] as [(String, String, String?)])
func fieldsAreFound(_ text: String, _ path: String, _ value: String?) throws {
    // A second path must not disturb the first.
    #expect(try scan(Array(text.utf8), [path, "zz.y"]) == [value, nil])
}

@Test func stringsSurviveWritingAndReading() throws {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<300 {
        let scalars = (0..<Int.random(in: 0...20, using: &random)).compactMap { _ in
            Unicode.Scalar(UInt32.random(in: 0...(Bool.random(using: &random) ? 0x7F : 0x1FFFF), using: &random))
        }
        var text = ""
        text.unicodeScalars.append(contentsOf: scalars)
        var written = ByteBuffer(capacity: 8)
        JSONText.append(text: text, to: &written)
        let bytes = written.view.array
        _ = try scan(bytes)
        let read = try JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed) as? String
        #expect(read.map { Array($0.unicodeScalars) } == scalars)
        var back = ByteBuffer(capacity: 8)
        bytes.withView { JSONText.appendUnescaped($0[1..<$0.count - 1], to: &back) }
        #expect(back.view.array == Array(text.utf8))
    }
}

@Test(
    "escapes stand for their characters",
    arguments: [
        (#"\ud83d\ude00"#, "😀"), (#"\u00e9\b\f\n\r\t\/\\\""#, "é\u{8}\u{C}\n\r\t/\\\""), (#"\ud83d"#, "\u{FFFD}"), (#"\ud83dx"#, "\u{FFFD}x"),
        (#"\ud83d\u0041"#, "\u{FFFD}A"), (#"\ude00"#, "\u{FFFD}"), (#"a\u0000b"#, "a\u{0}b"),
    ])
func escapesStandForCharacters(_ text: String, _ value: String) {
    var buffer = ByteBuffer(capacity: 8)
    Array(text.utf8).withView { JSONText.appendUnescaped($0, to: &buffer) }
    #expect(buffer.view.text == value)
}

@Test(
    "JSON lines become records wherever the input is split",
    arguments: [
        ("{\"t\":\"a\",\"w\":5}\n{\"t\":\"b\",\"w\":\"2026-11-21T10:00:00Z\"}", ["a|-|1970-01-01T00:00:05Z|{\"t\":\"a\",\"w\":5}", "b|-|2026-11-21T10:00:00Z|{\"t\":\"b\",\"w\":\"2026-11-21T10:00:00Z\"}"], nil),
        ("\n \r\n\t\n", [], nil),
        ("\u{FEFF}{\"t\":\"a\",\"w\":0}\r\n", ["a|-|1970-01-01T00:00:00Z|{\"t\":\"a\",\"w\":0}"], nil),
        ("{\"t\":\"x\\/y\",\"w\":0}\n", ["x/y|-|1970-01-01T00:00:00Z|{\"t\":\"x\\/y\",\"w\":0}"], nil),
        ("{\"t\":\"a\",\"w\":0}\n{\"t\":}\n", ["a|-|1970-01-01T00:00:00Z|{\"t\":\"a\",\"w\":0}"], "stdin:2:6: a value expected, not '}'"),
        ("{\"w\":0}\n", [], "stdin:1: field \"t\" is missing"),
        ("{\"t\":7,\"w\":0}\n", [], "stdin:1:6: field \"t\" is not a string"),
        ("{\"t\":\"a\"}\n", [], "stdin:1: field \"w\" is missing"),
        ("{\"t\":\"a\",\"w\":\"noon\"}\n", [], "stdin:1:15: field \"w\": \"noon\" is not a time"),
        ("{\"t\":\"a\",\"w\":1e9}\n", [], "stdin:1:14: field \"w\": \"1e9\" is not a time"),
        ("{\"t\":\"a\",\"w\":true}\n", [], "stdin:1:14: field \"w\": \"true\" is not a time"),
        ("{\"t\":\n\"a\"}\n", [], "stdin:1:6: a value expected at the end"),
    ] as [(String, [String], String?)])
func jsonLinesBecomeRecords(_ input: String, _ records: [String], _ fault: String?) {
    let result = cutEverywhere(input) { JSONFormat(topicField: "t", timeField: "w", needsTopic: true) }
    #expect(result.records == records)
    #expect(result.fault == fault)
}

@Test func withoutTheFieldTheGivenTopicStands() {
    let result = cutEverywhere("{\"v\":1}\n[1]\n") { JSONFormat(topicField: "t", timeField: nil, needsTopic: false) }
    #expect(result.records == ["-|-|-|{\"v\":1}", "-|-|-|[1]"])
}
