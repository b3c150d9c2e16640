internal import Wire

/// A network address: a host's name or number, and a port, 1 ... 65,535. Written `host:port`, an IPv6 number in brackets.
package struct HostPort: Hashable, Sendable, CustomStringConvertible {
    /// Where a node listens when nothing else is said.
    package static let defaultPort: UInt16 = 7420

    /// Without brackets; letters in lower case.
    package let host: String
    package let port: UInt16

    /// `host` is a name or number as `parse` accepts it, without brackets.
    package init(host: String, port: UInt16) {
        self.host = host.lowercased()
        self.port = port
    }

    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
    /// Whether it stands for all of a machine's addresses: to listen at, not to connect to.
    package var isWildcard: Bool { host == "0.0.0.0" || host == "::" }

    /// Why a text is no address: what is wrong, to follow the text, and what to do.
    package struct Refusal: Error, Equatable, Sendable, CustomStringConvertible {
        package let problem: String
        package let hint: String
        package var description: String { "\(problem); \(hint)" }
    }

    /// Reads `text`; without a port it takes `port`, and is refused where that is nil.
    package static func parse(_ text: String, port: UInt16? = nil) throws(Refusal) -> HostPort {
        guard text.utf8.count <= Limits.address else {
            throw Refusal(problem: "has \(text.utf8.count) bytes", hint: "the limit is \(Limits.address)")
        }
        let (host, rest) = try split(text)
        guard let rest else {
            guard let port else { throw Refusal(problem: "has no port", hint: "write \(bracketed(host)):\(defaultPort)") }
            return HostPort(host: host, port: port)
        }
        // Digits only: UInt16 would also take a sign.
        guard !rest.isEmpty, rest.utf8.count <= 5, rest.utf8.allSatisfy(isDigit), let number = UInt16(rest), number > 0 else {
            throw Refusal(problem: "has the port \(quoted(rest))", hint: "a port is a whole number, 1 to 65535")
        }
        return HostPort(host: host, port: number)
    }

    /// The host, checked and without brackets, and what is behind its colon if there is one.
    private static func split(_ text: String) throws(Refusal) -> (String, Substring?) {
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { throw Refusal(problem: "has no \"]\"", hint: "write [::1]:\(defaultPort)") }
            let host = text[text.index(after: text.startIndex)..<end]
            guard isIPv6(host) else {
                throw Refusal(problem: "has no IPv6 number in its brackets", hint: "write for example [::1]:\(defaultPort)")
            }
            let rest = text[text.index(after: end)...]
            guard rest.isEmpty || rest.hasPrefix(":") else {
                throw Refusal(problem: "has \(quoted(rest)) behind its brackets", hint: "write [\(host)]:\(defaultPort)")
            }
            return (String(host), rest.isEmpty ? nil : rest.dropFirst())
        }
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        if parts.count == 2, parts[1].contains(":") {
            throw Refusal(problem: "has several colons", hint: "put an IPv6 number in brackets: [::1]:\(defaultPort)")
        }
        let host = parts[0]
        guard !host.isEmpty else { throw Refusal(problem: "has no host", hint: "write for example 127.0.0.1:\(defaultPort)") }
        guard isName(host) else {
            throw Refusal(problem: "has the host \(quoted(host))", hint: "a host is a name such as node1.local, or a number such as 10.0.0.1")
        }
        return (String(host), parts.count == 2 ? parts[1] : nil)
    }

    private static func bracketed(_ host: String) -> String { host.contains(":") ? "[\(host)]" : host }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

    /// Labels of letters, digits, `-` and `_`, none empty; what is all digits and dots must be an IPv4 number.
    private static func isName(_ host: Substring) -> Bool {
        let labels = host.split(separator: ".", omittingEmptySubsequences: false)
        if labels.allSatisfy({ $0.utf8.allSatisfy(isDigit) }) { return isIPv4(host) }
        return labels.allSatisfy { label in
            !label.isEmpty && label.utf8.count <= 63 && !label.hasPrefix("-") && !label.hasSuffix("-")
                && label.utf8.allSatisfy { byte in
                    isDigit(byte) || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
                        || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
                }
        }
    }

    /// Four numbers up to 255, without leading zeros (some systems read those as octal).
    private static func isIPv4(_ host: Substring) -> Bool {
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts.allSatisfy { $0.utf8.allSatisfy(isDigit) && UInt8($0).map(String.init) == String($0) }
    }

    /// Eight groups of up to four hexadecimal digits, one `::` for groups of zeros, IPv4 for the last two; `%zone` behind.
    private static func isIPv6(_ host: Substring) -> Bool {
        let zoned = host.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
        if zoned.count == 2, zoned[1].isEmpty || !zoned[1].utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "%") }) {
            return false
        }
        let text = zoned[0]
        var halves: [Substring] = [text]
        if let gap = firstGap(text) { halves = [text[..<gap], text[text.index(gap, offsetBy: 2)...]] }
        var groups = 0
        for (index, half) in halves.enumerated() where !half.isEmpty {
            let parts = half.split(separator: ":", omittingEmptySubsequences: false)
            for (place, part) in parts.enumerated() {
                if index == halves.count - 1, place == parts.count - 1, part.contains(".") {
                    guard isIPv4(part) else { return false }
                    groups += 2
                } else {
                    guard (1...4).contains(part.utf8.count), part.utf8.allSatisfy({ Unicode.Scalar($0).properties.isASCIIHexDigit })
                    else { return false }
                    groups += 1
                }
            }
        }
        return halves.count == 2 ? groups <= 7 : groups == 8
    }

    /// Where the first `::` begins.
    private static func firstGap(_ text: Substring) -> Substring.Index? {
        zip(text.indices, text.indices.dropFirst()).first { text[$0] == ":" && text[$1] == ":" }?.0
    }
}
