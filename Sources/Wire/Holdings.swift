/// Buckets of topics: a set for each number of replicas, of 64 buckets.
///
/// A topic's records are held for good by as many members as its rule says; which ones follows from its bucket (`HolderLayout`). 0 replicas: by all.
package struct BucketSet: Equatable, Sendable {
    /// By number of replicas; one bit a bucket.
    private var masks: [UInt64] = Array(repeating: 0, count: Limits.members + 1)

    package init() {}
    package subscript(replicas: Int) -> UInt64 {
        get { masks[replicas] }
        set { masks[replicas] = newValue }
    }
    package var isEmpty: Bool { masks.allSatisfy { $0 == 0 } }
    package var count: Int { masks.reduce(0) { $0 + $1.nonzeroBitCount } }
    /// The buckets, of whatever number of replicas.
    package var merged: UInt64 { masks.reduce(0, |) }
    package func contains(_ replicas: Int, _ bucket: Int) -> Bool { masks[replicas] >> UInt64(bucket) & 1 == 1 }
    package mutating func insert(_ replicas: Int, _ bucket: Int) { masks[replicas] |= 1 << UInt64(bucket) }
    package func intersection(_ other: BucketSet) -> BucketSet { combined(other, &) }
    package func subtracting(_ other: BucketSet) -> BucketSet { combined(other) { $0 & ~$1 } }
    package func union(_ other: BucketSet) -> BucketSet { combined(other, |) }
    private func combined(_ other: BucketSet, _ operation: (UInt64, UInt64) -> UInt64) -> BucketSet {
        var result = self
        for index in masks.indices { result.masks[index] = operation(masks[index], other.masks[index]) }
        return result
    }

    /// Which bucket a topic is in: ids are dense, so buckets are even.
    package static func bucket(of topic: TopicID) -> Int { topic.index & 63 }
    package static let buckets = 64

    /// `| sets u32 × { replicas u8, mask u64 } |`
    package func encode(into bytes: inout [UInt8]) {
        bytes.append(int: UInt32(masks.count { $0 != 0 }))
        for (replicas, mask) in masks.enumerated() where mask != 0 {
            bytes.append(UInt8(replicas))
            bytes.append(int: mask)
        }
    }
    package init(_ decoder: inout Decoder) throws(DecodeError) {
        for _ in 0..<(try decoder.count(limit: masks.count, size: 9)) {
            let replicas = Int(try decoder.int(UInt8.self))
            guard replicas < masks.count else { throw .limit(what: "replicas", value: UInt64(replicas), limit: UInt64(Limits.members)) }
            masks[replicas] = try decoder.int()
        }
    }
}

/// What of the durable log a node lacks by intent: for each bucket of topics of a number of replicas, a stretch of the log in which records may
/// be missing that other nodes hold. Everything outside is here, but for what topics.yaml lets go.
///
///      offsets     0 ────────── from ━━━━━━━━━━━━ to ─────────▶
///                    here            others hold it    here
package struct Holdings: Equatable, Sendable {
    package struct Line: Equatable, Sendable {
        package let replicas: Int
        package let bucket: Int
        package var from: Offset
        package var to: Offset
        package init(replicas: Int, bucket: Int, from: Offset, to: Offset) {
            (self.replicas, self.bucket, self.from, self.to) = (replicas, bucket, from, to)
        }
        fileprivate var place: Int { replicas << 6 | bucket }
    }
    /// Each bucket at most once, in order; none is empty.
    package private(set) var lines: [Line] = [] { didSet { note() } }
    /// Buckets of which records may be missing somewhere: asked for topic by topic, so it is not made each time.
    package private(set) var missing = BucketSet()
    /// Nothing is missing from here on.
    package private(set) var end = Offset(0)
    /// Stands for what the topics file said of replicas when they were made.
    package var rules: UInt64

    package init(rules: UInt64 = 0) { self.rules = rules }
    package var isEmpty: Bool { lines.isEmpty }
    private mutating func note() {
        missing = missing(from: Offset(0), to: Offset(.max))
        end = lines.map(\.to).max() ?? Offset(0)
    }

    /// Buckets of which records between two places may be missing.
    package func missing(from: Offset, to: Offset) -> BucketSet {
        var set = BucketSet()
        for line in lines where line.from < to && from < line.to { set.insert(line.replicas, line.bucket) }
        return set
    }

    /// Records of a bucket may be missing in this stretch as well.
    package mutating func withhold(_ line: Line) {
        guard line.from < line.to else { return }
        guard let i = lines.firstIndex(where: { $0.place >= line.place }) else { return lines.append(line) }
        guard lines[i].place == line.place else { return lines.insert(line, at: i) }
        lines[i].from = min(lines[i].from, line.from)
        lines[i].to = max(lines[i].to, line.to)
    }
    /// All of these stretches are here now; those that have grown since stay.
    package mutating func fill(_ filled: [Line]) { lines.removeAll { filled.contains($0) } }

    /// The topics file says something else now: what was a bucket's of one number of replicas may be any other's.
    package mutating func spread(rules: UInt64, replicas: [Int]) {
        let before = lines
        self.rules = rules
        for line in before {
            for other in [0] + replicas { withhold(Line(replicas: other, bucket: line.bucket, from: line.from, to: line.to)) }
        }
        // Nobody holds by a number that no rule has.
        lines.removeAll { $0.replicas != 0 && !replicas.contains($0.replicas) }
    }

    /// `| rules u64 | lines u32 × { replicas u8, bucket u8, from u64, to u64 } |`
    package func encode() -> [UInt8] {
        var bytes: [UInt8] = []
        encode(into: &bytes)
        return bytes
    }
    package func encode(into bytes: inout [UInt8]) {
        bytes.append(int: rules)
        bytes.append(int: UInt32(lines.count))
        for line in lines {
            bytes.append(UInt8(line.replicas))
            bytes.append(UInt8(line.bucket))
            bytes.append(int: line.from.raw)
            bytes.append(int: line.to.raw)
        }
    }
    package init(_ view: ByteView) throws(DecodeError) {
        var decoder = Decoder(view, "holdings")
        try self.init(&decoder)
        try decoder.end()
    }
    package init(_ decoder: inout Decoder) throws(DecodeError) {
        rules = try decoder.int()
        for _ in 0..<(try decoder.count(limit: (Limits.members + 1) * BucketSet.buckets, size: 18)) {
            let (replicas, bucket) = (Int(try decoder.int(UInt8.self)), Int(try decoder.int(UInt8.self)))
            guard replicas <= Limits.members else { throw .limit(what: "replicas", value: UInt64(replicas), limit: UInt64(Limits.members)) }
            guard bucket < BucketSet.buckets else { throw .limit(what: "bucket", value: UInt64(bucket), limit: UInt64(BucketSet.buckets - 1)) }
            let line = Line(replicas: replicas, bucket: bucket, from: Offset(try decoder.int()), to: Offset(try decoder.int()))
            guard line.from < line.to, lines.last.map({ $0.place < line.place }) ?? true else { throw .value(what: "holdings line", value: line.from.raw) }
            lines.append(line)
        }
        note()
    }
}

