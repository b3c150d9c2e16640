internal import Foundation
internal import Wire

/// Sound inputs to begin from, where there is no corpus yet: one of each message, written as `FOLDER/TARGET/seed-N`.
enum Seeds {
    static func write(into folder: String) {
        for (target, list) in all() {
            let place = "\(folder)/\(target)"
            do {
                try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
                for (index, bytes) in list.enumerated() {
                    try Data(bytes).write(to: URL(fileURLWithPath: "\(place)/seed-\(index)"))
                }
            } catch {
                print("fuzz: \(place): \(error)")
                exit(1)
            }
        }
    }

    private static func all() -> [(String, [[UInt8]])] {
        [
            ("batch", [batch(.records), batch(.declare), batch(.open)]), ("entry", [entry(), cleaned(), hole()]), ("frame", [frame()]),
            ("headers", [headers]), ("state-row", [stateRow()]), ("member-row", [memberRow()]), ("summary", [summary()]), ("wants", [wants()]), ("elsewhere", elsewhere()), ("relay-block", relayBlocks()),
            ("restart-step", [restartStep()]), ("member-state", [memberState()]), ("client", client()), ("store", store()), ("consumers", consumers()), ("ring", ring()),
            ("admit", [[0] + batch(.open) + batch(.declare) + batch(.records), [1] + batch(.declare), [2] + batch(.open), [0] + consumerBatches()]),
            ("checkpoint", checkpoint()), ("pattern", patterns), ("filter", filters), ("watches", watches), ("schema", schemas), ("topics-yaml", [Array(topics.utf8)]),
            ("node-yaml", [Array(node.utf8)]), ("csv", csv), ("json", json), ("hello", hello()), ("knock", [[UInt8](repeating: 0, count: 52)]),
        ]
    }

    // MARK: Batches

    private static let headers: [UInt8] = [4, 0] + Array("unit".utf8) + [1, 0] + Array("C".utf8)

    private static func batch(_ kind: BatchKind) -> [UInt8] {
        var builder = BatchBuilder()
        let texts = kind == .declare ? ["factory/1/temperature"] : kind == .open ? [] : ["21.5", "", "a longer payload"]
        for (index, text) in texts.enumerated() {
            Array(text.utf8).withView { payload in
                headers.withView { headers in
                    builder.append(
                        topic: TopicID(UInt32(index)), flags: UInt32(index & 1), time: 1_700_000_000_000_000_000,
                        key: index == 0 && kind == .records ? payload : .empty, headers: index == 2 ? headers : .empty, payload: payload)
                }
            }
        }
        return builder.finish(publisher: PublisherID(0xABCD), epoch: 1, sequence: 1, group: .durable, kind: kind)
    }
    private static func entry() -> [UInt8] {
        let body = batch(.open) + batch(.records)
        let header = EntryHeader(
            length: EntryHeader.size + body.count, batches: 2, number: EntryNumber(5), baseOffset: Offset(90), timestamp: Timestamp(17),
            view: ViewNumber(2), sender: NodeID(3), group: .durable, records: 3, synced: EntryNumber(4), chain: 99)
        var bytes: [UInt8] = []
        let open = batch(.open)
        header.encode(into: &bytes) { crc in
            body.withView { $0[open.count..<open.count + 8].crc32c($0[0..<8].crc32c(crc)) }
        }
        return bytes + body
    }
    /// An entry of which a record is left, and one that stands for several.
    private static func cleaned(time: UInt64 = 17) -> [UInt8] {
        let records = batch(.records)
        var body: [UInt8] = []
        body.append(int: UInt32(0))
        body.append(int: UInt32(1))
        body += records.withView { view in view[BatchHeader.size..<BatchHeader.size + RecordHeader(view.from(BatchHeader.size)).length].array }
        return cleaned(
            wholeBatch(.sparse, body, publisher: PublisherID(0xABCD), sequence: 1, epoch: 1, count: 3, group: .durable), records: 3, span: 1, time: time)
    }
    private static func hole() -> [UInt8] {
        let line = KeptState.Line(
            publisher: PublisherID(7), epoch: 1, last: 9, touched: Timestamp(17), offset: Offset(90), placed: Timestamp(17))
        let head = KeptState.Head(topic: TopicID(1), isRemoved: true, offset: Offset(91))
        return cleaned(KeptState.batch([line], [head], group: .durable), records: 40, span: 12)
    }
    private static func cleaned(_ body: [UInt8], records: Int, span: Int, time: UInt64 = 17) -> [UInt8] {
        var header = EntryHeader(
            length: EntryHeader.size + body.count, batches: 1, number: EntryNumber(5), baseOffset: Offset(90), timestamp: Timestamp(time),
            view: ViewNumber(2), sender: NodeID(3), group: .durable, records: records, synced: EntryNumber(4), chain: 99)
        (header.span, header.isCleaned) = (span, true)
        return body.withView { header.entry($0) }
    }
    private static func frame() -> [UInt8] {
        let body = batch(.records)
        return FrameHeader(
            length: FrameHeader.size + body.count, timestamp: Timestamp(17), view: ViewNumber(2), batches: 1, records: 3,
            group: .durable, sender: NodeID(1)
        ).encode() + body
    }
    private static func ring() -> [[UInt8]] {
        var bytes: [UInt8] = []
        bytes.append(int: UInt64(0))
        let frames = frame() + frame()
        bytes.append(int: UInt32(frames.count + 64))
        bytes += frames
        bytes.append(int: FrameHeader.padMagic)
        bytes.append(int: UInt32(64))
        return [bytes + [UInt8](repeating: 0, count: 56)]
    }

