internal import Tooling
internal import Wire

/// Which columns of a table mean what.
struct CSVColumns: Equatable {
    var topic: String?
    var key: String?
    var time: String?
    var value: String?
    /// The command line's topic stands for all rows, unless `topic` names a column.
    var hasTopic = false
}

/// Tables: the first row names the columns, each other row is a record. Empty lines are none.
///
/// The payload is the value column's text; without one, a JSON object of all columns that are not topic, key or time, with
/// what is a JSON number written as one and everything else as a string.
struct CSVFormat: InputFormat, ~Copyable {
    /// Where a part of the record was found: in the row, or unquoted in the scratch buffer.
    private enum Part {
        case row(Range<Int>)
        case scratch(Range<Int>)
        func view(_ bytes: ByteView, _ scratch: ByteView) -> ByteView {
            switch self {
            case .row(let range): bytes[range]
            case .scratch(let range): scratch[range]
            }
        }
    }

    private let wanted: CSVColumns
    private var names: [String] = []
    /// The name of each column that goes into a JSON payload, as `"name":`; nil for the others.
    private var labels: [[UInt8]?] = []
    private var topicColumn: Int?
    private var keyColumn: Int?
    private var timeColumn: Int?
    private var valueColumn: Int?
    private var row = CSVRow()
    private var scratch = ByteBuffer(capacity: 4096)
    private var unquoted = ByteBuffer(capacity: 256)
    private(set) var line = 0
    private var nextLine = 1

    init(_ columns: CSVColumns) { wanted = columns }

    mutating func restart() {
        row = CSVRow()
        names = []
        line = 0
        nextLine = 1
    }

    mutating func next(_ bytes: ByteView, atEnd: Bool) throws(InputFault) -> InputStep {
        // The mark counts as consumed together with the header; until its three bytes are there, nothing is decided.
        if nextLine == 1, bytes.count < 3, !atEnd { return .more }
        let table = nextLine == 1 ? bytes.withoutMark : bytes
        if table.isEmpty, atEnd {
            return .end
        }
        guard let length = try row.read(table, atEnd: atEnd, firstLine: nextLine) else {
            guard table.count <= Limits.record else { throw InputFault(line: nextLine, message: tooLong("row")) }
            return .more
        }
        guard length <= Limits.record else { throw InputFault(line: nextLine, message: tooLong("row")) }
        let consumed = length + bytes.count - table.count
        line = nextLine
        nextLine += 1 + row.innerLines
        if isEmptyLine(table, length) { return .skip(consumed: consumed) }
        if names.isEmpty {
            try readHeader(table)
            return .skip(consumed: consumed)
        }
        return .record(try record(table), consumed: consumed)
    }
    private func isEmptyLine(_ bytes: ByteView, _ length: Int) -> Bool {
        row.fields.count == 1 && row.fields[0].range.isEmpty && bytes.u8(0) != UInt8(ascii: "\"")
    }

    // MARK: Header

    private mutating func readHeader(_ bytes: ByteView) throws(InputFault) {
        for field in row.fields {
            guard let name = text(field, bytes).view(bytes, scratch.view).validText else {
                throw InputFault(line: line, column: field.range.lowerBound + 1, message: "a column's name is not UTF-8")
            }
            if names.contains(name) {
                throw InputFault(line: line, column: field.range.lowerBound + 1, message: "column \"\(name)\" comes twice")
            }
            names.append(name)
        }
        topicColumn = try column(wanted.topic, or: wanted.hasTopic ? [] : ["topic"])
        keyColumn = try column(wanted.key, or: [])
        timeColumn = try column(wanted.time, or: ["timestamp", "time"].filter { $0 != wanted.value })
        valueColumn = try column(wanted.value, or: [])
        if topicColumn == nil, !wanted.hasTopic {
            throw InputFault(
                line: line, message: "there is no column \"topic\" (columns: \(columnList)); give TOPIC or --topic-column")
        }
        labels = names.indices.map { index in
            guard valueColumn == nil, index != topicColumn, index != keyColumn, index != timeColumn else { return nil }
            var label = ByteBuffer(capacity: 64)
            JSONText.append(text: names[index], to: &label)
            label.append(UInt8(ascii: ":"))
            return label.view.array
        }
    }
    private var columnList: String { names.joined(separator: ", ") }
    private func column(_ name: String?, or defaults: [String]) throws(InputFault) -> Int? {
        guard let name else { return names.firstIndex { defaults.first == $0 } ?? names.firstIndex { defaults.contains($0) } }
        guard let index = names.firstIndex(of: name) else {
            throw InputFault(line: line, message: "there is no column \"\(name)\" (columns: \(columnList))")
        }
        return index
    }

