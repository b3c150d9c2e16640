internal import Broker
internal import Journal
internal import Storage
internal import Wire

/// An entry on a disk in which bits have turned over.
struct Rot {
    let host: Int
    let path: String
    /// The entry's first byte in the file.
    let position: Int
    let number: EntryNumber
    var what: String { "rot in entry \(number.raw) at \(path):\(position)" }
}

/// Disks that forget, or write to the wrong place. One entry on one disk at a time, which reads back on another disk or is not counted on: what no copy
/// is left of, nobody can repair.
extension World {
    struct Place {
        let path: String
        let position: Int
        let entry: EntryHeader
        let isOpen: Bool
    }
    private static let segmentHeader = 72

    func letRot() {
        guard isFree else { return }
        let host = faults.pick(hosts)
        let places = entries(on: host)
        // In the open segment a later entry, on the disk itself, must say that this one was: else nobody can tell it from a torn tail.
        let synced = host.work?.durable.synced.raw ?? host.peak
        let told = places.filter { $0.isOpen && $0.entry.number.raw < synced }.map(\.entry.synced).max() ?? .zero
        let able = places.filter { !$0.isOpen || $0.entry.number < told }
        guard !able.isEmpty else { return }
        let place = faults.chance(30) ? able[able.count - 1] : faults.pick(able)
        guard hosts.contains(where: { $0 !== host && holds($0, place.entry) }) else { return }
        turn(place, on: host)
    }

    /// A node that was cut out closes its log, which says by that how far it was on the disk. Its tail may be what no other has,
    /// and what nobody counts on.
    func letRot(ofCutOut host: Host, _ why: String) {
        guard temper.faults.contains(.rot), why.contains("without this node"), faults.chance(40), isFree else { return }
        let places = entries(on: host)
        guard !places.isEmpty else { return }
        let lone = places.suffix(8).last { place in !hosts.contains { $0 !== host && holds($0, place.entry) } }
        turn(lone ?? faults.pick(places), on: host)
    }

    /// Where some nodes keep some topics only another copy is somewhere while all holders have theirs.
    private var isFree: Bool { (rot.map(isMended) ?? true) && (!temper.isParted || hosts.allSatisfy { $0.node.map { $0.isLive && !$0.isLacking } ?? false }) }

    private func turn(_ place: Place, on host: Host) {
        counts.rots += 1
        if !misdirect(place, on: host) {
            for _ in 0...faults.below(3) {
                host.files.flip(place.path, at: place.position + faults.below(place.entry.length), bits: UInt8(1 << faults.below(8)))
            }
        }
        rot = Rot(host: host.index, path: place.path, position: place.position, number: place.entry.number)
        say("\(host.id): \(rot!.what)\(place.isOpen ? ", open" : "")")
    }

    /// A write that went to the wrong place: another entry, sound in itself, lies where this one was. True: it was done.
    private func misdirect(_ place: Place, on host: Host) -> Bool {
        guard faults.chance(40) else { return false }
        let others = entries(on: host).filter { $0.entry.length == place.entry.length && $0.entry.number != place.entry.number }
        guard !others.isEmpty else { return false }
        let other = faults.pick(others)
        guard let bytes = host.files.contents(other.path)?[other.position..<other.position + other.entry.length] else { return false }
        host.files.spoil(place.path, at: place.position, with: Array(bytes))
        say("\(host.id): entry \(other.entry.number.raw) lies where \(place.entry.number.raw) was")
        return true
    }

    /// The copy is on that disk for good.
    private func holds(_ host: Host, _ entry: EntryHeader) -> Bool {
        guard host.peak > entry.number.raw else { return false }
        // A learner's copy goes again when it follows somebody else's log: only members of the entry's view, or of a later one, count.
        guard let node = host.node, node.view.number >= entry.view else { return false }
        if let work = host.work, work.durable.synced <= entry.number { return false }
        return entries(on: host).contains { $0.entry.number == entry.number && $0.entry.chain == entry.chain }
    }

    /// All entries that read back, file by file, up to each file's first that does not.
    func entries(on host: Host) -> [Place] {
        var found: [Place] = []
        let names: [String]
        do throws(StorageError) { names = try host.files.list("group-0").filter { $0.hasSuffix(".log") } } catch { return [] }
        for (index, name) in names.enumerated() {
            let path = "group-0/" + name
            guard let bytes = host.files.contents(path) else { continue }
            var at = Self.segmentHeader
            while let entry = entry(in: bytes, at) {
                found.append(Place(path: path, position: at, entry: entry, isOpen: index == names.count - 1))
                at += entry.length
            }
        }
        return found
    }
    private func entry(in bytes: [UInt8], _ at: Int) -> EntryHeader? {
        guard at < bytes.count else { return nil }
        return bytes.withView { try? checkEntry($0.from(at)) }
    }

    /// The entry reads back, or has gone with what was cut off.
    func isMended(_ rot: Rot) -> Bool {
        guard let bytes = hosts[rot.host].files.contents(rot.path) else { return true }
        var at = Self.segmentHeader
        // The file's name begins with its first entry's number.
        var next = UInt64(rot.path.split(separator: "/").last?.prefix(16) ?? "", radix: 16) ?? .max
        while at <= rot.position, let entry = entry(in: bytes, at), entry.number.raw == next {
            at += entry.length
            next += UInt64(entry.span)
        }
        return at > rot.position || at >= bytes.count || bytes[at...].allSatisfy { $0 == 0 }
    }

    func isDamage(_ error: StorageError) -> Bool { if case .damage = error.kind { true } else { false } }

    /// What rots in an open segment shows when its node starts.
    func startRotten() {
        guard let rot, !isMended(rot) else { return }
        let host = hosts[rot.host]
        crash(host, power: false)
        queue.add(.boot(host: host.index), at: now + Span.millisecond)
    }
}
