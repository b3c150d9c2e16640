import Glibc

/// All that a scene waits for: one poll(2) over the outputs and the ends of its processes.
final class Watch {
    private var children: [Child] = []

    func add(_ child: Child) { children.append(child) }
    func forget(_ child: Child?) { children.removeAll { $0 === child } }

    /// Waits until something comes or the time is `limit`, and takes it in.
    func turn(until limit: UInt64) {
        children.removeAll { $0.isDone }
        var owners: [Child] = []
        var files: [pollfd] = []
        for child in children {
            for file in child.files {
                owners.append(child)
                files.append(pollfd(fd: file, events: Int16(POLLIN), revents: 0))
            }
        }
        let now = monotonic()
        let left = limit > now ? min((limit - now + 999_999) / 1_000_000, 1000) : 0
        guard unsafe poll(&files, nfds_t(files.count), Int32(left)) > 0 else { return }
        for (owner, file) in zip(owners, files) where file.revents != 0 { owner.take(file.fd) }
    }

    /// Waits until `condition` holds.
    func until(_ what: @autoclosure () -> String, within seconds: Double, _ condition: () -> Bool) throws(Trouble) {
        let limit = monotonic() + nanoseconds(seconds)
        while !condition() {
            guard monotonic() < limit else { throw .overdue("not within \(seconds) s: \(what())") }
            turn(until: limit)
        }
    }

    /// Lets a drawn time pass; what comes meanwhile is taken in. Ends early when `condition` holds.
    func pass(_ milliseconds: Int, unless condition: () -> Bool = { false }) {
        let limit = monotonic() + UInt64(milliseconds) * 1_000_000
        while monotonic() < limit, !condition() { turn(until: limit) }
    }

    /// Runs a program of the system to its end; what it said on standard error when it failed.
    func run(_ words: [String], net: Int32 = -1, within seconds: Double = 30) throws(Trouble) {
        let child = try Child(words, in: "/", net: net)
        var said: [String] = []
        child.onError = { said.append(String(decoding: $0, as: UTF8.self)) }
        add(child)
        defer { forget(child) }
        try until(words.joined(separator: " "), within: seconds) { child.end != nil }
        guard child.end == .exit(0) else {
            throw .impossible("\(words.joined(separator: " ")): \(said.isEmpty ? "status \(child.end.map { "\($0)" } ?? "")" : said.joined(separator: " "))")
        }
    }
}
