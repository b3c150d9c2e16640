internal import CFabric
internal import Glibc

/// One libfabric provider opened for one process: fabric, domain, event queue, completion queue, and the passive endpoint
/// where this process listens.
@safe final class Fabric {
    let info: UnsafeMutablePointer<fi_info>
    let fabric: UnsafeMutablePointer<fid_fabric>
    let domain: UnsafeMutablePointer<fid_domain>
    let events: UnsafeMutablePointer<fid_eq>
    let completions: UnsafeMutablePointer<fid_cq>
    private(set) var listener: UnsafeMutablePointer<fid_pep>?

    let provider: String
    /// Local and remote parts that one write may gather.
    let partLimit: Int
    /// Operations that may be outstanding on one endpoint.
    let transmitLimit: Int
    let receiveLimit: Int
    let largestKey: UInt64
    /// FI_MR_VIRT_ADDR: a peer names memory by its address; otherwise by its offset.
    let addressesAreVirtual: Bool
    /// FI_MR_LOCAL is not asked for: a write may gather from memory that is not registered.
    let takesAnyMemory: Bool
    /// FI_RX_CQ_DATA: each completion that carries data takes a posted receive.
    let newsTakesReceive: Bool
    /// The completion queue signals nothing to itself: whoever has just read it may wait for its descriptor, unarmed.
    let isQuiet: Bool

    /// Opens what `info` describes and takes it over.
    init(_ info: UnsafeMutablePointer<fi_info>) throws(TransportError) {
        var fabric: UnsafeMutablePointer<fid_fabric>?
        var domain: UnsafeMutablePointer<fid_domain>?
        var events: UnsafeMutablePointer<fid_eq>?
        var completions: UnsafeMutablePointer<fid_cq>?
        func undo() {
            if let completions = unsafe completions { _ = unsafe fi_close(&completions.pointee.fid) }
            if let events = unsafe events { _ = unsafe fi_close(&events.pointee.fid) }
            if let domain = unsafe domain { _ = unsafe fi_close(&domain.pointee.fid) }
            if let fabric = unsafe fabric { _ = unsafe fi_close(&fabric.pointee.fid) }
            unsafe fi_freeinfo(info)
        }
        func check(_ status: Int32, _ call: String) throws(TransportError) {
            guard status != 0 else { return }
            undo()
            throw .failed(call: call, why: Fabric.words(status))
        }
        try check(unsafe fi_fabric(info.pointee.fabric_attr, &fabric, nil), "fi_fabric")
        try check(unsafe fi_domain(fabric, info, &domain, nil), "fi_domain")
        var eventOptions = unsafe fi_eq_attr()
        unsafe eventOptions.size = 1024
        unsafe eventOptions.wait_obj = FI_WAIT_FD
        try check(unsafe fi_eq_open(fabric, &eventOptions, &events, nil), "fi_eq_open")
        var completionOptions = unsafe fi_cq_attr()
        unsafe completionOptions.size = 4096
        unsafe completionOptions.wait_obj = FI_WAIT_FD
        unsafe completionOptions.format = FI_CQ_FORMAT_DATA
        try check(unsafe fi_cq_open(domain, &completionOptions, &completions, nil), "fi_cq_open")

        unsafe self.info = info
        unsafe self.fabric = fabric!
        unsafe self.domain = domain!
        unsafe self.events = events!
        unsafe self.completions = completions!
        unsafe provider = String(cString: info.pointee.fabric_attr.pointee.prov_name)
        let transmit = unsafe info.pointee.tx_attr.pointee
        let registration = unsafe info.pointee.domain_attr.pointee.mr_mode
        partLimit = max(1, min(transmit.iov_limit, transmit.rma_iov_limit, Fabric.mostParts))
        transmitLimit = max(4, min(transmit.size, 4096))
        receiveLimit = unsafe max(4, info.pointee.rx_attr.pointee.size)
        addressesAreVirtual = registration & Int32(FI_MR_VIRT_ADDR) != 0
        takesAnyMemory = registration & Int32(FI_MR_LOCAL) == 0
        let keyBytes = unsafe info.pointee.domain_attr.pointee.mr_key_size
        largestKey = keyBytes >= 8 ? .max - 1 : (1 << (8 * UInt64(max(1, keyBytes)))) - 1
        var queue: Int32 = -1
        isQuiet = unsafe provider == "tcp" && QuietQueue.isKnown && fi_control(&self.completions.pointee.fid, Int32(FI_GETWAIT), &queue) == 0
            && QuietQueue.silence(queue)
        newsTakesReceive = unsafe (info.pointee.mode | info.pointee.rx_attr.pointee.mode) & UInt64(FI_RX_CQ_DATA) != 0
    }

