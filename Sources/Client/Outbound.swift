internal import Wire

/// What one publisher has under way in one group: records being gathered, batches not yet acknowledged, and its place in the
/// group's exactly-once table (PROTOCOL.md R13).
///
///      acknowledged < unacknowledged batches (sent, then unsent) < records in the builder < next sequence
struct Outbound {
    struct Batch {
        var bytes: [UInt8]
        let sequence: UInt64
        let count: Int
        var last: UInt64 { sequence + UInt64(count) - 1 }
    }
    enum Opening { case no, asked, open }

    let group: GroupID
    var opening = Opening.no
    private var epoch: UInt32 = 0
    private var nextSequence: UInt64 = 1
    /// Records that an earlier run of the same identity has published: so many of the first are left out.
    private var toSkip: UInt64 = 0
    private var hasBegun = false
    private var builder: BatchBuilder
    private(set) var builderBegan: UInt64 = 0
    private var batches: [Batch] = []
    /// Batches before this one are acknowledged and gone.
    private var head = 0
    private var sent = 0
    private(set) var bytes = 0
    private let batchBytes: Int
    /// Nothing of this sequence or behind it is sent any more.
    private(set) var stopped = UInt64.max

    init(group: GroupID, batchBytes: Int) {
        self.group = group
        self.batchBytes = batchBytes
        builder = BatchBuilder(capacity: batchBytes + 4096)
    }

    var isEmpty: Bool { head == batches.count && builder.isEmpty }
    var gathered: Int { builder.count }
    var unacknowledged: UInt64 {
        var count = UInt64(builder.count)
        for batch in batches[head...] { count += UInt64(batch.count) }
        return count
    }
    var nextToSend: Batch? { sent < batches.count ? batches[sent] : nil }

    /// One of the first records of a stream that an earlier run has published is to be left out.
    mutating func skips() -> Bool {
        guard toSkip > 0 else { return false }
        toSkip -= 1
        nextSequence += 1
        return true
    }

    mutating func append(
        topic: TopicID, flags: UInt32, time: Int64, key: ByteView, headers: ByteView, payload: ByteView, publisher: PublisherID,
        now: UInt64
    ) {
        let length = RecordHeader.length(key: key.count, headers: headers.count, payload: payload.count)
        if !builder.isEmpty, builder.length + length > batchBytes { finish(publisher) }
        if length >= batchBytes {
            let whole = BatchBuilder.alone(
                topic: topic, flags: flags, time: time, key: key, headers: headers, payload: payload, publisher: publisher, epoch: epoch,
                sequence: nextSequence, group: group)
            return add(whole, count: 1)
        }
        if builder.isEmpty { builderBegan = now }
        builder.append(topic: topic, flags: flags, time: time, key: key, headers: headers, payload: payload)
        if builder.length >= batchBytes { finish(publisher) }
    }

    mutating func finish(_ publisher: PublisherID) {
        guard !builder.isEmpty else { return }
        let count = builder.count
        let whole = builder.finish(publisher: publisher, epoch: epoch, sequence: nextSequence, group: group)
        builder = BatchBuilder(capacity: batchBytes + 4096)
        add(whole, count: count)
    }
    private mutating func add(_ whole: [UInt8], count: Int) {
        bytes += whole.count
        batches.append(Batch(bytes: whole, sequence: nextSequence, count: count))
        nextSequence += UInt64(count)
    }

    mutating func noteSent() { sent += 1 }

    /// Gives up the record of this sequence and all behind it; those before it go again where they were in a batch with it.
    /// Returns how many are given up.
    mutating func stop(before sequence: UInt64, _ publisher: PublisherID) -> UInt64 {
        finish(publisher)
        var given: UInt64 = 0
        while head < batches.count, let batch = batches.last, batch.last >= sequence {
            batches.removeLast()
            bytes -= batch.bytes.count
            let kept = batch.sequence < sequence ? Int(sequence - batch.sequence) : 0
            given += UInt64(batch.count - kept)
            sent = min(sent, batches.count)
            if kept > 0 {
                batches.append(shortened(batch, to: kept, publisher))
                bytes += batches[batches.count - 1].bytes.count
            }
        }
        nextSequence = min(nextSequence, sequence)
        stopped = min(stopped, sequence)
        return given
    }
    private func shortened(_ batch: Batch, to count: Int, _ publisher: PublisherID) -> Batch {
        var shorter = BatchBuilder()
        batch.bytes.withView { bytes in
            var cursor = RecordCursor(bytes.from(BatchHeader.size))
            while shorter.count < count, let record = cursor.next() { shorter.append(record.whole) }
        }
        let bytes = shorter.finish(publisher: publisher, epoch: epoch, sequence: batch.sequence, group: group)
        return Batch(bytes: bytes, sequence: batch.sequence, count: count)
    }

    /// The broker is lost: what was not acknowledged goes again, in the epoch that the next opening gives.
    mutating func rewind() {
        sent = head
        opening = .no
    }

    /// The publisher is open in `epoch`; the group has its records up to `last`. Returns how many of the unacknowledged are
    /// there already.
    mutating func opened(epoch: UInt32, last: UInt64) -> UInt64 {
        opening = .open
        self.epoch = epoch
        if !hasBegun {
            hasBegun = true
            toSkip = last
        }
        let found = acknowledge(last)
        for index in head..<batches.count { restamp(&batches[index].bytes) }
        sent = head
        return found
    }
    private func restamp(_ bytes: inout [UInt8]) {
        bytes.store(epoch, at: 24)
        bytes.store(bytes.withView { $0.from(BatchHeader.crcStart).crc32c() }, at: 4)
    }

    /// Whether an acknowledgement speaks of this epoch.
    func isCurrent(_ epoch: UInt32) -> Bool { opening == .open && epoch == self.epoch }

    /// Drops the batches up to `last`; returns their records.
    mutating func acknowledge(_ last: UInt64) -> UInt64 {
        var count: UInt64 = 0
        while head < batches.count, batches[head].last <= last {
            count += UInt64(batches[head].count)
            bytes -= batches[head].bytes.count
            batches[head].bytes = []
            head += 1
        }
        sent = max(sent, head)
        if head > 64, head * 2 > batches.count {
            batches.removeFirst(head)
            sent -= head
            head = 0
        }
        return count
    }
}
