internal import Tooling
internal import Wire

/// Gathers records as text in one buffer, which the caller writes out.
struct Printer: ~Copyable {
    private let format: WatchPlan.Output
    private let showsTopic: Bool
    private let colours: Bool
    private var picker: FieldPicker?
    private var table: TableWriter
    private(set) var output = ByteBuffer(capacity: 64 << 10)

    init(_ format: WatchPlan.Output, showsTopic: Bool, field: String?, width: Int, colours: Bool) {
        self.format = format
        self.showsTopic = showsTopic
        self.colours = colours
        if let field { picker = FieldPicker(field) } else { picker = nil }
        table = TableWriter(width: width, colours: colours)
        if format == .csv { output.append(CSVWriter.header) }
    }

    /// Whether the record was printed: without the field that was asked for it is left out.
    mutating func append(_ record: Printable) -> Bool {
        var record = record
        if picker != nil {
            guard let value = picker?.pick(record.payload) else { return false }
            record.payload = value
        }
        switch format {
        case .raw: output.append(record.payload)
        case .text:
            appendTopic(record)
            output.append(record.payload)
            output.append(10)
        case .hex:
            appendTopic(record)
            HexWriter.append(record.payload, to: &output)
            output.append(10)
        case .json: JSONWriter.append(record, to: &output)
        case .csv: CSVWriter.append(record, to: &output)
        case .table: table.append(record, to: &output)
        case .template(let template): template.append(record, to: &output)
        case .meter: preconditionFailure("statistics print no records")
        }
        return true
    }
    private mutating func appendTopic(_ record: Printable) {
        guard showsTopic else { return }
        if colours { output.append("\u{1B}[36m") }
        output.append(text: record.topic)
        if colours { output.append("\u{1B}[0m") }
        output.append(UInt8(ascii: " "))
    }
    mutating func removeAll() { output.removeAll() }

    /// Records left out for want of the field.
    var leftOut: UInt64 {
        switch picker {
        case .some(let picker): picker.missing
        case .none: 0
        }
    }
}
