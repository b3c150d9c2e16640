internal import Client
internal import Tooling

/// Where a subscription begins and ends, as `-o` says it.
struct Extent: Equatable {
    var start: StartPosition
    /// The first offset that is not wanted.
    var end: UInt64?

    /// `beginning`, `end`, `last`, N, `-N`, `A..B` (A up to, not including, B), `s@MS`, `@TIME`, `@-5m`; `now` is nanoseconds since 1970.
    init(parsing text: String, now: Int64) throws(ToolFailure) {
        switch text {
        case "beginning", "earliest": start = .beginning
        case "end", "latest": start = .end
        case "last": start = .last
        case "stored":
            throw .usage("-o stored goes with -G NAME: offsets are stored for consumer groups")
        default:
            if text.hasPrefix("s@") {
                start = .time(try Self.milliseconds(text))
            } else if text.hasPrefix("@") {
                start = .time(try Self.time(text, now: now))
            } else if text.contains("..") {
                (start, end) = try Self.range(text)
            } else if text.hasPrefix("-") {
                guard let count = Self.number(text.dropFirst()) else { throw Self.unknown(text) }
                start = .tail(count)
            } else {
                guard let offset = Self.number(text[...]) else { throw Self.unknown(text) }
                start = .offset(offset)
            }
        }
    }

    private static func unknown(_ text: String) -> ToolFailure {
        .usage("-o: \"\(text)\" is not a place to begin: beginning, end, last, N, -N, A..B, s@MS, @TIME or @-5m")
    }
    private static func number(_ text: Substring) -> UInt64? {
        text.allSatisfy { $0.isASCII && $0.isNumber } ? UInt64(text) : nil
    }
    private static func range(_ text: String) throws(ToolFailure) -> (StartPosition, UInt64) {
        guard let dots = text.firstIndex(of: ".") else { throw unknown(text) }
        let tail = text[text.index(dots, offsetBy: 2)...]
        guard let first = number(text[..<dots]), let end = number(tail) else {
            throw .usage("-o: \"\(text)\" is not a range of two offsets, like 100..200")
        }
        guard first < end else { throw .usage("-o: the range \(text) is empty (its end is not included)") }
        return (.offset(first), end)
    }
    private static func milliseconds(_ text: String) throws(ToolFailure) -> UInt64 {
        guard let value = number(text.dropFirst(2)) else {
            throw .usage("-o: \"\(text)\" is not s@ and milliseconds since 1970")
        }
        let (nanoseconds, over) = value.multipliedReportingOverflow(by: 1_000_000)
        guard !over else { throw .usage("-o: \"\(text)\" is out of range") }
        return nanoseconds
    }
    private static func time(_ text: String, now: Int64) throws(ToolFailure) -> UInt64 {
        let body = text.dropFirst()
        if body.hasPrefix("-") {
            guard let ago = duration(body.dropFirst()) else {
                throw .usage("-o: \"\(text)\" is not @- and a time span, like @-30s, @-5m, @-2h or @-1d")
            }
            return UInt64(max(0, now - min(ago, now)))
        }
        guard let time = TimeText.parse(String(body)) else {
            throw .usage("-o: \"\(text)\" is not @ and a time, like @2026-11-21T10:00:00Z")
        }
        guard time >= 0 else { throw .usage("-o: \"\(text)\" is before 1970") }
        return UInt64(time)
    }
    /// `90s`, `5m`, `2h`, `1d`, in nanoseconds.
    private static func duration(_ text: Substring) -> Int64? {
        let seconds: [Character: Int64] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
        guard let unit = text.last, let length = seconds[unit], let count = number(text.dropLast()), count <= 1_000_000_000 else { return nil }
        let (nanoseconds, over) = (Int64(count) * length).multipliedReportingOverflow(by: 1_000_000_000)
        return over ? Int64.max : nanoseconds
    }
}
