/// A time that a user names: as `TimeText` reads it, or so long ago: `-30s`, `-5m`, `-2h`, `-1d`, `now`.
package enum Moment {
    private static let seconds: [Character: Int64] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]

    /// Nanoseconds since 1970; nil where `text` is neither, or lies before 1970. `now` is in nanoseconds since 1970.
    package static func parse(_ text: String, now: Int64) -> UInt64? {
        if text == "now" { return UInt64(exactly: now) }
        if text.hasPrefix("-") {
            let body = text.dropFirst()
            let digits = body.dropLast()
            guard let unit = body.last, let length = seconds[unit], digits.allSatisfy({ $0.isASCII && $0.isNumber }),
                let count = Int64(digits), count <= 1_000_000_000
            else { return nil }
            let (span, over) = (count * length).multipliedReportingOverflow(by: 1_000_000_000)
            return UInt64(max(0, now - min(over ? Int64.max : span, now)))
        }
        return TimeText.parse(text).flatMap { UInt64(exactly: $0) }
    }
}
