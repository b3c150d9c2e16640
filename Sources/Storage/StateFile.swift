internal import Wire

/// Small blobs, each replaced as a whole: after a crash either the old one or the new one is there.
///
///      0        4        8                16
///      | magic  | crc    | length         | bytes…
///
/// `crc` is CRC-32C of bytes 8 ..< 16 + length. A blob is written beside its place, synced, and renamed over it.
package struct StateFile<D: Disk> {
    static var magic: UInt32 { 0x3153_4C53 }  // "SLS1"
    static var headerSize: Int { 16 }
    /// The suffix of a blob that is not finished.
    static var unfinished: String { ".tmp" }

    private let disk: D
    private let directory: String

    /// Blobs in `directory` ("" is the root), which is there.
    package init(_ disk: D, directory: String = "") {
        self.disk = disk
        self.directory = directory
    }
    private func path(_ name: String) -> String { directory.isEmpty ? name : directory + "/" + name }

    /// Replaces the blob; durable when it returns. On an error the old one stands, or the new one.
    package func save(_ name: String, _ bytes: [UInt8]) throws(StorageError) {
        var whole: [UInt8] = []
        whole.reserveCapacity(Self.headerSize + bytes.count)
        whole.append(int: Self.magic)
        whole.append(int: UInt32(0))
        whole.append(int: UInt64(bytes.count))
        whole.append(contentsOf: bytes)
        whole.store(whole.withView { $0.from(8).crc32c() }, at: 4)

        let draft = planted(.stateInPlace) ? path(name) : path(name) + Self.unfinished
        if try disk.exists(draft) { try disk.remove(draft) }
        let file = try disk.open(draft, create: true)
        do throws(StorageError) {
            try disk.write(file, at: 0, bytes: whole)
            if !planted(.stateUnsynced) { try disk.sync(file) }
        } catch {
            disk.close(file)
            // Best effort: what is left is removed by the next save; the first error is the one to tell.
            do throws(StorageError) { try disk.remove(draft) } catch {}
            throw error
        }
        disk.close(file)
        if !planted(.stateInPlace) { try disk.rename(draft, to: path(name)) }
        try disk.syncDirectory(directory)
    }

    /// The blob, or nil if there is none. Throws `.damage` when it does not read back.
    package func load(_ name: String) throws(StorageError) -> [UInt8]? {
        guard try disk.exists(path(name)) else { return nil }
        let file = try disk.open(path(name), create: false)
        defer { disk.close(file) }
        var whole: [UInt8] = []
        let size = try disk.size(file)
        _ = try disk.read(file, at: 0, count: size, into: &whole)
        let good = whole.withView { view in
            view.count >= Self.headerSize && view.u32(0) == Self.magic && view.u64(8) == UInt64(view.count - Self.headerSize)
                && view.u32(4) == view.from(8).crc32c()
        }
        guard good else {
            let damage = Damage(
                segment: path(name), bytes: 0..<whole.count, entries: .zero ..< .zero, what: "checksum does not match")
            throw StorageError(.damage(damage), "load", path(name))
        }
        return Array(whole[Self.headerSize...])
    }

    /// Removes the blob if it is there; durable when it returns.
    package func remove(_ name: String) throws(StorageError) {
        guard try disk.exists(path(name)) else { return }
        try disk.remove(path(name))
        try disk.syncDirectory(directory)
    }
}
