import Topics
import Transport

/// One thing that the doctor has looked at.
struct DoctorFinding: Equatable {
    enum Grade: String {
        case fine
        /// Squall works; it could work better, or something is worth knowing.
        case note
        /// It keeps the node from working, or from working over the provider that is wanted.
        case problem
    }
    var grade: Grade
    /// What it is about: one word or two.
    var about: String
    /// What is so, in plain words.
    var text: String
    /// What to do about it; empty where there is nothing.
    var remedy = ""
}

/// What the node's file says that matters to the doctor.
struct DoctorNeeds: Equatable {
    /// `auto`, `tcp`, `verbs`, …
    var provider: String
    /// Configured nodes, and bytes of the data ring.
    var members: Int
    var ring: Int
    /// Bytes of a message ring (`TransportOptions.messageRing`).
    var messageRing: Int
    /// CPUs that the node is to run on; nil: any.
    var cpus: CPUList?
    var poll = NodeConfiguration.Poll.adaptive

    /// Bytes that RDMA locks: my data ring; for each other node two message rings and the mirror of its data ring; for each client two
    /// message rings.
    func lockedBytes(clients: Int) -> UInt64 {
        UInt64(ring + (members - 1) * (2 * messageRing + ring) + clients * 2 * messageRing)
    }
    /// Clients that a limit on locked memory should have room for.
    static let clients = 32
}

/// What of a machine keeps a node from working. Pure: the same machine, the same findings, in the order of a node's start.
enum DoctorFindings {
    static func judge(_ machine: DoctorMachine, _ needs: DoctorNeeds) -> [DoctorFinding] {
        var found: [DoctorFinding] = []
        disk(machine, &found)
        fabric(machine, needs, &found)
        address(machine, needs, &found)
        devices(machine, needs, &found)
        limits(machine, needs, &found)
        congestion(machine, &found)
        processors(machine, needs, &found)
        return found
    }

    private static func disk(_ machine: DoctorMachine, _ found: inout [DoctorFinding]) {
        switch machine.diskTime {
        case .failed(let why):
            found.append(.init(
                grade: .problem, about: "disk", text: "\(machine.data) cannot be written: \(why)",
                remedy: "give the node a data directory that it may write"))
            return
        case .microseconds(let median, let longest):
            let text = "\(machine.data): writing and syncing 4 KiB takes \(time(median)), \(time(longest)) at most, of \(DoctorMachine.syncs) times"
            let slow = median > slowSync
            found.append(.init(
                grade: slow ? .note : .fine, about: "disk", text: text,
                remedy: slow ? "durable records wait for that; a disk with a write cache that survives a power cut is faster" : ""))
        }
        if machine.isInMemory {
            found.append(.init(
                grade: .note, about: "disk", text: "\(machine.data) is in memory: what is durable is gone with the power",
                remedy: "put data on a disk"))
        }
        if !machine.writesDirectly {
            found.append(.init(
                grade: .note, about: "disk", text: "\(machine.data): its file system takes no writes past the page cache (O_DIRECT)",
                remedy: "the log costs twice the processor time there; ext4 and XFS take them"))
        }
        if machine.freeBytes < smallDisk {
            found.append(.init(
                grade: .note, about: "disk", text: "only \(size(machine.freeBytes)) free", remedy: "a node whose disk is full ends with status 73"))
        }
    }
    /// A disk with a sync slower than this, microseconds, is worth a note; so is one with less than this free.
    private static let slowSync = 20_000
    private static let smallDisk: UInt64 = 1 << 30

    private static func processors(_ machine: DoctorMachine, _ needs: DoctorNeeds, _ found: inout [DoctorFinding]) {
        guard let cpus = needs.cpus else { return }
        if let why = cpus.fault(among: machine.cpus) {
            found.append(.init(grade: .problem, about: "cpus", text: "\(cpus): \(why)", remedy: "change cpus in the node's file, or leave it out"))
        } else if needs.poll == .busy, cpus.numbers.count == 1 {
            found.append(.init(
                grade: .note, about: "cpus", text: "\(cpus): a loop that polls without end leaves the disk's thread no CPU",
                remedy: "with poll: busy give the node two CPUs"))
        } else {
            found.append(.init(grade: .fine, about: "cpus", text: "the node runs on CPU \(cpus) alone"))
        }
    }

