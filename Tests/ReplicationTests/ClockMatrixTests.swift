import Replication
import Testing
import Wire

@Suite struct ClockMatrixTests {
    private func matrix(_ members: Int = 3, me: Int = 0, base: UInt64 = 0) -> ClockMatrix {
        ClockMatrix(view: view(of: members), me: me, base: Timestamp(base))
    }
    private func ordered(_ matrix: inout ClockMatrix) -> String {
        var out: [FrameRef] = []
        matrix.takeOrdered(into: &out)
        matrix.checkInvariants()
        return words(out)
    }
    private func row(_ matrix: inout ClockMatrix, _ member: Int, _ clocks: [UInt64], durable: OrderKey = .zero) -> Bool {
        matrix.receive(from: member, clocks: times(clocks)[...], durable: durable)
    }

    private func hold(_ matrix: inout ClockMatrix, _ rank: Int, _ time: UInt64) -> Bool { matrix.hold(frame(rank, time)) }

    // MARK: R1, R2

    @Test func aFrameAtOrBelowItsSendersLastIsRefused() {
        var clocks = matrix(base: 10)
        for (time, isTaken) in [(10, false), (11, true), (11, false), (5, false), (20, true), (19, false)] as [(UInt64, Bool)] {
            #expect(hold(&clocks, 1, time) == isTaken, "\(time)")
        }
        #expect(hold(&clocks, 2, 11))
    }
    @Test func aFrameAtOrBelowItsSendersPromiseIsRefused() {
        var clocks = matrix()
        #expect(row(&clocks, 1, [0, 30, 0]))
        #expect(!hold(&clocks, 1, 30) && hold(&clocks, 1, 31))
    }
    @Test func promisesNeverFall() {
        var clocks = matrix()
        clocks.promise(Timestamp(9))
        clocks.promise(Timestamp(4))
        #expect(clocks.own(0) == Timestamp(9))
        #expect(row(&clocks, 1, [5, 8, 2]))
        #expect(!row(&clocks, 1, [4, 7, 1]))
        #expect(clocks.clock(1, 0) == Timestamp(5) && clocks.clock(1, 1) == Timestamp(8) && clocks.own(1) == Timestamp(8))
        #expect(clocks.own(2) == .zero, "what another holds of a third says nothing of what is here")
    }
    @Test func aRowOfASliceThatBeginsElsewhereIsReadFromItsStart() {
        var clocks = matrix(2)
        let long = times([99, 99, 3, 4, 99])
        let rose = clocks.receive(from: 1, clocks: long[2..<4], durable: .zero)
        #expect(rose)
        #expect(clocks.clock(1, 0) == Timestamp(3) && clocks.clock(1, 1) == Timestamp(4))
    }

    // MARK: R3

