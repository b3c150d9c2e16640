/// Why a filter was refused: where, and what was expected there.
package struct FilterError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Characters from the beginning, the first is 1; one more than the characters where something is missing at the end.
    package let column: Int
    package let expected: String
    package let found: String

    package var description: String { "filter, column \(column): \(expected) expected, not \(found)" }
}
