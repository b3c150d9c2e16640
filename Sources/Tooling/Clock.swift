internal import Glibc

/// The two clocks; clock_gettime(2).
package enum Clock {
    /// Nanoseconds since 1970 (CLOCK_REALTIME).
    package static func wall() -> Int64 {
        let time = read(CLOCK_REALTIME)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
    /// Seconds that never fall, from an arbitrary start (CLOCK_MONOTONIC).
    package static func monotonic() -> Double {
        let time = read(CLOCK_MONOTONIC)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
    private static func read(_ clock: clockid_t) -> timespec {
        var time = timespec()
        let result = unsafe clock_gettime(clock, &time)
        precondition(result == 0, "the clock cannot be read")
        return time
    }
}
