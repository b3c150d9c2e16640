package import Wire

/// The topics of one group, in the order of their declaration in its log; the same at every replica.
///
///     names   | s e n s o r s / t 1 | s e n s o r s / t 2 | lab/door | ...   one run of bytes
///     ends    |                  10 |                  20 |       28 | ...   where each name ends; index = topic id
///     slots   | 0 | 2 | 0 | 1 | 0 | 0 | 3 | 0 |                              open addressing by hash: id + 1, 0 is free
///     order   | 2 | 0 | 1 |                                                  ids as their names sort: patterns find topics by it
///
/// Beyond the names' bytes a topic takes 4 bytes of `ends`, 5.3 to 10.7 of `slots` and 4 to 8 of `order`; arrays grow by a
/// quarter.
/// Invariants: `ends` rises; names differ; each id stands in one slot, reachable from its hash's slot without a free one
/// between; at most three quarters of the slots are taken. Slots hold the ids in the order of their insertion, never
/// reordered: so the newest id can be taken out by freeing its slot, no other probe leads through it.
///
/// The hash is seeded anew in each process, against names chosen to collide; no order of it gets out.
package struct TopicTable: Sendable {
    private var names: [UInt8] = []
    private var ends: [UInt32] = []
    private var slots: [UInt32] = []
    private var order = TopicOrder()

    /// Bytes of all names together: an end is 32 bits wide.
    package static let nameBytesLimit = Int(UInt32.max)

    package init() {}

    package var count: Int { ends.count }
    /// Bytes of memory that the table has taken.
    package var footprint: Int {
        names.capacity + (ends.capacity + slots.capacity) * MemoryLayout<UInt32>.size + order.footprint
    }

    /// The id of `name`: the one that it has, or the next free index. Throws only when the group is full.
    package mutating func declare(_ name: TopicName) throws(TopicError) -> TopicID {
        try name.withView { view throws(TopicError) in try declare(checked: view) }
    }

    /// The id of the topic whose name is `name`, a declaration's payload in the log; names of the system are admitted.
    package mutating func declare(_ name: ByteView) throws(TopicError) -> TopicID {
        try TopicName.check(name, system: true)
        return try declare(checked: name)
    }

    private mutating func declare(checked name: ByteView) throws(TopicError) -> TopicID {
        if let known = lookup(name) { return known }
        guard count < Limits.topics else { throw .tooManyTopics(limit: Limits.topics) }
        guard names.count + name.count <= Self.nameBytesLimit else { throw .tooManyNameBytes(limit: Self.nameBytesLimit) }
        makeRoom(for: name.count)
        let id = UInt32(count)
        names.append(view: name)
        ends.append(UInt32(names.count))
        slots[freeSlot(for: name)] = id + 1
        order.insert(id, TopicNameRun(names, ends))
        return TopicID(id)
    }

    /// Calls `body` with each topic that `pattern` matches, in the order of names; the time grows with the matches, and for
    /// each `+` with what stands in its place.
    package func forEach(matching pattern: TopicPattern, _ body: (TopicID) -> Void) {
        if pattern.kind == .exact {
            if let id = pattern.bytes.withView({ lookup($0) }) { body(id) }
        } else {
            TopicQuery(order, TopicNameRun(names, ends)).search(pattern) { body(TopicID($0)) }
        }
    }

    /// The topics below `limit` that `interest` asks for, rising.
    package func topics(below limit: TopicID, _ interest: Interest) -> [TopicID] {
        var found: [TopicID] = []
        for pattern in interest.patterns { forEach(matching: pattern) { if $0 < limit { found.append($0) } } }
        found.sort()
        var last: TopicID?
        found.removeAll { topic in
            defer { last = topic }
            return topic == last
        }
        guard !interest.exclusions.isEmpty else { return found }
        // As an index, exclusions cost a topic what of them matches it, however many there are.
        var exclusions = WatchIndex()
        for pattern in interest.exclusions { _ = exclusions.add(pattern, for: WatcherID(0)) }
        var matches = WatchMatches()
        found.removeAll { topic in
            withName(of: topic) { exclusions.match($0, into: &matches) }
            return !matches.watchers.isEmpty
        }
        return found
    }

    /// The id of the topic called `name`, or nil.
    package func lookup(_ name: String) -> TopicID? { name.withBytes { lookup($0) } }

    /// The id of the topic whose name in UTF-8 is `name`, or nil.
    package func lookup(_ name: ByteView) -> TopicID? {
        guard !slots.isEmpty else { return nil }
        return names.withView { all in
            var at = Self.hash(name) & (slots.count - 1)
            while slots[at] != 0 {
                let index = Int(slots[at]) - 1
                if all[range(of: index)] == name { return TopicID(UInt32(index)) }
                at = (at + 1) & (slots.count - 1)
            }
            return nil
        }
    }

    /// The name of the topic `id`, or nil where there is none.
    package func name(of id: TopicID) -> String? { withName(of: id) { $0.text } }

    /// Calls `body` with the bytes of the name of `id`, valid during the call; nil where there is none.
    package func withName<R, E: Error>(of id: TopicID, _ body: (ByteView) throws(E) -> R) throws(E) -> R? {
        guard id.index < count else { return nil }
        return try names.withView { all throws(E) -> R in try body(all[range(of: id.index)]) }
    }

    /// Calls `body` with every topic from `first` on, in the order of ids; the bytes are valid during the call.
    package func forEach<E: Error>(
        from first: TopicID = TopicID(0), _ body: (TopicID, ByteView) throws(E) -> Void
    ) throws(E) {
        try names.withView { all throws(E) in
            for index in min(first.index, count)..<count { try body(TopicID(UInt32(index)), all[range(of: index)]) }
        }
    }

    /// Takes the newest topics back until `count` are left: their declarations were in a log tail that was undone.
    package mutating func removeLast(to count: Int) {
        precondition(count >= 0 && count <= self.count, "undo of topics that are not there")
        while self.count > count {
            let range = range(of: self.count - 1)
            slots[slot(holding: self.count - 1, range)] = 0
            order.remove(UInt32(self.count - 1), TopicNameRun(names, ends))
            ends.removeLast()
            names.removeSubrange(range)
        }
    }

    private func range(of index: Int) -> Range<Int> {
        (index == 0 ? 0 : Int(ends[index - 1]))..<Int(ends[index])
    }
}