/// A place up to which a node has delivered the durable log and has it on its disk: it lies within the log of every later view (R7).
///
///      | number u64 | offset u64 |
package struct AgreedPlace: Equatable, Sendable {
    package var number: EntryNumber
    package var offset: Offset
    package init(number: EntryNumber, offset: Offset) { (self.number, self.offset) = (number, offset) }
    package static let zero = AgreedPlace(number: .zero, offset: Offset(0))

    package func encode() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(int: number.raw)
        bytes.append(int: offset.raw)
        return bytes
    }
    package init(_ view: ByteView) throws(DecodeError) {
        var decoder = Decoder(view, "agreed place")
        number = EntryNumber(try decoder.int())
        offset = Offset(try decoder.int())
        try decoder.end()
    }
}

/// A member's word to the others: of these buckets it has on its disk all records below `end`, as long as the view lasts.
///
///      | view u64 | end u64 | rules u64 | buckets |
package struct HoldingWord: Equatable, Sendable {
    package var view: ViewNumber
    package var end: Offset
    package var rules: UInt64
    package var buckets: BucketSet
    package init(view: ViewNumber, end: Offset, rules: UInt64, buckets: BucketSet) {
        (self.view, self.end, self.rules, self.buckets) = (view, end, rules, buckets)
    }
    package func encode() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(int: view.raw)
        bytes.append(int: end.raw)
        bytes.append(int: rules)
        buckets.encode(into: &bytes)
        return bytes
    }
    package init(_ view: ByteView) throws(DecodeError) {
        var decoder = Decoder(view, "holding word")
        self.view = ViewNumber(try decoder.int())
        end = Offset(try decoder.int())
        rules = try decoder.int()
        buckets = try BucketSet(&decoder)
        try decoder.end()
    }
}

/// A node asks another for records that it does not hold: those of `buckets` in entries from `from` on, below `below`.
///
///      | id u32 | from u64 | below u64 | offset of from u64 | offset of below u64 | rules u64 | buckets |
package struct ExcerptRequest: Equatable, Sendable {
    package var id: UInt32
    package var from: EntryNumber
    package var below: EntryNumber
    package var fromOffset: Offset
    package var toOffset: Offset
    package var rules: UInt64
    package var buckets: BucketSet
    package init(id: UInt32, from: EntryNumber, below: EntryNumber, fromOffset: Offset, toOffset: Offset, rules: UInt64, buckets: BucketSet) {
        (self.id, self.from, self.below, self.rules, self.buckets) = (id, from, below, rules, buckets)
        (self.fromOffset, self.toOffset) = (fromOffset, toOffset)
    }
    package func encode() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(int: id)
        bytes.append(int: from.raw)
        bytes.append(int: below.raw)
        bytes.append(int: fromOffset.raw)
        bytes.append(int: toOffset.raw)
        bytes.append(int: rules)
        buckets.encode(into: &bytes)
        return bytes
    }
    package init(_ view: ByteView) throws(DecodeError) {
        var decoder = Decoder(view, "excerpt request")
        id = try decoder.int()
        from = EntryNumber(try decoder.int())
        below = EntryNumber(try decoder.int())
        fromOffset = Offset(try decoder.int())
        toOffset = Offset(try decoder.int())
        rules = try decoder.int()
        buckets = try BucketSet(&decoder)
        try decoder.end()
        guard from < below else { throw .value(what: "excerpt request", value: below.raw) }
    }
}

/// The answer: `| id u32 | sure u8 | buckets | entries… |`: of these buckets, of those asked for, all is in the entries, which follow one another and are an
/// `Excerpt`; with no bucket there are none. `sure`: of the others this node does not have all; 0: it cannot say for now.
package struct ExcerptAnswer {
    package let id: UInt32
    package let isSure: Bool
    package let buckets: BucketSet
    package let entries: ByteView
    package static func head(_ id: UInt32, _ buckets: BucketSet, isSure: Bool) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(int: id)
        bytes.append(isSure ? 1 : 0)
        buckets.encode(into: &bytes)
        return bytes
    }
    package init(_ view: ByteView) throws(DecodeError) {
        var decoder = Decoder(view, "excerpt")
        id = try decoder.int()
        isSure = try decoder.int(UInt8.self) == 1
        buckets = try BucketSet(&decoder)
        entries = view.from(decoder.position)
    }
}
