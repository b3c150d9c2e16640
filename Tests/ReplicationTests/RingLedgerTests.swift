import Replication
import Testing

@Suite struct RingLedgerTests {
    @Test func spaceComesBackInTheOrderOfTheRing() {
        var ledger = RingLedger()
        let first = ledger.enter(end: 100, uses: 2)
        let second = ledger.enter(end: 150, uses: 1)
        #expect(ledger.read == 150 && ledger.consumed == 0)
        ledger.letGo(second)
        ledger.letGo(first)
        #expect(ledger.consumed == 0, "one party still uses the first")
        ledger.letGo(first)
        #expect(ledger.consumed == 150)
    }
    @Test func aPadIsGivenBackWithWhatLiesBeforeIt() {
        var ledger = RingLedger()
        ledger.skip(to: 8)
        #expect(ledger.consumed == 8 && ledger.read == 8)
        let line = ledger.enter(end: 20, uses: 1)
        ledger.skip(to: 64)
        #expect(ledger.consumed == 8 && ledger.read == 64)
        ledger.letGo(line)
        #expect(ledger.consumed == 64)
    }

    /// Every frame ever entered, and how many use it still.
    private struct Naive {
        var frames: [(end: UInt64, uses: Int)] = []
        var consumed: UInt64 {
            var end: UInt64 = 0
            for frame in frames {
                if frame.uses > 0 { break }
                end = frame.end
            }
            return end
        }
    }
    @Test(arguments: 0..<40) func theLedgerCountsAsTheNaiveOneDoes(_ seed: UInt64) {
        var numbers = SeededNumbers(seed: seed)
        var ledger = RingLedger()
        var naive = Naive()
        /// The ledger's number of a frame, and its place among all that were entered or skipped.
        var open: [(line: Int, place: Int)] = []
        for _ in 0..<400 {
            switch numbers.upTo(4) {
            case 0, 1:
                let end = ledger.read + UInt64(8 * (1 + numbers.upTo(9)))
                let uses = 1 + numbers.upTo(2)
                open += Array(repeating: (ledger.enter(end: end, uses: uses), naive.frames.count), count: uses)
                naive.frames.append((end, uses))
            case 2:
                let end = ledger.read + UInt64(8 * numbers.upTo(3))
                ledger.skip(to: end)
                naive.frames.append((end, 0))
            default:
                guard !open.isEmpty else { continue }
                let (line, place) = open.remove(at: numbers.upTo(open.count - 1))
                ledger.letGo(line)
                naive.frames[place].uses -= 1
            }
            #expect(ledger.consumed == naive.consumed && ledger.read == naive.frames.last?.end ?? 0)
        }
        for (line, _) in open { ledger.letGo(line) }
        #expect(ledger.consumed == ledger.read, "all is let go")
    }
}
