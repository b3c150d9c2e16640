/// What one reader has seen, judged record by record: each topic holds 1, 2, 3 …, each once and in order.
///
/// A line is `OFFSET TOPIC TIME NODE PAYLOAD`. Two readers saw the same when their counts and hashes are equal.
struct History: Equatable {
    struct Topic: Equatable {
        let name: [UInt8]
        /// The least number that no record with as high a number has come before.
        var next = 1
        var missing: Set<Int> = []
        var seen: Int { next - 1 - missing.count }
    }
    private(set) var records = 0
    private(set) var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    private(set) var topics: [Topic] = []
    private(set) var duplicated = 0
    private(set) var reordered = 0
    private(set) var garbled = 0
    private var offset = -1
    /// The beginning of each line, to show where two readers differ.
    private var heads: [UInt8] = []
    private static let headBytes = 56

    mutating func take(_ line: ArraySlice<UInt8>) {
        records += 1
        for byte in line { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        heads += line.prefix(Self.headBytes)
        heads += repeatElement(32, count: max(0, Self.headBytes - line.count))
        var at = line.startIndex
        guard let place = number(line, &at), let name = word(line, &at), word(line, &at) != nil, word(line, &at) != nil,
            let value = number(line, &at, ends: false), isWhole(line, at, name, value)
        else {
            garbled += 1
            return
        }
        if place <= offset { reordered += 1 }
        offset = place
        note(value, of: index(of: name))
    }

    /// The first lines in which two readers differ.
    static func difference(_ one: History, _ other: History) -> String {
        var found: [String] = []
        for record in 0..<min(one.records, other.records) {
            let place = record * headBytes..<(record + 1) * headBytes
            if one.heads[place] == other.heads[place] { continue }
            found.append("\"\(String(decoding: one.heads[place], as: UTF8.self))\" and \"\(String(decoding: other.heads[place], as: UTF8.self))\"")
        }
        return found.isEmpty ? "one is longer, or they differ behind the first \(headBytes) bytes" : "\(found.count) lines, first: " + found.prefix(3).joined(separator: "; ")
    }

    /// Records of a topic so far.
    func seen(_ name: String) -> Int { topics.first { $0.name == Array(name.utf8) }?.seen ?? 0 }

    private mutating func note(_ value: Int, of index: Int) {
        if value == topics[index].next {
            topics[index].next += 1
        } else if value > topics[index].next {
            topics[index].missing.formUnion(topics[index].next..<value)
            topics[index].next = value + 1
        } else if topics[index].missing.remove(value) != nil {
            reordered += 1
        } else {
            duplicated += 1
        }
    }

    private mutating func index(of name: ArraySlice<UInt8>) -> Int {
        if let known = topics.lastIndex(where: { $0.name[...] == name }) { return known }
        topics.append(Topic(name: Array(name)))
        return topics.count - 1
    }

    private func word(_ line: ArraySlice<UInt8>, _ at: inout Int) -> ArraySlice<UInt8>? {
        guard let end = line[at...].firstIndex(of: 32) else { return nil }
        defer { at = end + 1 }
        return line[at..<end]
    }
    private func number(_ line: ArraySlice<UInt8>, _ at: inout Int, ends: Bool = true) -> Int? {
        let start = at
        var value = 0
        while at < line.endIndex, line[at] >= 48, line[at] <= 57, at - start < 15 {
            value = value * 10 + Int(line[at] - 48)
            at += 1
        }
        guard at > start else { return nil }
        guard ends else { return value }
        guard at < line.endIndex, line[at] == 32 else { return nil }
        at += 1
        return value
    }
    /// The rest of the payload is what it was; only lines of the file (topics t/…) have a length of their own.
    private func isWhole(_ line: ArraySlice<UInt8>, _ at: Int, _ name: ArraySlice<UInt8>, _ value: Int) -> Bool {
        guard line[at...].allSatisfy({ $0 == 97 }) else { return false }
        let digits = String(value).utf8.count
        return name.first != UInt8(ascii: "t") || line.endIndex - at + digits == Lines.length(value)
    }
}
