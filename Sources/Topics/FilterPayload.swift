internal import Wire

/// Finds one field in a JSON value, or one column in a row, as it lies there. Each look is one walk over the bytes up to the
/// field; no memory is taken, and what is no JSON has no fields.
enum FilterPayload {
    /// The value at `path`, names of objects' fields and numbers of arrays' elements from 0; of fields of the same name the first.
    static func field(_ payload: ByteView, _ path: [[UInt8]]) -> FilterValue {
        var walk = JSONWalk(payload)
        walk.skipSpace()
        for name in path {
            guard name.withView({ walk.enter($0) }) else { return .missing }
        }
        return walk.value()
    }

    /// Column `number`, from 1, of the first line; RFC 4180.
    static func column(_ payload: ByteView, _ number: Int) -> FilterValue {
        var at = 0
        var column = 1
        while true {
            let isQuoted = at < payload.count && payload.u8(at) == UInt8(ascii: "\"")
            let start = isQuoted ? at + 1 : at
            var end = start
            if isQuoted {
                while end < payload.count {
                    if payload.u8(end) == UInt8(ascii: "\"") {
                        guard end + 1 < payload.count, payload.u8(end + 1) == UInt8(ascii: "\"") else { break }
                        end += 1
                    }
                    end += 1
                }
                end = min(end, payload.count)
                at = min(end + 1, payload.count)
            } else {
                at = end
            }
            while at < payload.count, payload.u8(at) != UInt8(ascii: ","), payload.u8(at) != 0x0A, payload.u8(at) != 0x0D { at += 1 }
            if column == number { return .text(FilterText(payload[start..<(isQuoted ? end : at)], isQuoted ? .csv : .none)) }
            guard at < payload.count, payload.u8(at) == UInt8(ascii: ",") else { return .missing }
            at += 1
            column += 1
        }
    }

    /// The value of the first header called `name`.
    static func header(_ headers: ByteView, _ name: ByteView) -> FilterValue {
        var cursor = HeaderCursor(headers)
        // Headers that break off have no more values.
        while let (key, value) = (try? cursor.next()) ?? nil {
            if key == name { return .text(FilterText(value)) }
        }
        return .missing
    }
}

/// A place in a JSON value, moved forward only.
private struct JSONWalk {
    private let bytes: ByteView
    private var at = 0

    init(_ bytes: ByteView) { self.bytes = bytes }

    private var byte: UInt8 { at < bytes.count ? bytes.u8(at) : 0 }

    mutating func skipSpace() { while at < bytes.count, bytes.u8(at) <= 0x20 { at += 1 } }

    /// From an object or array to the value of `name` in it. False: there is none.
    mutating func enter(_ name: ByteView) -> Bool {
        switch byte {
        case UInt8(ascii: "{"): enterObject(name)
        case UInt8(ascii: "["): enterArray(name)
        default: false
        }
    }

    private mutating func enterObject(_ name: ByteView) -> Bool {
        at += 1
        while true {
            skipSpace()
            guard byte == UInt8(ascii: "\"") else { return false }
            guard let key = string() else { return false }
            skipSpace()
            guard byte == UInt8(ascii: ":") else { return false }
            at += 1
            skipSpace()
            if key.compare(FilterText(name)) == 0 { return true }
            guard skipValue() else { return false }
        }
    }

    private mutating func enterArray(_ name: ByteView) -> Bool {
        guard let index = FilterNumber.parse(name), index >= 0, index < 1e6 else { return false }
        at += 1
        for _ in 0..<Int(index) { guard skipValue() else { return false } }
        skipSpace()
        return at < bytes.count && byte != UInt8(ascii: "]")
    }

    /// The string at hand, without its quotes.
    private mutating func string() -> FilterText? {
        at += 1
        let start = at
        var hasEscapes = false
        while at < bytes.count, bytes.u8(at) != UInt8(ascii: "\"") {
            if bytes.u8(at) == UInt8(ascii: "\\") {
                hasEscapes = true
                at += 1
            }
            at += 1
        }
        guard at < bytes.count else { return nil }
        defer { at += 1 }
        return FilterText(bytes[start..<at], hasEscapes ? .json : .none)
    }

    /// Past the value at hand and the comma behind it. False: nothing more stands in its object or array.
    private mutating func skipValue() -> Bool {
        var depth = 0
        while at < bytes.count {
            switch byte {
            case UInt8(ascii: "\""):
                guard string() != nil else { return false }
                continue
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                if depth == 0 { return false }
                depth -= 1
            case UInt8(ascii: ",") where depth == 0:
                at += 1
                return true
            default: break
            }
            at += 1
        }
        return false
    }

    mutating func value() -> FilterValue {
        skipSpace()
        switch byte {
        case UInt8(ascii: "\""): return string().map { .string($0) } ?? .missing
        case UInt8(ascii: "{"), UInt8(ascii: "["): return .missing
        default: break
        }
        let start = at
        while at < bytes.count, byte > 0x20, byte != UInt8(ascii: ","), byte != UInt8(ascii: "}"), byte != UInt8(ascii: "]") { at += 1 }
        let word = bytes[start..<at]
        if let number = FilterNumber.parse(word) { return .number(number) }
        if Self.true.withView({ $0 == word }) { return .boolean(true) }
        if Self.false.withView({ $0 == word }) { return .boolean(false) }
        return Self.null.withView { $0 == word } ? .null : .missing
    }
    private static let `true` = Array("true".utf8)
    private static let `false` = Array("false".utf8)
    private static let null = Array("null".utf8)
}
