internal import Wire

/// One small blob that is replaced often and must not be waited for long: two copies in one file whose size stands, so that to replace
/// it is one write and one fdatasync that change nothing in the file system's own books.
///
///      0            size           2 · size
///      | copy       | copy          |          copy:  | magic | crc | sequence u64 | length u64 | bytes… | unused |
///
/// A save overwrites the copy that was not synced last and syncs; then the other one is made the same, in the system's own time. So at
/// every moment one copy that was synced stands whole, and a copy that rots later has a twin. `crc` is CRC-32C of bytes 8 ..< 24 +
/// length. A blob that does not fit makes the file anew, twice as large, beside its place.
package final class TwinFile<D: Disk> {
    private static var magic: UInt32 { 0x3154_4C53 }  // "SLT1"
    private static var headerSize: Int { 24 }

    private let disk: D
    private let name: String
    private let leastBytes: Int
    private var file: D.File?
    /// Bytes of a copy's place.
    private var size = 0
    private var sequence: UInt64 = 0
    /// The copy that was synced last, and its bytes: what a longer one left behind it is nobody's.
    private var current = 0
    private var length = 0

    /// - leastBytes: a copy's place takes at least so many bytes; whole sectors, since a torn write of one copy must not touch the other.
    package init(_ disk: D, _ name: String, leastBytes: Int = 256 << 10) {
        precondition(leastBytes > 0 && leastBytes.isMultiple(of: 512))
        self.disk = disk
        self.name = name
        self.leastBytes = leastBytes
    }
    deinit { if let file { disk.close(file) } }

    /// What of the file a power cut can take nothing of, bytes.
    package var syncedBytes: Range<Int> { current * size..<current * size + length }

    /// Replaces the blob; durable when it returns. After an error either stands; where no sync has failed it may be done again.
    package func save(_ bytes: [UInt8]) throws(StorageError) {
        let whole = encode(bytes)
        guard let file, whole.count <= size else { return try remake(whole) }
        let other = planted(.stateInPlace) ? current : 1 - current
        try disk.write(file, at: other * size, bytes: whole)
        if !planted(.stateUnsynced) { try disk.sync(file) }
        (current, sequence, length) = (other, sequence + 1, whole.count)
        if planted(.stateInPlace) { return }
        try disk.write(file, at: (1 - other) * size, bytes: whole)
    }

    /// The blob, or nil if there is none. Throws `.damage` when neither copy reads back.
    package func load() throws(StorageError) -> [UInt8]? {
        guard try disk.exists(name) else { return nil }
        let file = try disk.open(name, create: false)
        self.file = file
        let bytes = try disk.size(file)
        size = bytes / 2
        let copies = [try copy(at: 0), try copy(at: size)]
        guard let best = [0, 1].filter({ copies[$0] != nil }).max(by: { copies[$0]!.sequence < copies[$1]!.sequence }) else {
            let damage = Damage(segment: name, bytes: 0..<bytes, entries: .zero ..< .zero, what: "neither of two copies reads back")
            throw StorageError(.damage(damage), "load", name)
        }
        (current, sequence, length) = (best, copies[best]!.sequence, Self.headerSize + copies[best]!.bytes.count)
        // It, or its name, may be in memory alone, where a sync has failed; what stands there already is not torn by being written again.
        try disk.write(file, at: best * size, bytes: encode(copies[best]!.bytes, sequence))
        try disk.sync(file)
        try disk.syncDirectory("")
        return copies[best]!.bytes
    }

    private func copy(at position: Int) throws(StorageError) -> (sequence: UInt64, bytes: [UInt8])? {
        var whole: [UInt8] = []
        _ = try disk.read(file!, at: position, count: min(Self.headerSize, size), into: &whole)
        guard whole.count == Self.headerSize, whole.withView({ $0.u32(0) }) == Self.magic else { return nil }
        let length = whole.withView { $0.u64(16) }
        guard length <= UInt64(size - Self.headerSize) else { return nil }
        _ = try disk.read(file!, at: position + Self.headerSize, count: Int(length), into: &whole)
        guard whole.count == Self.headerSize + Int(length) else { return nil }
        return whole.withView { $0.u32(4) == $0.from(8).crc32c() ? ($0.u64(8), $0.from(Self.headerSize).array) : nil }
    }

    private func encode(_ bytes: [UInt8], _ sequence: UInt64? = nil) -> [UInt8] {
        var whole: [UInt8] = []
        whole.reserveCapacity(Self.headerSize + bytes.count)
        whole.append(int: Self.magic)
        whole.append(int: UInt32(0))
        whole.append(int: sequence ?? self.sequence + 1)
        whole.append(int: UInt64(bytes.count))
        whole.append(contentsOf: bytes)
        whole.store(whole.withView { $0.from(8).crc32c() }, at: 4)
        return whole
    }

    /// A file with room for `whole`, both copies of which are it, takes the place of this one.
    private func remake(_ whole: [UInt8]) throws(StorageError) {
        var bytes = leastBytes
        while bytes < whole.count { bytes *= 2 }
        let draft = name + StateFile<D>.unfinished
        if try disk.exists(draft) { try disk.remove(draft) }
        let fresh = try disk.open(draft, create: true)
        do throws(StorageError) {
            let padding = [UInt8](repeating: 0, count: bytes - whole.count)
            try disk.write(fresh, at: 0, bytes: whole + padding + whole + padding)
            try disk.sync(fresh)
        } catch {
            disk.close(fresh)
            throw error
        }
        disk.close(fresh)
        try disk.rename(draft, to: name)
        try disk.syncDirectory("")
        if let file { disk.close(file) }
        file = try disk.open(name, create: false)
        (size, current, sequence, length) = (bytes, 0, sequence + 1, whole.count)
    }
}
