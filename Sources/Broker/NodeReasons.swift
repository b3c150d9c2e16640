internal import Membership
internal import Wire

/// What the operator is told of a view that begins: how long nothing went on, and why it came.
extension Node {
    /// `view 7 [1 3] begins after 12 ms: node 2 lost (closed by the peer)`
    func beginning(of proposal: Proposal, after before: LiveView?, now: Instant) -> String {
        guard let before else {
            let why = if case .cut = proposal.basis { "this node is taken in" } else { "its members have come back" }
            return "\(proposal.view) begins: \(why)"
        }
        let since = min(now.monotonic, before.wedgedSince ?? now.monotonic)
        let reasons = changes(from: before, by: proposal)
        return "\(proposal.view) begins after \((now.monotonic - since) / 1_000_000) ms: "
            + (reasons.isEmpty ? "agreed anew" : reasons.joined(separator: ", "))
    }

    private func changes(from before: LiveView, by proposal: Proposal) -> [String] {
        var lines: [String] = []
        for (rank, member) in before.view.members.enumerated() where !proposal.view.contains(member) {
            let hasLeft = proposal.sources.contains(member)
            lines.append(hasLeft ? "\(member) left" : "\(member) lost (\(before.reasons[rank] ?? "suspected by another member"))")
        }
        for member in proposal.view.members where !before.view.contains(member) { lines.append("\(member) taken in") }
        return lines
    }
}
