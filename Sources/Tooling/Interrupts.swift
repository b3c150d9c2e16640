internal import Glibc
internal import Synchronization

/// What signals have asked for.
///
///      idle ──signal──▶ leaves at once (nothing to drain)
///       │ engage
///       ▼
///      engaged ──signal──▶ draining ──signal──▶ leaves at once
private let seen = Atomic<Int>(0)
private let engaged = Atomic<Bool>(false)
private let hurried = Atomic<Int32>(1)

/// SIGINT and SIGTERM: the first asks the tool to drain, the second ends the process.
package enum Interrupts {
    /// Installs the handlers; sigaction(2). `status` is what the process leaves when there is no time to drain.
    package static func install(leavingAtOnce status: ExitStatus) {
        // Touched before a handler can run: the globals are set up by now.
        seen.store(0, ordering: .sequentiallyConsistent)
        engaged.store(false, ordering: .sequentiallyConsistent)
        hurried.store(status.rawValue, ordering: .sequentiallyConsistent)
        var action = sigaction()
        unsafe action.__sigaction_handler.sa_handler = { _ in
            let before = seen.add(1, ordering: .sequentiallyConsistent).oldValue
            if before > 0 || !engaged.load(ordering: .sequentiallyConsistent) {
                _exit(hurried.load(ordering: .sequentiallyConsistent))
            }
        }
        // A read or write goes on after the signal; the loops look at `asked` between them.
        action.sa_flags = SA_RESTART
        unsafe sigaction(SIGINT, &action, nil)
        unsafe sigaction(SIGTERM, &action, nil)
    }
    /// From here on a first signal drains.
    package static func engage() { engaged.store(true, ordering: .sequentiallyConsistent) }
    package static var asked: Bool { seen.load(ordering: .relaxed) > 0 }

    /// A closed pipe shows as EPIPE from write(2), not as a death by SIGPIPE; signal(2).
    package static func ignoreClosedPipes() { _ = signal(SIGPIPE, SIG_IGN) }
}
