internal import Glibc
package import Wire

/// Files in memory for logs that need no disk: forgotten when the process ends, never synced, never full.
///
///      file     | piece | piece | somebody's large part | piece… |         extents, ascending, without gaps
///
/// Small parts are copied into pieces of one size. Those of files that are gone serve the next ones, so that a log that keeps so much and no
/// more takes no memory anew. A large part whose owner keeps it as it is, and little else, stays where it lies.
package final class VolatileDisk: Disk {
    package struct File {
        fileprivate let node: Node
        fileprivate let path: String
    }
    /// Some bytes of a file.
    fileprivate struct Extent {
        let at: Int
        var count: Int
        let bytes: OwnedBytes
        /// Where they lie in somebody else's memory, which is not written to; nil: at the beginning of `bytes`, which has room for more.
        var lent: ByteView?

        var end: Int { at + count }
        var view: ByteView { lent ?? bytes.view[0..<count] }
        var room: Int { lent == nil ? bytes.view.count - count : 0 }
    }
    fileprivate final class Node {
        var extents: [Extent] = []
        var size: Int { extents.last?.end ?? 0 }

        /// The extent that has the byte at `position`, which lies below `size`.
        func index(of position: Int) -> Int {
            var (low, high) = (0, extents.count)
            while high - low > 1 {
                let middle = (low + high) / 2
                if extents[middle].at <= position { low = middle } else { high = middle }
            }
            return low
        }
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
        grow(file.node, to: bytes)
        return true
    }

    package func write(_ file: File, at position: Int, parts: [ByteView]) throws(StorageError) {
        grow(file.node, to: position)
        var at = position
        for part in parts {
            let rest = overwrite(file.node, at: at, part)
            append(file.node, rest)
            at += part.count
        }
    }

    package func append(
        _ file: File, at position: Int, parts: [ByteView], owners: [OwnedBytes?], zeros: ByteView, space: Int
    ) throws(StorageError) {
        guard position == file.node.size else { return try append(file, at: position, parts: parts, zeros: zeros, space: space) }
        for (part, owner) in zip(parts, owners) {
            if let owner, part.count >= Self.piece, owner.isMostly(part) {
                file.node.extents.append(Extent(at: file.node.size, count: part.count, bytes: owner, lent: part))
            } else {
                append(file.node, part)
            }
        }
        append(file.node, zeros)
    }

    package func read(_ file: File, at position: Int, count: Int, into bytes: inout [UInt8]) throws(StorageError) -> Int {
        let end = min(position + count, file.node.size)
        guard position < end else { return 0 }
        var index = file.node.index(of: position)
        var at = position
        while at < end {
            let extent = file.node.extents[index]
            bytes.append(view: extent.view[at - extent.at..<min(extent.end, end) - extent.at])
            at = extent.end
            index += 1
        }
        return end - position
    }

    package func startWriting(_ file: File, at position: Int, count: Int) {}
    package func release(_ file: File, at position: Int, count: Int) {}
    package func sync(_ file: File) throws(StorageError) {}
    package func syncDirectory(_ path: String) throws(StorageError) {}

    package func truncate(_ file: File, to bytes: Int) throws(StorageError) {
        let node = file.node
        guard bytes < node.size else { return grow(node, to: bytes) }
        while let last = node.extents.last, last.at >= bytes { giveBack(node.extents.removeLast()) }
        guard let last = node.extents.last else { return }
        node.extents[node.extents.count - 1].count = bytes - last.at
        if let lent = last.lent { node.extents[node.extents.count - 1].lent = lent[0..<bytes - last.at] }
    }
    package func rename(_ from: String, to: String) throws(StorageError) {
        guard let node = files.removeValue(forKey: from) else { throw StorageError(.system(ENOENT), "rename", from) }
        files[to] = node
    }
    package func link(_ path: String, as other: String) throws(StorageError) -> Bool { false }
    package func blank(_ file: File) throws(StorageError) -> Bool { false }
    package func remove(_ path: String) throws(StorageError) {
        guard let node = files.removeValue(forKey: path) else { throw StorageError(.system(ENOENT), "unlink", path) }
        for extent in node.extents { giveBack(extent) }
        node.extents = []
    }
    package func close(_ file: File) {}

    /// Zeros up to `size`, if it is shorter.
    private func grow(_ node: Node, to size: Int) {
        while node.size < size { zeros(min(size - node.size, Self.piece)).withView { append(node, $0) } }
    }

    /// Bytes at the end.
    private func append(_ node: Node, _ part: ByteView) {
        var rest = part
        while !rest.isEmpty {
            if node.extents.last.map({ $0.room == 0 }) ?? true {
                node.extents.append(Extent(at: node.size, count: 0, bytes: spare.popLast() ?? OwnedBytes(count: Self.piece), lent: nil))
            }
            let last = node.extents.count - 1
            let count = min(rest.count, node.extents[last].room)
            node.extents[last].bytes.store.write(rest[0..<count], at: node.extents[last].count)
            node.extents[last].count += count
            rest = rest.from(count)
        }
    }

    /// Bytes in place of those that are there; what lies behind the end is returned.
    private func overwrite(_ node: Node, at position: Int, _ part: ByteView) -> ByteView {
        var rest = part
        var at = position
        while !rest.isEmpty, at < node.size {
            let index = node.index(of: at)
            let extent = node.extents[index]
            if let lent = extent.lent {
                node.extents[index] = Extent(at: extent.at, count: extent.count, bytes: OwnedBytes(lent, .empty), lent: nil)
            }
            let count = min(rest.count, extent.end - at)
            node.extents[index].bytes.store.write(rest[0..<count], at: at - extent.at)
            rest = rest.from(count)
            at += count
        }
        return rest
    }

    private func giveBack(_ extent: Extent) {
        if extent.lent == nil, extent.bytes.view.count == Self.piece, spare.count < Self.mostSpare { spare.append(extent.bytes) }
    }
}
