internal import Glibc
package import Wire

/// Files in memory for logs that need no disk: forgotten when the process ends, never synced, never full.
///
/// Bytes lie in pieces of one size. Those of files that are gone serve the next ones, so that a log that keeps so much and no more
/// takes no memory anew.
package final class VolatileDisk: Disk {
    package struct File {
        fileprivate let node: Node
        fileprivate let path: String
    }
    fileprivate final class Node {
        var pieces: [OwnedBytes] = []
        var size = 0
    }
    static let piece = 64 << 10
    /// Pieces that are kept for the next file, at most.
    private static let mostSpare = 128

    private var files: [String: Node] = [:]
    private var directories: Set<String> = []
    private var spare: [OwnedBytes] = []

    package init() {}
    package var isVolatile: Bool { true }

    package func list(_ directory: String) throws(StorageError) -> [String] {
        let prefix = directory.isEmpty ? "" : directory + "/"
        let inside = (Array(files.keys) + directories).filter { $0.hasPrefix(prefix) && !$0.dropFirst(prefix.count).contains("/") }
        return inside.map { String($0.dropFirst(prefix.count)) }.sorted()
    }
    package func createDirectory(_ path: String) throws(StorageError) { directories.insert(path) }

    package func open(_ path: String, create: Bool) throws(StorageError) -> File {
        if create {
            guard files[path] == nil else { throw StorageError(.system(EEXIST), "open", path) }
            files[path] = Node()
        }
        guard let node = files[path] else { throw StorageError(.system(ENOENT), "open", path) }
        return File(node: node, path: path)
    }
    package func exists(_ path: String) throws(StorageError) -> Bool { files[path] != nil || directories.contains(path) }
    package func size(_ file: File) throws(StorageError) -> Int { file.node.size }
    package func allocate(_ file: File, bytes: Int) throws(StorageError) -> Bool {
        grow(file.node, to: bytes, zeroing: file.node.size..<max(bytes, file.node.size))
        return true
    }

    package func write(_ file: File, at position: Int, parts: [ByteView]) throws(StorageError) {
        let total = parts.reduce(0) { $0 + $1.count }
        let before = file.node.size
        grow(file.node, to: position + total, zeroing: position > before ? before..<position : nil)
        var at = position
        for part in parts {
            var taken = 0
            while taken < part.count {
                let count = min(part.count - taken, Self.piece - at % Self.piece)
                file.node.pieces[at / Self.piece].store.write(part[taken..<taken + count], at: at % Self.piece)
                taken += count
                at += count
            }
        }
    }

    package func read(_ file: File, at position: Int, count: Int, into bytes: inout [UInt8]) throws(StorageError) -> Int {
        let end = min(position + count, file.node.size)
        var at = position
        while at < end {
            let count = min(end - at, Self.piece - at % Self.piece)
            bytes.append(view: file.node.pieces[at / Self.piece].view[at % Self.piece..<at % Self.piece + count])
            at += count
        }
        return max(0, end - position)
    }

    package func startWriting(_ file: File, at position: Int, count: Int) {}
    package func release(_ file: File, at position: Int, count: Int) {}
    package func sync(_ file: File) throws(StorageError) {}
    package func syncDirectory(_ path: String) throws(StorageError) {}

    package func truncate(_ file: File, to bytes: Int) throws(StorageError) {
        let before = file.node.size
        guard bytes < before else { return grow(file.node, to: bytes, zeroing: before..<bytes) }
        file.node.size = bytes
        let needed = (bytes + Self.piece - 1) / Self.piece
        giveBack(file.node.pieces[needed...])
        file.node.pieces.removeLast(file.node.pieces.count - needed)
    }
    package func rename(_ from: String, to: String) throws(StorageError) {
        guard let node = files.removeValue(forKey: from) else { throw StorageError(.system(ENOENT), "rename", from) }
        files[to] = node
    }
    package func link(_ path: String, as other: String) throws(StorageError) -> Bool { false }
    package func blank(_ file: File) throws(StorageError) -> Bool { false }
    package func remove(_ path: String) throws(StorageError) {
        guard let node = files.removeValue(forKey: path) else { throw StorageError(.system(ENOENT), "unlink", path) }
        giveBack(node.pieces[...])
        (node.pieces, node.size) = ([], 0)
    }
    package func close(_ file: File) {}

    /// Makes the file as long as that, if it is shorter; `zeroing`: what of the new bytes nobody writes.
    private func grow(_ node: Node, to size: Int, zeroing gap: Range<Int>? = nil) {
        while node.pieces.count * Self.piece < size { node.pieces.append(spare.popLast() ?? OwnedBytes(count: Self.piece)) }
        var at = max(node.size, gap?.lowerBound ?? .max)
        while let gap, at < gap.upperBound {
            let count = min(gap.upperBound - at, Self.piece - at % Self.piece)
            zeros(count).withView { node.pieces[at / Self.piece].store.write($0, at: at % Self.piece) }
            at += count
        }
        node.size = max(node.size, size)
    }
    private func giveBack(_ pieces: ArraySlice<OwnedBytes>) {
        spare += pieces.prefix(max(0, Self.mostSpare - spare.count))
    }
}
