/// One broker: its file, its process, and how far it is by its own lines.
final class Node {
    let number: Int
    let address: String
    private(set) var child: Child?
    /// The view it runs, 0 for none, and its members by rank.
    private(set) var view = 0
    private(set) var members: [Int] = []
    /// When that view began, by this program's clock.
    private(set) var viewAt: UInt64 = 0
    /// What it said, in all its lives; the newest last.
    private(set) var words: [String] = []
    /// How often it said that another member did not begin a view for ten seconds.
    private(set) var holdUps = 0
    /// How often it suspected another.
    private(set) var suspicions = 0
    private static let wordsLimit = 2000

    init(number: Int, address: String) {
        self.number = number
        self.address = address
    }

    var isRunning: Bool { child?.isRunning ?? false }

    /// A new life: nothing is known of it yet.
    func begin(_ child: Child) {
        (view, members) = (0, [])
        self.child = child
        child.onError = { [weak self] in self?.hear(String(decoding: $0, as: UTF8.self)) }
    }

    /// `15:02:56.323Z node 3: view 3 [2 3 1] begins after 6 ms` and the like.
    private func hear(_ line: String) {
        words.append(line)
        if words.count > Self.wordsLimit { words.removeFirst(Self.wordsLimit / 2) }
        if line.contains("it has not begun") { holdUps += 1 }
        if line.contains(": suspecting ") { suspicions += 1 }
        guard let mark = line.firstRange(of: "Z node \(number): ") else { return }
        let text = line[mark.upperBound...]
        if text.hasPrefix("life ") || text.hasPrefix("starting again from disk") {
            (view, members) = (0, [])
        } else if text.hasPrefix("view "), text.contains(" begins"), let open = text.firstIndex(of: "["), let end = text.firstIndex(of: "]") {
            view = Int(text.dropFirst(5).prefix { $0.isNumber }) ?? 0
            members = text[text.index(after: open)..<end].split(separator: " ").compactMap { Int($0) }
            viewAt = monotonic()
        }
    }
}
