import Foundation
import Synchronization
import Testing

/// The folder of the programs under test: SQUALL_BIN, else where this test bundle lies.
let binaries: URL = {
    if let path = ProcessInfo.processInfo.environment["SQUALL_BIN"] { return URL(fileURLWithPath: path) }
    // The bundle is .build/CONFIGURATION/SquallPackageTests.xctest; on Linux that file is the running executable.
    return URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath().deletingLastPathComponent()
}()

/// What a test gives up with: the condition that did not come true, and what there is to see.
struct Overdue: Error, CustomStringConvertible {
    let description: String
}

/// Looks at `condition` every few milliseconds until it holds; throws `Overdue` after `seconds`.
func until(
    _ what: String, within seconds: Double = 20, _ condition: () async throws -> Bool
) async throws {
    let end = ContinuousClock.now + .seconds(seconds)
    while try await !condition() {
        guard ContinuousClock.now < end else { throw Overdue(description: "not within \(seconds) s: \(what)") }
        try await Task.sleep(for: .milliseconds(10))
    }
}

/// A program of ours (or of the system's) as a process: its output in files, ended at the latest with its owner.
final class Program {
    let process = Process()
    let name: String
    let outputFile: URL
    let errorFile: URL
    /// Where its output goes instead of a file, if so asked.
    let pipe: Pipe?

    enum Output { case file, pipe }

    /// `input` nil: nothing to read. `folder` is the working directory and gets the output files.
    init(
        _ name: String, _ arguments: [String], in folder: URL, input: FileHandle? = nil,
        environment: [String: String] = [:], label: String? = nil, output: Output = .file
    ) throws {
        self.name = name
        let stem = label ?? "\(URL(fileURLWithPath: name).lastPathComponent)-\(Self.count.add(1, ordering: .relaxed).newValue)"
        outputFile = folder.appendingPathComponent(stem + ".out")
        errorFile = folder.appendingPathComponent(stem + ".err")
        process.executableURL = name.hasPrefix("/") ? URL(fileURLWithPath: name) : binaries.appendingPathComponent(name)
        process.arguments = arguments
        process.currentDirectoryURL = folder
        var variables = ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": folder.path, "LC_ALL": "C.UTF-8"]
        variables.merge(environment) { $1 }
        process.environment = variables
        process.standardInput = input ?? FileHandle.nullDevice
        pipe = output == .pipe ? Pipe() : nil
        process.standardOutput = if let pipe { pipe } else { try Self.writable(outputFile) }
        process.standardError = try Self.writable(errorFile)
        try Self.withoutBlockedSignals { try process.run() }
        Reaper.shared.add(process.processIdentifier)
    }
    deinit {
        if process.isRunning { send(SIGKILL) }
        Reaper.shared.remove(process.processIdentifier)
    }
    private static let count = Atomic<Int>(0)

    /// A new process inherits the signal mask of the thread that starts it; the pool's threads block SIGINT and SIGTERM.
    private static func withoutBlockedSignals(_ body: () throws -> Void) throws {
        var none = sigset_t()
        var before = sigset_t()
        unsafe sigemptyset(&none)
        unsafe pthread_sigmask(SIG_SETMASK, &none, &before)
        defer { unsafe pthread_sigmask(SIG_SETMASK, &before, nil) }
        try body()
    }

    /// Opened for appending: a node that starts again goes on in the same file.
    private static func writable(_ file: URL) throws -> FileHandle {
        if !FileManager.default.fileExists(atPath: file.path) { try Data().write(to: file) }
        let handle = try FileHandle(forWritingTo: file)
        try handle.seekToEnd()
        return handle
    }

    var pid: Int32 { process.processIdentifier }
    var isRunning: Bool { process.isRunning }
    /// kill(2), of this very process.
    func send(_ signal: Int32) {
        if process.isRunning { kill(process.processIdentifier, signal) }
    }
    /// SIGKILL, and the wait until the system has taken it away.
    func destroy() async throws {
        send(SIGKILL)
        _ = try await status(within: 10)
    }

