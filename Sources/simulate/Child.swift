import Glibc

/// This very program in a process of its own, for worlds that may trap: its lines come through a pipe.
final class Child {
    private let pid: pid_t
    let file: Int32
    private var rest: [UInt8] = []
    private var hasEnded = false

    /// nil: the system gives no process, or no pipe.
    init?(_ arguments: [String]) {
        var ends: [Int32] = [0, 0]
        guard unsafe pipe(&ends) == 0 else { return nil }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        unsafe posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO)
        // A trap's own words and backtrace: the caller says what there is to say.
        unsafe posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0)
        var words: [UnsafeMutablePointer<CChar>?] = unsafe (["simulate"] + arguments).map { unsafe strdup($0) } + [nil]
        let variables: [UnsafeMutablePointer<CChar>?] = unsafe [strdup("SWIFT_BACKTRACE=enable=no"), nil]
        var child: pid_t = 0
        let status = unsafe posix_spawn(&child, "/proc/self/exe", &actions, nil, &words, variables)
        unsafe (words + variables).forEach { word in unsafe free(word) }
        unsafe posix_spawn_file_actions_destroy(&actions)
        close(ends[1])
        pid = child
        file = ends[0]
        if status != 0 { return nil }
    }
    deinit {
        stop()
        close(file)
    }

    /// Ends the process; what it was at is lost.
    func stop() {
        guard !hasEnded else { return }
        hasEnded = true
        kill(pid, SIGKILL)
        var status: Int32 = 0
        unsafe waitpid(pid, &status, 0)
    }

    /// The lines that have come, once there are some; nil at the end.
    func lines() -> [String]? {
        var buffer = [UInt8](repeating: 0, count: 16 << 10)
        let count = unsafe read(file, &buffer, buffer.count)
        guard count > 0 else { return nil }
        rest += buffer[..<count]
        guard let last = rest.lastIndex(of: UInt8(ascii: "\n")) else { return [] }
        let whole = rest[..<last]
        rest = Array(rest[(last + 1)...])
        return whole.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
    }

    /// Waits until one of `children` has something to say, or has ended; its place among them.
    static func wait(_ children: [Child], milliseconds: Int32) -> Int? {
        var polls = children.map { pollfd(fd: $0.file, events: Int16(POLLIN), revents: 0) }
        guard unsafe poll(&polls, nfds_t(polls.count), milliseconds) > 0 else { return nil }
        return polls.firstIndex { $0.revents != 0 }
    }
}
