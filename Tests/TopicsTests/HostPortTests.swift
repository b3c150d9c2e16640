import Testing
import Topics

@Suite struct HostPortTests {
    @Test(arguments: [
        ("127.0.0.1:7421", "127.0.0.1", 7421), ("localhost:1", "localhost", 1), ("Node-1.example.ORG:65535", "node-1.example.org", 65535),
        ("my_host:80", "my_host", 80), ("[::1]:7421", "::1", 7421), ("[::]:1", "::", 1), ("[2001:DB8::7]:1", "2001:db8::7", 1),
        ("[1:2:3:4:5:6:7:8]:1", "1:2:3:4:5:6:7:8", 1), ("[::ffff:10.0.0.1]:1", "::ffff:10.0.0.1", 1), ("[fe80::1%eth0]:1", "fe80::1%eth0", 1),
        ("[1::]:1", "1::", 1), ("0.0.0.0:1", "0.0.0.0", 1), ("3com.net:1", "3com.net", 1),
    ] as [(String, String, UInt16)])
    func anAddressIsReadAndWrittenBack(_ text: String, _ host: String, _ port: UInt16) throws {
        let address = try HostPort.parse(text)
        #expect(address == HostPort(host: host, port: port))
        #expect(address.host == host)
        #expect(address.description == text.lowercased())
        #expect(try HostPort.parse(address.description) == address)
    }

    @Test func aMissingPortIsTakenFromTheCallerOrRefused() throws {
        #expect(try HostPort.parse("node1", port: 7420) == HostPort(host: "node1", port: 7420))
        #expect(try HostPort.parse("[::1]", port: 7420) == HostPort(host: "::1", port: 7420))
        #expect(refusal { () throws(HostPort.Refusal) in try HostPort.parse("[::1]") } == "has no port; write [::1]:7420")
    }

    private static let hostHint = "a host is a name such as node1.local, or a number such as 10.0.0.1"
    private static let portHint = "a port is a whole number, 1 to 65535"

    @Test(arguments: [
        ("", "has no host; write for example 127.0.0.1:7420"),
        (":1", "has no host; write for example 127.0.0.1:7420"),
        ("a:", "has the port \"\"; \(portHint)"),
        ("a:+1", "has the port \"+1\"; \(portHint)"),
        ("a:0", "has the port \"0\"; \(portHint)"),
        ("a:65536", "has the port \"65536\"; \(portHint)"),
        ("a:000001", "has the port \"000001\"; \(portHint)"),
        ("a:1x", "has the port \"1x\"; \(portHint)"),
        ("1.2.3:1", "has the host \"1.2.3\"; \(hostHint)"),
        ("1.2.3.256:1", "has the host \"1.2.3.256\"; \(hostHint)"),
        ("01.2.3.4:1", "has the host \"01.2.3.4\"; \(hostHint)"),
        ("1:1", "has the host \"1\"; \(hostHint)"),
        ("a..b:1", "has the host \"a..b\"; \(hostHint)"),
        ("-a:1", "has the host \"-a\"; \(hostHint)"),
        ("a/b:1", "has the host \"a/b\"; \(hostHint)"),
        ("bü:1", "has the host \"bü\"; \(hostHint)"),
        ("a\nb:1", "has the host \"a\\nb\"; \(hostHint)"),
        ("::1", "has several colons; put an IPv6 number in brackets: [::1]:7420"),
        ("a:1:2", "has several colons; put an IPv6 number in brackets: [::1]:7420"),
        ("[::1", "has no \"]\"; write [::1]:7420"),
        ("[::1]7", "has \"7\" behind its brackets; write [::1]:7420"),
        ("[]:1", "has no IPv6 number in its brackets; write for example [::1]:7420"),
        ("[:]:1", "has no IPv6 number in its brackets; write for example [::1]:7420"),
        ("[:::]:1", "has no IPv6 number in its brackets; write for example [::1]:7420"),
        ("[1:2:3:4:5:6:7]:1", "has no IPv6 number in its brackets; write for example [::1]:7420"),
        ("[1:2:3:4:5:6:7:8:9]:1", "has no IPv6 number in its brackets; write for example [::1]:7420"),
        ("[1::2::3]:1", "has no IPv6 number in its brackets; write for example [::1]:7420"),
        ("[12345::]:1", "has no IPv6 number in its brackets; write for example [::1]:7420"),
        ("[::1%]:1", "has no IPv6 number in its brackets; write for example [::1]:7420"),
        ("[127.0.0.1]:1", "has no IPv6 number in its brackets; write for example [::1]:7420"),
    ])
    func aWrongAddressIsRefusedWithTheRemedy(_ text: String, _ message: String) {
        #expect(refusal { () throws(HostPort.Refusal) in try HostPort.parse(text) } == message)
    }

    @Test func anAddressEndsAtItsLimit() {
        let long = Array(repeating: String(repeating: "a", count: 62), count: 4).joined(separator: ".")
        #expect(refusal { () throws(HostPort.Refusal) in try HostPort.parse(long + ":1234") } == "has 256 bytes; the limit is 255")
        #expect(refusal { () throws(HostPort.Refusal) in try HostPort.parse(long + ":123") } == "no error")
    }
}
