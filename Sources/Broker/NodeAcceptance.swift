internal import Membership
internal import Replication
internal import Wire

/// What this node has accepted and not installed, and what its disk gives of it (R8).
extension Node {
    /// Whether a log up to `end`, with the frames beside it, gives what this node accepted (R8).
    func backsAcceptance(end: EntryNumber) -> Bool {
        guard !memberState.isUnbacked else { return false }
        return switch memberState.accepted?.proposal.basis {
        case .cut: memberState.tails.count > GroupID.durable.index && memberState.tails[GroupID.durable.index].from <= end
        case .ends(let ends): ends[GroupID.durable.index].number <= end
        case nil: true
        }
    }

    /// This node is about to drop its log's end for another's log. Where it accepted something that needs this end it says from now on that it has not
    /// what it needs, before the end goes. To forget the acceptance would be wrong: it may be one of a quorum's, and the other log may have the end all
    /// the same, cleaned, so that nothing says what the two share. But for a restart whose leader, with a quorum's promises, proposes something else.
    func unbackAcceptance(needing end: EntryNumber, into out: inout [Directive]) {
        guard let accepted = memberState.accepted, !memberState.isUnbacked, !backsAcceptance(end: end) else { return }
        if learner == nil, let ballot = restart?.disproves(accepted.proposal) {
            memberState.accepted = nil
            memberState.promised = max(memberState.promised, ballot)
        }
        memberState.isUnbacked = memberState.accepted != nil
        memberState.tails = []
        restart?.stands(with: memberState.accepted)
        out.append(.disk(.save(memberState.encode(), .start)))
    }

    /// Brings the durable log to the cut that this node accepted and never installed. Done again it changes nothing.
    func applyAcceptedCut(into out: inout [Directive]) {
        let tail = memberState.tails[GroupID.durable.index]
        afterRecovery = .apply
        if tail.from < states[GroupID.durable.index].end.number { out.append(.disk(.truncate(.durable, tail.from))) }
        out.append(.disk(.recover(.durable)))
    }

    func placeTail(into out: inout [Directive]) {
        let group = GroupID.durable
        let frames = OwnedBytes(memberState.tails[group.index].frames)
        var jobs: [PendingEntry] = []
        var at = 0
        while at < frames.view.count {
            let header: FrameHeader
            do throws(DecodeError) { header = try FrameHeader(frames.view.from(at)) } catch {
                // This node wrote them and the file's checksum held: to go on without them would forget what was accepted.
                preconditionFailure("accepted frames that this node saved do not read back: \(error)")
            }
            let body = frames.view[at + FrameHeader.size..<at + header.length]
            let admission = states[group.index].admit(body, key: header.key, view: header.view)
            if let entry = admission.header {
                let owner = OwnedBytes(body, parts: admission.runs)
                jobs.append(PendingEntry(header: entry, body: owner.view, owner: owner))
            }
            at += header.length
        }
        append(jobs, to: group, into: &out)
    }
}
