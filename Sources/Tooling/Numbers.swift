/// Numbers as people read them, the same in every locale.
package enum Numbers {
    /// `63676` as `63,676`.
    package static func grouped(_ value: UInt64) -> String {
        let digits = Array(String(value).utf8)
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { text.append(",") }
            text.append(Character(Unicode.Scalar(digit)))
        }
        return text
    }
    package static func grouped(_ value: Int) -> String { (value < 0 ? "-" : "") + grouped(UInt64(value.magnitude)) }

    /// Two or three digits and a unit of thousands: `0`, `3.2`, `999`, `4.1k`, `41k`, `1.2M`.
    package static func short(_ value: Double) -> String {
        guard value.isFinite, value > 0 else { return "0" }
        var scaled = value
        for unit in ["", "k", "M", "G", "T"] {
            let digits = tenths(scaled)
            if digits != "1000" { return digits + unit }
            scaled /= 1000
        }
        return "\(value)"
    }
    /// Below ten with one decimal, from ten up without; at and above 999.5 the text `1000`: use the next unit.
    private static func tenths(_ value: Double) -> String {
        if value >= 999.5 { return "1000" }
        if value >= 9.95 { return "\(Int(value.rounded()))" }
        let tenths = Int((value * 10).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(tenths % 10)"
    }
    /// `41k/s`.
    package static func rate(_ count: UInt64, over seconds: Double) -> String {
        (seconds > 0 ? short(Double(count) / seconds) : "0") + "/s"
    }
    /// `3.2 MB`, in powers of a thousand.
    package static func bytes(_ value: Double) -> String {
        let text = short(value)
        guard let unit = text.last, unit.isLetter else { return text + " B" }
        return "\(text.dropLast()) \(unit)B"
    }
    /// Seconds with the unit that fits: `1.5 s`, `20 ms`, `3.2 µs`, `120 ns`; from 1,000 s on in hours or days.
    package static func duration(_ seconds: Double) -> String {
        guard seconds.isFinite else { return "-" }
        if seconds < 0 { return "-" + duration(-seconds) }
        if seconds == 0 { return "0 s" }
        if seconds < 0.9995e-6 { return fixed(seconds * 1e9) + " ns" }
        if seconds < 0.9995e-3 { return fixed(seconds * 1e6) + " µs" }
        if seconds < 0.9995 { return fixed(seconds * 1e3) + " ms" }
        if seconds < 999.5 { return fixed(seconds) + " s" }
        if seconds < 172_800 { return fixed(seconds / 3600) + " h" }
        return grouped(UInt64(min(seconds / 86_400, 1e15).rounded())) + " d"
    }
    /// Three significant digits: `1.23`, `12.3`, `123`.
    private static func fixed(_ value: Double) -> String {
        if value < 9.995 { return decimal(value, places: 2) }
        if value < 99.95 { return decimal(value, places: 1) }
        return decimal(value, places: 0)
    }
    /// `value` ≥ 0, rounded to `places` (0…3) decimals.
    package static func decimal(_ value: Double, places: Int) -> String {
        let power = [1.0, 10, 100, 1000][places]
        let whole = UInt64(min(value * power, 1e18).rounded())
        if places == 0 { return "\(whole)" }
        let fraction = String(whole % UInt64(power))
        return "\(whole / UInt64(power))." + String(repeating: "0", count: places - fraction.count) + fraction
    }

    /// A count of bytes with an optional unit: `65536`, `64k`, `64KiB`, `1M`; units are powers of 1024.
    package static func parseBytes(_ text: String) -> Int? {
        let digits = text.prefix { ("0"..."9").contains($0) }
        guard let value = Int(digits) else { return nil }
        let shift: Int
        switch text.dropFirst(digits.count).lowercased() {
        case "", "b": shift = 0
        case "k", "kb", "kib": shift = 10
        case "m", "mb", "mib": shift = 20
        default: return nil
        }
        let (bytes, overflow) = value.multipliedReportingOverflow(by: 1 << shift)
        return overflow ? nil : bytes
    }
    /// A positive decimal number, without exponent, infinity or sign; an optional `k` or `M` multiplies.
    package static func parsePositive(_ text: some StringProtocol) -> Double? {
        var digits = Substring(text)
        var factor = 1.0
        if digits.hasSuffix("k") || digits.hasSuffix("M") {
            factor = digits.hasSuffix("k") ? 1e3 : 1e6
            digits.removeLast()
        }
        guard let first = digits.first, first.isASCII, first.isNumber, digits.allSatisfy({ ("0"..."9").contains($0) || $0 == "." }),
            let value = Double(digits), value > 0
        else { return nil }
        let product = value * factor
        return product.isFinite ? product : nil
    }
}
