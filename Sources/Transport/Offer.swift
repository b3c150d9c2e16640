internal import CFabric
internal import Glibc

/// What libfabric offers on this machine.
package enum FabricOffer {
    /// libfabric's version, `1.17` (fi_version).
    package static var version: String {
        let version = fi_version()
        return "\(version >> 16).\(version & 0xffff)"
    }

    /// The providers that have what a link needs, one-sided writes over connected endpoints, each once (fi_getinfo).
    package static func providers() -> [String] {
        var names: [String] = []
        for name in ["verbs", "tcp"] where name != "verbs" || Fabric.hasDevices {
            do {
                // Any address will do for tcp; for verbs a device has to be named, so all are asked for.
                guard let found = try unsafe Fabric.any(name) else { continue }
                unsafe fi_freeinfo(found)
                names.append(name)
            } catch { continue }
        }
        return names
    }

    /// Which provider serves `host` as an address to listen at: listens there for a moment, at any free port, as a node would.
    package static func serves(_ provider: String, host: String) throws(TransportError) -> String {
        let fabric = try unsafe Fabric(Fabric.resolve(provider: provider, host: host, port: 0, listening: true))
        _ = try fabric.listen()
        return fabric.provider
    }
}
