package import Wire

/// Which topics: an exact name, an MQTT filter, or a range of names.
///
///     sensors/t1          exact     this name
///     sensors/+/t1        filter    "+" stands for one whole level, empty or not
///     sensors/#           filter    "#", last, stands for any number of levels, none too: sensors, sensors/a, sensors/a/b
///     alpha..delta        range     split at the first ".."; also alpha.. and ..delta
///
/// A range `a..b` holds a name if `a <= name` and (`name <= b` or `name` begins with `b` and a slash), all compared byte by
/// byte in UTF-8: the upper bound holds itself and all below it as levels, `a..c` holds `c` and `c/x` but neither `c1` nor
/// `cx/y`. An empty bound is open.
///
/// As in MQTT a wildcard in the first level does not match names that begin with `$`; nor does a range hold them unless its
/// lower bound begins with `$`. A name that has `..` in itself cannot be written as an exact pattern, only covered by a
/// filter or a range, or made with `init(exactly:)`.
package struct TopicPattern: Hashable, Sendable, CustomStringConvertible {
    package enum Kind: Sendable { case exact, filter, range }
    package let kind: Kind
    /// The pattern's text, in UTF-8.
    let bytes: [UInt8]
    /// Bytes of a range's lower bound; the upper one begins two bytes later.
    let lowerCount: Int

    /// Reads `text`.
    package init(_ text: String) throws(TopicError) {
        bytes = Array(text.utf8)
        (kind, lowerCount) = try bytes.withView { view throws(TopicError) in try Self.examine(view) }
    }

    /// Reads UTF-8 bytes.
    package init(_ view: ByteView) throws(TopicError) {
        (kind, lowerCount) = try Self.examine(view)
        bytes = view.array
    }

    /// The pattern that matches `name` alone, whatever is in it.
    package init(exactly name: TopicName) {
        kind = .exact
        bytes = Array(name.text.utf8)
        lowerCount = 0
    }

    /// The text that it was read from.
    package var text: String { String(decoding: bytes, as: UTF8.self) }
    package var description: String { text }

    /// Whether this is `#`.
    package var isEverything: Bool { kind == .filter && bytes == [TopicText.hash] }

    /// Whether `name`, a topic's name, is among those meant. Takes no memory; time is linear in the shorter text.
    package func matches(_ name: String) -> Bool { name.withBytes { matches($0) } }

    /// Whether `name`, a topic's name in UTF-8, is among those meant.
    package func matches(_ name: ByteView) -> Bool {
        guard !name.isEmpty else { return false }
        return bytes.withView { pattern in
            switch kind {
            case .exact: pattern == name
            case .filter: Self.filter(pattern, matches: name)
            case .range: Self.range(from: pattern[0..<lowerCount], to: pattern.from(lowerCount + 2), holds: name)
            }
        }
    }

    /// Whether every name that `other` matches is certainly matched by this one; false where it cannot be told from the
    /// levels alone (`+/#` and `#`, or a range that covers a filter).
    package func covers(_ other: TopicPattern) -> Bool {
        if self == other { return true }
        switch (kind, other.kind) {
        case (_, .exact): return other.bytes.withView { matches($0) }
        // A filter's levels taken as a name's: "+" is met by "+", and "#" only by "#" (see `filter`).
        case (.filter, .filter): return bytes.withView { own in other.bytes.withView { Self.filter(own, matches: $0) } }
        // A range holds no name under "$" unless its lower bound says so, and neither does "#".
        case (.filter, .range): return isEverything && other.bytes.first != TopicText.dollar
        case (.exact, _), (.range, _): return false
        }
    }
}

// MARK: Matching

