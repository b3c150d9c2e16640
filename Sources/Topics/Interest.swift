package import Wire

/// What a subscription asks for: the topics that some pattern matches and no exclusion does.
package struct Interest: Hashable, Sendable {
    package let patterns: [TopicPattern]
    package let exclusions: [TopicPattern]

    /// At most `Limits.patterns` of both together.
    package init(patterns: [TopicPattern], exclusions: [TopicPattern] = []) throws(TopicError) {
        let count = patterns.count + exclusions.count
        guard count <= Limits.patterns else { throw .tooManyPatterns(count: count, limit: Limits.patterns) }
        self.patterns = patterns
        self.exclusions = exclusions
    }

    /// Whether `name`, a topic's name, is asked for.
    package func matches(_ name: String) -> Bool { name.withBytes { matches($0) } }

    /// Whether `name`, a topic's name in UTF-8, is asked for; time is linear in the patterns.
    package func matches(_ name: ByteView) -> Bool {
        patterns.contains { $0.matches(name) } && !exclusions.contains { $0.matches(name) }
    }

    /// A lone `#` without exclusions: every topic but those under `$`, with no look at names.
    package var matchesEverything: Bool { exclusions.isEmpty && patterns.count == 1 && patterns[0].isEverything }
}
