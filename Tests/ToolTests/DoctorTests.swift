import Foundation
import Testing
import Topics
import Transport

@testable import dbroker

@Suite struct DoctorTests {
    /// A machine with one RoCE device that is all as it should be.
    static var sound: DoctorMachine {
        var machine = DoctorMachine()
        machine.fabricVersion = "1.17"
        machine.providers = ["verbs", "tcp"]
        machine.devices = [RDMADevice(name: "mlx5_0", ports: [port])]
        machine.devices[0].endpoints = 131_072
        machine.hasVerbsFiles = true
        machine.openFiles = 65_536
        machine.data = "/var/lib/squall"
        machine.diskTime = .microseconds(median: 80, longest: 700)
        machine.freeBytes = 1 << 40
        machine.listen = "10.0.0.1"
        machine.address = .served(by: "verbs")
        return machine
    }
    static let port = RDMADevice.Port(
        number: 1, state: "PORT_ACTIVE", isActive: true, isEthernet: true, mtu: 4096,
        gids: [.init(address: "fe80::1", isIPv4: false, kind: "RoCE v2"), .init(address: "10.0.0.1", isIPv4: true, kind: "RoCE v2")])
    static let needs = DoctorNeeds(provider: "verbs", members: 3, ring: 4 << 20, messageRing: 4 << 20)

    @Test func aSoundMachineHasNothingToSayAgainst() {
        let found = DoctorFindings.judge(Self.sound, Self.needs)
        #expect(found.allSatisfy { $0.grade == .fine && $0.remedy.isEmpty }, "\(found)")
        #expect(DoctorText.lines(found).hasSuffix("\nnothing keeps this node from working"))
        #expect(found.contains { $0.about == "mlx5_0" && $0.text.contains("10.0.0.1") })
    }

    struct Ailment: Sendable {
        let word: String
        let remedy: String
        let change: @Sendable (inout DoctorMachine) -> Void
        init(_ word: String, _ remedy: String, _ change: @escaping @Sendable (inout DoctorMachine) -> Void) {
            (self.word, self.remedy, self.change) = (word, remedy, change)
        }
    }
    static let ailments = [
        Ailment("has no provider", "libfabric1") { $0.providers = [] },
        Ailment("no verbs provider", "ibverbs-providers") { $0.providers = ["tcp"] },
        Ailment("no RDMA device", "driver") { ($0.devices, $0.providers) = ([], ["tcp"]) },
        Ailment("cannot be opened: Permission denied", "uverbs") { $0.devices[0] = RDMADevice(name: "mlx5_0", failure: "Permission denied") },
        Ailment("cannot be opened", "modprobe ib_uverbs") {
            $0.devices[0] = RDMADevice(name: "mlx5_0", failure: "No such file or directory")
            $0.hasVerbsFiles = false
        },
        Ailment("not active: PORT_DOWN", "ip link") { ($0.devices[0].ports[0].isActive, $0.devices[0].ports[0].state) = (false, "PORT_DOWN") },
        Ailment("not active", "subnet manager") {
            $0.devices[0].ports[0].isActive = false
            $0.devices[0].ports[0].isEthernet = false
        },
        Ailment("no IPv4 address", "ip address add") { $0.devices[0].ports[0].gids.removeLast() },
        Ailment("librdmacm", "rdma_ucm") { $0.connectionFailure = "No such file or directory" },
        Ailment("served by nobody", "network interface") { $0.address = .refused("nobody") },
        Ailment("names none", "network interface") { $0.listen = "0.0.0.0" },
        Ailment("at most 8 MiB may be locked", "ulimit -l") { $0.lockedBytes = 8 << 20 },
        Ailment("cannot be written: open: Permission denied", "may write") { $0.diskTime = .failed("open: Permission denied") },
    ]
    @Test func pacingIsWorthANoteWhereNothingElseMayBeChosen() {
        var machine = Self.sound
        (machine.congestion, machine.congestionChoices) = ("bbr", "bbr")
        #expect(!DoctorFindings.judge(machine, Self.needs).contains { $0.about == "tcp" })
        machine.address = .served(by: "tcp")
        let found = DoctorFindings.judge(machine, Self.needs).filter { $0.about == "tcp" }
        #expect(found.map(\.grade) == [.note] && found[0].remedy.contains("cubic"), "\(found)")
        machine.congestionChoices = "reno bbr"
        #expect(!DoctorFindings.judge(machine, Self.needs).contains { $0.about == "tcp" })
        (machine.congestion, machine.congestionChoices) = ("cubic", "cubic")
        #expect(!DoctorFindings.judge(machine, Self.needs).contains { $0.about == "tcp" })
    }

