internal import Membership
internal import Replication
package import Wire

/// Large frames: the header goes to every member, the body along a chain of them in blocks, so that the sender's links carry it about once
/// (Behrens et al., RDMC, DSN 2018: the chain). At each member it lies in memory of its own, from which it is passed on, written and delivered.
///
///      sender ──header──▶ all;  sender ──block──▶ next ──block──▶ next …  each passes a block on when it has come
///
/// A frame is held when header and body are here. Until then the sender's ring is not read beyond it, its promise counts to just below its
/// stamp, and none of it is let go: so what is on its way never exceeds a ring, at any member. A member that fails on the way is suspected;
/// what not all have got falls to the cut, and its sender sends it again in the next view.
extension Node {
    /// Batches of this many bytes for these ranks go by relay; .max where there would be nobody to pass them on.
    func relaysFrom(_ ranks: RankSet) -> Int {
        var receivers = ranks.intersection(.all(live!.view.members.count))
        receivers.remove(live!.me)
        return receivers.count >= 2 ? settings.relayFrom : .max
    }

    /// Sends the bodies of own frames, sealed in this turn, on their way: their headers are posted.
    func postRelays(into out: inout [Directive]) {
        guard !live!.relays.isEmpty else { return }
        let count = live!.view.members.count
        for (body, ranks, owner) in live!.relays {
            guard let next = RelayBlock.successor(of: live!.me, in: ranks, sender: live!.me, members: count) else { continue }
            // One that others are still on their way ahead of need not be there soon, and goes whole: fewer messages cost less, and the chain
            // is filled by several bodies.
            let isAlone = body.lowerBound <= ringFreed + UInt64(settings.relayBlock)
            let block = isAlone ? settings.relayBlock : body.count
            for at in stride(from: 0, to: body.count, by: block) {
                let part = at..<min(at + block, body.count)
                out.append(
                    .relay(live!.view.members[next], RelayBlock(view: live!.view.number, sender: me, ranks: ranks, body: body, part: part), owner))
            }
            counters.bytesPosted += UInt64(body.count)
        }
        live!.relays = []
    }

    /// A block that another node has passed on. `mirror`: where the ring of a node is mirrored here; nil where it is not linked. Malformed: the
    /// caller closes the link.
    package func peerRelay(
        _ message: ByteView, mirror: (NodeID) -> ByteView?, now: Instant, into out: inout [Directive]
    ) throws(DecodeError) {
        let (block, bytes) = try RelayBlock.read(message)
        guard !isOver, live != nil, block.view == live!.view.number || planted(.relayOfOldView) else { return }
        // R6: a wedged member takes nothing in.
        guard !live!.isFrozen && !live!.membership.isWedged || planted(.noFreeze) else { return }
        guard let rank = live!.view.rank(of: block.sender), rank != live!.me else {
            throw .value(what: "sender of a relayed block", value: UInt64(block.sender.raw))
        }
        guard let ring = mirror(block.sender) else { return }
        let size = UInt64(ring.count)
        let next = RelayBlock.successor(of: live!.me, in: block.ranks, sender: rank, members: live!.view.members.count)
        // Memory is taken for what fits into the sender's ring, and no more.
        guard block.body.lowerBound >= live!.ledgers[rank].read, block.body.upperBound - live!.ledgers[rank].consumed <= size,
            block.body.lowerBound % size + UInt64(block.body.count) <= size,
            let owner = live!.bodies[rank].add(bytes, block.part, of: block.body, isOnlyKept: next == nil && !watches.hasAny)
        else { throw .value(what: "place of a relayed block", value: block.body.lowerBound) }
        if let next { passOn(block, owner, to: next, into: &out) }
        guard live!.present.contains(rank) else { return }
        do throws(DecodeError) { try takeFrames(rank, ring, now: now, into: &out) } catch {
            suspect(rank, "protocol violation: \(error)", into: &out)
            return
        }
        takeClocks(rank, now: now, into: &out)
    }

    private func passOn(_ block: RelayBlock, _ owner: OwnedBytes, to next: Int, into out: inout [Directive]) {
        guard !planted(.relayLost) else { return }
        guard live!.present.contains(next) || planted(.relayUnlinked) else { return live!.heldBlocks.append((block, owner, next)) }
        pass(block, owner, to: next, into: &out)
    }
    private func pass(_ block: RelayBlock, _ owner: OwnedBytes, to next: Int, into out: inout [Directive]) {
        out.append(.relay(live!.view.members[next], block, owner))
        counters.bytesPosted += UInt64(block.part.count)
        counters.bytesRelayed += UInt64(block.part.count)
    }

    /// The member's row has been seen for the first time in this view: what waited for that goes to it.
    func passHeld(to rank: Int, into out: inout [Directive]) {
        for held in live!.heldBlocks where held.next == rank { pass(held.block, held.owner, to: rank, into: &out) }
        live!.heldBlocks.removeAll { $0.next == rank }
    }
}
