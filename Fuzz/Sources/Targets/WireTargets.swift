package import Wire

/// Decoders of Wire as functions of bytes. Each may refuse; none may trap; and what it takes must come back the same from
/// its own encoder. Also read by Tests/WireTests, which runs the saved corpus through the same functions.
package enum WireTargets {
    /// In the order in which `scripts/fuzz` runs them. The folder of a target's corpus bears its name.
    package static let all: [(name: String, run: @Sendable (ByteView) -> Void)] = [
        ("batch", batch), ("entry", entry), ("frame", frame), ("headers", headers), ("state-row", stateRow),
        ("member-row", memberRow), ("summary", summary), ("restart-step", restartStep), ("wants", wants), ("elsewhere", elsewhere), ("relay-block", relayBlock), ("member-state", memberState),
        ("client", client), ("store", store), ("consumers", consumers),
    ]

    // MARK: Batches and entries

    /// As it came, and with its checksum made right, so that what lies behind the checksum is reached too.
    package static func batch(_ view: ByteView) {
        openAndWalk(view)
        var bytes = view.array
        mendBatch(&bytes, 0)
        bytes.withView { openAndWalk($0) }
    }
    private static func openAndWalk(_ view: ByteView) {
        do throws(DecodeError) {
            let (header, body) = try openBatch(view)
            var seen = 0
            try checkRecords(body, count: header.count) { _, length throws(DecodeError) in seen += length }
            precondition(seen == body.count, "records do not fill the batch")
            var cursor = RecordCursor(body)
            var count = 0
            while let record = cursor.next() {
                count += 1
                touch(record.key)
                touch(record.payload)
                headers(record.headers)
            }
            precondition(count == header.count && cursor.position == body.count, "the cursor and the check differ")
        } catch { touch(error) }
    }
    private static func mendBatch(_ bytes: inout [UInt8], _ start: Int) {
        guard start + BatchHeader.size <= bytes.count else { return }
        let length = bytes.withView { Int($0.u32(start)) }
        guard length >= BatchHeader.size, length <= bytes.count - start else { return }
        bytes.store(bytes.withView { $0[start + BatchHeader.crcStart..<start + length].crc32c() }, at: start + 4)
    }

    package static func entry(_ view: ByteView) {
        checkAndWalk(view)
        var bytes = view.array
        mendEntry(&bytes)
        bytes.withView { checkAndWalk($0) }
    }
    private static func checkAndWalk(_ view: ByteView) {
        do throws(DecodeError) {
            let header = try checkEntry(view)
            precondition(header.length <= view.count && header.length <= Limits.entry)
            let body = view[EntryHeader.size..<header.length]
            var cursor = BatchCursor(body)
            var batches = 0
            while try cursor.next(verify: true) != nil { batches += 1 }
            precondition(batches == header.batches, "the cursor and the check differ")
            var again: [UInt8] = []
            header.encode(into: &again) { _ in view.u32(8) }
            precondition(again.withView { $0 == view[0..<EntryHeader.size] }, "a header that comes back changed")
        } catch { touch(error) }
    }
    private static func mendEntry(_ bytes: inout [UInt8]) {
        guard bytes.count >= EntryHeader.size else { return }
        let length = min(bytes.count, bytes.withView { Int($0.u32(4)) })
        var crc = bytes.withView { $0[EntryHeader.crcStart..<EntryHeader.size].crc32c() }
        var at = EntryHeader.size
        while at + BatchHeader.size <= length {
            mendBatch(&bytes, at)
            crc = bytes.withView { $0[at..<at + BatchHeader.crcStart].crc32c(crc) }
            let step = bytes.withView { Int($0.u32(at)) }
            guard step >= BatchHeader.size else { break }
            at += step
        }
        bytes.store(crc, at: 8)
    }

    package static func frame(_ view: ByteView) {
        readFrame(view)
        guard view.count >= FrameHeader.size else { return }
        var bytes = view.array
        bytes.store(FrameHeader.magic, at: 0)
        bytes.store(bytes.withView { $0[0..<44].crc32c() }, at: 44)
        bytes.withView { readFrame($0) }
    }
    private static func readFrame(_ view: ByteView) {
        do throws(DecodeError) {
            let header = try FrameHeader(view)
            precondition(header.length <= view.count && header.length >= FrameHeader.size)
            precondition(header.encode().withView { $0 == view[0..<FrameHeader.size] }, "a header that comes back changed")
        } catch { touch(error) }
    }

    package static func headers(_ view: ByteView) {
        var cursor = HeaderCursor(view)
        var bytes = 0
        do throws(DecodeError) {
            while let (name, value) = try cursor.next() {
                bytes += 4 + name.count + value.count
                touch(name)
                touch(value)
            }
            precondition(bytes == view.count, "headers do not fill their place")
        } catch { touch(error) }
    }

    // MARK: Between nodes

    package static func relayBlock(_ view: ByteView) {
        do throws(DecodeError) {
            let (block, bytes) = try RelayBlock.read(view)
            precondition(block.part.count > 0 && block.part.count == bytes.count && block.part.upperBound <= block.body.count && block.body.count <= Limits.frame)
            precondition(block.encode().withView { $0 == view[0..<RelayBlock.size] }, "a block that comes back changed")
        } catch { touch(error) }
    }

    /// The first two bytes choose the shape that the reader expects: members and groups.
    package static func stateRow(_ view: ByteView) {
        touch(StateRow.view(of: view))
        guard view.count >= 2 else { return }
        let members = 1 + Int(view.u8(0)) % Limits.members
        let groups = 1 + Int(view.u8(1)) % Limits.groups
        var row = StateRow(view: ViewNumber(0), members: members, groups: groups)
        do throws(DecodeError) {
            try row.read(view.from(2))
            var again = StateRow(view: ViewNumber(0), members: members, groups: groups)
            var bytes: [UInt8] = []
            row.encode(into: &bytes)
            precondition(bytes.count == StateRow.length(members: members, groups: groups))
            try bytes.withView { view throws(DecodeError) in try again.read(view) }
            precondition(row == again, "a row that comes back changed")
        } catch { touch(error) }
    }
    package static func memberRow(_ view: ByteView) {
        roundTrip(view, { v throws(DecodeError) in try MemberRow(v) }) { $1.encode(into: &$0) }
    }
    package static func summary(_ view: ByteView) {
        roundTrip(view, { v throws(DecodeError) in try Summary(v) }) { $1.encode(into: &$0) }
    }
    package static func restartStep(_ view: ByteView) {
        roundTrip(view, { v throws(DecodeError) in try RestartStep(v) }) { $1.encode(into: &$0) }
    }
    package static func wants(_ view: ByteView) {
        roundTrip(view, { v throws(DecodeError) in try WantsPage(v) }) { $0 += $1.encode() }
    }
    /// What nodes ask of one another where some hold what others do not; the first byte chooses the message.
    package static func elsewhere(_ view: ByteView) {
        guard view.count >= 1 else { return }
        let body = view.from(1)
        switch view.u8(0) % 9 {
        case 0: roundTrip(body, { v throws(DecodeError) in try Holdings(v) }) { $0 += $1.encode() }
        case 1: roundTrip(body, { v throws(DecodeError) in try HoldingWord(v) }) { $0 += $1.encode() }
        case 2: roundTrip(body, { v throws(DecodeError) in try ExcerptRequest(v) }) { $0 += $1.encode() }
        case 3: roundTrip(body, { v throws(DecodeError) in try OffsetsRequest(v) }) { $0 += $1.encode() }
        case 4: roundTrip(body, { v throws(DecodeError) in try OffsetsAnswer(v) }) { $0 += $1.encode() }
        case 5: roundTrip(body, { v throws(DecodeError) in try GiveUpRequest(v) }) { $0 += $1.encode() }
        case 6:
            do throws(DecodeError) { _ = try ValuesRequest(body) } catch { touch(error) }
            do throws(DecodeError) { _ = try ValuesAnswer(body) } catch { touch(error) }
        case 7: do throws(DecodeError) { touch(try ExcerptAnswer(body).entries) } catch { touch(error) }
        default: mergeOf(body)
        }
    }
    /// Two stretches of a log, each entry made sound: the first is this node's, the second another's, and may be anything.
    private static func mergeOf(_ view: ByteView) {
        guard view.count >= 2 else { return }
        let middle = min(2 + Int(view.u16(0)), view.count)
        let own = sound(view[2..<middle])
        let other = sound(view.from(middle))
        guard let first = own.withView({ try? EntryHeader($0) }) else { return }
        var merged: [UInt8] = []
        let place = (number: first.number, offset: first.baseOffset)
        guard own.withView({ own in other.withView { Excerpt.merge(own, $0, from: place, into: &merged) } }) != nil else { return }
        merged.withView { merged in
            var at = 0
            while at < merged.count, let entry = try? EntryHeader(merged.from(at)) { at += entry.length }
            precondition(at == merged.count, "what was merged does not read back")
            var excerpt: [UInt8] = []
            Excerpt.make(of: merged, into: &excerpt) { $0.raw & 1 == 1 }
        }
    }
    private static func sound(_ view: ByteView) -> [UInt8] {
        var whole: [UInt8] = []
        var at = 0
        while at < view.count, let header = try? EntryHeader(view.from(at)), header.length <= view.count - at {
            var bytes = view[at..<at + header.length].array
            mendEntry(&bytes)
            guard bytes.withView({ (try? checkEntry($0)) != nil }) else { break }
            whole += bytes
            at += header.length
        }
        return whole
    }

    package static func memberState(_ view: ByteView) {
        roundTrip(view, { v throws(DecodeError) in try MemberState(v) }) { $0 += $1.encode() }
    }

    // MARK: Between client and node

    /// The first byte chooses the message.
    package static func client(_ view: ByteView) {
        guard view.count >= 1 else { return }
        let body = view.from(1)
        switch view.u8(0) % 13 {
        case 0: roundTrip(body, { v throws(DecodeError) in try DeclareRequest(v) }) { $0 += $1.encode() }
        case 1: roundTrip(body, { v throws(DecodeError) in try DeclareAnswer(v) }) { $0 += $1.encode() }
        case 2: roundTrip(body, { v throws(DecodeError) in try OpenRequest(v) }) { $0 += $1.encode() }
        case 3: roundTrip(body, { v throws(DecodeError) in try OpenAnswer(v) }) { $0 += $1.encode() }
        case 4: roundTrip(body, { v throws(DecodeError) in try Acknowledgement(v) }) { $1.encode(into: &$0) }
        case 5: roundTrip(body, { v throws(DecodeError) in try Refusal(v) }) { $0 += $1.encode() }
        case 6: roundTrip(body, { v throws(DecodeError) in try SubscribeRequest(v) }) { $0 += $1.encode() }
        case 7: roundTrip(body, { v throws(DecodeError) in try SubscribeAnswer(v) }) { $0 += $1.encode() }
        case 8: roundTrip(body, { v throws(DecodeError) in try Position(v) }) { $1.encode(into: &$0) }
        case 9: roundTrip(body, { v throws(DecodeError) in try ClusterInfo(v) }) { $0 += $1.encode() }
        case 10: roundTrip(body, { v throws(DecodeError) in try TopicNames(v) }) { bytes, names in
            bytes.append(int: names.group.raw)
            bytes.append(int: UInt32(names.names.count))
            for (topic, level, name) in names.names {
                bytes.append(int: topic.raw)
                bytes.append(level.rawValue)
                bytes.append(text: name)
            }
        }
        case 11: roundTrip(body, { v throws(DecodeError) in try ReleaseAnswer(v) }) { $0 += $1.encode() }
        default:
            do throws(DecodeError) { touch(try PickedHeader(body)) } catch { touch(error) }
        }
    }

    /// The first byte chooses the message.
    package static func store(_ view: ByteView) {
        guard view.count >= 1 else { return }
        let body = view.from(1)
        switch view.u8(0) % 6 {
        case 0: roundTrip(body, { v throws(DecodeError) in try StoreRead(v) }) { $0 += $1.encode() }
        case 1: roundTrip(body, { v throws(DecodeError) in try StoreTail(v) }) { $0 += $1.encode() }
        case 2: roundTrip(body, { v throws(DecodeError) in try StoreDone(v) }) { $0 += $1.encode() }
        case 3: roundTrip(body, { v throws(DecodeError) in try StorePlace(v) }) { $0 += $1.encode() }
        case 4:
            do throws(DecodeError) {
                let (_, batch) = try StorePut.open(body)
                touch(batch)
            } catch { touch(error) }
        default:
            do throws(DecodeError) {
                let page = try StorePage(body)
                page.forEach { name, version, record in
                    touch(name)
                    touch(version)
                    touch(record.whole)
                    touch(record.plainHeaders)
                    touch(VersionCondition(of: record))
                }
                let head = StorePage.head(request: page.request, group: page.group, cut: page.cut, next: page.next, names: page.names)
                precondition(head.count + page.rows.count == body.count, "a page that comes back changed")
            } catch { touch(error) }
        }
    }

    /// The first byte chooses the message.
    package static func consumers(_ view: ByteView) {
        guard view.count >= 1 else { return }
        let body = view.from(1)
        switch view.u8(0) % 6 {
        case 0: roundTrip(body, { v throws(DecodeError) in try ConsumeRequest(v) }) { $0 += $1.encode() }
        case 1: roundTrip(body, { v throws(DecodeError) in try ConsumerAssignment(v) }) { $0 += $1.encode() }
        case 2: roundTrip(body, { v throws(DecodeError) in try ConsumerConfirm(v) }) { $0 += $1.encode() }
        case 3: roundTrip(body, { v throws(DecodeError) in try ConsumerOrder(v) }) { $0 += $1.encode() }
        case 4: roundTrip(body, { v throws(DecodeError) in try ConsumerDone(v) }) { $0 += $1.encode() }
        default: roundTrip(body, { v throws(DecodeError) in try ConsumerChange(v) }) { $0 += $1.encode() }
        }
    }

    // MARK: What every target does

    private static func roundTrip<T: Equatable>(
        _ view: ByteView, _ decode: (ByteView) throws(DecodeError) -> T, _ encode: (inout [UInt8], T) -> Void
    ) {
        let value: T
        do throws(DecodeError) { value = try decode(view) } catch { return touch(error) }
        var bytes: [UInt8] = []
        encode(&bytes, value)
        do throws(DecodeError) {
            let again = try bytes.withView { v throws(DecodeError) in try decode(v) }
            precondition(value == again, "a message that comes back changed")
        } catch { preconditionFailure("an own message is refused: \(error)") }
    }

    /// Reads every byte, so that a view outside of its memory shows.
    private static func touch(_ view: ByteView) {
        var sum: UInt8 = 0
        for index in 0..<view.count { sum &+= view.u8(index) }
        touch(sum)
    }
    @inline(never) private static func touch<T>(_ value: T) {}
}
