internal import Wire

/// Numbers as JSON writes them (RFC 8259, section 6), as 64-bit floating point.
enum FilterNumber {
    private static let powers: [Double] = (0...22).map { power in (0..<power).reduce(1.0) { value, _ in value * 10 } }

    /// The number that is all of `text`, or nil. Takes no memory for numbers of up to 15 digits.
    static func parse(_ text: ByteView) -> Double? {
        var at = 0
        let isNegative = text.count > 0 && text.u8(0) == UInt8(ascii: "-")
        if isNegative { at = 1 }
        var digits = Digits()
        let whole = digits.take(text, &at, scale: 0)
        guard whole > 0, whole == 1 || text.u8(isNegative ? 1 : 0) != UInt8(ascii: "0") else { return nil }
        if at < text.count, text.u8(at) == UInt8(ascii: ".") {
            at += 1
            guard digits.take(text, &at, scale: -1) > 0 else { return nil }
        }
        var exponent = digits.scale
        if at < text.count, text.u8(at) | 0x20 == UInt8(ascii: "e") {
            at += 1
            guard let more = signed(text, &at) else { return nil }
            exponent += more
        }
        guard at == text.count else { return nil }
        // Exact below 2^53 and 10^22: one rounding (Clinger, 1990). The rest is rare, and left to the library.
        guard digits.isExact, abs(exponent) <= 22 else { return Double(text.text) }
        let value = Double(digits.value)
        let scaled = exponent < 0 ? value / powers[-exponent] : value * powers[exponent]
        return isNegative ? -scaled : scaled
    }

    private struct Digits {
        var value: UInt64 = 0
        /// Powers of ten that `value` is to be multiplied with.
        var scale = 0
        var isExact: Bool { value < 1 << 53 && !isTooLong }
        private var isTooLong = false

        mutating func take(_ text: ByteView, _ at: inout Int, scale step: Int) -> Int {
            let start = at
            while at < text.count, case let digit = text.u8(at) &- UInt8(ascii: "0"), digit < 10 {
                if value < 1 << 53 {
                    value = value * 10 + UInt64(digit)
                    scale += step
                } else {
                    isTooLong = true
                }
                at += 1
            }
            return at - start
        }
    }

    private static func signed(_ text: ByteView, _ at: inout Int) -> Int? {
        var isNegative = false
        if at < text.count, text.u8(at) == UInt8(ascii: "-") || text.u8(at) == UInt8(ascii: "+") {
            isNegative = text.u8(at) == UInt8(ascii: "-")
            at += 1
        }
        let start = at
        var value = 0
        while at < text.count, case let digit = text.u8(at) &- UInt8(ascii: "0"), digit < 10 {
            value = min(value * 10 + Int(digit), 1_000_000)
            at += 1
        }
        guard at > start else { return nil }
        return isNegative ? -value : value
    }
}
