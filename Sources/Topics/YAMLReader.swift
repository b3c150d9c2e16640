/// Reads one YAML document into a tree of nodes with marks. Anchors, aliases and tags are refused: what a configuration
/// says stands where it is said, and no small file unfolds into a large one.
enum YAMLReader {
    static let sizeLimit = 1 << 20
    /// Lists and mappings within each other; the configuration files have four.
    static let depthLimit = 16
    /// Values and keys: a topics file of `Limits.topicRules` rules has about 28,000.
    static let nodeLimit = 1 << 16

    /// The document's root, or nil where `problems` says why there is none; what is refused within is reported and marked.
    static func read(_ text: String, _ problems: inout Problems, emptyHint: String) -> YAMLNode? {
        var bytes = Array(text.utf8)
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes.removeFirst(3) }
        guard bytes.count <= sizeLimit else {
            problems.add(.start, "the file has \(bytes.count) bytes", expected: "at most \(Quantity.size.text(sizeLimit))")
            return nil
        }
        var builder = YAMLBuilder()
        do throws(YAMLSyntaxError) {
            // The events live within the closure, the bytes do not move during it.
            try unsafe bytes.withUnsafeBufferPointer { buffer throws(YAMLSyntaxError) in
                var events = unsafe YAMLEvents(buffer)
                while builder.take(try events.next(), &problems) {}
            }
        } catch {
            report(error, &problems)
            return nil
        }
        guard !builder.stopped else { return nil }
        guard let root = builder.root, !root.isNothing else {
            problems.add(.start, "the file says nothing", hint: emptyHint)
            return nil
        }
        return root
    }

    private static func report(_ error: YAMLSyntaxError, _ problems: inout Problems) {
        // Of what never ends, or of a key without a colon, the beginning is of use; libyaml marks where it gave up.
        let unfinished = unfinished.contains { error.problem.contains($0) }
        let mark = unfinished ? error.contextMark ?? error.mark : error.mark
        var found = error.problem
        if let context = error.context, let begun = error.contextMark {
            found += " " + context + (begun.line == mark.line ? "" : " that begins on line \(begun.line)")
        }
        problems.add(mark, found, hint: hints.first { error.problem.contains($0.problem) }?.hint)
    }

    private static let unfinished = ["could not find expected ':'", "unexpected end of stream"]

    /// What helps against the commonest of libyaml's complaints.
    private static let hints: [(problem: String, hint: String)] = [
        ("cannot start any token", "indent with spaces, not tabs; put text that begins with %, @ or ` in quotes"),
        ("mapping values are not allowed", "indent this line like its neighbours; put text with \": \" in quotes"),
        ("did not find expected key", "indent this line like its neighbours"),
        ("did not find expected '-' indicator", "indent this line like its neighbours, with \"- \" for a further item"),
        ("did not find expected node content", "put an address such as \"[::1]:7421\", or text that begins with a sign, in quotes"),
        ("did not find expected <document start>", "begin the line with a key; put an address such as \"[::1]:7421\" in quotes"),
        ("incompatible YAML document", "remove the line with %YAML"),
        ("did not find expected ',' or", "close what was opened, and part its items by commas"),
        ("could not find expected ':'", "write \"key: value\", with a space after the colon"),
        ("did not find expected alphabetic or numeric character", "put text that begins with * or & in quotes"),
        ("unexpected end of stream", "close the quote"),
        ("control characters are not allowed", "leave control characters out"),
        ("found unknown escape character", "double a backslash within double quotes, or use single quotes"),
    ]
}

/// Puts a tree together from events; an explicit stack, as deep as `YAMLReader.depthLimit`.
private struct YAMLBuilder {
    /// A list or mapping that is not complete; a mapping's keys and values alternate in `nodes`.
    private struct Frame {
        let mark: TextMark
        let isMapping: Bool
        let isRefused: Bool
        var nodes: [YAMLNode] = []
    }
    private var open: [Frame] = []
    private var nodes = 0
    private var documents = 0
    private(set) var root: YAMLNode?
    /// A limit was passed or a second document met: what there is of the tree is not to be used.
    private(set) var stopped = false

