import Testing

/// Seeds that once failed, and what they found.
enum FoundSeeds {
    struct Found: Sendable, CustomTestStringConvertible {
        let seed: UInt64
        let steps: Int
        let what: String
        var testDescription: String { "\(seed): \(what)" }
    }
    static let all: [Found] = [
        Found(seed: 93, steps: 8_000, what: "a node that came back dropped durable entries after a wedged member of its own view"),
        Found(seed: 116, steps: 8_000, what: "entries that a segment's roll had synced were never told as synced"),
        Found(seed: 176, steps: 8_000, what: "joiners that had not saved a view left it without a quorum for good"),
        Found(seed: 256, steps: 2_000, what: "a view was begun twice, and what it had delivered was forgotten"),
    ]
}
