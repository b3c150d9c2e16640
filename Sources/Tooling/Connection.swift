package import ArgumentParser
package import Client

/// The flags that say how to reach the cluster; the same for every tool.
package struct ConnectionFlags: ParsableArguments {
    @Option(
        name: [.customShort("b"), .customLong("broker")],
        help: ArgumentHelp(
            "Any brokers; the client learns the rest. Default: SQUALL_BROKERS, else 127.0.0.1:7420.", valueName: "host:port,..."))
    package var brokers: String?

    @Option(help: ArgumentHelp("libfabric provider: auto, tcp, verbs. Default: SQUALL_PROVIDER, else auto.", valueName: "name"))
    package var provider: String?

    @Option(help: ArgumentHelp("How long to look for a broker, at the start and after one was lost.", valueName: "sec"))
    package var patience: Double = 10

    package init() {}

    /// The client's options; the secret is read from the file that SQUALL_SECRET_FILE names. Status 64 or 78.
    package func resolve(_ environment: (String) -> String? = Environment.value) throws(ToolFailure) -> ClientOptions {
        var options = ClientOptions(brokers: try resolveBrokers(environment))
        let chosen = provider ?? environment("SQUALL_PROVIDER") ?? "auto"
        guard !chosen.isEmpty else { throw .usage("--provider: the name is empty") }
        options.provider = chosen
        guard patience.isFinite, patience >= 0, patience <= 1_000_000 else {
            throw .usage("--patience: \(patience) is not a number of seconds from 0 to 1,000,000")
        }
        options.patience = patience
        switch environment("SQUALL_SHARED_MEMORY") ?? "" {
        case "", "yes": break
        case "no": options.sharesMemory = false
        case let other: throw ToolFailure(.configuration, "SQUALL_SHARED_MEMORY: \"\(other)\" is neither yes nor no")
        }
        if let path = environment("SQUALL_SECRET_FILE"), !path.isEmpty { options.secret = try readSecret(path) }
        return options
    }

    private func resolveBrokers(_ environment: (String) -> String?) throws(ToolFailure) -> [BrokerAddress] {
        do throws(BrokerListFault) {
            if let brokers { return try parseBrokers(brokers) }
        } catch {
            throw .usage("--broker: \(error.message)")
        }
        guard let text = environment("SQUALL_BROKERS"), !text.isEmpty else { return [BrokerAddress(host: "127.0.0.1")] }
        do throws(BrokerListFault) {
            return try parseBrokers(text)
        } catch {
            throw ToolFailure(.configuration, "SQUALL_BROKERS: \(error.message)")
        }
    }
}

package struct BrokerListFault: Error, Equatable {
    package let message: String
}

/// `host`, `host:port`, `[::1]:port`, several with commas between.
package func parseBrokers(_ text: String) throws(BrokerListFault) -> [BrokerAddress] {
    var brokers: [BrokerAddress] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
        let entry = part.drop { $0 == " " }
        guard !entry.isEmpty else { throw BrokerListFault(message: "\"\(text)\" has an empty entry") }
        let host: Substring
        let rest: Substring
        if entry.first == "[" {
            guard let end = entry.firstIndex(of: "]") else { throw BrokerListFault(message: "\"\(entry)\" lacks the closing bracket") }
            host = entry[entry.index(after: entry.startIndex)..<end]
            rest = entry[entry.index(after: end)...]
        } else {
            host = entry.prefix { $0 != ":" }
            rest = entry.dropFirst(host.count)
        }
        guard !host.isEmpty else { throw BrokerListFault(message: "\"\(entry)\" has no host") }
        if rest.isEmpty {
            brokers.append(BrokerAddress(host: String(host)))
            continue
        }
        guard rest.first == ":", !rest.dropFirst().contains(":") else {
            throw BrokerListFault(message: "\"\(entry)\" is not host:port (write IPv6 addresses in brackets)")
        }
        let digits = rest.dropFirst()
        guard digits.allSatisfy({ $0.isASCII && $0.isNumber }), let port = UInt16(digits), port > 0 else {
            throw BrokerListFault(message: "\"\(entry)\" has no port from 1 to 65,535")
        }
        brokers.append(BrokerAddress(host: String(host), port: port))
    }
    return brokers
}

/// The secret in the file at `path`, without the newline at its end.
package func readSecret(_ path: String) throws(ToolFailure) -> [UInt8] {
    var bytes: [UInt8]
    do throws(SystemFault) {
        bytes = try Descriptor.contents(of: path, limit: 65_536)
    } catch {
        throw ToolFailure(.configuration, "SQUALL_SECRET_FILE: \(path): \(error.reason)")
    }
    while let last = bytes.last, last == UInt8(ascii: "\n") || last == UInt8(ascii: "\r") { bytes.removeLast() }
    guard !bytes.isEmpty else { throw ToolFailure(.configuration, "SQUALL_SECRET_FILE: \(path): the file is empty") }
    return bytes
}
