import CSystem
import Glibc
import Tooling
import Topics

/// The CPUs of this machine that threads run on.
extension CPUList {
    private static let setBytes = most / 8

    /// Those that this process may use; nil where the system does not say.
    static func allowed() -> CPUList? {
        var set = [UInt8](repeating: 0, count: setBytes)
        guard unsafe set.withUnsafeMutableBytes({ unsafe squall_get_cpus($0.baseAddress, $0.count) }) == 0 else { return nil }
        return CPUList((0..<most).filter { set[$0 / 8] >> ($0 % 8) & 1 != 0 })
    }

    /// This thread, and each that it starts from here on, runs on these CPUs alone.
    func hold() throws(ToolFailure) {
        if let why = fault(among: Self.allowed()) { throw ToolFailure(.configuration, "cpus: \(self): \(why); change cpus in the node's file, or leave it out") }
        var set = [UInt8](repeating: 0, count: Self.setBytes)
        for number in numbers { set[number / 8] |= 1 << (number % 8) }
        guard unsafe set.withUnsafeBytes({ unsafe squall_set_cpus($0.baseAddress, $0.count) }) == 0 else {
            throw ToolFailure(.configuration, "cpus: \(self): \(SystemFault("sched_setaffinity", errno).reason)")
        }
    }

    /// Why a process that may use `allowed` cannot run on these; nil: it can.
    func fault(among allowed: CPUList?) -> String? {
        guard let allowed else { return nil }
        let missing = CPUList(numbers.filter { !allowed.numbers.contains($0) })
        guard !missing.numbers.isEmpty else { return nil }
        return "\(missing) \(missing.numbers.count == 1 ? "is" : "are") not there, or not for this process, which may use \(allowed)"
    }
}
