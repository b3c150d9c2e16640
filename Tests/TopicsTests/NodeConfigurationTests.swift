import Testing
import Topics
import Wire

@Suite struct NodeConfigurationTests {
    /// A sound file's values; a test changes one.
    private static let sound: [(key: String, value: String?)] = [
        ("node", "1"), ("cluster", "demo"), ("listen", "127.0.0.1:7421"), ("data", "./data/1"),
        ("members", "\n  - {node: 1, address: 127.0.0.1:7421}\n  - {node: 2, address: 127.0.0.1:7422}"), ("topics", nil),
        ("secret_file", nil), ("provider", nil), ("ring", nil), ("segment", nil), ("heartbeat", nil), ("suspect_after", nil),
        ("poll", nil), ("restart_wait", nil), ("copy_rate", nil), ("clean_rate", nil), ("refill_after", nil), ("max_groups", nil),
        ("cpus", nil),
    ]

    private func file(_ changes: [String: String?]) -> String {
        Self.sound.map { key, value in
            (changes[key] ?? value).map { "\(key): \($0)\n" } ?? ""
        }.joined()
    }

    private func refused(_ text: String) -> String {
        refusal { () throws(ConfigurationError) in try NodeConfiguration.parse(text, file: "node.yaml") }
    }

    /// A key whose value is changed, or left out, and what is said of it, without the file's name.
    struct Wrong: Sendable, CustomTestStringConvertible {
        let key: String
        let value: String?
        let message: String
        init(_ key: String, _ value: String?, _ message: String) { (self.key, self.value, self.message) = (key, value, message) }
        var testDescription: String { "\(key): \(value ?? "nothing")" }
    }

