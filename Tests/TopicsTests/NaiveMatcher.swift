/// What a pattern means, written from its definition and sharing nothing with the matcher: texts are cut into lists.
enum NaiveMatcher {
    static func matches(_ pattern: String, _ name: String) -> Bool {
        let text = Array(pattern.utf8)
        let dots = (0..<max(0, text.count - 1)).first { text[$0] == 0x2E && text[$0 + 1] == 0x2E }
        if let dots { return range(Array(text[..<dots]), Array(text[(dots + 2)...]), Array(name.utf8)) }
        let levels = cut(name)
        let wanted = cut(pattern)
        if name.hasPrefix("$"), wanted[0] == "+" || wanted[0] == "#" { return false }
        return filter(wanted[...], levels[...])
    }

    private static func cut(_ text: String) -> [String] {
        text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    }

    private static func filter(_ wanted: ArraySlice<String>, _ levels: ArraySlice<String>) -> Bool {
        guard let first = wanted.first else { return levels.isEmpty }
        if first == "#" { return true }
        guard let level = levels.first, first == "+" || first == level else { return false }
        return filter(wanted.dropFirst(), levels.dropFirst())
    }

    private static func range(_ lower: [UInt8], _ upper: [UInt8], _ name: [UInt8]) -> Bool {
        if name.first == 0x24, lower.first != 0x24 { return false }
        if name.lexicographicallyPrecedes(lower) { return false }
        if upper.isEmpty || name == upper || name.lexicographicallyPrecedes(upper) { return true }
        return name.starts(with: upper + [0x2F])
    }
}
