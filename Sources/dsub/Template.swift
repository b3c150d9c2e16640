internal import Tooling
internal import Wire

/// The format of `-f`, cut once into pieces.
struct Template: Equatable {
    enum Piece: Equatable {
        case literal([UInt8])
        case topic, key, payload, offset, time, size, headers, node
    }
    let pieces: [Piece]

    /// `%t %k %s %o %T %S %h %n %%` and `\n \t \r \\ \0 \xHH`; faults name the position, in bytes from 1.
    init(parsing text: String) throws(ToolFailure) {
        let bytes = Array(text.utf8)
        var pieces: [Piece] = []
        var literal: [UInt8] = []
        var at = 0
        while at < bytes.count {
            switch bytes[at] {
            case UInt8(ascii: "\\"):
                do throws(Escapes.Fault) {
                    literal.append(try Escapes.read(bytes, &at))
                } catch {
                    throw .usage("-f: \(error.message) at position \(error.position)")
                }
            case UInt8(ascii: "%"):
                if let piece = try Self.piece(bytes, at) {
                    if !literal.isEmpty { pieces.append(.literal(literal)) }
                    literal = []
                    pieces.append(piece)
                } else {
                    literal.append(UInt8(ascii: "%"))
                }
                at += 2
            default:
                literal.append(bytes[at])
                at += 1
            }
        }
        if !literal.isEmpty { pieces.append(.literal(literal)) }
        self.pieces = pieces
    }
    /// Nil: a plain percent sign.
    private static func piece(_ bytes: [UInt8], _ at: Int) throws(ToolFailure) -> Piece? {
        guard at + 1 < bytes.count else { throw .usage("-f: a % at the end, at position \(at + 1)") }
        switch bytes[at + 1] {
        case UInt8(ascii: "%"): return nil
        case UInt8(ascii: "t"): return .topic
        case UInt8(ascii: "k"): return .key
        case UInt8(ascii: "s"): return .payload
        case UInt8(ascii: "o"): return .offset
        case UInt8(ascii: "T"): return .time
        case UInt8(ascii: "S"): return .size
        case UInt8(ascii: "h"): return .headers
        case UInt8(ascii: "n"): return .node
        default:
            let character = String(decoding: bytes[(at + 1)...], as: UTF8.self).prefix(1)
            throw .usage("-f: unknown escape %\(character) at position \(at + 1)")
        }
    }

    func append(_ record: Printable, to output: inout ByteBuffer) {
        for piece in pieces {
            switch piece {
            case .literal(let bytes): bytes.withView { output.append($0) }
            case .topic: output.append(text: record.topic)
            case .key: output.append(record.key)
            case .payload: output.append(record.payload)
            case .offset: output.append(number: record.offset)
            case .time: TimeText.append(record.time, to: &output)
            case .size: output.append(number: record.payload.count)
            case .node: output.append(number: record.node)
            case .headers: Self.appendHeaders(record, to: &output)
            }
        }
    }
    /// `name=value,name=value`.
    private static func appendHeaders(_ record: Printable, to output: inout ByteBuffer) {
        var text: [UInt8] = []
        record.eachHeader { name, value in
            if !text.isEmpty { text.append(UInt8(ascii: ",")) }
            text.append(view: name)
            text.append(UInt8(ascii: "="))
            text.append(view: value)
        }
        text.withView { output.append($0) }
    }
}