    // MARK: Between nodes

    private static func relayBlocks() -> [[UInt8]] {
        [0..<8, 8..<24].map { part in
            let block = RelayBlock(view: ViewNumber(3), sender: NodeID(2), ranks: .everyone, body: 640..<664, part: part)
            return block.encode() + [UInt8](repeating: 7, count: part.count)
        }
    }

    private static func stateRow() -> [UInt8] {
        var row = StateRow(view: ViewNumber(3), members: 3, groups: 2)
        row.installed = true
        row.dataTail = 640
        var bytes: [UInt8] = [2, 1]
        row.encode(into: &bytes)
        return bytes
    }
    private static let view = View(ViewNumber(4), [NodeID(1), NodeID(2), NodeID(3)])
    private static var cut: Proposal {
        Proposal(view: view, basis: .cut([[Timestamp(1), Timestamp(2), Timestamp(3)], []]), sources: [NodeID(1)])
    }
    private static var ends: Proposal { Proposal(view: view, basis: .ends([LogEnd(), LogEnd()]), sources: [NodeID(2)]) }
    private static func memberRow() -> [UInt8] {
        var row = MemberRow(view: ViewNumber(3), origin: ends)
        row.suspected.insert(2)
        row.wedged = true
        row.clocks = [[Timestamp(1), Timestamp(2)], []]
        row.accepted = .init(Ballot(round: 0, rank: 1), cut)
        row.committed = cut
        var bytes: [UInt8] = []
        row.encode(into: &bytes)
        return bytes
    }
    private static func summary() -> [UInt8] {
        var bytes: [UInt8] = []
        Summary(live: false, view: view, promised: Ballot(round: 2, rank: 1), accepted: .init(Ballot(round: 1, rank: 0), ends), ends: [LogEnd()])
            .encode(into: &bytes)
        return bytes
    }
    private static func restartStep() -> [UInt8] {
        var step = RestartStep(ballot: Ballot(round: 2, rank: 1), after: ViewNumber(3))
        step.proposal = ends
        step.sources = [NodeID(1), NodeID(2)]
        step.live = true
        var bytes: [UInt8] = []
        step.encode(into: &bytes)
        return bytes
    }
    private static func wants() -> [UInt8] {
        WantsPage(view: ViewNumber(3), number: 2, wantsEverything: false, isLast: true, first: TopicID(64), count: 20, bits: [1, 128, 15]).encode()
    }
    /// The first byte chooses the message; the last is a hole of one log, and an entry in it of another's.
    private static func elsewhere() -> [[UInt8]] {
        var holdings = Holdings(rules: 7)
        holdings.withhold(.init(replicas: 2, bucket: 9, from: Offset(0), to: Offset(200)))
        let buckets = holdings.missing
        var length: [UInt8] = []
        length.append(int: UInt16(hole().count))
        var rows: [UInt8] = []
        VersionHeader(offset: Offset(3), timestamp: Timestamp(17), sender: NodeID(3)).encode(into: &rows)
        rows += batch(.records).withView { view in view[BatchHeader.size..<BatchHeader.size + RecordHeader(view.from(BatchHeader.size)).length].array }
        let values = ValuesRequest(id: 1, cut: Offset(9), showsRemoved: false, maximumBytes: 999, rules: 7, topics: [TopicID(9)], replicas: [2])
        let found = rows.withView { ValuesAnswer(id: 1, taken: 1, cut: Offset(9), cleaned: nil, lacked: [TopicID(4)], topics: [TopicID(9)], rows: $0).encode() }
        let excerpt = ExcerptRequest(
            id: 2, from: EntryNumber(5), below: EntryNumber(17), fromOffset: Offset(90), toOffset: Offset(130), rules: 7, buckets: buckets)
        return [
            [0] + holdings.encode(), [1] + HoldingWord(view: ViewNumber(3), end: Offset(99), rules: 7, buckets: buckets).encode(), [2] + excerpt.encode(),
            [3] + OffsetsRequest(id: 3, wanted: .last(5, before: Offset(50)), rules: 7, buckets: buckets, patterns: ["a/#"]).encode(),
            [4] + OffsetsAnswer(id: 3, buckets: buckets, offsets: [Offset(9), Offset(3)]).encode(), [5] + GiveUpRequest(request: 1, isForced: true).encode(),
            [6] + values.encode(), [6] + found, [7] + ExcerptAnswer.head(2, buckets, isSure: true) + cleaned(), [8] + length + hole() + cleaned(time: 16),
        ]
    }
    private static func memberState() -> [UInt8] {
        var state = MemberState(incarnation: Incarnation(7), installed: view)
        state.accepted = .init(Ballot(round: 1, rank: 2), cut)
        state.tails = [.init(from: EntryNumber(4), frames: frame())]
        return state.encode()
    }

