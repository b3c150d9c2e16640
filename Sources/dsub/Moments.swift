/// Count, extremes, mean and standard deviation of a stream of values, without keeping them (Welford, 1962; merging after
/// Chan, Golub and LeVeque, 1979).
struct Moments: Equatable {
    private(set) var count: UInt64 = 0
    private(set) var mean = 0.0
    private(set) var min = Double.infinity
    private(set) var max = -Double.infinity
    /// Sum of squared distances from the mean.
    private var squares = 0.0

    var isEmpty: Bool { count == 0 }
    /// Of the whole population; 0 for fewer than two values.
    var deviation: Double { count > 1 ? (squares / Double(count)).squareRoot() : 0 }
    var sum: Double { mean * Double(count) }

    mutating func add(_ value: Double) {
        count += 1
        let distance = value - mean
        mean += distance / Double(count)
        squares += distance * (value - mean)
        min = Swift.min(min, value)
        max = Swift.max(max, value)
    }
    mutating func add(_ other: Moments) {
        guard other.count > 0 else { return }
        guard count > 0 else {
            self = other
            return
        }
        let total = Double(count + other.count)
        let distance = other.mean - mean
        squares += other.squares + distance * distance * Double(count) * Double(other.count) / total
        mean += distance * Double(other.count) / total
        count += other.count
        min = Swift.min(min, other.min)
        max = Swift.max(max, other.max)
    }
}
