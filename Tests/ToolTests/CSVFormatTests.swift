import Testing
import Wire

@testable import dpub

/// A table and what becomes of it.
struct CSVCase: Sendable, CustomTestStringConvertible {
    var name: String
    var input: String
    var columns = CSVColumns()
    var records: [String] = []
    var fault: String?
    var testDescription: String { name }

    init(_ name: String, _ input: String, _ columns: CSVColumns = CSVColumns(), _ records: [String] = [], fault: String? = nil) {
        self.name = name
        self.input = input
        self.columns = columns
        self.records = records
        self.fault = fault
    }
}

private let value = CSVColumns(value: "value")
private let given = CSVColumns(hasTopic: true)

private let tables: [CSVCase] = [
    CSVCase("bare values", "topic,value\na,1\nb,2\n", value, ["a|-|-|1", "b|-|-|2"]),
    CSVCase("the remaining columns as JSON", "topic,x,y\na,1,two\n", CSVColumns(), [#"a|-|-|{"x":1,"y":"two"}"#]),
    CSVCase("nothing remains", "topic\na\n", CSVColumns(), ["a|-|-|{}"]),
    CSVCase("no line end at the end", "topic,value\na,1", value, ["a|-|-|1"]),
    CSVCase("carriage returns", "topic,value\r\na,1\r\nb,2\r", value, ["a|-|-|1", "b|-|-|2"]),
    CSVCase("a byte-order mark", "\u{FEFF}topic,value\na,1\n", value, ["a|-|-|1"]),
    CSVCase("a quoted header", "\"topic\",\"val\"\"ue\"\na,1\n", CSVColumns(), [#"a|-|-|{"val\"ue":1}"#]),
    CSVCase("empty lines", "topic,value\n\na,1\r\n\r\n\nb,2\n", value, ["a|-|-|1", "b|-|-|2"]),
    CSVCase("quoted commas, quotes and line ends", "topic,value\na,\"1,\"\"2\"\"\r\n3\"\nb,4\n", value, ["a|-|-|1,\"2\"\r\n3", "b|-|-|4"]),
    CSVCase("an empty quoted value", "topic,value\na,\"\"\n", value, ["a|-|-|"]),
    CSVCase("four quotes are one", "topic,value\na,\"\"\"\"\n", value, ["a|-|-|\""]),
    CSVCase("an empty value", "topic,value\na,\n", value, ["a|-|-|"]),
    CSVCase(
        "only JSON's numbers go unquoted", "topic,a,b,c,d,e,f,g\nt,1,-2.5e3,007,+1,.5,NaN,\n", CSVColumns(),
        [#"t|-|-|{"a":1,"b":-2.5e3,"c":"007","d":"+1","e":".5","f":"NaN","g":""}"#]),
    CSVCase("JSON escapes", "topic,a\nt,\"q\"\"\\\t\u{1}\n\"\n", CSVColumns(), [#"t|-|-|{"a":"q\"\\\t\u0001\n"}"#]),
    CSVCase("a given topic stands for all rows", "topic,value\na,1\n", given, [#"-|-|-|{"topic":"a","value":1}"#]),
    CSVCase("an empty cell falls back to the given topic", "n,v\na,1\n,2\n", CSVColumns(topic: "n", value: "v", hasTopic: true), ["a|-|-|1", "-|-|-|2"]),
    CSVCase(
        "key and time", "when,topic,id,v\n2026-11-21 10:00:00,a,k1,5\n", CSVColumns(key: "id", time: "when"),
        [#"a|k1|2026-11-21T10:00:00Z|{"v":5}"#]),
    CSVCase("a timestamp column by itself", "timestamp,topic,v\n1700000000,a,5\n", CSVColumns(), [#"a|-|2023-11-14T22:13:20Z|{"v":5}"#]),
    CSVCase("a time column by itself", "time,topic,v\n0,a,5\n", CSVColumns(), [#"a|-|1970-01-01T00:00:00Z|{"v":5}"#]),
    CSVCase("timestamp before time", "time,timestamp,topic\n5,7,a\n", CSVColumns(), [#"a|-|1970-01-01T00:00:07Z|{"time":5}"#]),
    CSVCase("a header alone", "topic,value\n"),
    CSVCase("nothing at all", ""),

    CSVCase("too few fields", "topic,x,value\na,1,2\nb\n", value, ["a|-|-|2"], fault: "stdin:3: column \"x\" is missing (1 field, header has 3)"),
    CSVCase("one field short", "topic,x,value\nb,1\n", value, fault: "stdin:2: column \"value\" is missing (2 fields, header has 3)"),
    CSVCase("too many fields", "topic,value\na,1,2\n", value, fault: "stdin:2:5: 3 fields, header has 2"),
    CSVCase("a quote in a plain field", "topic,value\na,1\"2\n", value, fault: "stdin:2:4: a quote within a field that does not begin with one"),
    CSVCase("text behind a quoted field", "topic,value\na,\"1\"2\n", value, fault: "stdin:2:6: more behind the closing quote"),
    CSVCase("a carriage return behind a quoted field", "topic,value\na,\"1\"\rx\n", value, fault: "stdin:2:6: more behind the closing quote"),
    CSVCase("a quote that stays open", "topic,value\na,1\nb,\"2\n3\n", value, ["a|-|-|1"], fault: "stdin:3:3: quoted field is not closed"),
    CSVCase("the line within a row of several", "topic,value\n\"a\nb\",1\"\n", value, fault: "stdin:3:5: a quote within a field that does not begin with one"),
    CSVCase("lines are counted within quotes", "topic,value\n\"a\nb\",1\nc\n", value, ["a\nb|-|-|1"], fault: "stdin:4: column \"value\" is missing (1 field, header has 2)"),
    CSVCase("no such column", "topic,v\na,1\n", value, fault: "stdin:1: there is no column \"value\" (columns: topic, v)"),
    CSVCase("no topic column", "a,b\n1,2\n", fault: "stdin:1: there is no column \"topic\" (columns: a, b); give TOPIC or --topic-column"),
    CSVCase("a column twice", "topic,a,a\n", fault: "stdin:1:9: column \"a\" comes twice"),
    CSVCase("an empty topic", "topic,value\na,1\n,2\n", value, ["a|-|-|1"], fault: "stdin:3:1: column \"topic\" is empty"),
    CSVCase("a bad time", "timestamp,topic\n2026-13-01 00:00:00,a\n", fault: "stdin:2:1: column \"timestamp\": \"2026-13-01 00:00:00\" is not a time"),
    CSVCase("an empty time", "topic,timestamp\na,\n", fault: "stdin:2:3: column \"timestamp\": \"\" is not a time"),
]

@Test("tables become records wherever the input is split", arguments: tables)
func tablesBecomeRecords(_ table: CSVCase) {
    let result = cutEverywhere(table.input) { CSVFormat(table.columns) }
    #expect(result.records == table.records)
    #expect(result.fault == table.fault)
}

@Test func aCellThatIsNotUTF8IsRefusedInJSONAndPassedAsAValue() {
    let input = Array("topic,v\na,".utf8) + [0xFF, 10]
    #expect(cutEverywhere(input) { CSVFormat(CSVColumns()) }.fault == "stdin:2:3: column \"v\" is not UTF-8")
    #expect(cutEverywhere(input) { CSVFormat(CSVColumns(value: "v")) }.fault == nil)
}

@Test func aRowOverTheLimitIsNamed() {
    let input = Array("topic,v\na,\"".utf8) + [UInt8](repeating: 10, count: Limits.record)
    #expect(cut(input, sizes: [input.count]) { CSVFormat(CSVColumns()) }.fault == "stdin:2: row is longer than the limit of 1,048,576 bytes")
}

@Test func aRestartReadsTheHeaderAgain() throws {
    var format = CSVFormat(CSVColumns(value: "v"))
    var payloads: [String] = []
    for table in ["topic,v\na,1\n", "v,topic\n2,b\n"] {
        var rest = Array(table.utf8)[...]
        while !rest.isEmpty {
            try Array(rest).withView { bytes in
                switch try format.next(bytes, atEnd: true) {
                case .record(let record, let length):
                    payloads.append("\(record.topic?.text ?? "-") \(record.payload.text)")
                    rest = rest.dropFirst(length)
                case .skip(let length): rest = rest.dropFirst(length)
                case .more, .end: Issue.record("no record")
                }
            }
        }
        format.restart()
    }
    #expect(payloads == ["a 1", "b 2"])
}