    // MARK: Between client and node

    private static func client() -> [[UInt8]] {
        let subscribe = SubscribeRequest(
            request: 1, start: .time(5), patterns: ["factory/#"], exclusions: ["factory/2/+"],
            resume: [.init(group: .durable, offset: Offset(7))], filter: "value > 80")
        var acknowledgement: [UInt8] = [4]
        Acknowledgement(group: .durable, epoch: 1, last: 9).encode(into: &acknowledgement)
        var position: [UInt8] = [8]
        Position(group: .ordered, skipped: 0, offset: Offset(3)).encode(into: &position)
        var names: [UInt8] = [10, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0]
        names.append(text: "factory/1")
        let lines: [DeclareAnswer.Line] = [.topic(.durable, TopicID(4), .durable), .refused("no")]
        return [
            [0] + DeclareRequest(request: 1, names: ["a", "b/c"]).encode(), [1] + DeclareAnswer(request: 1, lines: lines).encode(),
            [2] + OpenRequest(request: 2, publisher: PublisherID(3), group: .durable).encode(),
            [3] + OpenAnswer(request: 2, group: .durable, epoch: 1, last: 0).encode(), acknowledgement,
            [5] + Refusal(.gap, request: 1, sequence: 4, reason: "a gap").encode(), [6] + subscribe.encode(),
            [7] + SubscribeAnswer(request: 1, ends: subscribe.resume).encode(), position,
            [9] + ClusterInfo(view: ViewNumber(1), quorum: 2, members: 3, nodes: [.init(node: NodeID(1), isLive: true, address: "h:1")]).encode(),
            names, [11] + [UInt8](repeating: 0, count: 24),
        ]
    }

