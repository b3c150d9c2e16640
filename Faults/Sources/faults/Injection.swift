/// A fault at a drawn system call of a node, by strace: the first thread that makes the call for the `when`th time gets it.
struct Injection {
    enum Deed: Equatable {
        /// SIGKILL as the call is entered: what came before has happened, the call has not.
        case kill
        /// The call fails with this error, and every later one too if `always`.
        case fail(String, always: Bool)
        /// The call says that it is done and does nothing: a disk that lies.
        case lie
    }
    let call: String
    let when: Int
    let deed: Deed

    /// Every call by which a node changes its disk, and those by which it tells others of it: write(2) wakes the loop after a
    /// sync, sendmsg(2) carries acknowledgements and rows.
    static let boundaries = [
        "pwritev", "fdatasync", "pwritev", "fdatasync", "pwritev", "fdatasync", "write", "sendmsg", "renameat", "fsync",
        "ftruncate", "fallocate", "unlinkat", "pwrite64",
    ]
    static let failing = ["pwritev", "fdatasync", "fdatasync", "pwritev", "fsync", "renameat"]

    /// No sync ever happens.
    static let lyingDisk = Injection(call: "fdatasync,fsync", when: 1, deed: .lie)

    static func drawKill(_ draw: inout Draw) -> Injection {
        let call = draw.pick(boundaries)
        let limit =
            switch call {
            case "pwritev", "fdatasync", "write", "sendmsg": 32
            case "renameat", "fsync": 5
            case "ftruncate": 2
            default: 1
            }
        return Injection(call: call, when: draw.spread(limit), deed: .kill)
    }

    static func drawFailure(_ draw: inout Draw) -> Injection {
        let call = draw.pick(failing)
        let limit = call == "pwritev" || call == "fdatasync" ? 32 : 4
        return Injection(
            call: call, when: draw.spread(limit),
            deed: .fail(draw.pick(["EIO", "ENOSPC"]), always: draw.once(in: 3)))
    }

    /// The program as a direct child, its tracer apart. Errors leave all other calls untraced; a signal is not delivered from
    /// where such a filter stops a thread, so that it needs every call stopped.
    var words: [String] {
        let flags: [String]
        let what: String
        switch deed {
        case .kill: (flags, what) = ([], "signal=KILL:when=\(when)")
        case .lie: (flags, what) = (["--seccomp-bpf"], "retval=0")
        case .fail(let error, let always): (flags, what) = (["--seccomp-bpf"], "error=\(error):when=\(when)\(always ? "+" : "")")
        }
        return ["/usr/bin/strace", "-D", "-f", "-qqq"] + flags + ["-o", "/dev/null", "-e", "trace=\(call)", "-e", "inject=\(call):\(what)"]
    }
}
