
/// Receives records in order; follows replicas, fails over to another node and resumes without loss or duplicate.
/// One thread; `poll` makes progress.
public final class Subscriber {
    public struct Progress: Sendable {
        /// Records handed to the body in this call.
        public var delivered = 0
        /// All groups have reached what was the end when this subscription began (or its `endOffset`).
        public var atEnd = false
        /// Records that were no longer kept when they were asked for, in all.
        public var skipped: UInt64 = 0
    }
    public init(_ options: ClientOptions, _ subscription: Subscription) throws(ClientError) { fatalError() }
    /// Blocks until a broker has accepted the subscription.
    public func connect() throws(ClientError) { fatalError() }
    /// Waits up to `seconds` for records and passes each to `body`, in order; `body` returns false to stop early (the
    /// records behind are kept for the next call).
    public func poll(upTo seconds: Double, _ body: (borrowing ReceivedRecord) -> Bool) throws(ClientError) -> Progress { fatalError() }
    public func close() { fatalError() }
}

/// Asks a broker one question. `what`: `status`, `topics`, `groups`; the answer is JSON text.
public func inquire(_ options: ClientOptions, _ what: String) throws(ClientError) -> String { fatalError() }
