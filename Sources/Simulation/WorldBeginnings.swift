internal import Broker
internal import Membership
internal import Wire

/// What each node begins a view with, held against what the others do.
extension World {
    func checkBeginning(_ host: Host, _ view: View) {
        let byRestart = host.node?.hasBegunByRestart ?? false
        if host.begun != view.number {
            host.begun = view.number
            for group in [GroupID.durable, .ordered, .unordered] {
                guard let digest = host.node?.beginning(of: group) else { continue }
                checker.began(view, byRestart: byRestart, group, digest, at: host.id)
            }
        }
        guard checker.mixed.contains(view.number) else { return }
        for other in hosts where other.node?.view == view && other.node!.isLive && other.node!.hasBegunByRestart != byRestart {
            if host.node!.counts(on: other.id) { checker.fail("\(host.id) counts on \(other.id), which began \(view) in another way") }
        }
    }
}
