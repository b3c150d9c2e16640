internal import Wire

/// Files whose contents were replaced by a draft, for the segments to come. To give an old file's space back and to ask for a new file's
/// changes the file system's books twice: under full load with little kept, on a disk that is told what it may discard, that halved what
/// publishers got.
///
///     1  one more name for the segment's file: `<segment>.spare`
///     2  the draft takes the segment's name; sync of the directory: from here on the spare name is the file's only one
///     3  when the log rolls: its bytes are turned to zeros, the header is written, sync, rename, sync of the directory
///
/// After a crash a spare file may still be its segment: the ones that are there when a log is opened go.
struct SpareFiles {
    static let suffix = ".spare"
    private(set) var paths: [(path: String, bytes: Int)] = []
    /// This file system makes no zeros of what there is.
    var areOfNoUse = false

    var bytes: Int { paths.reduce(0) { $0 + $1.bytes } }
    mutating func add(_ path: String, _ bytes: Int) { paths.append((path, bytes)) }
    mutating func take() -> String? { paths.popLast()?.path }
}

extension Log {
    /// Bytes of files that wait to be used again.
    package var spareBytes: Int { spares.bytes }
    private var mostSpare: Int { max(2 * options.reservedBytes, bytes / 8) }

    /// Gives a closed segment's file the name of a spare one; nil where the file is not to be kept. Others, of `room` bytes, are about to be.
    func linkSpare(_ i: Int, beside room: Int) throws(StorageError) -> (path: String, bytes: Int)? {
        let segment = segments[i]
        let isFull = segment.bytes >= options.segmentBytes && segment.bytes <= options.mostBytes
        let isDamaged = damage.contains { $0.segment == path(segment.name) }
        guard !disk.isVolatile, !spares.areOfNoUse, isFull, !isDamaged, spares.bytes + room + segment.bytes <= mostSpare else { return nil }
        let spare = path(SegmentName.text(segment.start.number, segment.start.offset) + SpareFiles.suffix)
        // It was rewritten before, and its last file waits still.
        guard !spares.paths.contains(where: { $0.path == spare }) else { return nil }
        try removeSpare(spare)
        return try disk.link(path(segment.name), as: spare) ? (spare, segment.bytes) : nil
    }

    /// The next segment's file, made of a spare one; nil: there is none that can be had.
    func createFromSpare(_ header: SegmentHeader) throws(StorageError) -> D.File? {
        guard let spare = spares.take(), try disk.exists(spare) else { return nil }
        let file = try disk.open(spare, create: false)
        do throws(StorageError) {
            if try disk.blank(file) {
                try Self.begin(disk, directory, header, file, spare)
                return file
            }
            spares.areOfNoUse = true
        } catch {
            guard error.isFull, !error.isFailedSync else {
                disk.close(file)
                throw error
            }
        }
        disk.close(file)
        try removeSpare(spare)
        return nil
    }

    /// Does what may find the disk full; then spare files give their space back, where there are any, and it is done once more.
    package func withRoom<R>(_ body: () throws(StorageError) -> R) throws(StorageError) -> R {
        let hasSpares = !spares.paths.isEmpty
        do throws(StorageError) { return try body() } catch {
            guard error.isFull, !error.isFailedSync, poison == nil, hasSpares else { throw error }
        }
        try dropSpares()
        return try body()
    }

    /// Gives the space of spare files back.
    package func dropSpares() throws(StorageError) {
        while let spare = spares.take() { try removeSpare(spare) }
    }
    /// The log has become smaller: no more are kept than it may have.
    package func trimSpares() throws(StorageError) {
        while spares.bytes > mostSpare, let spare = spares.take() { try removeSpare(spare) }
    }
    /// Whoever needs its space may have removed it already.
    func removeSpare(_ spare: String) throws(StorageError) { if try disk.exists(spare) { try disk.remove(spare) } }
}
