internal import Topics
internal import Wire

/// Records of one entry that lie one behind the other and go the same way.
struct RecordRun: Equatable, Sendable {
    /// Where the first begins in the entry's body, bytes.
    var at: Int
    /// Records of the entry before the first.
    var delta: Int
    var count: Int
}

/// Calls `report` with each run of records for which `way` answers the same number; 0 is nobody's and is left out.
///
/// Another node's bytes that break the rules of batches end the walk, at every replica alike.
func walkRuns(_ body: ByteView, _ way: (TopicID) -> Int, _ report: (Int, RecordRun) -> Void) {
    var batches = BatchCursor(body)
    var base = 0
    var delta = 0
    while let (batch, whole) = (try? batches.next(verify: false)) ?? nil {
        defer { base += whole.count }
        if batch.kind == .sparse {
            walkRecords(batch, whole) { its, at, record in
                let way = way(record.topic)
                if way != 0 { report(way, RecordRun(at: base + at, delta: delta + its, count: 1)) }
            }
            delta += batch.count
        }
        guard batch.kind == .records else { continue }
        var current = (way: 0, run: RecordRun(at: 0, delta: 0, count: 0))
        var last = (topic: UInt32.max, way: 0)
        var at = BatchHeader.size
        var stride = Stride()
        while let record = RecordHeader.ofWhole(whole.from(at)) {
            if record.topic.raw != last.topic { last = (record.topic.raw, way(record.topic)) }
            let its = last.way
            if its == current.way {
                current.run.count += 1
            } else {
                if current.way != 0 { report(current.way, current.run) }
                current = (its, RecordRun(at: base + at, delta: delta, count: 1))
            }
            delta += 1
            at += stride.over(record.length)
        }
        if current.way != 0 { report(current.way, current.run) }
    }
}

/// What is left of `runs` when each record is asked for.
func admitted(_ runs: [RecordRun], _ body: ByteView, _ admits: (RecordView) -> Bool) -> [RecordRun] {
    var left: [RecordRun] = []
    for run in runs {
        var at = run.at
        var isOpen = false
        for delta in run.delta..<run.delta + run.count {
            let record = RecordView(body.from(at))
            let isAdmitted = admits(record)
            if isAdmitted, isOpen {
                left[left.count - 1].count += 1
            } else if isAdmitted {
                left.append(RecordRun(at: at, delta: delta, count: 1))
            }
            isOpen = isAdmitted
            at += record.header.length
        }
    }
    return left
}

/// For one entry, the runs of each watcher that has any: time grows with the records and with the runs that somebody gets.
struct Picks: Sendable {
    /// By watcher; empty but for those touched.
    private var runs: [[RecordRun]] = []
    /// In the order in which the entry meets them.
    private(set) var touched: [WatcherID] = []

    func runs(of watcher: WatcherID) -> [RecordRun] { runs[watcher.index] }

    /// Forgets the last entry and reads this one.
    mutating func gather(_ body: ByteView, _ sets: WatcherSets) {
        for watcher in touched { runs[watcher.index].removeAll(keepingCapacity: true) }
        touched.removeAll(keepingCapacity: true)
        walkRuns(body, { sets.set(of: $0) }) { set, run in
            for watcher in sets.watchers(inSet: set) {
                while watcher.index >= runs.count { runs.append([]) }
                if runs[watcher.index].isEmpty { touched.append(watcher) }
                runs[watcher.index].append(run)
            }
        }
    }
}

/// What of an entry goes to one session.
enum Share: Equatable {
    case nothing
    /// All of it, as it lies in the log.
    case whole
    /// Layout: `PickedHeader`.
    case picked([UInt8])

    /// - runs: what the session wants of the entry by topic; records before `first` are left out.
    init(_ header: EntryHeader, _ body: ByteView, _ runs: [RecordRun], from first: Offset) {
        let wanted = runs.reduce(0) { $0 + $1.count }
        guard wanted > 0 else {
            self = .nothing
            return
        }
        if wanted == header.records, header.baseOffset >= first, !header.isCleaned {
            self = .whole
            return
        }
        var bytes: [UInt8] = []
        var count: UInt32 = 0
        for run in runs {
            var at = run.at
            for delta in run.delta..<run.delta + run.count {
                let length = RecordHeader(body.from(at)).length
                defer { at += length }
                guard header.baseOffset.raw + UInt64(delta) >= first.raw else { continue }
                if bytes.isEmpty { PickedHeader(header).encode(into: &bytes) }
                bytes.append(int: UInt32(delta))
                bytes.append(int: UInt32(0))
                bytes.append(view: body[at..<at + length])
                count += 1
            }
        }
        if count == 0 {
            self = .nothing
        } else {
            bytes.store(count, at: PickedHeader.countOffset)
            self = .picked(bytes)
        }
    }
}

/// Of one entry, what went to the session before: who wants the same gets the same bytes.
struct LastShare {
    private var runs: [RecordRun] = []
    private var share = Share.nothing

    mutating func of(_ header: EntryHeader, _ body: ByteView, _ wanted: [RecordRun], from first: Offset) -> Share {
        guard first <= header.baseOffset else { return Share(header, body, wanted, from: first) }
        if runs != wanted { (runs, share) = (wanted, Share(header, body, wanted, from: first)) }
        return share
    }
}
