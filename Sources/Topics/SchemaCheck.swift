package import Wire

extension Schema {
    /// Nil where `payload` is one JSON value (RFC 8259) as this schema wants it; else why not, with where: `/readings/3/value is a string,
    /// not number`. One walk over the bytes, and no memory is taken where all is well.
    package func flaw(in payload: ByteView) -> String? {
        var walk = Walk(schema: self, bytes: payload)
        return walk.whole()
    }

    /// A place in the payload. What each part returns: nil, or what is wrong behind the path to it.
    private struct Walk {
        let schema: Schema
        let bytes: ByteView
        var at = 0

        private var byte: UInt8 { at < bytes.count ? bytes.u8(at) : 0 }
        private mutating func skipSpace() {
            while at < bytes.count, case let byte = bytes.u8(at), byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { at += 1 }
        }
        private mutating func take(_ wanted: UInt8) -> Bool {
            guard at < bytes.count, bytes.u8(at) == wanted else { return false }
            at += 1
            return true
        }
        private var malformed: String { at < bytes.count ? " is not JSON at byte \(at)" : " is not JSON: it breaks off" }

        mutating func whole() -> String? {
            skipSpace()
            if let flaw = value(0, depth: 0) { return flaw.first == "/" ? flaw : "the payload" + flaw }
            skipSpace()
            return at == bytes.count ? nil : "the payload" + malformed
        }

        /// - node: what it must be; nil: any JSON.
        private mutating func value(_ node: Int?, depth: Int) -> String? {
            guard depth < Schema.depth else { return " is nested more than \(Schema.depth) deep" }
            switch byte {
            case UInt8(ascii: "{"): return wrong(.object, node) ?? constant(nil, node) ?? object(node, depth)
            case UInt8(ascii: "["): return wrong(.array, node) ?? constant(nil, node) ?? array(node, depth)
            case UInt8(ascii: "\""): return wrong(.string, node) ?? text(node)
            default: return word(node)
            }
        }

        private func wrong(_ type: Types, _ node: Int?) -> String? {
            guard let node, !schema.nodes[node].types.contains(type) else { return nil }
            return " is of the type \(type.words), not \(schema.nodes[node].types.words)"
        }

        /// - value: nil where it is none that a constant can be.
        private func constant(_ value: Constant?, _ node: Int?) -> String? {
            guard let node, let constants = schema.nodes[node].constants else { return nil }
            if let value, constants.contains(value) { return nil }
            return " is none of " + constants.prefix(8).map(\.text).joined(separator: ", ") + (constants.count > 8 ? ", …" : "")
        }

        private mutating func word(_ node: Int?) -> String? {
            let start = at
            while at < bytes.count, case let byte = bytes.u8(at), byte > 0x20, byte != UInt8(ascii: ","), byte != UInt8(ascii: "}"),
                byte != UInt8(ascii: "]")
            { at += 1 }
            let word = bytes[start..<at]
            if let number = FilterNumber.parse(word) { return self.number(number, node) }
            if Self.null.withView({ $0 == word }) { return wrong(.null, node) ?? constant(.null, node) }
            if Self.yes.withView({ $0 == word }) { return wrong(.boolean, node) ?? constant(.boolean(true), node) }
            if Self.no.withView({ $0 == word }) { return wrong(.boolean, node) ?? constant(.boolean(false), node) }
            at = start
            return malformed
        }
        private static let null = Array("null".utf8)
        private static let yes = Array("true".utf8)
        private static let no = Array("false".utf8)

        private func number(_ value: Double, _ index: Int?) -> String? {
            guard let index else { return nil }
            let node = schema.nodes[index]
            // 1.0 is an integer too (JSON Schema Core, 4.2.3).
            let isInteger = value.rounded() == value
            guard node.types.contains(.number) || isInteger && node.types.contains(.integer) else {
                return wrong(isInteger ? .integer : .number, index) ?? wrong(.number, index)
            }
            if value < node.minimum { return " is less than \(node.minimum)" }
            if value > node.maximum { return " is more than \(node.maximum)" }
            if value <= node.exclusiveMinimum { return " is not more than \(node.exclusiveMinimum)" }
            if value >= node.exclusiveMaximum { return " is not less than \(node.exclusiveMaximum)" }
            return constant(.number(value), index)
        }

        private mutating func text(_ index: Int?) -> String? {
            guard let text = string() else { return malformed }
            guard let index else { return nil }
            let node = schema.nodes[index]
            if node.lengths != 0...Int.max {
                let length = text.count
                if length < node.lengths.lowerBound { return " has \(length) characters, fewer than \(node.lengths.lowerBound)" }
                if length > node.lengths.upperBound { return " has \(length) characters, more than \(node.lengths.upperBound)" }
            }
            guard let constants = node.constants else { return nil }
            let isOne = constants.contains { constant in
                if case .string(let bytes) = constant { bytes.withView { text.content.compare(FilterText($0)) == 0 } } else { false }
            }
            return isOne ? nil : constant(nil, index)
        }

