internal import Wire

/// Reads a filter's text.
///
///     either     = all, { "or", all }
///     all        = one, { "and", one }
///     one        = "not", one | "(", either, ")" | operand, [ comparison, operand ]
///     operand    = number | string | "true" | "false" | "null" | "topic" | "key" | "payload"
///                | "column", ":", number | "header", ":", name | [ "json", ":" ], name, { ".", name }
///     name       = word | string
///     comparison = "==" | "!=" | "<" | "<=" | ">" | ">="
struct FilterParser {
    private var lexer: FilterLexer
    private var steps: [Filter.Step] = []
    private var depth = 0

    init(_ text: ByteView) throws(FilterError) { lexer = try FilterLexer(text) }

    mutating func program() throws(FilterError) -> [Filter.Step] {
        try either()
        guard lexer.token == .end else { throw lexer.unexpected("\"and\", \"or\" or the end") }
        return steps
    }

    private func isWord(_ word: StaticString) -> Bool {
        if case .word(let bytes) = lexer.token { bytes.elementsEqual("\(word)".utf8) } else { false }
    }

    private mutating func either() throws(FilterError) {
        try all()
        var leaps: [Int] = []
        while isWord("or") {
            try lexer.advance()
            leaps.append(steps.count)
            steps.append(.leapIfTrue(0))
            try all()
        }
        for leap in leaps { steps[leap] = .leapIfTrue(steps.count) }
    }

    private mutating func all() throws(FilterError) {
        try one()
        var leaps: [Int] = []
        while isWord("and") {
            try lexer.advance()
            leaps.append(steps.count)
            steps.append(.leapIfFalse(0))
            try one()
        }
        for leap in leaps { steps[leap] = .leapIfFalse(steps.count) }
    }

    private mutating func one() throws(FilterError) {
        depth += 1
        defer { depth -= 1 }
        guard depth <= Limits.filterDepth else { throw lexer.unexpected("at most \(Limits.filterDepth) parentheses and nots within one another") }
        if isWord("not") {
            try lexer.advance()
            try one()
            steps.append(.negate)
        } else if lexer.token == .open {
            try lexer.advance()
            try either()
            guard lexer.token == .close else { throw lexer.unexpected("\"and\", \"or\" or \")\"") }
            try lexer.advance()
        } else {
            let left = try operand()
            guard case .compare(let comparison) = lexer.token else {
                steps.append(.test(left))
                return
            }
            try lexer.advance()
            steps.append(.compare(left, comparison, try operand()))
        }
    }

    private mutating func operand() throws(FilterError) -> Filter.Operand {
        switch lexer.token {
        case .number(let value):
            try lexer.advance()
            return .number(value)
        case .string(let bytes):
            try lexer.advance()
            return .string(bytes)
        case .word(let word): return try named(word)
        default: throw lexer.unexpected("a field or a value")
        }
    }

    private mutating func named(_ word: [UInt8]) throws(FilterError) -> Filter.Operand {
        let text = String(decoding: word, as: UTF8.self)
        if ["and", "or", "not"].contains(text) { throw lexer.unexpected("a field or a value") }
        try lexer.advance()
        switch text {
        case "true": return .boolean(true)
        case "false": return .boolean(false)
        case "null": return .null
        default: break
        }
        if lexer.token == .colon { return try qualified(text) }
        guard lexer.token != .dot else { return .json(path: try path(from: word)) }
        switch text {
        case "topic": return .topic
        case "key": return .key
        case "payload": return .payload
        default: return .json(path: [word])
        }
    }

    private mutating func qualified(_ kind: String) throws(FilterError) -> Filter.Operand {
        guard ["json", "header", "column"].contains(kind) else {
            throw lexer.unexpected("\"json:\", \"header:\" or \"column:\", a comparison, \"and\", \"or\" or the end")
        }
        try lexer.advance()
        switch kind {
        case "column":
            guard case .number(let value) = lexer.token, value >= 1, value <= Double(Limits.filterColumn), value == value.rounded() else {
                throw lexer.unexpected("a column's number, from 1 to \(Limits.filterColumn),")
            }
            try lexer.advance()
            return .column(Int(value))
        case "header": return .header(try name("a header's name"))
        default: return .json(path: try path(from: try name("a field's name")))
        }
    }

    private mutating func path(from first: [UInt8]) throws(FilterError) -> [[UInt8]] {
        var path = [first]
        while lexer.token == .dot {
            try lexer.advance()
            guard path.count < Limits.filterDepth else { throw lexer.unexpected("a path of at most \(Limits.filterDepth) names") }
            path.append(try name("a field's name"))
        }
        return path
    }

    private mutating func name(_ what: String) throws(FilterError) -> [UInt8] {
        switch lexer.token {
        case .word(let bytes), .string(let bytes):
            try lexer.advance()
            return bytes
        default: throw lexer.unexpected(what)
        }
    }
}
