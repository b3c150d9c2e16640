package import Store
package import Wire

/// A client's link, as the caller numbers it.
package struct SessionID: Hashable, Sendable, CustomStringConvertible {
    package let raw: UInt32
    package init(_ raw: UInt32) { self.raw = raw }
    package var description: String { "session \(raw)" }
}

/// What a node wants done; the caller carries it out in order.
package enum Directive: Sendable {
    /// A message to another node.
    case peer(NodeID, MessageKind, [UInt8])
    /// A message to a client: `head`, then `body` as it lies in a ring (copied before the node goes on), or in `owner`'s memory, where it stays as it is.
    case session(SessionID, MessageKind, head: [UInt8], body: ByteView, owner: OwnedBytes?)
    /// Bytes `from ..< to` (absolute positions) of this node's data ring, to that node's mirror of it.
    case data(NodeID, from: UInt64, to: UInt64)
    /// A part of a large frame's batches to that node, out of the memory that holds them all; behind those before it, when there is room.
    case relay(NodeID, RelayBlock, OwnedBytes)
    /// The node's row has changed: `encodeRow`, to every other member.
    case row
    /// Other nodes' rows are to be given again: a new view begins.
    case rereadRows
    case disk(DiskJob)
    /// So many bytes wait for room in a client's ring: the next turn must come when there is.
    case wantsRoom(SessionID, Int)
    case closeSession(SessionID, String)
    /// One readable line for the operator.
    case log(String)
    /// This life of the node is over: let go of everything and start again from disk.
    case restart(String)
    /// The node has left on an operator's word: let go of everything and do not start again.
    case left(String)
}

/// Work for the disk thread, done in order.
package enum DiskJob: Sendable {
    /// Append entries that the node has numbered; answered by `synced`, once for many.
    case append(GroupID, [PendingEntry])
    /// Append entries copied from another node, as they lie in its log.
    /// `shown`: where its source's log ended for others. What had been cleaned there may have been so for anything before that.
    case appendCopy(GroupID, OwnedBytes, shown: Offset)
    case truncate(GroupID, EntryNumber)
    /// Begin the log of a group that no disk keeps anew: the next entry is the one behind this end.
    case begin(GroupID, LogEnd)
    /// Close the segment; the next begins with this state.
    case roll(GroupID, RollState)
    /// Sync all that was appended, then replace the member state; answered by `saved`.
    case save([UInt8], SaveToken)
    /// Sync, then rebuild the group's state from checkpoint and log; answered by `recovered`.
    case recover(GroupID)
    /// Entries from `from`, below `limit`; answered by `read`.
    /// `topics`: segments that have none of them may be passed over, which the answer's `first` then tells; empty: all are wanted.
    case read(ReadToken, GroupID, from: EntryNumber, below: EntryNumber, maximumBytes: Int, topics: [TopicID] = [])
    case locate(ReadToken, GroupID, LogPlace)
    /// Chains at exponentially spaced entries back from the end, or evenly spaced within a gap; answered by `samples`.
    case samples(GroupID, gap: ChainGap?)
    /// The latest of the samples that this log shares; answered by `matched`.
    case compare(NodeID, GroupID, [ChainSample])
    /// Put back what is damaged: entries of `hole` from its first on, as they lie in the log of `from`; answered by `repaired`.
    /// `shown`: where that log ended for others.
    case repair(LogHole, from: NodeID, OwnedBytes, shown: Offset)
    /// Read on through the closed segments; answered by `scrubbed`.
    case scrub(GroupID, bytes: Int)
    /// Take away what is no longer kept, and what `drop` allows, about so many bytes' work; entries from `below` on may still be taken back.
    /// Answered by `cleaned`.
    case clean(GroupID, below: EntryNumber, bytes: Int, drop: Droppable)
    /// Records of these buckets may be missing in what comes next, or are here by now: on disk before anything that follows.
    case withhold([Holdings.Line])
    case held([Holdings.Line])
    /// What lies below is not given up for another node's log in any later life, whatever others have made of theirs. Answered by `agreed`.
    case agree(AgreedPlace)
    /// The first closed segment below an entry that has records from an offset on; answered by `stretch`.
    case stretch(from: Offset, below: EntryNumber)
    /// New contents of a closed segment, piece by piece; the last puts them in its place. Answered by `filled`.
    case fill(LogStretch, OwnedBytes, isLast: Bool)
    /// Values of topics; answered by `values`.
    case values(ValueQuery)
    /// Where the last records of some topics begin; answered by `tail`.
    case tail(TailQuery)
    /// Where the first entry of the durable log stamped after a time begins, or the hole that holds it; answered by `cut`.
    case cut(UInt32, after: Timestamp, below: LogEnd)
}

