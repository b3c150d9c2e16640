import Testing
import Wire

@testable import Broker

@Suite struct RecentEntriesTests {
    private static func entry(_ number: UInt64, _ length: Int) -> (header: EntryHeader, body: [UInt8]) {
        let header = EntryHeader(
            length: EntryHeader.size + length, batches: 1, number: EntryNumber(number), baseOffset: Offset(10 * number), timestamp: Timestamp(number),
            view: ViewNumber(1), sender: NodeID(1), group: .durable, records: 10)
        return (header, (0..<length).map { UInt8(truncatingIfNeeded: number &* 31 &+ UInt64($0)) })
    }
    private static func append(_ number: UInt64, _ length: Int, to recent: inout RecentEntries, limit: Int) {
        let (header, body) = entry(number, length)
        body.withView { recent.append(header, $0, limit: limit) }
    }
    /// The numbers of a page's entries, each compared with what was appended.
    private static func numbers(_ page: Page, _ length: (UInt64) -> Int) throws -> [UInt64] {
        var at = page.at
        var found: [UInt64] = []
        while at < page.end {
            let header = try EntryHeader(page.bytes.view[0..<page.end].from(at))
            let number = header.number.raw
            #expect(header == Self.entry(number, length(number)).header)
            #expect(page.bytes.view[at + EntryHeader.size..<at + header.length].array == Self.entry(number, length(number)).body, "entry \(number)")
            found.append(number)
            at += header.length
        }
        return found
    }

    /// 8 to 8,000 bytes.
    private static func length(_ number: UInt64) -> Int { 8 + Int(number &* 2_654_435_761 % 1000) * 8 }

    @Test func everyEntryIsFoundFromEveryPlaceUntilItGoes() throws {
        let limit = 200_000
        var recent = RecentEntries()
        for number in UInt64(100)..<600 {
            Self.append(number, Self.length(number), to: &recent, limit: limit)
            #expect(recent.to == EntryNumber(number + 1))
        }
        #expect(recent.from > EntryNumber(100), "nothing has gone")
        #expect(recent.page(from: EntryNumber(recent.from.raw - 1)) == nil && recent.page(from: recent.to) == nil)
        var held = 0
        for number in recent.from.raw..<recent.to.raw {
            held += EntryHeader.size + Self.length(number)
            var found: [UInt64] = []
            var next = EntryNumber(number)
            while let page = recent.page(from: next) {
                found += try Self.numbers(page, Self.length)
                next = page.next
            }
            #expect(found == Array(number..<600))
        }
        #expect(held <= limit && held > limit / 2, "\(held) bytes of \(limit)")
    }

    @Test func aPageStaysAsItWasWhileMoreComes() throws {
        var recent = RecentEntries()
        Self.append(1, 64, to: &recent, limit: 1 << 20)
        let page = try #require(recent.page(from: EntryNumber(1)))
        for number in UInt64(2)..<200 { Self.append(number, 64, to: &recent, limit: 1 << 20) }
        #expect(try Self.numbers(page) { _ in 64 } == [1])
        #expect(try Self.numbers(try #require(recent.page(from: page.next))) { _ in 64 } == Array(2..<200))
        recent.removeAll()
        #expect(recent.isEmpty && recent.page(from: EntryNumber(2)) == nil)
        #expect(try Self.numbers(page) { _ in 64 } == [1])
    }

    @Test func behindAGapItBeginsAnew() throws {
        var recent = RecentEntries()
        for number in [UInt64(5), 6, 9, 10] { Self.append(number, 80, to: &recent, limit: 1 << 20) }
        #expect(recent.from == EntryNumber(9) && recent.to == EntryNumber(11))
        #expect(recent.page(from: EntryNumber(6)) == nil)
        #expect(try Self.numbers(try #require(recent.page(from: EntryNumber(9)))) { _ in 80 } == [9, 10])
    }

    @Test func oneThatIsLargerThanAllRoomIsThereAlone() throws {
        var recent = RecentEntries()
        Self.append(1, 100, to: &recent, limit: 1000)
        Self.append(2, 5000, to: &recent, limit: 1000)
        #expect(recent.from == EntryNumber(2))
        #expect(try Self.numbers(try #require(recent.page(from: EntryNumber(2)))) { _ in 5000 } == [2])
        Self.append(3, 100, to: &recent, limit: 1000)
        #expect(recent.from == EntryNumber(3))
    }
}
