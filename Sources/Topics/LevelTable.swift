internal import Wire

/// The levels that patterns are made of, each once, under a number that stays while anyone uses it.
///
///     text   | plant | m1 | temperature | …    one run of bytes; what is no longer used is squeezed out when it is half
struct LevelTable: Sendable {
    private struct Level {
        var start: UInt32
        var count: UInt16
        /// 0: free.
        var uses: UInt32
    }
    private var text: [UInt8] = []
    private var levels: [Level] = []
    private var free: [UInt32] = []
    private var slots = SlotTable()
    private var unused = 0

    var count: Int { slots.taken }
    var footprint: Int {
        text.capacity + levels.capacity * MemoryLayout<Level>.stride + free.capacity * 4 + slots.footprint
    }

    /// The number of `level`, or nil where no pattern has it.
    func lookup(_ level: ByteView) -> UInt32? {
        text.withView { all in slots.find(Self.hash(level)) { Self.text(levels[Int($0)], all) == level } }
    }

    /// The number of `level`, which is used once more.
    mutating func retain(_ level: ByteView) -> UInt32 {
        if let known = lookup(level) {
            levels[Int(known)].uses += 1
            return known
        }
        let entry = Level(start: UInt32(text.count), count: UInt16(level.count), uses: 1)
        text.append(view: level)
        let number: UInt32
        if let old = free.popLast() {
            number = old
            levels[Int(number)] = entry
        } else {
            number = UInt32(levels.count)
            levels.append(entry)
        }
        enterIntoSlots(number)
        return number
    }
    // Each by itself: the second references must be gone before the arrays change, or they are copied.
    private mutating func enterIntoSlots(_ number: UInt32) {
        let (levels, text) = (levels, text)
        slots.insert(number) { Self.hash($0, levels, text) }
    }
    private mutating func takeOutOfSlots(_ number: UInt32) {
        let (levels, text) = (levels, text)
        slots.remove(number) { Self.hash($0, levels, text) }
    }

    /// `number` is used once less.
    mutating func release(_ number: UInt32) {
        levels[Int(number)].uses -= 1
        guard levels[Int(number)].uses == 0 else { return }
        takeOutOfSlots(number)
        unused += Int(levels[Int(number)].count)
        free.append(number)
        if unused > 4096, unused > text.count / 2 { squeeze() }
    }

    private mutating func squeeze() {
        var kept: [UInt8] = []
        kept.reserveCapacity(text.count - unused)
        for index in levels.indices where levels[index].uses > 0 {
            let start = UInt32(kept.count)
            text.withView { kept.append(view: Self.text(levels[index], $0)) }
            levels[index].start = start
        }
        text = kept
        unused = 0
    }

    private static func text(_ level: Level, _ all: ByteView) -> ByteView {
        all[Int(level.start)..<Int(level.start) + Int(level.count)]
    }
    private static func hash(_ number: UInt32, _ levels: [Level], _ text: [UInt8]) -> Int {
        text.withView { hash(Self.text(levels[Int(number)], $0)) }
    }
    /// Seeded anew in each process, against levels chosen to collide.
    private static func hash(_ level: ByteView) -> Int {
        var hasher = Hasher()
        // The view's memory stays in place during the call: its caller holds it.
        unsafe hasher.combine(bytes: level.buffer)
        return hasher.finalize()
    }
}
