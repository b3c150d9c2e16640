internal import Glibc
package import Wire

/// Files in memory, with a disk's faults, for tests and for the simulator.
///
/// Every change that has not been synced is remembered, so that `crash` can take any part of it back.
/// It draws from nothing but the generator it is handed: the same calls give the same files.
package final class MemoryDisk: Disk {
    package static let sector = 512
    /// Bytes that a power cut keeps or loses as a whole: a sector's, or fewer, where one may be torn itself.
    package var tear = MemoryDisk.sector

    package struct File {
        fileprivate let node: Node
        fileprivate let path: String
    }
    /// A file's bytes and its unsynced changes.
    final class Node {
        let id: Int
        let isDirectory: Bool
        var bytes: [UInt8] = []
        var changes: [Change] = []
        init(id: Int, isDirectory: Bool) {
            self.id = id
            self.isDirectory = isDirectory
        }
    }
    /// One write or change of size, of bytes `start` ..< `end`: `old` stood there before (as far as the file reached), `new`
    /// was written (nothing by a change of size).
    struct Change {
        let start: Int
        let end: Int
        let old: [UInt8]
        let new: [UInt8]
        var sizeBefore: Int
        var sizeAfter: Int
        /// A failed sync gave it up: only writing the same sectors again brings it to the disk.
        var isGivenUp = false
    }
    /// One create, link, rename or remove: names and what they stood for before and after.
    struct NameChange {
        let directory: String
        let names: [(path: String, before: Node?, after: Node?)]
    }

    package var isVolatile: Bool { false }
    var names: [String: Node] = [:]
    var nameChanges: [NameChange] = []
    private var nextID = 0

    /// Calls so far that change or sync something.
    package private(set) var operations = 0
    /// Bytes that all files together may have; a write beyond it fails part-way with ENOSPC.
    package var capacity: Int?
    /// So many more operations happen, the next is cut off, and nothing works until `crash`: a power cut.
    package var operationsUntilPowerCut: Int?
    /// So many more syncs work; the next fails once with EIO and forgets what it should have written.
    package var syncsUntilError: Int?
    /// The next write lands this many bytes further on (or back).
    package var misdirectNextWrite: Int?
    /// Bytes that need not be held in memory any longer, by their user's word.
    package private(set) var released = 0

    package init() {}

    package func list(_ directory: String) throws(StorageError) -> [String] {
        try powered("list", directory)
        let prefix = directory.isEmpty ? "" : directory + "/"
        let inside = names.keys.filter { $0.hasPrefix(prefix) && !$0.dropFirst(prefix.count).contains("/") }
        return inside.map { String($0.dropFirst(prefix.count)) }.sorted()
    }

    package func createDirectory(_ path: String) throws(StorageError) {
        guard names[path] == nil else { return }
        try step("mkdir", path) { self.rename([(path, nil, self.node(isDirectory: true))]) }
    }

    package func open(_ path: String, create: Bool) throws(StorageError) -> File {
        try powered("open", path)
        if create {
            guard names[path] == nil else { throw StorageError(.system(EEXIST), "open", path) }
            guard parent(path).isEmpty || names[parent(path)] != nil else { throw StorageError(.system(ENOENT), "open", path) }
            let node = node(isDirectory: false)
            try step("open", path) { self.rename([(path, nil, node)]) }
        }
        guard let node = names[path], !node.isDirectory else { throw StorageError(.system(ENOENT), "open", path) }
        return File(node: node, path: path)
    }

    package func exists(_ path: String) throws(StorageError) -> Bool {
        try powered("access", path)
        return names[path] != nil
    }

    package func size(_ file: File) throws(StorageError) -> Int {
        try powered("fstat", file.path)
        return file.node.bytes.count
    }

    package func allocate(_ file: File, bytes: Int) throws(StorageError) -> Bool {
        let size = file.node.bytes.count
        guard bytes > size else { return true }
        guard room >= bytes - size else { return false }
        try step("fallocate", file.path) { self.resize(file.node, to: bytes) }
        return true
    }

    package func write(_ file: File, at position: Int, parts: [ByteView]) throws(StorageError) {
        var position = position
        if let by = misdirectNextWrite {
            misdirectNextWrite = nil
            position = max(0, position + by)
        }
        let total = parts.reduce(0) { $0 + $1.count }
        let growth = max(0, position + total - file.node.bytes.count)
        let fits = growth <= room
        let length = fits ? total : max(0, total - (growth - room))
        try step("pwritev", file.path) { self.overwrite(file.node, at: position, parts: parts, length: length) }
        guard fits else { throw StorageError(.system(ENOSPC), "pwritev", file.path) }
    }

    package func read(_ file: File, at position: Int, count: Int, into bytes: inout [UInt8]) throws(StorageError) -> Int {
        try powered("pread", file.path)
        let end = min(position + count, file.node.bytes.count)
        guard position < end else { return 0 }
        bytes.append(contentsOf: file.node.bytes[position..<end])
        return end - position
    }

    package func startWriting(_ file: File, at position: Int, count: Int) {}
    package func release(_ file: File, at position: Int, count: Int) { released += count }

    package func sync(_ file: File) throws(StorageError) {
        try failingSync("fdatasync", file)
        // A sync that the power cut interrupts has synced nothing: `step` would let it happen.
        try cutOff("fdatasync", file.path)
        operations += 1
        settle(file.node)
    }

    package func syncDirectory(_ path: String) throws(StorageError) {
        try powered("fsync", path)
        try cutOff("fsync", path)
        operations += 1
        nameChanges.removeAll { $0.directory == path }
    }

    package func truncate(_ file: File, to bytes: Int) throws(StorageError) {
        guard bytes <= file.node.bytes.count || room >= bytes - file.node.bytes.count else {
            throw StorageError(.system(ENOSPC), "ftruncate", file.path)
        }
        try step("ftruncate", file.path) { self.resize(file.node, to: bytes) }
    }

    package func rename(_ from: String, to: String) throws(StorageError) {
        try powered("rename", from)
        guard let node = names[from] else { throw StorageError(.system(ENOENT), "rename", from) }
        try step("rename", from) { self.rename([(from, node, nil), (to, self.names[to], node)]) }
    }

    package func link(_ path: String, as other: String) throws(StorageError) -> Bool {
        try powered("link", path)
        guard let node = names[path] else { throw StorageError(.system(ENOENT), "link", path) }
        guard names[other] == nil else { throw StorageError(.system(EEXIST), "link", other) }
        try step("link", path) { self.rename([(other, nil, node)]) }
        return true
    }

    package func blank(_ file: File) throws(StorageError) -> Bool {
        let blank = zeros(file.node.bytes.count)
        try blank.withView { blank throws(StorageError) in
            try step("fallocate", file.path) { self.overwrite(file.node, at: 0, parts: [blank], length: blank.count) }
        }
        return true
    }

    package func remove(_ path: String) throws(StorageError) {
        try powered("unlink", path)
        guard let node = names[path] else { throw StorageError(.system(ENOENT), "unlink", path) }
        try step("unlink", path) { self.rename([(path, node, nil)]) }
    }

    package func close(_ file: File) {}

    // MARK: Looking and spoiling

    /// A file's bytes as a reader sees them now.
    package func contents(_ path: String) -> [UInt8]? { names[path]?.bytes }
    /// Turns bits over in a file, synced or not, behind everyone's back.
    package func flip(_ path: String, at position: Int, bits: UInt8) { names[path]?.bytes[position] ^= bits }
    /// Writes over what lies there, behind everyone's back, within the file.
    package func spoil(_ path: String, at position: Int, with bytes: [UInt8]) {
        names[path]?.bytes.replaceSubrange(position..<position + bytes.count, with: bytes)
    }
    /// What a power cut could still take back of a directory's files: bytes below `sizes` (all, where a path is not named) and names.
    package func unsynced(in directory: String, below sizes: [String: Int] = [:]) -> [String] {
        var found: [String] = []
        for (path, file) in names where !file.changes.isEmpty {
            let limit = sizes[path] ?? .max
            let isLoose = file.changes.contains { !$0.new.isEmpty && $0.start < limit || $0.sizeAfter < $0.sizeBefore }
            if isLoose, parent(path) == directory { found.append(path) }
        }
        found.sort()
        for change in nameChanges where change.directory == directory { found += change.names.map { "the name \($0.path)" } }
        return found
    }
    /// Whether a power cut could still take back some of a file's bytes.
    package func isUnsynced(_ path: String, in bytes: Range<Int>) -> Bool {
        names[path]?.changes.contains { !$0.new.isEmpty && $0.start < bytes.upperBound && $0.end > bytes.lowerBound } ?? true
    }
    /// Bytes of all files.
    package var used: Int { names.values.reduce(0) { $0 + $1.bytes.count } }

    // MARK: Changes

    private var room: Int {
        guard let capacity else { return .max }
        return max(0, capacity - used)
    }
    private func node(isDirectory: Bool) -> Node {
        nextID += 1
        return Node(id: nextID, isDirectory: isDirectory)
    }
    private func parent(_ path: String) -> String {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "" }
        return String(path[..<slash])
    }

    private func powered(_ operation: String, _ path: String) throws(StorageError) {
        if let left = operationsUntilPowerCut, left < 0 { throw StorageError(.system(EIO), operation, path) }
    }
    /// Counts down to the power cut; throws when it has come.
    private func cutOff(_ operation: String, _ path: String) throws(StorageError) {
        guard let left = operationsUntilPowerCut else { return }
        operationsUntilPowerCut = max(-1, left - 1)
        if left <= 0 { throw StorageError(.system(EIO), operation, path) }
    }
    /// Does a change; the one that the power cut hits has begun: it counts among the unsynced.
    private func step(_ operation: String, _ path: String, _ change: () -> Void) throws(StorageError) {
        try powered(operation, path)
        operations += 1
        change()
        try cutOff(operation, path)
    }
    private func failingSync(_ operation: String, _ file: File) throws(StorageError) {
        try powered(operation, file.path)
        guard let left = syncsUntilError else { return }
        syncsUntilError = left == 0 ? nil : left - 1
        guard left == 0 else { return }
        for i in file.node.changes.indices { file.node.changes[i].isGivenUp = true }
        throw StorageError(.system(EIO), operation, file.path)
    }

    /// All changes are durable now, except those given up whose sectors nobody has written since.
    private func settle(_ node: Node) {
        let givenUp = node.changes.filter(\.isGivenUp)
        guard !givenUp.isEmpty else { return node.changes.removeAll() }
        var written: Set<Int> = []
        for change in node.changes where !change.isGivenUp && change.start < change.end {
            written.formUnion(change.start / Self.sector...(change.end - 1) / Self.sector)
        }
        var left: [Change] = []
        for change in givenUp where !change.new.isEmpty {
            var position = change.start
            // What a truncation has taken is nobody's any more.
            let last = min(change.end, node.bytes.count)
            while position < last {
                let end = min(last, (position / Self.sector + 1) * Self.sector)
                if !written.contains(position / Self.sector) {
                    let old = (position..<end).map { $0 - change.start < change.old.count ? change.old[$0 - change.start] : 0 }
                    let size = node.bytes.count
                    left.append(
                        Change(
                            start: position, end: end, old: old, new: Array(node.bytes[position..<end]), sizeBefore: size,
                            sizeAfter: size, isGivenUp: true))
                }
                position = end
            }
        }
        node.changes = left
    }

    private func rename(_ changes: [(path: String, before: Node?, after: Node?)]) {
        for change in changes { names[change.path] = change.after }
        nameChanges.append(NameChange(directory: parent(changes[0].path), names: changes))
    }

    private func resize(_ node: Node, to size: Int) {
        let before = node.bytes.count
        let old = size < before ? Array(node.bytes[size...]) : []
        node.changes.append(Change(start: min(size, before), end: max(size, before), old: old, new: [], sizeBefore: before, sizeAfter: size))
        if size < before {
            node.bytes.removeLast(before - size)
        } else {
            node.bytes.append(contentsOf: zeros(size - before))
        }
    }

    private func overwrite(_ node: Node, at position: Int, parts: [ByteView], length: Int) {
        guard length > 0 else { return }
        let before = node.bytes.count
        let end = position + length
        let old = position >= before ? [] : Array(node.bytes[position..<min(end, before)])
        if position > before { node.bytes.append(contentsOf: zeros(position - before)) }
        var at = position
        for part in parts {
            let piece = part[0..<min(part.count, end - at)]
            let inside = max(0, min(piece.count, node.bytes.count - at))
            // Bounds: `inside` bytes from `at` lie within the array, the rest is appended.
            unsafe node.bytes.withUnsafeMutableBytes { bytes in
                if inside > 0 {
                    unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[at..<at + inside]).copyMemory(
                        from: piece[0..<inside].buffer)
                }
            }
            node.bytes.append(view: piece.from(inside))
            at += piece.count
        }
        let new = Array(node.bytes[position..<end])
        node.changes.append(Change(start: position, end: end, old: old, new: new, sizeBefore: before, sizeAfter: max(before, end)))
    }
}
