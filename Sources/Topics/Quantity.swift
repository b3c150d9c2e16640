/// Whole numbers with a unit: sizes (`B`, `KiB`, `MiB`, `GiB`), times (`ns`, `us`, `ms`, `s`), spans of time (`ms` to `d`), and rates
/// (`/min`, `/s`).
struct Quantity: Sendable {
    /// What it measures, with its article: "a size".
    let noun: String
    /// Units with their factors, smallest first.
    let units: [(name: String, factor: Int)]
    let example: String
    /// How to write a part of a unit.
    let finer: String
    /// What people write, in lower case, where they mean one of `units`.
    let slips: [String: String]

    /// Bytes.
    static let size = Quantity(
        noun: "a size", units: [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)], example: "64KiB",
        finer: "1536KiB for 1.5MiB",
        slips: [
            "b": "B", "byte": "B", "bytes": "B", "k": "KiB", "kb": "KiB", "kib": "KiB", "m": "MiB", "mb": "MiB", "mib": "MiB",
            "g": "GiB", "gb": "GiB", "gib": "GiB",
        ])
    /// Nanoseconds.
    static let time = Quantity(
        noun: "a time", units: [("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000)], example: "100ms",
        finer: "1500ms for 1.5s",
        slips: [
            "nsec": "ns", "usec": "us", "\u{B5}s": "us", "\u{3BC}s": "us", "msec": "ms", "sec": "s", "secs": "s", "second": "s",
            "seconds": "s",
        ])

    /// Nanoseconds, of what lasts: no months, whose length varies.
    static let span = Quantity(
        noun: "a time",
        units: [
            ("ms", 1_000_000), ("s", 1_000_000_000), ("min", 60_000_000_000), ("h", 3_600_000_000_000), ("d", 86_400_000_000_000),
        ],
        example: "7d", finer: "36h for 1.5d",
        slips: [
            "msec": "ms", "sec": "s", "secs": "s", "second": "s", "seconds": "s", "m": "min", "mins": "min", "minute": "min",
            "minutes": "min", "hour": "h", "hours": "h", "hr": "h", "day": "d", "days": "d",
        ])
    /// Records in a minute.
    static let rate = Quantity(
        noun: "a rate", units: [("/min", 1), ("/s", 60)], example: "100/s", finer: "90/min for 1.5/s",
        slips: [
            "/m": "/min", "/minute": "/min", "/sec": "/s", "/second": "/s", "hz": "/s", "per second": "/s", "per minute": "/min",
            "rps": "/s", "s": "/s", "min": "/min",
        ])

    /// Why a text is no quantity: what is wrong with it, to follow the text, and what to do.
    struct Refusal: Error, Equatable {
        let problem: String
        let hint: String
    }

    /// The number of smallest units that `text` says; one run of spaces may stand before the unit.
    func parse(_ text: String) throws(Refusal) -> Int {
        let digits = text.prefix { ("0"..."9").contains($0) }
        let unit = text.dropFirst(digits.count).drop { $0 == " " }
        guard !digits.isEmpty else {
            if text.hasPrefix("-") { throw Refusal(problem: "is negative", hint: "write for example \(example)") }
            throw Refusal(problem: "is not \(noun)", hint: "write for example \(example)")
        }
        if unit.hasPrefix(".") || unit.hasPrefix(",") {
            throw Refusal(problem: "is not a whole number", hint: "use a smaller unit, as in \(finer)")
        }
        guard !unit.isEmpty else {
            throw Refusal(problem: "has no unit", hint: "say which: " + units.map { digits + $0.name }.joined(separator: ", "))
        }
        guard let factor = units.first(where: { $0.name == unit })?.factor else {
            let guess = slips[unit.lowercased()].map { "did you mean \(digits)\($0)? " } ?? ""
            let known = "units are " + units.map(\.name).joined(separator: ", ")
            throw Refusal(problem: "has the unknown unit \(quoted(unit))", hint: guess + known)
        }
        guard let number = Int(digits), case let (value, overflow) = number.multipliedReportingOverflow(by: factor), !overflow
        else { throw Refusal(problem: "is too large", hint: "write for example \(example)") }
        return value
    }

    /// `value` in the largest unit that leaves a whole number.
    func text(_ value: Int) -> String {
        let unit = units.last { value % $0.factor == 0 } ?? units[0]
        return "\(value / unit.factor)\(unit.name)"
    }
}