    /// The exit status once it has ended; 128 and the signal's number when a signal ended it.
    func status(within seconds: Double) async throws -> Int32 {
        do { try await until("\(name) ends", within: seconds) { !process.isRunning } } catch {
            throw Overdue(description: "\(error); it said: \(errorText.suffix(600))")
        }
        return process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus
    }
    /// Waits for status 0.
    func succeeds(within seconds: Double = 60, _ location: SourceLocation = #_sourceLocation) async throws {
        let status = try await status(within: seconds)
        try #require(status == 0, "\(name) ended with \(status): \(errorText.suffix(600))", sourceLocation: location)
    }

    var output: Data { (try? Data(contentsOf: outputFile)) ?? Data() }
    var outputText: String { String(decoding: output, as: UTF8.self) }
    var errorText: String { String(decoding: (try? Data(contentsOf: errorFile)) ?? Data(), as: UTF8.self) }
    var outputLines: [Substring] { outputText.split(separator: "\n") }
    /// Bytes of output so far, without reading them.
    var outputSize: Int {
        let attributes = try? FileManager.default.attributesOfItem(atPath: outputFile.path)
        return (attributes?[.size] as? NSNumber)?.intValue ?? 0
    }
    /// What a dpub reported in its last line.
    var tally: Tally? { Tally(errorText.split(separator: "\n").last { $0.hasPrefix("sent ") } ?? "") }
}

/// A dpub's closing line: `sent 63,676 · acknowledged 63,676 (durable on 2 of 3) · duplicates 0 · failed 0 · 41k/s`.
struct Tally: Equatable {
    let sent: Int
    let acknowledged: Int
    let duplicates: Int
    let failed: Int

    init?(_ line: Substring) {
        func number(_ word: String) -> Int? {
            guard let place = line.range(of: word + " ") else { return nil }
            return Int(line[place.upperBound...].prefix { $0.isNumber || $0 == "," }.filter { $0 != "," })
        }
        guard let sent = number("sent"), let acknowledged = number("acknowledged") else { return nil }
        // A progress line ends here; the closing line goes on.
        (self.sent, self.acknowledged) = (sent, acknowledged)
        (duplicates, failed) = (number("duplicates") ?? 0, number("failed") ?? 0)
    }
}

/// Ends what is left over when the test run itself is ended from outside: a shell that reads process ids from a pipe,
/// and at the pipe's end kills those not taken off its list.
final class Reaper: Sendable {
    static let shared = Reaper()
    private let list: Int32
    // Kept alive for as long as the test run.
    private let shell: Process

    private init() {
        let pipe = Pipe()
        list = dup(pipe.fileHandleForWriting.fileDescriptor)
        _ = fcntl(list, F_SETFD, FD_CLOEXEC)
        try? pipe.fileHandleForWriting.close()
        shell = Process()
        shell.executableURL = URL(fileURLWithPath: "/bin/bash")
        shell.arguments = [
            "-c",
            """
            declare -A mine
            while read -r sign pid; do if [[ $sign == + ]]; then mine[$pid]=1; else unset "mine[$pid]"; fi; done
            for pid in "${!mine[@]}"; do kill -9 "$pid" 2>/dev/null; done
            """,
        ]
        shell.standardInput = pipe.fileHandleForReading
        shell.standardOutput = FileHandle.nullDevice
        shell.standardError = FileHandle.nullDevice
        do { try shell.run() } catch { Issue.record("no shell to clean up after a cancelled run: \(error)") }
    }
    func add(_ pid: Int32) { tell("+ \(pid)\n") }
    func remove(_ pid: Int32) { tell("- \(pid)\n") }
    private func tell(_ line: String) {
        let bytes = Array(line.utf8)
        // Shorter than PIPE_BUF: written whole.
        _ = unsafe write(list, bytes, bytes.count)
    }
}
