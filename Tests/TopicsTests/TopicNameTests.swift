import TestClock
import Testing
import Topics
import Wire

@Suite struct TopicNameTests {
    @Test(arguments: ["a", "/", "/a", "a//b", "sensors/room 1/t", "straße/größe", "温度/室", "a.b/c-d_e", "😀", "a..b", "..", "a$"])
    func aNameOfMQTTsRulesIsAccepted(_ text: String) throws {
        let name = try TopicName(text)
        #expect(name.text == text)
        let same = try Array(text.utf8).withView { view throws(TopicError) in try TopicName(view) }
        #expect(same == name)
    }

    @Test(arguments: [
        ("", "topic name is empty; give the topic at least one character"),
        ("a/+/b", "topic name has the wildcard \"+\" at byte 2; name one topic; wildcards are for subscriptions and rules"),
        ("ü#", "topic name has the wildcard \"#\" at byte 2; name one topic; wildcards are for subscriptions and rules"),
        ("a\0", "topic name has the control character U+0000 at byte 1; leave control characters out"),
        ("a\nb", "topic name has the control character U+000A at byte 1; leave control characters out"),
        ("\u{7F}", "topic name has the control character U+007F at byte 0; leave control characters out"),
        ("é\u{85}", "topic name has the control character U+0085 at byte 2; leave control characters out"),
        (
            "$SYS/up",
            "topic name begins with \"$\" at byte 0; names beginning with \"$\" belong to the system, choose another first character"
        ),
    ])
    func aWrongNameIsRefusedWithPlaceAndRemedy(_ text: String, _ message: String) {
        #expect(refusal { () throws(TopicError) in try TopicName(text) } == message)
    }

    @Test func namesOfTheSystemNeedTheFlag() throws {
        #expect(try TopicName("$SYS/up", system: true).text == "$SYS/up")
    }

    @Test func lengthAndLevelsEndAtTheirLimits() throws {
        _ = try TopicName(String(repeating: "x", count: Limits.topicName))
        #expect(throws: TopicError.tooLong(.name, bytes: Limits.topicName + 1, limit: Limits.topicName)) {
            try TopicName(String(repeating: "x", count: Limits.topicName + 1))
        }
        _ = try TopicName(String(repeating: "/", count: Limits.topicLevels - 1))
        #expect(throws: TopicError.tooManyLevels(.name, limit: Limits.topicLevels, offset: Limits.topicLevels)) {
            try TopicName(String(repeating: "/", count: Limits.topicLevels))
        }
    }

    @Test(arguments: [
        ([0x61, 0x80], 1), ([0xC3], 0), ([0xC0, 0xAF], 0), ([0xC1, 0xBF], 0), ([0xE0, 0x80, 0x80], 0), ([0xED, 0xA0, 0x80], 0),
        ([0xF0, 0x80, 0x80, 0x80], 0), ([0xF4, 0x90, 0x80, 0x80], 0), ([0xF5, 0x80, 0x80, 0x80], 0), ([0x61, 0xE2, 0x82], 1),
        ([0xC3, 0xA9, 0xFF], 2), ([0xE2, 0x28, 0xA1], 0), ([0xF0, 0x9F, 0x98, 0x2F], 0),
    ] as [([UInt8], Int)])
    func malformedUTF8IsRefusedWithItsOffset(_ bytes: [UInt8], _ offset: Int) {
        #expect(throws: TopicError.notUTF8(.name, offset: offset)) {
            try bytes.withView { view throws(TopicError) in try TopicName(view) }
        }
    }

    @Test func randomBytesAreJudgedLikeTheStandardLibraryDoes() {
        var random = SeededNumbers(seed: 11)
        // Bytes in which leads, followers and the borders of table 3-7 are frequent; none is forbidden for its own sake.
        let pool: [UInt8] = [
            0x41, 0x61, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC1, 0xC3, 0xDF, 0xE0, 0xE2, 0xED, 0xEF, 0xF0, 0xF1, 0xF4, 0xF5,
        ]
        var valid = 0
        for _ in 0..<scaled(50_000) {
            let bytes = (0..<Int.random(in: 1...6, using: &random)).map { _ in pool.randomElement(using: &random)! }
            let expected = String(validating: bytes, as: UTF8.self) != nil
            let accepted = refusal { () throws(TopicError) in
                try bytes.withView { view throws(TopicError) in try TopicName(view) }
            } == "no error"
            #expect(accepted == expected, "\(bytes)")
            valid += expected ? 1 : 0
        }
        #expect(valid > scaled(1_000))
    }

    @Test func namesAreComparedByTheirBytesNotByCanonicalEquivalence() throws {
        let composed = try TopicName("caf\u{E9}")
        let decomposed = try TopicName("cafe\u{301}")
        #expect(composed.text == decomposed.text, "Swift's strings are equal")
        #expect(composed != decomposed)
        #expect(Set([composed, decomposed]).count == 2)
        #expect(decomposed < composed)
        var table = TopicTable()
        #expect(try table.declare(composed) != table.declare(decomposed))
        #expect(try !TopicPattern("caf\u{E9}").matches("cafe\u{301}"))
    }
}
