import Client
import Testing
@testable import Tooling

@Test(
    "broker lists are read",
    arguments: [
        ("a", ["a:7420"]), ("a:1", ["a:1"]), ("a:1,b", ["a:1", "b:7420"]), ("10.0.0.1:65535, b:2", ["10.0.0.1:65535", "b:2"]),
        ("[::1]:9", ["::1:9"]), ("[fe80::1]", ["fe80::1:7420"]),
    ])
func brokerListsAreRead(_ text: String, _ brokers: [String]) throws {
    #expect(try parseBrokers(text).map(\.description) == brokers)
}

@Test(
    "wrong broker lists are named",
    arguments: [
        ("", "\"\" has an empty entry"), ("a,,b", "\"a,,b\" has an empty entry"), (":1", "\":1\" has no host"), ("a:", "\"a:\" has no port from 1 to 65,535"),
        ("a:0", "\"a:0\" has no port from 1 to 65,535"), ("a:65536", "\"a:65536\" has no port from 1 to 65,535"), ("a:x", "\"a:x\" has no port from 1 to 65,535"),
        ("::1", "\"::1\" has no host"), ("fe80::1", "\"fe80::1\" is not host:port (write IPv6 addresses in brackets)"), ("[::1", "\"[::1\" lacks the closing bracket"),
        ("[::1]x", "\"[::1]x\" is not host:port (write IPv6 addresses in brackets)"), ("a:-1", "\"a:-1\" has no port from 1 to 65,535"),
    ])
func wrongBrokerListsAreNamed(_ text: String, _ message: String) {
    #expect(throws: BrokerListFault(message: message)) { try parseBrokers(text) }
}

@Test func flagsBeatTheEnvironmentAndTheEnvironmentTheDefault() throws {
    let environment = ["SQUALL_BROKERS": "e:5", "SQUALL_PROVIDER": "verbs"]
    #expect(try ConnectionFlags.reading([]).resolve { _ in nil }.brokers == [BrokerAddress(host: "127.0.0.1", port: 7420)])
    #expect(try ConnectionFlags.reading([]).resolve { environment[$0] }.brokers == [BrokerAddress(host: "e", port: 5)])
    #expect(try ConnectionFlags.reading(["-b", "f:6"]).resolve { environment[$0] }.brokers == [BrokerAddress(host: "f", port: 6)])
    #expect(try ConnectionFlags.reading([]).resolve { _ in nil }.provider == "auto")
    #expect(try ConnectionFlags.reading([]).resolve { environment[$0] }.provider == "verbs")
    #expect(try ConnectionFlags.reading(["--provider", "tcp"]).resolve { environment[$0] }.provider == "tcp")
    #expect(try ConnectionFlags.reading(["--patience", "2.5"]).resolve { _ in nil }.patience == 2.5)
}

@Test func memoryIsSharedUnlessTheEnvironmentSaysNo() throws {
    func resolve(_ value: String?) throws -> ClientOptions { try ConnectionFlags.reading([]).resolve { $0 == "SQUALL_SHARED_MEMORY" ? value : nil } }
    for value in [nil, "", "yes"] { #expect(try resolve(value).sharesMemory) }
    #expect(try !resolve("no").sharesMemory)
    #expect(throws: ToolFailure(.configuration, "SQUALL_SHARED_MEMORY: \"off\" is neither yes nor no")) { try resolve("off") }
}

@Test func secretsLoseTheLineEndTheyWereSavedWith() throws {
    let folder = try TemporaryFolder()
    for (name, text) in [("plain", "s3cret"), ("feed", "s3cret\n"), ("both", "s3cret\r\n")] {
        let path = try folder.write(name, Array(text.utf8))
        let options = try ConnectionFlags.reading([]).resolve { $0 == "SQUALL_SECRET_FILE" ? path : nil }
        #expect(options.secret == Array("s3cret".utf8))
    }
    let empty = try folder.write("empty", [10])
    #expect(throws: ToolFailure(.configuration, "SQUALL_SECRET_FILE: \(empty): the file is empty")) { try readSecret(empty) }
    #expect(throws: ToolFailure(.configuration, "SQUALL_SECRET_FILE: /nowhere/x: No such file or directory")) { try readSecret("/nowhere/x") }
    let large = try folder.write("large", [UInt8](repeating: 65, count: 70_000))
    #expect(throws: ToolFailure(.configuration, "SQUALL_SECRET_FILE: \(large): File too large")) { try readSecret(large) }
}

@Test(
    "escapes are replaced",
    arguments: [("a\\tb", [97, 9, 98]), ("\\\\", [92]), ("\\0\\n\\r", [0, 10, 13]), ("\\x1f\\xFF", [31, 255]), ("é", [0xC3, 0xA9])] as [(String, [UInt8])])
func escapesAreReplaced(_ text: String, _ bytes: [UInt8]) throws {
    #expect(try Escapes.replace(text) == bytes)
}

@Test(
    "wrong escapes are named by position",
    arguments: [("ab\\", 3, "a backslash at the end"), ("\\q", 1, "unknown escape \\q"), ("a\\x4", 2, "\\x needs two hexadecimal digits"), ("\\xg0", 1, "\\x needs two hexadecimal digits")])
func wrongEscapesAreNamed(_ text: String, _ position: Int, _ message: String) {
    do {
        _ = try Escapes.replace(text)
        Issue.record("accepted")
    } catch {
        #expect(error.position == position)
        #expect(error.message == message)
    }
}
