internal import Membership
internal import Wire

/// Damage of the durable log (R9): told, and repaired from other nodes. While a view runs here the log goes on meanwhile; a node
/// that finds damage when it comes back counts for nothing before it is repaired.
///
///      (a life begins) ── damaged ──▶ mending ── whole, or a view runs without it and has it all ──▶ restarting
///      live ── damage in a closed segment ──▶ live, repairing ──▶ live
extension Node {
    /// The disk has found damage; all that is known of.
    func damaged(_ holes: [LogHole], into out: inout [Directive]) {
        let known = repair?.holes ?? []
        for hole in holes where !known.contains(hole) { out.append(.log("damage: \(hole)")) }
        guard !holes.isEmpty else { return }
        if live == nil, !isMending {
            // What others are told of this log is not so any more.
            mustVerify = true
            return over("its log is damaged", into: &out)
        }
        if repair == nil { repair = LogRepair(holes: holes) }
        if repair!.holes.first != holes.first {
            switch repair!.step {
            case .asking, .pausing: (repair!.step, repair!.piece) = (.idle, [])
            case .idle, .writing, .resting: break
            }
        }
        repair!.holes = holes
        stepRepair(into: &out)
    }

    func stepRepair(into out: inout [Directive]) {
        guard !isOver, let repair else { return }
        switch repair.step {
        case .writing: return
        case .asking(let node, _, let at):
            guard lastSeen > at, lastSeen - at > LogRepair.patience else { return }
            missed(node, "does not answer")
        case .resting(let until):
            guard lastSeen >= until else { return }
            self.repair!.missed = [:]
        case .pausing(let node, let number):
            if lastSeen >= repairAskAt { ask(node, from: number, into: &out) }
            return
        case .idle: break
        }
        next(into: &out)
    }

    /// When more of a repair may be asked for: a view that runs here is not to be held up by it.
    func repairDue() -> UInt64 {
        guard let repair, live != nil else { return .max }
        switch repair.step {
        case .pausing, .idle: return repairAskAt
        case .asking, .writing, .resting: return .max
        }
    }

    private static let hasOthers = "has others: "
    private static let hasNone = "does not have them"

    private func missed(_ node: NodeID, _ why: String) {
        repair?.missed[node] = why
        repair?.step = .idle
        repair?.piece = []
    }

    /// Asks the next node for the first hole.
    private func next(into out: inout [Directive]) {
        guard let repair, let hole = repair.holes.first else { return }
        if hole.entries.isEmpty { return write(hole, from: me, into: &out) }
        if live != nil, lastSeen < repairAskAt { return }
        if let node = linked.sorted().first(where: { repair.missed[$0] == nil && mayKnow($0, hole) }) {
            return ask(node, from: hole.entries.lowerBound, into: &out)
        }
        if holders.isActive, !repair.takesLess, repair.missed.values.contains(Self.holdsLess) {
            self.repair!.takesLess = true
            self.repair!.missed = [:]
            return next(into: &out)
        }
        if copyInstead(into: &out) { return }
        tellWaiting(hole, into: &out)
        rest()
    }

    /// Behind a log's end only who knows of this node's view, or a later one, can say what was there.
    private func mayKnow(_ node: NodeID, _ hole: LogHole) -> Bool {
        hole.isInside || (peerViews[node].map { $0.view.number >= memberState.installed.number } ?? false)
    }

    private func ask(_ node: NodeID, from: EntryNumber, into out: inout [Directive]) {
        repair!.step = .asking(node, next: from, at: lastSeen)
        var bytes: [UInt8] = []
        bytes.append(int: GroupID.durable.raw)
        bytes.append(int: from.raw)
        out.append(.peer(node, .fetch, bytes))
    }

    private static let holdsLess = "lets go of what this node holds"
    /// An answer for a repair comes from a node that has let records go which this one is to hold: others are asked first. True: so it is.
    func repairElsewhere(_ theirs: Holdings, at number: EntryNumber, from node: NodeID, into out: inout [Directive]) -> Bool {
        guard let repair, !repair.takesLess, case .asking(node, number, _) = repair.step else { return false }
        let mine = holders.layout == nil ? theirs.missing : theirs.missing.intersection(holders.held)
        guard !mine.subtracting(holders.holdings.missing).isEmpty else { return false }
        missed(node, Self.holdsLess)
        next(into: &out)
        return true
    }

    private func write(_ hole: LogHole, from node: NodeID, into out: inout [Directive]) {
        let bytes = OwnedBytes(repair!.piece)
        repair!.piece = []
        repair!.step = .writing
        out.append(.disk(.repair(hole, from: node, bytes, shown: repair!.shown)))
    }

    /// True: these entries were asked for by a repair.
    func repairAnswer(
        _ entries: ByteView, at number: EntryNumber, from node: NodeID, into out: inout [Directive]
    ) throws(DecodeError) -> Bool {
        guard let repair, let hole = repair.holes.first, case .asking(node, number, _) = repair.step else { return false }
        var at = 0
        var wanted = number
        while at < entries.count, wanted < hole.entries.upperBound {
            let header = try checkEntry(entries.from(at))
            // One that was cleaned may stand for several.
            guard header.number <= wanted, wanted < header.endNumber else { throw .value(what: "entry for a repair", value: header.number.raw) }
            if self.repair!.piece.isEmpty { self.repair!.isPieceCleaned = false }
            if header.isCleaned { self.repair!.isPieceCleaned = true }
            self.repair!.piece.append(view: entries[at..<at + header.length])
            at += header.length
            wanted = header.endNumber
        }
        let isWhole = hole.isCleaned || self.repair!.isPieceCleaned
        if at == 0 {
            // What came before is put in: less is missing then.
            if !repair.piece.isEmpty, !isWhole { write(hole, from: node, into: &out) } else {
                missed(node, Self.hasNone)
                next(into: &out)
            }
        } else if wanted < hole.entries.upperBound, self.repair!.piece.count < (isWhole ? Int.max : LogRepair.pieceBytes) {
            if live == nil { ask(node, from: wanted, into: &out) } else { self.repair!.step = .pausing(node, next: wanted) }
        } else {
            write(hole, from: node, into: &out)
        }
        return true
    }