/// Entries of one closed segment of the durable log.
package struct LogStretch: Equatable, Sendable {
    package let first: EntryNumber
    package let end: EntryNumber
    package let offset: Offset
    package let endOffset: Offset
    package init(first: EntryNumber, end: EntryNumber, offset: Offset, endOffset: Offset) {
        (self.first, self.end, self.offset, self.endOffset) = (first, end, offset, endOffset)
    }
}

/// What is known of the group where a segment begins.
package enum RollState: Sendable {
    /// A checkpoint.
    case saved([UInt8])
    /// Of each topic its last version, for as long as there is memory for it; `isSure`: none of them older than it was.
    case told(HeadTable, isSure: Bool)
}

/// What others hold for this node, so that it may go here: records of a bucket below its line's end, by what was said in a view.
package struct Droppable: Equatable, Sendable {
    package let view: ViewNumber
    package let lines: [Holdings.Line]
    package init(view: ViewNumber, lines: [Holdings.Line]) { (self.view, self.lines) = (view, lines) }
}

package struct PendingEntry: Sendable {
    package let header: EntryHeader
    package let body: ByteView
    /// Holds `body`'s memory where it is not a ring's.
    package let owner: OwnedBytes?
    package init(header: EntryHeader, body: ByteView, owner: OwnedBytes?) { (self.header, self.body, self.owner) = (header, body, owner) }
}

package enum LogPlace: Equatable, Sendable {
    case offset(Offset)
    case time(Timestamp)
}

/// The chain after `number` entries.
package struct ChainSample: Equatable, Sendable {
    package let number: EntryNumber
    package let chain: UInt64
    package init(number: EntryNumber, chain: UInt64) {
        self.number = number
        self.chain = chain
    }
}

/// What a save was for.
package enum SaveToken: Equatable, Sendable {
    case accepted(MemberRow.Acceptance)
    case promised(Ballot)
    case restartAccepted(MemberRow.Acceptance)
    case installed(Proposal, live: Bool)
    case start
}

/// Who asked for a read.
package enum ReadToken: Hashable, Sendable {
    case session(SessionID, generation: UInt32)
    case peer(NodeID, from: EntryNumber)
    /// Records that another node asked for.
    case excerpt(NodeID, id: UInt32)
    /// A segment of this node's log is filled.
    case fill
}

/// What the disk thread answers.
package enum DiskResult: Sendable {
    /// Everything below `end` is on disk.
    case synced(GroupID, end: EntryNumber)
    case saved(SaveToken)
    case recovered(GroupState)
    /// Whole entries; `first` is the first one's number (above what was asked where older ones are no longer kept), `next` where to go on.
    case read(ReadToken, GroupID, first: EntryNumber, next: EntryNumber, OwnedBytes)
    case located(ReadToken, GroupID, EntryNumber)
    case samples(GroupID, [ChainSample])
    case matched(NodeID, GroupID, EntryNumber)
    /// All that is known to be damaged; more was found.
    case damaged([LogHole])
    case repaired(RepairOutcome)
    case scrubbed(isDone: Bool)
    /// `isDone`: there is nothing more to be done for now. Of `withheld` records may be missing once the next slice has begun.
    case cleaned(CleanReport, isDone: Bool, withheld: [Holdings.Line])
    /// Nil: the disk has no room for it.
    case agreed(AgreedPlace?)
    /// Of the question from an offset on; nil: there is none.
    case stretch(from: Offset, LogStretch?)
    /// Of the segment from `first` on; `isDone`: all of it is as given; else nothing has changed.
    case filled(first: EntryNumber, isDone: Bool)
    case values(ValuePage)
    /// How far the search has come.
    case tail(TailQuery)
    /// `isExact`: no hole holds it.
    case cut(UInt32, Offset, isExact: Bool)
    /// Damage where entries are appended: nothing more is done in this life.
    case spoilt(String)
    /// The disk failed; the node cannot keep its promises and stops.
    case failed(String)
}
