import CFaults
import Glibc

/// A process of this scene; it dies with it.
final class Child {
    enum End: Equatable {
        case exit(Int32)
        case signal(Int32)
    }
    let name: String
    let pid: Int32
    let startedAt = monotonic()
    private(set) var end: End?
    private let watched: Int32
    private var output: LineSource?
    private var errors: LineSource?
    var onOutput: (ArraySlice<UInt8>) -> Void = { _ in }
    var onError: (ArraySlice<UInt8>) -> Void = { _ in }

    /// `words`: the program's path and its arguments.
    init(_ words: [String], in folder: String, net: Int32) throws(Trouble) {
        name = String(words[0].split(separator: "/").last ?? "")
        let variables = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "HOME=\(folder)"]
        let text = Array((words + variables).joined(separator: "\0").utf8) + [0]
        let nothing = unsafe open("/dev/null", O_RDONLY | O_CLOEXEC)
        let (output, errors) = (try Self.makePipe(), try Self.makePipe())
        pid = unsafe text.withUnsafeBufferPointer { bytes in
            // faults_spawn reads as many zero-ended words as it is told of, all within `text`.
            unsafe bytes.withMemoryRebound(to: CChar.self) {
                unsafe faults_spawn($0.baseAddress, Int32(words.count), Int32(variables.count), folder, nothing, output.write, errors.write, net)
            }
        }
        for file in [nothing, output.write, errors.write] { close(file) }
        self.output = LineSource(file: output.read)
        self.errors = LineSource(file: errors.read)
        watched = pid > 0 ? faults_watch(pid) : -1
        guard pid > 0 else { throw .impossible("\(words[0]): \(reason(-pid))") }
        guard watched >= 0 else { throw .impossible("pidfd_open: \(reason(-watched))") }
    }

    deinit {
        if end == nil {
            kill(pid, SIGKILL)
            _ = waitpid(pid, nil, 0)
        }
        output?.close()
        errors?.close()
        close(watched)
    }

    private static func makePipe() throws(Trouble) -> (read: Int32, write: Int32) {
        var ends: [Int32] = [-1, -1]
        let status = unsafe faults_pipe(&ends)
        guard status == 0 else { throw .impossible("pipe2: \(reason(-status))") }
        return (ends[0], ends[1])
    }

    var isRunning: Bool { end == nil }
    /// kill(2), of this very process.
    func send(_ signal: Int32) { if end == nil { kill(pid, signal) } }

    /// Files to poll(2).
    var files: [Int32] { (output.map { [$0.file] } ?? []) + (errors.map { [$0.file] } ?? []) + (end == nil ? [watched] : []) }
    var isDone: Bool { end != nil && output == nil && errors == nil }

    /// Takes in what `file` has.
    func take(_ file: Int32) {
        if file == output?.file, output?.read(onOutput) == false { drop(&output) }
        if file == errors?.file, errors?.read(onError) == false { drop(&errors) }
        if file == watched { reap() }
    }
    private func drop(_ source: inout LineSource?) {
        source?.close()
        source = nil
    }

    private func reap() {
        var status: Int32 = 0
        guard unsafe waitpid(pid, &status, WNOHANG) == pid else { return }
        // What it said before it ended comes before its end.
        if output?.read(onOutput) == false { drop(&output) }
        if errors?.read(onError) == false { drop(&errors) }
        end = status & 0x7F == 0 ? .exit((status >> 8) & 0xFF) : .signal(status & 0x7F)
    }
}
