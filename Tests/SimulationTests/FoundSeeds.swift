import Foundation
import Simulation
import Testing

/// Worlds that once failed, as `simulate shrink` keeps them in Tests/Seeds:
///
///     seed 1495
///     steps 1200
///     skip 3,5
///     what the world traps
struct FoundSeed: Sendable, CustomTestStringConvertible {
    let name: String
    let plan: Plan
    let what: String
    var testDescription: String { "\(name): \(what)" }

    static let all: [FoundSeed] = {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("Seeds")
        let files = (try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)) ?? []
        return files.filter { $0.pathExtension == "seed" }.sorted { $0.path < $1.path }.compactMap { FoundSeed($0) }
    }()

    init?(_ file: URL) {
        guard let text = try? String(contentsOf: file, encoding: .utf8) else { return nil }
        var values: [String: String] = [:]
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: " ", maxSplits: 1)
            values[String(parts[0])] = parts.count > 1 ? String(parts[1]) : ""
        }
        guard let seed = values["seed"].flatMap({ UInt64($0) }), let steps = values["steps"].flatMap({ Int($0) }) else { return nil }
        let skip = (values["skip"] ?? "").split(separator: ",").compactMap { Int($0) }
        name = file.deletingPathExtension().lastPathComponent
        plan = Plan(seed: seed, steps: steps, skip: Set(skip), kind: Plan.Kind.allCases.first { values[$0.rawValue] != nil } ?? .mixed)
        what = values["what"] ?? ""
    }
}
