import Storage
import Testing
import Wire

/// A small signed log, closed well, and where everything of it lies.
private struct Specimen {
    struct Place {
        let path: String
        let number: Int
        let range: Range<Int>
        let batches: [Range<Int>]
    }
    let disk = MemoryDisk()
    let entries: [Sample]
    var places: [Place] = []
    var ends: [String: Int] = [:]

    static let signatures = "group-3/signatures"

    init(_ count: Int = 12, seed: UInt64 = 8) throws {
        var samples = Samples(seed: seed)
        entries = samples.chained(count, payload: 48)
        let node = try SignedLog(disk, options: small(512, zeroAhead: 0))
        for (i, entry) in entries.enumerated() {
            try node.log.append(entry)
            // One to three entries under a signature.
            if [0, 1, 4, 6, 7, 9, count - 1].contains(i) { try node.commit() }
            if node.log.shouldRoll { try node.log.roll(checkpoint: []) }
        }
        try node.commit()
        try node.log.close()
        for path in try disk.list("group-3").filter({ $0.hasSuffix(".log") }).map({ "group-3/" + $0 }) {
            let bytes = try #require(disk.contents(path))
            var at = 72
            while let entry = Reference.entry(bytes, at) {
                var batches: [Range<Int>] = []
                var batch = at + 72
                while batch < at + entry.length {
                    let size = Int(Reference.integer(bytes, batch, 4))
                    batches.append(batch..<batch + size)
                    batch += size
                }
                places.append(Place(path: path, number: Int(entry.number), range: at..<at + entry.length, batches: batches))
                at += entry.length
            }
            ends[path] = at
        }
    }

    /// Turns bits over and makes every checksum above fit again, as who wants to hide it would.
    func forge(_ path: String, _ position: Int, _ bits: UInt8) -> [UInt8] {
        var bytes = disk.contents(path)!
        bytes[position] ^= bits
        func fit(_ crc: Int, _ range: Range<Int>, _ seed: UInt32 = 0) {
            guard !(crc..<crc + 4).contains(position) else { return }
            bytes.store(Reference.crc(bytes[range], seed), at: crc)
        }
        if path == Self.signatures {
            if position < 512 { fit(4, 8..<512) } else {
                let slot = 512 + (position - 512) / 128 * 128
                fit(slot + 4, slot + 8..<slot + 128)
            }
        } else if position < 72 { fit(4, 8..<72) } else if let place = places.first(where: { $0.path == path && $0.range.contains(position) }) {
            for batch in place.batches where batch.contains(position) { fit(batch.lowerBound + 4, batch.lowerBound + 8..<batch.upperBound) }
            let at = place.range.lowerBound
            if !(at + 8..<at + 12).contains(position) {
                var crc = Reference.crc(bytes[at + 12..<at + 72])
                for batch in place.batches { crc = Reference.crc(bytes[batch.lowerBound..<batch.lowerBound + 8], crc) }
                bytes.store(crc, at: at + 8)
            }
        }
        return bytes
    }
}

@Suite struct SignedTamperTests {
    @Test func aLogThatNobodyTouchedIsAsItWasWritten() throws {
        let specimen = try Specimen()
        let report = try SignedLog.audit(specimen.disk)
        #expect(report.findings == [] && report.isClosed && report.segments > 2)
        #expect(report.signatures?.end == EntryNumber(12) && report.entries == 12 && report.signatures?.count ?? 0 > 6)
    }

    /// Every byte of every entry, whatever it says, with its checksums made to fit.
    @Test(arguments: [UInt8(1), 0x80]) func everyByteOfAnEntryThatIsChangedIsFoundAndLocated(bits: UInt8) throws {
        let specimen = try Specimen()
        var count = 0
        for (path, end) in specimen.ends.sorted(by: { $0.key < $1.key }) {
            let before = try #require(specimen.disk.contents(path))
            for position in 0..<end {
                specimen.disk.spoil(path, at: 0, with: specimen.forge(path, position, bits))
                let report = try SignedLog.audit(specimen.disk)
                let place = specimen.places.first { $0.path == path && $0.range.contains(position) }
                let isFound = report.findings.contains { finding in
                    guard finding.isProblem, let place else { return finding.isProblem && finding.file == path }
                    let number = EntryNumber(UInt64(place.number))
                    let isNear = finding.entries.contains(number) && finding.entries.upperBound.raw - finding.entries.lowerBound.raw <= 3
                    return isNear && (finding.file == path && finding.offset ?? .max <= position || finding.file < path)
                }
                #expect(isFound, "\(path):\(position), entry \(place?.number ?? -1): \(report.findings)")
                specimen.disk.spoil(path, at: 0, with: before)
                count += 1
            }
        }
        #expect(count > 1500)
        #expect(try SignedLog.audit(specimen.disk).findings == [])
    }

