import TestClock
import Testing
import Topics
import Wire

@Suite struct FilterTests {
    /// Whether `filter` admits a record with these contents.
    private func admits(
        _ filter: String, _ payload: String, topic: String = "plant/m1", key: String = "k7", headers: [(String, String)] = []
    ) throws -> Bool {
        let compiled = try Filter(filter)
        var run: [UInt8] = []
        for (name, value) in headers {
            run.append(text: name)
            run.append(text: value)
        }
        var builder = BatchBuilder()
        Array(payload.utf8).withView { payload in
            Array(key.utf8).withView { key in
                run.withView { builder.append(topic: TopicID(0), time: 0, key: key, headers: $0, payload: payload) }
            }
        }
        let batch = builder.finish(publisher: PublisherID(1), epoch: 1, sequence: 1, group: GroupID(0))
        return batch.withView { batch in
            Array(topic.utf8).withView { compiled.admits(RecordView(batch.from(BatchHeader.size)), topic: $0) }
        }
    }

    private static let reading = #"{"value": 81.5, "unit": "C", "ok": true, "none": null, "deep": {"er": {"n": -2e1}, "list": [1, {"x": "y"}]}, "text": "7"}"#

    @Test(arguments: [
        ("value > 80 and unit == \"C\"", true), ("value > 82 or unit == \"C\"", true), ("value > 82 and unit == \"C\"", false),
        ("value >= 81.5", true), ("value <= 81.5", true), ("value < 81.5", false), ("value != 81.5", false), ("80 < value", true),
        ("not value > 80", false), ("not (value > 80 and unit == \"F\")", true), ("not not ok", true),
        ("ok", true), ("ok == true", true), ("ok != false", true), ("none", false), ("none == null", true), ("missing", false),
        ("deep.er.n == -20", true), ("deep.list.1.x == \"y\"", true), ("deep.list.0 == 1", true), ("deep.list.2 == 1", false),
        ("deep.er", false), ("deep", false), ("json:deep.\"er\".n < 0", true), ("unit.x == \"C\"", false),
        // Strings of JSON are no numbers, and what is missing compares with nothing.
        ("text == 7", false), ("text != 7", true), ("text == \"7\"", true), ("missing != 7", false), ("not missing == 7", true),
        ("unit < \"D\"", true), ("unit > \"C\"", false), ("unit >= \"\"", true), ("ok > false", false),
        ("topic == \"plant/m1\"", true), ("key == \"k7\"", true), ("topic >= \"plant/\" and topic < \"plant0\"", true),
        ("json:topic == \"plant/m1\"", false),
        // "and" binds more than "or", "not" more than both.
        ("ok or ok and missing", true), ("(ok or ok) and missing", false), ("not missing and ok", true), ("missing or missing or ok", true),
        ("ok and ok and missing", false), ("1 == 1", true), ("1 == 2", false),
    ])
    func aFilterSaysOfAReading(_ filter: String, _ answer: Bool) throws {
        #expect(try admits(filter, Self.reading) == answer)
    }

