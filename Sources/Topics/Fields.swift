/// A mapping of a configuration file: its keys checked against those that are known, its values read by type.
///
/// Readers return nil for a key that is absent or whose value is wrong; the latter is reported.
struct Fields {
    struct Key {
        let name: String
        let required: Bool
        /// A value, for the hint where the key is missing.
        let example: String
        init(_ name: String, required: Bool = false, example: String) {
            self.name = name
            self.required = required
            self.example = example
        }
    }
    let mark: TextMark
    private var values: [String: YAMLNode] = [:]

    /// Reads `node`, which should be a mapping with `keys`; nil where it is none. Reports unknown and missing keys.
    init?(_ node: YAMLNode, _ keys: [Key], what: String, _ problems: inout Problems) {
        guard case .mapping(let entries) = node.content else {
            if case .refused = node.content { return nil }
            let example = keys.first { $0.required } ?? keys[0]
            problems.add(
                node.mark, "\(what): found \(node.words)", expected: "keys and values",
                hint: "write for example \(example.name): \(example.example)")
            return nil
        }
        mark = node.mark
        let names = keys.map(\.name)
        for entry in entries {
            if names.contains(entry.key) {
                values[entry.key] = entry.value
            } else {
                let guess = nearestWord(to: entry.key, among: names).map { "did you mean \"\($0)\"? " } ?? ""
                problems.add(
                    entry.keyMark, "unknown key \(quoted(entry.key))", hint: guess + "known keys here: " + names.joined(separator: ", "))
            }
        }
        // A slip in a required key's name is reported once, as an unknown key.
        let slips = entries.compactMap { names.contains($0.key) ? nil : nearestWord(to: $0.key, among: names) }
        for key in keys where key.required && values[key.name] == nil && !slips.contains(key.name) {
            problems.add(mark, "\(what): missing key \"\(key.name)\"", hint: "write for example \(key.name): \(key.example)")
        }
    }

    func has(_ key: String) -> Bool { values[key] != nil }
    func node(_ key: String) -> YAMLNode? { values[key] }
    /// Where the value of `key` begins, or the mapping where it is absent.
    func mark(of key: String) -> TextMark { values[key]?.mark ?? mark }

    /// The text of a scalar that says something.
    func text(_ key: String, expected: String, _ problems: inout Problems) -> String? {
        guard let node = values[key] else { return nil }
        switch node.content {
        case .scalar(let text, _) where !node.isNothing: return text
        case .refused: return nil
        default:
            problems.add(node.mark, "\(key): found \(node.words)", expected: expected, hint: Self.hint(node))
            return nil
        }
    }

    /// What may have been meant where YAML reads a list, or nothing, out of a value without quotes.
    private static func hint(_ node: YAMLNode) -> String? {
        switch node.content {
        case .scalar: "a value that begins with \"#\" needs quotes"
        case .sequence: "a value that begins with \"[\" needs quotes"
        case .mapping: "a value that begins with \"{\" or has \": \" in it needs quotes"
        case .refused: nil
        }
    }

    /// A whole number in decimal digits; `or` says in the diagnostics what else there is.
    func integer(_ key: String, in range: ClosedRange<Int>, or: String = "", _ problems: inout Problems) -> Int? {
        let expected = "a whole number, \(range.lowerBound) to \(range.upperBound)" + or
        guard let text = text(key, expected: expected, &problems) else { return nil }
        let digits = text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        guard digits, let value = Int(text), range.contains(value), text == "\(value)" else {
            problems.add(mark(of: key), "\(key): \(quoted(text))", expected: expected)
            return nil
        }
        return value
    }

    /// A number with a unit, in the smallest unit.
    func quantity(_ key: String, _ quantity: Quantity, in range: ClosedRange<Int>, _ problems: inout Problems) -> Int? {
        let expected = "\(quantity.text(range.lowerBound)) to \(quantity.text(range.upperBound))"
        guard let text = text(key, expected: "\(quantity.noun), \(expected)", &problems) else { return nil }
        do throws(Quantity.Refusal) {
            let value = try quantity.parse(text)
            if range.contains(value) { return value }
            problems.add(mark(of: key), "\(key): \(quoted(text)) is out of range", expected: expected)
        } catch {
            problems.add(mark(of: key), "\(key): \(quoted(text)) \(error.problem)", expected: expected, hint: error.hint)
        }
        return nil
    }

    /// One of a few words; `or` says in the diagnostics what else there is.
    func choice<Value>(
        _ key: String, _ choices: [(word: String, value: Value)], or: String = "", _ problems: inout Problems
    ) -> Value? {
        let words = choices.map(\.word)
        let expected = words.joined(separator: ", ") + or
        guard let text = text(key, expected: expected, &problems) else { return nil }
        if let choice = choices.first(where: { $0.word == text }) { return choice.value }
        problems.add(
            mark(of: key), "\(key): \(quoted(text))", expected: expected,
            hint: nearestWord(to: text, among: words).map { "did you mean \"\($0)\"?" })
        return nil
    }

    /// The items of a list.
    func list(_ key: String, expected: String, limit: Int, _ problems: inout Problems) -> [YAMLNode]? {
        guard let node = values[key] else { return nil }
        guard case .sequence(let items) = node.content else {
            if case .refused = node.content { return nil }
            problems.add(node.mark, "\(key): found \(node.words)", expected: expected)
            return nil
        }
        guard items.count <= limit else {
            problems.add(items[limit].mark, "\(key): item \(limit + 1) of \(items.count)", expected: "at most \(limit)")
            return nil
        }
        return items
    }
}
