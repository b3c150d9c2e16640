internal import Tooling

/// What `--hz`, `--bw`, `--delay` and `--stats` print.
enum MeterKind: CaseIterable {
    case rate, bandwidth, delay
}

/// Rates and latencies per topic and over all: a line each per interval, and a summary at the end. Takes the time.
struct Meter {
    /// Topics listed per interval; the busiest come first.
    static let listed = 20
    /// Seconds between lines.
    static let interval = 1.0

    /// What is known of one topic, or of all.
    struct Figures: Equatable {
        /// Seconds between one arrival and the next.
        var gaps = Moments()
        var sizes = Moments()
        /// Seconds from the record's own time to its arrival.
        var delays = Moments()
        private var last: Double?

        mutating func add(now: Double, size: Int, delay: Double) {
            if let last { gaps.add(now - last) }
            last = now
            sizes.add(Double(size))
            delays.add(delay)
        }
        mutating func fold(into total: inout Figures) {
            total.gaps.add(gaps)
            total.sizes.add(sizes)
            total.delays.add(delays)
            let last = last
            self = Figures()
            // The gap across the interval's border counts in the next.
            self.last = last
        }
    }
    private struct Topic {
        var recent = Figures()
        var total = Figures()
        mutating func fold() { recent.fold(into: &total) }
    }

    private let kinds: [MeterKind]
    private let start: Double
    private var intervalStart: Double
    private var topics: [String: Topic] = [:]
    private var all = Topic()

    init(_ kinds: [MeterKind], now: Double) {
        self.kinds = kinds
        start = now
        intervalStart = now
    }

    /// A record arrived at `now` (seconds that never fall), `delay` seconds after its own time.
    mutating func add(topic: String, size: Int, delay: Double, now: Double) {
        topics[topic, default: Topic()].recent.add(now: now, size: size, delay: delay)
        all.recent.add(now: now, size: size, delay: delay)
    }
    func isDue(_ now: Double) -> Bool { now - intervalStart >= Self.interval }
    /// Seconds until the next lines are due.
    func untilDue(_ now: Double) -> Double { max(0, intervalStart + Self.interval - now) }

    /// The lines of the interval that ends now; the next one begins.
    mutating func report(now: Double) -> [String] {
        let seconds = now - intervalStart
        intervalStart = now
        var active = topics.filter { !$0.value.recent.sizes.isEmpty }.map { (name: $0.key, figures: $0.value.recent) }
        active.sort { $0.figures.sizes.count == $1.figures.sizes.count ? $0.name < $1.name : $0.figures.sizes.count > $1.figures.sizes.count }
        let lines = Self.lines(active, all: all.recent, kinds, seconds)
        foldAll()
        return lines
    }
    /// The whole run; nothing of it is left out.
    mutating func summary(now: Double) -> [String] {
        foldAll()
        let named = topics.map { (name: $0.key, figures: $0.value.total) }.sorted { $0.name < $1.name }
        let seconds = now - start
        let count = all.total.sizes.count
        return ["summary of \(Numbers.duration(seconds)): \(Numbers.grouped(count)) record\(count == 1 ? "" : "s")"]
            + Self.lines(named, all: all.total, kinds, seconds)
    }

    private mutating func foldAll() {
        for index in topics.values.indices { topics.values[index].fold() }
        all.fold()
    }

    private static func lines(
        _ named: [(name: String, figures: Figures)], all: Figures, _ kinds: [MeterKind], _ seconds: Double
    ) -> [String] {
        var lines = named.prefix(listed).map { line($0.name, $0.figures, kinds, seconds) }
        if named.count > listed { lines.append("… \(Numbers.grouped(named.count - listed)) more topics") }
        // With one topic the line over all would say the same again.
        if named.count != 1 { lines.append(line("all", all, kinds, seconds)) }
        return lines
    }

    /// `name: 41k/s gap min … mean … max … std … · 3.2 MB/s size … · delay …`.
    static func line(_ name: String, _ figures: Figures, _ kinds: [MeterKind], _ seconds: Double) -> String {
        let parts = kinds.map { kind in
            switch kind {
            case .rate:
                Numbers.rate(figures.sizes.count, over: seconds) + extremes(" · gap", figures.gaps, Numbers.duration)
            case .bandwidth:
                Numbers.bytes(seconds > 0 ? figures.sizes.sum / seconds : 0) + "/s" + extremes(" · size", figures.sizes, Numbers.bytes)
            case .delay: figures.delays.isEmpty ? "delay -" : "delay" + extremes("", figures.delays, Numbers.duration)
            }
        }
        return "\(name): " + parts.joined(separator: " · ")
    }
    private static func extremes(_ title: String, _ values: Moments, _ text: (Double) -> String) -> String {
        guard !values.isEmpty else { return "" }
        return "\(title) min \(text(values.min)) mean \(text(values.mean)) max \(text(values.max)) std \(text(values.deviation))"
    }
}
