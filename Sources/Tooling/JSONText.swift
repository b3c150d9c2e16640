package import Wire

/// JSON strings, in and out.
package enum JSONText {
    private static let digits = Array("0123456789abcdef".utf8)

    /// Appends `text`, which is UTF-8, in quotes.
    package static func append(_ text: ByteView, to buffer: inout ByteBuffer) {
        buffer.append(UInt8(ascii: "\""))
        var plain = 0
        for index in 0..<text.count {
            let byte = text.u8(index)
            guard byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") else { continue }
            buffer.append(text[plain..<index])
            plain = index + 1
            switch byte {
            case 10: buffer.append("\\n")
            case 13: buffer.append("\\r")
            case 9: buffer.append("\\t")
            case 0..<0x20:
                buffer.append("\\u00")
                buffer.append(digits[Int(byte >> 4)])
                buffer.append(digits[Int(byte & 15)])
            default:
                buffer.append(UInt8(ascii: "\\"))
                buffer.append(byte)
            }
        }
        buffer.append(text[plain..<text.count])
        buffer.append(UInt8(ascii: "\""))
    }
    package static func append(text: String, to buffer: inout ByteBuffer) {
        Array(text.utf8).withView { append($0, to: &buffer) }
    }

    /// Appends the characters that `text`, the inside of a checked JSON string, stands for; a lone half of a surrogate pair
    /// becomes U+FFFD.
    package static func appendUnescaped(_ text: ByteView, to buffer: inout ByteBuffer) {
        var at = 0
        while let escape = text.firstIndex(of: UInt8(ascii: "\\"), from: at) {
            buffer.append(text[at..<escape])
            at = escape + 2
            switch text.u8(escape + 1) {
            case UInt8(ascii: "n"): buffer.append(10)
            case UInt8(ascii: "t"): buffer.append(9)
            case UInt8(ascii: "r"): buffer.append(13)
            case UInt8(ascii: "b"): buffer.append(8)
            case UInt8(ascii: "f"): buffer.append(12)
            case UInt8(ascii: "u"):
                at = escape
                appendScalar(text, &at, &buffer)
            default: buffer.append(text.u8(escape + 1))
            }
        }
        buffer.append(text.from(at))
    }

    /// `\uXXXX`, or a pair of them, at `at`.
    private static func appendScalar(_ text: ByteView, _ at: inout Int, _ buffer: inout ByteBuffer) {
        var value = unit(text, at)
        at += 6
        if (0xD800..<0xDC00).contains(value), at + 6 <= text.count, text.u8(at) == UInt8(ascii: "\\"), text.u8(at + 1) == UInt8(ascii: "u") {
            let low = unit(text, at)
            if (0xDC00..<0xE000).contains(low) {
                value = 0x10000 + (value - 0xD800) << 10 + (low - 0xDC00)
                at += 6
            }
        }
        for byte in String(Unicode.Scalar(value).map(Character.init) ?? "\u{FFFD}").utf8 { buffer.append(byte) }
    }
    private static func unit(_ text: ByteView, _ at: Int) -> UInt32 {
        (2..<6).reduce(0) { $0 << 4 | UInt32(Escapes.hex(text.u8(at + $1)) ?? 0) }
    }
}
