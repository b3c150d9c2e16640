internal import Tooling
internal import Wire

/// Finds lines; each byte is looked at once, however often the buffer is shown again.
struct LineCutter {
    enum Line {
        /// Without its line feed and one carriage return before it.
        case found(ByteView, consumed: Int)
        case more
        case end
    }
    /// Lines found so far.
    private(set) var number = 0
    private var searched = 0

    mutating func next(_ bytes: ByteView, atEnd: Bool) throws(InputFault) -> Line {
        if let feed = bytes.firstIndex(of: UInt8(ascii: "\n"), from: searched) {
            guard feed <= Limits.record else { throw InputFault(line: number + 1, message: tooLong("line")) }
            searched = 0
            number += 1
            let end = feed > 0 && bytes.u8(feed - 1) == UInt8(ascii: "\r") ? feed - 1 : feed
            return .found(bytes[0..<end], consumed: feed + 1)
        }
        guard bytes.count <= Limits.record else { throw InputFault(line: number + 1, message: tooLong("line")) }
        guard atEnd else {
            searched = bytes.count
            return .more
        }
        guard !bytes.isEmpty else { return .end }
        searched = 0
        number += 1
        let last = bytes.count - 1
        return .found(bytes.u8(last) == UInt8(ascii: "\r") ? bytes[0..<last] : bytes, consumed: bytes.count)
    }
}

/// A line is a record; an empty line is none. Line feeds end lines, a carriage return before one goes with it.
struct LineFormat: InputFormat {
    /// Ends the key in each line where it is found; a line without it has no key. Empty: lines have no keys.
    let keySeparator: [UInt8]
    private var cutter = LineCutter()

    init(keySeparator: [UInt8] = []) { self.keySeparator = keySeparator }
    var line: Int { cutter.number }

    mutating func next(_ bytes: ByteView, atEnd: Bool) throws(InputFault) -> InputStep {
        switch try cutter.next(bytes, atEnd: atEnd) {
        case .more: return .more
        case .end: return .end
        case .found(let text, let consumed):
            if text.isEmpty { return .skip(consumed: consumed) }
            guard !keySeparator.isEmpty, let cut = place(in: text) else {
                return .record(InputRecord(payload: text), consumed: consumed)
            }
            return .record(InputRecord(key: text[0..<cut], payload: text.from(cut + keySeparator.count)), consumed: consumed)
        }
    }
    mutating func restart() { cutter = LineCutter() }

    private func place(in text: ByteView) -> Int? {
        var from = 0
        while let hit = text.firstIndex(of: keySeparator[0], from: from), hit + keySeparator.count <= text.count {
            if text[hit..<hit + keySeparator.count].matches(keySeparator) { return hit }
            from = hit + 1
        }
        return nil
    }
}

/// The mark that some programs put before UTF-8 text.
let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

extension ByteView {
    /// Without a byte-order mark at the start.
    var withoutMark: ByteView { count >= 3 && self[0..<3].matches(byteOrderMark) ? from(3) : self }
}