    /// The disk has tried; `left` is what is damaged still.
    func repaired(_ outcome: RepairOutcome, into out: inout [Directive]) {
        guard repair != nil else { return }
        let hole = outcome.hole
        if let why = outcome.refusal {
            guard !hole.entries.isEmpty else {
                // It waits for what lies before it.
                repair!.holes = outcome.left.filter { $0 != hole } + outcome.left.filter { $0 == hole }
                return rest()
            }
            missed(outcome.source, Self.hasOthers + why)
            if let first = outcome.left.first, first != hole {
                // What is missing is asked for anew, as one.
                repair!.holes = outcome.left
                repair!.missed = [:]
            }
        } else {
            counters.entriesRepaired += outcome.count
            let from = outcome.source == me ? "" : " from \(outcome.source)"
            out.append(.log(hole.entries.isEmpty ? "mended \(hole)" : "repaired \(outcome.count) entries of \(hole.file)\(from)"))
            if repair!.holes.first != outcome.left.first { (repair!.missed, repair!.takesLess) = ([:], false) }
            repair!.holes = outcome.left
            repair!.step = .idle
        }
        if outcome.left.isEmpty { whole(into: &out) } else { next(into: &out) }
    }

    private func rest() { repair!.step = .resting(until: lastSeen + LogRepair.patience) }

    /// Another node can be asked.
    func repairPeerUp(_ node: NodeID, into out: inout [Directive]) {
        guard repair != nil else { return }
        repair!.missed[node] = nil
        if case .resting = repair!.step { repair!.step = .idle }
        stepRepair(into: &out)
    }
    func repairPeerDown(_ node: NodeID, into out: inout [Directive]) {
        guard repair != nil else { return }
        switch repair!.step {
        case .asking(node, _, _), .pausing(node, _): (repair!.step, repair!.piece) = (.idle, [])
        default: break
        }
        repair!.missed[node] = nil
        stepRepair(into: &out)
    }

    private func whole(into out: inout [Directive]) {
        repair = nil
        out.append(.log("the log reads back whole"))
        guard isMending else { return }
        // One that met this damage runs again by itself.
        if case .restart = afterRecovery { return }
        afterRecovery = .restart
        out.append(.disk(.recover(.durable)))
    }

    /// A later view runs without this node: its log is what counts. What lies behind the damage here goes, and is copied.
    private func copyInstead(into out: inout [Directive]) -> Bool {
        guard isMending, let hole = repair?.holes.first(where: { !$0.entries.isEmpty }) else { return false }
        guard let view = peerViews.filter({ $0.value.isLive }).map(\.value.view).max(by: { $0.number < $1.number }), view.number > memberState.installed.number
        else { return false }
        let running = view.number
        // What lies behind the damage may be what this node alone holds: all of that view have to have said that they have no such entries.
        if holders.isActive, hole.isInside {
            let said = view.members.allSatisfy { member in
                member == me || repair?.missed[member].map { $0 == Self.hasNone || $0.hasPrefix(Self.hasOthers) } ?? false
            }
            guard said else { return false }
        }
        // A view that it accepted with its log in place it begins from its own log, which must be whole for that.
        if let accepted = memberState.accepted?.proposal, accepted.view.number >= running, case .ends = accepted.basis, accepted.view.contains(me) {
            return false
        }
        out.append(.log("entries from \(hole.entries.lowerBound.raw) on go, to be copied from \(running): \(reasons)"))
        repair = nil
        afterRecovery = .restart
        out.append(.disk(.truncate(.durable, hole.entries.lowerBound)))
        out.append(.disk(.recover(.durable)))
        return true
    }

    private var reasons: String {
        settings.members.filter { $0.node != me }.map { member in
            let why = repair?.missed[member.node] ?? (linked.contains(member.node) ? "knows only an older view" : "is not linked")
            return "\(member.node) \(why)"
        }.joined(separator: ", ")
    }

    private func tellWaiting(_ hole: LogHole, into out: inout [Directive]) {
        let count = repair!.holes.count
        let text = "waiting for a node that has entries \(hole.entries.lowerBound.raw)..<\(hole.entries.upperBound.raw) of \(hole.file)"
            + (count > 1 ? " (and \(count - 1) more damaged places)" : "") + ": \(reasons)"
        // At first nobody may be linked yet.
        defer { repair!.rounds += 1 }
        guard text != repair!.said, repair!.rounds > 0 else { return }
        repair!.said = text
        out.append(.log(text))
    }

    /// The log reads back: the node counts again, and begins as any that has come back.
    func endMending(into out: inout [Directive]) {
        isMending = false
        beginRestart()
        broadcastSummary(into: &out)
        for node in linked.sorted() { out.append(.peer(node, .compare, [])) }
    }

    // MARK: looking for damage

    /// Closed segments are read through while a view runs, a little at each tick: damage is found while others have what it hit.
    func tickScrub(into out: inout [Directive]) {
        guard settings.scrubBytes > 0, live != nil, !isScrubbing, repair == nil, lastSeen >= scrubAt else { return }
        isScrubbing = true
        out.append(.disk(.scrub(.durable, bytes: settings.scrubBytes)))
    }
    func scrubbed(isDone: Bool) {
        isScrubbing = false
        scrubAt = lastSeen + (isDone ? settings.scrubRest : settings.scrubEvery)
    }
}