    /// The parts of a write at most, whatever the provider would take.
    static let mostParts = 4

    deinit {
        if let listener = unsafe listener { _ = unsafe fi_close(&listener.pointee.fid) }
        _ = unsafe fi_close(&completions.pointee.fid)
        _ = unsafe fi_close(&domain.pointee.fid)
        _ = unsafe fi_close(&events.pointee.fid)
        _ = unsafe fi_close(&fabric.pointee.fid)
        unsafe fi_freeinfo(info)
    }

    /// Begins to listen at the address that this fabric was opened for; returns the port (fi_passive_ep, fi_listen, fi_getname).
    func listen() throws(TransportError) -> UInt16 {
        func check(_ status: Int32, _ call: String) throws(TransportError) {
            guard status == 0 else { throw .failed(call: call, why: Fabric.words(status)) }
        }
        var made: UnsafeMutablePointer<fid_pep>?
        let status = unsafe fi_passive_ep(fabric, info, &made, nil)
        if abs(status) == EADDRINUSE { throw .address("the port is in use; stop the other process or choose another port") }
        try check(status, "fi_passive_ep")
        let passive = unsafe made!
        unsafe listener = unsafe passive
        try check(unsafe fi_pep_bind(passive, &events.pointee.fid, 0), "fi_pep_bind")
        try check(unsafe fi_listen(passive), "fi_listen")
        var address = sockaddr_storage()
        var length = MemoryLayout<sockaddr_storage>.size
        try check(unsafe fi_getname(&passive.pointee.fid, &address, &length), "fi_getname")
        return try unsafe withUnsafeBytes(of: &address) { bytes throws(TransportError) -> UInt16 in
            if provider == "tcp", unsafe !ListenerGuard.protect(UnsafeRawBufferPointer(rebasing: bytes.prefix(length))) {
                throw .failed(call: "setsockopt", why: "the listening socket was not found")
            }
            return unsafe SocketAddress(bytes).port
        }
    }

    enum Queue { case completions, events }
    /// The descriptor to wait on for a queue (fi_control, FI_GETWAIT).
    func waitFile(of queue: Queue) throws(TransportError) -> Int32 {
        var file: Int32 = -1
        let status = switch queue {
        case .completions: unsafe fi_control(&completions.pointee.fid, Int32(FI_GETWAIT), &file)
        case .events: unsafe fi_control(&events.pointee.fid, Int32(FI_GETWAIT), &file)
        }
        guard status == 0 else { throw .failed(call: "fi_control(FI_GETWAIT)", why: Fabric.words(status)) }
        return file
    }
    /// Whether one may block on the completion queue's descriptor now, and on the event queue's (fi_trywait). On tcp the call
    /// itself takes writes in, and resets the event queue's signal even with an event in it: look again after it.
    func mayBlock(onEvents: Bool) -> Bool {
        if isQuiet, !onEvents { return true }
        return unsafe withUnsafeTemporaryAllocation(of: UnsafeMutablePointer<fid>?.self, capacity: 2) { queues in
            unsafe queues.initialize(repeating: nil)
            unsafe queues[0] = unsafe fidPointer(events)
            unsafe queues[1] = unsafe fidPointer(completions)
            let asked = (onEvents ? 0 : 1)..<(isQuiet ? 1 : 2)
            return unsafe fi_trywait(fabric, queues.baseAddress! + asked.lowerBound, Int32(asked.count)) == 0
        }
    }
    /// On tcp an event always signals the queue's descriptor, which needs arming only after it has been seen to be ready.
    var eventsSignalThemselves: Bool { provider == "tcp" }
    /// Every object of libfabric begins with its fid.
    private func fidPointer<T>(_ object: UnsafeMutablePointer<T>) -> UnsafeMutablePointer<fid> {
        unsafe UnsafeMutableRawPointer(object).assumingMemoryBound(to: fid.self)
    }

    /// Words for a negative status of libfabric (fi_strerror).
    static func words(_ status: Int32) -> String { unsafe String(cString: fi_strerror(abs(status))) }
    /// The same for a connection that did not come about: the tcp provider cancels where the system refuses.
    static func connectWords(_ status: Int32) -> String {
        abs(status) == Int32(FI_ECANCELED) || abs(status) == ECONNREFUSED ? "Connection refused" : words(status)
    }
    static func words(_ status: Int) -> String { words(Int32(truncatingIfNeeded: status)) }