    @Test(arguments: [
        ("column:2 > 80", "m1,81,C", true), ("column:3 == \"C\"", "m1,81,C\r\n", true), (#"column:1 == "a \"b\"""#, #""a ""b""",2"#, true), ("column:2 == 2", #""a,b",2"#, true), ("column:4", "m1,81,C", false),
        ("column:2 == 81", "m1, 81 ,C", true), ("column:2 == \"\"", "a,,c", true), ("column:1 == 5", "\"5", true),
        ("payload == 12.5", "12.5\n", true), ("payload > \"a\"", "b", true), ("payload == 12", "twelve", false), ("payload != 12", "twelve", true),
    ])
    func aFilterSaysOfARow(_ filter: String, _ row: String, _ answer: Bool) throws { #expect(try admits(filter, row) == answer) }

    @Test func headersAreFoundByName() throws {
        let headers = [("unit", "C"), ("place", "7"), ("unit", "F")]
        #expect(try admits("header:unit == \"C\" and header:place < 8", "", headers: headers))
        #expect(try !admits("header:other", "", headers: headers))
        #expect(try admits("header:\"unit\"", "", headers: headers))
    }

    @Test(arguments: [
        (#"{"a":"\u00e9\n\"x\""}"#, "a == \"é\n\\\"x\\\"\"", true), (#"{"a":"\ud83d\ude00"}"#, "a == \"😀\"", true),
        (#"{"\u0061":1}"#, "a == 1", true), (#"{"a":{"b":1},"b":2}"#, "b == 2", true), (#"{"x":"}","a":1}"#, "a == 1", true),
        (#"{"x":"\"}","a":1}"#, "a == 1", true), (#" { "a" : 1 } "#, "a == 1", true), (#"{"a":1,"a":2}"#, "a == 1", true),
        (#"{"a":"\ud800"}"#, "a == \"\u{FFFD}\"", true),
        // What breaks off, or is no JSON, has what was found before, or nothing.
        (#"{"a":1,"b""#, "a == 1", true), (#"{"a""#, "a", false), ("{", "a", false), ("", "a", false), ("[1,2", "a", false), (#"{"a":"#, "a", false),
        (#"{"a":"x"#, "a", false), (#"{"a":tru}"#, "a", false), ("12", "a", false), (#"{"a":01}"#, "a", false), (#"{a:1}"#, "a", false),
        (#"{"a":1e400}"#, "a > 1", true), (#"{"a":123456789012345678901234567890}"#, "a > 1e29", true), (#"{"a":0.1}"#, "a == 0.1", true),
    ])
    func fieldsAreFoundWhateverStandsAround(_ payload: String, _ filter: String, _ answer: Bool) throws {
        #expect(try admits(filter, payload) == answer)
    }

    @Test(arguments: [
        ("", "filter, column 1: a field or a value expected, not the end"),
        ("value >", "filter, column 8: a field or a value expected, not the end"),
        ("value = 1", "filter, column 7: \"==\" expected, not \"=\""),
        ("value ! 1", "filter, column 7: \"!=\" or \"not\" expected, not \"!\""),
        ("(value > 1", "filter, column 11: \"and\", \"or\" or \")\" expected, not the end"),
        ("value > 1 unit", "filter, column 11: \"and\", \"or\" or the end expected, not \"unit\""),
        ("größe > 1)", "filter, column 10: \"and\", \"or\" or the end expected, not \")\""),
        ("and 1", "filter, column 1: a field or a value expected, not \"and\""),
        ("a == \"x", "filter, column 8: a closing \" expected, not the end"),
        ("a == 1x", "filter, column 6: a number expected, not \"1x\""),
        ("a.", "filter, column 3: a field's name expected, not the end"),
        ("column:0 > 1", "filter, column 8: a column's number, from 1 to 4096, expected, not \"0\""),
        ("colum:1", "filter, column 6: \"json:\", \"header:\" or \"column:\", a comparison, \"and\", \"or\" or the end expected, not \":\""),
        ("a & b", "filter, column 3: a field, a value, a comparison, \"and\", \"or\", \"not\" or a parenthesis expected, not \"&\""),
        ("a < b < c", "filter, column 7: \"and\", \"or\" or the end expected, not \"<\""),
    ])
    func aWrongFilterIsRefusedWithItsColumnAndWhatWasExpected(_ filter: String, _ message: String) {
        #expect(refusal { () throws(FilterError) in try Filter(filter) } == message)
    }

    @Test func lengthDepthAndPathsEndAtTheirLimits() throws {
        let nots = String(repeating: "not ", count: Limits.filterDepth - 1)
        _ = try Filter(nots + "a")
        #expect(refusal { () throws(FilterError) in try Filter("not " + nots + "a") }.contains("at most 64 parentheses and nots"))
        #expect(refusal { () throws(FilterError) in try Filter(String(repeating: "(", count: 4000)) }.contains("at most 64 parentheses and nots"))
        let path = String(repeating: ".a", count: Limits.filterDepth - 1)
        _ = try Filter("a" + path)
        #expect(refusal { () throws(FilterError) in try Filter("a.a" + path) }.contains("a path of at most 64 names"))
        #expect(refusal { () throws(FilterError) in try Filter(String(repeating: "a", count: Limits.filter + 1)) }.contains("at most 4096 bytes"))
    }

    /// A tree of comparisons of known truth: the program must answer what the tree says, short cuts and all.
    private indirect enum Tree {
        case leaf(Bool), not(Tree), and(Tree, Tree), or(Tree, Tree)

        static func random(_ depth: Int, _ random: inout SeededNumbers) -> Tree {
            switch Int.random(in: 0..<(depth == 0 ? 1 : 4), using: &random) {
            case 0: .leaf(Bool.random(using: &random))
            case 1: .not(Self.random(depth - 1, &random))
            case 2: .and(Self.random(depth - 1, &random), Self.random(depth - 1, &random))
            default: .or(Self.random(depth - 1, &random), Self.random(depth - 1, &random))
            }
        }
        var truth: Bool {
            switch self {
            case .leaf(let truth): truth
            case .not(let tree): !tree.truth
            case .and(let a, let b): a.truth && b.truth
            case .or(let a, let b): a.truth || b.truth
            }
        }
        var text: String {
            switch self {
            case .leaf(let truth): truth ? "n < 5" : "n > 5"
            case .not(let tree): "not (\(tree.text))"
            case .and(let a, let b): "(\(a.text)) and (\(b.text))"
            case .or(let a, let b): "(\(a.text)) or (\(b.text))"
            }
        }
    }

    @Test func aProgramAnswersWhatItsTreeSays() throws {
        var random = SeededNumbers(seed: 11)
        for _ in 0..<scaled(2_000) {
            let tree = Tree.random(6, &random)
            guard tree.text.utf8.count <= Limits.filter else { continue }
            #expect(try admits(tree.text, #"{"n":3}"#) == tree.truth, "\(tree.text)")
        }
    }

    @Test func numbersAreReadAsTheLibraryReadsThem() throws {
        var random = SeededNumbers(seed: 12)
        for _ in 0..<scaled(20_000) {
            let digits = String(Int.random(in: 0...10_000_000_000, using: &random) >> Int.random(in: 0...30, using: &random))
            var text = (Bool.random(using: &random) ? "-" : "") + digits
            if Bool.random(using: &random) { text += "." + String(Int.random(in: 0...99_999, using: &random)) }
            if Bool.random(using: &random) { text += "e" + String(Int.random(in: -40...40, using: &random)) }
            #expect(try admits("n == \(text)", "{\"n\":\(text)}"))
            #expect(try admits("payload == \(text)", String(Double(text)!)), "\(text)")
        }
    }
}
