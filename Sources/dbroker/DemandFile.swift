import Folding
import Tooling
import Topics
import Wire

/// Rates and interests of topics, a line each: a table whose first line names the columns, or JSON objects.
///
/// Names have no line feeds, so a line is a row. Fields of a table may stand in quotes, a quote in them is doubled.
struct DemandFile {
    static let columns = ["topic", "bytes_per_second", "records_per_second", "nodes", "replicas"]
    /// The last column may be left out.
    private static let needed = 4
    private static let limit = 1 << 30

    private let path: String
    private let rules: TopicsConfiguration
    private let mostNodes: Int?
    private var input: FoldInput
    private var lines: [Int32] = []
    /// Which field of a row each of `columns` is.
    private var places: [Int?] = []
    private var width = 0
    private var scanner = Scanner()

    /// One scanner for all lines; a box, since a scanner cannot be copied.
    private final class Scanner {
        var json = JSONScanner(paths: DemandFile.columns)
    }
    /// What is wrong with a line.
    private struct Fault: Error { var message: String }

    /// Reads `path`; status 65 and `FILE:LINE: ...` for the first line that is not understood.
    static func read(_ path: String, _ rules: TopicsConfiguration, nodes: Int?) throws(ToolFailure) -> FoldInput {
        let bytes: [UInt8]
        do throws(SystemFault) { bytes = try Descriptor.contents(of: path, limit: limit) } catch {
            throw ToolFailure(.failed, "\(path): \(error.reason)")
        }
        var file = DemandFile(path, rules, nodes)
        try file.readLines(bytes)
        guard !file.input.demands.isEmpty else { throw ToolFailure(.input, "\(path): there is no topic in it") }
        return file.input
    }

    private init(_ path: String, _ rules: TopicsConfiguration, _ nodes: Int?) {
        self.path = path
        self.rules = rules
        mostNodes = nodes
        input = FoldInput(source: path, nodes: nodes ?? 0)
    }

    private mutating func readLines(_ bytes: [UInt8]) throws(ToolFailure) {
        var number = 0
        var from = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
        var isJSON: Bool?
        while from < bytes.count {
            number += 1
            let end = bytes[from...].firstIndex(of: 10) ?? bytes.count
            var line = bytes[from..<end]
            from = end + 1
            if line.last == 13 { line.removeLast() }
            guard let first = line.first(where: { $0 != 32 && $0 != 9 }) else { continue }
            do throws(Fault) {
                if let isJSON {
                    try isJSON ? object(Array(line), number) : row(line, number)
                } else if first == UInt8(ascii: "{") {
                    isJSON = true
                    try object(Array(line), number)
                } else {
                    isJSON = false
                    try header(line)
                }
            } catch { throw ToolFailure(.input, "\(path):\(number): \(error.message)") }
        }
    }

    // MARK: Tables

    private mutating func header(_ line: ArraySlice<UInt8>) throws(Fault) {
        let names = try Self.fields(line)
        width = names.count
        for name in names where !Self.columns.contains(name) {
            throw Fault(message: "there is no column \"\(name)\"; columns are \(Self.columns.joined(separator: ", "))")
        }
        if let twice = names.enumerated().first(where: { names[..<$0.offset].contains($0.element) }) {
            throw Fault(message: "column \"\(twice.element)\" comes twice")
        }
        places = Self.columns.map { names.firstIndex(of: $0) }
        if let missing = places.prefix(Self.needed).firstIndex(of: nil) {
            throw Fault(message: "column \"\(Self.columns[missing])\" is missing; the first line names the columns")
        }
    }

    private mutating func row(_ line: ArraySlice<UInt8>, _ number: Int) throws(Fault) {
        let fields = try Self.fields(line)
        guard fields.count == width else {
            throw Fault(message: "\(fields.count) field\(fields.count == 1 ? "" : "s"), the first line has \(width)")
        }
        try add(places.map { $0.map { fields[$0] } }, number)
    }

    private static func fields(_ line: ArraySlice<UInt8>) throws(Fault) -> [String] {
        var fields: [String] = []
        var at = line.startIndex
        while true {
            var text: [UInt8] = []
            if at < line.endIndex, line[at] == UInt8(ascii: "\"") {
                at += 1
                while true {
                    guard at < line.endIndex else { throw Fault(message: "quoted field is not closed") }
                    let byte = line[at]
                    at += 1
                    if byte == UInt8(ascii: "\"") {
                        guard at < line.endIndex, line[at] == byte else { break }
                        at += 1
                    }
                    text.append(byte)
                }
                if at < line.endIndex, line[at] != UInt8(ascii: ",") { throw Fault(message: "more behind the closing quote") }
            } else {
                let end = line[at...].firstIndex(of: UInt8(ascii: ",")) ?? line.endIndex
                text = Array(line[at..<end])
                at = end
            }
            guard let field = String(validating: text, as: UTF8.self) else { throw Fault(message: "not UTF-8") }
            fields.append(field)
            if at == line.endIndex { return fields }
            at += 1
        }
    }

