package import Wire

/// A topic's name: 1 ... `Limits.topicName` bytes of UTF-8 in at most `Limits.topicLevels` levels between slashes.
///
/// As in MQTT, levels may be empty (`/a`, `a//b`) and names differ if their bytes do: no case folding, no Unicode
/// normalisation. No `+`, no `#`, no control characters (U+0000 ... U+001F, U+007F ... U+009F); `$` begins names of the
/// system only.
package struct TopicName: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let text: String

    /// Reads `text`; `system` admits a name that begins with `$`.
    package init(_ text: String, system: Bool = false) throws(TopicError) {
        try text.withBytes { bytes throws(TopicError) in try Self.check(bytes, system: system) }
        self.text = text
    }

    /// Reads UTF-8 `bytes`; `system` admits a name that begins with `$`.
    package init(_ bytes: ByteView, system: Bool = false) throws(TopicError) {
        try Self.check(bytes, system: system)
        self.text = bytes.text
    }

    /// Throws where `bytes` are not a topic's name; takes no memory.
    package static func check(_ bytes: ByteView, system: Bool = false) throws(TopicError) {
        try TopicText.check(bytes, .name)
        for at in 0..<bytes.count {
            let byte = bytes.u8(at)
            if byte == TopicText.plus || byte == TopicText.hash {
                throw .wildcardInName(Character(Unicode.Scalar(byte)), offset: at)
            }
        }
        if !system, bytes.u8(0) == TopicText.dollar { throw .reserved }
    }

    /// Calls `body` with the name's bytes, valid during the call.
    package func withView<R, E: Error>(_ body: (ByteView) throws(E) -> R) throws(E) -> R { try text.withBytes(body) }

    package var description: String { text }

    // String compares by canonical equivalence, under which names of different bytes can be equal: compare bytes instead.
    package static func == (a: Self, b: Self) -> Bool { a.text.utf8.elementsEqual(b.text.utf8) }
    package static func < (a: Self, b: Self) -> Bool { a.text.utf8.lexicographicallyPrecedes(b.text.utf8) }
    package func hash(into hasher: inout Hasher) {
        for byte in text.utf8 { hasher.combine(byte) }
        hasher.combine(UInt8(0xFF))
    }
}
