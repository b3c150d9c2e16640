/// Backslash escapes in flags: `\n \t \r \\ \0 \xHH`.
package enum Escapes {
    package struct Fault: Error, Equatable {
        /// Of the backslash, from 1.
        package let position: Int
        package let message: String
    }

    /// Reads the escape whose backslash is at `index`; moves `index` behind it.
    package static func read(_ text: [UInt8], _ index: inout Int) throws(Fault) -> UInt8 {
        let start = index
        guard start + 1 < text.count else { throw Fault(position: start + 1, message: "a backslash at the end") }
        index += 2
        switch text[start + 1] {
        case UInt8(ascii: "n"): return 10
        case UInt8(ascii: "t"): return 9
        case UInt8(ascii: "r"): return 13
        case UInt8(ascii: "0"): return 0
        case UInt8(ascii: "\\"): return UInt8(ascii: "\\")
        case UInt8(ascii: "x"):
            guard start + 3 < text.count, let high = hex(text[start + 2]), let low = hex(text[start + 3]) else {
                throw Fault(position: start + 1, message: "\\x needs two hexadecimal digits")
            }
            index += 2
            return high << 4 | low
        default:
            let character = String(decoding: text[(start + 1)...], as: UTF8.self).prefix(1)
            throw Fault(position: start + 1, message: "unknown escape \\\(character)")
        }
    }
    /// `text` with every escape replaced.
    package static func replace(_ text: String) throws(Fault) -> [UInt8] {
        let bytes = Array(text.utf8)
        var result: [UInt8] = []
        var index = 0
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: "\\") {
                result.append(try read(bytes, &index))
            } else {
                result.append(bytes[index])
                index += 1
            }
        }
        return result
    }
    package static func hex(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