    // MARK: Rows

    private mutating func record(_ bytes: ByteView) throws(InputFault) -> InputRecord {
        let count = row.fields.count
        guard count >= names.count else {
            throw InputFault(line: line, message: "column \"\(names[count])\" is missing (\(count) field\(count == 1 ? "" : "s"), header has \(names.count))")
        }
        guard count == names.count else {
            throw InputFault(
                line: line, column: row.fields[names.count].range.lowerBound + 1, message: "\(count) fields, header has \(names.count)")
        }
        scratch.removeAll()
        // Parts first, views last: the scratch buffer may move while it grows.
        let topic = topicColumn.map { text(row.fields[$0], bytes) }
        let key = keyColumn.map { text(row.fields[$0], bytes) }
        let time = try timeColumn.map { column throws(InputFault) in try self.time(column, bytes) }
        let payload = if let valueColumn { text(row.fields[valueColumn], bytes) } else { try object(bytes) }
        let name = topic?.view(bytes, scratch.view)
        if let name, name.isEmpty, !wanted.hasTopic, let topicColumn {
            throw InputFault(line: line, column: columnNumber(bytes, topicColumn), message: "column \"\(names[topicColumn])\" is empty")
        }
        return InputRecord(
            topic: name.flatMap { $0.isEmpty ? nil : $0 }, key: key?.view(bytes, scratch.view), time: time,
            payload: payload.view(bytes, scratch.view))
    }

    private mutating func text(_ field: CSVRow.Field, _ bytes: ByteView) -> Part {
        guard field.isDoubled else { return .row(field.range) }
        let start = scratch.count
        Self.undouble(bytes[field.range], into: &scratch)
        return .scratch(start..<scratch.count)
    }
    /// Appends `text` with one quote for two.
    private static func undouble(_ text: ByteView, into buffer: inout ByteBuffer) {
        var from = 0
        while let quote = text.firstIndex(of: UInt8(ascii: "\""), from: from) {
            buffer.append(text[from..<quote + 1])
            from = quote + 2
        }
        buffer.append(text.from(from))
    }
    private func time(_ column: Int, _ bytes: ByteView) throws(InputFault) -> Int64 {
        let raw = bytes[row.fields[column].range]
        guard let time = TimeText.parse(raw) else {
            throw InputFault(
                line: line, column: columnNumber(bytes, column),
                message: "column \"\(names[column])\": \"\(excerpt(raw))\" is not a time")
        }
        return time
    }
    /// Bytes from the start of the row, or of the line within it, to a column; from 1; 0 where the row spans lines.
    private func columnNumber(_ bytes: ByteView, _ column: Int) -> Int {
        row.innerLines == 0 ? row.fields[column].range.lowerBound + 1 : 0
    }

    private mutating func object(_ bytes: ByteView) throws(InputFault) -> Part {
        let start = scratch.count
        scratch.append(UInt8(ascii: "{"))
        for (index, field) in row.fields.enumerated() {
            guard let label = labels[index] else { continue }
            if scratch.count > start + 1 { scratch.append(UInt8(ascii: ",")) }
            label.withView { scratch.append($0) }
            let raw = bytes[field.range]
            guard raw.firstInvalidUTF8 == nil else {
                throw InputFault(line: line, column: columnNumber(bytes, index), message: "column \"\(names[index])\" is not UTF-8")
            }
            if JSONScanner.numberEnd(raw, from: 0) == raw.count {
                scratch.append(raw)
            } else if field.isDoubled {
                unquoted.removeAll()
                Self.undouble(raw, into: &unquoted)
                JSONText.append(unquoted.view, to: &scratch)
            } else {
                JSONText.append(raw, to: &scratch)
            }
        }
        scratch.append(UInt8(ascii: "}"))
        return .scratch(start..<scratch.count)
    }
}