extension TopicPattern {
    /// Walks filter and name together; the filter has been examined, so a wildcard fills its level.
    private static func filter(_ pattern: ByteView, matches name: ByteView) -> Bool {
        let first = pattern.u8(0)
        if name.u8(0) == TopicText.dollar, first == TopicText.plus || first == TopicText.hash { return false }
        var p = 0
        var n = 0
        while p < pattern.count {
            let byte = pattern.u8(p)
            if byte == TopicText.hash { return true }
            if byte == TopicText.plus {
                // Names have no "#"; another filter taken for a name, in `covers`, may: one level does not cover all.
                if n < name.count, name.u8(n) == TopicText.hash { return false }
                while n < name.count, name.u8(n) != TopicText.slash { n += 1 }
            } else if n < name.count, name.u8(n) == byte {
                n += 1
            } else {
                // "a/#" matches "a": the name has ended and "/#" is left.
                return n == name.count && byte == TopicText.slash && p + 2 == pattern.count && pattern.u8(p + 1) == TopicText.hash
            }
            p += 1
        }
        return n == name.count
    }

    private static func range(from lower: ByteView, to upper: ByteView, holds name: ByteView) -> Bool {
        if name.u8(0) == TopicText.dollar, lower.isEmpty || lower.u8(0) != TopicText.dollar { return false }
        if TopicText.precedes(name, lower) { return false }
        return upper.isEmpty || reaches(upper, name)
    }

    /// Whether `name` lies at or before `upper`, or below it as a level.
    private static func reaches(_ upper: ByteView, _ name: ByteView) -> Bool {
        let shared = TopicText.sharedPrefix(name, upper)
        if shared == name.count { return true }
        return shared == upper.count ? name.u8(shared) == TopicText.slash : name.u8(shared) < upper.u8(shared)
    }
}

// MARK: Reading

extension TopicPattern {
    private static func examine(_ text: ByteView) throws(TopicError) -> (Kind, Int) {
        guard !text.isEmpty else { throw .empty(.pattern) }
        let longest = 2 * Limits.topicName + 2
        guard text.count <= longest else { throw .tooLong(.pattern, bytes: text.count, limit: longest) }
        if let split = firstDots(text) {
            try examineRange(lower: text[0..<split], upper: text.from(split + 2))
            return (.range, split)
        }
        try TopicText.check(text, .pattern)
        return (try examineWildcards(text) ? .filter : .exact, 0)
    }

    private static func firstDots(_ text: ByteView) -> Int? {
        var at = 0
        while at + 1 < text.count {
            if text.u8(at) == TopicText.dot, text.u8(at + 1) == TopicText.dot { return at }
            at += 1
        }
        return nil
    }

    private static func examineRange(lower: ByteView, upper: ByteView) throws(TopicError) {
        guard !lower.isEmpty || !upper.isEmpty else { throw .rangeWithoutBounds }
        let upperStart = lower.count + 2
        for (bound, base) in [(lower, 0), (upper, upperStart)] where !bound.isEmpty {
            try TopicText.check(bound, .pattern, base: base)
            for at in 0..<bound.count where bound.u8(at) == TopicText.plus || bound.u8(at) == TopicText.hash {
                throw .wildcardInRange(Character(Unicode.Scalar(bound.u8(at))), offset: base + at)
            }
        }
        // Its own lower bound is the first name that a range can hold.
        guard lower.isEmpty || upper.isEmpty || reaches(upper, lower) else { throw .rangeEmpty(offset: upperStart) }
    }

    /// Whether there are wildcards; throws where one does not fill its level.
    private static func examineWildcards(_ text: ByteView) throws(TopicError) -> Bool {
        var found = false
        for at in 0..<text.count {
            let byte = text.u8(at)
            guard byte == TopicText.plus || byte == TopicText.hash else { continue }
            found = true
            let begins = at == 0 || text.u8(at - 1) == TopicText.slash
            let ends = at + 1 == text.count || text.u8(at + 1) == TopicText.slash
            guard begins, ends else { throw .wildcardNotAlone(Character(Unicode.Scalar(byte)), offset: at) }
            if byte == TopicText.hash, at + 1 < text.count { throw .hashNotLast(offset: at) }
        }
        return found
    }
}