    @Test func cpusThatAreNotThereAreAProblem() {
        var (machine, needs) = (Self.sound, Self.needs)
        machine.cpus = CPUList([0, 1, 2, 3])
        func found() -> [DoctorFinding] { DoctorFindings.judge(machine, needs).filter { $0.about == "cpus" } }
        #expect(found().isEmpty)
        needs.cpus = CPUList([2, 3])
        #expect(found().map(\.grade) == [.fine])
        needs.cpus = CPUList([3, 4, 5])
        #expect(found().map(\.grade) == [.problem] && found()[0].text == "3-5: 4-5 are not there, or not for this process, which may use 0-3", "\(found())")
        (needs.cpus, needs.poll) = (CPUList([3]), .busy)
        #expect(found().map(\.grade) == [.note] && found()[0].remedy.contains("two"))
        needs.cpus = CPUList([2, 3])
        #expect(found().map(\.grade) == [.fine])
        // Where the system does not say, nothing is held against it.
        (machine.cpus, needs.cpus, needs.poll) = (nil, CPUList([900]), .adaptive)
        #expect(found().map(\.grade) == [.fine])
    }

    @Test(arguments: ailments.indices)
    func eachAilmentIsAProblemWithItsRemedy(_ index: Int) throws {
        let ailment = Self.ailments[index]
        var machine = Self.sound
        ailment.change(&machine)
        let found = DoctorFindings.judge(machine, Self.needs)
        let problem = try #require(found.first { $0.grade == .problem && $0.text.contains(ailment.word) }, "\(found)")
        #expect(problem.remedy.contains(ailment.remedy), "\(problem.remedy)")
    }

    @Test func withoutRDMATheAutomaticChoiceIsNoProblem() {
        var machine = Self.sound
        (machine.devices, machine.providers, machine.address) = ([], ["tcp"], .served(by: "tcp"))
        machine.lockedBytes = 64 << 10
        var needs = Self.needs
        needs.provider = "auto"
        let found = DoctorFindings.judge(machine, needs)
        #expect(found.allSatisfy { $0.grade != .problem })
        #expect(found.contains { $0.grade == .note && $0.text.contains("Squall uses tcp") })
    }

    @Test func whatOnlySlowsItDownIsANote() {
        var machine = Self.sound
        machine.diskTime = .microseconds(median: 33_000, longest: 90_000)
        (machine.isInMemory, machine.freeBytes, machine.openFiles, machine.writesDirectly) = (true, 1 << 20, 1024, false)
        machine.devices[0].ports[0].mtu = 512
        // Room for the nodes, not for many clients.
        machine.lockedBytes = 64 << 20
        let notes = DoctorFindings.judge(machine, Self.needs).filter { $0.grade == .note }
        #expect(notes.map(\.about) == ["disk", "disk", "disk", "disk", "mlx5_0", "memory", "files"])
        #expect(!DoctorFindings.judge(machine, Self.needs).contains { $0.grade == .problem })
        #expect(notes[0].text.contains("33 ms"))
    }

    @Test func whoMayLockAllNeedsNoLimit() {
        var machine = Self.sound
        (machine.lockedBytes, machine.mayLockAll) = (8 << 20, true)
        #expect(DoctorFindings.judge(machine, Self.needs).allSatisfy { $0.grade == .fine })
    }

    @Test func lockedMemoryCountsRingsAndMirrorsOfEachLink() {
        #expect(Self.needs.lockedBytes(clients: 0) == (4 + 2 * (8 + 4)) << 20)
        #expect(Self.needs.lockedBytes(clients: 2) - Self.needs.lockedBytes(clients: 0) == 16 << 20)
    }

    @Test func theReportParsesAndSaysTheSame() throws {
        var machine = Self.sound
        machine.address = .refused("a \"quoted\" reason")
        let found = DoctorFindings.judge(machine, Self.needs)
        let text = DoctorText.json(machine, found)
        let report = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        #expect(report["ok"] as? Bool == false && report["sync_median_us"] as? Int == 80 && report["writes_directly"] as? Bool == true)
        let findings = try #require(report["findings"] as? [[String: String]])
        #expect(findings.map { $0["text"] } == found.map { Optional($0.text) })
        let devices = try #require(report["devices"] as? [[String: Any]])
        #expect(devices.first?["name"] as? String == "mlx5_0" && !text.contains("\n"))
    }

    @Test func thisMachineIsReadAndItsDirectoryLeftAsItWas() throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("doctor-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let machine = DoctorMachine.read(data: directory + "/a/b", provider: "tcp", host: "127.0.0.1")
        #expect(machine.providers.contains("tcp") && machine.address == .served(by: "tcp"))
        guard case .microseconds(let median, let longest) = machine.diskTime else {
            Issue.record("\(machine.diskTime)")
            return
        }
        #expect(median <= longest && machine.freeBytes > 0)
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory + "/a/b").isEmpty)
        #expect(DoctorMachine.read(data: directory, provider: "tcp", host: "192.0.2.77").address != .served(by: "tcp"))
        #expect(DoctorMachine.read(data: "/proc/nowhere", provider: "tcp", host: "127.0.0.1").diskTime != machine.diskTime)
    }
}
