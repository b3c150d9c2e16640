import Foundation

/// The table of a run, as Markdown.
struct Table {
    private var rows: [[String]] = []
    init(_ head: [String]) { rows = [head] }

    mutating func add(_ cells: [String]) { rows.append(cells) }

    /// First column left, the others right.
    var text: String {
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        func line(_ cells: [String]) -> String {
            let padded = cells.indices.map { column in
                let room = String(repeating: " ", count: widths[column] - cells[column].count)
                return column == 0 ? cells[column] + room : room + cells[column]
            }
            return "| " + padded.joined(separator: " | ") + " |\n"
        }
        let rule = "|" + widths.indices.map { $0 == 0 ? String(repeating: "-", count: widths[$0] + 2) : String(repeating: "-", count: widths[$0] + 1) + ":" }.joined(separator: "|") + "|\n"
        return line(rows[0]) + rule + rows.dropFirst().map(line).joined()
    }
}

/// 63676 as 63,676.
func grouped(_ number: Int) -> String {
    var digits = String(number)
    var place = digits.endIndex
    while let next = digits.index(place, offsetBy: -3, limitedBy: digits.startIndex), next > digits.startIndex {
        digits.insert(",", at: next)
        place = next
    }
    return digits
}

extension Board {
    /// Everything found, and whether it is as it must be.
    func report(_ kinds: [Kind]) -> (text: String, passed: Int, failed: Int) {
        let hours = Double(monotonic() - startedAt) / 3.6e12
        var table = Table(["fault", "cycles", "an hour", "readings", "records acknowledged", "longest wait ms", "held up", "lost", "duplicated", "reordered", "failures"])
        var (total, failed, sums) = (0, 0, Account())
        var notes: [String] = []
        for kind in kinds {
            let row = row(kind.name)
            total += row.cycles
            failed += row.failures
            sums.lost += row.account.lost
            sums.duplicated += row.account.duplicated
            sums.reordered += row.account.reordered
            if let why = row.impossible { notes.append("\(kind.title): not possible here: \(why)") }
            table.add(
                ["\(kind.name): \(kind.title)", grouped(row.cycles), grouped(Int(Double(row.cycles) / hours)), grouped(row.accounts), grouped(row.records), grouped(row.longestWait), grouped(row.holdUps)]
                    + [row.account.lost, row.account.duplicated, row.account.reordered, row.failures].map(grouped))
        }
        let records = kinds.reduce(0) { $0 + row($1.name).records }
        let accounts = kinds.reduce(0) { $0 + row($1.name).accounts }
        table.add(
            ["all", grouped(total), grouped(Int(Double(total) / hours)), grouped(accounts), grouped(records), "", grouped(kinds.reduce(0) { $0 + row($1.name).holdUps })]
                + [sums.lost, sums.duplicated, sums.reordered, failed].map(grouped))
        var text = table.text
        if !boundaries.isEmpty {
            let calls = boundaries.sorted { $0.value > $1.value }.map { "\($0.key) \(grouped($0.value))" }
            text += "\nkilled at the entry of: " + calls.joined(separator: ", ") + "\n"
        }
        text += "\nlongest wait: from when all nodes are live again to the next record that a reader gets; "
            + "held up: a member waited 10 s for another to begin a view\n"
        for note in notes { text += "\n\(note)\n" }
        for failure in failures { text += "\nFAILED \(failure)\n" }
        return (text, max(0, total - failed), failed)
    }
}
