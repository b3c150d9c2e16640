package import Wire
internal import Broker
internal import Replication
internal import Topics

/// Decoders above Wire: a data ring, checkpoints, and what people write: names, patterns, files.
package enum StateTargets {
    package static let all: [(name: String, run: @Sendable (ByteView) -> Void)] = [
        ("ring", ring), ("admit", admit), ("checkpoint", checkpoint), ("pattern", pattern), ("topics-yaml", topicsYAML),
        ("node-yaml", nodeYAML),
    ] + WatchTargets.all

    /// A mirror of another node's ring, read to a tail that its row claims, as the node reads it: the first eight bytes say
    /// where reading begins, the next four how far it goes, as the node has checked it.
    package static func ring(_ view: ByteView) {
        guard view.count > 12 + 8 else { return }
        var bytes = view.from(12).array
        walk(bytes, from: view.u64(0), span: UInt64(view.u32(8)))
        // Once more with each frame's checksum made right.
        var at = 0
        while at + FrameHeader.size <= bytes.count {
            if bytes.withView({ $0.u32(at) }) == FrameHeader.magic {
                bytes.store(bytes.withView { $0[at..<at + 36].crc32c() }, at: at + 36)
            }
            at += 8
        }
        walk(bytes, from: view.u64(0), span: UInt64(view.u32(8)))
    }
    private static func walk(_ bytes: [UInt8], from start: UInt64, span: UInt64) {
        bytes.withView { memory in
            let reader = RingReader(memory)
            var position = start & 0xFFFF_FFFF_FFFF
            let tail = position + span % UInt64(memory.count + 1)
            do throws(DecodeError) {
                while position < tail {
                    let next: UInt64
                    switch try reader.item(at: position, before: tail) {
                    case .pad(let end): next = end
                    case .frame(let header, let body, let end):
                        precondition(body.count == header.length - FrameHeader.size)
                        next = end
                    }
                    precondition(next > position && next <= tail, "reading does not go on, or goes beyond the tail")
                    position = next
                }
            } catch { touch(error) }
        }
    }

    /// A frame's body that has its final place: admitted, replayed, taken back; each batch's checksum is made right first,
    /// as a node's own are. The first byte chooses the group.
    package static func admit(_ view: ByteView) {
        guard view.count > 1 else { return }
        let group = GroupID(UInt16(view.u8(0) % 3))
        let body = view.from(1)
        var state = GroupState(group: group)
        let before = state.encode()
        let admission = state.admit(body, key: OrderKey(Timestamp(7), NodeID(1)), view: ViewNumber(1))
        state.topics.checkInvariants()
        let kept = admission.runs.reduce(0) { $0 + $1.count }
        precondition(kept <= body.count && (admission.header?.length ?? EntryHeader.size) == EntryHeader.size + kept)
        if let header = admission.header, group != .unordered {
            var other = GroupState(group: group)
            let runs = OwnedBytes(body, parts: admission.runs)
            precondition(other.replay(header, runs.view), "an entry does not follow at another replica")
            precondition(other.encode() == state.encode(), "two replicas differ")
        }
        state.takeBack(admission.undo)
        precondition(state.encode() == before, "taking back leaves something")
    }

    /// A group's whole checkpoint, a topic table's alone and a publisher table's alone, the topics' checksum made right.
    package static func checkpoint(_ view: ByteView) {
        guard view.count > 1 else { return }
        var bytes = view.from(1).array
        switch view.u8(0) % 3 {
        case 0:
            groupState(bytes)
            // The log's end, the heads, the publishers, the topics.
            let heads = bytes.count >= 50 ? Int(bytes.withView { $0.u32(42) }) : 0
            guard heads <= Limits.topics else { return }
            let place = 50 + 8 * heads
            let publishers = bytes.count >= place + 4 ? Int(bytes.withView { $0.u32(place) }) : 0
            guard publishers <= Limits.publishers else { return }
            mendTopics(&bytes, place + 4 + 44 * publishers)
            groupState(bytes)
        case 1:
            topicTable(bytes)
            mendTopics(&bytes, 0)
            topicTable(bytes)
        default: publisherTable(bytes)
        }
    }
    private static func mendTopics(_ bytes: inout [UInt8], _ start: Int) {
        guard bytes.count >= start + 20 else { return }
        bytes.store(UInt32(0x3154_5453), at: start)
        // Two bytes of length for each name, and their bytes; what follows the checksum is not the topics'.
        let names = bytes.withView { (count: Int($0.u32(start + 4)), bytes: $0.u64(start + 8)) }
        guard names.bytes < bytes.count else { return }
        let end = min(bytes.count - 4, start + 16 + 2 * names.count + Int(names.bytes))
        bytes.store(bytes.withView { $0[start..<end].crc32c() }, at: end)
    }
    private static func groupState(_ bytes: [UInt8]) {
        bytes.withView { view in
            do throws(DecodeError) {
                let state = try GroupState(group: .durable, decoding: view)
                state.topics.checkInvariants()
                let again = try state.encode().withView { v throws(DecodeError) in try GroupState(group: .durable, decoding: v) }
                precondition(
                    state.topics == again.topics && state.publishers == again.publishers && state.end == again.end
                        && state.heads == again.heads && state.consumers == again.consumers,
                    "a checkpoint that comes back changed")
            } catch { touch(error) }
        }
    }
    private static func topicTable(_ bytes: [UInt8]) {
        bytes.withView { view in
            do throws(DecodeError) {
                var decoder = Decoder(view, "topics")
                let table = try TopicTable(decoding: &decoder)
                table.checkInvariants()
                var again: [UInt8] = []
                table.encode(into: &again)
                precondition(again.withView { $0 == view[0..<decoder.position] }, "a table that comes back changed")
            } catch { touch(error) }
        }
    }
    private static func publisherTable(_ bytes: [UInt8]) {
        bytes.withView { view in
            do throws(DecodeError) {
                var decoder = Decoder(view, "publishers")
                let table = try PublisherTable(&decoder)
                var again: [UInt8] = []
                table.encode(into: &again)
                var second = try again.withView { v throws(DecodeError) in
                    var decoder = Decoder(v, "publishers")
                    let table = try PublisherTable(&decoder)
                    try decoder.end()
                    return table
                }
                precondition(table == second, "a table that comes back changed")
                touch(second.open(PublisherID(1), at: Timestamp(1)))
            } catch { touch(error) }
        }
    }

    // MARK: What people write

    /// A pattern, a line feed, and a name: both are read, the name is matched, and what covers must match no less.
    package static func pattern(_ view: ByteView) {
        var cut = 0
        while cut < view.count, view.u8(cut) != 10 { cut += 1 }
        let name = cut < view.count ? view.from(cut + 1) : .empty
        if let pattern = read(view[0..<cut]), let name = readName(name) {
            let only = TopicPattern(exactly: name)
            precondition(only.matches(name.text) && pattern.covers(only) == pattern.matches(name.text), "covering a name is matching it")
        }
        if let pattern = read(view[0..<cut]), let other = read(name) {
            let probes = ["a", "a/b", "$SYS/x", "zz/top/1"]
            if pattern.covers(other) {
                for probe in probes where other.matches(probe) { precondition(pattern.matches(probe), "covers too much") }
            }
        }
        touch(HostPort.self)
        do throws(HostPort.Refusal) { touch(try HostPort.parse(view[0..<cut].text)) } catch { touch(error) }
    }
    private static func read(_ view: ByteView) -> TopicPattern? {
        do throws(TopicError) {
            let pattern = try TopicPattern(view)
            let again = try TopicPattern(pattern.text)
            precondition(again == pattern, "a pattern's text is another pattern")
            return pattern
        } catch {
            touch(error.description)
            return nil
        }
    }
    private static func readName(_ view: ByteView) -> TopicName? {
        do throws(TopicError) { return try TopicName(view) } catch { return nil }
    }
    package static func topicsYAML(_ view: ByteView) {
        do throws(ConfigurationError) {
            let read = try TopicsConfiguration.parse(view.text, file: "topics.yaml")
            touch(read.rule(for: "factory/1/temperature"))
        } catch { precondition(!error.description.isEmpty) }
    }
    package static func nodeYAML(_ view: ByteView) {
        do throws(ConfigurationError) {
            touch(try NodeConfiguration.parse(view.text, file: "node.yaml"))
        } catch { precondition(!error.description.isEmpty) }
    }

    @inline(never) private static func touch<T>(_ value: T) {}
}
