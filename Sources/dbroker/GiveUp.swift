import ArgumentParser
import Client
import Tooling

struct GiveUp: ParsableCommand, Tool {
    static let configuration = CommandConfiguration(
        commandName: "give-up",
        abstract: "Let a node take what it has for all there is, where the disks that had more are lost.",
        discussion: """
            Of a topic with `replicas: N` N nodes keep the records. Where the disks of all of them are lost, whoever reads the topic
            waits: `dbroker status` says so, as readers that wait and buckets that are still to be fetched. This ends the
            waiting, at the node that is asked: what no node has is read as if it had been cleaned. Nothing that some node has goes.

            dbroker give-up -b 192.0.2.3           # every node of the cluster is there
            dbroker give-up -b 192.0.2.3 --force   # those that are not will not come back
            """)
    @Flag(help: "Nodes that are away will not come back.") var force = false
    @OptionGroup var connection: ConnectionFlags

    func perform() throws(ToolFailure) -> ExitStatus {
        let options = try connection.resolve()
        guard options.brokers.count == 1 else { throw .usage("more than one broker is named: say which node is to give up") }
        do throws(ClientError) {
            let buckets = try giveUp(options, force: force)
            let text = buckets == 0 ? "nothing is given up: what this node is to hold it has, or another node has it" : "given up: \(buckets) buckets of topics that no node has whole"
            _ = Descriptor.writeLine(text, to: 1)
            return .done
        } catch { throw ToolFailure(status: error.exitStatus, error.description) }
    }
}
