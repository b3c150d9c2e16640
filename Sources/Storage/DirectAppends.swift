internal import CSystem
internal import Glibc
internal import Wire

/// Appends to one file that go past the page cache (open(2), O_DIRECT): the device takes whole blocks out of this buffer, so the last one
/// is kept here and written again, longer, with the next append. That spares half of the processor time that the way through the page cache
/// costs, and a third of what a small write and its sync take; who reads the file through the page cache sees what was written.
///
///      file     | block | block | block ~~~~|zeros |             |
///      memory                   | kept ~~~~~| parts… zeros |         written from the kept block on
///
/// A file system that cannot do it is written to as ever.
@safe final class DirectAppends: @unchecked Sendable {
    // Sendable: a disk is used by one thread at a time (`Disk`).

    /// What any device wants positions, lengths and memory in multiples of.
    private static let block = 4096
    /// Written at a time: so much is hot in the processor's caches.
    private static let most = 1 << 20

    /// The kept block; as it was before the append that failed, with zeros behind; and what is written next.
    private let kept: UnsafeMutableRawPointer
    private let before: UnsafeMutableRawPointer
    private let buffer: UnsafeMutableRawPointer
    /// Where the block of `before` lies; nil: there is nothing to put back.
    private var spoilt: Int?
    /// The file that was appended to last; its second descriptor, with O_DIRECT. -1: none.
    private var file: Int32 = -1
    private var direct: Int32 = -1
    /// Where the file's parts end; nil: what stands in its last block is not known here.
    private var end: Int?
    /// The file system said no, or /proc did.
    private var isRefused = false

    init() {
        unsafe kept = .allocate(byteCount: 2 * Self.block + Self.most, alignment: Self.block)
        unsafe before = kept + Self.block
        unsafe buffer = before + Self.block
    }
    deinit {
        if direct >= 0 { _ = Glibc.close(direct) }
        unsafe kept.deallocate()
    }

    /// The file's bytes have changed by another way, or its length.
    func changed(_ descriptor: Int32) { if descriptor == file { end = nil } }
    /// Where what was appended to the file ends, if it was the last one that was appended to.
    func end(of descriptor: Int32) -> Int? { descriptor == file ? end : nil }
    /// The file is closed.
    func closed(_ descriptor: Int32) {
        guard descriptor == file else { return }
        _ = Glibc.close(direct)
        (file, direct, end) = (-1, -1, nil)
    }

    /// Writes `parts` at `position`, and `zeros` zeros; where the last block ends with more, these are zeros too. False: it cannot be done
    /// this way, and what lies below `position` is as it was. On an error (errno) anything may have been written, and the block in
    /// which `position` lies may be spoilt: `restore`.
    /// - space: how far the file reaches, and its reserved space.
    func append(_ descriptor: Int32, at position: Int, parts: [ByteView], zeros: Int, space: Int) throws(Failure) -> Bool {
        let after = parts.reduce(position) { $0 + $1.count }
        let stop = (after + zeros + Self.block - 1) & ~(Self.block - 1)
        guard stop <= space, isOpen(descriptor) else { return false }
        let start = position & ~(Self.block - 1)
        let lead = position - start
        guard lead == 0 || end == position || reads(descriptor, at: start, lead) else { return false }
        end = nil
        spoilt = nil

        // Bounds: lead < block ≤ most, and `fill` never goes beyond `most`, where what is there is written.
        unsafe buffer.copyMemory(from: kept, byteCount: lead)
        unsafe before.copyMemory(from: kept, byteCount: lead)
        var fill = lead
        var at = start
        for part in parts {
            var part = part
            while !part.isEmpty {
                let count = min(part.count, Self.most - fill)
                unsafe (buffer + fill).copyMemory(from: part.pointer.unsafelyUnwrapped, byteCount: count)
                fill += count
                part = part.from(count)
                if fill == Self.most, try !flush(&fill, &at, start, lead) { return false }
            }
        }
        let last = fill & ~(Self.block - 1)
        unsafe kept.copyMemory(from: buffer + last, byteCount: fill - last)
        while at + fill < stop {
            let count = min(stop - at - fill, Self.most - fill)
            unsafe memset(buffer + fill, 0, count)
            fill += count
            if fill == Self.most, try !flush(&fill, &at, start, lead) { return false }
        }
        if fill > 0, try !flush(&fill, &at, start, lead) { return false }
        end = after
        return true
    }

    struct Failure: Error { let number: Int32 }

    /// An append has failed in the midst of a block that had been written before, and the device may have spoilt that: its bytes are put back
    /// into the page cache, for the next sync or for whoever reads the file from there. Should that fail too, the append's error stands.
    func restore(_ descriptor: Int32) {
        guard let position = spoilt else { return }
        spoilt = nil
        _ = unsafe pwrite(descriptor, before, Self.block, off_t(position))
    }

    /// Writes what is in the buffer. False: the file system does not take it. pwritev(2)
    private func flush(_ fill: inout Int, _ at: inout Int, _ start: Int, _ lead: Int) throws(Failure) -> Bool {
        var done = 0
        while done < fill {
            // Bounds: done ..< fill lies in the buffer.
            var vector = unsafe iovec(iov_base: buffer + done, iov_len: fill - done)
            let n = unsafe pwritev(direct, &vector, 1, off_t(at + done))
            if n < 0 {
                let number = errno
                if number == EINTR { continue }
                guard number == EINVAL || number == EOPNOTSUPP else {
                    if lead > 0 {
                        unsafe memset(before + lead, 0, Self.block - lead)
                        spoilt = start
                    }
                    throw Failure(number: number)
                }
                isRefused = true
                closed(file)
                return false
            }
            // Stopped within a block: the way through the page cache will tell why.
            guard n > 0, n % Self.block == 0 else { return false }
            done += n
        }
        at += fill
        fill = 0
        return true
    }

    private func isOpen(_ descriptor: Int32) -> Bool {
        if file == descriptor { return true }
        guard !isRefused else { return false }
        closed(file)
        var system = statfs()
        // Btrfs writes with checksums through the page cache after all, and waits for it.
        guard unsafe fstatfs(descriptor, &system) != 0 || system.f_type != 0x9123_683E else {
            isRefused = true
            return false
        }
        direct = Self.again(descriptor)
        guard direct >= 0 else {
            // Out of descriptors is no word of the file system's.
            isRefused = errno != EMFILE && errno != ENFILE && errno != EINTR
            return false
        }
        file = descriptor
        return true
    }

    /// A second descriptor of a file, for such writes alone; -1 and errno. open(2)
    private static func again(_ descriptor: Int32) -> Int32 {
        unsafe open("/proc/self/fd/\(descriptor)", O_WRONLY | squall_direct() | O_CLOEXEC)
    }

    /// Reads the block that is to be written longer.
    private func reads(_ descriptor: Int32, at position: Int, _ count: Int) -> Bool {
        var got = 0
        while got < count {
            let n = unsafe pread(descriptor, kept + got, count - got, off_t(position + got))
            if n < 0, errno == EINTR { continue }
            guard n > 0 else { return false }
            got += n
        }
        return true
    }
}
