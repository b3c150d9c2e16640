internal import Tooling
package import Wire

/// dpub's readers of tables and of lines of JSON, shown their input whole and in pieces: the records must be the same.
package enum InputTargets {
    package static let all: [(name: String, run: @Sendable (ByteView) -> Void)] = [("csv", csv), ("json", json)]

    /// The first byte chooses the columns, the second how large the pieces are.
    package static func csv(_ view: ByteView) {
        guard view.count >= 2 else { return }
        let options = view.u8(0)
        var columns = CSVColumns()
        if options & 1 != 0 { columns.value = "value" }
        if options & 2 != 0 { columns.key = "key" }
        if options & 4 != 0 { columns.time = "time" }
        if options & 8 != 0 { columns.topic = "topic" }
        columns.hasTopic = options & 16 != 0
        compare(view.from(2), piece: 1 + Int(view.u8(1)), { CSVFormat(columns) })
    }
    package static func json(_ view: ByteView) {
        guard view.count >= 2 else { return }
        let options = view.u8(0)
        let topic = options & 1 != 0 ? "a.topic" : nil
        let time = options & 2 != 0 ? "time" : nil
        compare(view.from(2), piece: 1 + Int(view.u8(1)), {
            JSONFormat(topicField: topic, timeField: time, needsTopic: options & 4 != 0)
        })
    }

    private static func compare<Format: InputFormat & ~Copyable>(_ view: ByteView, piece: Int, _ make: () -> Format) {
        var one = make()
        var other = make()
        let whole = read(view, piece: view.count + 1, &one)
        let pieces = read(view, piece: piece, &other)
        precondition(whole == pieces, "pieces are read otherwise than the whole")
    }

    private static func read<Format: InputFormat & ~Copyable>(_ view: ByteView, piece: Int, _ format: inout Format) -> [String] {
        var lines: [String] = []
        var start = 0
        var end = min(piece, view.count)
        do throws(InputFault) {
            while true {
                switch try format.next(view[start..<end], atEnd: end == view.count) {
                case .record(let record, let consumed):
                    precondition(consumed >= 0 && consumed <= end - start)
                    lines.append("\(record.topic?.array ?? []) \(record.key?.array ?? []) \(record.time ?? 0) \(record.payload.array)")
                    start += consumed
                case .skip(let consumed):
                    precondition(consumed > 0 && consumed <= end - start, "skipping goes on")
                    start += consumed
                case .more:
                    precondition(end < view.count, "more is asked for at the end")
                    end = min(end + piece, view.count)
                case .end: return lines
                }
                precondition(lines.count <= view.count + 1, "more records than bytes")
            }
        } catch {
            lines.append("line \(error.line) column \(error.column): \(error.message)")
            return lines
        }
    }
}
