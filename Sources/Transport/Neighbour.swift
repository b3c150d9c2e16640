internal import CSystem
internal import Crypto
internal import Glibc
internal import Wire

/// Two processes that see the same processes by the same numbers can hand each other memory: each maps the other's incoming ring and
/// writes there itself. The fabric then carries rows only, which say how much has been written, and wake the other side.
///
/// The kernel lets a process open another's descriptor where it might also trace it: processes of one user, and root's. Where that
/// does not hold, or the mapping fails, the fabric writes the ring, as between machines. Each direction finds its own way.
enum Neighbour {
    /// The same for processes of one boot and one space of process numbers; 0 where that cannot be told (boot_id, /proc/self/ns/pid).
    static let place: UInt64 = {
        guard let boot = read("/proc/sys/kernel/random/boot_id"), let space = link("/proc/self/ns/pid") else { return 0 }
        let digest = SHA256.hash(data: boot + space)
        return digest.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    }()

    /// A new file of `bytes` in memory, whose size stands; nil where the system has none.
    static func makeFile(bytes: Int) -> Int32? {
        let file = unsafe squall_memory_file(name, bytes)
        return file >= 0 ? file : nil
    }
    private static let name = "squall-ring"

    /// How others find a file of ours; its first eight bytes tell that it was shared with whoever was told.
    static func share(_ file: Int32) -> MemoryShare? {
        var status = stat()
        var token = UInt64.random(in: 1 ... .max)
        guard unsafe fstat(file, &status) == 0, unsafe pwrite(file, &token, 8, 0) == 8 else { return nil }
        var share = MemoryShare()
        (share.process, share.file, share.inode, share.token) = (UInt32(getpid()), UInt32(file), UInt64(status.st_ino), token)
        return share
    }

    /// Opens what a neighbour shares: nil where we may not, where it is not the file that was shared with us, or one that could be made shorter.
    /// The caller closes it.
    static func open(_ share: MemoryShare, bytes: Int) -> Int32? {
        let path = "/proc/\(share.process)/fd/\(share.file)"
        // Nothing but memory is opened: a device might mind.
        guard let target = link(path), target.starts(with: Array("/memfd:\(name)".utf8)) else { return nil }
        let file = unsafe Glibc.open(path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)
        guard file >= 0 else { return nil }
        var status = stat()
        var token: UInt64 = 0
        guard unsafe fstat(file, &status) == 0, UInt64(status.st_ino) == share.inode, status.st_size >= bytes,
            squall_size_stands(file) != 0, unsafe pread(file, &token, 8, 0) == 8, token == share.token
        else {
            close(file)
            return nil
        }
        return file
    }

    private static func link(_ path: String) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = unsafe bytes.withUnsafeMutableBytes { unsafe readlink(path, $0.baseAddress!, $0.count) }
        return count > 0 ? Array(bytes.prefix(count)) : nil
    }
    private static func read(_ path: String) -> [UInt8]? {
        let file = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = unsafe bytes.withUnsafeMutableBytes { unsafe Glibc.read(file, $0.baseAddress, $0.count) }
        return count > 0 ? Array(bytes.prefix(count)) : nil
    }
}

extension Transport {
    /// The pages of a link's incoming memory: between a client and a node of one machine in a file that the other may map.
    func makePages(_ i: Int, _ peer: Introduction, bytes: Int) throws(TransportError) -> LinkMemory {
        guard options.sharesMemory, peer.place != 0, peer.place == Neighbour.place, !(options.identity.isNode && peer.identity.isNode),
            let file = Neighbour.makeFile(bytes: bytes)
        else { return try LinkMemory(bytes: bytes) }
        links[i].shareFile = file
        return try LinkMemory(file: file, bytes: bytes, offset: 0)
    }

    /// The peer's ring, mapped here; nil where it shares none or we may not.
    func mapRing(_ offer: MemoryOffer) -> LinkMemory? {
        guard options.sharesMemory, offer.share.isSomewhere, offer.ring.address > offer.row.address else { return nil }
        let offset = offer.ring.address - offer.row.address
        guard offset <= UInt64(Limits.largestRing), Int(offset) % LinkMemory.pageBytes == 0,
            let file = Neighbour.open(offer.share, bytes: Int(offset) + offer.ring.bytes)
        else { return nil }
        defer { Glibc.close(file) }
        do { return try LinkMemory(file: file, bytes: offer.ring.bytes, offset: Int(offset)) } catch { return nil }
    }
}
