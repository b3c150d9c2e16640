/// The word among `words` that `word` was most likely meant to be: fewest edits, at most a third of the longer one's
/// length (or one edit of two characters); the first of equals. Case does not count. Nil where none is near.
func nearestWord(to word: some StringProtocol, among words: [String]) -> String? {
    // Far longer than any word known here: not a slip of the hand, and the cost is quadratic.
    guard word.utf8.count <= 64 else { return nil }
    var best: (word: String, edits: Int)?
    for known in words {
        let edits = editDistance(Array(word.lowercased().utf8), Array(known.lowercased().utf8))
        let longer = max(word.utf8.count, known.utf8.count)
        guard edits <= max(1, longer / 3), 2 * edits <= longer else { continue }
        if best.map({ edits < $0.edits }) ?? true { best = (known, edits) }
    }
    return best?.word
}

/// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`, no part edited twice
/// (optimal string alignment).
func editDistance(_ a: [UInt8], _ b: [UInt8]) -> Int {
    var beforeLast: [Int] = []
    var last = Array(0...b.count)
    for i in 0..<a.count {
        var row = [i + 1]
        for j in 0..<b.count {
            var edits = min(last[j + 1] + 1, row[j] + 1, last[j] + (a[i] == b[j] ? 0 : 1))
            if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { edits = min(edits, beforeLast[j - 1] + 1) }
            row.append(edits)
        }
        beforeLast = last
        last = row
    }
    return last[b.count]
}
