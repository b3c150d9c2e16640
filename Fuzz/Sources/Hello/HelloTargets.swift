package import Wire

/// What a stranger's bytes meet first: the connection request and the hello.
package enum HelloTargets {
    package static let all: [(name: String, run: @Sendable (ByteView) -> Void)] = [("hello", hello), ("knock", knock)]

    /// As it came, and with magic, version and length made right.
    package static func hello(_ view: ByteView) {
        decode(view)
        guard view.count >= HelloMessage.headerBytes else { return }
        var bytes = view.array
        bytes.store(HelloMessage.magic, at: 0)
        bytes.store(HelloMessage.version, at: 4)
        bytes.store(UInt32(bytes.count), at: 8)
        bytes.withView { decode($0) }
    }
    private static func decode(_ view: ByteView) {
        precondition(HelloMessage.foreignVersion(view) != HelloMessage.version)
        do throws(DecodeError) {
            let message = try HelloMessage(view)
            let again = message.bytes
            precondition(again.count <= HelloMessage.limit)
            let second = try again.withView { v throws(DecodeError) in try HelloMessage(v) }
            precondition(message == second, "a message that comes back changed")
        } catch {}
    }

    package static func knock(_ view: ByteView) {
        let secret: [UInt8] = [1, 2, 3]
        if Knock.judge(view, cluster: "demo", secret: secret) == nil { precondition(view.count >= Knock.bytes) }
        if let code = Knock.refusal(view) { precondition(Knock.words(code) != "") }
        _ = Knock.isAnswer(view, to: view.array, secret: secret)
    }
}
