package import Wire

/// Exactly-once: the publishers of one group, their epochs and the last record accepted of each (PROTOCOL.md R13). Part of
/// the replicated state: it changes only in the group's order.
///
/// A publisher opens before it publishes; each opening raises its epoch, and batches of an older epoch, still under way
/// through another node, are fenced off. Within an epoch records follow one another without a gap.
package struct PublisherTable: Equatable, Sendable {
    package struct Line: Equatable, Sendable {
        package var epoch: UInt32
        package var last: UInt64
        package var touched: Timestamp
        /// Where the last accepted batch's first record lies, and when it was ordered: the version of a put that is asked for again.
        package var offset: Offset
        package var placed: Timestamp
        package init(epoch: UInt32, last: UInt64, touched: Timestamp, offset: Offset = Offset(0), placed: Timestamp = .zero) {
            self.epoch = epoch
            self.last = last
            self.touched = touched
            self.offset = offset
            self.placed = placed
        }
    }
    /// `conflict`: a condition of the batch's records does not hold; nothing is counted, the same numbers may come again.
    package enum Verdict: Equatable, Sendable { case accepted, duplicate, fenced, gap, conflict }

    /// What a change replaced, for taking back the tail of a log.
    package struct Undo: Sendable {
        var lines: [(PublisherID, Line?)]
    }

    private var lines: [PublisherID: Line] = [:]
    package init() {}

    package var count: Int { lines.count }
    package func line(of publisher: PublisherID) -> Line? { lines[publisher] }

    /// Publishers whose line was touched at `time` or later, by identity.
    package func lines(touchedFrom time: Timestamp) -> [(publisher: PublisherID, line: Line)] {
        lines.filter { $0.value.touched >= time }.sorted { $0.key.raw < $1.key.raw }.map { ($0.key, $0.value) }
    }

    /// Of identities, epochs and last records: what judges the next batch.
    package var digest: UInt64 {
        lines.sorted { $0.key.raw < $1.key.raw }.reduce(UInt64(lines.count)) { mix(mix(mix($0 ^ $1.key.raw) ^ UInt64($1.value.epoch)) ^ $1.value.last) }
    }

    /// Applies a batch of kind `open` ordered at `time`.
    package mutating func open(_ publisher: PublisherID, at time: Timestamp) -> Undo {
        var undo = Undo(lines: [(publisher, lines[publisher])])
        makeRoom(for: publisher, &undo)
        let before = lines[publisher]
        lines[publisher] = Line(
            epoch: (before?.epoch ?? 0) &+ 1, last: before?.last ?? 0, touched: time, offset: before?.offset ?? Offset(0),
            placed: before?.placed ?? .zero)
        return undo
    }

    /// Judges a batch of records, the first of them to lie at `offset`, and, where it is accepted, counts it.
    package mutating func judge(_ batch: BatchHeader, at time: Timestamp, offset: Offset = Offset(0)) -> (verdict: Verdict, undo: Undo?) {
        guard let line = lines[batch.publisher], batch.epoch >= line.epoch else { return (.fenced, nil) }
        guard batch.epoch == line.epoch else { return (.gap, nil) }
        guard batch.sequence > line.last || planted(.duplicateAccepted) else { return (.duplicate, nil) }
        // A line that has nothing yet begins where its publisher stands: the group may have begun anew, or forgotten it.
        guard batch.sequence == line.last + 1 || line.last == 0 || planted(.duplicateAccepted), batch.count > 0 else { return (.gap, nil) }
        lines[batch.publisher] = Line(epoch: line.epoch, last: batch.lastSequence, touched: time, offset: offset, placed: time)
        return (.accepted, Undo(lines: [(batch.publisher, line)]))
    }

    private mutating func makeRoom(for publisher: PublisherID, _ undo: inout Undo) {
        guard lines[publisher] == nil, lines.count >= Limits.publishers, let oldest = longestSilent() else { return }
        undo.lines.append((oldest, lines.removeValue(forKey: oldest)))
    }

    /// Counts a batch that was accepted when it was ordered: what came before it may be gone from the log.
    package mutating func replay(_ batch: BatchHeader, at time: Timestamp, offset: Offset) {
        set(batch.publisher, Line(epoch: batch.epoch, last: batch.lastSequence, touched: time, offset: offset, placed: time))
    }

    /// Puts a publisher where batches that are gone had brought it.
    package mutating func set(_ publisher: PublisherID, _ line: Line) {
        var undo = Undo(lines: [])
        makeRoom(for: publisher, &undo)
        lines[publisher] = line
    }

    package mutating func takeBack(_ undo: Undo) {
        guard !planted(.undoForgotten) else { return }
        for (publisher, line) in undo.lines.reversed() { lines[publisher] = line }
    }

    /// Takes a judgement back that other rules of the same batch did not bear out.
    package mutating func forget(_ undo: Undo) {
        for (publisher, line) in undo.lines.reversed() { lines[publisher] = line }
    }

    /// Ties are broken by identity, so that every replica drops the same one.
    private func longestSilent() -> PublisherID? {
        lines.min { ($0.value.touched, $0.key.raw) < ($1.value.touched, $1.key.raw) }?.key
    }

    package func encode(into bytes: inout [UInt8]) {
        let lines = planted(.onceLostInCheckpoint) ? [:] : lines
        bytes.append(int: UInt32(lines.count))
        for (publisher, line) in lines.sorted(by: { $0.key.raw < $1.key.raw }) {
            bytes.append(int: publisher.raw)
            bytes.append(int: line.epoch)
            bytes.append(int: line.last)
            bytes.append(int: line.touched.raw)
            bytes.append(int: line.offset.raw)
            bytes.append(int: line.placed.raw)
        }
    }
    package init(_ decoder: inout Decoder) throws(DecodeError) {
        for _ in 0..<(try decoder.count(limit: Limits.publishers, size: 44)) {
            let publisher = PublisherID(try decoder.int())
            lines[publisher] = Line(
                epoch: try decoder.int(), last: try decoder.int(), touched: Timestamp(try decoder.int()), offset: Offset(try decoder.int()),
                placed: Timestamp(try decoder.int()))
        }
    }
}
