import Foundation
import Testing
import Tooling
import Wire

@testable import dpub

/// What a format made of some input, as text that a test can compare.
struct CutResult: Equatable, CustomStringConvertible {
    /// `topic|key|time|payload`, `-` for what a record does not have.
    var records: [String] = []
    var lines: [Int] = []
    var fault: String?
    var description: String { records.joined(separator: "\n") + (fault.map { "\n! \($0)" } ?? "") }
}

/// Cuts `input` with the format that `make` makes, showing it first the first `sizes[0]` bytes, then `sizes[1]` more and so on,
/// then the rest; each step shows a fresh copy, so a format that keeps a view or looks beyond the end is caught.
func cut<Format: InputFormat & ~Copyable>(_ input: [UInt8], sizes: [Int] = [], _ make: () -> Format) -> CutResult {
    var format = make()
    var result = CutResult()
    var consumed = 0
    var shown = 0
    var steps = sizes[...]
    while true {
        let atEnd = steps.isEmpty
        shown = atEnd ? input.count : min(input.count, shown + steps.removeFirst())
        var wantsMore = false
        while !wantsMore {
            do throws(InputFault) {
                let done = try Array(input[consumed..<shown]).withView { bytes throws(InputFault) -> Bool in
                    switch try format.next(bytes, atEnd: atEnd) {
                    case .record(let record, let length):
                        result.records.append(text(record))
                        result.lines.append(format.line)
                        consumed += length
                    case .skip(let length): consumed += length
                    case .more: wantsMore = true
                    case .end: return true
                    }
                    return false
                }
                if done { return result }
            } catch {
                result.fault = error.text(source: "stdin")
                return result
            }
        }
        if atEnd {
            result.fault = "wants more at the end"
            return result
        }
    }
}
private func text(_ record: InputRecord) -> String {
    [record.topic?.text ?? "-", record.key?.text ?? "-", record.time.map(TimeText.text) ?? "-", record.payload.text].joined(separator: "|")
}

/// Cuts `input` whole, split in two at every position, and byte by byte; all must agree. Returns the common result.
func cutEverywhere<Format: InputFormat & ~Copyable>(_ input: String, _ make: () -> Format) -> CutResult {
    cutEverywhere(Array(input.utf8), make)
}
func cutEverywhere<Format: InputFormat & ~Copyable>(_ input: [UInt8], _ make: () -> Format) -> CutResult {
    let whole = cut(input, make)
    for position in 0...input.count {
        let split = cut(input, sizes: [position], make)
        #expect(split == whole, "split at \(position)")
    }
    let bytewise = cut(input, sizes: Array(repeating: 1, count: input.count), make)
    #expect(bytewise == whole, "byte by byte")
    return whole
}

/// A directory of its own for a test, removed at its end.
final class TemporaryFolder {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent("squall-tools-\(UUID().uuidString)")
    init() throws { try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true) }
    deinit {
        do { try FileManager.default.removeItem(at: url) } catch { Issue.record("cannot remove \(url.path): \(error)") }
    }
    func write(_ name: String, _ bytes: [UInt8]) throws -> String {
        let file = url.appendingPathComponent(name)
        try Data(bytes).write(to: file)
        return file.path
    }
}

/// What a tool printed and left.
struct ToolRun {
    var status: Int32
    var output: String
    var errors: String
}

/// Runs a tool that was built beside this test bundle. The environment has none of the SQUALL_ variables but those given.
func runTool(_ name: String, _ arguments: [String], input: String = "", environment: [String: String] = [:]) throws -> ToolRun {
    let bundle = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    let tool = URL(fileURLWithPath: bundle).deletingLastPathComponent().appendingPathComponent(name)
    try #require(FileManager.default.isExecutableFile(atPath: tool.path), "\(tool.path) is not built")
    let folder = try TemporaryFolder()
    let process = Process()
    process.executableURL = tool
    process.arguments = arguments
    var clean = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("SQUALL_") }
    clean.merge(environment) { $1 }
    process.environment = clean
    process.standardInput = try FileHandle(forReadingFrom: URL(fileURLWithPath: try folder.write("in", Array(input.utf8))))
    let paths = [try folder.write("out", []), try folder.write("err", [])]
    process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: paths[0]))
    process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: paths[1]))
    try process.run()
    process.waitUntilExit()
    let texts = try paths.map { try String(contentsOfFile: $0, encoding: .utf8) }
    return ToolRun(status: process.terminationReason == .exit ? process.terminationStatus : -1, output: texts[0], errors: texts[1])
}
