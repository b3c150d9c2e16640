/// A value of a YAML file and where it begins. No types are guessed: a scalar is the text that is written.
struct YAMLNode: Sendable {
    struct Entry: Sendable {
        let key: String
        let keyMark: TextMark
        let value: YAMLNode
    }
    enum Content: Sendable {
        /// `plain`: not in quotes, not a block of text.
        case scalar(String, plain: Bool)
        case sequence([YAMLNode])
        case mapping([Entry])
        /// Reported already (an alias, a tag): readers pass it over in silence.
        case refused
    }
    let mark: TextMark
    let content: Content

    /// Whether nothing is written: an empty plain scalar, `~` or `null`.
    var isNothing: Bool {
        guard case .scalar(let text, plain: true) = content else { return false }
        return text.isEmpty || text == "~" || text == "null"
    }

    /// What this is, in words for a diagnostic.
    var words: String {
        switch content {
        case .scalar(let text, _): isNothing ? "nothing" : quoted(text)
        case .sequence: "a list"
        case .mapping: "a mapping"
        case .refused: "a refused value"
        }
    }
}
