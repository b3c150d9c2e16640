import Glibc
import Tooling

/// The operator's lines: time, then what happened, on standard error.
enum Console {
    static func say(_ line: String) {
        var now = timespec()
        _ = unsafe clock_gettime(CLOCK_REALTIME, &now)
        var parts = unsafe tm()
        _ = unsafe gmtime_r(&now.tv_sec, &parts)
        let milliseconds = now.tv_nsec / 1_000_000
        let time =
            unsafe two(parts.tm_hour) + ":" + two(parts.tm_min) + ":" + two(parts.tm_sec) + "."
            + String(repeating: "0", count: milliseconds < 10 ? 2 : milliseconds < 100 ? 1 : 0) + "\(milliseconds)"
        _ = Descriptor.writeLine("\(time)Z \(line)", to: 2)
    }
    private static func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
}
