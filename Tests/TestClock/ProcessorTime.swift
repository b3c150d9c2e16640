internal import Glibc

/// The processor time that this thread spends on `body`: what a bar on an operation's cost is held against, whoever else computes
/// meanwhile. clock_gettime(2), CLOCK_THREAD_CPUTIME_ID.
package func processorTime(_ body: () throws -> Void) rethrows -> Duration {
    let before = now()
    try body()
    return now() - before
}

private func now() -> Duration {
    var time = timespec()
    _ = unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
}

/// Whether this build was optimised: bars on time hold only then.
package var isOptimised: Bool {
    #if DEBUG
        false
    #else
        true
    #endif
}

/// How often to repeat what is asked for `count` times: a twentieth in a debug build, which the thread sanitizer slows further.
package func scaled(_ count: Int) -> Int { isOptimised ? count : max(1, count / 20) }
