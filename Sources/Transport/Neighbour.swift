internal import CSystem
internal import Crypto
internal import Glibc
internal import Synchronization
internal import Wire

/// Two processes that see the same processes by the same numbers can hand each other memory: each maps what the other lets it write, row
/// and ring, and writes there itself. Whoever is awake looks at its rows; whoever is about to block says so in a word of that memory, and
/// is woken by a byte in its pipe. The fabric then carries nothing; it tells when the other side is gone.
///
///      | row… | word: asleep (last 64 bytes of the row's pages) | ring… |
///
///      sleeper: word = 1, look at the rows, block        writer: row, is the word 1? then 0 and ring
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

    /// Where the word stands: in a line of its own behind the row.
    static func sleepWord(rowBytes: Int) -> Int { rowBytes - sleepBytes }
    static let sleepBytes = 64
    /// Rows that are looked at in each turn, at most.
    static let mostSharers = 64

    /// How others find a file of ours; its first eight bytes tell that it was shared with whoever was told.
    static func share(_ file: Int32, _ bell: Bell) -> MemoryShare? {
        var status = stat()
        var token = UInt64.random(in: 1 ... .max)
        guard unsafe fstat(file, &status) == 0, unsafe pwrite(file, &token, 8, 0) == 8 else { return nil }
        var share = MemoryShare()
        (share.process, share.file, share.inode, share.token) = (UInt32(getpid()), UInt32(file), UInt64(status.st_ino), token)
        (share.bell, share.bellInode) = (UInt32(bell.file), bell.inode)
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

    /// Opens the pipe that wakes a neighbour; both its ends, so that writing into it never ends this process.
    static func openBell(_ share: MemoryShare) -> Int32? {
        let path = "/proc/\(share.process)/fd/\(share.bell)"
        guard let target = link(path), target.starts(with: Array("pipe:".utf8)) else { return nil }
        let file = unsafe Glibc.open(path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)
        guard file >= 0 else { return nil }
        var status = stat()
        guard unsafe fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFIFO, UInt64(status.st_ino) == share.bellInode else {
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

/// The pipe that neighbours of this process write a byte into to wake it.
final class Bell {
    let file: Int32
    private let other: Int32
    let inode: UInt64

    /// Nil where the system has none.
    init?() {
        var files: (Int32, Int32) = (-1, -1)
        var status = stat()
        guard unsafe withUnsafeMutableBytes(of: &files, { unsafe squall_pipe($0.baseAddress!.assumingMemoryBound(to: Int32.self)) }) == 0 else { return nil }
        (file, other) = files
        inode = unsafe fstat(file, &status) == 0 ? UInt64(status.st_ino) : 0
    }
    deinit {
        close(file)
        close(other)
    }

    /// Takes what was written; what comes after that can be read again.
    func drain() {
        var bytes: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        _ = unsafe withUnsafeMutableBytes(of: &bytes) { unsafe read(file, $0.baseAddress, $0.count) }
    }
}

/// The memory of a neighbour that this side writes, and what wakes it.
struct NeighbourEnd {
    let pages: LinkMemory
    let row: Memory
    let ring: Memory
    fileprivate let bell: Int32

    /// Wakes the neighbour if it has said that it blocks.
    func ring(_ counters: inout TransportCounters) {
        let word = row.part(Neighbour.sleepWord(rowBytes: row.count), 4)
        guard unsafe squall_take_word(word.address(0)) != 0 else { return }
        var byte: UInt8 = 1
        // A full pipe wakes, too.
        _ = unsafe write(bell, &byte, 1)
        counters.rings += 1
    }
    func end() { close(bell) }
}

extension Transport {
    /// The pages of a link's incoming memory: between a client and a node of one machine in a file that the other may map.
    func makePages(_ i: Int, _ peer: Introduction, bytes: Int) throws(TransportError) -> LinkMemory {
        guard options.sharesMemory, peer.place != 0, peer.place == Neighbour.place, !(options.identity.isNode && peer.identity.isNode),
            sharers.count < Neighbour.mostSharers, let bell = openBell(), bell.inode != 0, let file = Neighbour.makeFile(bytes: bytes)
        else { return try LinkMemory(bytes: bytes) }
        links[i].shareFile = file
        links[i].isShared = true
        return try LinkMemory(file: file, bytes: bytes, offset: 0)
    }

    private func openBell() -> Bell? {
        if let bell { return bell }
        guard let made = Bell() else { return nil }
        do { try poller.add(made.file) } catch { return nil }
        bell = made
        return made
    }

    /// The peer's row and ring, mapped here; nil where it shares none or we may not.
    func mapNeighbour(_ offer: MemoryOffer) -> NeighbourEnd? {
        guard options.sharesMemory, offer.share.isSomewhere, offer.ring.address > offer.row.address else { return nil }
        let offset = Int(clamping: offer.ring.address - offer.row.address)
        guard offset <= Limits.largestRing, offset % LinkMemory.pageBytes == 0, offer.row.bytes == offset,
            offset >= RowPrefix.size + options.rowBytes + Neighbour.sleepBytes,
            let file = Neighbour.open(offer.share, bytes: offset + offer.ring.bytes)
        else { return nil }
        defer { Glibc.close(file) }
        guard let pages = try? LinkMemory(file: file, bytes: offset + offer.ring.bytes, offset: 0), let bell = Neighbour.openBell(offer.share) else { return nil }
        return NeighbourEnd(
            pages: pages, row: pages.memory.part(0, offset), ring: pages.memory.part(offset, offer.ring.bytes), bell: bell)
    }

    /// Notes which neighbours have written a row since theirs was read.
    func lookAtSharers() {
        for i in sharers where links[i].rowIn.hasNews { noteNews(i) }
    }
    /// Says that this process is about to block, or that it does not.
    func setAsleep(_ asleep: Bool) {
        for i in sharers {
            guard let pages = links[i].inbound?.memory else { continue }
            let word = pages.part(Neighbour.sleepWord(rowBytes: links[i].rowWindow), 4)
            unsafe squall_set_word(word.address(0), asleep ? 1 : 0)
        }
    }

    /// Shows a neighbour the row as of now, behind the messages that were built in its ring; if it sleeps, it goes on.
    func tell(_ i: Int, _ neighbour: NeighbourEnd) {
        atomicMemoryFence(ordering: .releasing)
        links[i].sending.posted = links[i].sending.tail
        links[i].rowOut.write(to: neighbour.row, tail: links[i].sending.tail, consumed: links[i].receiving.released, flags: rowFlags(i))
        noteRow(i)
    }
}