    /// The address to connect from, so that connections begin at the device that this domain was opened on; empty where the
    /// provider does not care.
    var source: [UInt8] {
        guard provider == "verbs", let address = unsafe info.pointee.src_addr else { return [] }
        return unsafe SocketAddress.source(UnsafeRawBufferPointer(start: address, count: info.pointee.src_addrlen))
    }
    /// Whether a disconnect carries out what was posted before it.
    var closingSendsAll: Bool { provider == "tcp" }
    /// Whether looking an address up waits for the network, or for who knows what.
    static func looksUpSlowly(_ provider: String) -> Bool { provider == "verbs" || provider == "auto" && hasDevices }
    /// Whether this machine has RDMA devices.
    static var hasDevices: Bool { unsafe access("/sys/class/infiniband", F_OK) == 0 }

    /// What is asked of a provider, whatever the address. The caller owns the result.
    @unsafe private static func hints(_ provider: String) throws(TransportError) -> UnsafeMutablePointer<fi_info> {
        guard let hints = unsafe fi_dupinfo(nil) else { throw .failed(call: "fi_dupinfo", why: "out of memory") }
        unsafe hints.pointee.caps = UInt64(FI_MSG) | UInt64(FI_RMA)
        unsafe hints.pointee.mode = UInt64(FI_RX_CQ_DATA)
        unsafe hints.pointee.ep_attr.pointee.type = FI_EP_MSG
        unsafe hints.pointee.fabric_attr.pointee.prov_name = strdup(provider)
        unsafe hints.pointee.domain_attr.pointee.mr_mode =
            Int32(FI_MR_LOCAL) | Int32(FI_MR_VIRT_ADDR) | Int32(FI_MR_ALLOCATED) | Int32(FI_MR_PROV_KEY)
        unsafe hints.pointee.tx_attr.pointee.msg_order = UInt64(FI_ORDER_WAW)
        unsafe hints.pointee.rx_attr.pointee.msg_order = UInt64(FI_ORDER_WAW)
        return unsafe hints
    }
    /// Whatever a provider offers, of all its devices; nil where it offers nothing. The caller owns the result.
    @unsafe static func any(_ provider: String) throws(TransportError) -> UnsafeMutablePointer<fi_info>? {
        let hints = try unsafe hints(provider)
        defer { unsafe fi_freeinfo(hints) }
        var found: UnsafeMutablePointer<fi_info>?
        return unsafe fi_getinfo(squall_fi_version(), nil, nil, 0, hints, &found) == 0 ? found : nil
    }

    /// What a provider offers for an address. The caller owns the result (fi_getinfo, fi_freeinfo).
    /// - listening: the address is one of ours, to listen at.
    /// - source: the address to connect from, else the route decides; a socket address with port 0.
    @unsafe static func resolve(
        provider: String, host: String, port: UInt16, listening: Bool, source: [UInt8] = []
    ) throws(TransportError) -> UnsafeMutablePointer<fi_info> {
        if provider == "auto" {
            // Asking for verbs opens every device; where there is none the question is not asked.
            if hasDevices {
                do {
                    return try unsafe resolve(provider: "verbs", host: host, port: port, listening: listening, source: source)
                } catch {
                    // No device serves this address: plain TCP does.
                }
            }
            return try unsafe resolve(provider: "tcp", host: host, port: port, listening: listening)
        }
        let hints = try unsafe hints(provider)
        defer { unsafe fi_freeinfo(hints) }
        if provider == "verbs" {
            // It looks for IPv4 only where nothing else is said.
            if host.contains(":") { unsafe hints.pointee.addr_format = UInt32(FI_SOCKADDR_IN6) }
            if !source.isEmpty, let copy = unsafe malloc(source.count) {
                // Bounds: as many bytes as were allocated; fi_freeinfo frees them.
                unsafe copy.copyMemory(from: source, byteCount: source.count)
                unsafe (hints.pointee.src_addr, hints.pointee.src_addrlen) = (copy, source.count)
            }
        }
        var found: UnsafeMutablePointer<fi_info>?
        let status = unsafe fi_getinfo(
            squall_fi_version(), host, String(port), listening ? UInt64(FI_SOURCE) : 0, hints, &found)
        guard status == 0, let found = unsafe found else {
            // The provider has nothing to say of a name that does not resolve, or of an address that is not this machine's.
            let words = abs(status) == Int32(FI_ENODATA) ? "the name does not resolve, or the address is not one it serves" : words(status)
            throw .noProvider("\(provider) for \(host):\(port): \(words)")
        }
        // The first is the best match; the rest is let go.
        let rest = unsafe found.pointee.next
        unsafe found.pointee.next = nil
        if let rest = unsafe rest { unsafe fi_freeinfo(rest) }
        return unsafe found
    }
}
