import Transport
import Wire

/// Blocks of large frames that are to be passed on, by the link that they go to, in the order in which they came. Their bytes lie in their frame's
/// memory: what waits here is bounded by the senders' rings.
struct RelayQueue {
    /// Room in a link's ring that blocks leave for other messages, bytes.
    static let room = 64 << 10

    private struct Line {
        let link: LinkID
        var blocks: [(block: RelayBlock, owner: OwnedBytes)] = []
        var first = 0
        /// No room until the next turn.
        var isHeld = false
    }
    private var lines: [Line] = []

    mutating func add(_ block: RelayBlock, of owner: OwnedBytes, to link: LinkID) {
        let index = lines.firstIndex { $0.link == link } ?? lines.count
        if index == lines.count { lines.append(Line(link: link)) }
        lines[index].blocks.append((block, owner))
    }

    /// The first block for a link that takes one.
    mutating func next(where takes: (LinkID) -> Bool) -> (block: RelayBlock, owner: OwnedBytes, link: LinkID)? {
        for line in lines where !line.isHeld && takes(line.link) {
            return (line.blocks[line.first].block, line.blocks[line.first].owner, line.link)
        }
        return nil
    }
    mutating func removeFirst(to link: LinkID) {
        guard let index = lines.firstIndex(where: { $0.link == link }) else { return }
        lines[index].first += 1
        if lines[index].first == lines[index].blocks.count { lines.remove(at: index) }
    }
    /// The link has no room in this turn.
    mutating func hold(_ link: LinkID) {
        if let index = lines.firstIndex(where: { $0.link == link }) { lines[index].isHeld = true }
    }
    mutating func release() {
        for index in lines.indices {
            lines[index].isHeld = false
            // What is done with goes when it is the larger part.
            guard lines[index].first > lines[index].blocks.count / 2 else { continue }
            lines[index].blocks.removeFirst(lines[index].first)
            lines[index].first = 0
        }
    }
    mutating func removeAll() { lines.removeAll() }
}
