package import Wire

/// A node's own file: who it is, where it listens, who its fellows are, where its data lies. See docs/CONFIGURATION.md.
package struct NodeConfiguration: Hashable, Sendable {
    package struct Member: Hashable, Sendable {
        package let node: NodeID
        package let address: HostPort
        package init(node: NodeID, address: HostPort) {
            self.node = node
            self.address = address
        }
    }
    /// How the node's loop waits for work.
    package enum Poll: String, CaseIterable, Sendable {
        /// Polls for a moment after work, then sleeps.
        case adaptive
        /// Polls without end, on a core of its own.
        case busy
        /// Sleeps at once.
        case sleep
    }

    package var node: NodeID
    /// 1 ... `Limits.clusterName` bytes.
    package var cluster: String
    package var listen: HostPort
    /// The directory of the node's data; relative to the working directory, or absolute.
    package var data: String
    /// All nodes, in the order of their ids; this one is among them.
    package var members: [Member]
    /// The topics file and the secret's file; relative to the working directory, or absolute.
    package var topics: String?
    package var secretFile: String?
    /// libfabric's provider, or `auto`.
    package var provider = "auto"
    /// Bytes of the data ring for each sender: a power of two.
    package var ring = 4 << 20
    /// Bytes of a log segment.
    package var segment = 64 << 20
    /// Bytes a second that a node that catches up copies of another's log.
    package var copyRate = 32 << 20
    /// Bytes a second that the cleaning of the log reads and writes.
    package var cleanRate = 32 << 20
    /// How long a node that has come to hold topics waits before it copies their past.
    package var refillAfter = Duration.seconds(300)
    /// Groups, at most, into which this node folds what it sends of unordered topics.
    package var maxGroups = 8
    package var heartbeat = Duration.milliseconds(250)
    /// Silence after which a member is suspected: at least `heartbeatsToSuspect` heartbeats.
    package var suspectAfter = Duration.seconds(1)
    package var poll = Poll.adaptive
    /// The CPUs that the node's threads run on; nil: any.
    package var cpus: CPUList?
    /// How long a total restart waits for stragglers once a quorum is there.
    package var restartWait = Duration.seconds(1)

    /// A single node by itself, with the defaults.
    package static func embedded(
        listen: HostPort = HostPort(host: "127.0.0.1", port: HostPort.defaultPort), data: String
    ) -> NodeConfiguration {
        NodeConfiguration(
            node: NodeID(1), cluster: "local", listen: listen, data: data, members: [Member(node: NodeID(1), address: listen)])
    }

    package init(node: NodeID, cluster: String, listen: HostPort, data: String, members: [Member]) {
        self.node = node
        self.cluster = cluster
        self.listen = listen
        self.data = data
        self.members = members.sorted { $0.node < $1.node }
    }
}

// MARK: Bounds

extension NodeConfiguration {
    static let nodeRange = 1...Int(UInt16.max)
    static let ringRange = Limits.smallestRing...Limits.largestRing
    static let segmentRange = (1 << 20)...(4 << 30)
    /// Nanoseconds. Under a millisecond a loop's own turn would count as silence.
    static let heartbeatRange = 1_000_000...10_000_000_000
    static let suspectRange = 3_000_000...300_000_000_000
    static let restartRange = 0...3_600_000_000_000
    static let copyRateRange = (64 << 10)...(64 << 30)
    static let refillRange = 0...7 * 86_400_000_000_000
    static let cleanRateRange = (64 << 10)...(64 << 30)
    static let maxGroupsRange = 1...64
    /// A member is suspected after no fewer lost heartbeats than this.
    static let heartbeatsToSuspect = 3
    /// Bytes of a file's path (Linux, PATH_MAX) and of a provider's name.
    static let pathLimit = 4095
    static let providerLimit = 64
}

// MARK: Reading

extension NodeConfiguration {
    private static let keys = [
        Fields.Key("node", required: true, example: "1"),
        Fields.Key("cluster", required: true, example: "demo"),
        Fields.Key("listen", required: true, example: "127.0.0.1:7420"),
        Fields.Key("data", required: true, example: "./data/1"),
        Fields.Key("members", required: true, example: "[{node: 1, address: \"127.0.0.1:7420\"}]"),
        Fields.Key("topics", example: "topics.yaml"),
        Fields.Key("secret_file", example: "secret.key"),
        Fields.Key("provider", example: "auto"),
        Fields.Key("ring", example: "4MiB"),
        Fields.Key("segment", example: "64MiB"),
        Fields.Key("heartbeat", example: "100ms"),
        Fields.Key("suspect_after", example: "1s"),
        Fields.Key("poll", example: "adaptive"),
        Fields.Key("cpus", example: "0,2-3"),
        Fields.Key("restart_wait", example: "1s"),
        Fields.Key("copy_rate", example: "32MiB"),
        Fields.Key("clean_rate", example: "32MiB"),
        Fields.Key("refill_after", example: "5min"),
        Fields.Key("max_groups", example: "8"),
    ]
    private static let memberKeys = [
        Fields.Key("node", required: true, example: "1"), Fields.Key("address", required: true, example: "127.0.0.1:7420"),
    ]

