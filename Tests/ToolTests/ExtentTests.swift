import Client
import Testing
import Tooling

@testable import dsub

private let now: Int64 = 1_795_255_200_000_000_000

@Test(
    "places to begin are read",
    arguments: [
        ("beginning", .beginning, nil), ("end", .end, nil), ("last", .last, nil), ("0", .offset(0), nil), ("17", .offset(17), nil), ("-5", .tail(5), nil),
        ("18446744073709551615", .offset(.max), nil), ("10..20", .offset(10), 20), ("0..1", .offset(0), 1),
        ("s@1700000000123", .time(1_700_000_000_123_000_000), nil), ("s@0", .time(0), nil),
        ("@2026-11-21T10:00:00Z", .time(1_795_255_200_000_000_000), nil), ("@2026-11-21 11:00:00.5+01:00", .time(1_795_255_200_500_000_000), nil),
        ("@1700000000", .time(1_700_000_000_000_000_000), nil), ("@-30s", .time(1_795_255_170_000_000_000), nil), ("@-5m", .time(1_795_254_900_000_000_000), nil),
        ("@-2h", .time(1_795_248_000_000_000_000), nil), ("@-1d", .time(1_795_168_800_000_000_000), nil), ("@-999999999d", .time(0), nil),
    ] as [(String, StartPosition, UInt64?)])
func placesToBeginAreRead(_ text: String, _ start: StartPosition, _ end: UInt64?) throws {
    let extent = try Extent(parsing: text, now: now)
    #expect(extent.start == start)
    #expect(extent.end == end)
}

@Test(
    "others are refused",
    arguments: [
        ("", "-o: \"\" is not a place to begin: beginning, end, last, N, -N, A..B, s@MS, @TIME or @-5m"),
        ("start", "-o: \"start\" is not a place to begin: beginning, end, last, N, -N, A..B, s@MS, @TIME or @-5m"),
        ("1x", "-o: \"1x\" is not a place to begin: beginning, end, last, N, -N, A..B, s@MS, @TIME or @-5m"),
        ("+1", "-o: \"+1\" is not a place to begin: beginning, end, last, N, -N, A..B, s@MS, @TIME or @-5m"),
        ("-", "-o: \"-\" is not a place to begin: beginning, end, last, N, -N, A..B, s@MS, @TIME or @-5m"),
        ("--5", "-o: \"--5\" is not a place to begin: beginning, end, last, N, -N, A..B, s@MS, @TIME or @-5m"),
        ("18446744073709551616", "-o: \"18446744073709551616\" is not a place to begin: beginning, end, last, N, -N, A..B, s@MS, @TIME or @-5m"),
        ("1..", "-o: \"1..\" is not a range of two offsets, like 100..200"),
        ("..1", "-o: \"..1\" is not a range of two offsets, like 100..200"),
        ("1...2", "-o: \"1...2\" is not a range of two offsets, like 100..200"),
        ("a.b..c", "-o: \"a.b..c\" is not a range of two offsets, like 100..200"),
        ("5..5", "-o: the range 5..5 is empty (its end is not included)"),
        ("6..5", "-o: the range 6..5 is empty (its end is not included)"),
        ("s@", "-o: \"s@\" is not s@ and milliseconds since 1970"),
        ("s@1.5", "-o: \"s@1.5\" is not s@ and milliseconds since 1970"),
        ("s@99999999999999999", "-o: \"s@99999999999999999\" is out of range"),
        ("@", "-o: \"@\" is not @ and a time, like @2026-11-21T10:00:00Z"),
        ("@noon", "-o: \"@noon\" is not @ and a time, like @2026-11-21T10:00:00Z"),
        ("@1960-01-01", "-o: \"@1960-01-01\" is before 1970"),
        ("@-5", "-o: \"@-5\" is not @- and a time span, like @-30s, @-5m, @-2h or @-1d"),
        ("@-m", "-o: \"@-m\" is not @- and a time span, like @-30s, @-5m, @-2h or @-1d"),
        ("@-5w", "-o: \"@-5w\" is not @- and a time span, like @-30s, @-5m, @-2h or @-1d"),
        ("stored", "-o stored goes with -G NAME: offsets are stored for consumer groups"),
    ])
func otherPlacesAreRefused(_ text: String, _ message: String) {
    #expect(throws: ToolFailure(.usage, message)) { try Extent(parsing: text, now: now) }
}

@Test func theFlagTakesNegativeNumbersInEveryForm() throws {
    for form in [["-o", "-5"], ["-o=-5"], ["-o-5"], ["--offset", "-5"], ["--offset=-5"]] {
        #expect(try SpanFlags.reading(form).offset == "-5", "\(form)")
    }
    #expect(try SpanFlags.reading(["-C", "3"]).count == 3)
    #expect(try SpanFlags.reading(["-c", "3"]).count == 3)
}

@Test func aRangeEndsByItself() throws {
    let plan = try WatchPlan(["#"], ["a"], "x > 1", try SpanFlags.reading(["-o", "5..9"]), try OutputFlags.reading([]), try SharingFlags.reading([]), now: now)
    #expect(plan.stopsAtEnd)
    #expect(plan.subscription.endOffset == 9)
    #expect(plan.subscription.excluded == ["a"])
}

@Test func aRuleStopsByCountByEndAndByTime() {
    var counted = StopRule(count: 2, stopsAtEnd: false, deadline: 10)
    #expect(counted.verdict(atEnd: true, interrupted: false, now: 5) == nil)
    let wanted = [counted.take(), counted.take()]
    #expect(wanted == [true, false])
    #expect(counted.verdict(atEnd: false, interrupted: false, now: 11) == .done)

    let timed = StopRule(count: nil, stopsAtEnd: false, deadline: 10)
    #expect(timed.verdict(atEnd: true, interrupted: false, now: 9.9) == nil)
    #expect(timed.verdict(atEnd: true, interrupted: false, now: 10) == .timeUp)
    #expect(timed.verdict(atEnd: true, interrupted: true, now: 10) == .done)
    #expect(timed.wait(now: 9.95, slice: 0.1) < 0.06)
    #expect(timed.wait(now: 12, slice: 0.1) == 0)

    let ending = StopRule(count: nil, stopsAtEnd: true, deadline: nil)
    #expect(ending.verdict(atEnd: false, interrupted: false, now: 1e9) == nil)
    #expect(ending.verdict(atEnd: true, interrupted: false, now: 0) == .done)
    #expect(ending.wait(now: 12, slice: 0.1) == 0.1)
}
