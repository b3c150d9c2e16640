/// CPUs of a machine by their numbers, as Linux lists them: `0`, `2-3`, `0,2-3` (cpuset(7), "List format").
package struct CPUList: Hashable, Sendable, CustomStringConvertible {
    /// A machine has at most so many, in the sets of the C library (CPU_SETSIZE).
    package static let most = 1024

    /// Rising, none twice.
    package let numbers: [Int]

    package init(_ numbers: some Sequence<Int>) { self.numbers = Set(numbers).sorted() }

    /// Nil where `text` is no such list.
    init?(_ text: String) {
        var numbers: Set<Int> = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let ends = part.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false).map(Self.number)
            guard let first = ends[0], let last = ends[ends.count - 1], first <= last else { return nil }
            numbers.formUnion(first...last)
        }
        self.init(numbers)
    }
    private static func number(_ text: Substring) -> Int? {
        guard (1...4).contains(text.utf8.count), text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }), let number = Int(text),
            number < most
        else { return nil }
        return number
    }

    package var description: String {
        var runs: [ClosedRange<Int>] = []
        for number in numbers {
            if let last = runs.last, last.upperBound + 1 == number { runs[runs.count - 1] = last.lowerBound...number } else { runs.append(number...number) }
        }
        return runs.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }.joined(separator: ",")
    }
}
