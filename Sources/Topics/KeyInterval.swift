internal import Wire

/// A place in the byte order of names: a slice of a range pattern's text, then at most one more byte.
///
///     text[start ..< start + count], then tail       tail: -1 nothing, 0...255 a byte, 256 behind all that begin so
struct KeyBound: Equatable, Sendable {
    let start: UInt16
    let count: UInt16
    let tail: Int16

    init(_ slice: Range<Int>, tail: Int16 = -1) {
        start = UInt16(slice.lowerBound)
        count = UInt16(slice.count)
        self.tail = tail
    }
    /// Behind every name.
    static let end = KeyBound(0..<0, tail: 256)
    /// Where the names under `$` begin, and where they have ended.
    static let dollar = KeyBound(0..<0, tail: Int16(TopicText.dollar))
    static let pastDollar = KeyBound(0..<0, tail: Int16(TopicText.dollar) + 1)

    /// The place of a name that stands alone in its text.
    init(name: ByteView) { self.init(0..<name.count) }

    private var length: Int { Int(count) + (tail >= 0 ? 1 : 0) }
    private func byte(_ index: Int, of text: ByteView) -> Int {
        index < Int(count) ? Int(text.u8(Int(start) + index)) : Int(tail)
    }

    /// Negative where this place in `text` comes before `other` in `otherText`, 0 where they are the same.
    func compare(_ text: ByteView, _ other: KeyBound, _ otherText: ByteView) -> Int {
        let shared = min(length, other.length)
        var at = 0
        while at < shared {
            let difference = byte(at, of: text) - other.byte(at, of: otherText)
            if difference != 0 { return difference }
            at += 1
        }
        return length - other.length
    }
}

/// Names from `low` on and before `high`, in byte order.
struct KeyInterval: Equatable, Sendable {
    let low: KeyBound
    let high: KeyBound
}

extension TopicPattern {
    /// What a range holds, as intervals that rise and do not touch: at most four.
    ///
    /// `a..b` is what lies from `a` to `b`, and what lies below `b` as a level: between the two stand names such as `b!`,
    /// which it does not hold. Names under `$` are cut out unless the lower bound begins so.
    var keyIntervals: [KeyInterval] {
        precondition(kind == .range)
        return bytes.withView { text in
            let low = KeyBound(0..<lowerCount)
            let upper = lowerCount + 2..<bytes.count
            func before(_ a: KeyBound, _ b: KeyBound) -> Bool { a.compare(text, b, text) < 0 }
            var whole = [KeyInterval(low: low, high: .end)]
            if !upper.isEmpty {
                let below = KeyBound(upper, tail: Int16(TopicText.slash))
                whole = [
                    KeyInterval(low: low, high: KeyBound(upper, tail: 0)),
                    KeyInterval(low: before(low, below) ? below : low, high: KeyBound(upper, tail: Int16(TopicText.slash) + 1)),
                ]
            }
            if lowerCount == 0 || bytes[0] != TopicText.dollar {
                whole = whole.flatMap { one in
                    [
                        KeyInterval(low: one.low, high: before(one.high, .dollar) ? one.high : .dollar),
                        KeyInterval(low: before(.pastDollar, one.low) ? one.low : .pastDollar, high: one.high),
                    ]
                }
            }
            return whole.filter { before($0.low, $0.high) }
        }
    }
}
