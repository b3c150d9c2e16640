package import Wire

/// A stretch of this node's durable log that does not read back.
package struct LogHole: Equatable, Sendable, CustomStringConvertible {
    /// The segment's file, relative to the data directory.
    package let file: String
    package let bytes: Range<Int>
    /// Entries that lie there; none where only a header or a length is wrong, which the log mends by itself.
    package let entries: Range<EntryNumber>
    package let what: String
    /// What lies behind it tells what was in it; otherwise only a node that knows as new a view can be believed.
    package let isInside: Bool
    /// The segment was cleaned: all that is missing is put back at once.
    package let isCleaned: Bool

    package init(
        file: String, bytes: Range<Int>, entries: Range<EntryNumber>, what: String, isInside: Bool, isCleaned: Bool = false
    ) {
        self.isCleaned = isCleaned
        self.file = file
        self.bytes = bytes
        self.entries = entries
        self.what = what
        self.isInside = isInside
    }
    package var count: UInt64 { entries.upperBound.raw - entries.lowerBound.raw }
    package var description: String {
        "\(file): bytes \(bytes.lowerBound)..<\(bytes.upperBound), entries \(entries.lowerBound.raw)..<\(entries.upperBound.raw): \(what)"
    }
}

/// What of the durable log does not read back here, and how it is put back: from whoever has it, entry by entry.
///
///      asking a node ─ its entries, at the rate of copies ─▶ … ─ the hole's last, or a piece full ─▶ writing ─▶ the next hole … ─▶ whole
///        ▲── no answer, or not the entries: the next node; nobody left: a pause, and all again ──┘
package struct LogRepair: Sendable {
    enum Step: Sendable {
        case idle
        case asking(NodeID, next: EntryNumber, at: UInt64)
        /// More of the hole is to be asked for when the last answer's bytes have had their time: `Node.repairAskAt`.
        case pausing(NodeID, next: EntryNumber)
        case writing
        case resting(until: UInt64)
    }
    /// In order; the first is the one to be filled. Never empty.
    var holes: [LogHole]
    var step = Step.idle
    var piece: [UInt8] = []
    /// Some of the piece was cleaned where it comes from.
    var isPieceCleaned = false
    /// Where the logs of those that were asked ended for others, at most.
    var shown = Offset(0)
    /// Nodes that hold less than this one are asked as well: nobody else has helped.
    var takesLess = false
    /// Who was asked for the first hole, and why it did not help.
    var missed: [NodeID: String] = [:]
    /// How often all have been asked in vain, and what the operator was told last.
    var rounds = 0
    var said = ""

    /// Bytes that are gathered before they are written.
    static let pieceBytes = 8 << 20
    /// How long a node may take to answer, and the pause before all are asked again, nanoseconds.
    static let patience: UInt64 = 1_000_000_000

    init(holes: [LogHole]) { self.holes = holes }
}

/// What came of a repair.
package struct RepairOutcome: Equatable, Sendable {
    package let hole: LogHole
    /// Where the entries came from.
    package let source: NodeID
    /// How many entries of the hole read back again.
    package var count: UInt64 = 0
    /// Why nothing was written.
    package var refusal: String?
    /// What is damaged still, in order.
    package var left: [LogHole] = []

    package init(hole: LogHole, source: NodeID) {
        self.hole = hole
        self.source = source
    }
}