    @Test func framesComeInTheOrderOfTheirStampsAndTiesBySender() {
        var clocks = matrix()
        for (rank, time) in [(2, 5), (0, 5), (1, 5), (1, 6), (0, 7)] as [(Int, UInt64)] { #expect(hold(&clocks, rank, time)) }
        #expect(ordered(&clocks) == "")
        clocks.promise(Timestamp(7))
        #expect(row(&clocks, 1, [0, 6, 0]))
        #expect(ordered(&clocks) == "", "the third has promised nothing")
        #expect(row(&clocks, 2, [0, 0, 5]))
        #expect(ordered(&clocks) == "0@5 1@5 2@5")
        #expect(row(&clocks, 2, [0, 0, 9]))
        #expect(ordered(&clocks) == "1@6", "not beyond the second's promise")
        #expect(row(&clocks, 1, [0, 7, 0]))
        #expect(ordered(&clocks) == "0@7")
        #expect(clocks.orderedLimit == Timestamp(7))
    }
    @Test func aMemberAloneOrdersByItsOwnPromise() {
        var clocks = matrix(1)
        #expect(hold(&clocks, 0, 3))
        clocks.promise(Timestamp(3))
        #expect(ordered(&clocks) == "0@3")
        #expect(clocks.stableLimit(of: 0) == Timestamp(3))
    }

    // MARK: R4, R5

    @Test func aFrameIsStableWhenEveryMemberHoldsIt() {
        var clocks = matrix()
        clocks.promise(Timestamp(10))
        #expect(row(&clocks, 1, [10, 4, 3]))
        #expect(clocks.stableLimit(of: 0) == .zero)
        #expect(row(&clocks, 2, [6, 4, 8]))
        #expect(clocks.stableLimit(of: 0) == Timestamp(6))
        #expect(clocks.stableLimit(of: 1) == Timestamp(4))
        #expect(clocks.stableLimit(of: 2) == Timestamp(3))
    }
    @Test func theFrontierIsWhatAQuorumsDisksHavePassed() {
        var clocks = matrix()
        let keys = [OrderKey(Timestamp(8), NodeID(1)), OrderKey(Timestamp(8), NodeID(2)), OrderKey(Timestamp(9), NodeID(1))]
        clocks.synced(keys[0])
        #expect(clocks.quorumDurable == .zero)
        #expect(row(&clocks, 1, [0, 0, 0], durable: keys[1]))
        #expect(clocks.quorumDurable == keys[0], "of two keys of one time the lower sender's")
        #expect(row(&clocks, 2, [0, 0, 0], durable: keys[2]))
        #expect(clocks.quorumDurable == keys[1])
        clocks.synced(.zero)
        #expect(clocks.durableKey(of: 0) == keys[0], "a disk does not forget")
        #expect(!row(&clocks, 2, [0, 0, 0], durable: keys[0]) && clocks.durableKey(of: 2) == keys[2])
    }
    @Test func halfWithTheFirstIsAQuorumOfDisksAndHalfWithoutIsNot() {
        var clocks = matrix(4, me: 3)
        let key = OrderKey(Timestamp(5), NodeID(1))
        clocks.synced(key)
        #expect(row(&clocks, 2, [0, 0, 0, 0], durable: key))
        #expect(clocks.quorumDurable == .zero)
        clocks = matrix(4, me: 3)
        clocks.synced(key)
        #expect(row(&clocks, 0, [0, 0, 0, 0], durable: key))
        #expect(clocks.quorumDurable == key)
    }

    // MARK: R7

    @Test func theCutKeepsEachSendersFramesUpToItsTimeInOrder() {
        var clocks = matrix()
        for (rank, time) in [(0, 3), (0, 6), (1, 3), (1, 5), (2, 9)] as [(Int, UInt64)] { #expect(hold(&clocks, rank, time)) }
        #expect(words(clocks.heldFrames()) == "0@3 0@6 1@3 1@5 2@9")
        #expect(words(clocks.takeWithin(cut: times([6, 4, 0]))) == "0@3 1@3 0@6")
        #expect(clocks.heldFrames().isEmpty)
    }

    // MARK: Against a naive model

    /// Everything that was ever told, kept in lists, and every answer found by going through all of it.
    private struct Naive {
        let members: Int
        let me: Int
        let base: UInt64
        var told: [(member: Int, row: [UInt64])] = []
        var synced: [(member: Int, key: OrderKey)] = []
        var taken: [(rank: Int, time: UInt64)] = []
        var given = 0

        func clock(_ member: Int, _ sender: Int) -> UInt64 {
            let rows = told.filter { $0.member == member || (member == me && $0.member == sender) }
            return rows.map { $0.row[sender] }.reduce(base, max)
        }
        mutating func hold(_ rank: Int, _ time: UInt64) -> Bool {
            if time <= clock(me, rank) || taken.contains(where: { $0.rank == rank && $0.time >= time }) || time <= base { return false }
            taken.append((rank, time))
            return true
        }
        /// All that is in order, from the very start; what was given before is skipped.
        mutating func order() -> String {
            let limit = (0..<members).map { clock(me, $0) }.min()!
            let all = taken.filter { $0.time <= limit }.sorted { ($0.time, $0.rank) < ($1.time, $1.rank) }
            defer { given = all.count }
            return all[given...].map { "\($0.rank)@\($0.time)" }.joined(separator: " ")
        }
        func stable(_ sender: Int) -> UInt64 { (0..<members).map { clock($0, sender) }.min()! }
        func durable() -> OrderKey {
            let keys = (0..<members).map { member in synced.filter { $0.member == member }.map(\.key).max() ?? .zero }
            // The highest key such that more than half, or half with the first, have one as high.
            return (keys + [.zero]).filter { key in
                let have = (0..<members).filter { keys[$0] >= key }
                return 2 * have.count > members || (2 * have.count == members && have.contains(0))
            }.max()!
        }
    }

    @Test(arguments: 0..<60) func theMatrixAnswersAsTheNaiveOneDoes(_ seed: Int) {
        var numbers = SeededNumbers(seed: UInt64(seed))
        let members = 1 + seed % 5
        let me = numbers.upTo(members - 1)
        let base = UInt64(numbers.upTo(5))
        var clocks = matrix(members, me: me, base: base)
        var naive = Naive(members: members, me: me, base: base)
        for step in 0..<150 {
            // Frames race with promises, so that both refusals and gaps occur.
            let time = base + UInt64(step / 4 + numbers.upTo(8))
            let rank = numbers.upTo(members - 1)
            switch numbers.upTo(4) {
            case 0, 1: #expect(hold(&clocks, rank, time) == naive.hold(rank, time))
            case 2 where rank == me:
                clocks.promise(Timestamp(time))
                var row = [UInt64](repeating: 0, count: members)
                row[me] = time
                naive.told.append((me, row))
            case 2 where rank != me, 3 where rank != me:
                let row = (0..<members).map { _ in UInt64(numbers.upTo(Int(time))) }
                let key = OrderKey(Timestamp(UInt64(numbers.upTo(Int(time)))), NodeID(UInt16(1 + numbers.upTo(members - 1))))
                _ = clocks.receive(from: rank, clocks: times(row)[...], durable: key)
                naive.told.append((rank, row))
                naive.synced.append((rank, key))
            default:
                let key = OrderKey(Timestamp(time), NodeID(UInt16(1 + rank)))
                clocks.synced(key)
                naive.synced.append((me, key))
            }
            if numbers.upTo(3) == 0 { #expect(ordered(&clocks) == naive.order(), "step \(step)") }
            for sender in 0..<members {
                #expect(clocks.stableLimit(of: sender).raw == naive.stable(sender), "step \(step), sender \(sender)")
                #expect(clocks.own(sender).raw == naive.clock(me, sender))
            }
            #expect(clocks.quorumDurable == naive.durable(), "step \(step)")
            #expect(Array(clocks.ownRow) == (0..<members).map { clocks.own($0) })
            clocks.checkInvariants()
        }
    }
}

@Suite struct HybridClockTests {
    @Test func stampsRiseWhateverTheLocalClockDoes() {
        var numbers = SeededNumbers(seed: 31)
        var clock = HybridClock(Timestamp(50))
        var last = Timestamp(50)
        for _ in 0..<1_000 {
            if Bool.random(using: &numbers) { clock.observe(Timestamp(UInt64(numbers.upTo(3_000)))) }
            #expect(clock.last >= last)
            let floor = clock.last
            let now = UInt64(numbers.upTo(3_000))
            let stamp = clock.stamp(now: now)
            #expect(stamp > floor && stamp.raw >= now && stamp.raw == max(floor.raw + 1, now) && clock.last == stamp)
            last = stamp
        }
    }
    @Test func whatIsSeenRaisesTheClockAndNeverLowersIt() {
        var clock = HybridClock()
        clock.observe(Timestamp(9))
        clock.observe(Timestamp(3))
        #expect(clock.last == Timestamp(9) && clock.stamp(now: 1) == Timestamp(10) && clock.stamp(now: 30) == Timestamp(30))
    }
    @Test func aStampIsTooFarAheadBeyondTheSkewAndNotAtIt() {
        let now: UInt64 = 1_700_000_000_000_000_000
        #expect(!HybridClock.isTooFarAhead(Timestamp(now + Limits.clockSkew), now: now))
        #expect(HybridClock.isTooFarAhead(Timestamp(now + Limits.clockSkew + 1), now: now))
        #expect(HybridClock.isTooFarAhead(Timestamp(.max), now: now) && !HybridClock.isTooFarAhead(.zero, now: now))
    }
}
