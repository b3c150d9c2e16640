import Testing

/// Seeds that once failed, and what they found.
enum FoundSeeds {
    struct Found: Sendable, CustomTestStringConvertible {
        let seed: UInt64
        let steps: Int
        let what: String
        var testDescription: String { "\(seed): \(what)" }
    }
    static let all: [Found] = []
}