// MARK: Slots

extension TopicTable {
    private static let smallestSlots = 16

    private static func hash(_ name: ByteView) -> Int {
        var hasher = Hasher()
        // The view's memory stays in place during the call: its caller holds it.
        unsafe hasher.combine(bytes: name.buffer)
        return hasher.finalize()
    }

    /// Slots for `count` topics: a power of two, at most three quarters taken.
    private static func slotCount(for count: Int) -> Int {
        var slots = smallestSlots
        while count * 4 > slots * 3 { slots *= 2 }
        return slots
    }

    private func freeSlot(for name: ByteView) -> Int {
        var at = Self.hash(name) & (slots.count - 1)
        while slots[at] != 0 { at = (at + 1) & (slots.count - 1) }
        return at
    }

    private func slot(holding index: Int, _ range: Range<Int>) -> Int {
        var at = names.withView { Self.hash($0[range]) } & (slots.count - 1)
        while slots[at] != UInt32(index) + 1 { at = (at + 1) & (slots.count - 1) }
        return at
    }

    private mutating func makeRoom(for bytes: Int) {
        // By a quarter: an array's own doubling would leave up to a name's length unused for each topic.
        if names.count + bytes > names.capacity { names.reserveCapacity(max(names.count + bytes, names.count / 4 * 5, 256)) }
        if ends.count == ends.capacity { ends.reserveCapacity(max(ends.count / 4 * 5, 16)) }
        let needed = Self.slotCount(for: count + 1)
        if needed > slots.count { fillSlots(needed) }
    }

    /// Builds the slots anew, ids in their order, so that the newest is the last one inserted again.
    private mutating func fillSlots(_ size: Int) {
        slots = [UInt32](repeating: 0, count: size)
        for index in 0..<count {
            let range = range(of: index)
            slots[names.withView { freeSlot(for: $0[range]) }] = UInt32(index) + 1
        }
    }
}

