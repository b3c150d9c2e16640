internal import CFabric
internal import Glibc

/// An RDMA device of this machine, as libibverbs tells of it.
package struct RDMADevice: Equatable, Sendable {
    package struct Port: Equatable, Sendable {
        /// 1, 2, …
        package var number: Int
        /// The system's words: `PORT_ACTIVE`, `PORT_DOWN`, … (ibv_port_state_str).
        package var state: String
        package var isActive: Bool
        /// Ethernet: RoCE or iWARP. Otherwise InfiniBand or Omni-Path.
        package var isEthernet: Bool
        /// Bytes of one packet's payload.
        package var mtu: Int
        /// The port's addresses, in the order of their indices.
        package var gids: [GID]

        package init(number: Int, state: String, isActive: Bool, isEthernet: Bool, mtu: Int, gids: [GID]) {
            (self.number, self.state, self.isActive) = (number, state, isActive)
            (self.isEthernet, self.mtu, self.gids) = (isEthernet, mtu, gids)
        }
    }
    /// One entry of a port's table of addresses.
    package struct GID: Equatable, Sendable {
        /// As an IPv6 address; where it stands for an IPv4 one, that.
        package var address: String
        package var isIPv4: Bool
        /// `IB`, `RoCE v1`, `RoCE v2`.
        package var kind: String

        package init(address: String, isIPv4: Bool, kind: String) { (self.address, self.isIPv4, self.kind) = (address, isIPv4, kind) }
    }

    package var name: String
    /// Why it cannot be used by this process; the rest is empty then.
    package var failure: String?
    package var ports: [Port] = []
    /// Endpoints, completion entries, registered regions at most, and bytes of one region.
    package var endpoints = 0
    package var completions = 0
    package var regions = 0
    package var regionBytes: UInt64 = 0

    package init(name: String, failure: String? = nil, ports: [Port] = []) {
        self.name = name
        self.failure = failure
        self.ports = ports
    }

    /// All devices, in the system's order (ibv_get_device_list, ibv_open_device); none where the kernel knows none.
    package static func all() -> [RDMADevice] {
        var count: Int32 = 0
        // The list asks the kernel for devices; without RDMA in the kernel there is nobody to ask.
        guard Fabric.hasDevices, let list = unsafe ibv_get_device_list(&count) else { return [] }
        defer { unsafe ibv_free_device_list(list) }
        // Bounds: the call tells how many there are.
        return (0..<Int(count)).compactMap { k in unsafe list[k].map { device in unsafe read(device) } }
    }

    @unsafe private static func read(_ device: UnsafeMutablePointer<ibv_device>) -> RDMADevice {
        var found = unsafe RDMADevice(name: String(cString: ibv_get_device_name(device)))
        guard let context = unsafe ibv_open_device(device) else {
            found.failure = words(errno)
            return found
        }
        defer { unsafe ibv_close_device(context) }
        var limits = ibv_device_attr()
        let status = unsafe ibv_query_device(context, &limits)
        guard status == 0 else {
            found.failure = words(status)
            return found
        }
        found.endpoints = Int(limits.max_qp)
        found.completions = Int(limits.max_cqe)
        found.regions = Int(limits.max_mr)
        found.regionBytes = limits.max_mr_size
        let gids = unsafe addresses(context)
        for number in 1...max(1, limits.phys_port_cnt) {
            var port = ibv_port_attr()
            guard unsafe ___ibv_query_port(context, number, &port) == 0 else { continue }
            unsafe found.ports.append(
                Port(
                    number: Int(number), state: String(cString: ibv_port_state_str(port.state)), isActive: port.state == IBV_PORT_ACTIVE,
                    isEthernet: Int32(port.link_layer) == Int32(IBV_LINK_LAYER_ETHERNET), mtu: 128 << Int(port.active_mtu.rawValue),
                    gids: gids.filter { $0.port == number }.map(\.gid)))
        }
        return found
    }

    /// The addresses of all ports (ibv_query_gid_table).
    @unsafe private static func addresses(_ context: UnsafeMutablePointer<ibv_context>) -> [(port: UInt8, gid: GID)] {
        let most = 1024
        return unsafe withUnsafeTemporaryAllocation(of: ibv_gid_entry.self, capacity: most) { entries in
            let count = unsafe ibv_query_gid_table(context, entries.baseAddress, most, 0)
            // Bounds: the call fills at most `most` entries and tells how many.
            return unsafe entries.prefix(max(0, count)).map { entry in
                let kinds = [IBV_GID_TYPE_IB.rawValue: "IB", IBV_GID_TYPE_ROCE_V1.rawValue: "RoCE v1"]
                var gid = entry.gid
                let (address, isIPv4) = unsafe withUnsafeBytes(of: &gid) { unsafe text($0) }
                return (
                    UInt8(truncatingIfNeeded: entry.port_num),
                    GID(address: address, isIPv4: isIPv4, kind: kinds[entry.gid_type] ?? "RoCE v2"))
            }
        }
    }
    /// The words for 16 bytes of a GID (inet_ntop).
    private static func text(_ bytes: UnsafeRawBufferPointer) -> (String, isIPv4: Bool) {
        let isIPv4 = unsafe bytes.prefix(10).allSatisfy { $0 == 0 } && bytes[10] == 0xff && bytes[11] == 0xff
        return unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(INET6_ADDRSTRLEN)) { room in
            let done = unsafe inet_ntop(
                isIPv4 ? AF_INET : AF_INET6, bytes.baseAddress! + (isIPv4 ? 12 : 0), room.baseAddress, socklen_t(room.count))
            return unsafe (done == nil ? "unknown" : String(cString: room.baseAddress!), isIPv4)
        }
    }
    private static func words(_ number: Int32) -> String { unsafe String(cString: strerror(number)) }

    /// Why connections cannot be made by librdmacm; nil where they can (rdma_create_event_channel).
    package static func connectionFailure() -> String? {
        guard let channel = unsafe rdma_create_event_channel() else { return words(errno) }
        unsafe rdma_destroy_event_channel(channel)
        return nil
    }
}
