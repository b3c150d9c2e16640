package import Wire

/// Checks that bytes are exactly one JSON value (RFC 8259, strictly) and notes where chosen fields lie; no memory is taken
/// for a value, however large.
package struct JSONScanner: ~Copyable {
    package enum Kind: Sendable { case string, number, object, array, word }

    /// A field's place: for a string without its quotes, escapes as they stand.
    package struct Found: Equatable, Sendable {
        package let kind: Kind
        package let range: Range<Int>
    }
    package struct Fault: Error, Equatable, Sendable {
        /// From the start of the value's bytes, from 0.
        package let offset: Int
        package let message: String
    }
    /// Objects and arrays within one another.
    package static let depthLimit = 256
    package static let pathLimit = 8

    private let paths: [[[UInt8]]]
    /// What was found for each path, in their order; a field that comes twice counts the second time.
    package private(set) var found: [Found?]
    private var view = ByteView.empty
    private var at = 0
    private var scratch = ByteBuffer(capacity: 64)

    /// `paths`: names with dots between, as in `a.b`; at most `pathLimit`.
    package init(paths: [String]) {
        precondition(paths.count <= Self.pathLimit)
        self.paths = paths.map { $0.split(separator: ".", omittingEmptySubsequences: false).map { Array($0.utf8) } }
        found = Array(repeating: nil, count: paths.count)
    }

    package mutating func scan(_ bytes: ByteView) throws(Fault) {
        view = bytes
        at = 0
        for index in found.indices { found[index] = nil }
        skipSpace()
        _ = try value(following: UInt8(truncatingIfNeeded: (1 << paths.count) - 1), depth: 0)
        skipSpace()
        if at < view.count { throw fault("more behind the value") }
    }

    private func fault(_ message: String) -> Fault { Fault(offset: at, message: message) }
    private func unexpected(_ wanted: String) -> Fault {
        at < view.count ? fault("\(wanted) expected, not \(Self.name(of: view.u8(at)))") : fault("\(wanted) expected at the end")
    }
    private static func name(of byte: UInt8) -> String {
        byte > 32 && byte < 127 ? "'\(Character(Unicode.Scalar(byte)))'" : "byte \(byte)"
    }

    private mutating func skipSpace() {
        while at < view.count {
            switch view.u8(at) {
            case 0x20, 0x09, 0x0A, 0x0D: at += 1
            default: return
            }
        }
    }

    /// One value; bit i of `following` says that the way here is the first `depth` names of path i.
    private mutating func value(following: UInt8, depth: Int) throws(Fault) -> Found {
        guard at < view.count else { throw unexpected("a value") }
        let start = at
        let kind: Kind
        switch view.u8(at) {
        case UInt8(ascii: "\""):
            return Found(kind: .string, range: try string())
        case UInt8(ascii: "{"):
            try object(following: following, depth: depth)
            kind = .object
        case UInt8(ascii: "["):
            try array(depth: depth)
            kind = .array
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
            guard let end = Self.numberEnd(view, from: at) else { throw fault("not a number") }
            at = end
            kind = .number
        case UInt8(ascii: "t"): kind = try word("true")
        case UInt8(ascii: "f"): kind = try word("false")
        case UInt8(ascii: "n"): kind = try word("null")
        default: throw unexpected("a value")
        }
        return Found(kind: kind, range: start..<at)
    }

    private mutating func object(following: UInt8, depth: Int) throws(Fault) {
        guard depth < Self.depthLimit else { throw fault("more than \(Self.depthLimit) levels") }
        at += 1
        skipSpace()
        if at < view.count, view.u8(at) == UInt8(ascii: "}") {
            at += 1
            return
        }
        while true {
            guard at < view.count, view.u8(at) == UInt8(ascii: "\"") else { throw unexpected("a name in quotes") }
            let name = try string()
            skipSpace()
            guard at < view.count, view.u8(at) == UInt8(ascii: ":") else { throw unexpected("':'") }
            at += 1
            skipSpace()
            let (deeper, here) = following == 0 ? (0, 0) : match(name, following, depth)
            let value = try value(following: deeper, depth: depth + 1)
            if here != 0 { for index in paths.indices where here & (1 << UInt8(index)) != 0 { found[index] = value } }
            skipSpace()
            guard at < view.count else { throw unexpected("',' or '}'") }
            switch view.u8(at) {
            case UInt8(ascii: ","):
                at += 1
                skipSpace()
            case UInt8(ascii: "}"):
                at += 1
                return
            default: throw unexpected("',' or '}'")
            }
        }
    }

    private mutating func array(depth: Int) throws(Fault) {
        guard depth < Self.depthLimit else { throw fault("more than \(Self.depthLimit) levels") }
        at += 1
        skipSpace()
        if at < view.count, view.u8(at) == UInt8(ascii: "]") {
            at += 1
            return
        }
        while true {
            _ = try value(following: 0, depth: depth + 1)
            skipSpace()
            guard at < view.count else { throw unexpected("',' or ']'") }
            switch view.u8(at) {
            case UInt8(ascii: ","):
                at += 1
                skipSpace()
            case UInt8(ascii: "]"):
                at += 1
                return
            default: throw unexpected("',' or ']'")
            }
        }
    }

    /// Which of the paths in `following` go on below the name, and which end there.
    private mutating func match(_ name: Range<Int>, _ following: UInt8, _ depth: Int) -> (deeper: UInt8, here: UInt8) {
        var text = view[name]
        if text.firstIndex(of: UInt8(ascii: "\\")) != nil {
            scratch.removeAll()
            JSONText.appendUnescaped(text, to: &scratch)
            text = scratch.view
        }
        var deeper: UInt8 = 0
        var here: UInt8 = 0
        for index in paths.indices where following & (1 << UInt8(index)) != 0 && text.matches(paths[index][depth]) {
            if depth + 1 == paths[index].count { here |= 1 << UInt8(index) } else { deeper |= 1 << UInt8(index) }
        }
        return (deeper, here)
    }

    /// A string from its opening quote; returns what lies between the quotes.
    private mutating func string() throws(Fault) -> Range<Int> {
        at += 1
        let start = at
        while at < view.count {
            let byte = view.u8(at)
            switch byte {
            case UInt8(ascii: "\""):
                at += 1
                return start..<at - 1
            case UInt8(ascii: "\\"): try escape()
            case 0..<0x20: throw fault("control character \(byte) in a string")
            case 0x20..<0x80: at += 1
            default:
                let length = view.utf8Length(at: at)
                if length == 0 { throw fault("not UTF-8") }
                at += length
            }
        }
        at = start - 1
        throw fault("string is not closed")
    }

    private mutating func escape() throws(Fault) {
        guard at + 1 < view.count else { throw fault("string is not closed") }
        switch view.u8(at + 1) {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"), UInt8(ascii: "n"),
            UInt8(ascii: "r"), UInt8(ascii: "t"):
            at += 2
        case UInt8(ascii: "u"):
            guard at + 5 < view.count, (at + 2..<at + 6).allSatisfy({ Escapes.hex(view.u8($0)) != nil }) else {
                throw fault("\\u needs four hexadecimal digits")
            }
            at += 6
        default: throw fault("unknown escape")
        }
    }

    private mutating func word(_ text: StaticString) throws(Fault) -> Kind {
        let wanted = unsafe ByteView(base: text.utf8Start, count: text.utf8CodeUnitCount)
        guard view.count - at >= wanted.count, view[at..<at + wanted.count].matches(wanted) else { throw fault("not a JSON value") }
        at += wanted.count
        return .word
    }

    /// Where the JSON number that starts at `start` ends; nil where there is none.
    package static func numberEnd(_ view: ByteView, from start: Int) -> Int? {
        var at = start
        if at < view.count, view.u8(at) == UInt8(ascii: "-") { at += 1 }
        guard at < view.count else { return nil }
        // A zero stands alone: 007 is not a number.
        if view.u8(at) == UInt8(ascii: "0") { at += 1 } else if !digits(view, &at) { return nil }
        if at < view.count, view.u8(at) == UInt8(ascii: ".") {
            at += 1
            guard digits(view, &at) else { return nil }
        }
        if at < view.count, view.u8(at) | 0x20 == UInt8(ascii: "e") {
            at += 1
            if at < view.count, view.u8(at) == UInt8(ascii: "+") || view.u8(at) == UInt8(ascii: "-") { at += 1 }
            guard digits(view, &at) else { return nil }
        }
        return at
    }
    private static func digits(_ view: ByteView, _ at: inout Int) -> Bool {
        let start = at
        while at < view.count, view.u8(at) >= 48, view.u8(at) <= 57 { at += 1 }
        return at > start
    }
}
