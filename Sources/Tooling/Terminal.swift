internal import Glibc

/// What is known about the terminal behind a descriptor.
package enum Terminal {
    package static func isTerminal(_ file: Int32) -> Bool { isatty(file) == 1 }
    /// Colour is for people who look at it and have not declined it (`NO_COLOR`, `TERM=dumb`).
    package static func wantsColour(_ file: Int32) -> Bool {
        isTerminal(file) && (Environment.value("NO_COLOR") ?? "").isEmpty && Environment.value("TERM") != "dumb"
    }
    /// Columns of the terminal behind `file`, or nil where there is none; ioctl(2), TIOCGWINSZ.
    package static func width(_ file: Int32) -> Int? {
        var size = winsize()
        guard isTerminal(file), unsafe ioctl(file, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return nil }
        return Int(size.ws_col)
    }
}

/// The process's environment; getenv(3).
package enum Environment {
    package static func value(_ name: String) -> String? {
        // The string is copied at once; nothing here changes the environment.
        guard let text = unsafe getenv(name) else { return nil }
        return unsafe String(cString: text)
    }
}