    private static func fabric(_ machine: DoctorMachine, _ needs: DoctorNeeds, _ found: inout [DoctorFinding]) {
        let names = machine.providers.joined(separator: ", ")
        if machine.providers.isEmpty {
            found.append(.init(
                grade: .problem, about: "libfabric", text: "libfabric \(machine.fabricVersion) has no provider that Squall can use",
                remedy: "install libfabric with its tcp provider (Debian: libfabric1)"))
        } else {
            found.append(.init(grade: .fine, about: "libfabric", text: "libfabric \(machine.fabricVersion): \(names)"))
        }
    }

    private static func address(_ machine: DoctorMachine, _ needs: DoctorNeeds, _ found: inout [DoctorFinding]) {
        switch machine.address {
        case .served(let provider):
            found.append(.init(grade: .fine, about: "address", text: "\(machine.listen) is served by \(provider)"))
            let wildcards = ["0.0.0.0", "::", "[::]"]
            if provider == "verbs", wildcards.contains(machine.listen) {
                found.append(.init(
                    grade: .problem, about: "address", text: "over RDMA a node listens on one device; \(machine.listen) names none",
                    remedy: "set listen to the address of the RDMA device's network interface"))
            }
        case .refused(let why):
            found.append(.init(
                grade: .problem, about: "address", text: "\(machine.listen) is served by nobody: \(why)",
                remedy: needs.provider == "verbs"
                    ? "set listen to the address of the RDMA device's network interface" : "set listen to an address of this machine"))
        }
    }

    private static func devices(_ machine: DoctorMachine, _ needs: DoctorNeeds, _ found: inout [DoctorFinding]) {
        // Only who asks for RDMA by name cannot do without.
        let grade: DoctorFinding.Grade = needs.provider == "verbs" ? .problem : .note
        guard !machine.devices.isEmpty else {
            found.append(.init(
                grade: grade, about: "RDMA", text: "the kernel knows no RDMA device\(grade == .note ? "; Squall uses tcp" : "")",
                remedy: grade == .note ? "" : "load the device's driver; without a device set provider to tcp"))
            return
        }
        if let why = machine.connectionFailure {
            found.append(.init(
                grade: grade, about: "RDMA", text: "connections cannot be made (librdmacm): \(why)",
                remedy: "modprobe rdma_ucm, and let this user read and write /dev/infiniband/rdma_cm"))
        }
        for device in machine.devices { judge(device, grade, machine, &found) }
        if !machine.providers.contains("verbs") {
            found.append(.init(
                grade: grade, about: "RDMA", text: "libfabric offers no verbs provider: no device can be used",
                remedy: "see the lines above; Debian: libfabric1, ibverbs-providers"))
        }
    }