    @Test(arguments: [
        Wrong("node", "0", "1:7: node: \"0\"; expected a whole number, 1 to 65535"),
        Wrong("node", "65536", "1:7: node: \"65536\"; expected a whole number, 1 to 65535"),
        Wrong("node", "one", "1:7: node: \"one\"; expected a whole number, 1 to 65535"),
        Wrong("node", "01", "1:7: node: \"01\"; expected a whole number, 1 to 65535"),
        Wrong("node", nil, "1:1: node file: missing key \"node\"; write for example node: 1"),
        Wrong("node", "3", "6:3: members: node 3, this node, is not among them; add {node: 3, address: \"127.0.0.1:7421\"}"),
        Wrong("cluster", "",
            "2:9: cluster: found nothing; expected 1 to 255 bytes without control characters; a value that begins with \"#\" needs quotes"),
        Wrong("cluster", "\"\"", "2:10: cluster: \"\"; expected 1 to 255 bytes without control characters"),
        Wrong("cluster", "\"a\\nb\"", "2:10: cluster: \"a\\nb\"; expected 1 to 255 bytes without control characters"),
        Wrong("listen", "[::1]:7421",
            "3:10: did not find expected node content while parsing a flow node; put an address such as \"[::1]:7421\", or text that begins with a sign, in quotes"),
        Wrong("listen", "::1:7421",
            "3:9: listen: \"::1:7421\" has several colons; expected HOST:PORT; put an IPv6 number in brackets: [::1]:7420"),
        Wrong("listen", "127.0.0.1", "3:9: listen: \"127.0.0.1\" has no port; expected HOST:PORT; write 127.0.0.1:7420"),
        Wrong("listen", "127.0.0.256:7421",
            "3:9: listen: \"127.0.0.256:7421\" has the host \"127.0.0.256\"; expected HOST:PORT; a host is a name such as node1.local, or a number such as 10.0.0.1"),
        Wrong("listen", "127.0.0.1:0",
            "3:9: listen: \"127.0.0.1:0\" has the port \"0\"; expected HOST:PORT; a port is a whole number, 1 to 65535"),
        Wrong("listen", "a b:1",
            "3:9: listen: \"a b:1\" has the host \"a b\"; expected HOST:PORT; a host is a name such as node1.local, or a number such as 10.0.0.1"),
        Wrong("listen", "127.0.0.1:70000",
            "3:9: listen: \"127.0.0.1:70000\" has the port \"70000\"; expected HOST:PORT; a port is a whole number, 1 to 65535"),
        Wrong("listen", ":7421", "3:9: listen: \":7421\" has no host; expected HOST:PORT; write for example 127.0.0.1:7420"),
        Wrong("listen", "127.0.0.1:7423",
            "6:24: address: port 7421 is not the one that node 1, this node, listens at; expected port 7423; let both name the same port"),
        Wrong("data", "~/x", "4:7: data: \"~/x\"; expected a path; \"~\" is not expanded here: write the home directory out"),
        Wrong("members", "[]", "5:10: members: node 1, this node, is not among them; add {node: 1, address: \"127.0.0.1:7421\"}"),
        Wrong("members", "[{node: 1, address: 127.0.0.1:7421}, {node: 1, address: 127.0.0.1:7422}]",
            "5:54: duplicate member node 1; it stands on line 5 already"),
        Wrong("members", "[{node: 1, address: 127.0.0.1:7421}, {node: 2, address: 127.0.0.1:7421}]",
            "5:66: duplicate address \"127.0.0.1:7421\"; node 1 has it on line 5"),
        Wrong("members", "[{node: 1, address: 0.0.0.0:7421}]",
            "5:30: address: \"0.0.0.0:7421\" is no address to connect to; write the one under which the others reach node 1"),
        Wrong("members", "[{node: 1}]", "5:11: member: missing key \"address\"; write for example address: 127.0.0.1:7420"),
        Wrong("members", "[127.0.0.1:7421]",
            "5:11: member: found \"127.0.0.1:7421\"; expected keys and values; write for example node: 1"),
        Wrong("members", "3", "5:10: members: found \"3\"; expected a list of nodes"),
        Wrong("ring", "3MiB", "8:7: ring: \"3MiB\" is not a power of two; write 2MiB or 4MiB"),
        Wrong("ring", "1KiB", "8:7: ring: \"1KiB\" is out of range; expected 64KiB to 1GiB"),
        Wrong("ring", "2GiB", "8:7: ring: \"2GiB\" is out of range; expected 64KiB to 1GiB"),
        Wrong("ring", "4M",
            "8:7: ring: \"4M\" has the unknown unit \"M\"; expected 64KiB to 1GiB; did you mean 4MiB? units are B, KiB, MiB, GiB"),
        Wrong("ring", "4mib",
            "8:7: ring: \"4mib\" has the unknown unit \"mib\"; expected 64KiB to 1GiB; did you mean 4MiB? units are B, KiB, MiB, GiB"),
        Wrong("segment", "1KiB", "8:10: segment: \"1KiB\" is out of range; expected 1MiB to 4GiB"),
        Wrong("copy_rate", "1KiB", "8:12: copy_rate: \"1KiB\" is out of range; expected 64KiB to 64GiB"),
        Wrong("segment", "8GiB", "8:10: segment: \"8GiB\" is out of range; expected 1MiB to 4GiB"),
        Wrong("max_groups", "0", "8:13: max_groups: \"0\"; expected a whole number, 1 to 64"),
        Wrong("heartbeat", "0ms", "8:12: heartbeat: \"0ms\" is out of range; expected 1ms to 10s"),
        Wrong("heartbeat", "100",
            "8:12: heartbeat: \"100\" has no unit; expected 1ms to 10s; say which: 100ns, 100us, 100ms, 100s"),
        Wrong("heartbeat", "1 sec",
            "8:12: heartbeat: \"1 sec\" has the unknown unit \"sec\"; expected 1ms to 10s; did you mean 1s? units are ns, us, ms, s"),
        Wrong("heartbeat", "1m",
            "8:12: heartbeat: \"1m\" has the unknown unit \"m\"; expected 1ms to 10s; units are ns, us, ms, s"),
        Wrong("heartbeat", "2s", "8:12: suspect_after is 1s, fewer than 3 heartbeats of 2s; write suspect_after: 6s or more"),
        Wrong("suspect_after", "200ms",
            "8:16: suspect_after is 200ms, fewer than 3 heartbeats of 250ms; write suspect_after: 750ms or more"),
        Wrong("poll", "busi", "8:7: poll: \"busi\"; expected adaptive, busy, sleep; did you mean \"busy\"?"),
        Wrong("poll", "lazy", "8:7: poll: \"lazy\"; expected adaptive, busy, sleep"),
        Wrong("cpus", "two", "8:7: cpus: \"two\"; expected all, or numbers of CPUs below 1024, such as 0,2-3"),
        Wrong("cpus", "3-1", "8:7: cpus: \"3-1\"; expected all, or numbers of CPUs below 1024, such as 0,2-3"),
        Wrong("cpus", "\"0,\"", "8:7: cpus: \"0,\"; expected all, or numbers of CPUs below 1024, such as 0,2-3"),
        Wrong("cpus", "1024", "8:7: cpus: \"1024\"; expected all, or numbers of CPUs below 1024, such as 0,2-3"),
        Wrong("cpus", "0-1-2", "8:7: cpus: \"0-1-2\"; expected all, or numbers of CPUs below 1024, such as 0,2-3"),
        Wrong("cpus", "\"-1\"", "8:7: cpus: \"-1\"; expected all, or numbers of CPUs below 1024, such as 0,2-3"),
        Wrong("cpus", "[0, 1]", "8:7: cpus: found a list; expected all, or numbers of CPUs below 1024, such as 0,2-3; a value that begins with \"[\" needs quotes"),
        Wrong("restart_wait", "2h",
            "8:15: restart_wait: \"2h\" has the unknown unit \"h\"; expected 0s to 3600s; units are ns, us, ms, s"),
        Wrong("provider", "t c p", "8:11: provider: \"t c p\"; expected a provider of libfabric, such as auto, tcp, verbs, shm"),
        Wrong("heartbeat", "0.1s",
            "8:12: heartbeat: \"0.1s\" is not a whole number; expected 1ms to 10s; use a smaller unit, as in 1500ms for 1.5s"),
    ])
    func aWrongValueIsRefusedWithPlaceCauseAndRemedy(_ wrong: Wrong) {
        #expect(refused(file([wrong.key: wrong.value])) == "node.yaml:" + wrong.message)
    }