    /// Reads `text`, the contents of `file`, in whose directory relative paths begin; the error holds all that is wrong.
    package static func parse(_ text: String, file: String) throws(ConfigurationError) -> NodeConfiguration {
        var problems = Problems(file: file)
        let hint = "write at least node:, cluster:, listen:, data: and members:"
        var configuration: NodeConfiguration?
        if let root = YAMLReader.read(text, &problems, emptyHint: hint),
            let fields = Fields(root, keys, what: "node file", &problems)
        {
            configuration = read(fields, file: file, &problems)
        }
        try problems.check()
        // Nothing was reported, so every required key was read.
        guard let configuration else { preconditionFailure("a node file was neither read nor refused") }
        return configuration
    }

    private static func read(_ fields: Fields, file: String, _ problems: inout Problems) -> NodeConfiguration? {
        let node = fields.integer("node", in: nodeRange, &problems).map { NodeID(UInt16($0)) }
        let cluster = words("cluster", limit: Limits.clusterName, fields, &problems)
        let listen = address("listen", fields, &problems)
        let data = path("data", fields, file: file, &problems)
        let topics = path("topics", fields, file: file, &problems)
        let secret = path("secret_file", fields, file: file, &problems)
        let members = readMembers(fields, &problems)
        var settings = NodeConfiguration.embedded(data: "")
        settings.topics = topics
        settings.secretFile = secret
        settings.readSettings(fields, &problems)
        if let node, let listen, let members { checkOwn(node, listen, members, fields, &problems) }
        guard let node, let cluster, let listen, let data, let members else { return nil }
        settings.node = node
        settings.cluster = cluster
        settings.listen = listen
        settings.data = data
        settings.members = members.map(\.member).sorted { $0.node < $1.node }
        return settings
    }

    private mutating func readSettings(_ fields: Fields, _ problems: inout Problems) {
        provider = Self.readProvider(fields, &problems) ?? provider
        ring = Self.readRing(fields, &problems) ?? ring
        segment = fields.quantity("segment", .size, in: Self.segmentRange, &problems) ?? segment
        copyRate = fields.quantity("copy_rate", .size, in: Self.copyRateRange, &problems) ?? copyRate
        cleanRate = fields.quantity("clean_rate", .size, in: Self.cleanRateRange, &problems) ?? cleanRate
        maxGroups = fields.integer("max_groups", in: Self.maxGroupsRange, &problems) ?? maxGroups
        poll = fields.choice("poll", Poll.allCases.map { ($0.rawValue, $0) }, &problems) ?? poll
        cpus = Self.readCPUs(fields, &problems)
        if let wait = fields.quantity("refill_after", .span, in: Self.refillRange, &problems) { refillAfter = .nanoseconds(wait) }
        if let wait = fields.quantity("restart_wait", .time, in: Self.restartRange, &problems) { restartWait = .nanoseconds(wait) }
        let beat = fields.quantity("heartbeat", .time, in: Self.heartbeatRange, &problems)
        let suspect = fields.quantity("suspect_after", .time, in: Self.suspectRange, &problems)
        if let beat { heartbeat = .nanoseconds(beat) }
        if let suspect { suspectAfter = .nanoseconds(suspect) }
        // Compared only where both are what the file means: a wrong one has been reported.
        let readable = (beat != nil || !fields.has("heartbeat")) && (suspect != nil || !fields.has("suspect_after"))
        guard readable, suspectAfter < heartbeat * Self.heartbeatsToSuspect else { return }
        let least = Quantity.time.text(Int(heartbeat.wholeNanoseconds) * Self.heartbeatsToSuspect)
        let given = Quantity.time.text(Int(suspectAfter.wholeNanoseconds))
        problems.add(
            fields.mark(of: fields.has("suspect_after") ? "suspect_after" : "heartbeat"),
            "suspect_after is \(given), fewer than \(Self.heartbeatsToSuspect) heartbeats of \(Quantity.time.text(Int(heartbeat.wholeNanoseconds)))",
            hint: "write suspect_after: \(least) or more")
    }

    private static func readRing(_ fields: Fields, _ problems: inout Problems) -> Int? {
        guard let ring = fields.quantity("ring", .size, in: ringRange, &problems) else { return nil }
        guard ring & (ring - 1) == 0 else {
            // The range's ends are powers of two, so both neighbours are within it.
            let below = 1 << (Int.bitWidth - 1 - ring.leadingZeroBitCount)
            problems.add(
                fields.mark(of: "ring"), "ring: \"\(Quantity.size.text(ring))\" is not a power of two",
                hint: "write \(Quantity.size.text(below)) or \(Quantity.size.text(2 * below))")
            return nil
        }
        return ring
    }

    private static func readCPUs(_ fields: Fields, _ problems: inout Problems) -> CPUList? {
        let expected = "all, or numbers of CPUs below \(CPUList.most), such as 0,2-3"
        guard let text = fields.text("cpus", expected: expected, &problems), text != "all" else { return nil }
        guard let list = CPUList(text) else {
            problems.add(fields.mark(of: "cpus"), "cpus: \(quoted(text))", expected: expected)
            return nil
        }
        return list
    }

