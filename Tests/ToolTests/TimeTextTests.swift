import Foundation
import Testing
import Tooling

private let billion: Int64 = 1_000_000_000

@Test(
    "times are read",
    arguments: [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01 00:00:00", 0),
        ("1970-01-02", 86_400 * billion),
        ("2013-07-04 01:02:03", 1_372_899_723 * billion),
        ("2026-11-21T10:00:00Z", 1_795_255_200 * billion),
        ("2026-11-21T10:00:00.5Z", 1_795_255_200 * billion + 500_000_000),
        ("2026-11-21T10:00:00.123456789", 1_795_255_200 * billion + 123_456_789),
        ("2026-11-21T10:00:00.1234567899Z", 1_795_255_200 * billion + 123_456_789),
        ("2026-11-21T10:00:00,25Z", 1_795_255_200 * billion + 250_000_000),
        ("2026-11-21T10:00:00+01:00", 1_795_251_600 * billion),
        ("2026-11-21T10:00:00-05:30", 1_795_275_000 * billion),
        ("2026-11-21T10:00:00+0100", 1_795_251_600 * billion),
        ("2024-02-29T00:00:00Z", 1_709_164_800 * billion),
        ("2016-12-31T23:59:60Z", 1_483_228_800 * billion),
        ("1969-12-31T23:59:59.75Z", -250_000_000),
        ("0", 0),
        ("1700000000", 1_700_000_000 * billion),
        ("1700000000.5", 1_700_000_000 * billion + 500_000_000),
        ("1700000000123", 1_700_000_000_123_000_000),
        ("1700000000123.5", 1_700_000_000_123_500_000),
        ("1700000000123456", 1_700_000_000_123_456_000),
        ("1700000000123456789", 1_700_000_000_123_456_789),
        ("99999999999.0", nil),
        ("-1", -billion),
        ("-1.25", -1_250_000_000),
        ("", nil), ("-", nil), ("x", nil), ("1.", nil), (".5", nil), ("1e9", nil), ("1 ", nil), ("+1", nil),
        ("2026-00-01", nil), ("2026-13-01", nil), ("2026-02-29", nil), ("2100-02-29", nil), ("2026-04-31", nil), ("2026-01-00", nil),
        ("2026-11-21T24:00:00", nil), ("2026-11-21T10:60:00", nil), ("2026-11-21T10:00:61", nil), ("2026-11-21T10:00", nil),
        ("2026-11-21T10:00:00.Z", nil), ("2026-11-21T10:00:00X", nil), ("2026-11-21T10:00:00+25:00", nil), ("2026-11-21T10:00:00+1", nil),
        ("2026-11-21T10:00:00Z ", nil), ("2026-11-2110:00:00", nil), ("2026/11/21", nil), ("9999-01-01", nil), ("99999999999999999999", nil),
    ] as [(String, Int64?)])
func timesAreRead(_ text: String, _ nanoseconds: Int64?) {
    #expect(TimeText.parse(text) == nanoseconds)
}

@Test(
    "times are written without zeros at the end",
    arguments: [
        (0, "1970-01-01T00:00:00Z"), (-1, "1969-12-31T23:59:59.999999999Z"), (1, "1970-01-01T00:00:00.000000001Z"),
        (1_795_255_200_250_000_000, "2026-11-21T10:00:00.25Z"), (Int64.max, "2262-04-11T23:47:16.854775807Z"),
        (Int64.min, "1677-09-21T00:12:43.145224192Z"),
    ] as [(Int64, String)])
func timesAreWritten(_ nanoseconds: Int64, _ text: String) {
    #expect(TimeText.text(nanoseconds) == text)
}

@Test func everyDayAgreesWithAnotherCalendar() {
    let formatter = ISO8601DateFormatter()
    // A step of 13 days and some, over all years that fit, meets each day of the month and every leap year.
    for seconds in stride(from: -9_200_000_000, through: 9_200_000_000, by: 1_134_077) {
        let text = formatter.string(from: Date(timeIntervalSince1970: Double(seconds)))
        let time = Int64(seconds) * billion
        // Foundation writes the days before 1582 by another calendar; none are in this range.
        #expect(TimeText.text(time) == text)
        #expect(TimeText.parse(text) == time)
    }
}
