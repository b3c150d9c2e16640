internal import CFabric
internal import Glibc

/// Room for the C structures of one call, allocated once.
@safe final class Scratch {
    static let completions = 64
    static let eventBytes = 1024

    let local: UnsafeMutablePointer<iovec>
    let remote: UnsafeMutablePointer<fi_rma_iov>
    let descriptors: UnsafeMutablePointer<UnsafeMutableRawPointer?>
    let entries: UnsafeMutablePointer<fi_cq_data_entry>
    let event: UnsafeMutableRawPointer

    init() {
        unsafe local = .allocate(capacity: Fabric.mostParts)
        unsafe remote = .allocate(capacity: Fabric.mostParts)
        unsafe descriptors = .allocate(capacity: Fabric.mostParts)
        unsafe entries = .allocate(capacity: Self.completions)
        unsafe event = .allocate(byteCount: Self.eventBytes, alignment: 16)
    }
    deinit {
        unsafe local.deallocate()
        unsafe remote.deallocate()
        unsafe descriptors.deallocate()
        unsafe entries.deallocate()
        unsafe event.deallocate()
    }
}