    @Test func aShortFileTakesTheDefaults() throws {
        let node = try NodeConfiguration.parse(file([:]), file: "node.yaml")
        #expect(node.node == NodeID(1) && node.cluster == "demo" && node.listen == HostPort(host: "127.0.0.1", port: 7421))
        #expect(node.data == "data/1" && node.topics == nil && node.secretFile == nil)
        #expect(node.members.map(\.node) == [NodeID(1), NodeID(2)])
        #expect(node.members.map(\.address.port) == [7421, 7422])
        #expect(node.provider == "auto" && node.ring == 4 << 20 && node.segment == 64 << 20 && node.poll == .adaptive)
        #expect(node.heartbeat == .milliseconds(250) && node.suspectAfter == .seconds(1) && node.restartWait == .seconds(1))
        #expect(node.copyRate == 32 << 20 && node.refillAfter == .seconds(300) && node.maxGroups == 8 && node.cpus == nil)
    }

    @Test func aLongFileIsReadWhole() throws {
        let text = file([
            "node": "2", "listen": "\"[::]:7422\"", "data": "/var/lib/squall", "topics": "topics.yaml", "secret_file": "../secret.key",
            "members": "[{node: 2, address: Node2.local:7422}, {node: 1, address: \"[fe80::1%eth0]:7421\"}]", "provider": "verbs;ofi_rxm",
            "ring": "64KiB", "segment": "4GiB", "heartbeat": "1500us", "suspect_after": "4500us",
            "poll": "busy", "restart_wait": "0s", "copy_rate": "1GiB", "clean_rate": "1MiB", "refill_after": "0s", "max_groups": "16",
            "cpus": "7,0-1,2,1023",
        ])
        let node = try NodeConfiguration.parse(text, file: "/etc/squall/node.yaml")
        #expect(node.node == NodeID(2) && node.listen.isWildcard)
        #expect(node.data == "/var/lib/squall" && node.topics == "/etc/squall/topics.yaml" && node.secretFile == "/etc/squall/../secret.key")
        #expect(node.members.map(\.node) == [NodeID(1), NodeID(2)], "in the order of ids")
        #expect(node.members.map(\.address.description) == ["[fe80::1%eth0]:7421", "node2.local:7422"])
        #expect(node.provider == "verbs;ofi_rxm" && node.ring == 64 << 10 && node.segment == 4 << 30 && node.poll == .busy)
        #expect(node.heartbeat == .microseconds(1500) && node.suspectAfter == .microseconds(4500) && node.restartWait == .zero)
        #expect(node.suspectAfter.wholeNanoseconds == 4_500_000 && node.copyRate == 1 << 30 && node.refillAfter == .zero && node.maxGroups == 16)
        #expect(node.cpus?.numbers == [0, 1, 2, 7, 1023] && node.cpus?.description == "0-2,7,1023")
    }

