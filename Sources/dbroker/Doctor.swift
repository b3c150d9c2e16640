import ArgumentParser
import Foundation
import Tooling
import Topics
import Transport

struct Doctor: ParsableCommand, Tool {
    static let configuration = CommandConfiguration(
        abstract: "Say what of this machine would keep a node, or RDMA, from working.",
        discussion: """
            Reads libfabric's providers, RDMA devices with their ports and addresses, limits on memory and files, and how long the
            disk takes to sync. Status 1 when there is a problem; notes are not problems.

            dbroker doctor                               # the node that dbroker alone would run
            dbroker doctor --config node-1.yaml          # that node
            dbroker doctor --listen 10.0.0.1 --provider verbs --data /var/lib/squall
            """)
    @Option(name: .shortAndLong, help: ArgumentHelp("The node's file.", valueName: "file")) var config: String?
    @Option(help: ArgumentHelp("Data directory, instead of the file's.", valueName: "directory")) var data: String?
    @Option(help: ArgumentHelp("Address to listen at, instead of the file's.", valueName: "host")) var listen: String?
    @Option(help: ArgumentHelp("auto, tcp or verbs, instead of the file's.", valueName: "name")) var provider: String?
    @Flag(name: [.customShort("J"), .long], help: "As JSON.") var json = false

    func perform() throws(ToolFailure) -> ExitStatus {
        let node = try node()
        let needs = DoctorNeeds(
            provider: node.provider, members: node.members.count, ring: node.ring,
            messageRing: TransportOptions(cluster: "", secret: [], identity: .client(0, name: "")).messageRing,
            cpus: node.cpus, poll: node.poll)
        let machine = DoctorMachine.read(data: node.data, provider: node.provider, host: node.listen.host)
        let found = DoctorFindings.judge(machine, needs)
        _ = Descriptor.writeLine(json ? DoctorText.json(machine, found) : DoctorText.lines(found), to: 1)
        return found.contains { $0.grade == .problem } ? .failed : .done
    }

    private func node() throws(ToolFailure) -> NodeConfiguration {
        var node: NodeConfiguration
        if let config {
            let text = try readText(config)
            do throws(ConfigurationError) { node = try NodeConfiguration.parse(text, file: config) } catch {
                throw ToolFailure(.configuration, "\(error)")
            }
        } else {
            node = .embedded(data: try Environment.data())
        }
        if let data { node.data = data }
        if let provider { node.provider = provider }
        if let listen { node.listen = HostPort(host: listen, port: node.listen.port) }
        return node
    }
}

/// The findings for people, and for programs.
enum DoctorText {
    /// One line for each finding, what to do about it below; the last line counts.
    static func lines(_ found: [DoctorFinding]) -> String {
        let width = found.map(\.about.count).max() ?? 0
        var lines: [String] = []
        for finding in found {
            lines.append("\(pad(finding.grade.rawValue, 7))  \(pad(finding.about, width))  \(finding.text)")
            if !finding.remedy.isEmpty { lines.append("\(pad("", 9 + width))  → \(finding.remedy)") }
        }
        let problems = found.count { $0.grade == .problem }
        lines.append("")
        lines.append(problems == 0 ? "nothing keeps this node from working" : problems == 1 ? "1 problem" : "\(problems) problems")
        return lines.joined(separator: "\n")
    }
    private static func pad(_ text: String, _ width: Int) -> String { text + String(repeating: " ", count: max(0, width - text.count)) }

    private struct Report: Encodable {
        struct Finding: Encodable { let grade, about, text, remedy: String }
        struct GID: Encodable { let address, kind: String }
        struct Port: Encodable { let port: Int; let active: Bool; let state: String; let ethernet: Bool; let mtu: Int; let gids: [GID] }
        struct Device: Encodable { let name: String; let failure: String?; let endpoints, completions, regions: Int; let region_bytes: UInt64; let ports: [Port] }
        let ok: Bool
        let libfabric: String
        let providers: [String]
        let devices: [Device]
        let locked_bytes: UInt64?
        let open_files: UInt64?
        let congestion: String?
        let cpus: String?
        let sync_median_us: Int?
        let sync_longest_us: Int?
        let writes_directly: Bool?
        let findings: [Finding]
    }
    static func json(_ machine: DoctorMachine, _ found: [DoctorFinding]) -> String {
        var times: (median: Int, longest: Int)?
        if case .microseconds(let median, let longest) = machine.diskTime { times = (median, longest) }
        let devices = machine.devices.map { device in
            Report.Device(
                name: device.name, failure: device.failure, endpoints: device.endpoints, completions: device.completions,
                regions: device.regions, region_bytes: device.regionBytes,
                ports: device.ports.map { port in
                    .init(
                        port: port.number, active: port.isActive, state: port.state, ethernet: port.isEthernet, mtu: port.mtu,
                        gids: port.gids.map { .init(address: $0.address, kind: $0.kind) })
                })
        }
        let report = Report(
            ok: !found.contains { $0.grade == .problem }, libfabric: machine.fabricVersion, providers: machine.providers,
            devices: devices, locked_bytes: machine.mayLockAll ? nil : machine.lockedBytes, open_files: machine.openFiles,
            congestion: machine.congestion.isEmpty ? nil : machine.congestion, cpus: machine.cpus?.description, sync_median_us: times?.median, sync_longest_us: times?.longest,
            writes_directly: times.map { _ in machine.writesDirectly },
            findings: found.map { .init(grade: $0.grade.rawValue, about: $0.about, text: $0.text, remedy: $0.remedy) })
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Strings and numbers only: nothing of it can fail to be encoded.
        guard let data = try? encoder.encode(report) else { return "{}" }
        return String(decoding: data, as: UTF8.self)
    }
}
