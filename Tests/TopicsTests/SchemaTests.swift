import Foundation
import Testing
import Topics
import Wire

@Suite struct SchemaTests {
    private func schema(_ text: String) throws -> Schema {
        let file = "topics:\n  - {pattern: a, level: durable, schema: \(text)}\n"
        return try #require(try TopicsConfiguration.parse(file, file: "t").rule(for: "a")?.schema)
    }
    private func flaw(_ schema: Schema, _ payload: String) -> String? { Array(payload.utf8).withView { schema.flaw(in: $0) } }

    static let reading = """
        {type: object, required: [value, unit], additionalProperties: false, properties: {value: {type: number, minimum: -40, exclusiveMaximum: 85},
         unit: {enum: [C, F, "1"]}, tags: {type: array, maxItems: 2, items: {type: string, minLength: 1, maxLength: 4}},
         at: {type: [integer, null]}, ok: {const: true}}}
        """

    @Test(arguments: [
        (#"{"value": 1, "unit": "C"}"#, nil),
        (#" { "unit" : "F" , "value" : -40.0, "tags":["a","äöü€"], "at":3.0, "ok":true } "#, nil),
        (#"{"value":1,"unit":"\u0043","tags":["\ud83d\ude00abc"],"at":null}"#, nil),
        (#"{"value":85,"unit":"C"}"#, "/value is not less than 85.0"),
        (#"{"value":-40.5,"unit":"C"}"#, "/value is less than -40.0"),
        (#"{"value":"1","unit":"C"}"#, "/value is of the type string, not number"),
        (#"{"value":1,"unit":"K"}"#, #"/unit is none of "C", "F", "1""#),
        (#"{"value":1,"unit":1}"#, #"/unit is none of "C", "F", "1""#),
        (#"{"value":1}"#, "/unit is missing"),
        (#"{}"#, "/value is missing"),
        (#"{"value":1,"unit":"C","more":{}}"#, "/more is no property that may be there"),
        (#"{"value":1,"unit":"C","tags":["a","b","c"]}"#, "/tags has 3 elements, more than 2"),
        (#"{"value":1,"unit":"C","tags":["a",""]}"#, "/tags/1 has 0 characters, fewer than 1"),
        (#"{"value":1,"unit":"C","tags":["abcde"]}"#, "/tags/0 has 5 characters, more than 4"),
        (#"{"value":1,"unit":"C","at":3.5}"#, "/at is of the type number, not null or integer"),
        (#"{"value":1,"unit":"C","ok":false}"#, "/ok is none of true"),
        (#"[1]"#, "the payload is of the type array, not object"),
        (#"21.5"#, "the payload is of the type number, not object"),
        ("", "the payload is not JSON: it breaks off"),
        (#"{"value":1,"unit":"C""#, "the payload is not JSON: it breaks off"),
        (#"{"value":01,"unit":"C"}"#, "/value is not JSON at byte 9"),
        (#"{"value":1,"unit":"C"}}"#, "the payload is not JSON at byte 22"),
        (#"{"value":1,"unit":"\x"}"#, "/unit is not JSON at byte 19"),
    ] as [(String, String?)])
    func aReadingIsAsItsSchemaSaysOrOneIsToldWhatIsNot(payload: String, expected: String?) throws {
        #expect(flaw(try schema(Self.reading), payload) == expected)
    }

    @Test(arguments: [
        ("{type: objekt}", "2:49: type: \"objekt\"; expected null, boolean, integer, number, string, array, object (or a list of them); did you mean \"object\"?"),
        ("{typ: object}", "2:43: unknown key \"typ\"; did you mean \"type\"? known keys here: type, enum, const, minimum, maximum, exclusiveMinimum, exclusiveMaximum, minLength, maxLength, minItems, maxItems, items, properties, required, additionalProperties, title, description"),
        ("{minimum: low}", "2:52: minimum: \"low\"; expected a number as JSON writes it"),
        ("{minLength: 3, maxLength: 2}", "2:54: minLength: 3 is more than maxLength, 2"),
        ("{properties: {value: {}}, required: [valeu]}", "2:79: required: \"valeu\" is no property; did you mean \"value\"?"),
        ("[object]", "2:42: schema: found a list; expected keys and values; write for example type: object"),
    ]) func whatIsNoSchemaIsRefusedWithItsPlace(text: String, expected: String) throws {
        let file = "topics:\n  - {pattern: a, level: durable, schema: \(text)}\n"
        #expect { try TopicsConfiguration.parse(file, file: "t") } throws: { "\($0)" == "t:" + expected }
    }

    @Test func deepNestingIsRefusedAndNotFollowed() throws {
        let any = try schema("{}")
        #expect(flaw(any, String(repeating: "[", count: 64) + String(repeating: "]", count: 64)) == nil)
        #expect(flaw(any, String(repeating: "[", count: 1_000_000))?.hasSuffix(" is nested more than 64 deep") == true)
    }

    /// Foundation's reader is the judge of what is JSON: any text that one of both takes the other takes too.
    @Test func whatIsJSONIsDecidedAsFoundationDoes() throws {
        let any = try schema("{}")
        var random = SystemRandomNumberGenerator()
        let pieces = ["{", "}", "[", "]", ",", ":", "\"a\"", "\"\\u00e4\"", "\"\\", "\"", "1", "-", "0", ".5", "e3", "true", "null", "nul", " ", "\n", "\u{b}", "{\"k\":1}", "[1,2]", "é"]
        let whole = #"{"a":[1,2.5e-3,{"b":"x\n\u20ac","c":[]}],"d":null,"e":true,"f":{}}"#
        var valid = 0
        for round in 0..<40_000 {
            var text = ""
            if round % 2 == 0 {
                for _ in 0..<Int.random(in: 1...6, using: &random) { text += pieces.randomElement(using: &random)! }
            } else {
                var characters = Array(whole)
                for _ in 0..<Int.random(in: 0...2, using: &random) {
                    let place = Int.random(in: 0..<characters.count, using: &random)
                    if Bool.random(using: &random) { characters.remove(at: place) } else { characters.insert(characters.randomElement(using: &random)!, at: place) }
                }
                text = String(characters)
            }
            let isJSON = (try? JSONSerialization.jsonObject(with: Data(text.utf8), options: .fragmentsAllowed)) != nil
            // Foundation takes a comma behind the last element, which RFC 8259 does not.
            if isJSON, text.contains(/,[ \n]*[\]}]/) { continue }
            if isJSON { valid += 1 }
            #expect((flaw(any, text) == nil) == isJSON, "\(text.debugDescription): \(flaw(any, text) ?? "taken")")
        }
        #expect(valid > 1000)
    }
}