extension TopicTable: Equatable {
    /// Whether both hold the same names under the same ids; where their slots stand does not matter.
    package static func == (a: Self, b: Self) -> Bool { a.ends == b.ends && a.names == b.names }

    /// Traps where an invariant of the table does not hold; tests call it after each step.
    package func checkInvariants() {
        precondition(Int(ends.last ?? 0) == names.count)
        precondition(slots.count(where: { $0 != 0 }) == count && (count == 0 || count * 4 <= slots.count * 3))
        for index in 0..<count {
            let range = range(of: index)
            precondition(!range.isEmpty && range.count <= Limits.topicName)
            precondition(names.withView { lookup($0[range]) } == TopicID(UInt32(index)))
        }
        order.checkInvariants(TopicNameRun(names, ends))
    }
}

// MARK: Checkpoint

/// A table in a checkpoint:
///
///      0        4        8              16
///      | magic  | count  | names' bytes | lengths: count x u16 | names, without separators | crc |
///
/// `crc` is CRC-32C of all that is before it.
extension TopicTable {
    private static let magic: UInt32 = 0x3154_5453  // "STT1"
    private static let headerSize = 16

    package var encodedSize: Int { Self.headerSize + 2 * count + names.count + 4 }

    /// Appends the table's bytes.
    package func encode(into bytes: inout [UInt8]) {
        let start = bytes.count
        bytes.append(int: Self.magic)
        bytes.append(int: UInt32(count))
        bytes.append(int: UInt64(names.count))
        var begin: UInt32 = 0
        bytes.append(ints: ends.map { end in
            defer { begin = end }
            return UInt16(end - begin)
        })
        bytes.append(contentsOf: names)
        bytes.append(int: bytes.withView { $0.from(start).crc32c() })
    }

    /// Reads a table; each length is compared with the limits and with the bytes that are there before memory is taken.
    package init(decoding decoder: inout Decoder) throws(DecodeError) {
        let header = try decoder.bytes(Self.headerSize)
        guard header.u32(0) == Self.magic else { throw .value(what: "topic table magic", value: UInt64(header.u32(0))) }
        let count = Int(header.u32(4))
        guard count <= Limits.topics else { throw .limit(what: "topics", value: UInt64(count), limit: UInt64(Limits.topics)) }
        guard header.u64(8) <= UInt64(Self.nameBytesLimit) else {
            throw .limit(what: "topic names' bytes", value: header.u64(8), limit: UInt64(Self.nameBytesLimit))
        }
        let lengths = try decoder.bytes(2 * count)
        let text = try decoder.bytes(Int(header.u64(8)))
        let crc = text.crc32c(lengths.crc32c(header.crc32c()))
        guard try decoder.int(UInt32.self) == crc else { throw .checksum(what: "topic table") }
        try Self.checkNames(text, lengths: lengths)

        names = text.array
        ends.reserveCapacity(count)
        var end: UInt32 = 0
        for index in 0..<count {
            end += UInt32(lengths.u16(2 * index))
            ends.append(end)
        }
        slots = [UInt32](repeating: 0, count: Self.slotCount(for: count))
        for index in 0..<count {
            let name = text[range(of: index)]
            guard lookup(name) == nil else { throw .value(what: "topic declared twice", value: UInt64(index)) }
            slots[freeSlot(for: name)] = UInt32(index) + 1
        }
        order = TopicOrder(sorting: TopicNameRun(names, ends))
    }

    /// Checks that `text` is whole names of the `lengths` given, each one valid.
    private static func checkNames(_ text: ByteView, lengths: ByteView) throws(DecodeError) {
        var start = 0
        for index in 0..<lengths.count / 2 {
            let length = Int(lengths.u16(2 * index))
            guard length <= text.count - start else { throw .short(what: "topic name", needed: length, got: text.count - start) }
            do throws(TopicError) {
                try TopicName.check(text[start..<start + length], system: true)
            } catch {
                throw .value(what: "topic name of index", value: UInt64(index))
            }
            start += length
        }
        guard start == text.count else { throw .trailing(what: "topic names", bytes: text.count - start) }
    }
}