    private static func judge(
        _ device: RDMADevice, _ grade: DoctorFinding.Grade, _ machine: DoctorMachine, _ found: inout [DoctorFinding]
    ) {
        func add(_ grade: DoctorFinding.Grade, _ text: String, _ remedy: String = "") {
            found.append(.init(grade: grade, about: device.name, text: text, remedy: remedy))
        }
        if let why = device.failure {
            return add(
                grade, "cannot be opened: \(why)",
                machine.hasVerbsFiles
                    ? "let this user read and write /dev/infiniband/uverbs*; install the device's library (Debian: ibverbs-providers)"
                    : "modprobe ib_uverbs")
        }
        for port in device.ports {
            let name = "port \(port.number)"
            let kind = port.isEthernet ? "Ethernet" : "InfiniBand"
            guard port.isActive else {
                add(
                    grade, "\(name) (\(kind)) is not active: \(port.state)",
                    port.isEthernet
                        ? "bring its network interface up: ip link; check the cable" : "check the cable and that a subnet manager runs")
                continue
            }
            let addresses = port.gids.filter { $0.kind != "RoCE v1" }.map(\.address)
            guard !port.isEthernet || port.gids.contains(where: \.isIPv4) else {
                add(grade, "\(name) (\(kind)) has no IPv4 address", "give its network interface one: ip address add")
                continue
            }
            add(.fine, "\(name) (\(kind)) is active, \(addresses.joined(separator: ", ")), \(port.mtu) bytes a packet")
            if port.mtu < smallPacket {
                add(.note, "\(name) carries only \(port.mtu) bytes a packet", "raise the mtu of its network interface: 4200 gives 4096")
            }
        }
        if device.endpoints > 0, device.endpoints < fewEndpoints {
            add(.note, "has \(device.endpoints) endpoints; each node and client takes one")
        }
    }
    /// Payload bytes of a packet below which a note is due; endpoints likewise.
    private static let smallPacket = 1024
    private static let fewEndpoints = 4096

    private static func limits(_ machine: DoctorMachine, _ needs: DoctorNeeds, _ found: inout [DoctorFinding]) {
        let isRDMA = needs.provider == "verbs" || machine.address == .served(by: "verbs")
        let wanted = needs.lockedBytes(clients: DoctorNeeds.clients)
        if let locked = machine.lockedBytes, !machine.mayLockAll, isRDMA, locked < wanted {
            let least = needs.lockedBytes(clients: 0)
            found.append(.init(
                grade: locked < least ? .problem : .note, about: "memory",
                text: "at most \(size(locked)) may be locked in memory; RDMA locks \(size(least)) for the nodes' rings and \(size(UInt64(2 * needs.messageRing))) for each client",
                remedy: "ulimit -l unlimited; for a service LimitMEMLOCK=infinity"))
        } else {
            let text = machine.mayLockAll || machine.lockedBytes == nil ? "as much as there is may be locked" : "\(size(machine.lockedBytes ?? 0)) may be locked"
            found.append(.init(grade: .fine, about: "memory", text: text))
        }
        if let files = machine.openFiles, files < fewFiles {
            found.append(.init(
                grade: .note, about: "files", text: "\(files) files may be open; over tcp each node and client takes one",
                remedy: "ulimit -n 8192; for a service LimitNOFILE=8192"))
        } else {
            found.append(.init(grade: .fine, about: "files", text: "\(machine.openFiles.map(String.init) ?? "any number of") files may be open"))
        }
    }
    /// A node has up to 4,096 links, and the log's segments.
    private static let fewFiles: UInt64 = 4096 + 256

    /// BBR spaces out what it sends by a timer of each connection. A node chooses another control where it may (Transport/Pacing).
    private static func congestion(_ machine: DoctorMachine, _ found: inout [DoctorFinding]) {
        guard machine.address == .served(by: "tcp"), machine.congestion.hasPrefix("bbr") else { return }
        let choices = machine.congestionChoices.split(separator: " ")
        guard !choices.contains("cubic"), !choices.contains("reno") else { return }
        found.append(.init(
            grade: .note, about: "tcp",
            text: "the kernel's TCP paces what it sends (bbr), and a process may not choose otherwise: a quarter slower on a local network",
            remedy: "add cubic or reno to sysctl net.ipv4.tcp_allowed_congestion_control"))
    }

    static func time(_ microseconds: Int) -> String {
        microseconds < 10_000 ? "\(microseconds) µs" : "\((microseconds + 500) / 1000) ms"
    }
    static func size(_ bytes: UInt64) -> String {
        if bytes >= 10 << 30 { return "\(bytes >> 30) GiB" }
        return bytes >= 1 << 20 ? "\(bytes >> 20) MiB" : "\(bytes >> 10) KiB"
    }
}
