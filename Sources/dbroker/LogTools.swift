import ArgumentParser
import Broker
import Storage
import Tooling
import Wire

/// What looks into a node's log while the node is stopped, or into a copy of its data.
struct LogTools: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "log",
        abstract: "Read a stopped node's log: print it, or verify every byte of it.",
        subcommands: [LogVerify.self, LogDump.self])
}

/// A node's data directory, opened for reading only; status 73.
func openFolder(_ path: String) throws(ToolFailure) -> RealDisk {
    do throws(StorageError) { return try RealDisk(reading: path) } catch { throw ToolFailure(.disk, "\(error)") }
}

struct LogVerify: ParsableCommand, Tool {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Read a log to the last byte and say what is not as it was written.",
        discussion: """
            Checksums, chains, neighbours, saved states and the clean end; where the log is signed, each signature and the hash of what is
            below it, and the same with the signatures of the cluster's other nodes. Nothing is written. Status 0: as it was written;
            1: a problem, each with file, offset and entries; 73: it cannot be read, or the node runs.

            dbroker log verify /var/lib/squall
            dbroker log verify /var/lib/squall --key 1=$KEY1 copies/node-2 --key 2=$KEY2
            """)
    @Argument(help: "A node's data directory.", completion: .directory) var data: String
    @Argument(help: "Other nodes' data directories, to compare with.", completion: .directory) var others: [String] = []
    @Option(
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp("The public key that a node is known by (its start says it); repeat for more.", valueName: "node=key"))
    var key: [String] = []
    @Flag(name: [.customShort("J"), .long], help: "As JSON, an object for each directory.") var json = false

    func perform() throws(ToolFailure) -> ExitStatus {
        let keys = try knownKeys()
        var isWhole = true
        let folders = [data] + others
        for (index, folder) in folders.enumerated() {
            let others = folders.enumerated().filter { $0.offset != index }.map(\.element)
            var report = try audit(folder, against: others)
            judge(&report, keys)
            isWhole = isWhole && report.problems == 0
            _ = Descriptor.writeLine(json ? LogText.json(folder, report) : LogText.lines(folder, report, keys), to: 1)
        }
        return isWhole ? .done : .failed
    }

    private func knownKeys() throws(ToolFailure) -> [NodeID: PublicKey] {
        var keys: [NodeID: PublicKey] = [:]
        for text in key {
            let parts = text.split(separator: "=", maxSplits: 1)
            guard parts.count == 2, let node = UInt16(parts[0]), let key = PublicKey(text: String(parts[1])) else {
                throw .usage("--key: \"\(text)\" is not NODE=KEY, a number and 64 hexadecimal digits")
            }
            keys[NodeID(node)] = key
        }
        return keys
    }

    private func audit(_ folder: String, against others: [String]) throws(ToolFailure) -> AuditReport {
        var disks: [RealDisk] = []
        for path in [folder] + others { disks.append(try openFolder(path)) }
        do throws(StorageError) {
            var witnesses: [SignatureReader<RealDisk>] = []
            for disk in disks.dropFirst() {
                do throws(StorageError) {
                    if let reader = try SignatureReader(disk, group: .durable) { witnesses.append(reader) }
                } catch {
                    // What is wrong there is said of that folder.
                    guard case .damage = error.kind else { throw error }
                }
            }
            defer { for witness in witnesses { witness.close() } }
            var audit = try LogAudit(disks[0], group: .durable, witnesses: witnesses)
            return try audit.run { bytes in
                do throws(DecodeError) { _ = try bytes.withView { view throws(DecodeError) in try GroupState(group: .durable, decoding: view) } } catch {
                    return "\(error)"
                }
                return nil
            }
        } catch { throw ToolFailure(.disk, "\(folder): \(error)") }
    }

    /// With the keys that were given.
    private func judge(_ report: inout AuditReport, _ keys: [NodeID: PublicKey]) {
        guard !keys.isEmpty else { return }
        let what: String
        if let by = report.signatures {
            guard let known = keys[by.node], known != by.key else { return }
            what = "signed with key \(by.key), and node \(by.node.raw)'s is \(known)"
        } else {
            what = "there are no signatures that can be verified"
        }
        report.findings.append(AuditFinding(isProblem: true, file: "", offset: nil, entries: .zero ..< .zero, what: what))
    }
}

struct LogDump: ParsableCommand, Tool {
    static let configuration = CommandConfiguration(
        commandName: "dump",
        abstract: "Print a log's entries and their records.",
        discussion: """
            An entry a line, its records below it: number, file and offset, bytes, time, node, view; then each record's offset, topic, key
            and payload. What does not read back is said on standard error, and left out; status 1 then. Nothing is written.

            dbroker log dump /var/lib/squall --from 1200 --to 1300
            dbroker log dump /var/lib/squall -t 'plant/#' -J
            """)
    @Argument(help: "A node's data directory.", completion: .directory) var data: String
    @Option(help: ArgumentHelp("The first entry.", valueName: "entry")) var from: UInt64 = 0
    @Option(help: ArgumentHelp("The entry to end before.", valueName: "entry")) var to: UInt64?
    @Option(name: .shortAndLong, help: ArgumentHelp("Only records of this topic, or of topics that match.", valueName: "topic")) var topic: String?
    @Flag(name: [.customShort("J"), .long], help: "As JSON, an object for each entry.") var json = false

    func perform() throws(ToolFailure) -> ExitStatus {
        let disk = try openFolder(data)
        if let to, to < from { throw .usage("--to: \(to) is below --from \(from)") }
        do throws(DumpFailure) {
            var dump = try LogPrinter(disk, from: EntryNumber(from), to: EntryNumber(to ?? .max), topic: topic, json: json)
            return try dump.run() ? .done : .failed
        } catch {
            switch error {
            case .storage(let error): throw ToolFailure(.disk, "\(data): \(error)")
            case .pattern(let what): throw .usage("-t: \(what)")
            case .output(.closed): return .done
            case .output(.failed(let fault)): throw ToolFailure(.failed, "standard output: \(fault.reason)")
            }
        }
    }
}
