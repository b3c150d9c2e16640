internal import Wire

/// What a field or a constant is during one evaluation; its bytes are the record's.
enum FilterValue {
    case missing
    case null
    case boolean(Bool)
    case number(Double)
    /// A JSON string: text and nothing else.
    case string(FilterText)
    /// What has no kind of its own (a topic, a key, a header, a column, a payload): a number where it is compared with one.
    case text(FilterText)

    /// By itself: there, and neither null nor false.
    var isTrue: Bool {
        switch self {
        case .missing, .null, .boolean(false): false
        default: true
        }
    }

    /// Whether the comparison holds. Never where one is missing; of different kinds only `!=` does, and nothing but numbers
    /// and texts has an order.
    static func compare(_ a: FilterValue, _ comparison: FilterComparison, _ b: FilterValue) -> Bool {
        switch (a, b) {
        case (.missing, _), (_, .missing): return false
        case (.null, .null): return comparison.holds(order: 0)
        case (.boolean(let x), .boolean(let y)): return x == y ? comparison == .equal : comparison == .unequal
        case (.number(let x), .number(let y)): return comparison.holds(x, y)
        case (.number(let x), .text(let y)):
            guard let y = y.number else { return comparison == .unequal }
            return comparison.holds(x, y)
        case (.text(let x), .number(let y)):
            guard let x = x.number else { return comparison == .unequal }
            return comparison.holds(x, y)
        case (.string(let x), .string(let y)), (.string(let x), .text(let y)), (.text(let x), .string(let y)), (.text(let x), .text(let y)):
            return comparison.holds(order: x.compare(y))
        default: return comparison == .unequal
        }
    }
}

extension FilterComparison {
    fileprivate func holds(order: Int) -> Bool {
        switch self {
        case .equal: order == 0
        case .unequal: order != 0
        case .less: order < 0
        case .lessOrEqual: order <= 0
        case .greater: order > 0
        case .greaterOrEqual: order >= 0
        }
    }
    fileprivate func holds(_ x: Double, _ y: Double) -> Bool {
        switch self {
        case .equal: x == y
        case .unequal: x != y
        case .less: x < y
        case .lessOrEqual: x <= y
        case .greater: x > y
        case .greaterOrEqual: x >= y
        }
    }
}

/// Text as it lies in a record, read byte by byte with its escapes undone: no copy is made.
struct FilterText: IteratorProtocol {
    enum Escapes { case none, json, csv }
    private let bytes: ByteView
    private let escapes: Escapes
    private var at = 0
    /// Bytes of a character that one escape stood for, the next one lowest.
    private var pending: UInt32 = 0

    init(_ bytes: ByteView, _ escapes: Escapes = .none) {
        self.bytes = bytes
        self.escapes = escapes
    }

    /// As a number, spaces around it left out; text with escapes is none.
    var number: Double? {
        var (start, end) = (0, bytes.count)
        while start < end, bytes.u8(start) == 0x20 { start += 1 }
        while end > start, bytes.u8(end - 1) <= 0x20 { end -= 1 }
        return FilterNumber.parse(bytes[start..<end])
    }

    /// Byte by byte; a prefix comes before what it begins.
    func compare(_ other: FilterText) -> Int {
        var (a, b) = (self, other)
        while true {
            let (x, y) = (a.next(), b.next())
            guard let x else { return y == nil ? 0 : -1 }
            guard let y else { return 1 }
            if x != y { return Int(x) - Int(y) }
        }
    }

    mutating func next() -> UInt8? {
        if pending != 0 {
            defer { pending >>= 8 }
            return UInt8(truncatingIfNeeded: pending)
        }
        guard at < bytes.count else { return nil }
        let byte = bytes.u8(at)
        at += 1
        switch escapes {
        case .none: return byte
        case .csv:
            // Within quotes a quote is written twice.
            if byte == UInt8(ascii: "\""), at < bytes.count, bytes.u8(at) == byte { at += 1 }
            return byte
        case .json: return byte == UInt8(ascii: "\\") ? unescape() : byte
        }
    }

    private mutating func unescape() -> UInt8 {
        guard at < bytes.count else { return UInt8(ascii: "\\") }
        let kind = bytes.u8(at)
        at += 1
        switch kind {
        case UInt8(ascii: "n"): return 0x0A
        case UInt8(ascii: "t"): return 0x09
        case UInt8(ascii: "r"): return 0x0D
        case UInt8(ascii: "b"): return 0x08
        case UInt8(ascii: "f"): return 0x0C
        case UInt8(ascii: "u"): return encode(scalar())
        default: return kind
        }
    }

    private mutating func scalar() -> UInt32 {
        let high = unit()
        // A character beyond U+FFFF is written as two.
        guard 0xD800..<0xDC00 ~= high, at + 1 < bytes.count, bytes.u8(at) == UInt8(ascii: "\\"), bytes.u8(at + 1) == UInt8(ascii: "u") else {
            return high
        }
        at += 2
        let low = unit()
        return 0xDC00..<0xE000 ~= low ? 0x10000 + (high - 0xD800) << 10 + (low - 0xDC00) : 0xFFFD
    }
    private mutating func unit() -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard at < bytes.count else { return 0xFFFD }
            let byte = bytes.u8(at)
            let digit: UInt8
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = byte - UInt8(ascii: "A") + 10
            default: return 0xFFFD
            }
            value = value << 4 | UInt32(digit)
            at += 1
        }
        return value
    }
    /// UTF-8: the first byte, the others wait. U+0000 cannot wait and does not need to.
    private mutating func encode(_ scalar: UInt32) -> UInt8 {
        switch Unicode.Scalar(scalar)?.value ?? 0xFFFD {
        case let s where s < 0x80: return UInt8(s)
        case let s where s < 0x800:
            pending = 0x80 | s & 0x3F
            return UInt8(0xC0 | s >> 6)
        case let s where s < 0x10000:
            pending = 0x80 | s >> 6 & 0x3F | (0x80 | s & 0x3F) << 8
            return UInt8(0xE0 | s >> 12)
        case let s:
            pending = 0x80 | s >> 12 & 0x3F | (0x80 | s >> 6 & 0x3F) << 8 | (0x80 | s & 0x3F) << 16
            return UInt8(0xF0 | s >> 18)
        }
    }
}
