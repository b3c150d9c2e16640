package import Wire

/// What a caller that checks may look at after each step; nothing here changes anything.
extension Node {
    /// Where the view that runs here began in `group`, as long as that has not been delivered.
    package func origin(of group: GroupID) -> LogEnd? { live?.groups[group.index].carried }
    /// Up to where `group` has been shown to sessions; nil while no view runs here.
    package func delivered(in group: GroupID) -> LogEnd? {
        guard let group = live?.groups[group.index] else { return nil }
        return group.carried == nil ? group.deliveredEnd : nil
    }
    /// Where `group`'s log ends, delivered or not.
    package func end(of group: GroupID) -> LogEnd { live?.groups[group.index].state.end ?? states[group.index].end }
    package var isWedged: Bool { live?.membership.isWedged ?? false }

    /// Traps on a broken invariant.
    package func checkInvariants() {
        guard let live else { return }
        for group in live.groups { group.checkInvariants() }
    }
}