        private struct Text {
            let content: FilterText
            let raw: ByteView
            /// Characters, as JSON Schema counts them: Unicode scalars.
            var count: Int {
                var count = 0
                var at = 0
                while at < raw.count {
                    let byte = raw.u8(at)
                    if byte == UInt8(ascii: "\\") {
                        let isUnicode = at + 5 < raw.count && raw.u8(at + 1) == UInt8(ascii: "u")
                        // The second half of a pair is no character of its own: \uDC00 to \uDFFF.
                        let isLow = isUnicode && raw.u8(at + 2) | 0x20 == UInt8(ascii: "d") && raw.u8(at + 3) | 0x20 >= UInt8(ascii: "c")
                        if !isLow { count += 1 }
                        at += isUnicode ? 6 : 2
                    } else {
                        if byte & 0xC0 != 0x80 { count += 1 }
                        at += 1
                    }
                }
                return count
            }
        }

        /// The string at hand; nil: it is none.
        private mutating func string() -> Text? {
            guard take(UInt8(ascii: "\"")) else { return nil }
            let start = at
            var hasEscapes = false
            while at < bytes.count, bytes.u8(at) != UInt8(ascii: "\"") {
                guard bytes.u8(at) >= 0x20 else { return nil }
                if bytes.u8(at) == UInt8(ascii: "\\") {
                    hasEscapes = true
                    guard escape() else { return nil }
                } else {
                    at += 1
                }
            }
            guard at < bytes.count else { return nil }
            defer { at += 1 }
            return Text(content: FilterText(bytes[start..<at], hasEscapes ? .json : .none), raw: bytes[start..<at])
        }

        private mutating func escape() -> Bool {
            guard at + 1 < bytes.count else {
                at = bytes.count
                return false
            }
            switch bytes.u8(at + 1) {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"), UInt8(ascii: "n"),
                UInt8(ascii: "r"), UInt8(ascii: "t"):
                at += 2
                return true
            case UInt8(ascii: "u"):
                guard at + 5 < bytes.count else { return false }
                for digit in at + 2..<at + 6 {
                    let byte = bytes.u8(digit)
                    let decimal = byte &- UInt8(ascii: "0")
                    let letter = (byte | 0x20) &- UInt8(ascii: "a")
                    guard decimal < 10 || letter < 6 else { return false }
                }
                at += 6
                return true
            default: return false
            }
        }

        private mutating func object(_ index: Int?, _ depth: Int) -> String? {
            at += 1
            var seen: UInt64 = 0
            skipSpace()
            if !take(UInt8(ascii: "}")) {
                while true {
                    skipSpace()
                    guard let name = string() else { return malformed }
                    skipSpace()
                    guard take(UInt8(ascii: ":")) else { return malformed }
                    skipSpace()
                    var child: Int?
                    if let index, let known = property(name.content, index) {
                        seen |= 1 << UInt64(known)
                        child = schema.nodes[index].properties[known].node
                    } else if let index, !schema.nodes[index].isOpen {
                        return "/\(name.raw.text) is no property that may be there"
                    }
                    if let flaw = value(child, depth: depth + 1) { return "/\(name.raw.text)" + flaw }
                    skipSpace()
                    if take(UInt8(ascii: "}")) { break }
                    guard take(UInt8(ascii: ",")) else { return malformed }
                }
            }
            guard let index, case let missing = schema.nodes[index].required & ~seen, missing != 0 else { return nil }
            let name = schema.nodes[index].properties[missing.trailingZeroBitCount].name
            return "/\(String(decoding: name, as: UTF8.self)) is missing"
        }

        private func property(_ name: FilterText, _ index: Int) -> Int? {
            schema.nodes[index].properties.firstIndex { property in property.name.withView { name.compare(FilterText($0)) == 0 } }
        }

        private mutating func array(_ index: Int?, _ depth: Int) -> String? {
            at += 1
            var count = 0
            let items = index.flatMap { schema.nodes[$0].items }
            skipSpace()
            if !take(UInt8(ascii: "]")) {
                while true {
                    skipSpace()
                    if let flaw = value(items, depth: depth + 1) { return "/\(count)" + flaw }
                    count += 1
                    skipSpace()
                    if take(UInt8(ascii: "]")) { break }
                    guard take(UInt8(ascii: ",")) else { return malformed }
                }
            }
            guard let index, case let counts = schema.nodes[index].counts, !counts.contains(count) else { return nil }
            return count < counts.lowerBound ? " has \(count) elements, fewer than \(counts.lowerBound)" : " has \(count) elements, more than \(counts.upperBound)"
        }
    }
}
