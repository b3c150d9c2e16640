internal import Membership
internal import Replication
package import Wire

/// Large frames: the header goes to every member, the body along a chain of them in blocks, so that the sender's links carry it about once
/// (Behrens et al., RDMC, DSN 2018: the chain).
///
///      sender ──header──▶ all;  sender ──block──▶ next ──block──▶ next …  each passes a block on when it has come
///
/// A frame is held when header and body are here. Until then the sender's ring is not read beyond it, its promise counts to just below its
/// stamp, and none of it is let go: so the sender overwrites no byte that somebody has still to pass on, for whoever comes behind has not
/// let go of what it has not got. A member that fails on the way is suspected; what not all have got falls to the cut, and its sender
/// sends it again in the next view.
extension Node {
    /// Batches of this many bytes go by relay; .max where there would be nobody to pass them on.
    var relaysFrom: Int {
        let receivers = (ring.openRanks ?? .everyone).intersection(.all(live!.view.members.count)).subtracting(RankSet([live!.me]))
        return receivers.count >= 2 ? settings.relayFrom : .max
    }

    /// Sends the bodies of own frames, sealed in this turn, on their way: their headers are posted.
    mutating func postRelays(into out: inout [Directive]) {
        guard !live!.relays.isEmpty else { return }
        let count = live!.view.members.count
        for relay in live!.relays {
            guard let next = RelayBlock.successor(of: live!.me, in: relay.ranks, sender: live!.me, members: count) else { continue }
            // A body that others are still on their way ahead of need not be there soon.
            let isAlone = relay.from <= ringFreed + UInt64(settings.relayBlock)
            let block = UInt64(settings.relayBlock * (isAlone ? 1 : Limits.relayLoad))
            var from = relay.from
            while from < relay.to {
                let to = min(from + block, relay.to)
                out.append(.relay(live!.view.members[next], RelayBlock(view: live!.view.number, sender: me, ranks: relay.ranks, from: from, to: to)))
                from = to
            }
            counters.bytesPosted += relay.to - relay.from
        }
        live!.relays = []
    }

    /// A block that another node has passed on, or says to have written. `mirror`: where the ring of a node is mirrored here; nil where it
    /// is not linked. Malformed: the caller closes the link.
    package mutating func peerRelay(
        _ node: NodeID, _ message: ByteView, mirror: (NodeID) -> ByteStore?, now: Instant, into out: inout [Directive]
    ) throws(DecodeError) {
        let (block, bytes) = try RelayBlock.read(message)
        guard !isOver, live != nil, block.view == live!.view.number || planted(.relayOfOldView) else { return }
        // R6: a wedged member takes nothing in.
        guard !live!.isFrozen && !live!.membership.isWedged || planted(.noFreeze) else { return }
        guard let rank = live!.view.rank(of: block.sender), rank != live!.me, bytes != nil || node == block.sender else {
            throw .value(what: "sender of a relayed block", value: UInt64(block.sender.raw))
        }
        guard let memory = mirror(block.sender) else { return }
        let size = UInt64(memory.count)
        guard block.from >= live!.ledgers[rank].read, block.to - live!.ledgers[rank].consumed <= size, block.from % size + UInt64(block.count) <= size,
            live!.bodies[rank].add(block.from..<block.to)
        else { throw .value(what: "place of a relayed block", value: block.from) }
        // What the sender wrote here in an older view may be under way still. Its row of this view comes behind that; a body comes by another way.
        guard live!.present.contains(rank) || planted(.relayBeforeRow) else {
            live!.earlyBlocks.append((block, rank, bytes?.array))
            return
        }
        if let bytes { memory.write(bytes, at: Int(block.from % size)) }
        passOn(block, rank, into: &out)
        do throws(DecodeError) { try takeFrames(rank, memory.view, now: now, into: &out) } catch {
            suspect(rank, "protocol violation: \(error)", into: &out)
            return
        }
        takeClocks(rank, now: now, into: &out)
    }

    private mutating func passOn(_ block: RelayBlock, _ rank: Int, into out: inout [Directive]) {
        let count = live!.view.members.count
        guard let next = RelayBlock.successor(of: live!.me, in: block.ranks, sender: rank, members: count), !planted(.relayLost) else { return }
        // Its bytes stay where they are until the next one has let go of them: it may wait for it.
        guard live!.present.contains(next) || planted(.relayUnlinked) else { return live!.heldBlocks.append((block, next)) }
        pass(block, to: next, into: &out)
    }
    private mutating func pass(_ block: RelayBlock, to next: Int, into out: inout [Directive]) {
        out.append(.relay(live!.view.members[next], block))
        counters.bytesPosted += UInt64(block.count)
        counters.bytesRelayed += UInt64(block.count)
    }

    /// The member's row has been seen for the first time in this view, and so have its writes of older ones: what has come of its bodies goes to its place.
    mutating func takeEarly(of rank: Int, _ mirror: ByteStore, into out: inout [Directive]) {
        for early in live!.earlyBlocks where early.rank == rank {
            early.bytes?.withView { mirror.write($0, at: Int(early.block.from % UInt64(mirror.count))) }
            passOn(early.block, rank, into: &out)
        }
        live!.earlyBlocks.removeAll { $0.rank == rank }
    }

    /// The member's row has been seen for the first time in this view: what waited for that goes to it.
    mutating func passHeld(to rank: Int, into out: inout [Directive]) {
        for held in live!.heldBlocks where held.next == rank { pass(held.block, to: rank, into: &out) }
        live!.heldBlocks.removeAll { $0.next == rank }
    }

    /// Whether a body is here; then its stretch is forgotten.
    mutating func isWhole(_ rank: Int, from: UInt64, to: UInt64) -> Bool {
        guard live!.bodies[rank].holds(from..<to) || planted(.heldBeforeWhole) else { return false }
        live!.bodies[rank].passed(to)
        return true
    }
}
