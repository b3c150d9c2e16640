import Foundation
import Testing
import Topics
import Wire

/// What the documentation shows is what the code takes.
@Suite struct DocumentedFilesTests {
    private func text(_ path: String) throws -> String {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        return try String(contentsOf: root.appending(path: path), encoding: .utf8)
    }

    /// The fenced block of `docs/CONFIGURATION.md` whose first line is `# name`.
    private func example(_ name: String) throws -> String {
        let parts = try text("docs/CONFIGURATION.md").components(separatedBy: "```yaml\n# \(name)\n")
        #expect(parts.count == 2)
        return try #require(parts.last?.components(separatedBy: "```").first)
    }

    @Test func theTopicsFileAtTheRootIsReadAsItsCommentsSay() throws {
        let topics = try TopicsConfiguration.parse(text("topics.yaml"), file: "topics.yaml")
        #expect(topics.rule(for: "sensors/7/raw") == TopicRule(pattern: try TopicPattern("sensors/+/raw"), level: .unordered, maxRecord: 4096))
        #expect(topics.rule(for: "metrics")?.level == .ordered)
        #expect(topics.rule(for: "sensors/7/t")?.level == .durable)
        #expect(topics.rule(for: "sensors/7/t")?.keeping == Keeping(time: 7 * 86_400_000_000_000, bytes: 1 << 30))
        #expect(topics.rule(for: "settings/x")?.keeping == Keeping(compact: true))
        #expect(topics.rule(for: "events/x")?.keeping == Keeping(records: 1000))
        #expect(topics.rule(for: "archive/x")?.replicas == 2 && topics.rule(for: "events/x")?.replicas == 0)
        #expect(topics.rule(for: "presence/x")?.lifespan == 10_000_000_000 && topics.rule(for: "presence/x")?.maxRate == 6000)
        #expect(topics.rule(for: "anything")?.level == .durable)
    }

    @Test func theTopicsFileOfTheDocumentationIsRead() throws {
        let topics = try TopicsConfiguration.parse(example("topics.yaml"), file: "topics.yaml")
        #expect(topics.rule(for: "metrics/cpu/live")?.level == .ordered)
        #expect(topics.rule(for: "sensors")?.maxRecord == 64 << 10)
        #expect(topics.rule(for: "sensors")?.keeping == Keeping(time: 7 * 86_400_000_000_000, bytes: 1 << 30))
        #expect(topics.rule(for: "settings/a")?.keeping == Keeping(compact: true))
        #expect(topics.admit == .all)
    }

    @Test func theNodeFileOfTheDocumentationShowsTheDefaults() throws {
        let text = try example("node.yaml")
        let node = try NodeConfiguration.parse(text, file: "node.yaml")
        let optional = ["provider", "ring", "segment", "heartbeat", "suspect_after", "poll", "restart_wait", "copy_rate", "clean_rate", "refill_after", "max_groups", "cpus"]
        let short = text.split(separator: "\n").filter { line in !optional.contains { line.hasPrefix($0 + ":") } }
        #expect(short.count == text.split(separator: "\n").count - optional.count)
        #expect(try NodeConfiguration.parse(short.joined(separator: "\n"), file: "node.yaml") == node)
    }

    @Test func theDocumentedPatternTableHolds() throws {
        let rows = try text("docs/CONFIGURATION.md").split(separator: "\n").filter { $0.hasPrefix("| `") && $0.split(separator: "|").count == 3 }
        var checked = 0
        for row in rows {
            let cells = row.split(separator: "|").map { cell in
                cell.split(separator: "`", omittingEmptySubsequences: false).enumerated().filter { $0.offset % 2 == 1 }.map { String($0.element) }
            }
            guard let pattern = cells[0].first, pattern == "#" || pattern.contains("/") || pattern.contains("..") else { continue }
            let parsed = try TopicPattern(pattern)
            if pattern != "#" { for name in cells[1] { #expect(parsed.matches(name), "\(pattern) on \(name)") } }
            for name in cells[2] { #expect(!parsed.matches(name), "\(pattern) on \(name)") }
            checked += 1
        }
        #expect(checked == 9)
    }
}
