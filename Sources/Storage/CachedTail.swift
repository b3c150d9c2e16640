internal import Wire

/// The end of a log that the system's page cache may hold: all of it where entries are written through the page cache, else what somebody
/// has read. What lies before is let go, so that a log does not push everything else out of memory, and its next bytes take the pages of its
/// last ones: on a virtual machine a page of memory that was not in use before costs ten times the copy into it.
///
///      closed segment            | ~~~~~~~~ |open segment              |
///                                 from                              tail          together at most `most` + `step`
struct CachedTail<D: Disk> {
    private struct Part {
        let segment: EntryNumber
        let file: D.File
        var from: Int
        let end: Int
    }
    /// Closed segments of which some is cached, oldest first.
    private var closed: [Part] = []
    /// Where the cached part of the open segment begins.
    private var from: Int
    /// .max: nothing is let go, of a disk that has nothing else than its memory.
    private let most: Int

    /// Let go at a time, bytes.
    private let step: Int
    /// Closed segments at most: each takes a file descriptor.
    private static var mostClosed: Int { 8 }

    init(from: Int, most: Int) { (self.from, self.most, step) = (from, most, max(64 << 10, min(4 << 20, most / 8))) }

    /// All of the open segment below `tail` is on the disk.
    mutating func trim(_ disk: D, _ file: D.File, tail: Int) {
        guard most < .max else { return }
        var bytes = closed.reduce(max(0, tail - from)) { $0 + $1.end - $1.from }
        while bytes > most + step || closed.count > Self.mostClosed {
            if let part = closed.first {
                let count = min(step, part.end - part.from)
                disk.release(part.file, at: part.from, count: count)
                closed[0].from += count
                bytes -= count
                if closed[0].from == part.end { disk.close(closed.removeFirst().file) }
            } else {
                disk.release(file, at: from, count: step)
                from += step
                bytes -= step
            }
        }
    }

    /// The open segment is closed at `end`, and another one begins with `first` bytes: `file` is this one's to close.
    mutating func roll(_ disk: D, _ file: D.File, _ segment: EntryNumber, end: Int, first: Int) {
        if from < end, most < .max { closed.append(Part(segment: segment, file: file, from: from, end: end)) } else { disk.close(file) }
        from = first
    }

    /// The segment has another file now; a handle would keep the old one on the disk.
    mutating func forget(_ disk: D, _ segment: EntryNumber) {
        guard let index = closed.firstIndex(where: { $0.segment == segment }) else { return }
        disk.close(closed.remove(at: index).file)
    }

    /// The log ends elsewhere now: from there on counts.
    mutating func restart(_ disk: D, from: Int) {
        for part in closed { disk.close(part.file) }
        closed = []
        self.from = from
    }
}
