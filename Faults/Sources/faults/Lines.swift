import Glibc

/// What is published: line n is n in decimal, filled up with the letter a to a length that depends on n alone.
///
/// dpub reads them from a file that all scenes share; a reader's record is checked against the same rule.
enum Lines {
    static let count = 30_000
    /// 16 … 2,031 bytes, so that segments of 1 MiB roll every ten seconds or so.
    static func length(_ number: Int) -> Int { 16 + (number &* 7919) % 2016 }

    static func write(to path: String) throws(Trouble) {
        guard let file = unsafe fopen(path, "we") else { throw .impossible("\(path): \(reason(errno))") }
        defer { unsafe fclose(file) }
        for number in 1...count {
            let digits = "\(number)"
            let line = digits + String(repeating: "a", count: length(number) - digits.utf8.count) + "\n"
            guard unsafe fputs(line, file) >= 0 else { throw .impossible("\(path): \(reason(errno))") }
        }
    }
}
