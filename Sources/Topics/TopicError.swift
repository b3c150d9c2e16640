/// Why a topic name, a pattern or a declaration was refused. Offsets count bytes of UTF-8 from 0.
package enum TopicError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What was being read.
    package enum Subject: String, Sendable {
        case name = "topic name"
        case pattern = "pattern"
    }
    case empty(Subject)
    case tooLong(Subject, bytes: Int, limit: Int)
    case tooManyLevels(Subject, limit: Int, offset: Int)
    case notUTF8(Subject, offset: Int)
    case control(Subject, scalar: UInt32, offset: Int)
    /// `+` or `#` in a name.
    case wildcardInName(Character, offset: Int)
    /// A name whose first byte is `$`.
    case reserved
    /// `+` or `#` beside other characters of its level.
    case wildcardNotAlone(Character, offset: Int)
    /// `#` before the last level.
    case hashNotLast(offset: Int)
    case wildcardInRange(Character, offset: Int)
    /// No name can lie between the bounds; the offset is the upper bound's.
    case rangeEmpty(offset: Int)
    /// `..` alone.
    case rangeWithoutBounds
    case tooManyPatterns(count: Int, limit: Int)
    case tooManyTopics(limit: Int)
    case tooManyNameBytes(limit: Int)

    /// What is wrong and where.
    package var problem: String {
        switch self {
        case .empty(let subject): "\(subject.rawValue) is empty"
        case .tooLong(let subject, let bytes, let limit): "\(subject.rawValue) has \(bytes) bytes, the limit is \(limit)"
        case .tooManyLevels(let subject, let limit, let offset):
            "\(subject.rawValue) has more than \(limit) levels, the next begins at byte \(offset)"
        case .notUTF8(let subject, let offset): "\(subject.rawValue) is not UTF-8 at byte \(offset)"
        case .control(let subject, let scalar, let offset):
            "\(subject.rawValue) has the control character U+\(hex4(scalar)) at byte \(offset)"
        case .wildcardInName(let character, let offset): "topic name has the wildcard \"\(character)\" at byte \(offset)"
        case .reserved: "topic name begins with \"$\" at byte 0"
        case .wildcardNotAlone(let character, let offset):
            "pattern has \"\(character)\" at byte \(offset) beside other characters of its level"
        case .hashNotLast(let offset): "pattern has \"#\" at byte \(offset) before the last level"
        case .wildcardInRange(let character, let offset): "key range has the wildcard \"\(character)\" at byte \(offset)"
        case .rangeEmpty(let offset): "key range ends, at byte \(offset), before it begins"
        case .rangeWithoutBounds: "key range has no bounds at byte 0"
        case .tooManyPatterns(let count, let limit): "subscription has \(count) patterns, the limit is \(limit)"
        case .tooManyTopics(let limit): "group has its limit of \(limit) topics"
        case .tooManyNameBytes(let limit): "group's topic names have their limit of \(limit) bytes together"
        }
    }

    /// What to do about it.
    package var hint: String {
        switch self {
        case .empty(.name): "give the topic at least one character"
        case .empty(.pattern): "write \"#\" for every topic"
        case .tooLong(let subject, _, _), .tooManyLevels(let subject, _, _): "shorten the \(subject.rawValue)"
        case .notUTF8: "send it encoded as UTF-8"
        case .control: "leave control characters out"
        case .wildcardInName: "name one topic; wildcards are for subscriptions and rules"
        case .reserved: "names beginning with \"$\" belong to the system, choose another first character"
        case .wildcardNotAlone(let character, _): "let \"\(character)\" stand alone between slashes, as in a/\(character)"
        case .hashNotLast: "end the pattern with it, or use \"+\" for one level"
        case .wildcardInRange: "write both bounds of a..b out, or use a pattern without \"..\""
        case .rangeEmpty: "put the lower bound first; names are compared byte by byte"
        case .rangeWithoutBounds: "write \"#\" for every topic, or one bound as in a.. or ..b"
        case .tooManyPatterns: "join patterns with wildcards, or subscribe several times"
        case .tooManyTopics, .tooManyNameBytes: "put what varies into the record's key instead of the topic"
        }
    }

    package var description: String { "\(problem); \(hint)" }
}

/// A code point in at least four hexadecimal digits, as in U+000A.
func hex4(_ scalar: UInt32) -> String {
    let digits = String(scalar, radix: 16, uppercase: true)
    return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
}
