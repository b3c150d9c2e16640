import ArgumentParser
import Client
import Foundation
import Tooling

/// Takes a node out of the view by a planned change: nothing is suspected, nothing waits for a timeout.
struct Leave: ParsableCommand, Tool {
    static let configuration = CommandConfiguration(
        abstract: "Let a node leave the cluster until it is started again.",
        discussion: """
            The node keeps its data and ends with status 0. What is acknowledged stays acknowledged: the others hold all of it
            before they go on. Refused where the others would be no quorum of the view.

            dbroker leave                          # the node on this machine
            dbroker leave 3 -b 192.0.2.1:7420      # node 3, by way of any node
            """)
    @Argument(help: ArgumentHelp("The node's number. Default: the broker that is asked.", valueName: "node")) var node: UInt16?
    @OptionGroup var connection: ConnectionFlags

    func perform() throws(ToolFailure) -> ExitStatus {
        let options = try connection.resolve()
        if node == nil, options.brokers.count > 1 {
            throw .usage("more than one broker is named: say which node is to leave")
        }
        let leaver = if let node { node } else { try whoAnswers() }
        do throws(ClientError) {
            let view = try release(options, node: leaver)
            let members = view.members.map(String.init).joined(separator: " ")
            _ = Descriptor.writeLine("node \(leaver) has left: view \(view.number) [\(members)] goes on without it", to: 1)
            return .done
        } catch { throw ToolFailure(status: error.exitStatus, error.description) }
    }

    private func whoAnswers() throws(ToolFailure) -> UInt16 {
        struct Named: Decodable { let node: UInt16 }
        let answer = try ask(connection, "status")
        guard let named = try? JSONDecoder().decode(Named.self, from: Data(answer.utf8)) else {
            throw ToolFailure(.failed, "the broker does not say which node it is: \(answer)")
        }
        return named.node
    }
}
