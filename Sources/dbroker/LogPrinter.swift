import Broker
import Storage
import Tooling
import Topics
import Wire

enum DumpFailure: Error {
    case storage(StorageError)
    case pattern(String)
    case output(WriteFault)
}

/// Prints a log's entries from its files, with the topics' names as the log itself declares them.
struct LogPrinter {
    private let log: OfflineLog<RealDisk>
    private let from: EntryNumber
    private let to: EntryNumber
    private let pattern: TopicPattern?
    private let json: Bool
    private var state = GroupState(group: .durable)
    /// Entries that declared topics are missing: their numbers are not sure any more.
    private var isSure = true
    private var isWhole = true
    private var out: [UInt8] = []

    init(_ disk: RealDisk, from: EntryNumber, to: EntryNumber, topic: String?, json: Bool) throws(DumpFailure) {
        do throws(StorageError) { log = try OfflineLog(disk, group: .durable) } catch { throw .storage(error) }
        if let topic {
            do throws(TopicError) { pattern = try TopicPattern(topic) } catch { throw .pattern("\(error)") }
        } else { pattern = nil }
        (self.from, self.to, self.json) = (from, to, json)
    }

    /// False: something did not read back.
    mutating func run() throws(DumpFailure) -> Bool {
        let first = begin()
        for i in log.pieces.indices where i >= first && log.pieces[i].number < to {
            do throws(StorageError) { try segment(i) } catch { throw .storage(error) }
            try flush()
        }
        return isWhole
    }

    /// The segment to begin with: the last at or before `from` whose state was saved, else the first.
    private mutating func begin() -> Int {
        for i in log.pieces.indices.reversed() where log.pieces[i].number <= from {
            if load(i) { return i }
        }
        return 0
    }

    private mutating func load(_ piece: Int) -> Bool {
        guard let k = log.checkpoints.firstIndex(of: log.pieces[piece].number) else { return false }
        do throws(StorageError) {
            let bytes = try log.checkpoint(k)
            guard !bytes.isEmpty else { return false }
            do throws(DecodeError) {
                state = try bytes.withView { view throws(DecodeError) in try GroupState(group: .durable, decoding: view) }
                isSure = true
                return true
            } catch { return false }
        } catch { return false }
    }

    private mutating func segment(_ i: Int) throws(StorageError) {
        if !isSure { _ = load(i) }
        let contents = try log.read(i)
        defer { log.close(contents) }
        var holes = contents.holes[...]
        try log.visit(contents) { header, entry, position throws(StorageError) in
            while let hole = holes.first, hole.bytes.lowerBound < position {
                holes.removeFirst()
                miss(hole)
            }
            let body = entry.from(EntryHeader.size)
            if isSure, !state.replay(header, body) { isSure = false }
            guard header.endNumber > from, header.number < to else { return }
            print(header, body, contents.piece.path, position)
        }
        for hole in holes { miss(hole) }
    }

    private mutating func miss(_ hole: Damage) {
        guard hole.entries.upperBound > from, hole.entries.lowerBound < to else { return }
        isWhole = false
        _ = Descriptor.writeLine("\(hole)", to: 2)
    }

    private mutating func flush() throws(DumpFailure) {
        do throws(WriteFault) { try out.withView { view throws(WriteFault) in try Descriptor.write(view, to: 1) } } catch { throw .output(error) }
        out.removeAll(keepingCapacity: true)
    }

    // MARK: printing

    private func name(_ topic: TopicID) -> String { (isSure ? state.topics.name(of: topic) : nil) ?? "topic \(topic.index)" }

    private mutating func print(_ header: EntryHeader, _ body: ByteView, _ path: String, _ position: Int) {
        var lines: [String] = []
        var offset = header.baseOffset.raw
        var cursor = BatchCursor(body)
        while let (batch, whole) = (try? cursor.next(verify: false)) ?? nil {
            if let line = pattern == nil ? other(batch, whole) : nil { lines.append(line) }
            walkRecords(batch, whole) { delta, at, _ in
                let record = RecordView(whole.from(at))
                let topic = name(record.header.topic)
                if let pattern, !pattern.matches(topic) { return }
                lines.append(line(record, topic, offset + UInt64(delta)))
            }
            if batch.kind.hasRecords { offset += UInt64(batch.count) }
        }
        guard pattern == nil || !lines.isEmpty else { return }
        let time = TimeText.text(Int64(clamping: header.timestamp.raw))
        if json {
            add("{\"entry\":\(header.number.raw),\"span\":\(header.span),\"cleaned\":\(header.isCleaned),\"file\":\"\(path)\",\"position\":\(position),\"bytes\":\(header.length),"
                + "\"ordered\":\"\(time)\",\"node\":\(header.sender.raw),\"view\":\(header.view.raw),\"offset\":\(header.baseOffset.raw),"
                + "\"records\":\(header.records),\"synced\":\(header.synced.raw),\"chain\":\"\(String(header.chain, radix: 16))\",\"contents\":[\(lines.joined(separator: ","))]}")
        } else {
            let span = header.span > 1 ? " to \(header.endNumber.raw - 1), cleaned away" : header.isCleaned ? ", cleaned" : ""
            add("entry \(header.number.raw)\(span)  \(path):\(position)  \(header.length) bytes  \(time)  node \(header.sender.raw)  view \(header.view.raw)  offsets \(header.baseOffset.raw)..<\(header.endOffset.raw)")
            for line in lines { add("  " + line) }
        }
    }
    private mutating func add(_ line: String) {
        out += Array(line.utf8)
        out.append(10)
    }

    /// A batch without records.
    private func other(_ batch: BatchHeader, _ whole: ByteView) -> String? {
        var records = RecordCursor(whole.from(BatchHeader.size))
        switch batch.kind {
        case .records, .sparse: return nil
        case .declare:
            let name = records.next()?.payload.text ?? ""
            return json ? "{\"declares\":\(quoted(name))}" : "declares \(printable(name))"
        case .open: return json ? "{\"opens\":\"\(String(batch.publisher.raw, radix: 16))\"}" : "publisher \(String(batch.publisher.raw, radix: 16)) begins"
        case .consumers: return json ? "{\"consumers\":true}" : "a consumer group changes"
        case .state: return json ? "{\"state\":true}" : "what cleaned records left behind"
        }
    }

    private func line(_ record: RecordView, _ topic: String, _ offset: UInt64) -> String {
        let isRemoved = record.header.flags & RecordHeader.tombstone != 0
        if json {
            let key = record.key.isEmpty ? "" : ",\"key\":\(quoted(record.key.text))"
            let payload = isRemoved ? ",\"removed\":true" : ",\"payload\":\(quoted(record.payload.text))"
            return "{\"offset\":\(offset),\"topic\":\(quoted(topic)),\"time\":\"\(TimeText.text(record.header.time))\"\(key)\(payload)}"
        }
        let key = record.key.isEmpty ? "" : " [\(printable(record.key.text))]"
        return "\(offset)  \(printable(topic))\(key)  \(isRemoved ? "(removed)" : printable(record.payload.text))"
    }

    private func quoted(_ text: String) -> String {
        var buffer = ByteBuffer(capacity: text.utf8.count + 16)
        JSONText.append(text: text, to: &buffer)
        return buffer.view.text
    }
    /// On one line, whatever is in it.
    private func printable(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 32 || $0.value == 127 ? "·" : $0 }))
    }
}