    private static func store() -> [[UInt8]] {
        var rows: [UInt8] = []
        VersionHeader(offset: Offset(4), timestamp: Timestamp(17), sender: NodeID(2)).encode(into: &rows)
        rows += batch(.records)[BatchHeader.size..<BatchHeader.size + 32]
        return [
            [0] + StoreRead(request: 1, group: .durable, cut: .time(Timestamp(17)), showsRemoved: true, patterns: ["a/#", "b..c"], exclusions: ["a/b"]).encode(),
            [1] + StoreTail(request: 2, group: .ordered, count: 10, patterns: ["#"]).encode(),
            [2] + StoreDone(request: 3, group: .durable, outcome: .conflict, offset: StoreDone.none, timestamp: .zero).encode(),
            [3] + StorePlace(request: 4, group: .durable, offset: Offset(7)).encode(), [4] + StorePut.head(request: 5) + batch(.records),
            [5] + StorePage.head(request: 6, group: .durable, cut: Offset(9), next: StorePage.last, names: ["factory/1"]) + rows,
        ]
    }

    private static let commit = ConsumerCommit(
        member: ConsumerID(7), epoch: 1, generation: 2, places: [PartitionPlace(PartitionSet(bits: 5), Offset(9)), PartitionPlace(.all, Offset(4))])
    private static let interest = ConsumerInterest(patterns: ["a/#", "b..c"], exclusions: ["a/b"], filter: "value > 1")
    private static let changes: [ConsumerChange] = [
        ConsumerChange("g", .join(last: commit, client: "c-1", start: .offset(Offset(3)), interest: interest)),
        ConsumerChange("g", .commit([commit, commit])), ConsumerChange("g", .release(commit, PartitionSet(bits: 5))),
        ConsumerChange("g", .reset(.end)), ConsumerChange("g", .leave(commit)), ConsumerChange("g", .remove),
    ]
    private static func consumers() -> [[UInt8]] {
        [
            [0] + ConsumeRequest(request: 1, name: "g", client: "c-1", last: commit, held: commit.places, start: .beginning, interest: interest).encode(),
            [1] + ConsumerAssignment(epoch: 1, generation: 2, isSettled: true, lines: [.init(since: 2, partitions: .all)]).encode(),
            [2] + ConsumerConfirm(request: 1, generation: 2, done: 3, places: commit.places).encode(),
            [3] + ConsumerOrder(request: 1, name: "g", kind: .reset(.end)).encode(), [4] + ConsumerDone(request: 1).encode(),
        ] + changes.map { [5] + $0.encode() }
    }
    private static func consumerBatches() -> [UInt8] {
        changes.flatMap { change in
            var builder = BatchBuilder()
            change.encode().withView { builder.append(topic: TopicID(0), time: 1, payload: $0) }
            return builder.finish(publisher: PublisherID(0), epoch: 0, sequence: 0, group: .durable, kind: .consumers)
        }
    }

    /// `STT1`, two names; alone and within a group's checkpoint with one head and one publisher.
    private static func checkpoint() -> [[UInt8]] {
        var topics: [UInt8] = []
        topics.append(int: UInt32(0x3154_5453))
        topics.append(int: UInt32(2))
        topics.append(int: UInt64(4))
        topics.append(int: UInt16(1))
        topics.append(int: UInt16(3))
        topics += Array("ab/c".utf8)
        topics.append(int: topics.crc32c())
        let publishers: [UInt8] = [1, 0, 0, 0] + [UInt8](repeating: 1, count: 44)
        var whole: [UInt8] = [0]
        LogEnd().encode(into: &whole)
        let heads: [UInt8] = [1, 0, 0, 0, 0, 0, 0, 0] + [8, 0, 0, 0, 0, 0, 0, 0]
        return [whole + heads + publishers + topics, [1] + topics, [2] + publishers]
    }

    // MARK: What people and strangers write

