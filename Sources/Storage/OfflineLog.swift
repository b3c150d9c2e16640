package import Wire

/// A log's files, read where they lie: the log is not opened, nothing is written. For a node that is stopped, or a copy of its data.
package struct OfflineLog<D: Disk> {
    /// A segment, by its name.
    package struct Piece {
        package let number: EntryNumber
        package let offset: Offset
        /// Relative to the data directory.
        package let path: String
    }
    /// What a segment holds.
    package struct Contents {
        package let piece: Piece
        let file: D.File
        /// Nil where it does not read back.
        let header: SegmentHeader?
        package let size: Int
        let scan: SegmentScan
        /// In order.
        package let holes: [Damage]
        /// Bytes behind the last entry that are not zero and that nothing shows to have been on the disk.
        package let tail: Range<Int>
        /// The place behind the last entry that reads back.
        var after: LogEnd { scan.runs.last?.after ?? scan.after }
    }

    let disk: D
    let group: GroupID
    let directory: String
    package let pieces: [Piece]
    package let checkpoints: [EntryNumber]
    let checkpointPaths: [String]

    /// Lists the files. Throws `.outside` where there is no log.
    package init(_ disk: D, group: GroupID) throws(StorageError) {
        self.disk = disk
        self.group = group
        directory = Log<D>.directory(of: group)
        guard try disk.exists(directory) else { throw StorageError(.outside("there is no log here: not a node's data directory"), "read", directory) }
        var pieces: [Piece] = []
        var checkpoints: [EntryNumber] = []
        var paths: [String] = []
        for name in try disk.list(directory) {
            let path = directory + "/" + name
            if let (number, offset) = SegmentName.parse(name, SegmentName.log) { pieces.append(Piece(number: number, offset: offset, path: path)) }
            if let (number, _) = SegmentName.parse(name, SegmentName.checkpoint) {
                checkpoints.append(number)
                paths.append(path)
            }
        }
        (self.pieces, self.checkpoints, checkpointPaths) = (pieces, checkpoints, paths)
        guard !pieces.isEmpty else { throw StorageError(.outside("the log has no segments"), "read", directory) }
    }

    /// Reads segment `i` whole. `floor`: entries that are known to have been on the disk, of the last one; of the others, the next one's name
    /// says it.
    package func read(_ i: Int, floor: EntryNumber = .zero) throws(StorageError) -> Contents {
        let piece = pieces[i]
        let file = try disk.open(piece.path, create: false)
        let size = try disk.size(file)
        var bytes: [UInt8] = []
        _ = try disk.read(file, at: 0, count: SegmentHeader.size, into: &bytes)
        let header = bytes.withView { SegmentHeader($0) }
        var start = LogEnd(number: piece.number, offset: piece.offset, key: .zero)
        if let header, header.start.number == piece.number, header.start.offset == piece.offset { start = header.start }
        let scan = try SegmentScan.read(disk, file, start: start, group: group, size: size, spacing: .max)
        let isLast = i == pieces.count - 1
        let least = isLast ? max(floor, scan.synced) : pieces[i + 1].number
        let holes = scan.damage(segment: piece.path, floor: least)
        let tail = holes.isEmpty ? scan.position..<max(scan.end, scan.position) : scan.position..<scan.position
        return Contents(piece: piece, file: file, header: header, size: size, scan: scan, holes: holes, tail: tail)
    }
    package func close(_ contents: Contents) { disk.close(contents.file) }

    /// Calls `body` with each entry of the segment that reads back, in order, and where it lies.
    package func visit(
        _ contents: Contents, _ body: (EntryHeader, ByteView, _ position: Int) throws(StorageError) -> Void
    ) throws(StorageError) {
        var parts = [SegmentHeader.size..<contents.scan.position]
        // Of what lies behind a torn place nothing counts.
        if !contents.holes.isEmpty { parts += contents.scan.runs.map { $0.position..<$0.end } }
        for part in parts {
            var walker = SegmentWalker(disk, contents.file, from: part.lowerBound, end: part.upperBound)
            while case .entry(let header) = try walker.next(verify: true) {
                let position = walker.current.lowerBound
                try walker.withCurrent { view throws(StorageError) in try body(header, view, position) }
            }
        }
    }

    /// A checkpoint's bytes. Throws `.damage`.
    package func checkpoint(_ i: Int) throws(StorageError) -> [UInt8] {
        let states = StateFile(disk)
        guard let bytes = try states.load(checkpointPaths[i]) else { throw StorageError(.outside("it has gone while the folder was read"), "read", checkpointPaths[i]) }
        return bytes
    }
    package func checkpointPath(_ i: Int) -> String { checkpointPaths[i] }

    /// What the log was last known to hold on the disk, as its clean end says.
    func mark() throws(StorageError) -> LogMark? {
        guard let bytes = try StateFile(disk, directory: directory).load(LogMark.name) else { return nil }
        return LogMark(bytes)
    }
}
