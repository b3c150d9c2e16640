internal import Wire

/// What names and patterns have in common: bytes of UTF-8 in levels between slashes.
enum TopicText {
    static let slash = UInt8(ascii: "/")
    static let plus = UInt8(ascii: "+")
    static let hash = UInt8(ascii: "#")
    static let dollar = UInt8(ascii: "$")
    static let dot = UInt8(ascii: ".")

    /// Checks encoding, control characters, length and levels; `base` is added to the offsets in errors.
    static func check(_ text: ByteView, _ subject: TopicError.Subject, base: Int = 0) throws(TopicError) {
        guard !text.isEmpty else { throw .empty(subject) }
        guard text.count <= Limits.topicName else { throw .tooLong(subject, bytes: text.count, limit: Limits.topicName) }
        var levels = 1
        var at = 0
        while at < text.count {
            let byte = text.u8(at)
            if byte < 0x80 {
                guard byte >= 0x20, byte != 0x7F else { throw .control(subject, scalar: UInt32(byte), offset: base + at) }
                at += 1
                guard byte == slash else { continue }
                levels += 1
                guard levels <= Limits.topicLevels else {
                    throw .tooManyLevels(subject, limit: Limits.topicLevels, offset: base + at)
                }
            } else {
                let length = scalarLength(text, at)
                guard length > 0 else { throw .notUTF8(subject, offset: base + at) }
                // U+0080 ... U+009F, the second block of control characters, is C2 80 ... C2 9F.
                if byte == 0xC2, text.u8(at + 1) < 0xA0 {
                    throw .control(subject, scalar: UInt32(text.u8(at + 1)), offset: base + at)
                }
                at += length
            }
        }
    }

    /// Bytes of the scalar that begins at `at` with a byte over 7F, or 0 where it is malformed (Unicode, table 3-7).
    private static func scalarLength(_ text: ByteView, _ at: Int) -> Int {
        let left = text.count - at
        let length: Int
        // What the second byte may be: it shuts out overlong forms, surrogates and what lies over U+10FFFF.
        var second: ClosedRange<UInt8> = 0x80...0xBF
        switch text.u8(at) {
        case 0xC2...0xDF: length = 2
        case 0xE0: (length, second) = (3, 0xA0...0xBF)
        case 0xED: (length, second) = (3, 0x80...0x9F)
        case 0xE1...0xEF: length = 3
        case 0xF0: (length, second) = (4, 0x90...0xBF)
        case 0xF1...0xF3: length = 4
        case 0xF4: (length, second) = (4, 0x80...0x8F)
        default: return 0
        }
        guard left >= length, second.contains(text.u8(at + 1)) else { return 0 }
        for follower in 2..<max(2, length) where text.u8(at + follower) & 0xC0 != 0x80 { return 0 }
        return length
    }

    /// Whether `a` comes before `b`, byte by byte; a prefix comes before what it begins.
    static func precedes(_ a: ByteView, _ b: ByteView) -> Bool {
        let shared = sharedPrefix(a, b)
        if shared == b.count { return false }
        return shared == a.count || a.u8(shared) < b.u8(shared)
    }

    /// Bytes that `a` and `b` begin with in common.
    static func sharedPrefix(_ a: ByteView, _ b: ByteView) -> Int {
        let end = min(a.count, b.count)
        var at = 0
        while at < end, a.u8(at) == b.u8(at) { at += 1 }
        return at
    }
}

extension String {
    /// Calls `body` with this string's UTF-8 in place, without a copy; the view is valid during the call.
    func withBytes<R, E: Error>(_ body: (ByteView) throws(E) -> R) throws(E) -> R {
        // The span keeps the string's bytes in place and its count bounds the view.
        try unsafe utf8Span.span.withUnsafeBytes { bytes throws(E) -> R in try unsafe body(ByteView(bytes)) }
    }
}
