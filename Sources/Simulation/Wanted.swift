/// What a subscriber asks for, and by itself whether a topic is meant: written from the definition of patterns and sharing
/// nothing with the broker's index, which it checks.
struct Wanted {
    let patterns: [String]
    let exclusions: [String]

    var isAll: Bool { patterns == ["#"] && exclusions.isEmpty }

    func matches(_ topic: String) -> Bool {
        isAll || patterns.contains { Self.pattern($0, matches: topic) } && !exclusions.contains { Self.pattern($0, matches: topic) }
    }

    private static func pattern(_ pattern: String, matches topic: String) -> Bool {
        if let dots = pattern.firstRange(of: "..") {
            let (low, high) = (pattern[..<dots.lowerBound], pattern[dots.upperBound...])
            // Names here are plain ASCII: their order is that of their bytes.
            return topic >= low && (high.isEmpty || topic <= high || topic.hasPrefix(high + "/"))
        }
        return levels(split(pattern)[...], match: split(topic)[...])
    }
    private static func split(_ text: String) -> [Substring] { text.split(separator: "/", omittingEmptySubsequences: false) }
    private static func levels(_ wanted: ArraySlice<Substring>, match found: ArraySlice<Substring>) -> Bool {
        guard let first = wanted.first else { return found.isEmpty }
        if first == "#" { return true }
        guard let level = found.first, first == "+" || first == level else { return false }
        return levels(wanted.dropFirst(), match: found.dropFirst())
    }

    /// Of topics `t0/0` to `t3/1`: one pattern, a few of mixed kinds, or very many of which few match; with and without
    /// exclusions. `first` is what the workload drew; it stays alone as often as not.
    init(first: String, _ random: inout SplitMix64) {
        let kinds = ["t0/#", "+/1", "t1/0", "t1..t2", "t0/1..t1/0", "..t1", "t2..", "+/#", "t3/1", "t2/0..t2/1"]
        var patterns = [first]
        var exclusions: [String] = []
        if random.chance(50) {
            if first == "#" { patterns = [] }
            for _ in 0...random.below(3) { patterns.append(random.pick(kinds)) }
        }
        if first != "#", random.chance(10) { patterns += (10..<50).map { random.chance(50) ? "away/\($0)/+" : "x\($0)..x\($0 + 1)" } }
        if first != "#" || patterns != ["#"], random.chance(40) {
            for _ in 0...random.below(2) { exclusions.append(random.pick(["t0/1", "t1/#", "+/0", "t0/1..t1", "t3.."])) }
        }
        self.patterns = patterns
        self.exclusions = exclusions
    }
    static let everything = Wanted(patterns: ["#"], exclusions: [])
    init(patterns: [String], exclusions: [String]) {
        self.patterns = patterns
        self.exclusions = exclusions
    }
}
