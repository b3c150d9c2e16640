import Testing
import Wire

@testable import dpub

@Test(
    "lines become records wherever the input is split",
    arguments: [
        ("", []),
        ("a", ["a"]),
        ("a\n", ["a"]),
        ("a\nb", ["a", "b"]),
        ("a\n\n\nb\n", ["a", "b"]),
        ("a\r\nb\r\n", ["a", "b"]),
        ("a\r\n\r\nb\r", ["a", "b"]),
        ("a\rb\n", ["a\rb"]),
        ("\u{0}x\u{0}\n\u{0}\n", ["\u{0}x\u{0}", "\u{0}"]),
        (" \n\t\n", [" ", "\t"]),
        ("å∫ç\n😀\n", ["å∫ç", "😀"]),
    ] as [(String, [String])])
func linesBecomeRecords(_ input: String, _ payloads: [String]) {
    let result = cutEverywhere(input) { LineFormat() }
    #expect(result.fault == nil)
    #expect(result.records == payloads.map { "-|-|-|" + $0 })
}

@Test(
    "a separator splits the key from each line, once",
    arguments: [
        (":", "k:v\n", "k|-|v"),
        (":", "k:v:w\n", "k|-|v:w"),
        (":", "no key\n", "-|-|no key"),
        (":", ":v\n", "|-|v"),
        (":", "k:\n", "k|-|"),
        ("::", "a:b::c\n", "a:b|-|c"),
        ("::", "a:\n", "-|-|a:"),
        ("ab", "aab\n", "a|-|"),
    ])
func separatorSplitsKeys(_ separator: String, _ input: String, _ record: String) {
    let result = cutEverywhere(input) { LineFormat(keySeparator: Array(separator.utf8)) }
    #expect(result.records == ["-|" + record])
}

@Test func emptyLinesCountAsLines() {
    #expect(cutEverywhere("a\n\n\r\nb\nc") { LineFormat() }.lines == [1, 4, 5])
}

@Test func aLineOverTheLimitIsNamedBeforeItsEndIsSeen() {
    let long = [UInt8](repeating: 65, count: Limits.record + 1)
    let message = "stdin:2: line is longer than the limit of 1,048,576 bytes"
    #expect(cut(Array("a\n".utf8) + long, sizes: [2, long.count]) { LineFormat() }.fault == message)
    #expect(cut(Array("a\n".utf8) + long + [10]) { LineFormat() }.fault == message)
    #expect(cut(Array("a\n".utf8) + long.dropLast() + [10]) { LineFormat() }.records.count == 2)
}

@Test func wholeInputIsOneMessage() {
    #expect(cutEverywhere("a\nb\n") { WholeFormat() }.records == ["-|-|-|a\nb\n"])
    #expect(cutEverywhere("") { WholeFormat() }.records == ["-|-|-|"])
    let long = [UInt8](repeating: 65, count: Limits.record + 1)
    #expect(cut(long, sizes: [long.count]) { WholeFormat() }.fault == "stdin: message is longer than the limit of 1,048,576 bytes")
}
