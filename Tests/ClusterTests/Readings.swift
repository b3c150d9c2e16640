import Foundation
import Testing

/// Readings of ten sensors in two files, split by topic: the recorded ones where they lie beside the project, else made up.
struct Readings {
    /// The two halves as CSV files.
    let halves: [URL]
    let counts: [Int]
    /// `topic` to `time value` lines, in file order.
    let expected: [Substring: [String]]
    let isRecorded: Bool
    var count: Int { counts.reduce(0, +) }

    init(in folder: Folder) async throws {
        let text: String
        if let recorded = Self.recorded {
            let unpack = try Program("/bin/gzip", ["-dc", recorded.path], in: folder.url, label: "readings")
            try await unpack.succeeds()
            text = unpack.outputText.replacingOccurrences(of: "\r\n", with: "\n")
            isRecorded = true
        } else {
            print("note: no recorded readings (SQUALL_DATA, ../shared/data/nab-sensors.csv.gz); 63,676 made-up ones take their place")
            text = Self.madeUp
            isRecorded = false
        }
        let lines = text.split(separator: "\n")
        let header = try #require(lines.first)
        var topics: [Substring] = []
        var expected: [Substring: [String]] = [:]
        var files = ["\(header)\n", "\(header)\n"]
        var counts = [0, 0]
        for line in lines.dropFirst() {
            let columns = line.split(separator: ",")
            try #require(columns.count == 3)
            if expected[columns[1]] == nil { topics.append(columns[1]) }
            // The tools print times in ISO 8601.
            expected[columns[1], default: []].append(columns[0].replacingOccurrences(of: " ", with: "T") + "Z \(columns[2])")
            let half = topics.firstIndex(of: columns[1])! % 2
            files[half] += "\(line)\n"
            counts[half] += 1
        }
        (self.expected, self.counts) = (expected, counts)
        halves = try [folder.write(files[0], to: "half-0.csv"), folder.write(files[1], to: "half-1.csv")]
    }

    private static var recorded: URL? {
        var places = [
            URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../../shared/data/nab-sensors.csv.gz")
        ]
        if let named = ProcessInfo.processInfo.environment["SQUALL_DATA"] { places.insert(URL(fileURLWithPath: named), at: 0) }
        return places.first { FileManager.default.isReadableFile(atPath: $0.path) }
    }
    private static var madeUp: String {
        var text = "timestamp,topic,value\n"
        for row in 0..<63_676 {
            let minute = row / 10
            let time = String(format: "2026-11-%02d %02d:%02d:00", 1 + minute / 1440, minute / 60 % 24, minute % 60)
            text += "\(time),plant/m\(row % 10)/temperature,\(20 + row * 7919 % 1000).\(row % 97)\n"
        }
        return text
    }

    /// Nil when `output` (lines `offset topic time value`) holds each topic's readings in file order and nothing else.
    func flaw(in output: Data) -> String? {
        var seen: [Substring: Int] = [:]
        for (index, line) in String(decoding: output, as: UTF8.self).split(separator: "\n").enumerated() {
            let parts = line.split(separator: " ", maxSplits: 2)
            guard parts.count == 3 else { return "line \(index + 1) is \"\(line)\"" }
            guard Int(parts[0]) == index else { return "line \(index + 1) has offset \(parts[0])" }
            guard let rows = expected[parts[1]] else { return "unknown topic \(parts[1])" }
            let place = seen[parts[1], default: 0]
            guard place < rows.count else { return "\(parts[1]) has more than its \(rows.count) readings" }
            guard rows[place] == parts[2] else {
                return "\(parts[1]), reading \(place + 1): \"\(parts[2])\" where \"\(rows[place])\" was published"
            }
            seen[parts[1]] = place + 1
        }
        for (topic, rows) in expected where seen[topic] != rows.count {
            return "\(topic) has \(seen[topic] ?? 0) of its \(rows.count) readings"
        }
        return nil
    }
}
