internal import Wire

/// What the records of a topic must look like: a part of JSON Schema (draft 2020-12), written in YAML. docs/CONFIGURATION.md lists its
/// keywords; another one is refused, not passed over.
package struct Schema: Hashable, Sendable {
    struct Types: OptionSet, Hashable, Sendable {
        let rawValue: UInt8
        static let null = Types(rawValue: 1), boolean = Types(rawValue: 2), integer = Types(rawValue: 4), number = Types(rawValue: 8)
        static let string = Types(rawValue: 16), array = Types(rawValue: 32), object = Types(rawValue: 64)
        static let all = Types(rawValue: 127)
        static let names: [(word: String, value: Types)] = [
            ("null", .null), ("boolean", .boolean), ("integer", .integer), ("number", .number), ("string", .string), ("array", .array),
            ("object", .object),
        ]
        /// `number or null`.
        var words: String { Self.names.filter { contains($0.value) }.map(\.word).joined(separator: " or ") }
    }
    /// A value that `enum` or `const` names.
    enum Constant: Hashable, Sendable {
        case null, boolean(Bool), number(Double), string([UInt8])

        var text: String {
            switch self {
            case .null: "null"
            case .boolean(let value): "\(value)"
            case .number(let value): "\(value)"
            case .string(let bytes): quoted(String(decoding: bytes, as: UTF8.self))
            }
        }
    }
    struct Property: Hashable, Sendable {
        let name: [UInt8]
        let node: Int
        let isRequired: Bool
    }
    struct Node: Hashable, Sendable {
        var types = Types.all
        var constants: [Constant]?
        var minimum = -Double.infinity
        var maximum = Double.infinity
        var exclusiveMinimum = -Double.infinity
        var exclusiveMaximum = Double.infinity
        var lengths = 0...Int.max
        var counts = 0...Int.max
        var properties: [Property] = []
        /// A bit for each property that must be there.
        var required: UInt64 = 0
        /// Whether other properties than these may be there.
        var isOpen = true
        /// What each element of an array must look like.
        var items: Int?
    }
    /// The first is the record's payload.
    private(set) var nodes: [Node] = []

    /// Properties of one object: each has a bit.
    static let properties = 64
    /// Objects and arrays within one another, in a schema as in a payload.
    static let depth = 64
    static let nodesMost = 4096

    // MARK: reading

    private static let keys = [
        Fields.Key("type", example: "object"), Fields.Key("enum", example: "[low, high]"), Fields.Key("const", example: "1"),
        Fields.Key("minimum", example: "0"), Fields.Key("maximum", example: "100"), Fields.Key("exclusiveMinimum", example: "0"),
        Fields.Key("exclusiveMaximum", example: "100"), Fields.Key("minLength", example: "1"), Fields.Key("maxLength", example: "64"),
        Fields.Key("minItems", example: "1"), Fields.Key("maxItems", example: "64"), Fields.Key("items", example: "{type: number}"),
        Fields.Key("properties", example: "{value: {type: number}}"), Fields.Key("required", example: "[value]"),
        Fields.Key("additionalProperties", example: "false"), Fields.Key("title", example: "a reading"),
        Fields.Key("description", example: "a reading"),
    ]
    private static let numberWords = "a number as JSON writes it"

    /// Nil where something is wrong with it, which is reported.
    init?(_ node: YAMLNode, _ problems: inout Problems) {
        guard read(node, depth: 0, &problems) != nil else { return nil }
    }

    private mutating func read(_ yaml: YAMLNode, depth: Int, _ problems: inout Problems) -> Int? {
        guard depth < Self.depth, nodes.count < Self.nodesMost else {
            problems.add(yaml.mark, "schema: too deep or too large", expected: "at most \(Self.depth) levels and \(Self.nodesMost) parts")
            return nil
        }
        guard let fields = Fields(yaml, Self.keys, what: "schema", &problems) else { return nil }
        let index = nodes.count
        nodes.append(Node())
        var node = Node()
        node.types = Self.types(fields, &problems)
        node.constants = Self.constants(fields, &problems)
        node.minimum = Self.number("minimum", fields, &problems) ?? node.minimum
        node.maximum = Self.number("maximum", fields, &problems) ?? node.maximum
        node.exclusiveMinimum = Self.number("exclusiveMinimum", fields, &problems) ?? node.exclusiveMinimum
        node.exclusiveMaximum = Self.number("exclusiveMaximum", fields, &problems) ?? node.exclusiveMaximum
        node.lengths = Self.range("minLength", "maxLength", fields, &problems)
        node.counts = Self.range("minItems", "maxItems", fields, &problems)
        node.isOpen = fields.choice("additionalProperties", [("true", true), ("false", false)], &problems) ?? true
        if let items = fields.node("items") { node.items = read(items, depth: depth + 1, &problems) }
        readProperties(fields, depth, &node, &problems)
        nodes[index] = node
        return index
    }

    private mutating func readProperties(_ fields: Fields, _ depth: Int, _ node: inout Node, _ problems: inout Problems) {
        let required = (fields.list("required", expected: "a list of names", limit: Self.properties, &problems) ?? []).compactMap { item in
            if case .scalar(let name, _) = item.content { return (name, item.mark) }
            problems.add(item.mark, "required: found \(item.words)", expected: "a name")
            return nil
        }
        var entries: [YAMLNode.Entry] = []
        if let properties = fields.node("properties") {
            if case .mapping(let read) = properties.content { entries = read } else {
                problems.add(properties.mark, "properties: found \(properties.words)", expected: "names and schemas")
            }
        }
        guard entries.count + required.count <= Self.properties else {
            problems.add(fields.mark, "schema: \(entries.count) properties, \(required.count) required", expected: "at most \(Self.properties) in all")
            return
        }
        let names = Set(required.map(\.0))
        for entry in entries {
            guard let child = read(entry.value, depth: depth + 1, &problems) else { continue }
            node.properties.append(Property(name: Array(entry.key.utf8), node: child, isRequired: names.contains(entry.key)))
        }
        // Required, and of any kind.
        for (name, mark) in required where !entries.contains(where: { $0.key == name }) {
            if let guess = nearestWord(to: name, among: entries.map(\.key)) {
                problems.add(mark, "required: \(quoted(name)) is no property", hint: "did you mean \(quoted(guess))?")
                continue
            }
            nodes.append(Node())
            node.properties.append(Property(name: Array(name.utf8), node: nodes.count - 1, isRequired: true))
        }
        for (index, property) in node.properties.enumerated() where property.isRequired { node.required |= 1 << UInt64(index) }
    }

    private static func types(_ fields: Fields, _ problems: inout Problems) -> Types {
        guard case .sequence(let items)? = fields.node("type")?.content else {
            return fields.choice("type", Types.names, or: " (or a list of them)", &problems) ?? .all
        }
        var types = Types()
        for item in items {
            if case .scalar(let text, _) = item.content, let type = Types.names.first(where: { $0.word == text }) {
                types.insert(type.value)
            } else {
                problems.add(item.mark, "type: found \(item.words)", expected: Types.all.words)
            }
        }
        return types
    }

    private static func constants(_ fields: Fields, _ problems: inout Problems) -> [Constant]? {
        var nodes: [YAMLNode] = []
        if fields.has("enum") { nodes = fields.list("enum", expected: "a list of values", limit: 1024, &problems) ?? [] }
        if let node = fields.node("const") { nodes.append(node) }
        guard !nodes.isEmpty else { return nil }
        return nodes.compactMap { node in
            guard case .scalar(let text, let isPlain) = node.content else {
                problems.add(node.mark, "enum: found \(node.words)", expected: "a text, a number, true, false or null")
                return nil
            }
            let bytes = Array(text.utf8)
            guard isPlain else { return .string(bytes) }
            switch text {
            case "null", "~", "": return .null
            case "true": return .boolean(true)
            case "false": return .boolean(false)
            default: return bytes.withView { FilterNumber.parse($0) }.map { .number($0) } ?? .string(bytes)
            }
        }
    }

    private static func number(_ key: String, _ fields: Fields, _ problems: inout Problems) -> Double? {
        guard let text = fields.text(key, expected: numberWords, &problems) else { return nil }
        if let value = Array(text.utf8).withView({ FilterNumber.parse($0) }) { return value }
        problems.add(fields.mark(of: key), "\(key): \(quoted(text))", expected: numberWords)
        return nil
    }

    private static func range(_ low: String, _ high: String, _ fields: Fields, _ problems: inout Problems) -> ClosedRange<Int> {
        let least = fields.integer(low, in: 0...Limits.record, &problems) ?? 0
        let most = fields.integer(high, in: 0...Limits.record, &problems) ?? Int.max
        guard least <= most else {
            problems.add(fields.mark(of: low), "\(low): \(least) is more than \(high), \(most)")
            return 0...Int.max
        }
        return least...most
    }
}
