internal import Tooling
internal import Wire

/// A line is a JSON value, and the record's payload unchanged; blank lines are none.
struct JSONFormat: InputFormat, ~Copyable {
    private let topicField: String?
    private let timeField: String?
    /// Without a default topic each line must name its own.
    private let needsTopic: Bool
    private var cutter = LineCutter()
    private var scanner: JSONScanner
    private var unescaped = ByteBuffer(capacity: 256)

    init(topicField: String?, timeField: String?, needsTopic: Bool) {
        self.topicField = topicField
        self.timeField = timeField
        self.needsTopic = needsTopic
        scanner = JSONScanner(paths: [topicField, timeField].compactMap { $0 })
    }
    var line: Int { cutter.number }

    mutating func next(_ bytes: ByteView, atEnd: Bool) throws(InputFault) -> InputStep {
        switch try cutter.next(bytes, atEnd: atEnd) {
        case .more: return .more
        case .end: return .end
        case .found(let whole, let consumed):
            let text = line == 1 ? whole.withoutMark : whole
            if Self.isBlank(text) { return .skip(consumed: consumed) }
            do throws(JSONScanner.Fault) {
                try scanner.scan(text)
            } catch {
                throw InputFault(line: line, column: error.offset + 1 + whole.count - text.count, message: error.message)
            }
            var record = InputRecord(payload: text)
            if let topicField { record.topic = try topic(topicField, in: text) }
            if let timeField { record.time = try time(timeField, scanner.found[topicField == nil ? 0 : 1], in: text) }
            return .record(record, consumed: consumed)
        }
    }
    mutating func restart() { cutter = LineCutter() }

    private mutating func topic(_ field: String, in text: ByteView) throws(InputFault) -> ByteView? {
        guard let place = scanner.found[0] else {
            if needsTopic { throw InputFault(line: line, message: "field \"\(field)\" is missing") }
            return nil
        }
        guard place.kind == .string else {
            throw InputFault(line: line, column: place.range.lowerBound + 1, message: "field \"\(field)\" is not a string")
        }
        let raw = text[place.range]
        guard raw.firstIndex(of: UInt8(ascii: "\\")) != nil else { return raw }
        unescaped.removeAll()
        JSONText.appendUnescaped(raw, to: &unescaped)
        return unescaped.view
    }
    private func time(_ field: String, _ place: JSONScanner.Found?, in text: ByteView) throws(InputFault) -> Int64 {
        guard let place else { throw InputFault(line: line, message: "field \"\(field)\" is missing") }
        let raw = text[place.range]
        guard place.kind == .string || place.kind == .number, let time = TimeText.parse(raw) else {
            throw InputFault(
                line: line, column: place.range.lowerBound + 1, message: "field \"\(field)\": \"\(excerpt(raw))\" is not a time")
        }
        return time
    }
    private static func isBlank(_ text: ByteView) -> Bool {
        for index in 0..<text.count where text.u8(index) != 0x20 && text.u8(index) != 0x09 && text.u8(index) != 0x0D { return false }
        return true
    }
}

/// The first bytes of `text` for a message, made printable.
func excerpt(_ text: ByteView) -> String {
    let shown = text.count > 40 ? text[0..<40] : text
    let clean = shown.text.unicodeScalars.map { $0.value < 32 || $0.value == 127 ? "?" : String($0) }.joined()
    return clean + (text.count > 40 ? "…" : "")
}
