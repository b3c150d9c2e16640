internal import Tooling
internal import Wire

/// Cuts one row of comma-separated values (RFC 4180) into fields; quoted fields may hold commas, line feeds and `""`.
///
///      field ──,──▶ field      plain: up to the next comma or line feed; no quote within
///        │                     quoted: from " to ", doubled quotes stand for one
///        └──\n──▶ row's end
struct CSVRow {
    struct Field: Equatable {
        /// Without the quotes around it.
        var range: Range<Int>
        /// Doubled quotes are within.
        var isDoubled = false
    }
    private(set) var fields: [Field] = []
    /// Line feeds within quotes.
    private(set) var innerLines = 0
    private var searched = 0

    /// The length of the row at the start of `bytes` with its line end; nil where more bytes are needed. `firstLine` numbers faults.
    mutating func read(_ bytes: ByteView, atEnd: Bool, firstLine: Int) throws(InputFault) -> Int? {
        // A row ends at a line feed: without a new one there is nothing to try.
        if !atEnd, bytes.firstIndex(of: UInt8(ascii: "\n"), from: searched) == nil { return wait(bytes) }
        fields.removeAll(keepingCapacity: true)
        innerLines = 0
        var at = 0
        while true {
            let next: Int?
            if at < bytes.count, bytes.u8(at) == UInt8(ascii: "\"") {
                next = try quoted(bytes, at, atEnd, firstLine)
            } else {
                next = try plain(bytes, at, atEnd, firstLine)
            }
            guard let next else { return wait(bytes) }
            if next == bytes.count || bytes.u8(next) == UInt8(ascii: "\n") {
                searched = 0
                return min(next + 1, bytes.count)
            }
            // A comma: one more field, if only an empty one.
            at = next + 1
        }
    }
    private mutating func wait(_ bytes: ByteView) -> Int? {
        searched = bytes.count
        return nil
    }

    /// Appends the field at `start`; returns where its comma, line feed or the end of the bytes is, nil: not there yet.
    private mutating func plain(_ bytes: ByteView, _ start: Int, _ atEnd: Bool, _ line: Int) throws(InputFault) -> Int? {
        var at = start
        scan: while at < bytes.count {
            switch bytes.u8(at) {
            case UInt8(ascii: ","), UInt8(ascii: "\n"): break scan
            case UInt8(ascii: "\""): throw fault(bytes, at, line, "a quote within a field that does not begin with one")
            default: at += 1
            }
        }
        guard at < bytes.count || atEnd else { return nil }
        let endsRow = at == bytes.count || bytes.u8(at) == UInt8(ascii: "\n")
        let end = endsRow && at > start && bytes.u8(at - 1) == UInt8(ascii: "\r") ? at - 1 : at
        fields.append(Field(range: start..<end))
        return at
    }

    private mutating func quoted(_ bytes: ByteView, _ start: Int, _ atEnd: Bool, _ line: Int) throws(InputFault) -> Int? {
        var field = Field(range: start + 1..<start + 1)
        var from = start + 1
        while true {
            guard let quote = bytes.firstIndex(of: UInt8(ascii: "\""), from: from) else {
                if atEnd { throw fault(bytes, start, line, "quoted field is not closed") }
                return nil
            }
            if quote + 1 < bytes.count, bytes.u8(quote + 1) == UInt8(ascii: "\"") {
                field.isDoubled = true
                from = quote + 2
                continue
            }
            if quote + 1 == bytes.count, !atEnd { return nil }
            field.range = start + 1..<quote
            innerLines += feeds(bytes[field.range])
            fields.append(field)
            var at = quote + 1
            if at < bytes.count, bytes.u8(at) == UInt8(ascii: "\r") {
                if at + 1 == bytes.count, !atEnd { return nil }
                if at + 1 == bytes.count || bytes.u8(at + 1) == UInt8(ascii: "\n") { at += 1 }
            }
            guard at == bytes.count || bytes.u8(at) == UInt8(ascii: ",") || bytes.u8(at) == UInt8(ascii: "\n") else {
                throw fault(bytes, at, line, "more behind the closing quote")
            }
            return at
        }
    }

    private func feeds(_ text: ByteView) -> Int {
        var count = 0
        var from = 0
        while let feed = text.firstIndex(of: UInt8(ascii: "\n"), from: from) {
            count += 1
            from = feed + 1
        }
        return count
    }
    /// A fault at the byte `at`: its line and its column there.
    private func fault(_ bytes: ByteView, _ at: Int, _ firstLine: Int, _ message: String) -> InputFault {
        var line = firstLine
        var lineStart = 0
        while let feed = bytes[0..<at].firstIndex(of: UInt8(ascii: "\n"), from: lineStart) {
            line += 1
            lineStart = feed + 1
        }
        return InputFault(line: line, column: at - lineStart + 1, message: message)
    }
}
