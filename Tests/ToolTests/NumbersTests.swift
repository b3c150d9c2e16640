import Testing
import Tooling

@testable import dpub

@Test(
    "thousands are grouped",
    arguments: [
        (0, "0"), (7, "7"), (999, "999"), (1000, "1,000"), (63_676, "63,676"), (999_999, "999,999"), (1_000_000, "1,000,000"),
        (UInt64.max, "18,446,744,073,709,551,615"),
    ] as [(UInt64, String)])
func thousandsAreGrouped(_ value: UInt64, _ text: String) {
    #expect(Numbers.grouped(value) == text)
}

@Test func negativeNumbersAreGroupedToo() {
    #expect(Numbers.grouped(-1000) == "-1,000")
    #expect(Numbers.grouped(Int.min) == "-9,223,372,036,854,775,808")
}

@Test(
    "rates are short",
    arguments: [
        (0, "0"), (0.04, "0"), (0.5, "0.5"), (3.24, "3.2"), (3, "3"), (9.94, "9.9"), (9.96, "10"), (41, "41"), (999.4, "999"), (999.6, "1k"),
        (1049, "1k"), (1051, "1.1k"), (41_234, "41k"), (999_600, "1M"), (12_345_678, "12M"), (-.infinity, "0"), (.nan, "0"),
    ] as [(Double, String)])
func ratesAreShort(_ value: Double, _ text: String) {
    #expect(Numbers.short(value) == text)
}

@Test(
    "durations take the unit that fits",
    arguments: [
        (0, "0 s"), (120e-9, "120 ns"), (3.2e-6, "3.20 µs"), (0.02, "20.0 ms"), (0.9999, "1.00 s"), (1.5, "1.50 s"), (59.96, "60.0 s"), (120, "120 s"),
        (7200, "2.00 h"), (86_400 * 4543, "4,543 d"), (-0.5, "-500 ms"), (.infinity, "-"),
    ] as [(Double, String)])
func durationsTakeTheUnitThatFits(_ value: Double, _ text: String) {
    #expect(Numbers.duration(value) == text)
}

@Test(
    "sizes are read", arguments: [("0", 0), ("65536", 65_536), ("64k", 65_536), ("64KiB", 65_536), ("1M", 1 << 20), ("1mb", 1 << 20), ("5b", 5), ("", nil), ("k", nil), ("-1", nil), ("1g", nil), ("1.5k", nil), ("99999999999999999999", nil), ("9223372036854775807k", nil)] as [(String, Int?)])
func sizesAreRead(_ text: String, _ value: Int?) {
    #expect(Numbers.parseBytes(text) == value)
}

@Test(
    "rates and factors are read",
    arguments: [
        ("100", 100, 100), ("100/s", 100, nil), ("10k/s", 10_000, nil), ("2M", 2e6, 2e6), ("0.5", 0.5, 0.5), ("10x", nil, 10), ("0.5x", nil, 0.5),
        ("0", nil, nil), ("-1", nil, nil), ("1e3", nil, nil), ("inf", nil, nil), ("nan", nil, nil), ("", nil, nil), ("/s", nil, nil), ("x", nil, nil),
        ("1..2", nil, nil), ("10/m", nil, nil),
    ] as [(String, Double?, Double?)])
func ratesAndFactorsAreRead(_ text: String, _ rate: Double?, _ speed: Double?) {
    #expect(Pacer.parseRate(text) == rate)
    #expect(Pacer.parseSpeed(text) == speed)
}

@Test(
    "the closing line says what an acknowledgement means",
    arguments: [
        ("durable", "sent 63,676 · acknowledged 63,676 (durable on 2 of 3) · duplicates 0 · failed 0 · 41k/s"),
        ("ordered", "sent 63,676 · acknowledged 63,676 (ordered on 3) · duplicates 0 · failed 0 · 41k/s"),
        ("unordered", "sent 63,676 · acknowledged 63,676 (received) · duplicates 0 · failed 0 · 41k/s"),
        ("", "sent 63,676 · acknowledged 63,676 · duplicates 0 · failed 0 · 41k/s"),
    ])
func closingLineSaysWhatWasPromised(_ level: String, _ text: String) {
    let tally = Tally(sent: 63_676, acknowledged: 63_676, level: level, quorum: 2, members: 3)
    #expect(closingLine(tally, seconds: 63_676.0 / 41_000) == text)
}

@Test func aRunOfNothingHasARateOfNothing() {
    #expect(closingLine(Tally(), seconds: 0) == "sent 0 · acknowledged 0 · duplicates 0 · failed 0 · 0/s")
}

@Test func progressIsRedrawnOnATerminalOnly() {
    let tally = Tally(sent: 2000, acknowledged: 1000)
    #expect(ProgressLine(isOn: true, isTerminal: true, now: 10).line(tally, now: 12) == "\rsent 2,000 · acknowledged 1,000 · 500/s\u{1B}[K")
    #expect(ProgressLine(isOn: true, isTerminal: false, now: 10).line(tally, now: 12) == "sent 2,000 · acknowledged 1,000 · 500/s\n")
    #expect(ProgressLine(isOn: true, isTerminal: true, now: 10).line(Tally(), now: 12) == nil)
}
