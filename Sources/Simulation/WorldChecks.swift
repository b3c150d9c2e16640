internal import Broker
internal import Storage
internal import Wire

/// What is looked at after each turn of a node, and of what it sends.
extension World {
    func check(_ host: Host) {
        guard checker.violation == nil, let node = host.node?.inspect(.durable) else { return }
        checks += 1
        if checks.isMultiple(of: 32) {
            host.node?.checkWatches()
            if let excess = host.node?.excess(ringBytes: temper.ringBytes) { checker.fail("\(host.id): \(excess)") }
        }
        countMoves(host, node.view.number.raw)
        if temper.cleans, let end = node.delivered { clean.delivered(host.index, below: end.number.raw) }
        let view = node.view
        host.view = max(host.view, view.number)
        checkBeginning(host, view)
        if let origin = node.origin {
            if origin == node.end, checker.began(view, number: origin.number.raw, chain: mark(origin), at: host.id) { changing(host, hasBegun: true) }
        } else if let end = node.delivered, end.number.raw > 0 {
            deliveredPeak = max(deliveredPeak, end.offset.raw)
            let hosts = hosts
            let isFirst = checker.delivered(end.number.raw, chain: mark(end), view: view, at: host.id) { id in
                hosts.first { $0.id == id }?.peak(in: view.number) ?? 0
            }
            // What few have on their disks by now.
            if isFirst, canLoseDisk(of: host), losses.chance(30) { queue.add(.loss(host: host.index), at: now + 1) }
            guard !temper.consumers.isEmpty, end.number.raw != host.shown else { return }
            host.shown = end.number.raw
            for group in ConsumerPlan.all.indices {
                guard let shown = host.node!.consumers(in: ConsumerPlan.all[group].name) else { continue }
                let wrong = groups.shows(group, entry: host.shown, places: shown.places, digest: shown.digest, at: "\(host.id)")
                if let wrong { checker.fail(wrong) }
            }
        }
    }

    /// The chain covers who sent what when, not how much of it was taken in.
    private func mark(_ end: LogEnd) -> UInt64 { end.chain ^ end.offset.raw &* 0x9E37_79B9_7F4A_7C15 }

    private func countMoves(_ host: Host, _ view: UInt64) {
        let moves = host.node?.topicMoves ?? 0
        counts.moves += max(0, moves - host.moves)
        host.moves = moves
        guard temper.isParted, host.held?.view != view, let held = host.node?.heldBuckets else { return }
        if let before = host.held { counts.handovers += held.subtracting(before.buckets).count }
        host.held = (view, held)
    }

    /// What a node sends of its ring begins with a frame or a pad, and of a pad is no more than the header, where the rest is worth a gap.
    func checkStretch(_ host: Host, _ from: UInt64, _ to: UInt64) {
        let reader = RingReader(host.ring.view)
        var at = from
        while at < to {
            guard let item = try? reader.item(at: at, before: at + UInt64(temper.ringBytes)) else {
                return checker.fail("\(host.id) sends of its ring from \(at), where no frame begins")
            }
            switch item {
            case .frame(_, _, let end): at = end
            case .pad(let end):
                let gap = UInt64(min(Node.leastGap, temper.ringBytes / 64) + FrameHeader.padSize)
                if min(end, to) - at >= gap { checker.fail("\(host.id) sends a pad of its ring, from \(at) to \(min(end, to))") }
                at = end
            }
        }
    }

    /// A promise is told once it is on the disk.
    func checkPromise(_ host: Host, _ bytes: [UInt8]) {
        do throws(DecodeError) {
            let step = try bytes.withView { view throws(DecodeError) in try RestartStep(view) }
            if step.ballot > host.promised { checker.fail("\(host.id) promises \(step.ballot), and its disk has only \(host.promised)") }
        } catch { checker.fail("\(host.id) sends a promise that does not read: \(error)") }
    }
}
