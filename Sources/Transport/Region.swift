internal import CFabric

/// Mapped memory that the fabric may read or write. The owner drops it after it has closed the endpoints that use it; the
/// pages themselves live as long as somebody holds `pages` (fi_mr_reg, fi_close).
@safe final class Region {
    let pages: LinkMemory
    /// What a peer names to write here. Drawn at random where the provider leaves it to us: whoever does not know it writes nothing.
    let key: UInt64
    /// What a peer adds its offset to: the address or 0, as the provider's registration mode has it.
    let remoteBase: UInt64
    let descriptor: UnsafeMutableRawPointer?
    private let registration: UnsafeMutablePointer<fid_mr>

    var memory: Memory { pages.memory }

    /// `access`: FI_SEND | FI_RECV | FI_WRITE for memory that I post from, FI_REMOTE_WRITE for memory that a peer writes.
    convenience init(_ fabric: Fabric, bytes: Int, access: UInt64) throws(TransportError) {
        try self.init(fabric, pages: LinkMemory(bytes: bytes), access: access)
    }
    init(_ fabric: Fabric, pages: LinkMemory, access: UInt64) throws(TransportError) {
        self.pages = pages
        var registration: UnsafeMutablePointer<fid_mr>?
        var status: Int32 = 0
        // A drawn key that is taken already is drawn again.
        for _ in 0..<8 {
            status = unsafe fi_mr_reg(
                fabric.domain, pages.memory.address(0), pages.memory.count, access, 0, UInt64.random(in: 1...fabric.largestKey), 0,
                &registration, nil)
            if status != -FI_ENOKEY { break }
        }
        guard status == 0, let registration = unsafe registration else {
            throw .failed(call: "fi_mr_reg of \(pages.memory.count) bytes", why: Fabric.words(status))
        }
        unsafe self.registration = unsafe registration
        unsafe key = fi_mr_key(registration)
        unsafe descriptor = unsafe fi_mr_desc(registration)
        remoteBase = fabric.addressesAreVirtual ? unsafe UInt64(UInt(bitPattern: pages.memory.address(0))) : 0
    }
    deinit { _ = unsafe fi_close(&registration.pointee.fid) }
}