    /// Takes an event; false when no more are wanted.
    mutating func take(_ event: YAMLEvent, _ problems: inout Problems) -> Bool {
        let refused = refuse(event, &problems)
        switch event.kind {
        case .streamStart, .documentEnd: break
        case .streamEnd: return false
        case .documentStart:
            documents += 1
            if documents > 1 {
                problems.add(event.mark, "a second document begins", expected: "one document", hint: "remove this \"---\"")
                stopped = true
            }
        case .alias: add(YAMLNode(mark: event.mark, content: .refused), &problems)
        case .scalar(let text, let plain):
            add(YAMLNode(mark: event.mark, content: refused ? .refused : .scalar(text, plain: plain)), &problems)
        case .sequenceStart: begin(Frame(mark: event.mark, isMapping: false, isRefused: refused), &problems)
        case .mappingStart: begin(Frame(mark: event.mark, isMapping: true, isRefused: refused), &problems)
        case .sequenceEnd, .mappingEnd:
            let frame = open.removeLast()
            let content: YAMLNode.Content = frame.isMapping ? .mapping(Self.entries(frame, &problems)) : .sequence(frame.nodes)
            add(YAMLNode(mark: frame.mark, content: frame.isRefused ? .refused : content), &problems)
        }
        return !stopped
    }

    private func refuse(_ event: YAMLEvent, _ problems: inout Problems) -> Bool {
        if case .alias(let name) = event.kind {
            problems.add(event.mark, "alias \(quoted("*" + name))", hint: "aliases are not used here: write the value out, or put it in quotes")
        }
        if let anchor = event.anchor {
            problems.add(event.mark, "anchor \(quoted("&" + anchor))", hint: "anchors are not used here: remove it, or put the value in quotes")
        }
        if let tag = event.tag {
            let standard = "tag:yaml.org,2002:"
            let written = tag.hasPrefix(standard) ? "!!" + tag.dropFirst(standard.count) : tag
            problems.add(event.mark, "tag \(quoted(written))", hint: "tags are not used here: remove it, or put the value in quotes")
        }
        return event.tag != nil
    }

    private mutating func begin(_ frame: Frame, _ problems: inout Problems) {
        if open.count == YAMLReader.depthLimit {
            problems.add(frame.mark, "lists and mappings are nested too deeply", expected: "at most \(YAMLReader.depthLimit) levels")
            stopped = true
        }
        open.append(frame)
    }

    private mutating func add(_ node: YAMLNode, _ problems: inout Problems) {
        nodes += 1
        if nodes > YAMLReader.nodeLimit {
            problems.add(node.mark, "the file has too many values", expected: "at most \(YAMLReader.nodeLimit)")
            stopped = true
        }
        if open.isEmpty { root = node } else { open[open.count - 1].nodes.append(node) }
    }

    /// A mapping's pairs; a key is a word and stands once, the first is kept.
    private static func entries(_ frame: Frame, _ problems: inout Problems) -> [YAMLNode.Entry] {
        var entries: [YAMLNode.Entry] = []
        var lines: [String: Int] = [:]
        for at in stride(from: 0, to: frame.nodes.count - 1, by: 2) {
            let key = frame.nodes[at]
            guard case .scalar(let word, _) = key.content else {
                if case .refused = key.content { continue }
                problems.add(key.mark, "found \(key.words) as a key", expected: "a word")
                continue
            }
            if let first = lines[word] {
                problems.add(key.mark, "duplicate key \(quoted(word))", hint: "it stands on line \(first) already; remove one")
                continue
            }
            lines[word] = key.mark.line
            entries.append(YAMLNode.Entry(key: word, keyMark: key.mark, value: frame.nodes[at + 1]))
        }
        return entries
    }
}