    @Test func relativePathsBeginInTheFilesDirectory() throws {
        for (name, data) in [("node.yaml", "data/1"), ("conf/node.yaml", "conf/data/1"), ("/etc/n.yaml", "/etc/data/1"), ("./n.yaml", "./data/1")] {
            #expect(try NodeConfiguration.parse(file([:]), file: name).data == data)
        }
    }

    @Test func membersEndAtTheirLimit() throws {
        func members(_ count: Int) -> String {
            "\n" + (1...count).map { "  - {node: \($0), address: 127.0.0.1:\(7420 + $0)}" }.joined(separator: "\n")
        }
        #expect(try NodeConfiguration.parse(file(["members": members(Limits.members)]), file: "n").members.count == Limits.members)
        #expect(refused(file(["members": members(Limits.members + 1)])) == "node.yaml:22:5: members: item 17 of 17; expected at most 16")
    }

    @Test func allThatIsWrongIsSaidAtOnceInTheFilesOrder() {
        let text = """
            noed: 1
            cluster: demo
            listen: 127.0.0.1
            members: [{node: 1, address: "x:1"}, {node: 1, adress: "y:1"}]
            ring: 5MiB
            retention: 7d
            """
        #expect(refused(text) == """
            node.yaml:1:1: unknown key "noed"; did you mean "node"? known keys here: node, cluster, listen, data, members, topics, \
            secret_file, provider, ring, segment, heartbeat, suspect_after, poll, cpus, restart_wait, copy_rate, clean_rate, refill_after, max_groups
            node.yaml:1:1: node file: missing key "data"; write for example data: ./data/1
            node.yaml:3:9: listen: "127.0.0.1" has no port; expected HOST:PORT; write 127.0.0.1:7420
            node.yaml:4:48: unknown key "adress"; did you mean "address"? known keys here: node, address
            node.yaml:5:7: ring: "5MiB" is not a power of two; write 4MiB or 8MiB
            node.yaml:6:1: unknown key "retention"; known keys here: node, cluster, listen, data, members, topics, \
            secret_file, provider, ring, segment, heartbeat, suspect_after, poll, cpus, restart_wait, copy_rate, clean_rate, refill_after, max_groups
            """)
    }

    @Test func anEmptyFileIsRefusedWithWhatItNeeds() {
        #expect(refused("") == "node.yaml:1:1: the file says nothing; write at least node:, cluster:, listen:, data: and members:")
    }

    @Test func anEmbeddedNodeStandsAlone() throws {
        let node = NodeConfiguration.embedded(data: "/tmp/x")
        #expect(node.listen.description == "127.0.0.1:7420" && node.data == "/tmp/x")
        #expect(node.members == [NodeConfiguration.Member(node: NodeID(1), address: node.listen)])
        #expect(node.suspectAfter >= node.heartbeat * 3)
    }
}
