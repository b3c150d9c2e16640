internal import Tooling

/// The line that a run ends with:
/// `sent 63,676 · acknowledged 63,676 (durable on 2 of 3) · duplicates 0 · failed 0 · 41k/s`.
func closingLine(_ tally: Tally, seconds: Double) -> String {
    let promise: String
    switch tally.level {
    case "": promise = ""
    case "durable": promise = " (durable on \(tally.quorum) of \(tally.members))"
    case "signed": promise = " (durable on \(tally.quorum) of \(tally.members), signed by each)"
    case "ordered": promise = " (ordered on \(tally.members))"
    default: promise = " (received)"
    }
    return [
        "sent \(Numbers.grouped(tally.sent))",
        "acknowledged \(Numbers.grouped(tally.acknowledged))\(promise)",
        "duplicates \(Numbers.grouped(tally.duplicates))",
        "failed \(Numbers.grouped(tally.failed))",
        Numbers.rate(tally.acknowledged, over: seconds),
    ].joined(separator: " · ")
}

/// A line that shows how far the run is: redrawn in place on a terminal, a line a second elsewhere.
struct ProgressLine {
    private let isOn: Bool
    private let isTerminal: Bool
    private let start: Double
    private var next: Double
    private var isShown = false

    init(isOn: Bool, isTerminal: Bool, now: Double) {
        self.isOn = isOn
        self.isTerminal = isTerminal
        start = now
        next = now + 0.5
    }
    mutating func update(_ tally: Tally, now: Double) {
        guard isOn, now >= next, let text = line(tally, now: now) else { return }
        next = now + (isTerminal ? 0.2 : 1)
        isShown = Descriptor.writeText(text, to: 2) && isTerminal
    }
    /// The text for a moment; nil while nothing was sent.
    func line(_ tally: Tally, now: Double) -> String? {
        guard tally.sent > 0 else { return nil }
        let text =
            "sent \(Numbers.grouped(tally.sent)) · acknowledged \(Numbers.grouped(tally.acknowledged)) · "
            + Numbers.rate(tally.acknowledged, over: now - start)
        // Carriage return, text, clear to the end of the line.
        return isTerminal ? "\r\(text)\u{1B}[K" : text + "\n"
    }
    mutating func clear() {
        guard isShown else { return }
        isShown = false
        _ = Descriptor.writeText("\r\u{1B}[K", to: 2)
    }
}
