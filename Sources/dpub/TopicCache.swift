internal import Tooling
internal import Wire

/// From a topic's name, as bytes, to what stands for it; looking up takes no memory.
///
/// Open addressing: `slots` holds indices of `entries` or -1, at most half of them taken.
struct TopicCache<Handle> {
    private struct Entry {
        let hash: Int
        let name: [UInt8]
        let handle: Handle
    }
    private var entries: [Entry] = []
    private var slots = [Int32](repeating: -1, count: 64)
    private var last = -1

    var count: Int { entries.count }

    mutating func find(_ name: ByteView) -> Handle? {
        // Input tends to stay with a topic.
        if last >= 0, name.matches(entries[last].name) { return entries[last].handle }
        let hash = name.hash
        var slot = hash & (slots.count - 1)
        while slots[slot] >= 0 {
            let index = Int(slots[slot])
            if entries[index].hash == hash, name.matches(entries[index].name) {
                last = index
                return entries[index].handle
            }
            slot = (slot + 1) & (slots.count - 1)
        }
        return nil
    }
    /// Adds a name that `find` did not find.
    mutating func insert(_ name: ByteView, _ handle: Handle) {
        if (entries.count + 1) * 2 > slots.count {
            slots = [Int32](repeating: -1, count: slots.count * 2)
            for index in entries.indices { place(index) }
        }
        entries.append(Entry(hash: name.hash, name: name.array, handle: handle))
        last = entries.count - 1
        place(last)
    }
    private mutating func place(_ index: Int) {
        var slot = entries[index].hash & (slots.count - 1)
        while slots[slot] >= 0 { slot = (slot + 1) & (slots.count - 1) }
        slots[slot] = Int32(index)
    }
}

/// Why a topic's name cannot be published to, or nil where it can (as far as a client can tell).
func topicFault(_ name: ByteView) -> String? {
    if name.isEmpty { return "the topic's name is empty" }
    if name.count > Limits.topicName {
        return "the topic's name takes \(Numbers.grouped(name.count)) bytes, the limit is \(Numbers.grouped(Limits.topicName))"
    }
    var levels = 1
    for index in 0..<name.count {
        switch name.u8(index) {
        case UInt8(ascii: "+"), UInt8(ascii: "#"): return "topic \"\(excerpt(name))\" has a wildcard: publish to one topic"
        case 0: return "the topic's name has a zero byte"
        case UInt8(ascii: "/"): levels += 1
        default: break
        }
    }
    if levels > Limits.topicLevels { return "topic \"\(excerpt(name))\" has \(levels) levels, the limit is \(Limits.topicLevels)" }
    if name.firstInvalidUTF8 != nil { return "the topic's name is not UTF-8" }
    return nil
}
