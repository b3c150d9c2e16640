internal import Broker
internal import Wire

/// What nodes have told one another of what is on their disks, as it went out: whoever lets records go must have been told, in the view that it runs in,
/// by as many others as the topic has replicas (H10), and who said it keeps it.
struct WordChecker {
    /// By view, by host: each other word, the newest last.
    private var words: [ViewNumber: [Int: [HoldingWord]]] = [:]
    /// By host: its newest word, and what it has for good, as it told another.
    private var newest: [Int: HoldingWord] = [:]
    private var said: [Int: Offset] = [:]

    mutating func says(_ bytes: [UInt8], _ host: Int) {
        guard let word = try? bytes.withView({ try HoldingWord($0) }) else { return }
        if word.view >= newest[host]?.view ?? word.view { newest[host] = word }
        said[host] = max(said[host] ?? Offset(0), word.end)
        if words[word.view]?[host]?.last != word { words[word.view, default: [:]][host, default: []].append(word) }
    }

    /// The host's disk is another one.
    mutating func forget(_ host: Int) { (newest[host], said[host]) = (nil, nil) }

    /// What is wrong with a drop at `host`.
    func judge(_ drop: Droppable, _ host: Int) -> String? {
        for line in drop.lines {
            let others = (words[drop.view] ?? [:]).filter { other, words in
                other != host && words.reversed().contains { $0.end >= line.to && $0.buckets.contains(line.replicas, line.bucket) }
            }
            guard others.count < line.replicas else { continue }
            return "lets go of bucket \(line.bucket) of \(line.replicas) replicas below \(line.to.raw) in view \(drop.view.raw), in which \(others.count) others have said to have that"
        }
        return nil
    }

    /// What is wrong with what `host` is about to let go of.
    func judge(goes lines: [Holdings.Line], _ host: Int) -> String? {
        guard let word = newest[host], let line = lines.first(where: { word.buckets.contains($0.replicas, $0.bucket) && $0.from < word.end }) else { return nil }
        return "lets go of bucket \(line.bucket) of \(line.replicas) replicas, which it has told others in view \(word.view.raw) to have"
    }

    /// What is wrong with a log that ends there.
    func judge(end: Offset, _ host: Int) -> String? {
        guard let told = said[host], end < told else { return nil }
        return "has told others that it has all below \(told.raw), and gives it up from \(end.raw) on"
    }
}
