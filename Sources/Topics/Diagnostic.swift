/// A place in a text: line and column from 1, the column in characters (Unicode scalars).
package struct TextMark: Hashable, Comparable, Sendable {
    package let line: Int
    package let column: Int
    package init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }
    package static func < (a: Self, b: Self) -> Bool { (a.line, a.column) < (b.line, b.column) }
    package static var start: Self { Self(line: 1, column: 1) }
}

/// One thing wrong in a configuration file, as one line: `FILE:LINE:COLUMN: found; expected …; hint`.
package struct Diagnostic: Hashable, Sendable, CustomStringConvertible {
    package let file: String
    package let mark: TextMark
    package let found: String
    package let expected: String?
    package let hint: String?

    package var line: Int { mark.line }
    package var column: Int { mark.column }
    package var description: String {
        "\(file):\(line):\(column): \(found)" + (expected.map { "; expected \($0)" } ?? "") + (hint.map { "; \($0)" } ?? "")
    }
}

/// All that is wrong in a configuration file, in the file's order; at least one.
package struct ConfigurationError: Error, Hashable, Sendable, CustomStringConvertible {
    package let diagnostics: [Diagnostic]
    /// How many more there were than are kept.
    package let omitted: Int

    /// One line for each diagnostic.
    package var description: String {
        let lines = diagnostics.map(\.description) + (omitted > 0 ? ["and \(omitted) more"] : [])
        return lines.joined(separator: "\n")
    }
}

/// Gathers what is wrong with one file while it is read.
struct Problems {
    /// What a person can use at once; a file full of errors is not repeated whole.
    static let limit = 100

    private let file: String
    private var diagnostics: [Diagnostic] = []
    private var omitted = 0

    init(file: String) { self.file = file }

    var isEmpty: Bool { diagnostics.isEmpty }

    mutating func add(_ mark: TextMark, _ found: String, expected: String? = nil, hint: String? = nil) {
        guard diagnostics.count < Self.limit else {
            omitted += 1
            return
        }
        diagnostics.append(Diagnostic(file: file, mark: mark, found: found, expected: expected, hint: hint))
    }

    /// Throws what was gathered, if anything was.
    func check() throws(ConfigurationError) {
        guard !isEmpty else { return }
        throw ConfigurationError(diagnostics: diagnostics.sorted { $0.mark < $1.mark }, omitted: omitted)
    }
}

/// `text` as it can be shown in one line: in quotes, control characters by number, cut at 60 characters.
func quoted(_ text: some StringProtocol) -> String {
    var shown = ""
    for scalar in text.unicodeScalars.prefix(60) {
        if scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) || scalar == "\"" || scalar == "\\" {
            shown += scalar.escaped(asASCII: false)
        } else {
            shown.unicodeScalars.append(scalar)
        }
    }
    return "\"\(shown)\(text.unicodeScalars.count > 60 ? "…" : "")\""
}