    private static let patterns: [[UInt8]] = [
        "factory/+/t\nfactory/1/t", "a..b/c\nb", "#\n$SYS/x", "a/#\na", "127.0.0.1:7421\nx", "[::1]:7421\nx", "é/ü\né/ü",
    ].map { Array($0.utf8) }
    private static let filters: [[UInt8]] = [
        "value > 80 and unit == \"C\"\n{\"value\": 81.5, \"unit\": \"C\"}", "not (a.b.0 == null or ok) and json:\"x y\" != true\n{\"a\":{\"b\":[1]}}",
        "column:2 >= -1e3 or topic < key\na,\"b \"\"c\",3", "header:unit == payload\n\u{4}\0unit\u{1}\0C", "a == \"\\\"\"\n{\"a\":\"\\u0022\\n\"}",
    ].map { Array($0.utf8) }
    private static let schemas: [[UInt8]] = [
        "{type: object, required: [a], additionalProperties: false, properties: {a: {type: [number, null], minimum: 1}, b: {enum: [x, 1, true]}}}\n{\"a\": 1.5e1, \"b\": \"\\u0078\"}",
        "{type: array, minItems: 1, items: {type: string, minLength: 2, maxLength: 3}}\n[\"ab\", \"\\ud83d\\ude00c\"]", "{}\n[[[{}]], -0.1, null, false]",
    ].map { Array($0.utf8) }
    private static let watches: [[UInt8]] = [
        "+a/+\n+a/#\n+b..c\n!a/x\na/x\na\nb/y\nc!\n-\na/x\n+#\n$S\na//b", "+..b\n+a..\n+$a..z\n+a/b\na/b\n$b\n-\n-\n-\nb",
    ].map { Array($0.utf8) }
    private static let topics = """
        topics:
          - {pattern: "factory/#", level: durable, max_record: 64 KiB, deadline: 5s, retention: {time: 7d, bytes: 1MiB}}
          - pattern: logs/+
            level: ordered
            schema: {type: object, required: [a], properties: {a: {enum: [1, x]}}}
        defaults: {level: unordered, admit: all}

        """
    private static let node = """
        node: 1
        cluster: demo
        listen: 127.0.0.1:7421
        data: ./data/1
        members:
          - {node: 1, address: 127.0.0.1:7421}
          - {node: 2, address: "[::1]:7422"}
        secret_file: secret
        provider: tcp
        ring: 4 MiB
        heartbeat: 100 ms
        suspect_after: 1 s
        poll: adaptive

        """
    private static let csv: [[UInt8]] = [
        (11, "topic,key,value\na,k,1\nb,\"q,\"\"\",\"2\n3\"\r\n\n"), (12, "topic,time,x\na,2024-01-01T00:00:00Z,1\n"),
        (16, "\u{FEFF}x,y\n1,two\n"),
    ].map { [$0.0, 3] + Array($0.1.utf8) }
    private static let json: [[UInt8]] = [
        (3, #"{"a":{"topic":"x\u00e9\/y"},"time":"2024-01-01T00:00:00Z","v":[1,-2.5e3,true,null]}"# + "\n\n"),
        (2, #"{"time":1700000000.5}"# + "\r\n"), (0, "[1,2]\n\"é\"\n0"), (5, #"{"a":{"topic":"t"}}"#),
    ].map { [$0.0, 5] + Array($0.1.utf8) }

    /// A hello of a node and of a client, a proof, a refusal; the fuzzer makes magic, version and length right.
    private static func hello() -> [[UInt8]] {
        func message(_ type: UInt8, _ body: [UInt8]) -> [UInt8] { [0x53, 0x51, 0x4C, 0x4C, 1, 0, type, 0, 0, 0, 0, 0, 0, 0, 0, 0] + body }
        func introduction(_ role: UInt8, _ node: UInt8, _ name: String) -> [UInt8] {
            var bytes = [UInt8](repeating: 7, count: 32) + [role, 0, node, 0, 0, 4, 0, 0]
            bytes += [UInt8](repeating: 0, count: 16)
            bytes.append(text: "demo")
            bytes.append(text: name)
            return bytes
        }
        let mac = [UInt8](repeating: 1, count: 32)
        var offer = [UInt8](repeating: 0, count: 80)
        offer[48] = 0
        offer[49] = 16
        return [
            message(1, introduction(0, 1, "")), message(2, introduction(1, 0, "dpub")), message(3, mac), message(4, offer + mac),
            message(5, offer + mac), message(6, [4, 0, 2, 0, 110, 111]),
        ]
    }
}
