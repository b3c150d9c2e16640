internal import Wire

/// Names one after another and where each ends: `TopicTable`'s memory, shared and not copied.
struct TopicNameRun {
    let names: [UInt8]
    let ends: [UInt32]
    init(_ names: [UInt8], _ ends: [UInt32]) {
        self.names = names
        self.ends = ends
    }
    var count: Int { ends.count }

    /// Calls `body` with the name of topic `id`, valid during the call.
    func with<R>(_ id: UInt32, _ body: (ByteView) -> R) -> R {
        let start = id == 0 ? 0 : Int(ends[Int(id) - 1])
        return names.withView { body($0[start..<Int(ends[Int(id)])]) }
    }
}

/// Topic ids as their names sort, byte by byte.
///
///     chunks   | 7 2 9 |  | 0 4 |  | 1 5 3 8 |      none empty; each at most `most` long, split in halves beyond it
///
/// Cost of a change: a search of the logarithm of the topics, and moving half a chunk.
struct TopicOrder: Sendable {
    private(set) var chunks: [[UInt32]] = []
    private static let most = 1024

    init() {}

    /// All names of `run`.
    init(sorting run: TopicNameRun) {
        let ids = (0..<UInt32(run.count)).sorted { a, b in run.with(a) { x in run.with(b) { TopicText.precedes(x, $0) } } }
        let step = Self.most / 4 * 3
        chunks = stride(from: 0, to: ids.count, by: step).map { Array(ids[$0..<min($0 + step, ids.count)]) }
    }

    var footprint: Int { chunks.reduce(chunks.capacity * 8) { $0 + $1.capacity * MemoryLayout<UInt32>.size + 32 } }

    /// The chunk and index of an id; behind the last one at the end.
    struct Place: Equatable {
        var chunk: Int
        var index: Int
    }

    subscript(place: Place) -> UInt32? { place.chunk < chunks.count ? chunks[place.chunk][place.index] : nil }

    func after(_ place: Place) -> Place {
        place.index + 1 < chunks[place.chunk].count
            ? Place(chunk: place.chunk, index: place.index + 1) : Place(chunk: place.chunk + 1, index: 0)
    }

    /// The first id whose name is not before `bound`, a place in `text`.
    func place(of bound: KeyBound, _ text: ByteView, _ run: TopicNameRun) -> Place {
        func isBefore(_ id: UInt32) -> Bool { run.with(id) { KeyBound(name: $0).compare($0, bound, text) < 0 } }
        // The last chunk that begins before the bound holds the place, or ends before it.
        let chunk = Self.first(chunks.count) { !isBefore(chunks[$0][0]) } - 1
        guard chunk >= 0 else { return Place(chunk: 0, index: 0) }
        let index = Self.first(chunks[chunk].count) { !isBefore(chunks[chunk][$0]) }
        return index < chunks[chunk].count ? Place(chunk: chunk, index: index) : Place(chunk: chunk + 1, index: 0)
    }

    /// The first of 0 ..< `count` that `holds`, which holds for all behind it; `count` where there is none.
    private static func first(_ count: Int, _ holds: (Int) -> Bool) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if holds(middle) { high = middle } else { low = middle + 1 }
        }
        return low
    }

    /// Enters `id`, whose name is in `run` and nowhere in here yet.
    mutating func insert(_ id: UInt32, _ run: TopicNameRun) {
        guard !chunks.isEmpty else {
            chunks = [[id]]
            return
        }
        var place = run.with(id) { name in self.place(of: KeyBound(name: name), name, run) }
        // In front of a chunk is behind the one before it.
        if place.index == 0, place.chunk > 0 { place = Place(chunk: place.chunk - 1, index: chunks[place.chunk - 1].count) }
        chunks[place.chunk].insert(id, at: place.index)
        guard chunks[place.chunk].count > Self.most else { return }
        let upper = Array(chunks[place.chunk][(Self.most / 2)...])
        chunks[place.chunk] = Array(chunks[place.chunk][..<(Self.most / 2)])
        chunks.insert(upper, at: place.chunk + 1)
    }

    /// Takes `id` out, whose name is still in `run`.
    mutating func remove(_ id: UInt32, _ run: TopicNameRun) {
        let place = run.with(id) { name in self.place(of: KeyBound(name: name), name, run) }
        precondition(self[place] == id, "a topic that is not in order")
        chunks[place.chunk].remove(at: place.index)
        if chunks[place.chunk].isEmpty { chunks.remove(at: place.chunk) }
    }

    func checkInvariants(_ run: TopicNameRun) {
        precondition(chunks.allSatisfy { !$0.isEmpty && $0.count <= Self.most })
        let all = chunks.flatMap { $0 }
        precondition(all.count == run.count)
        for (a, b) in zip(all, all.dropFirst()) {
            precondition(run.with(a) { x in run.with(b) { TopicText.precedes(x, $0) } }, "names out of order")
        }
    }
}