    // MARK: JSON

    private mutating func object(_ line: [UInt8], _ number: Int) throws(Fault) {
        let scanner = scanner
        let fields = try line.withView { view throws(Fault) -> [String?] in
            do throws(JSONScanner.Fault) { try scanner.json.scan(view) } catch {
                throw Fault(message: "\(error.message) at byte \(error.offset + 1)")
            }
            var fields: [String?] = []
            for (index, place) in scanner.json.found.enumerated() {
                guard let place else {
                    if index < Self.needed { throw Fault(message: "\"\(Self.columns[index])\" is missing") }
                    fields.append(nil)
                    continue
                }
                fields.append(try Self.text(view[place.range], place.kind, Self.columns[index]))
            }
            return fields
        }
        try add(fields, number)
    }

    /// A value as a table would have it: `[1, 2]` as `1 2`.
    private static func text(_ value: ByteView, _ kind: JSONScanner.Kind, _ name: String) throws(Fault) -> String {
        switch (kind, name) {
        case (.string, _):
            var plain = ByteBuffer(capacity: 64)
            JSONText.appendUnescaped(value, to: &plain)
            return plain.view.text
        case (.number, "bytes_per_second"), (.number, "records_per_second"): return value.text
        case (.array, "nodes"), (.array, "replicas"):
            return String(value.text.dropFirst().dropLast().map { $0 == "," || $0 == "\t" ? " " : $0 })
        case (_, "topic"): throw Fault(message: "\"topic\" is not a string")
        case (_, "nodes"), (_, "replicas"): throw Fault(message: "\"\(name)\" is not a list of numbers, as in [1, 2]")
        default: throw Fault(message: "\"\(name)\" is not a number")
        }
    }

    // MARK: Values

    /// `fields` in the order of `columns`.
    private mutating func add(_ fields: [String?], _ line: Int) throws(Fault) {
        let text = fields[0] ?? ""
        let name: TopicName
        do throws(TopicError) { name = try TopicName(text) } catch { throw Fault(message: "\(error)") }
        guard let rule = rules.rule(for: text) else { throw Fault(message: "topic \"\(text)\" is not one that topics.yaml admits") }
        let demand = TopicDemand(
            bytes: try rate(fields[1], Self.columns[1]), records: try rate(fields[2], Self.columns[2]),
            interest: try nodes(fields[3], Self.columns[3]), replicas: try nodes(fields[4], Self.columns[4]), level: rule.level)
        let isNew: Bool
        do throws(TopicError) { isNew = try input.add(name, demand) } catch { throw Fault(message: "\(error)") }
        guard isNew else {
            let first = input.names.lookup(text).map { Int(lines[$0.index]) } ?? 0
            throw Fault(message: "topic \"\(text)\" stands on line \(first) already")
        }
        lines.append(Int32(clamping: line))
    }

    private func rate(_ text: String?, _ name: String) throws(Fault) -> Rate {
        let text = text ?? ""
        guard let value = Double(text), value.isFinite, !text.contains("x"), !text.contains("X") else {
            throw Fault(message: "\(name): \"\(text)\" is not a number")
        }
        guard value >= 0 else { throw Fault(message: "\(name): \"\(text)\" is below 0") }
        guard value <= Double(Rate.most.thousandths / 1000) else { throw Fault(message: "\(name): \"\(text)\" is more than 10^12") }
        // What is there at all counts for at least a thousandth.
        return Rate(thousandths: value > 0 ? max(1, Int((value * 1000).rounded())) : 0)
    }

    /// `1 3 5-7`, also with `;` or `,` between, as ranks from 0.
    private mutating func nodes(_ text: String?, _ name: String) throws(Fault) -> RankSet {
        var set = RankSet()
        for part in (text ?? "").split(whereSeparator: { $0 == " " || $0 == ";" || $0 == "," }) {
            let ends = part.split(separator: "-", omittingEmptySubsequences: false)
            guard let first = Int(ends[0]), let last = Int(ends[ends.count - 1]), ends.count <= 2, first <= last, first >= 1, last <= FoldLimits.nodes else {
                throw Fault(message: "\(name): \"\(part)\" is not a node from 1 to \(FoldLimits.nodes), or some in a row as in 5-7")
            }
            if let mostNodes, last > mostNodes { throw Fault(message: "\(name): node \(last) is more than --nodes \(mostNodes)") }
            for node in first...last { set.insert(node - 1) }
            input.nodes = max(input.nodes, last)
        }
        return set
    }
}
