import CSystem
import Glibc
import Storage
import Tooling
import Topics
import Transport

/// What one machine offers, as read; `DoctorFindings` judges it. A value, so that tests can make any machine.
struct DoctorMachine: Equatable {
    /// How long the data's disk takes to write and sync, or why it cannot be written.
    enum DiskTime: Equatable {
        case microseconds(median: Int, longest: Int)
        case failed(String)
    }
    /// Why the listening address is served, or not.
    enum Address: Equatable {
        case served(by: String)
        case refused(String)
    }

    var fabricVersion = ""
    var providers: [String] = []
    var devices: [RDMADevice] = []
    /// The RDMA modules that the kernel has; `ib_uverbs` gives programs the devices, `rdma_ucm` connections.
    var hasVerbsFiles = false
    var connectionFailure: String?
    /// Bytes that may be locked in memory; nil: no limit.
    var lockedBytes: UInt64?
    /// Whether this process may lock more than that (CAP_IPC_LOCK).
    var mayLockAll = false
    /// Descriptors that may be open; nil: no limit.
    var openFiles: UInt64?
    var data = ""
    var diskTime = DiskTime.failed("not tried")
    var freeBytes: UInt64 = 0
    /// The file system keeps its files in memory.
    var isInMemory = false
    /// The log can be written past the page cache.
    var writesDirectly = true
    /// The kernel's congestion control for TCP, and those that a process may choose instead (tcp(7)); empty: it does not say.
    var congestion = "", congestionChoices = ""
    /// The CPUs that this process may use; nil: the system does not say.
    var cpus: CPUList?
    var listen = ""
    var address = Address.refused("not tried")

    /// Writes and syncs so often for the disk's time.
    static let syncs = 100
    /// 4 KiB: what a small batch takes with its log entry.
    static let syncBytes = 4096

    /// Reads this machine. `data` is made when it is missing, as the node would; `provider` and `host` as in the node's file.
    static func read(data: String, provider: String, host: String) -> DoctorMachine {
        var machine = DoctorMachine()
        machine.fabricVersion = FabricOffer.version
        machine.providers = FabricOffer.providers()
        machine.devices = RDMADevice.all()
        machine.hasVerbsFiles = unsafe access("/dev/infiniband", F_OK) == 0
        machine.connectionFailure = machine.devices.isEmpty ? nil : RDMADevice.connectionFailure()
        machine.lockedBytes = limit(__RLIMIT_MEMLOCK)
        machine.mayLockAll = mayLockAll()
        machine.openFiles = limit(RLIMIT_NOFILE)
        machine.congestion = tcp("congestion_control")
        machine.congestionChoices = tcp("allowed_congestion_control")
        machine.cpus = CPUList.allowed()
        machine.data = data
        machine.readDisk()
        machine.listen = host
        do throws(TransportError) { machine.address = .served(by: try FabricOffer.serves(provider, host: host)) } catch {
            machine.address = .refused("\(error)")
        }
        return machine
    }

    /// The soft limit; nil where there is none (getrlimit).
    private static func limit(_ what: __rlimit_resource) -> UInt64? {
        var limits = rlimit()
        guard unsafe getrlimit(__rlimit_resource_t(what.rawValue), &limits) == 0, limits.rlim_cur != .max else { return nil }
        return UInt64(limits.rlim_cur)
    }

    /// A setting of the kernel's TCP over IPv4, which holds for IPv6 as well; empty where it does not say.
    private static func tcp(_ name: String) -> String {
        guard let text = try? Descriptor.contents(of: "/proc/sys/net/ipv4/tcp_" + name, limit: 256) else { return "" }
        return String(decoding: text.filter { $0 >= 0x20 && $0 < 0x7f }, as: UTF8.self)
    }

    /// CAP_IPC_LOCK among this process's effective capabilities (/proc/self/status, capabilities(7)).
    private static func mayLockAll() -> Bool {
        guard let text = try? Descriptor.contents(of: "/proc/self/status", limit: 1 << 16) else { return false }
        let words = String(decoding: text, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix("CapEff:") }
        let bits = words.flatMap { UInt64($0.dropFirst(7).filter { !$0.isWhitespace }, radix: 16) } ?? 0
        return bits & 1 << 14 != 0
    }

    /// Writes into a file of its own in the data's directory, which is taken away again (fdatasync, statfs).
    private mutating func readDisk() {
        let path = data + "/doctor-\(getpid())"
        do throws(SystemFault) {
            try Self.makeDirectories(data)
            let file = unsafe Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_EXCL, 0o600)
            guard file >= 0 else { throw SystemFault("open", errno) }
            defer {
                close(file)
                unsafe unlink(path)
            }
            var system = statfs()
            if unsafe fstatfs(file, &system) == 0 {
                freeBytes = UInt64(system.f_bavail) * UInt64(system.f_bsize)
                isInMemory = system.f_type == 0x0102_1994
            }
            guard squall_fallocate(file, 0, off_t(Self.syncs * Self.syncBytes)) == 0 else { throw SystemFault("fallocate", errno) }
            let block = [UInt8](repeating: 0x5a, count: Self.syncBytes)
            var times: [UInt64] = []
            for k in 0..<Self.syncs {
                let start = monotonicNow()
                let written = unsafe pwrite(file, block, block.count, off_t(k * Self.syncBytes))
                guard written == block.count else { throw SystemFault("write", written < 0 ? errno : ENOSPC) }
                guard fdatasync(file) == 0 else { throw SystemFault("fdatasync", errno) }
                times.append(monotonicNow() - start)
            }
            writesDirectly = RealDisk.appendsDirectly(to: file, bytes: Self.syncs * Self.syncBytes)
            times.sort()
            diskTime = .microseconds(median: Int(times[times.count / 2] / 1000), longest: Int(times[times.count - 1] / 1000))
        } catch { diskTime = .failed(error.description) }
    }
    /// The directory and those above it (mkdir).
    private static func makeDirectories(_ path: String) throws(SystemFault) {
        var made = path.hasPrefix("/") ? "" : "."
        for part in path.split(separator: "/") {
            made += "/" + part
            guard unsafe mkdir(made, 0o700) == 0 || errno == EEXIST else { throw SystemFault("mkdir \(made)", errno) }
        }
    }
}