    private static func readProvider(_ fields: Fields, _ problems: inout Problems) -> String? {
        let expected = "a provider of libfabric, such as auto, tcp, verbs, shm"
        guard let text = fields.text("provider", expected: expected, &problems) else { return nil }
        let letters = text.utf8.allSatisfy { byte in
            let scalar = Unicode.Scalar(byte)
            return scalar.properties.isAlphabetic && byte < 0x80 || ("0"..."9").contains(scalar) || scalar == "_" || scalar == ";" || scalar == "-"
        }
        guard letters, text.utf8.count <= providerLimit else {
            problems.add(fields.mark(of: "provider"), "provider: \(quoted(text))", expected: expected)
            return nil
        }
        return text
    }
}

// MARK: Members and addresses

extension NodeConfiguration {
    /// A member and where its id and its address stand.
    private typealias Marked = (member: Member, node: TextMark, address: TextMark)

    private static func readMembers(_ fields: Fields, _ problems: inout Problems) -> [Marked]? {
        guard let items = fields.list("members", expected: "a list of nodes", limit: Limits.members, &problems) else { return nil }
        var members: [Marked] = []
        for item in items {
            guard let entry = Fields(item, memberKeys, what: "member", &problems) else { continue }
            let node = entry.integer("node", in: nodeRange, &problems)
            let address = address("address", entry, &problems)
            guard let node, let address else { continue }
            let marked: Marked = (
                Member(node: NodeID(UInt16(node)), address: address), entry.mark(of: "node"), entry.mark(of: "address")
            )
            checkMember(marked, members, &problems)
            members.append(marked)
        }
        // With a member left out the further checks would speak of the wrong things.
        return members.count == items.count ? members : nil
    }

    private static func checkMember(_ marked: Marked, _ earlier: [Marked], _ problems: inout Problems) {
        let member = marked.member
        if member.address.isWildcard {
            problems.add(
                marked.address, "address: \"\(member.address)\" is no address to connect to",
                hint: "write the one under which the others reach \(member.node)")
        }
        if let other = earlier.first(where: { $0.member.node == member.node }) {
            problems.add(marked.node, "duplicate member \(member.node)", hint: "it stands on line \(other.node.line) already")
        }
        if let other = earlier.first(where: { $0.member.address == member.address }) {
            problems.add(
                marked.address, "duplicate address \"\(member.address)\"",
                hint: "\(other.member.node) has it on line \(other.address.line)")
        }
    }

    private static func checkOwn(
        _ node: NodeID, _ listen: HostPort, _ members: [Marked], _ fields: Fields, _ problems: inout Problems
    ) {
        guard let own = members.first(where: { $0.member.node == node }) else {
            problems.add(
                fields.mark(of: "members"), "members: \(node), this node, is not among them",
                hint: "add {node: \(node.raw), address: \"\(listen)\"}")
            return
        }
        guard own.member.address.port == listen.port else {
            problems.add(
                own.address, "address: port \(own.member.address.port) is not the one that \(node), this node, listens at",
                expected: "port \(listen.port)", hint: "let both name the same port")
            return
        }
    }

    private static func address(_ key: String, _ fields: Fields, _ problems: inout Problems) -> HostPort? {
        let expected = "HOST:PORT"
        guard let text = fields.text(key, expected: expected, &problems) else { return nil }
        do throws(HostPort.Refusal) {
            return try HostPort.parse(text)
        } catch {
            problems.add(fields.mark(of: key), "\(key): \(quoted(text)) \(error.problem)", expected: expected, hint: error.hint)
            return nil
        }
    }
}

// MARK: Texts and paths

extension NodeConfiguration {
    /// Text of at most `limit` bytes without control characters.
    private static func words(_ key: String, limit: Int, _ fields: Fields, _ problems: inout Problems) -> String? {
        let expected = "1 to \(limit) bytes without control characters"
        guard let text = fields.text(key, expected: expected, &problems) else { return nil }
        let controls = text.unicodeScalars.contains { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) }
        guard !text.isEmpty, text.utf8.count <= limit, !controls else {
            problems.add(fields.mark(of: key), "\(key): \(quoted(text))", expected: expected)
            return nil
        }
        return text
    }

    /// A path; one that is relative begins in the directory of `file`.
    private static func path(_ key: String, _ fields: Fields, file: String, _ problems: inout Problems) -> String? {
        guard let text = words(key, limit: pathLimit, fields, &problems) else { return nil }
        guard !text.hasPrefix("~") else {
            problems.add(
                fields.mark(of: key), "\(key): \(quoted(text))", expected: "a path",
                hint: "\"~\" is not expanded here: write the home directory out")
            return nil
        }
        if text.hasPrefix("/") { return text }
        let directory = file.lastIndex(of: "/").map { String(file[...$0]) } ?? ""
        return directory + (text.hasPrefix("./") && text.utf8.count > 2 ? String(text.dropFirst(2)) : text)
    }
}

extension Duration {
    /// Nanoseconds, for the clocks of the pure cores; parts of one are cut off.
    package var wholeNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }
}