    @Test(arguments: [UInt8(1), 0x80]) func everyByteOfASignatureThatIsChangedIsFoundAndLocated(bits: UInt8) throws {
        let specimen = try Specimen()
        let path = Specimen.signatures
        let before = try #require(specimen.disk.contents(path))
        let end = try #require(before.lastIndex { $0 != 0 }) + 1
        for position in 0..<(end + 127) / 128 * 128 {
            specimen.disk.spoil(path, at: 0, with: specimen.forge(path, position, bits))
            let report = try SignedLog.audit(specimen.disk)
            // What the header says all signatures are made over; any other byte is of one.
            let slot = position < 512 ? nil : 512 + (position - 512) / 128 * 128
            let isFound = report.findings.contains { $0.isProblem && $0.file == path && (slot == nil || $0.offset == slot) }
            #expect(isFound, "\(position): \(report.findings)")
            specimen.disk.spoil(path, at: 0, with: before)
        }
    }

    /// Where the log is shorter than what was signed, that is said; where both were cut alike, another node's folder says it.
    @Test func everyTruncationIsFound() throws {
        let specimen = try Specimen()
        let witness = try Specimen().disk
        let paths = specimen.ends.keys.sorted()
        for path in paths {
            let before = try #require(specimen.disk.contents(path))
            for size in 0..<specimen.ends[path]! {
                let file = try specimen.disk.open(path, create: false)
                try specimen.disk.truncate(file, to: size)
                let report = try SignedLog.audit(specimen.disk)
                #expect(report.problems > 0, "\(path) cut to \(size)")
                try before.withView { view in try specimen.disk.write(file, at: 0, parts: [view]) }
            }
        }
        #expect(try SignedLog.audit(specimen.disk).findings == [])
        // The newest segments and the signatures over them, both.
        let last = try #require(paths.last)
        try specimen.disk.remove(last)
        let file = try specimen.disk.open(Specimen.signatures, create: false)
        let first = try #require(specimen.places.first { $0.path == last }?.number)
        var kept = 512
        while Int(Reference.integer(try #require(specimen.disk.contents(Specimen.signatures)), kept + 8, 8)) <= first { kept += 128 }
        try specimen.disk.truncate(file, to: kept)
        for name in ["group-3/mark"] + (try specimen.disk.list("group-3").filter { $0.hasSuffix(".checkpoint") }.map { "group-3/" + $0 }) { try specimen.disk.remove(name) }
        #expect(try SignedLog.audit(specimen.disk).problems == 0)
        let shown = try SignedLog.audit(specimen.disk, against: [witness])
        #expect(shown.findings.contains { $0.what.hasPrefix("signed by node") && $0.entries == EntryNumber(UInt64(first))..<EntryNumber(12) }, "\(shown.findings)")
    }

    @Test func entriesThatChangedPlacesAreFound() throws {
        let specimen = try Specimen(12, seed: 11)
        let pair = zip(specimen.places, specimen.places.dropFirst()).first { $0.path == $1.path && $0.range.count == $1.range.count }
        guard let (a, b) = pair else { return }
        var bytes = try #require(specimen.disk.contents(a.path))
        let (first, second) = (Array(bytes[a.range]), Array(bytes[b.range]))
        bytes.replaceSubrange(a.range, with: second)
        bytes.replaceSubrange(b.range, with: first)
        specimen.disk.spoil(a.path, at: 0, with: bytes)
        #expect(try SignedLog.audit(specimen.disk).problems > 0)
    }

    /// Rewritten from some entry on by somebody with another key.
    @Test func aForgerWithoutTheKeyIsFound() throws {
        let specimen = try Specimen()
        let forged = MemoryDisk()
        let history = try SignedHistory(forged, group: GroupID(3), signer: try #require(Signer(node: NodeID(1), cluster: "plant", key: [UInt8](repeating: 9, count: 32))))
        let log = try Log.open(forged, group: GroupID(3), options: small(512), known: history.end).log
        var samples = Samples(seed: 8)
        var entries = samples.chained(12, payload: 40)
        entries[5].batches = entries[3].batches
        (entries[5].count, entries[5].records) = (entries[3].count, entries[3].records)
        try log.append(all: entries)
        try history.sign(log, below: try log.sync())
        // By itself it is consistent: its key is not the node's.
        let report = try SignedLog.audit(forged)
        #expect(report.problems == 0 && report.signatures?.key != SignedLog.signer(1).publicKey)
        #expect(try SignedLog.audit(forged, against: [specimen.disk]).problems == 1)
    }

    @Test func aNodeDoesNotSignOverWhatItDidNotSign() throws {
        let specimen = try Specimen()
        let place = try #require(specimen.places.last)
        specimen.disk.spoil(place.path, at: 0, with: specimen.forge(place.path, place.range.upperBound - 1, 1))
        #expect(throws: StorageError.self) { _ = try SignedLog(specimen.disk, options: small(512)) }
    }
}
