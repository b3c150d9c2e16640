internal import Wire

/// What a filter's text is made of.
enum FilterToken: Equatable {
    case end, open, close, dot, colon
    case compare(FilterComparison)
    case number(Double)
    /// Quoted, without its quotes and escapes.
    case string([UInt8])
    /// A name, or one of the language's words.
    case word([UInt8])
}

enum FilterComparison: UInt8, Sendable {
    case equal, unequal, less, lessOrEqual, greater, greaterOrEqual
}

/// Cuts a filter's text into tokens.
struct FilterLexer {
    private let text: ByteView
    private var at = 0
    /// The token at hand, and where it begins, bytes.
    private(set) var token = FilterToken.end
    private(set) var start = 0

    init(_ text: ByteView) throws(FilterError) {
        self.text = text
        try advance()
    }

    /// An error at the token at hand.
    func unexpected(_ expected: String) -> FilterError { error(expected, at: start, upTo: max(at, start + 1)) }

    private func error(_ expected: String, at start: Int, upTo end: Int) -> FilterError {
        // A byte 10xxxxxx continues a character.
        let column = 1 + (0..<start).count { text.u8($0) & 0xC0 != 0x80 }
        guard start < text.count else { return FilterError(column: column, expected: expected, found: "the end") }
        let shown = text[start..<min(max(end, start + 1), text.count, start + 24)].text
        return FilterError(column: column, expected: expected, found: "\"\(shown)\"")
    }

    mutating func advance() throws(FilterError) {
        while at < text.count, text.u8(at) == 0x20 || text.u8(at) == 0x09 || text.u8(at) == 0x0A || text.u8(at) == 0x0D { at += 1 }
        start = at
        guard at < text.count else { return token = .end }
        let byte = text.u8(at)
        // Behind a dot "1" is a name, and "1.x" two.
        if token == .dot, Self.isName(byte) { return word() }
        switch byte {
        case UInt8(ascii: "("): take(.open)
        case UInt8(ascii: ")"): take(.close)
        case UInt8(ascii: "."): take(.dot)
        case UInt8(ascii: ":"): take(.colon)
        case UInt8(ascii: "="), UInt8(ascii: "!"), UInt8(ascii: "<"), UInt8(ascii: ">"): try comparison(byte)
        case UInt8(ascii: "\""): try string()
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): try number()
        case _ where Self.isName(byte): word()
        default: throw error("a field, a value, a comparison, \"and\", \"or\", \"not\" or a parenthesis", at: at, upTo: at + 1)
        }
    }

    private mutating func take(_ token: FilterToken) {
        self.token = token
        at += 1
    }

    private mutating func comparison(_ byte: UInt8) throws(FilterError) {
        let isLong = at + 1 < text.count && text.u8(at + 1) == UInt8(ascii: "=")
        switch (byte, isLong) {
        case (UInt8(ascii: "="), true): token = .compare(.equal)
        case (UInt8(ascii: "!"), true): token = .compare(.unequal)
        case (UInt8(ascii: "<"), _): token = .compare(isLong ? .lessOrEqual : .less)
        case (UInt8(ascii: ">"), _): token = .compare(isLong ? .greaterOrEqual : .greater)
        case (UInt8(ascii: "="), false): throw error("\"==\"", at: at, upTo: at + 1)
        default: throw error("\"!=\" or \"not\"", at: at, upTo: at + 1)
        }
        at += isLong ? 2 : 1
    }

    private mutating func string() throws(FilterError) {
        var bytes: [UInt8] = []
        at += 1
        while at < text.count, text.u8(at) != UInt8(ascii: "\"") {
            var byte = text.u8(at)
            if byte == UInt8(ascii: "\\") {
                at += 1
                guard at < text.count else { break }
                byte = text.u8(at)
                guard byte == UInt8(ascii: "\\") || byte == UInt8(ascii: "\"") else {
                    throw error("\\\\ or \\\" behind a backslash", at: at, upTo: at + 1)
                }
            }
            bytes.append(byte)
            at += 1
        }
        guard at < text.count else { throw error("a closing \"", at: text.count, upTo: text.count) }
        at += 1
        token = .string(bytes)
    }

    private mutating func number() throws(FilterError) {
        while at < text.count, Self.isName(text.u8(at)) || text.u8(at) == UInt8(ascii: ".") || text.u8(at) == UInt8(ascii: "+") || text.u8(at) == UInt8(ascii: "-") { at += 1 }
        guard let value = FilterNumber.parse(text[start..<at]) else { throw error("a number", at: start, upTo: at) }
        token = .number(value)
    }

    private mutating func word() {
        while at < text.count, Self.isName(text.u8(at)) || text.u8(at) == UInt8(ascii: "-") { at += 1 }
        token = .word(text[start..<at].array)
    }

    private static func isName(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        case UInt8(ascii: "_"), 0x80...: true
        default: false
        }
    }
}
