package import Wire

/// Times as text, in and out; nanoseconds since 1970, UTC unless the text names another zone.
///
/// In:  `2026-11-21`, `2026-11-21 10:00:00`, `2026-11-21T10:00:00.25Z`, `2026-11-21T10:00:00+05:30`, and numbers since 1970
///      whose magnitude tells the unit: below 10^11 seconds, below 10^14 milli-, below 10^17 micro-, else nanoseconds.
/// Out: `2026-11-21T10:00:00.25Z`, zeros at the end of the fraction left out.
package enum TimeText {
    private static let second: Int64 = 1_000_000_000

    /// Nil where `text` is not a time, or one outside of the years 1678 to 2261.
    package static func parse(_ text: ByteView) -> Int64? {
        // A date has its first hyphen behind the year; a number has one at its start or none.
        if text.count >= 10, text.u8(4) == UInt8(ascii: "-") { return parseDate(text) }
        return parseEpoch(text)
    }
    package static func parse(_ text: String) -> Int64? { Array(text.utf8).withView { parse($0) } }

    private static func parseDate(_ text: ByteView) -> Int64? {
        var at = 0
        guard let year = digits(text, &at, 4), skip(text, &at, "-"), let month = digits(text, &at, 2), skip(text, &at, "-"),
            let day = digits(text, &at, 2), month >= 1, month <= 12, day >= 1, day <= daysOf(month, year)
        else { return nil }
        var seconds = dayNumber(year, month, day) * 86_400
        var fraction: Int64 = 0
        if at < text.count {
            guard skip(text, &at, "T") || skip(text, &at, " ") || skip(text, &at, "t"), let hour = digits(text, &at, 2), hour < 24,
                skip(text, &at, ":"), let minute = digits(text, &at, 2), minute < 60,
                skip(text, &at, ":"), let second = digits(text, &at, 2), second <= 60
            else { return nil }
            seconds += hour * 3600 + minute * 60 + second
            if skip(text, &at, ".") || skip(text, &at, ",") {
                guard let value = nanoseconds(text, &at) else { return nil }
                fraction = value
            }
            guard let shift = zone(text, &at) else { return nil }
            seconds -= shift
        }
        guard at == text.count else { return nil }
        return combine(seconds, fraction)
    }

    /// Seconds east of Greenwich; 0 where nothing follows.
    private static func zone(_ text: ByteView, _ at: inout Int) -> Int64? {
        if at == text.count || skip(text, &at, "Z") || skip(text, &at, "z") { return 0 }
        let east = skip(text, &at, "+")
        guard east || skip(text, &at, "-"), let hours = digits(text, &at, 2), hours < 24 else { return nil }
        _ = skip(text, &at, ":")
        guard let minutes = digits(text, &at, 2), minutes < 60 else { return nil }
        return (east ? 1 : -1) * (hours * 3600 + minutes * 60)
    }

    private static func parseEpoch(_ text: ByteView) -> Int64? {
        var at = 0
        let negative = skip(text, &at, "-")
        let start = at
        var value: Int64 = 0
        while at < text.count, let digit = decimal(text.u8(at)) {
            let (tens, over) = value.multipliedReportingOverflow(by: 10)
            let (sum, overSum) = tens.addingReportingOverflow(digit)
            guard !over, !overSum else { return nil }
            value = sum
            at += 1
        }
        guard at > start else { return nil }
        var fraction: Int64 = 0
        if skip(text, &at, ".") {
            guard let part = nanoseconds(text, &at) else { return nil }
            fraction = part
        }
        guard at == text.count else { return nil }
        // The unit's length in nanoseconds; the fraction is of that unit.
        let unit: Int64 =
            switch value {
            case ..<100_000_000_000: second
            case ..<100_000_000_000_000: 1_000_000
            case ..<100_000_000_000_000_000: 1000
            default: 1
            }
        let (whole, over) = value.multipliedReportingOverflow(by: unit)
        let (total, overTotal) = whole.addingReportingOverflow(fraction / (second / unit))
        guard !over, !overTotal else { return nil }
        return negative ? -total : total
    }

    private static func combine(_ seconds: Int64, _ fraction: Int64) -> Int64? {
        let (whole, over) = seconds.multipliedReportingOverflow(by: second)
        let (total, overTotal) = whole.addingReportingOverflow(fraction)
        return over || overTotal ? nil : total
    }
    /// A fraction of at least one digit, in billionths; digits behind the ninth are dropped.
    private static func nanoseconds(_ text: ByteView, _ at: inout Int) -> Int64? {
        var value: Int64 = 0
        var places = 0
        while at < text.count, let digit = decimal(text.u8(at)) {
            if places < 9 { value = value * 10 + digit }
            places += 1
            at += 1
        }
        guard places > 0 else { return nil }
        while places < 9 {
            value *= 10
            places += 1
        }
        return value
    }
    private static func digits(_ text: ByteView, _ at: inout Int, _ count: Int) -> Int64? {
        guard text.count - at >= count else { return nil }
        var value: Int64 = 0
        for _ in 0..<count {
            guard let digit = decimal(text.u8(at)) else { return nil }
            value = value * 10 + digit
            at += 1
        }
        return value
    }
    private static func decimal(_ byte: UInt8) -> Int64? { byte >= 48 && byte <= 57 ? Int64(byte - 48) : nil }
    private static func skip(_ text: ByteView, _ at: inout Int, _ character: Unicode.Scalar) -> Bool {
        guard at < text.count, UInt32(text.u8(at)) == character.value else { return false }
        at += 1
        return true
    }

    private static func isLeap(_ year: Int64) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }
    private static func daysOf(_ month: Int64, _ year: Int64) -> Int64 {
        switch month {
        case 2: isLeap(year) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }
    /// Days from 1970-01-01 in the Gregorian calendar; years run from March so that the leap day comes last.
    private static func dayNumber(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let marchYear = month < 3 ? year - 1 : year
        let marchMonth = (month + 9) % 12
        let leaps = marchYear / 4 - marchYear / 100 + marchYear / 400
        // 153 days in each run of five months that begins in March; 719,468 days from 0000-03-01 to 1970-01-01.
        return marchYear * 365 + leaps + (153 * marchMonth + 2) / 5 + day - 1 - 719_468
    }

    /// Year, month and day of a day counted from 1970-01-01.
    private static func date(_ dayNumber: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let days = dayNumber + 719_468
        let era = (days >= 0 ? days : days - 146_096) / 146_097
        let inEra = days - era * 146_097
        let yearInEra = (inEra - inEra / 1460 + inEra / 36_524 - inEra / 146_096) / 365
        let inYear = inEra - (yearInEra * 365 + yearInEra / 4 - yearInEra / 100)
        let marchMonth = (5 * inYear + 2) / 153
        let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        return (yearInEra + era * 400 + (month <= 2 ? 1 : 0), month, inYear - (153 * marchMonth + 2) / 5 + 1)
    }

    /// Appends `time` as `YYYY-MM-DDTHH:MM:SS[.fraction]Z`.
    package static func append(_ time: Int64, to buffer: inout ByteBuffer) {
        let (day, seconds, fraction) = split(time)
        let (year, month, dayOfMonth) = date(day)
        pad(year, 4, &buffer)
        buffer.append(UInt8(ascii: "-"))
        pad(month, 2, &buffer)
        buffer.append(UInt8(ascii: "-"))
        pad(dayOfMonth, 2, &buffer)
        buffer.append(UInt8(ascii: "T"))
        appendClock(seconds, &buffer)
        if fraction > 0 {
            buffer.append(UInt8(ascii: "."))
            var places = 9
            var rest = fraction
            while rest % 10 == 0 {
                rest /= 10
                places -= 1
            }
            pad(rest, places, &buffer)
        }
        buffer.append(UInt8(ascii: "Z"))
    }
    /// Appends the time of day as `HH:MM:SS.mmm`.
    package static func appendTimeOfDay(_ time: Int64, to buffer: inout ByteBuffer) {
        let (_, seconds, fraction) = split(time)
        appendClock(seconds, &buffer)
        buffer.append(UInt8(ascii: "."))
        pad(fraction / 1_000_000, 3, &buffer)
    }
    package static func text(_ time: Int64) -> String {
        var buffer = ByteBuffer(capacity: 64)
        append(time, to: &buffer)
        return buffer.view.text
    }

    private static func split(_ time: Int64) -> (day: Int64, seconds: Int64, fraction: Int64) {
        // Rounded down, so times before 1970 have a fraction that counts upwards too.
        let seconds = time >= 0 ? time / second : -((-(time + 1)) / second) - 1
        let day = seconds >= 0 ? seconds / 86_400 : -((-(seconds + 1)) / 86_400) - 1
        return (day, seconds - day * 86_400, time &- seconds &* second)
    }
    private static func appendClock(_ seconds: Int64, _ buffer: inout ByteBuffer) {
        pad(seconds / 3600, 2, &buffer)
        buffer.append(UInt8(ascii: ":"))
        pad(seconds / 60 % 60, 2, &buffer)
        buffer.append(UInt8(ascii: ":"))
        pad(seconds % 60, 2, &buffer)
    }
    private static func pad(_ value: Int64, _ places: Int, _ buffer: inout ByteBuffer) {
        var power: Int64 = 1
        for _ in 1..<max(places, 1) { power *= 10 }
        while power > 0 {
            buffer.append(UInt8(truncatingIfNeeded: 48 + value / power % 10))
            power /= 10
        }
    }
}
