import ArgumentParser
import Client
import Glibc
import Tooling
import Topics
import Wire

@main
struct Dbroker: ParsableCommand, Tool {
    static let configuration = CommandConfiguration(
        commandName: "dbroker",
        abstract: "A node of Squall, a durable, totally ordered topic broker.",
        discussion: """
            Without a command it runs one node by itself, with its data under the user's state directory and the topics of
            ./topics.yaml if there is one: dpub and dsub then work with no further setting.

            dbroker
            dbroker run --config node-1.yaml
            dbroker check topics.yaml
            dbroker status --watch -b 127.0.0.1:7421
            dbroker consumers
            dbroker leave 3 -b 127.0.0.1:7421
            dbroker fold --dry-run topics.yaml
            dbroker doctor --config node-1.yaml
            dbroker put plant/m1/limit 80; dbroker get plant/m1/limit
            dbroker list 'plant/#' --as-of -5m
            dbroker log verify /var/lib/squall
            """,
        version: toolVersion,
        subcommands: [
            Run.self, Check.self, Status.self, Topics.self, Consumers.self, Leave.self, GiveUp.self, Groups.self, Fold.self, Doctor.self,
            Get.self, Put.self, List.self, Remove.self, LogTools.self,
        ])

    func perform() throws(ToolFailure) -> ExitStatus {
        let configuration = NodeConfiguration.embedded(data: try Environment.data())
        var topics = TopicsConfiguration.standard
        if unsafe access("topics.yaml", R_OK) == 0 { topics = try readTopics("topics.yaml") }
        return try Life(configuration: configuration, declared: topics, secret: [], acceptsLoss: false).run()
    }

    static func main() { runToExit() }
}

extension Environment {
    /// Where a node without a file keeps its data: under the user's state directory.
    static func data() throws(ToolFailure) -> String {
        guard let base = value("XDG_STATE_HOME") ?? value("HOME").map({ $0 + "/.local/state" }) else {
            throw ToolFailure(.configuration, "neither XDG_STATE_HOME nor HOME is set; use run --config FILE")
        }
        return base + "/squall"
    }
}

/// Reads a text file of at most 4 MiB; status 78.
func readText(_ path: String) throws(ToolFailure) -> String {
    do throws(SystemFault) {
        let bytes = try Descriptor.contents(of: path, limit: 4 << 20)
        guard let text = bytes.withView({ $0.validText }) else { throw SystemFault("read", EILSEQ) }
        return text
    } catch {
        throw ToolFailure(.configuration, "\(path): \(error.reason)")
    }
}

func readTopics(_ path: String) throws(ToolFailure) -> TopicsConfiguration {
    let text = try readText(path)
    do throws(ConfigurationError) { return try TopicsConfiguration.parse(text, file: path) } catch {
        throw ToolFailure(.configuration, "\(error)")
    }
}

struct Run: ParsableCommand, Tool {
    static let configuration = CommandConfiguration(abstract: "Run a node from its configuration file.")
    @Option(name: .shortAndLong, help: ArgumentHelp("The node's file; see docs/CONFIGURATION.md.", valueName: "file"))
    var config: String
    @Flag(help: ArgumentHelp(
        "After disks were lost for good: take part though this node's disk is new.",
        discussion: """
            A node whose disk is not the one that it had waits for the others to go on without it, since what was on that disk may be on one that is \
            away. Where those will not come back, this begins with what the nodes that are here have; what only the others had is lost.
            """))
    var acceptLoss = false

    func perform() throws(ToolFailure) -> ExitStatus {
        let text = try readText(config)
        let configuration: NodeConfiguration
        do throws(ConfigurationError) { configuration = try NodeConfiguration.parse(text, file: config) } catch {
            throw ToolFailure(.configuration, "\(error)")
        }
        let topics = try configuration.topics.map { path throws(ToolFailure) in try readTopics(path) } ?? .standard
        let secret = try configuration.secretFile.map { path throws(ToolFailure) in try readSecret(path) } ?? []
        return try Life(configuration: configuration, declared: topics, secret: secret, acceptsLoss: acceptLoss).run()
    }
}

struct Check: ParsableCommand, Tool {
    static let configuration = CommandConfiguration(
        abstract: "Say what is wrong with a topics file or a node's file, line by line.")
    @Argument(help: "topics.yaml, or a node's file.") var file: String

    func perform() throws(ToolFailure) -> ExitStatus {
        let text = try readText(file)
        // A node's file says who the node is; a topics file never does.
        if text.split(separator: "\n").contains(where: { $0.hasPrefix("node:") }) {
            do throws(ConfigurationError) {
                let node = try NodeConfiguration.parse(text, file: file)
                _ = Descriptor.writeLine("\(file): \(node.node) of \(node.members.count) in cluster \(node.cluster), listening on \(node.listen)", to: 1)
            } catch { throw ToolFailure(.configuration, "\(error)") }
        } else {
            let topics = try readTopics(file)
            _ = Descriptor.writeLine("\(file): \(topics.rules.count) rules; other topics are \(topics.admit == .all ? topics.defaultLevel.name : "not admitted")", to: 1)
        }
        return .done
    }
}

struct Topics: ParsableCommand, Tool {
    static let configuration = CommandConfiguration(abstract: "List the topics.")
    @OptionGroup var connection: ConnectionFlags
    @Flag(name: [.customShort("J"), .long], help: "As JSON.") var json = false

    func perform() throws(ToolFailure) -> ExitStatus {
        let answer = try ask(connection, "topics")
        _ = Descriptor.writeLine(json ? answer : StatusText.topics(answer), to: 1)
        return .done
    }
}

func ask(_ connection: ConnectionFlags, _ what: String) throws(ToolFailure) -> String {
    let options = try connection.resolve()
    do throws(ClientError) { return try inquire(options, what) } catch {
        throw ToolFailure(status: error.exitStatus, error.description)
    }
}
