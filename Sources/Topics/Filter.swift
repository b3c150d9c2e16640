package import Wire

/// Which records of the topics asked for are wanted, by what is in them: `value > 80 and unit == "C"`. See docs/FILTERS.md.
///
/// Compiled once to a flat program with one truth value at hand; the steps are in the order of the text.
///
///     value > 80 and (unit == "C" or not ok)
///
///     0  compare value > 80          3  leap if true to 6
///     1  leap if false to 6          4  test ok
///     2  compare unit == "C"         5  negate              6 = the end: the truth value is the answer
///
/// Evaluation takes no memory, and ends: leaps go forward only.
package struct Filter: Sendable {
    enum Operand: Equatable, Sendable {
        case topic, key, payload
        case json(path: [[UInt8]])
        case column(Int)
        case header([UInt8])
        case null
        case boolean(Bool)
        case number(Double)
        case string([UInt8])
    }
    enum Step: Equatable, Sendable {
        case compare(Operand, FilterComparison, Operand)
        case test(Operand)
        case negate
        case leapIfFalse(Int)
        case leapIfTrue(Int)
    }
    private let steps: [Step]
    /// The text that it was compiled from.
    package let text: String

    /// Compiles `text`, at most `Limits.filter` bytes.
    package init(_ text: String) throws(FilterError) {
        self.text = text
        guard text.utf8.count <= Limits.filter else {
            throw FilterError(
                column: 1, expected: "a filter of at most \(Limits.filter) bytes", found: "\(text.utf8.count) bytes")
        }
        steps = try text.withBytes { view throws(FilterError) in
            var parser = try FilterParser(view)
            return try parser.program()
        }
    }

    /// Whether a record of the topic `topic` is wanted.
    package func admits(_ record: RecordView, topic: ByteView) -> Bool {
        var truth = false
        var at = 0
        while at < steps.count {
            switch steps[at] {
            case .compare(let a, let comparison, let b):
                truth = Self.with(a, record, topic) { x in Self.with(b, record, topic) { FilterValue.compare(x, comparison, $0) } }
            case .test(let operand): truth = Self.with(operand, record, topic) { $0.isTrue }
            case .negate: truth.toggle()
            case .leapIfFalse(let target): if !truth { at = target - 1 }
            case .leapIfTrue(let target): if truth { at = target - 1 }
            }
            at += 1
        }
        return truth
    }

    private static func with<R>(_ operand: Operand, _ record: RecordView, _ topic: ByteView, _ body: (FilterValue) -> R) -> R {
        switch operand {
        case .topic: body(.text(FilterText(topic)))
        case .key: body(.text(FilterText(record.key)))
        case .payload: body(.text(FilterText(record.payload)))
        case .json(let path): body(FilterPayload.field(record.payload, path))
        case .column(let number): body(FilterPayload.column(record.payload, number))
        case .header(let name): body(name.withView { FilterPayload.header(record.headers, $0) })
        case .null: body(.null)
        case .boolean(let value): body(.boolean(value))
        case .number(let value): body(.number(value))
        case .string(let bytes): bytes.withView { body(.string(FilterText($0))) }
        }
    }
}
